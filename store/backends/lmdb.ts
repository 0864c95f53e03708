import { mkdirSync } from 'node:fs'
import type { Server } from 'node:net'
import { type Database, open, type RootDatabase } from 'lmdb'
import type { Ports } from '../../core/ports.ts'
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
import { checkFile, damaged, holdFolder } from './lmdb-file.ts'
import { endOf, logKey, rangeOf, termKey } from './lmdb-keys.ts'
import { type Operation, WriteQueue } from './lmdb-queue.ts'
import { decodeRecord, encodeCounter, encodeRecord, encodeTombstone, timeOf, versionOf } from './lmdb-record.ts'

/** Address space, not disk: LMDB maps so much at once, and grows when it is full. */
const MAP_BYTES = 2 ** 36
/** Operations in one synced transaction: enough to hide the sync, few enough that none waits long. */
const MAX_BATCH = 512
/** LMDB allows keys of 1,978 bytes; a character takes three at most. */
const MAX_KEY = 600
const EMPTY = Buffer.from([0])

type Table = Database<Buffer, string>

/** What the batch's earlier operations did: LMDB shows it only after the commit. */
interface Batch {
  readonly objects: Map<string, StoredObject>
  readonly records: Set<string>
}

interface Numbers {
  /** Handed out in this process. */
  reserved: number
  /** The highest that is, or is about to be, in the log. */
  used: number
  frontier: number
  saved: boolean
}

/**
 * One folder, one process. Writes gather while the last batch is synced to disk and then go together as one LMDB
 * transaction: every one is answered after the sync, and many share it.
 */
export class LmdbBackend implements Backend {
  readonly exclusive = true
  private readonly path: string
  private readonly ports: Ports
  private readonly root: RootDatabase<Buffer, string>
  private readonly hold: Server | undefined
  private readonly objects: Table
  private readonly tombstones: Table
  private readonly log: Table
  private readonly sequences: Table
  private readonly terms: Table
  private readonly numbers = new Map<string, Numbers>()
  private readonly queue = new WriteQueue<Batch>(MAX_BATCH, async (operations) => await this.writeBatch(operations))

  /**
   * Opens the folder, made if it is not there. Throws an Error with a sentence for its user where another process has
   * it open, or where what it holds is damaged.
   */
  static async open(options: { readonly path: string; readonly ports: Ports }): Promise<LmdbBackend> {
    const { path } = options
    mkdirSync(path, { recursive: true, mode: 0o700 })
    const hold = await holdFolder(path)
    try {
      checkFile(path)
      return new LmdbBackend(options, hold)
    } catch (error) {
      hold?.close()
      const { message } = error as Error
      throw message.startsWith('the data in') ? error : damaged(path, message)
    }
  }

  private constructor(options: { readonly path: string; readonly ports: Ports }, hold: Server | undefined) {
    this.path = options.path
    this.ports = options.ports
    this.hold = hold
    // Without overlapping sync a transaction is visible only when it is on the disk.
    this.root = open({
      path: options.path,
      encoding: 'binary',
      overlappingSync: false,
      // Else lmdb makes a batch of its own around ours, and nobody hears its promise's failure.
      eventTurnBatching: false,
      mapSize: MAP_BYTES,
      maxDbs: 8,
      noMemInit: true
    })
    const table = (name: string) => this.root.openDB<Buffer, string>(name, { encoding: 'binary' })
    this.objects = table('objects')
    this.tombstones = table('tombstones')
    this.log = table('log')
    this.sequences = table('counters')
    this.terms = table('terms')
  }

  async get(resource: string, key: string): Promise<StoredObject | undefined> {
    return this.find(resource, key)
  }

  async getMany(resource: string, keys: readonly string[]): Promise<readonly (StoredObject | undefined)[]> {
    return keys.map((key) => this.find(resource, key))
  }

  async reserve(resource: string, count: number): Promise<number> {
    const numbers = this.numbersOf(resource)
    numbers.reserved += count
    return numbers.reserved - count + 1
  }

  async counter(resource: string): Promise<Counter> {
    const { reserved, frontier } = this.numbersOf(resource)
    return { reserved, frontier }
  }

  async counters(resources: readonly string[]): Promise<readonly Counter[]> {
    return await Promise.all(resources.map((resource) => this.counter(resource)))
  }

  /** Saved with the next batch. */
  async advance(resource: string, frontier: number): Promise<void> {
    const numbers = this.numbersOf(resource)
    if (frontier <= numbers.frontier) return
    numbers.frontier = frontier
    numbers.saved = false
  }

  async commit(items: readonly TransactionItem[]): Promise<TransactionResult> {
    for (const { record } of items) {
      if (record.key.length > MAX_KEY) throw new RangeError(`a key has at most ${MAX_KEY} characters`)
    }
    return await this.write((batch) => this.applyCommit(batch, items))
  }

