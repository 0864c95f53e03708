/**
 * A keyed work queue, as every controller and the scheduler use it: a key is reconciled from current state, so however
 * often it is added while it waits, one run serves all; added while it runs, it runs once more.
 */
import { type Ports, sleep, type Timer } from './ports.ts'

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
  /** What `wherry doctor` shows. */
  failing(): readonly FailingKey[]
  /** Keys that wait for a worker, or run. Delayed ones are not counted. */
  size(): number
  /** Resolves when nothing waits or runs; delayed keys do not count. */
  idle(): Promise<void>
  /** No further run begins; resolves when the last one has ended. */
  stop(): Promise<void>
}

/** workqueue.DefaultControllerRateLimiter of client-go. */
const DEFAULT_BACKOFF = { baseMs: 5, maxMs: 1_000_000 }

/** Shorter rests would cost more timers than they save runs. */
const REST_MIN_MS = 2
const REST_MAX_MS = 500

/** Failures from here on are worth a warning: before, a retry usually settles it. */
const LOUD_FAILURES = 5

export function createLoop(options: LoopOptions): Loop {
  const { ports } = options
  const backoff = options.backoff ?? DEFAULT_BACKOFF
  const queue = new Set<string>()
  const running = new Set<string>()
  /** Added while running. */
  const dirty = new Set<string>()
  /** Ran lately and long; what is added meanwhile waits in `dirty`. */
  const resting = new Map<string, Timer>()
  const delayed = new Map<string, { readonly due: number; readonly timer: Timer }>()
  const failing = new Map<string, FailingKey>()
  let idlers: (() => void)[] = []
  let stopped = false
  let pumping = false

  const add = (key: string) => {
    if (stopped) return
    if (running.has(key) || resting.has(key)) {
      dirty.add(key)
      return
    }
    queue.add(key)
    pump()
  }

  const addAfter = (key: string, delayMs: number) => {
    if (stopped) return
    if (delayMs <= 0) return add(key)
    const due = ports.clock.now() + delayMs
    const waiting = delayed.get(key)
    if (waiting !== undefined && waiting.due <= due) return
    waiting?.timer.cancel()
    const timer = ports.clock.after(delayMs, () => {
      delayed.delete(key)
      add(key)
    })
    delayed.set(key, { due, timer })
  }

  /** In process nothing a run awaits leaves the microtask queue, so sockets get their turn here, between runs. */
  const pump = () => {
    if (pumping) return
    pumping = true
    setImmediate(() => {
      pumping = false
      let started = 0
      for (const key of queue) {
        if (stopped || running.size >= options.workers || started >= RUNS_PER_TURN) break
        queue.delete(key)
        running.add(key)
        started += 1
        void runKey(key)
      }
      if (queue.size > 0 && running.size < options.workers && !stopped) pump()
      settle()
    })
  }

  const runKey = async (key: string) => {
    const started = ports.clock.now()
    let rest = true
    try {
      const result = await options.run(key)
      failing.delete(key)
      if (result?.again !== undefined) addAfter(key, result.again)
      rest = result?.again !== 0
    } catch (error) {
      retry(key, error)
    }
    running.delete(key)
    const restMs = Math.min((ports.clock.now() - started) * (options.restRatio ?? 0), REST_MAX_MS)
    if (rest && restMs >= REST_MIN_MS && !stopped)
      resting.set(
        key,
        ports.clock.after(restMs, () => wake(key))
      )
    else wake(key)
  }

  const wake = (key: string) => {
    resting.delete(key)
    if (dirty.delete(key) && !stopped) queue.add(key)
    if (queue.size > 0) pump()
    settle()
  }

  const retry = (key: string, error: unknown) => {
    const failures = (failing.get(key)?.failures ?? 0) + 1
    const delayMs = Math.min(backoff.baseMs * 2 ** (failures - 1), backoff.maxMs)
    failing.set(key, { key, failures, error, retryAt: ports.clock.now() + delayMs })
    const fields = { loop: options.name, key, failures, delayMs, error: String(error) }
    if (stopped) return
    if (failures < LOUD_FAILURES || options.expected?.(error) === true) ports.log.debug(fields, 'will try again')
    else ports.log.warn(fields, 'keeps failing')
    addAfter(key, delayMs)
  }

  const settle = () => {
    if (running.size > 0 || (queue.size > 0 && !stopped)) return
    const resolved = idlers
    idlers = []
    for (const resolve of resolved) resolve()
  }

  const idle = () =>
    new Promise<void>((resolve) => {
      idlers.push(resolve)
      settle()
    })

  const stop = async () => {
    stopped = true
    queue.clear()
    for (const { timer } of delayed.values()) timer.cancel()
    delayed.clear()
    for (const timer of resting.values()) timer.cancel()
    resting.clear()
    await idle()
  }

  return {
    add,
    addAfter,
    idle,
    stop,
    failing: () => [...failing.values()],
    size: () => queue.size + running.size
  }
}

/** Runs begun before sockets get a turn. */
const RUNS_PER_TURN = 8

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
