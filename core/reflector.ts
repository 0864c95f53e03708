import type { Client, ListQuery, WatchEvent } from './client.ts'
import { isReason } from './errors.ts'
import type { ResourceRef } from './kinds/refs.ts'
import type { Resource } from './object.ts'
import { type Ports, sleep } from './ports.ts'

export interface ReflectOptions<T> {
  /** Default: all objects of the resource. */
  readonly query?: Omit<ListQuery, 'resourceVersion' | 'limit' | 'continue'>
  /** All objects, at first and after every break that a watch cannot bridge: what is not among them is gone. */
  readonly onSync: (items: readonly T[]) => void
  /** What changed since, in order; never empty, never a bookmark. An object may come twice, never an older one later. */
  readonly onEvents: (events: readonly WatchEvent<T>[]) => void
  readonly signal: AbortSignal
  readonly ports: Ports
}

/** First pause after a failure; doubles up to the maximum, with jitter (as client-go's reflector: 0.8 s to 30 s). */
const FIRST_PAUSE_MS = 200
const MAX_PAUSE_MS = 30_000

/** A watch is begun anew after this long (client-go: 5 to 10 minutes), so that a connection dead without a word heals. */
const WATCH_LIFE_MS = 300_000

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
  const { signal, ports, query = {} } = options
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
      const started = ports.clock.now()
      const watched: Progress = { version, received: false }
      try {
        await watchOnce(client, ref, { ...options, progress: watched })
      } finally {
        version = watched.version
        if (watched.received || ports.clock.now() - started > MAX_PAUSE_MS) failures = 0
      }
      // A server that ends each watch at once must not be asked without end.
      if (!watched.received && ports.clock.now() - started < FIRST_PAUSE_MS) throw new Error('the watch ended at once')
    } catch (error) {
      if (signal.aborted) return
      const expired = isReason(error, 'Expired', 'Gone')
      if (expired || error instanceof CallbackError) version = undefined
      if (!expired) ports.log.warn({ err: error, resource: ref.resource }, 'watch broken, trying again')
      if (!expired || failures > 0) await sleep(ports.clock, pauseMs(failures, ports), signal)
      failures++
    }
  }
}

interface Progress {
  version: string
  received: boolean
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
    const query = { ...options.query, resourceVersion: progress.version }
    for await (const events of client.watch(ref, query, life.signal)) {
      if (signal.aborted) return
      const changes = events.filter((event) => event.type !== 'BOOKMARK')
      if (changes.length > 0) deliver(options.onEvents, changes)
      progress.received = true
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
