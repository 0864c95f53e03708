import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { Ports } from '../../core/ports.ts'
import {
  type Backend,
  type Counter,
  EMPTY_VERSION,
  keptMs,
  type LogRecord,
  type PageQuery,
  type StoredObject,
  type TransactionItem,
  type TransactionResult
} from '../backend.ts'
import { pack } from './compression.ts'
import { Calls, type Query } from './dynamodb-calls.ts'
import {
  type Body,
  bodyOf,
  CHUNK_BYTES,
  chunkKey,
  chunkNames,
  counterKey,
  counterOf,
  digits,
  type Item,
  indexPartition,
  isExpired,
  isTombstone,
  logKey,
  number,
  objectKey,
  objectOf,
  previousOf,
  RESOURCES,
  recordItem,
  recordOf,
  SORT,
  textOf
} from './dynamodb-items.ts'
import { judge, planTransaction } from './dynamodb-transaction.ts'

/** A writer that was held up for longer, in milliseconds, gets a new number: see `idle`. */
const LONGEST_COMMIT_MS = 60_000
/** How often a transaction is made anew because an object turned out to have chunks. */
const MAX_PLANS = 10

export interface DynamoOptions {
  readonly client: DynamoDBClient
  /** The table's name. It has the string keys "p" and "s", and "x" as its TTL attribute. */
  readonly table: string
  readonly ports: Ports
  /** As the store's option of that name. Default: a day. */
  readonly retentionMs?: number
}

const DAY_MS = 86_400_000

/**
 * A reservation stores the checkpoint on its way where nobody else has done so for this long, in milliseconds: often
 * enough that nobody scans far, seldom enough that two rarely meet, of which one has to reserve again.
 */
const CARRY_EVERY_MS = 2_000

interface Numbers {
  /** The highest checkpoint that this process knows to be stored, and when it was (milliseconds since 1970). */
  frontier: number
  storedAt: number
  /** Whether a reservation that also stores the checkpoint is under way. */
  carrying: boolean
}

/**
 * One table, any number of processes. DynamoDB expires records and tombstones by their age, so no checkpoint is needed
 * to forget them; the contract's `reserve` says why none above it expires.
 */
export class DynamoBackend implements Backend {
  readonly exclusive = false
  private readonly calls: Calls
  private readonly ports: Ports
  private readonly table: string
  private readonly keptMs: number
  private readonly numbers = new Map<string, Numbers>()

  constructor({ client, table, ports, retentionMs = DAY_MS }: DynamoOptions) {
    this.calls = new Calls(client, table, ports)
    this.ports = ports
    this.table = table
    this.keptMs = keptMs(retentionMs)
  }

  async get(resource: string, key: string): Promise<StoredObject | undefined> {
    const item = await this.calls.get(objectKey(resource, key))
    return item === undefined ? undefined : await this.objectOf(resource, item)
  }

  async getMany(resource: string, keys: readonly string[]): Promise<readonly (StoredObject | undefined)[]> {
    const unique = [...new Set(keys)]
    const items = await this.calls.getMany(unique.map((key) => objectKey(resource, key)))
    const objects = await Promise.all(items.map((item) => (item === undefined ? item : this.objectOf(resource, item))))
    const found = new Map(unique.map((key, i) => [key, objects[i]]))
    return keys.map((key) => found.get(key))
  }

  async reserve(resource: string, count: number, frontier: number): Promise<number> {
    const numbers = this.numbersOf(resource)
    const due = Math.abs(this.ports.clock.now() - numbers.storedAt) >= CARRY_EVERY_MS
    const carries = due && frontier > numbers.frontier && !numbers.carrying
    if (carries) numbers.carrying = true
    try {
      for (;;) {
        const carry = carries && frontier > numbers.frontier
        const item = await this.calls.update(counterKey(resource), {
          UpdateExpression: `SET n = n + :c, a = :a${carry ? ', f = :f, t = :a' : ''}`,
          ConditionExpression: carry ? 'f <= :f' : 'attribute_exists(p)',
          ExpressionAttributeValues: {
            ':c': number(count),
            ':a': number(this.ports.clock.now()),
            ...(carry ? { ':f': number(frontier) } : {})
          }
        })
        if (!('refused' in item)) return this.noted(resource, item as Item).reserved - count + 1
        if (item.item === undefined) await this.begin(resource)
        else this.noted(resource, item.item as Item)
      }
    } finally {
      if (carries) numbers.carrying = false
    }
  }

  /**
   * Where nobody has reserved for half of the time that records are kept, all is resolved: nobody who still holds a
   * number could use it (LONGEST_COMMIT_MS), and what is above the stored checkpoint may begin to expire.
   */
  async counter(resource: string): Promise<Counter> {
    return this.read(resource, await this.calls.get(counterKey(resource)))
  }

  async counters(resources: readonly string[]): Promise<readonly Counter[]> {
    const items = await this.calls.getMany(resources.map(counterKey))
    return resources.map((resource, i) => this.read(resource, items[i]))
  }

