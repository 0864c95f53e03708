import { CAUGHT_UP, type Client, type ListQuery, type WatchEvent } from './client.ts'
import type { Doorbell } from './doorbell.ts'
import { isReason } from './errors.ts'
import type { ResourceRef } from './kinds/refs.ts'
import type { Resource } from './object.ts'
import { type Ports, sleep } from './ports.ts'

export interface ReflectOptions<T> {
  /** Default: all objects of the resource. */
  readonly query?: Omit<ListQuery, 'resourceVersion' | 'limit' | 'continue' | 'untilNow'>
  /** All objects, at first and after every break that a watch cannot bridge: what is not among them is gone. */
  readonly onSync: (items: readonly T[]) => void
  /** What changed since, in order; never empty, never a bookmark. An object may come twice, never an older one later. */
  readonly onEvents: (events: readonly WatchEvent<T>[]) => void
  /** With one, no watch is held open: after each ring one is asked for what is new since, and ends. */
  readonly doorbell?: Doorbell | undefined
  readonly signal: AbortSignal
  readonly ports: Ports
}

/** First pause after a failure; doubles up to the maximum, with jitter (as client-go's reflector: 0.8 s to 30 s). */
const FIRST_PAUSE_MS = 200
const MAX_PAUSE_MS = 30_000

/** A watch is begun anew after this long (client-go: 5 to 10 minutes), so that a connection dead without a word heals. */
const WATCH_LIFE_MS = 300_000

/** With a doorbell, it is asked this often without a ring: one may have been lost. Each time is a paid request. */
const UNRUNG_MS = 1_800_000

/**
 * Keeps a consumer's picture of one resource current: list, then watch from the list's version; a watch that breaks
 * resumes from the last version or bookmark; one that the server no longer keeps (410) begins with a list again.
 * Resolves when `signal` aborts and never rejects: failures are logged and tried again. An exception of a callback
 * counts as a failure, and a new list follows it.
 */
export async function reflect<T extends Resource>(
  client: Client,
  ref: ResourceRef<T>,
  options: ReflectOptions<T>
): Promise<void> {
  const bell = options.doorbell === undefined ? undefined : new Bell(options.doorbell, ref, options.ports)
  try {
    await follow(client, ref, { ...options, bell })
  } finally {
    bell?.close()
  }
}

async function follow<T extends Resource>(
  client: Client,
  ref: ResourceRef<T>,
  options: ReflectOptions<T> & { readonly bell: Bell | undefined }
): Promise<void> {
  const { signal, ports, query = {}, bell } = options
  let version: string | undefined
  let failures = 0
  while (!signal.aborted) {
    try {
      if (version === undefined) {
        const list = await client.list(ref, query)
        if (signal.aborted) return
        options.onSync(list.items)
        version = list.resourceVersion
      }
      await bell?.rung(signal)
      if (signal.aborted) return
      const started = ports.clock.now()
      const watched: Progress = { version, received: false, caughtUp: false }
      try {
        await watchOnce(client, ref, { ...options, progress: watched })
      } finally {
        version = watched.version
        if (watched.received || ports.clock.now() - started > MAX_PAUSE_MS) failures = 0
      }
      // Cut off before it had told everything, as by a server that may not answer so much at once.
      if (!watched.caughtUp) bell?.again()
      // A server that ends each watch at once must not be asked without end.
      if (!watched.received && ports.clock.now() - started < FIRST_PAUSE_MS) throw new Error('the watch ended at once')
    } catch (error) {
      if (signal.aborted) return
      const expired = isReason(error, 'Expired', 'Gone')
      if (expired || error instanceof CallbackError) version = undefined
      if (!expired) ports.log.warn({ err: error, resource: ref.resource }, 'watch broken, trying again')
      if (!expired || failures > 0) await sleep(ports.clock, pauseMs(failures, ports), signal)
      failures++
      bell?.again()
    }
  }
}

interface Progress {
  version: string
  received: boolean
  /** The server says that this was all until now. */
  caughtUp: boolean
}

/** One resource's rings: one that comes while nobody waits is kept. */
class Bell {
  private readonly ports: Ports
  private readonly remove: () => void
  private due = false
  private wake = () => {}

  constructor(doorbell: Doorbell, ref: ResourceRef<unknown>, ports: Ports) {
    this.ports = ports
    this.remove = doorbell.listen(ref, () => this.again())
  }

  /** The next wait ends at once. */
  again(): void {
    this.due = true
    this.wake()
  }

  /** Resolves at the next ring, or after a long while without one. */
  async rung(signal: AbortSignal): Promise<void> {
    if (!this.due) {
      const end = new AbortController()
      this.wake = () => end.abort()
      const spread = 0.5 + this.ports.random.next()
      await sleep(this.ports.clock, UNRUNG_MS * spread, AbortSignal.any([signal, end.signal]))
    }
    this.due = false
  }

  close(): void {
    this.remove()
  }
}

class CallbackError extends Error {}

async function watchOnce<T extends Resource>(
  client: Client,
  ref: ResourceRef<T>,
  options: ReflectOptions<T> & { readonly progress: Progress }
): Promise<void> {
  const { progress, ports, signal } = options
  const life = new AbortController()
  const end = () => life.abort()
  const timer = ports.clock.after(WATCH_LIFE_MS * (1 + ports.random.next()), end)
  signal.addEventListener('abort', end)
  try {
    const untilNow = options.doorbell !== undefined
    const query = { ...options.query, resourceVersion: progress.version, ...(untilNow ? { untilNow } : {}) }
    for await (const events of client.watch(ref, query, life.signal)) {
      if (signal.aborted) return
      const changes = events.filter((event) => event.type !== 'BOOKMARK')
      if (changes.length > 0) deliver(options.onEvents, changes)
      progress.received = true
      progress.caughtUp = events.at(-1)?.object.metadata.annotations?.[CAUGHT_UP] === 'true'
      progress.version = events.at(-1)?.object.metadata.resourceVersion ?? progress.version
    }
  } catch (error) {
    // A transport may answer the end of this watch's life with an error of its own.
    if (!life.signal.aborted || error instanceof CallbackError) throw error
    progress.received = true
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', end)
    life.abort()
  }
}

function deliver<T>(callback: (events: readonly WatchEvent<T>[]) => void, events: readonly WatchEvent<T>[]): void {
  try {
    callback(events)
  } catch (error) {
    throw new CallbackError('a consumer of a watch failed', { cause: error })
  }
}

function pauseMs(failures: number, ports: Ports): number {
  return Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 10)) * (0.5 + ports.random.next())
}
