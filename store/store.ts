import type { Change } from '../core/feed.ts'
import type { Payload } from '../core/http.ts'
import type { KubeObject } from '../core/object.ts'
import type { Ports, Timer } from '../core/ports.ts'
import { type Backend, keptMs } from './backend.ts'
import { type CommitContext, commit } from './commit.ts'
import { decodeToken, encodeToken } from './continue-token.ts'
import { encode, ParsedBudget, StoredEntry } from './entry.ts'
import { EventChange } from './event-change.ts'
import { Follower } from './follower.ts'
import { type HistoryOptions, history, versionAt } from './history.ts'
import { list } from './list.ts'
import type { Indexes } from './mirror.ts'
import { ResourceState, type Surroundings } from './resource.ts'
import { Watch } from './watch.ts'

/** One version of one object. `bytes()` is its JSON, beginning with kind and apiVersion, encoded once. */
export interface Entry extends Payload {
  readonly resource: string
  readonly key: string
  /** Its number in the resource's sequence, and its metadata.resourceVersion. */
  readonly version: number
  /** When it was written, in milliseconds since 1970; 0 or absent where that is not known. */
  readonly at?: number
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
  /** Ends when every change up to this version, which must be resolved, has been handed out. Default: never. */
  readonly until?: number
  readonly signal: AbortSignal
}

/** Batches of events in order; ends when `signal` aborts. Throws ApiError Expired (410) when `from` is no longer kept. */
export interface StoreWatch extends AsyncIterable<readonly StoreEvent[]> {
  /** Every change up to this version has been handed out: what a bookmark may say. */
  readonly position: number
}

export interface StoreApi {
  get(resource: string, key: string): Promise<Entry | undefined>
  /** All or nothing; up to 45 writes. Acknowledged only when durable and when the frontier has reached it. */
  commit(writes: readonly Write[]): Promise<CommitResult>
  /**
   * Replaces an object in place, at the version that it has: nobody who watches is told. For heartbeats, which would
   * dominate the bill as commits (docs/adr/0007-heartbeats.md). undefined: the object has moved on, or this store has no
   * such call, and nothing changed.
   */
  refresh(entry: Entry, object: KubeObject): Promise<Entry | undefined>
  list(resource: string, options?: ListOptions): Promise<ListResult>
  watch(resource: string, options: WatchOptions): StoreWatch
  /** The version up to which everything of the resource is resolved. */
  version(resource: string): Promise<number>
  /** Changes of one object, of its last life, newest first, as far as the log goes. */
  history(resource: string, key: string, options?: HistoryOptions): Promise<readonly StoreEvent[]>
  /**
   * The version that the resource had at a time, in milliseconds since 1970. Throws ApiError Expired where the log does
   * not go back so far.
   */
  versionAt(resource: string, ms: number): Promise<number>
  /** In-process doorbell: called after each commit that the frontier has passed. Returns its removal. */
  onChange(listener: (changes: readonly Change[]) => void): () => void
  close(): Promise<void>
}

/** What other processes changed, for a process that shares its store with them. */
export interface StoreNews {
  /**
   * Resolves when the listeners were told every change to the followed resources that was acknowledged `maxAgeMs` ago
   * or earlier; true: there was one. Throws ApiError Expired where some are no longer kept: whoever follows starts anew.
   */
  hear(maxAgeMs: number): Promise<boolean>
}

/** Of an expired continue token: the one to go on without a snapshot. Throws ApiError BadRequest for what is no token. */
export function restartToken(token: string): string {
  return encodeToken({ version: undefined, after: decodeToken(token, '').after })
}

export interface StoreOptions {
  readonly backend: Backend
  readonly ports: Ports
  /** The declared indexes of a resource; asked once for each. */
  readonly indexes?: (resource: string) => Indexes | undefined
  /** For how long a version can still be watched from and listed after it was replaced. Default: an hour. */
  readonly retentionMs?: number
  /** Default true. false: the platform forgets by itself (Backend.trim), and this process need not wake for it. */
  readonly trims?: boolean
}

const HOUR_MS = 3_600_000
/** Records forgotten in one call: small, so that no other request waits for it. */
const TRIM_CHUNK = 200
/** Versions that a shared store remembers, so that a commit need not read again what its caller just read. */
const RECALLED = 256