  async fence(resource: string, version: number, at: number): Promise<boolean> {
    const record: LogRecord = {
      version,
      type: 'fence',
      key: '',
      replaced: 0,
      at,
      bytes: undefined,
      previous: undefined
    }
    return await this.write((batch) => {
      if (this.hasRecord(batch, logKey(resource, version))) return false
      this.putRecord(batch, { resource, version, encoded: encodeRecord(record) })
      return true
    })
  }

  async readLog(resource: string, after: number, limit: number): Promise<readonly LogRecord[]> {
    const range = { start: logKey(resource, after + 1), end: endOf(resource), limit }
    return Array.from(this.log.getRange(range), ({ value }) => this.sound(() => decodeRecord(value)))
  }

  async readRecords(resource: string, versions: readonly number[]): Promise<readonly (LogRecord | undefined)[]> {
    return versions.map((version) => {
      const value = this.log.get(logKey(resource, version))
      return value === undefined ? undefined : this.sound(() => decodeRecord(value))
    })
  }

  async listObjects(
    resource: string,
    query: PageQuery
  ): Promise<{ objects: readonly StoredObject[]; next: string | undefined }> {
    const objects: StoredObject[] = []
    for (const { value } of this.objects.getRange(rangeOf(`${resource} `, query))) {
      if (objects.length === query.limit) return { objects, next: objects.at(-1)?.key }
      objects.push(this.objectOf(resource, value))
    }
    return { objects, next: undefined }
  }

  async listIndex(
    resource: string,
    term: string,
    query: PageQuery
  ): Promise<{ keys: readonly string[]; next: string | undefined }> {
    const start = `${resource} ${encodeURIComponent(term)} `
    const keys: string[] = []
    for (const key of this.terms.getKeys(rangeOf(start, query))) {
      if (keys.length === query.limit) return { keys, next: keys.at(-1) }
      keys.push(key.slice(start.length))
    }
    return { keys, next: undefined }
  }

  async count(resource: string, prefix: string, after: string): Promise<number> {
    const { start, end, exclusiveStart } = rangeOf(`${resource} `, { prefix, after, limit: 0 })
    return this.objects.getKeysCount({ start, end, exclusiveStart })
  }

  async trim(resource: string, before: number, limit: number): Promise<boolean> {
    return await this.write((batch) => {
      const { frontier } = this.numbersOf(resource)
      const range = { start: logKey(resource, 0), end: logKey(resource, frontier + 1) }
      let removed = 0
      for (const { key, value } of this.log.getRange(range)) {
        if (timeOf(value) >= before) return false
        if (removed++ === limit) return true
        void this.log.remove(key)
        this.outlive(
          batch,
          resource,
          this.sound(() => decodeRecord(value))
        )
      }
      return false
    })
  }

  async resources(): Promise<readonly string[]> {
    const names = new Set(this.sequences.getKeys())
    for (const [name, { used }] of this.numbers) if (used > EMPTY_VERSION) names.add(name)
    return [...names]
  }

  async close(): Promise<void> {
    if ([...this.numbers.values()].some(({ saved }) => !saved)) await this.write(() => undefined)
    await this.queue.idle()
    await this.root.close()
    await this.hold?.[Symbol.asyncDispose]()
  }

  private applyCommit(batch: Batch, items: readonly TransactionItem[]): TransactionResult {
    let refused: TransactionResult | undefined
    for (const [item, { resource, expected, record }] of items.entries()) {
      const name = `${resource} ${record.key}`
      const held = this.held(batch, name)
      if ((held?.live === true ? held.version : 0) !== expected) {
        const current = held?.live === true ? (batch.objects.get(name) ?? this.find(resource, record.key)) : undefined
        return { ok: false, reason: 'object', item, current }
      }
      if (this.hasRecord(batch, logKey(resource, record.version)) || (held?.version ?? 0) >= record.version) {
        refused ??= {
          ok: false,
          reason: 'number',
          item,
          current: batch.objects.get(name) ?? this.find(resource, record.key)
        }
      }
    }
    if (refused !== undefined) return refused
    const encoded = items.map(({ record }) => encodeRecord(record))
    for (const [i, item] of items.entries()) this.put(batch, item, encoded[i] as Buffer)
    return { ok: true }
  }

  private put(batch: Batch, { resource, record, added, removed }: TransactionItem, encoded: Buffer): void {
    const { key, version, at } = record
    const name = `${resource} ${key}`
    if (record.type === 'delete') {
      void this.objects.remove(name)
      void this.tombstones.put(name, encodeTombstone(record))
      batch.objects.set(name, { key, version, at, bytes: undefined })
    } else {
      if (record.replaced === 0) void this.tombstones.remove(name)
      void this.objects.put(name, encodeRecord({ ...record, bytes: undefined, previous: undefined }))
      batch.objects.set(name, { key, version, at, bytes: record.bytes })
    }
    for (const term of removed) void this.terms.remove(termKey(resource, term, key))
    for (const term of added) void this.terms.put(termKey(resource, term, key), EMPTY)
    this.putRecord(batch, { resource, version, encoded })
  }

