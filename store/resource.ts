import { ApiError } from '../core/errors.ts'
import type { Ports } from '../core/ports.ts'
import { type Backend, LOOK_EVERY, type LogRecord, type StoredObject } from './backend.ts'
import { type ParsedBudget, StoredEntry } from './entry.ts'
import { type Indexes, Mirror } from './mirror.ts'
import { type Resolved, Sequence } from './sequence.ts'
import type { StoreEvent } from './store.ts'
import { Tail } from './tail.ts'

const READ_AHEAD = 500

export interface Surroundings {
  readonly backend: Backend
  readonly ports: Ports
  readonly budget: ParsedBudget
  /** How long the log keeps a record. */
  readonly keptMs: number
  /** Told every event of a lone writer in the frontier's order. */
  readonly changed: (event: StoreEvent) => void
}

/** What one process knows of one resource. */
export class ResourceState {
  readonly name: string
  readonly indexes: Indexes
  readonly sequence: Sequence
  /** Only where this process is the only writer: the objects and the end of the log as they are at the frontier. */
  readonly local: { readonly mirror: Mirror; readonly tail: Tail } | undefined
  private readonly around: Surroundings
  /** When it was last known that everything reserved until then is resolved, in milliseconds since 1970. */
  private lookedAt = 0
  /** What the counter said when it was opened, until somebody has looked further. */
  private unresolved: { readonly head: number; readonly at: number } | undefined

  private constructor(name: string, indexes: Indexes, of: { frontier: number; around: Surroundings }) {
    this.name = name
    this.indexes = indexes
    this.around = of.around
    const { backend } = of.around
    this.sequence = new Sequence({ resource: name, frontier: of.frontier }, of.around, (resolved) =>
      this.pass(resolved)
    )
    this.local = backend.exclusive ? { mirror: new Mirror(indexes), tail: new Tail(of.frontier) } : undefined
  }

  static async open(name: string, indexes: Indexes, around: Surroundings): Promise<ResourceState> {
    const { backend, ports } = around
    const now = ports.clock.now()
    const counter = await backend.counter(name)
    if (!backend.exclusive) {
      const state = new ResourceState(name, indexes, { frontier: counter.frontier, around })
      state.unresolved = { head: counter.reserved, at: now }
      return state
    }
    // Whoever left a gap is dead: nobody else writes here.
    await fenceGaps(name, counter, around)
    const state = new ResourceState(name, indexes, { frontier: counter.reserved, around })
    if (counter.reserved > counter.frontier) await backend.advance(name, counter.reserved)
    await state.load()
    return state
  }

  /** The newest number that anybody can have seen, once everything up to it is resolved. */
  async resolvedHead(): Promise<number> {
    if (this.local !== undefined) return this.sequence.frontier
    const now = this.around.ports.clock.now()
    const { reserved, frontier } = await this.around.backend.counter(this.name)
    this.sequence.learn(frontier)
    await this.sequence.reach(reserved)
    this.saw(now)
    if (reserved > frontier) this.sequence.checkpoint()
    return reserved
  }

  /** Looks how far the log is resolved, unless this process did so lately. */
  async look(): Promise<void> {
    const { keptMs, ports } = this.around
    const recent = ports.clock.now() - keptMs * LOOK_EVERY
    if (this.lookedAt >= recent) return
    const { unresolved } = this
    this.unresolved = undefined
    if (unresolved === undefined || unresolved.at < recent) {
      await this.resolvedHead()
      return
    }
    await this.sequence.reach(unresolved.head)
    this.saw(unresolved.at)
  }

  /** Everything reserved at `at`, in milliseconds since 1970, is resolved. */
  saw(at: number): void {
    this.lookedAt = Math.max(this.lookedAt, at)
  }

  entry(object: StoredObject): StoredEntry | undefined {
    if (object.bytes === undefined) return undefined
    const { key, version, at, bytes } = object
    return new StoredEntry({ resource: this.name, key, version, at, bytes }, this.around.budget)
  }

  /** The object of a record; undefined for a fence. */
  entryOf(record: LogRecord): StoredEntry | undefined {
    return this.entry(record)
  }

