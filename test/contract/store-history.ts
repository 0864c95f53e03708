import type { KubeObject } from '../../core/object.ts'
import { type Backend, EMPTY_VERSION, type LogRecord } from '../../store/backend.ts'
import type { Entry, StoreEvent, Write } from '../../store/store.ts'
import { Store } from '../../store/store.ts'
import { type Faults, type Process, Simulation, type Stage } from './store-simulation.ts'

/**
 * A random history of one backend: writers that create, update, delete and write two resources at once, readers that
 * list page by page and then watch, processes that die and are replaced. What each saw is compared with the log.
 */

const RESOURCES = ['pods', 'nodes']
const KEYS = ['a', 'b', 'c', 'd', 'e']
const indexes = () => ({ color: (object: KubeObject) => [String(object.color)] })

interface Acknowledged {
  readonly entries: readonly Entry[]
  readonly deleted: readonly boolean[]
  /** Records that the log lacked at or below an acknowledged number when it was acknowledged. */
  readonly missing: readonly string[]
}

interface Listed {
  readonly resource: string
  readonly version: number
  readonly color: string | undefined
  readonly entries: readonly Entry[]
  /** The highest number of the resource that had been acknowledged before the list began. */
  readonly known: number
}

interface Watched {
  readonly resource: string
  readonly from: number
  readonly events: StoreEvent[]
  position: number
}

export interface HistoryOptions {
  readonly seed: number
  readonly faults: Faults
  /** The backend that all processes share. */
  readonly backend: Backend
  /** What the checker looks at, where `backend` is a mutant. */
  readonly truth?: Backend
  readonly writes?: number
  /** Default: a simulation that the seed determines. */
  readonly stage?: Stage
}

export class History {
  private readonly simulation: Stage
  private readonly truth: Backend
  private readonly options: HistoryOptions
  private readonly acknowledged: Acknowledged[] = []
  private readonly lists: Listed[] = []
  private readonly watches: Watched[] = []
  private readonly problems: string[] = []
  private readonly known = new Map<string, number>()
  private serial = 0
  private store: { readonly store: Store; readonly process: Process } | undefined

  constructor(options: HistoryOptions) {
    this.options = options
    this.truth = options.truth ?? options.backend
    this.simulation = options.stage ?? new Simulation(options.seed, options.backend, options.faults)
  }

  /** Runs the history and returns what is wrong with it. */
  async run(): Promise<readonly string[]> {
    const writers = Array.from({ length: 4 }, () => this.writer())
    const stop = new AbortController()
    const writing = Promise.all(writers)
    const reading = Promise.all(Array.from({ length: 3 }, () => this.reader(stop.signal)))
    reading.catch(() => {}) // Told below, however early it fails.
    await this.simulation.run(writing.then(() => this.settle(stop)))
    await this.simulation.run(reading)
    await this.check()
    return this.problems
  }

  /** A shared backend has a store in each process; an exclusive one lives in one process at a time. */
  private connect(): { store: Store; process: Process } {
    const { exclusive } = this.options.backend
    if (exclusive && this.store !== undefined && !this.store.process.died.aborted) return this.store
    const process = this.simulation.spawn()
    const store = new Store({ backend: process.backend, ports: process.ports, indexes })
    this.store = { store, process }
    return this.store
  }

  private async writer(): Promise<void> {
    const { writes = 12 } = this.options
    let { store, process } = this.connect()
    for (let i = 0; i < writes; i++) {
      if (process.died.aborted) ({ store, process } = this.connect())
      // What a dead process began is not heard of again.
      const gone = new Promise<void>((resolve) => process.died.addEventListener('abort', () => resolve()))
      await Promise.race([this.writeOnce(store), gone])
    }
  }

