import {
  type Backend,
  type Counter,
  EMPTY_VERSION,
  type LogRecord,
  type PageQuery,
  type StoredObject,
  type TransactionItem,
  type TransactionResult
} from '../backend.ts'
import { SortedMap } from '../sorted-map.ts'

interface Resource {
  reserved: number
  frontier: number
  /** The log has nothing below it. */
  oldest: number
  readonly log: Map<number, LogRecord>
  /** Tombstones stay apart, so that lists need not step over them. */
  readonly live: SortedMap<StoredObject>
  readonly dead: Map<string, StoredObject>
  readonly terms: Map<string, SortedMap<true>>
}

/** The reference backend: each method is the contract's sentence in code. What it holds ends with the process. */
export class MemoryBackend implements Backend {
  readonly exclusive: boolean
  private readonly all = new Map<string, Resource>()

  /** `exclusive: false` for several stores over one backend. */
  constructor(options: { readonly exclusive?: boolean } = {}) {
    this.exclusive = options.exclusive ?? true
  }

  async get(resource: string, key: string): Promise<StoredObject | undefined> {
    const of = this.of(resource)
    return of.live.get(key) ?? of.dead.get(key)
  }

  async getMany(resource: string, keys: readonly string[]): Promise<readonly (StoredObject | undefined)[]> {
    const of = this.of(resource)
    return keys.map((key) => of.live.get(key) ?? of.dead.get(key))
  }

  async reserve(resource: string, count: number, frontier: number): Promise<number> {
    const of = this.of(resource)
    of.frontier = Math.max(of.frontier, frontier)
    of.reserved += count
    return of.reserved - count + 1
  }

  async counter(resource: string): Promise<Counter> {
    const { reserved, frontier } = this.of(resource)
    return { reserved, frontier }
  }

  async counters(resources: readonly string[]): Promise<readonly Counter[]> {
    return await Promise.all(resources.map((resource) => this.counter(resource)))
  }

  async advance(resource: string, frontier: number): Promise<void> {
    const of = this.of(resource)
    of.frontier = Math.max(of.frontier, frontier)
  }

  async commit(items: readonly TransactionItem[]): Promise<TransactionResult> {
    let refused: TransactionResult | undefined
    for (const [item, { resource, expected, record }] of items.entries()) {
      const of = this.of(resource)
      const live = of.live.get(record.key)
      if ((live?.version ?? 0) !== expected) return { ok: false, reason: 'object', item, current: live }
      const held = live ?? of.dead.get(record.key)
      if (of.log.has(record.version) || (held !== undefined && held.version >= record.version)) {
        refused ??= { ok: false, reason: 'number', item, current: held }
      }
    }
    if (refused !== undefined) return refused
    for (const item of items) this.apply(item)
    return { ok: true }
  }

  async refresh(
    resource: string,
    key: string,
    { version, bytes }: { readonly version: number; readonly bytes: Uint8Array }
  ): Promise<boolean> {
    const { live } = this.of(resource)
    const object = live.get(key)
    if (object?.version !== version) return false
    live.set(key, { ...object, bytes })
    return true
  }

  async fence(resource: string, version: number, at: number): Promise<boolean> {
    const { log } = this.of(resource)
    if (log.has(version)) return false
    log.set(version, { version, type: 'fence', key: '', replaced: 0, at, bytes: undefined, previous: undefined })
    return true
  }

  async readLog(resource: string, after: number, limit: number): Promise<readonly LogRecord[]> {
    const of = this.of(resource)
    const records: LogRecord[] = []
    for (let version = Math.max(after + 1, of.oldest); version <= of.reserved && records.length < limit; version++) {
      const record = of.log.get(version)
      if (record !== undefined) records.push(record)
    }
    return records
  }

  async readRecords(resource: string, versions: readonly number[]): Promise<readonly (LogRecord | undefined)[]> {
    const { log } = this.of(resource)
    return versions.map((version) => log.get(version))
  }

  async listObjects(
    resource: string,
    query: PageQuery
  ): Promise<{ objects: readonly StoredObject[]; next: string | undefined }> {
    const { live } = this.of(resource)
    const { keys, next } = page(live, query)
    return { objects: keys.map((key) => live.get(key) as StoredObject), next }
  }

  async listIndex(
    resource: string,
    term: string,
    query: PageQuery
  ): Promise<{ keys: readonly string[]; next: string | undefined }> {
    const under = this.of(resource).terms.get(term)
    return under === undefined ? { keys: [], next: undefined } : page(under, query)
  }

  async count(resource: string, prefix: string, after: string): Promise<number> {
    const { start, end } = this.of(resource).live.range(prefix, after)
    return end - start
  }

  async trim(resource: string, before: number, limit: number): Promise<boolean> {
    const of = this.of(resource)
    for (let removed = 0; of.oldest <= of.frontier; of.oldest++) {
      const record = of.log.get(of.oldest)
      if (record === undefined) continue
      if (record.at >= before) return false
      if (removed++ === limit) return true
      of.log.delete(of.oldest)
      if (record.type === 'delete' && of.dead.get(record.key)?.version === record.version) of.dead.delete(record.key)
    }
    return false
  }

  async resources(): Promise<readonly string[]> {
    return [...this.all].filter(([, of]) => of.reserved > EMPTY_VERSION).map(([name]) => name)
  }

  async close(): Promise<void> {}

  private apply({ resource, record, added, removed }: TransactionItem): void {
    const of = this.of(resource)
    const { key, version, at } = record
    if (record.type === 'delete') {
      of.live.delete(key)
      of.dead.set(key, { key, version, at, bytes: undefined })
    } else {
      of.live.set(key, { key, version, at, bytes: record.bytes })
      of.dead.delete(key)
    }
    for (const term of removed) {
      const under = of.terms.get(term)
      under?.delete(key)
      if (under?.size === 0) of.terms.delete(term)
    }
    for (const term of added) {
      const under = of.terms.get(term) ?? new SortedMap<true>()
      of.terms.set(term, under.set(key, true))
    }
    of.log.set(version, record)
  }

  private of(resource: string): Resource {
    let of = this.all.get(resource)
    if (of === undefined) {
      of = {
        reserved: EMPTY_VERSION,
        frontier: EMPTY_VERSION,
        oldest: EMPTY_VERSION + 1,
        log: new Map(),
        live: new SortedMap(),
        dead: new Map(),
        terms: new Map()
      }
      this.all.set(resource, of)
    }
    return of
  }
}

function page<V>(map: SortedMap<V>, query: PageQuery): { keys: readonly string[]; next: string | undefined } {
  const { keys, start, end } = map.range(query.prefix, query.after)
  const stop = Math.min(end, start + query.limit)
  return { keys: keys.slice(start, stop), next: stop < end ? keys[stop - 1] : undefined }
}
