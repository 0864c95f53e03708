/**
 * Time that stands still for nobody and jumps where nothing is at work: an hour of timers passes in the time that the
 * calls take which they make.
 */
import { performance } from 'node:perf_hooks'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import type { Clock, Ports, Timer } from '../../core/ports.ts'
import { silentLog, systemPorts } from '../../core/system-ports.ts'

interface Pending {
  readonly due: number
  readonly callback: () => void
}

const warn = (fields: object, message: string) => void process.stderr.write(`${message} ${JSON.stringify(fields)}\n`)
const LOUD = { ...silentLog, warn, error: warn }

/** Milliseconds of quiet after which time jumps: agents read small files meanwhile. */
const QUIET_MS = 4
/** When the scenario begins. */
const START = Date.UTC(2026, 0, 1)

export class JumpingClock implements Clock {
  /** Calls under way: while there are any, time passes as it does. */
  busy = 0
  private offset = 0
  private readonly began = performance.now()
  private readonly pending = new Set<Pending>()

  readonly now = (): number => Math.floor(START + performance.now() - this.began + this.offset)

  readonly after = (delayMs: number, callback: () => void): Timer => {
    const timer = { due: this.now() + Math.max(0, delayMs), callback }
    this.pending.add(timer)
    return { cancel: () => this.pending.delete(timer) }
  }

  /** Plays until the clock shows that time, or `done` says so. */
  async play(until: number, done: () => boolean = () => false): Promise<void> {
    let quietSince = performance.now()
    while (this.now() < until && !done()) {
      if (this.fire()) quietSince = performance.now()
      if (this.busy > 0) quietSince = performance.now()
      if (performance.now() - quietSince < QUIET_MS) {
        await (this.busy > 0 ? wait(1) : turn())
        continue
      }
      const next = Math.min(until, ...[...this.pending].map(({ due }) => due))
      this.offset += Math.max(0, next - this.now())
      quietSince = performance.now()
    }
  }

  ports(): Ports {
    return { ...systemPorts(process.env.COST_DETAILS === undefined ? silentLog : LOUD), clock: this }
  }

  private fire(): boolean {
    const now = this.now()
    const due = [...this.pending].filter((one) => one.due <= now).sort((a, b) => a.due - b.due)
    for (const one of due) if (this.pending.delete(one)) one.callback()
    return due.length > 0
  }
}
