/**
 * What every backend keeps: memory, LMDB, DynamoDB. One method is one atomic call of the platform, and no more: all
 * meaning (versions, frontier, snapshots, watches) is made of these once, in store.ts. Any method may reject with the
 * platform's own error; a call that rejected may or may not have taken place.
 *
 * Readers are strong: a read that starts after a write's promise resolved sees that write.
 */

/**
 * The version of a resource that was never written, and so the lowest that anybody can hold: 0 has a meaning of its own
 * in Kubernetes.
 */
export const EMPTY_VERSION = 1

/** The log is kept longer than promised by this part, so that few records need a copy of what they replaced. */
const MARGIN = 0.25

/** How long records and tombstones are kept, where versions can be watched from and listed for `retentionMs`. */
export function keptMs(retentionMs: number): number {
  return retentionMs * (1 + MARGIN)
}

/** Within this part of the time that records are kept, whoever reserves looks how far the log is resolved. */
export const LOOK_EVERY = 1 / 8

/** What is stored at one key. Without bytes it is a tombstone: the key was deleted at `version`. */
export interface StoredObject {
  readonly key: string
  readonly version: number
  /** When it was written, in milliseconds since 1970. */
  readonly at: number
  /** The object's JSON. Nobody changes it afterwards: backends may keep and hand out the same array. */
  readonly bytes: Uint8Array | undefined
}

/** What happened at one number of a resource's sequence. */
export interface LogRecord {
  readonly version: number
  /** A fence marks a number that its writer never used. */
  readonly type: 'put' | 'delete' | 'fence'
  /** '' for a fence. */
  readonly key: string
  /** The version that it replaced; 0: the key was absent. */
  readonly replaced: number
  readonly at: number
  /** The new object's JSON, or of a deletion the last one's; undefined for a fence. */
  readonly bytes: Uint8Array | undefined
  /** JSON of the replaced version, where that version's own record may expire before this one. */
  readonly previous: Uint8Array | undefined
}

/** `reserved`: the last number handed out. `frontier`: a checkpoint; every number up to it is in the log or was trimmed. */
export interface Counter {
  readonly reserved: number
  readonly frontier: number
}

/** An object, its log record and each of its index terms added or removed are a part: DynamoDB takes 100. */
export const MAX_PARTS = 100

/** One object's part of a transaction: puts the object or its tombstone, its log record, its index entries. */
export interface TransactionItem {
  readonly resource: string
  /** The live version that must be there; 0: none (nothing, or a tombstone). */
  readonly expected: number
  /** `record.version` is a number that `reserve` gave to this writer alone; `record.key` is the object's key. */
  readonly record: LogRecord
  /** Index terms, "name=value". */
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/**
 * `reason` "object": the live version of that item is not the expected one; `current` is what is there. "number": the
 * number cannot be used (fenced, not above what the key holds, or held for too long): reserve again, and `current` says
 * nothing. Where both hold, "object" is told.
 */
export type TransactionResult =
  | { readonly ok: true }
  | {
      readonly ok: false
      readonly reason: 'object' | 'number'
      readonly item: number
      readonly current: StoredObject | undefined
    }

export interface PageQuery {
  /** Only keys that begin with it. */
  readonly prefix: string
  /** Only keys after this one. */
  readonly after: string
  readonly limit: number
}

export interface Backend {
  /**
   * Whether this process is the only one that writes, for as long as the backend is open. The store then keeps a copy
   * in memory, is woken by its own commits instead of polling, and takes gaps found at the start for dead writers.
   */
  readonly exclusive: boolean

  get(resource: string, key: string): Promise<StoredObject | undefined>

  /** As `get`, in the order of `keys`; each is read strongly, all together need not be one snapshot. */
  getMany(resource: string, keys: readonly string[]): Promise<readonly (StoredObject | undefined)[]>

  /**
   * Raises `reserved` by `count` and returns the first of the new numbers (EMPTY_VERSION + 1 for a new resource). No two
   * calls get the same number, save that a number whose every holder is gone, and that nobody can have seen in the log,
   * may come again after a restart. The caller has read what it replaces before it reserves.
   *
   * `frontier`: as for `advance`, which it may do on the way, and not long ago: what was reserved LOOK_EVERY of the kept
   * time before is resolved at or below it. So a platform that expires records by their age alone never expires one
   * above the checkpoint, unless nobody has reserved since: then `counter` gives `reserved` as the checkpoint.
   */
  reserve(resource: string, count: number, frontier: number): Promise<number>

  /** Both are EMPTY_VERSION for a new resource. */
  counter(resource: string): Promise<Counter>

  /** The counter of each, as one small read where the platform has one for many; need not be one snapshot. */
  counters(resources: readonly string[]): Promise<readonly Counter[]>

  /**
   * Raises the checkpoint to `frontier`; never lowers it. A hint: it may be lost in a crash, and need not be awaited.
   * The caller has seen every number up to it resolved.
   */
  advance(resource: string, frontier: number): Promise<void>

  /**
   * All items or none. Takes place if for each item: the live version is the expected one, whatever the key holds
   * (tombstones too) is below record.version, and the log has no record of that number. Resolves when durable.
   * The caller names each key once, at most 45 items and MAX_PARTS parts, and no number at or below the checkpoint.
   */
  commit(items: readonly TransactionItem[]): Promise<TransactionResult>

  /**
   * Replaces the bytes of the live object where its version is `version`; false: it is not, and nothing changed. No
   * number is used and no record written: whoever watches is told nothing, and the record of that version keeps the
   * bytes that it had (docs/adr/0007-heartbeats.md). May also answer false for an object that it keeps in another way
   * than small ones. Optional: where a backend has none, the write is made in the ordinary way.
   */
  refresh?(
    resource: string,
    key: string,
    contents: { readonly version: number; readonly bytes: Uint8Array }
  ): Promise<boolean>

  /** Writes a fence at `version` if the log has nothing there; false: it has. Durable when it resolves. `at` as LogRecord. */
  fence(resource: string, version: number, at: number): Promise<boolean>

  /**
   * Records with after < version, ascending, at most `limit` of them and at least one if there is any. Numbers that
   * have none are left out.
   */
  readLog(resource: string, after: number, limit: number): Promise<readonly LogRecord[]>

  /** The records of these numbers, in their order. */
  readRecords(resource: string, versions: readonly number[]): Promise<readonly (LogRecord | undefined)[]>

  /**
   * Live objects in the order of their keys, at most `limit`; fewer, even none, is allowed. `next`: go on after this
   * key (it may be a key that was left out); undefined: there are no more. Need not be a snapshot.
   */
  listObjects(
    resource: string,
    query: PageQuery
  ): Promise<{ readonly objects: readonly StoredObject[]; readonly next: string | undefined }>

  /** As listObjects, but the keys under one index term ("name=value"). */
  listIndex(
    resource: string,
    term: string,
    query: PageQuery
  ): Promise<{ readonly keys: readonly string[]; readonly next: string | undefined }>

  /**
   * How many live objects listObjects would give with this prefix after this key. An estimate while others write;
   * undefined where it would mean to read too much.
   */
  count(resource: string, prefix: string, after: string): Promise<number | undefined>

  /**
   * Forgets log records at or below the checkpoint that were written before `before` (ms), oldest first, and the
   * tombstones they left. At most `limit` a call; true: call again. Does nothing where the platform expires items.
   */
  trim(resource: string, before: number, limit: number): Promise<boolean>

  /** Every resource that ever reserved a number. */
  resources(): Promise<readonly string[]>

  /** The caller makes no call afterwards. What was promised before is durable. */
  close(): Promise<void>
}
