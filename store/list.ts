import { ApiError } from '../core/errors.ts'
import type { Backend, LogRecord } from './backend.ts'
import { decodeToken, encodeToken } from './continue-token.ts'
import type { StoredEntry } from './entry.ts'
import { termsOf } from './mirror.ts'
import { type ResourceState, tooLarge } from './resource.ts'
import type { ListOptions, ListResult } from './store.ts'

/** How many objects one read of the backend asks for where the list has no limit. */
const CHUNK = 500
const NO_LIMIT = Number.POSITIVE_INFINITY

/** Consecutive objects in the order of their keys, up to the key `through`; undefined: to the end. */
interface Page {
  readonly entries: readonly StoredEntry[]
  readonly through: string | undefined
}

/** Keys that changed between the time of reading and the snapshot, with what the snapshot has there. */
type Corrections = ReadonlyMap<string, StoredEntry | undefined>

interface Scan {
  readonly state: ResourceState
  readonly backend: Backend
  readonly options: ListOptions
  readonly prefix: string
  /** "name=value" */
  readonly term: string | undefined
  readonly expired: (oldest: number) => ApiError
}

/**
 * One page of a snapshot. Objects are read as they are and then corrected by the log: on the first page forward to the
 * newest number, later back to the first page's version.
 */
export async function list(state: ResourceState, backend: Backend, options: ListOptions): Promise<ListResult> {
  const prefix = options.prefix ?? ''
  const token = options.continue === undefined ? undefined : decodeToken(options.continue, prefix)
  let version = token === undefined ? options.exact : token.version
  await checkReached(state, backend, Math.max(version ?? 0, options.notOlderThan ?? 0))
  const term = options.index === undefined ? undefined : `${options.index.name}=${options.index.value}`
  const expired = () => (token === undefined ? expiredExact() : expiredToken())
  const scan: Scan = { state, backend, options, prefix, term, expired }
  const limit = options.limit === undefined || options.limit <= 0 ? NO_LIMIT : options.limit
  const picked: StoredEntry[] = []
  let after = token?.after ?? ''
  for (;;) {
    const from = version ?? (await frontier(state, backend))
    const page = await read(scan, after, limit)
    const head = await state.resolvedHead()
    const forward = version === undefined
    version ??= head
    const corrections = forward ? await rollForward(scan, from, head) : await rollBack(scan, version, head)
    const entries = corrections.size === 0 ? page.entries : correct(scan, page, { after, corrections })
    for (const [i, entry] of entries.entries()) {
      if (options.filter === undefined || options.filter(entry)) picked.push(entry)
      if (picked.length < limit) continue
      if (i === entries.length - 1 && page.through === undefined) break
      const remaining = await countAfter(scan, entry.key, version)
      if (remaining === 0) return { entries: picked, version }
      const next = encodeToken({ version, after: entry.key })
      return { entries: picked, version, continue: next, ...(remaining === undefined ? {} : { remaining }) }
    }
    if (page.through === undefined) return { entries: picked, version }
    after = page.through
  }
}

/** The version at which the resource's objects can be read to be rolled forward. */
async function frontier(state: ResourceState, backend: Backend): Promise<number> {
  if (state.local === undefined) state.sequence.learn((await backend.counter(state.name)).frontier)
  return state.sequence.frontier
}

/** Throws ApiError Timeout for a version that nobody can have seen yet. */
async function checkReached(state: ResourceState, backend: Backend, wanted: number): Promise<void> {
  if (wanted <= state.sequence.frontier) return
  const { reserved } = await backend.counter(state.name)
  if (wanted > reserved) throw tooLarge(wanted, state.sequence.frontier)
  await state.sequence.reach(wanted)
}

async function read(scan: Scan, after: string, limit: number): Promise<Page> {
  const { state, backend, prefix, term, options } = scan
  const size = limit === NO_LIMIT || options.filter !== undefined ? CHUNK : limit + 1
  if (state.local !== undefined) return readLocal(scan, after, limit === NO_LIMIT ? NO_LIMIT : size)
  if (term === undefined) {
    const { objects, next } = await backend.listObjects(state.name, { prefix, after, limit: size })
    return { entries: objects.map((object) => state.entry(object) as StoredEntry), through: next }
  }
  const { keys, next } = await backend.listIndex(state.name, term, { prefix, after, limit: size })
  const entries: StoredEntry[] = []
  for (const object of await backend.getMany(state.name, keys)) {
    const entry = object === undefined ? undefined : state.entry(object)
    if (entry !== undefined && belongs(scan, entry)) entries.push(entry)
  }
  return { entries, through: next }
}

