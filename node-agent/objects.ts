/** ConfigMaps and secrets that the pods of this node refer to: asked for once, then watched while somebody uses them. */
import type { Client } from '../core/client.ts'
import { configMaps, type ResourceRef, secrets } from '../core/kinds/refs.ts'
import type { ConfigMap, Secret } from '../core/kinds/types.ts'
import type { Resource } from '../core/object.ts'
import type { Ports } from '../core/ports.ts'
import { reflect } from '../core/reflector.ts'
import type { ObjectReader } from './containers/environment.ts'

interface Tracked {
  readonly users: Set<string>
  readonly first: Promise<void>
  readonly stop: AbortController
  object: Resource | undefined
}

export interface Objects {
  /** Reads for one pod, which from then on hears of changes. */
  readerFor(podUid: string): ObjectReader
  release(podUid: string): void
  close(): void
}

/** `onChange`: called with each pod that uses an object that has changed. */
export function createObjects(client: Client, ports: Ports, onChange: (podUid: string) => void): Objects {
  const tracked = new Map<string, Tracked>()

  const read = async <T extends Resource>(
    ref: ResourceRef<T>,
    at: { readonly namespace: string; readonly name: string },
    podUid: string
  ): Promise<T | undefined> => {
    const key = `${ref.resource}/${at.namespace}/${at.name}`
    const entry = tracked.get(key) ?? track(ref, at, key)
    entry.users.add(podUid)
    await entry.first
    return entry.object as T | undefined
  }

  const track = <T extends Resource>(
    ref: ResourceRef<T>,
    at: { readonly namespace: string; readonly name: string },
    key: string
  ): Tracked => {
    const stop = new AbortController()
    const first = client.find(ref, at).then(
      (object) => {
        entry.object ??= object
        watch(ref, at, entry)
      },
      (error: unknown) => {
        // Not remembered: the next reader asks again.
        tracked.delete(key)
        throw error
      }
    )
    first.catch(() => {})
    const entry: Tracked = { users: new Set(), first, stop, object: undefined }
    tracked.set(key, entry)
    return entry
  }

  const watch = <T extends Resource>(
    ref: ResourceRef<T>,
    at: { readonly namespace: string; readonly name: string },
    entry: Tracked
  ) => {
    const take = (object: T | undefined) => {
      if (object?.metadata.resourceVersion === entry.object?.metadata.resourceVersion) return
      entry.object = object
      for (const user of [...entry.users]) onChange(user)
    }
    const query = { namespace: at.namespace, fieldSelector: `metadata.name=${at.name}` }
    void reflect(client, ref, {
      query,
      ports,
      signal: entry.stop.signal,
      onSync: (items) => take(items[0]),
      onEvents: (events) => {
        for (const event of events) take(event.type === 'DELETED' ? undefined : event.object)
      }
    })
  }

  return {
    readerFor: (podUid) => ({
      configMap: (namespace, name) => read<ConfigMap>(configMaps, { namespace, name }, podUid),
      secret: (namespace, name) => read<Secret>(secrets, { namespace, name }, podUid)
    }),
    release: (podUid) => {
      for (const [key, entry] of tracked) {
        if (!entry.users.delete(podUid) || entry.users.size > 0) continue
        entry.stop.abort()
        tracked.delete(key)
      }
    },
    close: () => {
      for (const entry of tracked.values()) entry.stop.abort()
      tracked.clear()
    }
  }
}