  private async writeOnce(store: Store): Promise<void> {
    const { simulation } = this
    try {
      const writes: Write[] = [await this.plan(store, simulation.pick(RESOURCES.length))]
      if (simulation.random() < 0.3)
        writes.push(await this.plan(store, RESOURCES.indexOf(writes[0]?.resource ?? '') ^ 1))
      const result = await store.commit(writes)
      if (!result.ok) return
      const missing: string[] = []
      for (const { resource, version } of result.entries) {
        this.known.set(resource, Math.max(this.known.get(resource) ?? 0, version))
        const there = new Set((await this.truth.readLog(resource, 0, 1e6)).map((record) => record.version))
        for (let n = EMPTY_VERSION + 1; n <= version; n++)
          if (!there.has(n)) missing.push(`${resource} ${n} below ${version}`)
      }
      this.acknowledged.push({
        entries: result.entries,
        deleted: writes.map(({ object }) => object === undefined),
        missing
      })
    } catch (error) {
      if (!/was lost/.test((error as Error).message)) throw error
    }
  }

  private async plan(store: Store, resourceNumber: number): Promise<Write> {
    const { simulation } = this
    const resource = RESOURCES[resourceNumber] as string
    const key = KEYS[simulation.pick(KEYS.length)] as string
    const current = await store.get(resource, key)
    const serial = ++this.serial
    const color = ['red', 'blue'][simulation.pick(2)]
    const object = { kind: 'Thing', apiVersion: 'v1', metadata: { name: key }, serial, color }
    const remove = current !== undefined && simulation.random() < 0.4
    return { resource, key, expected: current?.version ?? 0, object: remove ? undefined : object }
  }

  private async reader(stop: AbortSignal): Promise<void> {
    const { simulation } = this
    const resource = RESOURCES[simulation.pick(2)] as string
    while (!stop.aborted) {
      const { store, process } = this.connect()
      const gone = new Promise<undefined>((resolve) => process.died.addEventListener('abort', () => resolve(undefined)))
      const listed = await Promise.race([this.listOnce(store, resource), gone])
      if (listed === undefined || stop.aborted) continue
      const watched: Watched = { resource, from: listed.version, events: [], position: listed.version }
      this.watches.push(watched)
      await this.watchOn(watched, stop)
    }
  }

  private async listOnce(store: Store, resource: string): Promise<Listed | undefined> {
    const { simulation } = this
    const color = simulation.random() < 0.3 ? 'red' : undefined
    const known = this.known.get(resource) ?? 0
    const entries: Entry[] = []
    let version: number | undefined
    let token: string | undefined
    do {
      const page = await store.list(resource, {
        limit: 1 + simulation.pick(3),
        ...(color === undefined ? {} : { index: { name: 'color', value: color } }),
        ...(token === undefined ? {} : { continue: token })
      })
      entries.push(...page.entries)
      if (version !== undefined && version !== page.version) this.problems.push('the pages of a list differ in version')
      ;({ version, continue: token } = page)
    } while (token !== undefined)
    const listed = { resource, version, color, entries, known }
    this.lists.push(listed)
    return listed
  }

  /** Watches until the end or for a while, going on in another process where its own died. */
  private async watchOn(watched: Watched, stop: AbortSignal): Promise<void> {
    const { simulation } = this
    for (let batches = 2 + simulation.pick(20); batches > 0 && !stop.aborted; ) {
      const { store, process } = this.connect()
      const signal = AbortSignal.any([stop, process.died])
      const watch = store.watch(watched.resource, { from: watched.position, signal })
      const iterator = watch[Symbol.asyncIterator]()
      const gone = new Promise<undefined>((resolve) => signal.addEventListener('abort', () => resolve(undefined)))
      for (; batches > 0 && !signal.aborted; batches--) {
        const next = await Promise.race([iterator.next(), gone])
        if (next === undefined || next.done === true) break
        watched.events.push(...next.value)
        watched.position = watch.position
      }
    }
  }

  /** Everybody has written: readers get the time to see it all. */
  private async settle(stop: AbortController): Promise<void> {
    const { store } = this.connect()
    for (const resource of RESOURCES) {
      const { version } = await store.list(resource)
      if (version < (this.known.get(resource) ?? 0)) this.problems.push(`${resource} ended at ${version}, too early`)
    }
    await new Promise<void>((resolve) => this.simulation.clock.after(2_000, resolve))
    stop.abort()
  }