function readLocal({ state, prefix, term }: Scan, after: string, limit: number): Page {
  const { mirror } = state.local as NonNullable<ResourceState['local']>
  const entries: StoredEntry[] = []
  let keys: readonly string[]
  let [start, end] = [0, 0]
  if (term === undefined) ({ keys, start, end } = mirror.objects.range(prefix, after))
  else {
    keys = mirror.keysUnder(term, prefix, after)
    end = keys.length
  }
  const stop = Math.min(end, start + limit)
  for (let i = start; i < stop; i++) entries.push(mirror.objects.get(keys[i] as string) as StoredEntry)
  return { entries, through: stop < end ? keys[stop - 1] : undefined }
}

function belongs({ state, prefix, term }: Scan, entry: StoredEntry): boolean {
  if (!entry.key.startsWith(prefix)) return false
  return term === undefined || termsOf(state.indexes, () => entry.value).includes(term)
}

/** What the last of the changes after `from` left at each key. */
async function rollForward({ state, expired }: Scan, from: number, to: number): Promise<Corrections> {
  const corrections = new Map<string, StoredEntry | undefined>()
  if (from === to) return corrections
  const last = new Map<string, LogRecord>()
  for (const record of await state.records(from, to, expired)) if (record.type !== 'fence') last.set(record.key, record)
  for (const [key, record] of last) corrections.set(key, record.type === 'put' ? state.entryOf(record) : undefined)
  return corrections
}

/** What the first of the changes after `version` replaced at each key. */
async function rollBack(scan: Scan, version: number, head: number): Promise<Corrections> {
  const { state, backend, expired } = scan
  const corrections = new Map<string, StoredEntry | undefined>()
  if (version === head) return corrections
  const tail = state.local?.tail
  if (tail !== undefined && version >= tail.base) {
    for (const event of tail.after(version, head - version)) {
      if (event === undefined || corrections.has(event.entry.key)) continue
      corrections.set(event.entry.key, event.previous as StoredEntry | undefined)
    }
    return corrections
  }
  const first = new Map<string, LogRecord>()
  for (const record of await state.records(version, head, expired)) {
    if (record.type !== 'fence' && !first.has(record.key)) first.set(record.key, record)
  }
  const wanted: number[] = []
  for (const [key, record] of first) {
    corrections.set(key, state.inlinePrevious(record))
    if (record.previous === undefined && record.replaced > 0) wanted.push(record.replaced)
  }
  for (const record of await backend.readRecords(state.name, wanted)) {
    if (record === undefined) throw expired(head)
    corrections.set(record.key, state.entryOf(record))
  }
  return corrections
}

/** The page as the snapshot has it. */
function correct(
  scan: Scan,
  page: Page,
  { after, corrections }: { after: string; corrections: Corrections }
): readonly StoredEntry[] {
  // What was read at the version that the log says is at least as new as the log: it may have been refreshed since.
  const stays = (entry: StoredEntry) => corrections.get(entry.key)?.version === entry.version
  const entries = page.entries.filter((entry) => !corrections.has(entry.key) || stays(entry))
  const kept = new Set(entries.map(({ key }) => key))
  for (const [key, entry] of corrections) {
    if (kept.has(key) || entry === undefined || key <= after || (page.through !== undefined && key > page.through))
      continue
    if (belongs(scan, entry)) entries.push(entry)
  }
  return entries.sort((a, b) => (a.key < b.key ? -1 : 1))
}

/**
 * How many more objects the snapshot has. undefined where that would mean to read them all; 0 only where it is certain.
 */
async function countAfter(scan: Scan, after: string, version: number): Promise<number | undefined> {
  const { state, backend, prefix, term, options } = scan
  if (term !== undefined || options.filter !== undefined) return undefined
  if (state.local === undefined) {
    const count = await backend.count(state.name, prefix, after)
    return count === undefined ? undefined : Math.max(1, count)
  }
  const { objects } = state.local.mirror
  const { frontier } = state.sequence
  const corrections = await rollBack(scan, version, frontier)
  const { start, end } = objects.range(prefix, after)
  let count = end - start
  for (const [key, entry] of corrections) {
    if (key <= after || !key.startsWith(prefix)) continue
    count += (entry === undefined ? 0 : 1) - (objects.has(key) ? 1 : 0)
  }
  return frontier === state.sequence.frontier ? count : Math.max(1, count)
}

function expiredExact(): ApiError {
  return new ApiError('Expired', 'The resourceVersion for the provided list is too old.')
}

function expiredToken(): ApiError {
  return new ApiError(
    'Expired',
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
      'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
      'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
      'deleted between the time the first chunk was returned and now may show up in the list.'
  )
}
