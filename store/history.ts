/** One object's way back through the log, and what the log knows of times. */
import { ApiError } from '../core/errors.ts'
import { type Backend, EMPTY_VERSION, type LogRecord } from './backend.ts'
import type { ResourceState } from './resource.ts'
import type { StoreEvent } from './store.ts'

export interface HistoryOptions {
  readonly limit?: number
  /** Only changes before this version. */
  readonly before?: number
}

interface Place {
  readonly state: ResourceState
  readonly backend: Backend
}

/** The key's changes, newest first, along the chain of replaced entries: of its last life only. */
export async function history(
  { state, backend }: Place,
  key: string,
  { limit = Number.POSITIVE_INFINITY, before = Number.POSITIVE_INFINITY }: HistoryOptions
): Promise<readonly StoreEvent[]> {
  const events: StoreEvent[] = []
  const read = async (version: number): Promise<LogRecord | undefined> =>
    version === 0 ? undefined : (await backend.readRecords(state.name, [version]))[0]
  let record = await read((await backend.get(state.name, key))?.version ?? 0)
  while (record !== undefined && events.length < limit) {
    const entry = state.entryOf(record)
    if (entry === undefined) break
    const replaced = await read(record.replaced)
    const previous = replaced === undefined ? state.inlinePrevious(record) : state.entryOf(replaced)
    const type = record.type === 'delete' ? 'deleted' : record.replaced === 0 ? 'created' : 'updated'
    if (record.version < before) events.push({ type, version: record.version, entry, previous })
    record = replaced
  }
  return events
}

/**
 * The last version of the resource that was written by then (`ms` since 1970), as its writers' clocks had it. `oldest`:
 * what was written before then may be forgotten. Throws ApiError Expired for an earlier time.
 */
export async function versionAt({ state, backend }: Place, ms: number, oldest: number): Promise<number> {
  if (ms < oldest) {
    const from = new Date(oldest).toISOString().slice(0, 19)
    throw new ApiError('Expired', `the log of ${state.name} goes back to ${from}Z only`)
  }
  const head = await state.resolvedHead()
  let [low, high] = [EMPTY_VERSION + 1, head]
  let later = head + 1
  while (low <= high) {
    const middle = Math.floor((low + high) / 2)
    const [record] = await backend.readLog(state.name, middle - 1, 1)
    // Nothing there: all of it is forgotten.
    if (record === undefined) low = high + 1
    else if (record.at > ms) {
      later = Math.min(later, record.version)
      high = middle - 1
    } else low = record.version + 1
  }
  return later - 1
}
