/** Where loops keep the keys that are to run later: a wheel in the process, or a queue outside of it. */
import type { Clock, Timer } from './ports.ts'

/** The delayed keys of one loop. */
export interface Timers {
  /**
   * Has the key delivered in `delayMs`, at least once and not before. Of several times for one key the earliest counts.
   * `failures`: how often its run has failed in a row; it is delivered with the key.
   */
  set(key: string, delayMs: number, failures: number): void
  /** Nothing is delivered to this process any more. */
  stop(): void
}

/** Gives a loop its timers; `deliver` is called when a key's time has come. */
export type TimersFor = (loop: string, deliver: (key: string, failures: number) => void) => Timers

/** Ends with the process. */
export function wheelTimers(clock: Clock): TimersFor {
  return (_, deliver) => {
    const delayed = new Map<string, { readonly due: number; readonly timer: Timer }>()
    return {
      set: (key, delayMs, failures) => {
        const due = clock.now() + delayMs
        const waiting = delayed.get(key)
        if (waiting !== undefined && waiting.due <= due) return
        waiting?.timer.cancel()
        const timer = clock.after(delayMs, () => {
          delayed.delete(key)
          deliver(key, failures)
        })
        delayed.set(key, { due, timer })
      },
      stop: () => {
        for (const { timer } of delayed.values()) timer.cancel()
        delayed.clear()
      }
    }
  }
}