  /** What the record replaced, as far as it is known without reading. */
  inlinePrevious(record: LogRecord): StoredEntry | undefined {
    if (record.previous === undefined) return undefined
    const { key, replaced: version, previous: bytes } = record
    // When it was written is not known any more, only that it is long ago.
    return this.entry({ key, version, at: 0, bytes })
  }

  /**
   * Every record after `after` up to `to`, which are resolved. Throws ApiError Expired where some were trimmed.
   */
  async records(after: number, to: number, expired: (oldest: number) => ApiError): Promise<readonly LogRecord[]> {
    const all: LogRecord[] = []
    for (let position = after; position < to; ) {
      const records = await this.around.backend.readLog(this.name, position, Math.min(READ_AHEAD, to - position))
      for (const record of records) {
        if (position === to) break
        // Also where all up to `to` was trimmed.
        if (record.version !== position + 1) throw expired(record.version - 1)
        all.push(record)
        position++
      }
      if (records.length === 0) throw expired(to)
    }
    return all
  }

  /** The events of consecutive records, with what each replaced; undefined for a fence. */
  async events(records: readonly LogRecord[]): Promise<readonly (StoreEvent | undefined)[]> {
    const known = new Map<number, StoredEntry>()
    const wanted: number[] = []
    for (const record of records) {
      const entry = this.entryOf(record)
      if (entry !== undefined) known.set(record.version, entry)
      if (record.replaced === 0 || known.has(record.replaced)) continue
      const previous = this.inlinePrevious(record)
      if (previous === undefined) wanted.push(record.replaced)
      else known.set(record.replaced, previous)
    }
    for (const record of await this.around.backend.readRecords(this.name, wanted)) {
      const entry = record === undefined ? undefined : this.entryOf(record)
      if (entry !== undefined) known.set(entry.version, entry)
    }
    return records.map((record) => eventOf(record, known.get(record.version), known.get(record.replaced)))
  }

  private pass({ record, entry: known }: Resolved): void {
    const { local } = this
    if (local === undefined) return
    const entry = known ?? this.entryOf(record)
    const event = eventOf(record, entry, local.mirror.objects.get(record.key))
    if (event?.type === 'deleted') local.mirror.delete(record.key)
    else if (entry !== undefined) local.mirror.put(entry)
    local.tail.push(event)
    if (event !== undefined) this.around.changed(event)
  }

  private async load(): Promise<void> {
    let after: string | undefined = ''
    while (after !== undefined) {
      const page: Awaited<ReturnType<Backend['listObjects']>> = await this.around.backend.listObjects(this.name, {
        prefix: '',
        after,
        limit: READ_AHEAD
      })
      for (const object of page.objects) {
        const entry = this.entry(object)
        if (entry !== undefined) this.local?.mirror.put(entry)
      }
      after = page.next
    }
  }
}

function eventOf(
  record: LogRecord,
  entry: StoredEntry | undefined,
  previous: StoredEntry | undefined
): StoreEvent | undefined {
  if (record.type === 'fence' || entry === undefined) return undefined
  const type = record.type === 'delete' ? 'deleted' : record.replaced === 0 ? 'created' : 'updated'
  return { type, version: record.version, entry, previous: record.replaced === 0 ? undefined : previous }
}

async function fenceGaps(
  name: string,
  counter: { reserved: number; frontier: number },
  { backend, ports }: Surroundings
): Promise<void> {
  let position = counter.frontier
  while (position < counter.reserved) {
    const records = await backend.readLog(name, position, READ_AHEAD)
    const next = records[0]?.version ?? counter.reserved + 1
    for (let gap = position + 1; gap < Math.min(next, counter.reserved + 1); gap++) {
      await backend.fence(name, gap, ports.clock.now())
    }
    position = next - 1
    for (const record of records) {
      if (record.version !== position + 1) break
      position = record.version
    }
  }
}

export function expiredWatch(from: number, oldest: number): ApiError {
  return new ApiError('Expired', `too old resource version: ${from} (${oldest})`)
}

export function tooLarge(version: number, current: number): ApiError {
  return new ApiError('Timeout', `Too large resource version: ${version}, current: ${current}`, {
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1
    }
  })
}
