/** ConfigMaps and secrets that the pods of this node refer to: asked for once, then watched while somebody uses them. */
import type { Client } from '../core/client.ts'
import type { Doorbell } from '../core/doorbell.ts'
import { configMaps, type ResourceRef, secrets } from '../core/kinds/refs.ts'
import type { ConfigMap, Secret } from '../core/kinds/types.ts'
import type { Resource } from '../core/object.ts'
import type { ObjectReader } from '../core/pod-environment.ts'
import type { Ports } from '../core/ports.ts'
import { reflect } from '../core/reflector.ts'

interface Tracked {
  readonly users: Set<string>
  readonly first: Promise<void>
  readonly stop: AbortController
  object: Resource | undefined
}

interface At {
  readonly namespace: string
  readonly name: string
}

export interface ObjectsOptions {
  readonly client: Client
  readonly ports: Ports
  /** Rung instead of watches held open. */
  readonly doorbell?: Doorbell | undefined
}

export class Objects {
  private readonly client: Client
  private readonly ports: Ports
  private readonly doorbell: Doorbell | undefined
  private readonly onChange: (podUid: string) => void
  private readonly tracked = new Map<string, Tracked>()

  /** `onChange`: called with each pod that uses an object that has changed. */
  constructor({ client, ports, doorbell }: ObjectsOptions, onChange: (podUid: string) => void) {
    this.client = client
    this.ports = ports
    this.doorbell = doorbell
    this.onChange = onChange
  }

  /** Reads for one pod, which from then on hears of changes. */
  readerFor(podUid: string): ObjectReader {
    return {
      configMap: (namespace, name) => this.read<ConfigMap>(configMaps, { namespace, name }, podUid),
      secret: (namespace, name) => this.read<Secret>(secrets, { namespace, name }, podUid)
    }
  }

  release(podUid: string): void {
    for (const [key, entry] of this.tracked) {
      if (!entry.users.delete(podUid) || entry.users.size > 0) continue
      entry.stop.abort()
      this.tracked.delete(key)
    }
  }

  close(): void {
    for (const entry of this.tracked.values()) entry.stop.abort()
    this.tracked.clear()
  }

  private async read<T extends Resource>(ref: ResourceRef<T>, at: At, podUid: string): Promise<T | undefined> {
    const key = `${ref.resource}/${at.namespace}/${at.name}`
    const entry = this.tracked.get(key) ?? this.track(ref, at, key)
    entry.users.add(podUid)
    await entry.first
    return entry.object as T | undefined
  }

  private track<T extends Resource>(ref: ResourceRef<T>, at: At, key: string): Tracked {
    const first = this.client.find(ref, at).then(
      (object) => {
        entry.object ??= object
        if (!entry.stop.signal.aborted) this.watch(ref, at, entry)
      },
      (error: unknown) => {
        // Not remembered: the next reader asks again.
        this.tracked.delete(key)
        throw error
      }
    )
    first.catch(() => {})
    const entry: Tracked = { users: new Set(), first, stop: new AbortController(), object: undefined }
    this.tracked.set(key, entry)
    return entry
  }

  private watch<T extends Resource>(ref: ResourceRef<T>, at: At, entry: Tracked): void {
    const take = (object: T | undefined) => {
      if (object?.metadata.resourceVersion === entry.object?.metadata.resourceVersion) return
      entry.object = object
      for (const user of [...entry.users]) this.onChange(user)
    }
    void reflect(this.client, ref, {
      query: { namespace: at.namespace, fieldSelector: `metadata.name=${at.name}` },
      ports: this.ports,
      doorbell: this.doorbell,
      signal: entry.stop.signal,
      onSync: (items) => take(items[0]),
      onEvents: (events) => {
        for (const event of events) take(event.type === 'DELETED' ? undefined : event.object)
      }
    })
  }
}
