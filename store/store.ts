import type { Change } from '../core/feed.ts'
import type { Payload } from '../core/http.ts'
import type { KubeObject } from '../core/object.ts'

/** One version of one object. `bytes()` is its JSON, beginning with kind and apiVersion, encoded once. */
export interface Entry extends Payload {
  readonly resource: string
  readonly key: string
  /** Its number in the resource's sequence, and its metadata.resourceVersion. */
  readonly version: number
  /** Frozen in spirit: shared by every reader. metadata.resourceVersion is set. */
  readonly value: KubeObject
}

/** One object's part of a transaction. */
export interface Write {
  readonly resource: string
  readonly key: string
  /** The version that must be the current one; 0: the key must not exist. */
  readonly expected: number
  /** The new object; undefined deletes. The store sets metadata.resourceVersion on it and then owns it. */
  readonly object: KubeObject | undefined
  /** For a deletion: the last object that watchers see, where it differs from the stored one. */
  readonly last?: KubeObject
}

/** Either every write took place, in order, or none did. */
export type CommitResult =
  | { readonly ok: true; readonly entries: readonly Entry[] }
  | { readonly ok: false; readonly resource: string; readonly key: string; readonly current: Entry | undefined }

export interface ListOptions {
  /** Only keys that begin with it: "default/". */
  readonly prefix?: string
  /** Only objects found under this value of an index. */
  readonly index?: { readonly name: string; readonly value: string }
  /** Only these count for `limit` and `remaining`. */
  readonly filter?: (entry: Entry) => boolean
  readonly limit?: number
  /** Opaque; from a former answer with the same prefix. A token of an expired version throws ApiError Expired (410). */
  readonly continue?: string
  /** The snapshot's version: exactly this one. Throws Expired when no longer kept. Default: now. */
  readonly exact?: number
  /** Answer from a state at least this new; a version not yet reached throws ApiError Timeout, as Kubernetes does. */
  readonly notOlderThan?: number
}

export interface ListResult {
  readonly entries: readonly Entry[]
  /** The snapshot's version. */
  readonly version: number
  readonly continue?: string
  /** How many more there are; absent where a filter makes it unknown, as in Kubernetes. */
  readonly remaining?: number
}

export interface StoreEvent {
  readonly type: 'created' | 'updated' | 'deleted'
  readonly version: number
  /** The new version; of a deletion, the last object, with the deletion's version. */
  readonly entry: Entry
  readonly previous: Entry | undefined
}

export interface WatchOptions {
  /** Every change after this version is delivered, once, in order. */
  readonly from: number
  readonly prefix?: string
  readonly signal: AbortSignal
}

/** Batches of events in order; ends when `signal` aborts. Throws ApiError Expired (410) when `from` is no longer kept. */
export type StoreWatch = AsyncIterable<readonly StoreEvent[]>

export interface StoreApi {
  get(resource: string, key: string): Promise<Entry | undefined>
  /** All or nothing; up to 45 writes. Acknowledged only when durable and when the frontier has reached it. */
  commit(writes: readonly Write[]): Promise<CommitResult>
  list(resource: string, options?: ListOptions): Promise<ListResult>
  watch(resource: string, options: WatchOptions): StoreWatch
  /** The version up to which everything of the resource is resolved. */
  version(resource: string): Promise<number>
  /** Earlier versions of one object, newest first, as far as the log goes. */
  history(resource: string, key: string): Promise<readonly StoreEvent[]>
  /** In-process doorbell: called after each commit that the frontier has passed. Returns its removal. */
  onChange(listener: (changes: readonly Change[]) => void): () => void
  close(): Promise<void>
}
