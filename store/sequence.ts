import type { Ports, Timer } from '../core/ports.ts'
import type { Backend, LogRecord } from './backend.ts'
import type { StoredEntry } from './entry.ts'

/** How long a reader waits for a reserved number before it fences it, in milliseconds. */
export const GAP_WAIT_MS = 300
/** How often a shared log is read while somebody waits for it, in milliseconds. */
export const POLL_MS = 25
/**
 * Where a read of the log takes long, writers take long too: a gap is given the time of so many reads, up to a limit,
 * and between two reads lies the time of so many. Else many processes would fence each other's numbers, or load the
 * platform with nothing but looks.
 */
const GAP_WAIT_READS = 5
const LONGEST_GAP_WAIT_MS = 3_000
const PAUSE_READS = 3
/** So often, in versions, a writer saves the frontier, so that nobody who comes later has far to scan. */
const CHECKPOINT_EVERY = 128
const READ_AHEAD = 500

/** One number's fate. `entry`: the record's object, where the writer is in this process. */
export interface Resolved {
  readonly record: LogRecord
  readonly entry: StoredEntry | undefined
}

interface Waiter {
  readonly to: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * What this process knows of one resource's sequence: how far every number is resolved. Numbers pass in order, each
 * once; one that stays away for GAP_WAIT_MS while somebody waits is fenced.
 */
export class Sequence {
  readonly resource: string
  /** Every number up to it is resolved. */
  frontier: number
  private readonly backend: Backend
  private readonly ports: Ports
  private readonly pass: (resolved: Resolved) => void
  private readonly early = new Map<number, Resolved>()
  /** Numbers whose writers are in this process and still at it: they will tell. */
  private readonly expected = new Set<number>()
  private readonly waiters: Waiter[] = []
  private readonly watchers = new Set<() => void>()
  private pumping = false
  private alarm: (() => void) | undefined

  /** `pass` is told every number after `frontier` in order, unless a checkpoint of others jumps over some. */
  constructor(
    of: { readonly resource: string; readonly frontier: number },
    outside: { readonly backend: Backend; readonly ports: Ports },
    pass: (resolved: Resolved) => void
  ) {
    this.resource = of.resource
    this.frontier = of.frontier
    this.backend = outside.backend
    this.ports = outside.ports
    this.pass = pass
  }

  /** A writer of this process has the number, and tells its fate with `accept`, or that it cannot. */
  expect(version: number): void {
    this.expected.add(version)
  }

  giveUp(version: number): void {
    this.expected.delete(version)
  }

  /** A number's fate is known and durable. */
  accept(resolved: Resolved): void {
    const { version } = resolved.record
    this.expected.delete(version)
    if (version <= this.frontier) return
    if (version !== this.frontier + 1) {
      this.early.set(version, resolved)
      return
    }
    this.step(resolved)
    for (let next = this.early.get(this.frontier + 1); next !== undefined; next = this.early.get(this.frontier + 1)) {
      this.early.delete(next.record.version)
      this.step(next)
    }
    this.moved()
  }

  /** Somebody else has seen everything up to `frontier` resolved. */
  learn(frontier: number): void {
    if (frontier <= this.frontier) return
    this.frontier = frontier
    for (const version of this.early.keys()) if (version <= frontier) this.early.delete(version)
    this.moved()
  }

  /** Resolves when every number up to `to` is resolved. The caller knows that `to` was reserved. */
  async reach(to: number): Promise<void> {
    if (to <= this.frontier) return
    await new Promise<void>((resolve, reject) => {
      this.waiters.push({ to, resolve, reject })
      if (!this.pumping) void this.pump()
    })
  }

  /** Calls `wake` once, when the frontier next moves; returns its removal. */
  onMove(wake: () => void): () => void {
    this.watchers.add(wake)
    return () => this.watchers.delete(wake)
  }

  private step(resolved: Resolved): void {
    this.frontier++
    this.pass(resolved)
    if (this.frontier % CHECKPOINT_EVERY === 0) this.checkpoint()
  }

  /** A hint for others and for the next start: its loss costs them a longer scan. */
  checkpoint(): void {
    this.backend.advance(this.resource, this.frontier).catch((error: unknown) => {
      this.ports.log.warn({ error, resource: this.resource }, 'the frontier was not saved')
    })
  }

  private moved(): void {
    for (let i = this.waiters.length - 1; i >= 0; i--) {
      const waiter = this.waiters[i] as Waiter
      if (waiter.to > this.frontier) continue
      this.waiters.splice(i, 1)
      waiter.resolve()
    }
    if (this.watchers.size > 0) {
      const watchers = [...this.watchers]
      this.watchers.clear()
      for (const wake of watchers) wake()
    }
    if (this.waiters.length === 0) this.alarm?.()
  }

  /** Runs while somebody waits. A lone writer's own commits move the frontier; it looks itself only when they stall. */
  private async pump(): Promise<void> {
    this.pumping = true
    const { clock } = this.ports
    try {
      let missing = this.frontier + 1
      let since = clock.now()
      let slowest = 0
      while (this.waiters.length > 0) {
        const patience = Math.max(GAP_WAIT_MS, Math.min(slowest * GAP_WAIT_READS, LONGEST_GAP_WAIT_MS))
        const begun = clock.now()
        const late = begun - since >= patience
        const told = this.backend.exclusive || this.expected.has(this.frontier + 1)
        if (late || !told) await this.pull(late)
        const took = clock.now() - begun
        slowest = Math.max(slowest, took)
        if (this.frontier >= missing) {
          missing = this.frontier + 1
          since = clock.now()
        } else if (late) {
          await this.backend.fence(this.resource, missing, clock.now())
          await this.pull(late)
          continue
        }
        const poll = Math.max(POLL_MS, Math.min(took * PAUSE_READS, GAP_WAIT_MS))
        if (this.waiters.length > 0) await this.pause(this.backend.exclusive ? GAP_WAIT_MS : poll)
      }
    } catch (error) {
      for (const waiter of this.waiters.splice(0)) waiter.reject(error)
    } finally {
      this.pumping = false
    }
    // A waiter may have come between the last look and here.
    if (this.waiters.length > 0 && !this.pumping) void this.pump()
  }

  /** Reads the log on from the frontier, as far as it has no gap; `late`: a gap is about to be fenced. */
  private async pull(late: boolean): Promise<void> {
    const wanted = this.waiters.reduce((most, { to }) => Math.max(most, to), 0) - this.frontier
    const records = await this.backend.readLog(this.resource, this.frontier, Math.min(Math.max(1, wanted), READ_AHEAD))
    const before = this.frontier
    for (const record of records) {
      if (record.version <= this.frontier) continue
      if (record.version !== this.frontier + 1) break
      this.accept({ record, entry: undefined })
    }
    if (!late || this.frontier > before || this.backend.exclusive) return
    // What looks like a gap may be a part of the log that was resolved by others and trimmed since.
    this.learn((await this.backend.counter(this.resource)).frontier)
  }

  private async pause(ms: number): Promise<void> {
    let timer: Timer | undefined
    await new Promise<void>((resolve) => {
      this.alarm = resolve
      timer = this.ports.clock.after(ms, resolve)
    })
    this.alarm = undefined
    timer?.cancel()
  }
}
