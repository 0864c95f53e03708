import type { ApiError } from '../core/errors.ts'
import { type Ports, sleep } from '../core/ports.ts'
import { type Backend, EMPTY_VERSION, type LogRecord } from './backend.ts'
import { expiredWatch, type ResourceState, tooLarge } from './resource.ts'
import type { StoreEvent, StoreWatch, WatchOptions } from './store.ts'

/** At most so many events are handed out at once. */
const BATCH = 500
/** How often a watch of a shared store looks for news, in milliseconds. */
const WATCH_POLL_MS = 200

/** A place in one resource's log, moved along as its reader asks for more. */
export class Watch implements StoreWatch {
  position: number
  private readonly open: () => Promise<ResourceState>
  private readonly backend: Backend
  private readonly ports: Ports
  private readonly options: WatchOptions

  constructor(
    open: () => Promise<ResourceState>,
    outside: { readonly backend: Backend; readonly ports: Ports },
    options: WatchOptions
  ) {
    this.open = open
    this.backend = outside.backend
    this.ports = outside.ports
    this.options = options
    this.position = Math.max(options.from, EMPTY_VERSION)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<readonly StoreEvent[], void, undefined> {
    const { signal, prefix = '', until = Number.POSITIVE_INFINITY } = this.options
    const state = await this.open()
    await this.checkStart(state)
    while (!signal.aborted && this.position < until) {
      const events = state.local === undefined ? await this.readShared(state) : await this.readLocal(state)
      if (events.length === 0) {
        await this.news(state)
        continue
      }
      const wanted: StoreEvent[] = []
      for (const event of events) {
        if (event !== undefined && (prefix === '' || event.entry.key.startsWith(prefix))) wanted.push(event)
      }
      if (signal.aborted) return
      this.position += events.length
      if (wanted.length > 0) yield wanted
    }
  }

  private async checkStart(state: ResourceState): Promise<void> {
    if (this.position <= state.sequence.frontier) return
    const { reserved } = await this.backend.counter(state.name)
    if (this.position > reserved) throw tooLarge(this.position, state.sequence.frontier)
  }

  /** What follows the position; undefined for a fence. */
  private async readLocal(state: ResourceState): Promise<readonly (StoreEvent | undefined)[]> {
    const { frontier } = state.sequence
    if (this.position >= frontier) return []
    const tail = state.local?.tail
    if (tail !== undefined && this.position >= tail.base) return tail.after(this.position, BATCH)
    const to = Math.min(frontier, this.position + BATCH)
    return await state.events(await state.records(this.position, to, this.expired))
  }

  private async readShared(state: ResourceState): Promise<readonly (StoreEvent | undefined)[]> {
    const records = await this.backend.readLog(state.name, this.position, BATCH)
    const next: LogRecord[] = []
    for (const record of records) {
      if (record.version !== this.position + next.length + 1) break
      next.push(record)
    }
    if (next.length > 0) return await state.events(next)
    const counter = await this.backend.counter(state.name)
    // Resolved and no longer there: unless it came between the two reads, it was trimmed.
    if (counter.frontier > this.position) {
      await this.stillKept(state, records)
      return []
    }
    // A gap with records behind it: its writer may be dead, and nobody else may be looking.
    if (records.length > 0) await state.sequence.reach(this.position + 1)
    return []
  }

  private async stillKept(state: ResourceState, seen: readonly LogRecord[]): Promise<void> {
    const [first] = await this.backend.readLog(state.name, this.position, 1)
    if (first?.version === this.position + 1) return
    const oldest = (first ?? seen[0])?.version
    throw this.expired(oldest === undefined ? state.sequence.frontier : oldest - 1)
  }

  private async news(state: ResourceState): Promise<void> {
    const { signal } = this.options
    if (state.local === undefined) return await sleep(this.ports.clock, WATCH_POLL_MS, signal)
    if (state.sequence.frontier > this.position) return
    await new Promise<void>((resolve) => {
      if (signal.aborted) return resolve()
      const done = () => {
        signal.removeEventListener('abort', done)
        remove()
        resolve()
      }
      const remove = state.sequence.onMove(done)
      signal.addEventListener('abort', done)
    })
  }

  private readonly expired = (oldest: number): ApiError => expiredWatch(this.options.from, oldest)
}
