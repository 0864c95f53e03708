/**
 * A keyed work queue, as every controller and the scheduler use it: a key is reconciled from current state, so however
 * often it is added while it waits, one run serves all; added while it runs, it runs once more.
 */
import type { LoopMeter } from './loop-meter.ts'
import { type Ports, sleep, type Timer } from './ports.ts'
import { type Timers, type TimersFor, wheelTimers } from './timers.ts'

export interface RunResult {
  /** Run the key again after this many milliseconds, though nothing changed; 0: at once, there is more to do. */
  readonly again?: number | undefined
}

export interface LoopOptions {
  /** For the log. */
  readonly name: string
  readonly ports: Ports
  /** How many keys may run at once; one key never runs twice at once. */
  readonly workers: number
  /** Throws to have the key tried again, later and later. */
  readonly run: (key: string) => Promise<RunResult | undefined>
  /** Milliseconds of the first and of the longest wait between tries. Default: client-go's 5 ms and 1000 s. */
  readonly backoff?: { readonly baseMs: number; readonly maxMs: number }
  /** A failure that is expected now and then (a write conflict) is logged less loudly. */
  readonly expected?: (error: unknown) => boolean
  /**
   * A key whose run took t ms rests for `restRatio` × t (at most REST_MAX_MS) before it runs again, so that changes of
   * a huge set collapse into few runs. Not after `again: 0`. Default 0.
   */
  readonly restRatio?: number
  /** Where keys wait that are to run later. Default: a wheel in this process. */
  readonly timers?: TimersFor
  /** A key that has failed so often in a row is given up, and told. Default: never. */
  readonly giveUp?: { readonly after: number; readonly tell: (failing: FailingKey) => void }
  readonly meter?: LoopMeter | undefined
}

/** A key whose last run failed. It stays here until a run succeeds, and is tried again at `retryAt`. */
export interface FailingKey {
  readonly key: string
  readonly failures: number
  readonly error: unknown
  /** Milliseconds since 1970. */
  readonly retryAt: number
}

export interface Loop {
  add(key: string): void
  /** Of several delayed additions of one key, the earliest counts. */
  addAfter(key: string, delayMs: number): void
  /** As if a run of the key had failed so. */
  fail(key: string, error: unknown): void
  /** What `wherry doctor` shows. */
  failing(): readonly FailingKey[]
  /** Keys that wait for a worker, or run. Delayed ones are not counted. */
  size(): number
  /** Resolves when nothing waits or runs; delayed keys do not count. */
  idle(): Promise<void>
  /** No further run begins; resolves when the last one has ended. */
  stop(): Promise<void>
  /** No further run begins here: what waits, or is added from now on, is for the timers to deliver elsewhere. */
  leave(): void
  /** Nobody waits for the runs that are under way: they count as failed. */
  abandon(): void
}

/** workqueue.DefaultControllerRateLimiter of client-go. */
const DEFAULT_BACKOFF = { baseMs: 5, maxMs: 1_000_000 }

/** Shorter rests would cost more timers than they save runs. */
const REST_MIN_MS = 2
const REST_MAX_MS = 500

/** Failures from here on are worth a warning: before, a retry usually settles it. */
const LOUD_FAILURES = 5

export function createLoop(options: LoopOptions): Loop {
  return new KeyedLoop(options)
}

class KeyedLoop implements Loop {
  private readonly options: LoopOptions
  private readonly ports: Ports
  private readonly queue = new Set<string>()
  private readonly running = new Set<string>()
  /** Added while running or resting. */
  private readonly dirty = new Set<string>()
  /** Ran lately and long; what is added meanwhile waits in `dirty`. */
  private readonly resting = new Map<string, Timer>()
  private readonly timers: Timers
  private readonly failures = new Map<string, FailingKey>()
  private idlers: (() => void)[] = []
  private stopped = false
  private left = false
  private pumping = false

  constructor(options: LoopOptions) {
    this.options = options
    this.ports = options.ports
    const timers = options.timers ?? wheelTimers(options.ports.clock)
    this.timers = timers(options.name, (key, failures) => this.deliver(key, failures))
  }

  add(key: string): void {
    if (this.stopped) return
    if (this.left) this.timers.set(key, 0, this.failuresOf(key))
    else if (this.running.has(key) || this.resting.has(key)) this.dirty.add(key)
    else {
      this.queue.add(key)
      this.options.meter?.added(this.queue.size)
      this.pump()
    }
  }

  addAfter(key: string, delayMs: number): void {
    if (this.stopped) return
    if (delayMs <= 0) this.add(key)
    else this.timers.set(key, delayMs, this.failuresOf(key))
  }

  fail(key: string, error: unknown): void {
    this.retry(key, error)
  }

  failing(): readonly FailingKey[] {
    return [...this.failures.values()]
  }

  size(): number {
    return this.queue.size + this.running.size
  }

