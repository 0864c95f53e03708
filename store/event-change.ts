import type { Change } from '../core/feed.ts'
import type { KubeObject } from '../core/object.ts'
import type { StoreEvent } from './store.ts'

/** An event as the feed tells it. Objects are parsed only for those who look. */
export class EventChange implements Change {
  readonly resource: string
  readonly key: string
  readonly type: StoreEvent['type']
  readonly version: number
  private readonly event: StoreEvent

  constructor(event: StoreEvent) {
    this.resource = event.entry.resource
    this.key = event.entry.key
    this.type = event.type
    this.version = event.version
    this.event = event
  }

  get object(): KubeObject {
    return this.event.entry.value
  }

  // An optional field cannot be a getter that may give undefined, though readers see no difference.
  get previous(): KubeObject {
    return this.event.previous?.value as KubeObject
  }
}