  async advance(resource: string, frontier: number): Promise<void> {
    if (frontier <= this.numbersOf(resource).frontier) return
    const item = await this.calls.update(counterKey(resource), {
      UpdateExpression: 'SET f = :f, t = :t',
      ConditionExpression: 'attribute_exists(p) AND f < :f',
      ExpressionAttributeValues: { ':f': number(frontier), ':t': number(this.ports.clock.now()) }
    })
    this.noted(resource, ('refused' in item ? item.item : item) as Item | undefined)
  }

  async commit(items: readonly TransactionItem[]): Promise<TransactionResult> {
    const now = this.ports.clock.now()
    const late = items.findIndex(({ record }) => now - record.at > Math.min(LONGEST_COMMIT_MS, this.keptMs / 8))
    if (late >= 0) return { ok: false, reason: 'number', item: late, current: undefined }
    // Of how many chunks each item's live object is made: none, until DynamoDB says otherwise.
    const chunks = new Map<TransactionItem, number>()
    for (let plans = 0; plans < MAX_PLANS; plans++) {
      const writes = planTransaction(items, { table: this.table, keptMs: this.keptMs, chunks })
      const reasons = await this.calls.transact(writes)
      if (reasons === undefined) return { ok: true }
      const verdict = judge(items, reasons, chunks)
      if (verdict === 'plan again') continue
      const { reason, item, held } = verdict
      const { resource } = items[item] as TransactionItem
      const current = held === undefined || isTombstone(held) ? undefined : await this.objectOf(resource, held)
      return { ok: false, reason, item, current: reason === 'object' ? current : undefined }
    }
    throw new Error('the chunks of an object changed again and again')
  }

  /** One write of one item: objects in chunks are left to `commit`. */
  async refresh(
    resource: string,
    key: string,
    { version, bytes }: { readonly version: number; readonly bytes: Uint8Array }
  ): Promise<boolean> {
    const packed = pack(bytes)
    if (packed.length > CHUNK_BYTES) return false
    const item = await this.calls.update(objectKey(resource, key), {
      ReturnValues: 'NONE',
      ReturnValuesOnConditionCheckFailure: 'NONE',
      UpdateExpression: 'SET b = :b',
      ConditionExpression: 'v = :v AND attribute_not_exists(d) AND attribute_not_exists(c)',
      ExpressionAttributeValues: { ':b': { B: packed }, ':v': number(version) }
    })
    return !('refused' in item)
  }

  async fence(resource: string, version: number, at: number): Promise<boolean> {
    const { bytes, previous } = { bytes: undefined, previous: undefined }
    const record: LogRecord = { version, type: 'fence', key: '', replaced: 0, at, bytes, previous }
    return await this.calls.putNew(recordItem(resource, record, this.expiry(at)))
  }

  async readLog(resource: string, after: number, limit: number): Promise<readonly LogRecord[]> {
    const now = this.ports.clock.now()
    for (let from = digits(after); ; ) {
      const page = await this.calls.query({
        KeyConditionExpression: 'p = :p AND s > :s',
        ExpressionAttributeValues: { ':p': logKey(resource, 0).p, ':s': { S: from } },
        Limit: limit
      })
      const kept = page.items.filter((item) => !isExpired(item, now))
      if (kept.length === 0 && page.next !== undefined) from = page.next
      else return await Promise.all(kept.map((item) => this.recordOf(resource, item)))
    }
  }

  async readRecords(resource: string, versions: readonly number[]): Promise<readonly (LogRecord | undefined)[]> {
    const now = this.ports.clock.now()
    const unique = [...new Set(versions)]
    const items = await this.calls.getMany(unique.map((version) => logKey(resource, version)))
    const records = await Promise.all(
      items.map((item) => (item === undefined || isExpired(item, now) ? undefined : this.recordOf(resource, item)))
    )
    const found = new Map(unique.map((version, i) => [version, records[i]]))
    return versions.map((version) => found.get(version))
  }

  async listObjects(
    resource: string,
    query: PageQuery
  ): Promise<{ objects: readonly StoredObject[]; next: string | undefined }> {
    const { items, next } = await this.page(objectKey(resource, '-').p.S, query)
    return { objects: await Promise.all(items.map((item) => this.liveOf(resource, item))), next }
  }

  async listIndex(
    resource: string,
    term: string,
    query: PageQuery
  ): Promise<{ keys: readonly string[]; next: string | undefined }> {
    const { items, next } = await this.page(indexPartition(resource, term), query)
    return { keys: items.map((item) => textOf(item, SORT)), next }
  }

  /** Of what one query of DynamoDB reads: 1 MB, which costs as much as a page of a list. */
  async count(resource: string, prefix: string, after: string): Promise<number | undefined> {
    const query = rangeOf(objectKey(resource, '-').p.S, { prefix, after })
    return query === undefined ? 0 : await this.calls.count({ ...query, FilterExpression: LIVE })
  }

  /** DynamoDB expires records and tombstones. */
  async trim(): Promise<boolean> {
    return false
  }

