import type { StoredEntry } from './entry.ts'
import type { StoreEvent } from './store.ts'

/** What a watcher that keeps up needs, and little more: the rest is read from the log again. */
const MAX_EVENTS = 2_000
const MAX_BYTES = 4 * 1024 * 1024

/** The end of a resource's log in memory: what happened at each number after `base`. */
export class Tail {
  /** The tail has every number after it. */
  base: number
  private events: (StoreEvent | undefined)[] = []
  private head = 0
  private bytes = 0

  constructor(base: number) {
    this.base = base
  }

  /** The next number's event; undefined for a fence. */
  push(event: StoreEvent | undefined): void {
    this.events.push(event)
    this.bytes += sizeOf(event)
    while (this.length > MAX_EVENTS || (this.bytes > MAX_BYTES && this.length > 0)) this.dropOldest()
  }

  /** Forgets what was written before `before` (milliseconds since 1970), as the log does. */
  trim(before: number): void {
    while (this.length > 0) {
      const event = this.events[this.head]
      if (event !== undefined && (event.entry as StoredEntry).at >= before) return
      this.dropOldest()
    }
  }

  /** At most `limit` of what happened after `version`, which is not below `base`. */
  after(version: number, limit: number): readonly (StoreEvent | undefined)[] {
    const start = this.head + version - this.base
    return this.events.slice(start, start + limit)
  }

  private get length(): number {
    return this.events.length - this.head
  }

  private dropOldest(): void {
    this.bytes -= sizeOf(this.events[this.head])
    this.events[this.head++] = undefined
    this.base++
    if (this.head > MAX_EVENTS) {
      this.events = this.events.slice(this.head)
      this.head = 0
    }
  }
}

function sizeOf(event: StoreEvent | undefined): number {
  return event === undefined ? 0 : (event.entry as StoredEntry).size
}