/** The semantics of the Kubernetes API's state over any backend. The rules are those of the design's model. */
export class Store implements StoreApi {
  private readonly backend: Backend
  private readonly ports: Ports
  private readonly indexes: (resource: string) => Indexes | undefined
  private readonly keptMs: number
  private readonly retentionMs: number
  private readonly around: Surroundings
  private readonly context: CommitContext
  private readonly states = new Map<string, ResourceState | Promise<ResourceState>>()
  /** Keys with a write under way in this process, and who waits for its end. */
  private readonly busy = new Map<string, (() => void)[]>()
  private readonly recalled = new Map<string, StoredEntry>()
  private readonly listeners = new Set<(changes: readonly Change[]) => void>()
  private unrung: Change[] = []
  private follower: Follower | undefined
  private trimTimer: Timer | undefined
  private closed = false

  constructor(options: StoreOptions) {
    const { backend, ports, retentionMs = HOUR_MS } = options
    this.backend = backend
    this.ports = ports
    this.indexes = options.indexes ?? (() => undefined)
    this.keptMs = keptMs(retentionMs)
    this.retentionMs = retentionMs
    this.around = {
      backend,
      ports,
      budget: new ParsedBudget(),
      keptMs: this.keptMs,
      changed: (event) => this.changed(event)
    }
    this.context = {
      around: this.around,
      state: async (resource) => await this.state(resource),
      recall: (state, key, version) => {
        const entry = this.recalled.get(`${state.name} ${key}`)
        return entry?.version === version ? entry : undefined
      },
      coldAfterMs: this.keptMs - retentionMs
    }
    if (options.trims !== false) this.scheduleTrim(Math.max(1_000, retentionMs / 60))
  }

  async get(resource: string, key: string): Promise<Entry | undefined> {
    const opened = this.states.get(resource)
    const state = opened instanceof ResourceState ? opened : await this.state(resource)
    if (state.local !== undefined) return state.local.mirror.objects.get(key)
    const object = await this.backend.get(resource, key)
    const entry = object === undefined ? undefined : state.entry(object)
    if (entry !== undefined) this.remember(entry)
    return entry
  }

  async commit(writes: readonly Write[]): Promise<CommitResult> {
    if (writes.length === 0) return { ok: true, entries: [] }
    const keys = writes.map(({ resource, key }) => `${resource} ${key}`)
    if (new Set(keys).size !== keys.length) throw new RangeError('a transaction writes each key once')
    if (!this.backend.exclusive) {
      const result = await commit(this.context, writes)
      if (result.ok) for (const [i, entry] of result.entries.entries()) this.announce(writes[i] as Write, entry)
      return result
    }
    // Writes of one key take turns, so that none reserves a number only to lose it.
    for (let taken = this.taken(keys); taken !== undefined; taken = this.taken(keys)) {
      const queue = taken
      await new Promise<void>((resolve) => queue.push(resolve))
    }
    for (const key of keys) this.busy.set(key, [])
    try {
      return await commit(this.context, writes)
    } finally {
      for (const key of keys) {
        const waiting = this.busy.get(key) ?? []
        this.busy.delete(key)
        for (const wake of waiting) wake()
      }
    }
  }

  async refresh(entry: Entry, object: KubeObject): Promise<Entry | undefined> {
    const { resource, key, version } = entry
    if (this.backend.exclusive || this.backend.refresh === undefined) return undefined
    const { value, bytes } = encode(object, version)
    if (!(await this.backend.refresh(resource, key, { version, bytes }))) return undefined
    const at = entry instanceof StoredEntry ? entry.at : this.ports.clock.now()
    const next = new StoredEntry({ resource, key, version, at, bytes }, this.around.budget, value)
    this.remember(next)
    return next
  }

  async list(resource: string, options: ListOptions = {}): Promise<ListResult> {
    return await list(await this.state(resource), this.backend, options)
  }

  watch(resource: string, options: WatchOptions): StoreWatch {
    return new Watch(async () => await this.state(resource), this.around, options)
  }

  async version(resource: string): Promise<number> {
    return await (await this.state(resource)).resolvedHead()
  }

  async history(resource: string, key: string, options: HistoryOptions = {}): Promise<readonly StoreEvent[]> {
    return await history({ state: await this.state(resource), backend: this.backend }, key, options)
  }

  async versionAt(resource: string, ms: number): Promise<number> {
    const oldest = this.ports.clock.now() - this.retentionMs
    return await versionAt({ state: await this.state(resource), backend: this.backend }, ms, oldest)
  }