  private async check(): Promise<void> {
    for (const { missing } of this.acknowledged) {
      if (missing.length > 0) this.problems.push(`acknowledged over a gap: ${missing.join(', ')}`)
    }
    for (const resource of RESOURCES) {
      const log = await this.truth.readLog(resource, 0, 1e6)
      this.checkAcknowledged(resource, log)
      await this.checkObjects(resource, log)
      for (const listed of this.lists) if (listed.resource === resource) this.checkList(listed, log)
      for (const watched of this.watches) if (watched.resource === resource) this.checkWatch(watched, log)
    }
  }

  private checkAcknowledged(resource: string, log: readonly LogRecord[]): void {
    const records = new Map(log.map((record) => [record.version, record]))
    for (const { entries, deleted } of this.acknowledged) {
      for (const [i, entry] of entries.entries()) {
        if (entry.resource !== resource) continue
        const record = records.get(entry.version)
        const type = deleted[i] === true ? 'delete' : 'put'
        if (record?.type !== type || text(record.bytes) !== text(entry.bytes())) {
          this.problems.push(`acknowledged ${resource} ${entry.key}@${entry.version} is not in the log`)
        }
      }
    }
  }

  /** The objects are what the log says, and each record replaced what was there before it. */
  private async checkObjects(resource: string, log: readonly LogRecord[]): Promise<void> {
    const last = new Map<string, LogRecord>()
    for (const record of log) {
      if (record.type === 'fence') continue
      const before = last.get(record.key)
      const version = before === undefined || before.type === 'delete' ? 0 : before.version
      if (record.replaced !== version) {
        this.problems.push(`${resource} ${record.key}@${record.version} replaced ${record.replaced}, not ${version}`)
      }
      last.set(record.key, record)
    }
    for (const key of KEYS) {
      const stored = await this.truth.get(resource, key)
      const record = last.get(key)
      const bytes = record?.type === 'put' ? record.bytes : undefined
      if (text(stored?.bytes) !== text(bytes)) this.problems.push(`${resource} ${key} differs from the log`)
    }
  }

  private checkList({ resource, version, color, entries, known }: Listed, log: readonly LogRecord[]): void {
    if (version < known) this.problems.push(`a list of ${resource} at ${version} misses acknowledged ${known}`)
    const state = new Map<string, string>()
    for (const record of log) {
      if (record.version > version || record.type === 'fence') continue
      if (record.type === 'delete') state.delete(record.key)
      else state.set(record.key, text(record.bytes))
    }
    const wanted = [...state].filter(([, json]) => color === undefined || JSON.parse(json).color === color)
    const expected = wanted.map(([key, json]) => `${key} ${json}`).sort()
    const got = entries.map((entry) => `${entry.key} ${text(entry.bytes())}`)
    if (got.join('\n') !== expected.join('\n')) {
      this.problems.push(
        `a list of ${resource} at ${version} is no snapshot:\n${got.join('\n')}\n--\n${expected.join('\n')}`
      )
    }
  }

  private checkWatch({ resource, from, position, events }: Watched, log: readonly LogRecord[]): void {
    const records = log.filter(({ version, type }) => version > from && version <= position && type !== 'fence')
    const expected = records.map((record) => `${record.version} ${record.type === 'delete'} ${text(record.bytes)}`)
    const got = events.map(({ version, type, entry }) => `${version} ${type === 'deleted'} ${text(entry.bytes())}`)
    if (got.join('\n') !== expected.join('\n')) {
      this.problems.push(
        `a watch of ${resource} from ${from} to ${position} saw\n${got.join('\n')}\n--\n${expected.join('\n')}`
      )
    }
    for (const [i, { previous, version }] of events.entries()) {
      if ((previous?.version ?? 0) !== records[i]?.replaced)
        this.problems.push(`the event ${version} has a wrong previous`)
    }
  }
}

function text(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes).toString()
}
