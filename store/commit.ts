import { ApiError } from '../core/errors.ts'
import type { KubeObject } from '../core/object.ts'
import { type Backend, type LogRecord, MAX_PARTS, type TransactionItem, type TransactionResult } from './backend.ts'
import { encode, StoredEntry } from './entry.ts'
import { termsOf } from './mirror.ts'
import type { ResourceState, Surroundings } from './resource.ts'
import type { CommitResult, Write } from './store.ts'

/** What fits into MAX_PARTS at an object and a record for each write, with some index terms. */
export const MAX_WRITES = 45
/** How often a writer whose number was fenced or overtaken reserves again. */
const MAX_ATTEMPTS = 20

const NONE: readonly string[] = []

interface Planned {
  readonly write: Write
  readonly state: ResourceState
  /** The live version that the write replaces. */
  readonly previous: StoredEntry | undefined
}

interface Attempt {
  readonly items: readonly TransactionItem[]
  readonly entries: readonly StoredEntry[]
}

export interface CommitContext {
  readonly around: Surroundings
  readonly state: (resource: string) => Promise<ResourceState>
  /** The entry of this version, if it is at hand. */
  readonly recall: (state: ResourceState, key: string, version: number) => StoredEntry | undefined
  /** A record older than this many milliseconds may expire before the one that replaces it. */
  readonly coldAfterMs: number
}

/** Read, reserve, commit, and wait for the frontier: the design's write. */
export async function commit(context: CommitContext, writes: readonly Write[]): Promise<CommitResult> {
  if (writes.length > MAX_WRITES) throw new RangeError(`a transaction has at most ${MAX_WRITES} writes`)
  const planned: Planned[] = []
  for (const write of writes) {
    const state = await context.state(write.resource)
    const current = await read(context, state, write)
    if ((current?.version ?? 0) !== write.expected) {
      return { ok: false, resource: write.resource, key: write.key, current }
    }
    if (write.object === undefined && current === undefined) {
      throw new RangeError(`nothing to delete at ${write.resource} ${write.key}`)
    }
    planned.push({ write, state, previous: current })
  }
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    const result = await attemptOnce(context, planned)
    if (result !== undefined) return result
  }
  throw new ApiError('ServiceUnavailable', 'the store could not get a number for this write: too many writers', {
    details: { retryAfterSeconds: 1 }
  })
}

/** What is there now. A shared store that expects nothing does not look: the transaction's condition will. */
async function read(context: CommitContext, state: ResourceState, write: Write): Promise<StoredEntry | undefined> {
  if (state.local !== undefined) return state.local.mirror.objects.get(write.key)
  if (write.expected === 0) return undefined
  const known = context.recall(state, write.key, write.expected)
  if (known !== undefined) return known
  const object = await context.around.backend.get(write.resource, write.key)
  return object === undefined ? undefined : state.entry(object)
}

/** undefined: the numbers were lost, try again. */
async function attemptOnce(context: CommitContext, planned: readonly Planned[]): Promise<CommitResult | undefined> {
  const { backend, ports } = context.around
  for (const { state } of planned) if (state.local === undefined) await state.look()
  const started = ports.clock.now()
  const numbers = await reserve(context, planned)
  for (const [i, { state }] of planned.entries()) state.sequence.expect(numbers[i] as number)
  let attempt: Attempt
  let result: TransactionResult
  try {
    attempt = build(context, planned, numbers)
  } catch (error) {
    await abandon(context, planned, numbers)
    throw error
  }
  try {
    result = await backend.commit(attempt.items)
  } catch (error) {
    if (!(await tookPlace(context, planned, numbers))) throw error
    result = { ok: true }
  }
  if (result.ok) {
    const { items, entries } = attempt
    for (const [i, { state }] of planned.entries()) {
      state.sequence.accept({ record: (items[i] as TransactionItem).record, entry: entries[i] })
    }
    for (const [i, { state }] of planned.entries()) {
      const number = numbers[i] as number
      if (state.sequence.frontier < number) await state.sequence.reach(number)
      state.saw(started)
    }
    return { ok: true, entries }
  }
  await abandon(context, planned, numbers)
  if (result.reason === 'number') return undefined
  const { write, state } = planned[result.item] as Planned
  const { current } = result
  return {
    ok: false,
    resource: write.resource,
    key: write.key,
    current: current === undefined ? undefined : state.entry(current)
  }
}