  /**
   * What happened at these numbers, as far as it is kept: fences and what has expired are left out and logged. For
   * those who hear of numbers from a platform's stream, as often and in whatever order it tells them.
   */
  async changes(resource: string, versions: readonly number[]): Promise<readonly Change[]> {
    const state = await this.state(resource)
    const wanted = [...new Set(versions)].sort((a, b) => a - b)
    const records = await this.backend.readRecords(resource, wanted)
    const missing = wanted.filter((_, i) => records[i] === undefined || records[i]?.type === 'fence')
    if (missing.length > 0) this.ports.log.info({ resource, versions: missing }, 'the log has no change at a number')
    const events = await state.events(records.filter((record) => record !== undefined))
    return events.filter((event) => event !== undefined).map((event) => new EventChange(event))
  }

  onChange(listener: (changes: readonly Change[]) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /**
   * From now on the listeners are told of these resources when somebody asks for news, whoever wrote, and not otherwise.
   * For a shared store, once, before anything of them is kept. `bell`: the resource to which each write to one of them
   * also writes, in its transaction.
   */
  async follow(resources: readonly string[], bell: string): Promise<StoreNews> {
    const tell = (events: readonly StoreEvent[]) => this.tell(events.map((event) => new EventChange(event)))
    const { backend, ports } = this
    const state = async (resource: string) => await this.state(resource)
    this.follower = await Follower.start(resources, { backend, ports, state, tell, bell })
    return this.follower
  }

  async close(): Promise<void> {
    if (this.closed) return
    this.closed = true
    this.trimTimer?.cancel()
    for (const state of this.states.values()) (await state).sequence.checkpoint()
    await this.backend.close()
  }

  private state(resource: string): ResourceState | Promise<ResourceState> {
    const known = this.states.get(resource)
    if (known !== undefined) return known
    const opening = ResourceState.open(resource, this.indexes(resource) ?? {}, this.around).then(
      (state) => {
        this.states.set(resource, state)
        return state
      },
      (error: unknown) => {
        this.states.delete(resource)
        throw error
      }
    )
    this.states.set(resource, opening)
    return opening
  }

  private taken(keys: readonly string[]): (() => void)[] | undefined {
    for (const key of keys) {
      const queue = this.busy.get(key)
      if (queue !== undefined) return queue
    }
    return undefined
  }

  private remember(entry: StoredEntry): void {
    const name = `${entry.resource} ${entry.key}`
    this.recalled.delete(name)
    this.recalled.set(name, entry)
    if (this.recalled.size <= RECALLED) return
    for (const oldest of this.recalled.keys()) {
      this.recalled.delete(oldest)
      return
    }
  }

  /** The doorbell of a shared store rings for its own writes only; others hear the platform's feed. */
  private announce(write: Write, entry: Entry): void {
    if (this.follower?.follows(write.resource) === true) {
      this.follower.outdated()
      return
    }
    const previous = write.expected === 0 ? undefined : this.recalled.get(`${write.resource} ${write.key}`)
    const type = write.object === undefined ? 'deleted' : write.expected === 0 ? 'created' : 'updated'
    this.changed({
      type,
      version: entry.version,
      entry,
      previous: previous?.version === write.expected ? previous : undefined
    })
  }

  private changed(event: StoreEvent): void {
    if (this.listeners.size === 0) return
    if (this.unrung.length === 0) queueMicrotask(() => this.ring())
    this.unrung.push(new EventChange(event))
  }

  private ring(): void {
    const changes = this.unrung
    this.unrung = []
    this.tell(changes)
  }

  private tell(changes: readonly Change[]): void {
    for (const listener of this.listeners) {
      try {
        listener(changes)
      } catch (error) {
        this.ports.log.error({ error }, 'a listener to changes failed')
      }
    }
  }

  private scheduleTrim(everyMs: number): void {
    this.trimTimer = this.ports.clock.after(everyMs, () => {
      this.trim()
        .catch((error: unknown) => this.ports.log.warn({ error }, 'the log was not trimmed'))
        .finally(() => {
          if (!this.closed) this.scheduleTrim(everyMs)
        })
    })
  }

  private async trim(): Promise<void> {
    const before = this.ports.clock.now() - this.keptMs
    for (const resource of await this.backend.resources()) {
      const state = this.states.get(resource)
      if (state instanceof ResourceState) {
        await this.backend.advance(resource, state.sequence.frontier)
        state.local?.tail.trim(before)
      }
      while (!this.closed && (await this.backend.trim(resource, before, TRIM_CHUNK)));
    }
  }
}
