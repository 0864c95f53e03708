import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises'
import type { Clock, Ports, Timer } from '../../core/ports.ts'
import { silentLog } from '../../core/system-ports.ts'

/** Time that stands still until a test moves it. */
export class ManualClock implements Clock {
  private time = 1_700_000_000_000
  private timers: { at: number; callback: () => void }[] = []
  private calls = 0
  private released: (() => void)[] = []

  /** Time stands still for `passing` while a call to another process is under way: it would fly by meanwhile. */
  async hold<T>(call: () => Promise<T>): Promise<T> {
    this.calls++
    try {
      return await call()
    } finally {
      if (--this.calls === 0) for (const release of this.released.splice(0)) release()
    }
  }

  /** Resolves when no call is under way. */
  async free(): Promise<void> {
    if (this.calls > 0) await new Promise<void>((resolve) => this.released.push(resolve))
  }

  now(): number {
    return this.time
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { at: this.time + delayMs, callback }
    this.timers.push(timer)
    return {
      cancel: () => {
        this.timers = this.timers.filter((other) => other !== timer)
      }
    }
  }

  advance(ms: number): void {
    const end = this.time + ms
    for (;;) {
      const next = this.timers.reduce<{ at: number; callback: () => void } | undefined>(
        (first, timer) => (timer.at <= end && (first === undefined || timer.at < first.at) ? timer : first),
        undefined
      )
      if (next === undefined) break
      this.timers = this.timers.filter((timer) => timer !== next)
      this.time = Math.max(this.time, next.at)
      next.callback()
    }
    this.time = end
  }

  /** Milliseconds until the next timer; undefined: there is none. */
  untilNext(): number | undefined {
    return this.timers.length === 0 ? undefined : Math.min(...this.timers.map(({ at }) => at)) - this.time
  }
}

/** mulberry32: numbers in [0, 1) that depend on the seed alone. */
export function seeded(seed: number): () => number {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

export function manualPorts(clock: Clock, seed = 1): Ports {
  const next = seeded(seed)
  const uid = () => Math.floor(next() * 2 ** 32).toString(16)
  return { clock, random: { next }, ids: { uid, suffix: uid }, log: silentLog }
}

/** So many steps at full speed; whatever takes longer waits for a disk, while minutes would fly by. */
const FAST_STEPS = 2_000

/** What `promise` comes to, while time passes in small steps. */
export async function passing<T>(clock: ManualClock, promise: Promise<T>): Promise<T> {
  let settled = false
  const done = promise.finally(() => {
    settled = true
  })
  done.catch(() => {})
  for (let steps = 0; !settled; steps++) {
    await (steps < FAST_STEPS ? turn() : delay(1))
    await clock.free()
    if (!settled) clock.advance(5)
  }
  return await done
}