  /** What is left of a record that the log forgets: its object, if it is the current one, has to have its own JSON now. */
  private outlive(batch: Batch, resource: string, record: LogRecord): void {
    const name = `${resource} ${record.key}`
    if (record.type === 'fence' || this.held(batch, name)?.version !== record.version) return
    if (record.type === 'delete') void this.tombstones.remove(name)
    else void this.objects.put(name, encodeRecord({ ...record, previous: undefined }))
  }

  private putRecord(batch: Batch, of: { resource: string; version: number; encoded: Buffer }): void {
    const { resource, version, encoded } = of
    const name = logKey(resource, version)
    void this.log.put(name, encoded)
    batch.records.add(name)
    const numbers = this.numbersOf(resource)
    numbers.used = Math.max(numbers.used, version)
    numbers.saved = false
  }

  /** What the key holds when this operation's turn comes. */
  private held(batch: Batch, name: string): { version: number; live: boolean } | undefined {
    const mine = batch.objects.get(name)
    if (mine !== undefined) return { version: mine.version, live: mine.bytes !== undefined }
    const live = this.objects.getBinaryFast(name)
    if (live !== undefined) return { version: versionOf(live), live: true }
    const dead = this.tombstones.getBinaryFast(name)
    return dead === undefined ? undefined : { version: versionOf(dead), live: false }
  }

  private hasRecord(batch: Batch, name: string): boolean {
    return batch.records.has(name) || this.log.getBinaryFast(name) !== undefined
  }

  private find(resource: string, key: string): StoredObject | undefined {
    const name = `${resource} ${key}`
    const live = this.objects.getBinary(name)
    if (live !== undefined) return this.objectOf(resource, live)
    const dead = this.tombstones.getBinary(name)
    if (dead === undefined) return undefined
    const { version, at } = this.sound(() => decodeRecord(dead))
    return { key, version, at, bytes: undefined }
  }

  /** An object's JSON is in the log record of its version as long as the log has it: written once, not twice. */
  private objectOf(resource: string, value: Buffer): StoredObject {
    return this.sound(() => {
      const { key, version, at, bytes } = decodeRecord(value)
      if (bytes !== undefined) return { key, version, at, bytes }
      const record = this.log.getBinary(logKey(resource, version))
      if (record === undefined) throw new Error(`the log has lost ${resource} ${key}@${version}`)
      return { key, version, at, bytes: decodeRecord(record).bytes }
    })
  }

  private async write<T>(apply: (batch: Batch) => T): Promise<T> {
    return await this.queue.add(apply)
  }

  /** Decides each operation in turn against what is stored and what those before it do, and writes all that remains. */
  private async writeBatch(operations: readonly Operation<Batch>[]): Promise<void> {
    const batch: Batch = { objects: new Map(), records: new Set() }
    const unsaved: [string, Numbers][] = []
    this.root.resetReadTxn()
    try {
      await this.root.batch(() => {
        for (const operation of operations) {
          try {
            operation.result = operation.apply(batch)
          } catch (error) {
            operation.error = error
          }
        }
        for (const [resource, numbers] of this.numbers) {
          if (numbers.saved) continue
          numbers.saved = true
          unsaved.push([resource, numbers])
          void this.sequences.put(resource, encodeCounter(numbers.used, numbers.frontier))
        }
      })
    } catch (error) {
      for (const [, numbers] of unsaved) numbers.saved = false
      const { log } = this.ports
      // The disk's own error comes in a promise of its own.
      const cause = (error as { commitError?: Promise<never> }).commitError ?? Promise.reject(error)
      cause.catch((reason: unknown) => log.error({ error: reason, path: this.path }, 'the disk refused a write'))
      throw new Error(`${this.path} could not be written`)
    }
  }

  private numbersOf(resource: string): Numbers {
    let numbers = this.numbers.get(resource)
    if (numbers === undefined) {
      const value = this.sequences.get(resource)
      const [used, frontier] =
        value === undefined ? [EMPTY_VERSION, EMPTY_VERSION] : [value.readDoubleLE(0), value.readDoubleLE(8)]
      numbers = { reserved: used, used, frontier, saved: true }
      this.numbers.set(resource, numbers)
    }
    return numbers
  }

  private sound<T>(decode: () => T): T {
    try {
      return decode()
    } catch (error) {
      throw damaged(this.path, (error as Error).message)
    }
  }
}