  async resources(): Promise<readonly string[]> {
    const names: string[] = []
    for (let after = ''; ; ) {
      const { items, next } = await this.page(RESOURCES, { prefix: '', after, limit: 1_000 })
      names.push(...items.map((item) => textOf(item, SORT)))
      if (next === undefined) return names
      after = next
    }
  }

  /** Ends the client's connections. */
  async close(): Promise<void> {
    this.calls.close()
  }

  /** The first reservation of a resource ever: its counter and its name in the list of resources. */
  private async begin(resource: string): Promise<void> {
    const fresh = { n: number(EMPTY_VERSION), f: number(EMPTY_VERSION), a: number(this.ports.clock.now()) }
    await this.calls.transact([
      {
        Put: {
          TableName: this.table,
          Item: { ...counterKey(resource), ...fresh },
          ConditionExpression: 'attribute_not_exists(p)'
        }
      },
      { Put: { TableName: this.table, Item: { ...objectKey(RESOURCES, resource) } } }
    ])
  }

  /** Live objects or index entries, as many as asked for. */
  private async page(
    partition: string,
    { prefix, after, limit }: PageQuery
  ): Promise<{ items: readonly Item[]; next: string | undefined }> {
    const items: Item[] = []
    let next: string | undefined = after
    while (next !== undefined && items.length < limit) {
      const range = rangeOf(partition, { prefix, after: next })
      if (range === undefined) return { items, next: undefined }
      const page = await this.calls.query({ ...range, FilterExpression: LIVE, Limit: limit - items.length })
      items.push(...page.items)
      next = page.next
    }
    return { items, next }
  }

  private async objectOf(resource: string, item: Item): Promise<StoredObject | undefined> {
    if (isTombstone(item)) return isExpired(item, this.ports.clock.now()) ? undefined : objectOf(item, undefined)
    return await this.liveOf(resource, item)
  }

  private async liveOf(resource: string, item: Item): Promise<StoredObject> {
    const version = Number(item.v?.N)
    const packed = await this.joined(resource, bodyOf(item), chunkNames(version, bodyOf(item).chunks, 'object'))
    if (packed === undefined) throw new Error(`${resource} ${textOf(item, SORT)}@${version} has lost its contents`)
    return objectOf(item, packed)
  }

  private async recordOf(resource: string, item: Item): Promise<LogRecord> {
    const [body, previous] = [bodyOf(item), previousOf(item)]
    if (body.chunks === 0 && previous.chunks === 0) return recordOf(item, body.inline, previous.inline)
    const version = Number(textOf(item, SORT))
    const [packed, before] = await Promise.all([
      this.joined(resource, body, chunkNames(version, body.chunks, 'object')),
      this.joined(resource, previous, chunkNames(version, previous.chunks, 'previous'))
    ])
    return recordOf(item, packed, before)
  }

  private async joined(resource: string, body: Body, names: readonly string[]): Promise<Uint8Array | undefined> {
    if (names.length === 0) return body.inline
    const items = await this.calls.getMany(names.map((name) => chunkKey(resource, name)))
    const parts = items.map((item) => item?.b?.B)
    if (parts.some((part) => part === undefined)) throw new Error(`${resource} has lost a chunk: ${names[0]}`)
    return Buffer.concat(parts as Uint8Array[])
  }

  private numbersOf(resource: string): Numbers {
    let numbers = this.numbers.get(resource)
    if (numbers === undefined) {
      numbers = { frontier: EMPTY_VERSION, storedAt: 0, carrying: false }
      this.numbers.set(resource, numbers)
    }
    return numbers
  }

  private read(resource: string, item: Item | undefined): Counter {
    const { reserved, frontier, reservedAt } = this.noted(resource, item)
    const idle = reserved > frontier && this.ports.clock.now() - reservedAt >= this.keptMs / 2
    return { reserved, frontier: idle ? reserved : frontier }
  }

  private noted(resource: string, item: Item | undefined): ReturnType<typeof counterOf> {
    const counter = counterOf(item)
    const numbers = this.numbersOf(resource)
    numbers.frontier = Math.max(numbers.frontier, counter.frontier)
    numbers.storedAt = Math.max(numbers.storedAt, counter.storedAt)
    return counter
  }

  private expiry(at: number): number {
    return Math.ceil((at + this.keptMs) / 1000)
  }
}

const LIVE = 'attribute_not_exists(d)'

/** undefined: no key can be both under the prefix and after the other. */
function rangeOf(partition: string, { prefix, after }: Omit<PageQuery, 'limit'>): Query | undefined {
  if (after > prefix && !after.startsWith(prefix)) return undefined
  const p = { S: partition }
  const begins = prefix === '' ? {} : { ':s': { S: prefix } }
  return {
    KeyConditionExpression: prefix === '' ? 'p = :p' : 'p = :p AND begins_with(s, :s)',
    ExpressionAttributeValues: { ':p': p, ...begins },
    ...(after.startsWith(prefix) && after !== '' ? { ExclusiveStartKey: { p, s: { S: after } } } : {})
  }
}
