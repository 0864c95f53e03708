/**
 * Timers that outlive the process: what is not due while an invocation lasts goes into the cluster's queue, and comes
 * back as a message to whichever process is called with it.
 */
import type { Clock, Log, Timer } from '../../core/ports.ts'
import type { TimersFor } from '../../core/timers.ts'

/** A key on its way through the queue. */
export interface TimerMessage {
  readonly controller: string
  readonly key: string
  readonly failures: number
  /** Milliseconds since 1970, where that is further away than a message can wait: it is sent on until then. */
  readonly due?: number
}

export interface TimerQueue {
  /** Resolves when all are kept. `delaySeconds`: 0 to 900, whole. */
  send(messages: readonly { readonly body: string; readonly delaySeconds: number }[]): Promise<void>
}

export interface QueueTimersOptions {
  readonly clock: Clock
  readonly log: Log
  readonly queue: TimerQueue
  /** See WAIT_MS. */
  readonly waitMs?: number
  /** The longest delay of one message, in seconds. Default: SQS' 900. */
  readonly longestSeconds?: number
}

/**
 * Delays up to this, in milliseconds, are waited for. A message is sent, received and deleted ($0.40 a million each) and
 * calls the function ($0.20 a million, some 50 ms of it): $1.7 a million, which buys a quarter of a second of 512 MB.
 */
export const WAIT_MS = 250

/** SQS' longest DelaySeconds. */
const LONGEST_SECONDS = 900

interface Entry {
  readonly message: TimerMessage
  readonly due: number
  readonly timer: Timer
}

export class QueueTimers {
  private readonly options: QueueTimersOptions
  private readonly entries = new Map<string, Entry>()
  private readonly loops = new Map<string, (key: string, failures: number) => void>()
  private awaited: (() => void)[] = []
  private delivers = true
  private closed = false

  constructor(options: QueueTimersOptions) {
    this.options = options
  }

  readonly forLoop: TimersFor = (loop, deliver) => {
    this.loops.set(loop, deliver)
    return {
      set: (key, delayMs, failures) => this.set({ controller: loop, key, failures }, delayMs),
      stop: () => void this.loops.delete(loop)
    }
  }

  /** A message came. One that is not due yet waits again; one that nobody can read, or that is nobody's, is dropped. */
  receive(body: string): void {
    const message = readMessage(body)
    if (message === undefined || !this.loops.has(message.controller)) {
      this.options.log.error({ body }, 'a timer that nobody here knows')
      return
    }
    const left = (message.due ?? 0) - this.options.clock.now()
    if (left > 0) this.set(message, left)
    else this.loops.get(message.controller)?.(message.key, message.failures)
  }

  /** Puts a message back as it is, for another invocation. */
  pass(body: string, failures: number): void {
    const message = readMessage(body)
    if (message !== undefined) this.set({ ...message, failures: message.failures + failures }, 1000)
  }

  /** From now on all is for the queue. */
  leave(): void {
    this.delivers = false
    for (const { timer } of this.entries.values()) timer.cancel()
    this.wake()
  }

  /** Whether a key is due so soon that it is worth waiting for. */
  waits(): boolean {
    const soon = this.options.clock.now() + (this.options.waitMs ?? WAIT_MS)
    return [...this.entries.values()].some(({ due }) => due <= soon)
  }

  /** Resolves when a key has been delivered, or all are in the queue. */
  async delivered(): Promise<void> {
    if (this.entries.size > 0) await new Promise<void>((resolve) => this.awaited.push(resolve))
  }

  /** As `send`, for the last time: nothing is taken any more. */
  async flush(): Promise<void> {
    this.closed = true
    await this.send()
  }

  /** What was not delivered is in the queue when it resolves. Where it rejects, some may be. */
  async send(): Promise<void> {
    const { clock, queue, longestSeconds = LONGEST_SECONDS } = this.options
    const now = clock.now()
    const messages = [...this.entries.values()].map(({ message, due, timer }) => {
      timer.cancel()
      const seconds = Math.max(0, Math.ceil((due - now) / 1000))
      const far = seconds > longestSeconds
      return {
        body: JSON.stringify(far ? { ...message, due } : { ...message, due: undefined }),
        delaySeconds: Math.min(seconds, longestSeconds)
      }
    })
    this.entries.clear()
    this.wake()
    if (messages.length > 0) await queue.send(messages)
  }

  private set(message: TimerMessage, delayMs: number): void {
    if (this.closed) return
    const { clock } = this.options
    const id = `${message.controller} ${message.key}`
    const due = clock.now() + delayMs
    const known = this.entries.get(id)
    if (known !== undefined && known.due <= due) return
    known?.timer.cancel()
    if (!this.delivers) {
      this.entries.set(id, { message, due, timer: { cancel: () => {} } })
      return
    }
    const timer = clock.after(delayMs, () => {
      this.entries.delete(id)
      this.loops.get(message.controller)?.(message.key, message.failures)
      this.wake()
    })
    this.entries.set(id, { message, due, timer })
  }

  private wake(): void {
    const awaited = this.awaited
    this.awaited = []
    for (const resolve of awaited) resolve()
  }
}

/** undefined: it is none. */
export function readMessage(body: string): TimerMessage | undefined {
  try {
    const { controller, key, failures = 0, due } = JSON.parse(body) as Partial<TimerMessage>
    if (typeof controller !== 'string' || typeof key !== 'string' || typeof failures !== 'number') return undefined
    return { controller, key, failures, ...(typeof due === 'number' ? { due } : {}) }
  } catch {
    return undefined
  }
}