  async idle(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.idlers.push(resolve)
      this.settle()
    })
  }

  async stop(): Promise<void> {
    this.stopped = true
    this.queue.clear()
    this.timers.stop()
    for (const timer of this.resting.values()) timer.cancel()
    this.resting.clear()
    await this.idle()
  }

  leave(): void {
    this.left = true
    for (const timer of this.resting.values()) timer.cancel()
    for (const key of [...this.queue, ...this.dirty]) this.timers.set(key, 0, this.failuresOf(key))
    for (const waiting of [this.queue, this.dirty, this.resting]) waiting.clear()
    this.settle()
  }

  abandon(): void {
    for (const key of this.running) this.retry(key, new Error('the run did not end in time'))
  }

  /** Its failures may have been counted in another process. */
  private deliver(key: string, failures: number): void {
    if (failures > this.failuresOf(key))
      this.failures.set(key, { key, failures, error: undefined, retryAt: this.ports.clock.now() })
    this.add(key)
  }

  private failuresOf(key: string): number {
    return this.failures.get(key)?.failures ?? 0
  }

  /** In process nothing a run awaits leaves the microtask queue, so sockets get their turn here, between runs. */
  private pump(): void {
    if (this.pumping) return
    this.pumping = true
    setImmediate(() => {
      this.pumping = false
      let started = 0
      for (const key of this.queue) {
        if (this.stopped || this.isFull() || started >= RUNS_PER_TURN) break
        this.queue.delete(key)
        this.running.add(key)
        started += 1
        void this.run(key)
      }
      if (this.queue.size > 0 && !this.isFull() && !this.stopped) this.pump()
      this.settle()
    })
  }

  private isFull(): boolean {
    return this.running.size >= this.options.workers
  }

  private async run(key: string): Promise<void> {
    const { clock } = this.ports
    const started = clock.now()
    let rest = true
    try {
      const result = await this.options.run(key)
      this.failures.delete(key)
      // What the key has to do at once, it does before it rests.
      rest = result?.again !== 0
      if (result?.again !== undefined && rest) this.addAfter(key, result.again)
      if (!rest) this.dirty.add(key)
    } catch (error) {
      this.retry(key, error)
    }
    this.running.delete(key)
    this.options.meter?.ran((clock.now() - started) / 1000, this.queue.size)
    const restMs = Math.min((clock.now() - started) * (this.options.restRatio ?? 0), REST_MAX_MS)
    if (rest && restMs >= REST_MIN_MS && !this.stopped && !this.left)
      this.resting.set(
        key,
        clock.after(restMs, () => this.wake(key))
      )
    else this.wake(key)
  }

  private wake(key: string): void {
    this.resting.delete(key)
    if (this.dirty.delete(key) && !this.stopped) this.add(key)
    if (this.queue.size > 0) this.pump()
    this.settle()
  }

  private retry(key: string, error: unknown): void {
    const { baseMs, maxMs } = this.options.backoff ?? DEFAULT_BACKOFF
    const failures = this.failuresOf(key) + 1
    const delayMs = Math.min(baseMs * 2 ** (failures - 1), maxMs)
    const failing: FailingKey = { key, failures, error, retryAt: this.ports.clock.now() + delayMs }
    this.failures.set(key, failing)
    this.options.meter?.retried()
    if (this.stopped) return
    const { giveUp } = this.options
    if (giveUp !== undefined && failures >= giveUp.after) {
      this.failures.delete(key)
      giveUp.tell(failing)
      return
    }
    const fields = { loop: this.options.name, key, failures, delayMs, error: String(error) }
    if (failures < LOUD_FAILURES || this.options.expected?.(error) === true)
      this.ports.log.debug(fields, 'will try again')
    else this.ports.log.warn(fields, 'keeps failing')
    this.addAfter(key, delayMs)
  }

  private settle(): void {
    if (this.running.size > 0 || (this.queue.size > 0 && !this.stopped)) return
    const resolved = this.idlers
    this.idlers = []
    for (const resolve of resolved) resolve()
  }
}

/** Runs begun before sockets get a turn. */
const RUNS_PER_TURN = 8

/** Gives sockets a turn in the middle of long work: in process, awaiting the API alone never leaves the microtasks. */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** Tries `work` until it succeeds or `signal` aborts, waiting as the loop does between tries. */
export async function persist<T>(
  ports: Ports,
  signal: AbortSignal,
  work: () => Promise<T>
): Promise<{ readonly value: T } | undefined> {
  for (let delayMs = DEFAULT_BACKOFF.baseMs; !signal.aborted; delayMs = Math.min(delayMs * 2, PERSIST_MAX_MS)) {
    try {
      return { value: await work() }
    } catch (error) {
      ports.log.debug({ error: String(error), delayMs }, 'will try again')
      await sleep(ports.clock, delayMs, signal)
    }
  }
  return undefined
}

const PERSIST_MAX_MS = 5_000