/** One call for each resource. */
async function reserve({ around }: CommitContext, planned: readonly Planned[]): Promise<readonly number[]> {
  const [first] = planned
  if (first !== undefined && planned.length === 1) return [await reserveOf(around.backend, first.state, 1)]
  const counts = new Map<ResourceState, number>()
  for (const { state } of planned) counts.set(state, (counts.get(state) ?? 0) + 1)
  const next = new Map<string, number>()
  for (const [state, count] of counts) next.set(state.name, await reserveOf(around.backend, state, count))
  return planned.map(({ write }) => {
    const number = next.get(write.resource) as number
    next.set(write.resource, number + 1)
    return number
  })
}

async function reserveOf(backend: Backend, state: ResourceState, count: number): Promise<number> {
  return await backend.reserve(state.name, count, state.sequence.frontier)
}

function build(context: CommitContext, planned: readonly Planned[], numbers: readonly number[]): Attempt {
  const items: TransactionItem[] = []
  const entries: StoredEntry[] = []
  let parts = 0
  const at = context.around.ports.clock.now()
  for (const [i, { write, state, previous }] of planned.entries()) {
    const version = numbers[i] as number
    const { resource, key, expected } = write
    const { value, bytes } = encode(write.object ?? lastOf(write, previous), version)
    const cold = previous !== undefined && at - previous.at > context.coldAfterMs
    const record: LogRecord = {
      version,
      type: write.object === undefined ? 'delete' : 'put',
      key,
      replaced: expected,
      at,
      bytes,
      previous: cold ? previous.bytes() : undefined
    }
    const before = previous === undefined ? NONE : termsOf(state.indexes, () => previous.glance())
    const after = write.object === undefined ? NONE : termsOf(state.indexes, () => value)
    const added = after === NONE ? NONE : after.filter((term) => !before.includes(term))
    const removed = before === NONE ? NONE : before.filter((term) => !after.includes(term))
    items.push({ resource, expected, record, added, removed })
    entries.push(new StoredEntry({ resource, key, version, at, bytes }, context.around.budget, value))
    parts += 2 + added.length + removed.length
  }
  if (parts > MAX_PARTS) throw new RangeError(`a transaction has at most ${MAX_PARTS} parts, not ${parts}`)
  return { items, entries }
}

/** A copy of the last object, whose resourceVersion the deletion will set. */
function lastOf(write: Write, previous: StoredEntry | undefined): KubeObject {
  const last = write.last ?? (previous as StoredEntry).value
  return { ...last, metadata: { ...last.metadata } }
}

/** Whether a transaction of unknown outcome took place. If it had not, it never will: a fence at a number decides. */
async function tookPlace(
  context: CommitContext,
  planned: readonly Planned[],
  numbers: readonly number[]
): Promise<boolean> {
  await abandon(context, planned, numbers)
  const { write } = planned[0] as Planned
  const [record] = await context.around.backend.readRecords(write.resource, [numbers[0] as number])
  return record !== undefined && record.type !== 'fence'
}

/** Marks numbers that will not be used, so that nobody waits for them. */
async function abandon(
  { around }: CommitContext,
  planned: readonly Planned[],
  numbers: readonly number[]
): Promise<void> {
  const at = around.ports.clock.now()
  for (const [i, { state }] of planned.entries()) state.sequence.giveUp(numbers[i] as number)
  for (const [i, { state }] of planned.entries()) {
    const version = numbers[i] as number
    try {
      if (!(await around.backend.fence(state.name, version, at))) continue
    } catch (error) {
      around.ports.log.warn({ error, resource: state.name, version }, 'an unused number could not be fenced')
      return
    }
    const fence: LogRecord = { version, type: 'fence', key: '', replaced: 0, at, bytes: undefined, previous: undefined }
    state.sequence.accept({ record: fence, entry: undefined })
  }
}
