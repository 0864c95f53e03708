/**
 * Kinds that share their storage with another version or group: their requests see a store in which the objects are as
 * this kind has them. All that follows a request (verbs, subresources, watches) needs to know nothing of it.
 */
import { COMPONENTS } from '../../core/kinds/api-services.ts'
import type { Conversion, Kind } from '../../core/kinds/kind.ts'
import type { KubeObject } from '../../core/object.ts'
import type { CommitResult, Entry, ListResult, StoreApi, StoreEvent, StoreWatch, Write } from '../../store/store.ts'
import { notFound } from './failures.ts'
import type { ApiContext } from './types.ts'

/** The context in which a request for the kind is answered. */
export function served(kind: Kind, context: ApiContext): ApiContext {
  if (kind.storage === COMPONENT_STATUSES) return { ...context, store: componentStore(context.store) }
  if (kind.convert === undefined) return context
  return { ...context, store: convertingStore(context.store, kind.storage, kind.convert) }
}

const COMPONENT_STATUSES = 'componentstatuses'

/** Nobody stores how the control plane's components do: they answer, so they are well. */
function componentStore(store: StoreApi): StoreApi {
  const entries = COMPONENTS.map((value): Entry => {
    const bytes = Buffer.from(JSON.stringify(value))
    return { resource: COMPONENT_STATUSES, key: value.metadata.name ?? '', version: 0, value, bytes: () => bytes }
  })
  return {
    get: async (_, key) => {
      const found = entries.find((entry) => entry.key === key)
      if (found === undefined) throw notFound({ group: '', resource: 'componentstatus' }, key)
      return found
    },
    list: async (_, { filter } = {}) => {
      return { entries: filter === undefined ? entries : entries.filter(filter), version: 0 }
    },
    version: async () => 0,
    commit: (writes) => store.commit(writes),
    refresh: async () => undefined,
    watch: (of, options) => store.watch(of, options),
    history: async () => [],
    versionAt: async () => 0,
    onChange: (listener) => store.onChange(listener),
    close: () => store.close()
  }
}

function convertingStore(store: StoreApi, resource: string, convert: Conversion): StoreApi {
  const known = new WeakMap<Entry, Entry>()
  const entryOf = (entry: Entry): Entry => {
    if (entry.resource !== resource) return entry
    let found = known.get(entry)
    if (found === undefined) {
      found = convertedEntry(entry, convert)
      known.set(entry, found)
    }
    return found
  }
  const eventOf = (event: StoreEvent): StoreEvent => {
    return { ...event, entry: entryOf(event.entry), previous: event.previous && entryOf(event.previous) }
  }
  return {
    get: async (of, key) => mapped(await store.get(of, key), entryOf),
    commit: async (writes) =>
      resultOf(await store.commit(writes.map((write) => stored(write, resource, convert))), entryOf),
    // What is converted is committed.
    refresh: async () => undefined,
    list: async (of, options = {}) => {
      const { filter } = options
      if (of !== resource || filter === undefined) return listOf(await store.list(of, options), entryOf)
      return listOf(await store.list(of, { ...options, filter: (entry) => filter(entryOf(entry)) }), entryOf)
    },
    watch: (of, options) => watchOf(store.watch(of, options), eventOf),
    version: (of) => store.version(of),
    history: async (of, key, options) => (await store.history(of, key, options)).map(eventOf),
    versionAt: (of, ms) => store.versionAt(of, ms),
    onChange: (listener) => store.onChange(listener),
    close: () => store.close()
  }
}

function mapped<T>(value: T | undefined, map: (value: T) => T): T | undefined {
  return value === undefined ? undefined : map(value)
}

/** Converted when somebody looks at it. */
function convertedEntry(entry: Entry, { fromStorage }: Conversion): Entry {
  const { resource, key, version, at = 0 } = entry
  let value: KubeObject | undefined
  let bytes: Uint8Array | undefined
  const read = () => {
    value ??= fromStorage(entry.value)
    return value
  }
  return {
    resource,
    key,
    version,
    at,
    get value() {
      return read()
    },
    bytes: () => {
      bytes ??= Buffer.from(JSON.stringify(read()))
      return bytes
    }
  }
}

function stored(write: Write, resource: string, { toStorage }: Conversion): Write {
  if (write.resource !== resource) return write
  const { object, last } = write
  return {
    ...write,
    object: mapped(object, toStorage),
    ...(last === undefined ? {} : { last: toStorage(last) })
  }
}

function resultOf(result: CommitResult, entryOf: (entry: Entry) => Entry): CommitResult {
  if (result.ok) return { ok: true, entries: result.entries.map(entryOf) }
  return { ...result, current: mapped(result.current, entryOf) }
}

function listOf(result: ListResult, entryOf: (entry: Entry) => Entry): ListResult {
  return { ...result, entries: result.entries.map(entryOf) }
}

function watchOf(watch: StoreWatch, eventOf: (event: StoreEvent) => StoreEvent): StoreWatch {
  return {
    get position() {
      return watch.position
    },
    async *[Symbol.asyncIterator]() {
      for await (const events of watch) yield events.map(eventOf)
    }
  }
}

/** The group and kind that refusals name: those of the stored form. Events of events.k8s.io are core events. */
export function storedKind({ kind, storage }: Kind): { readonly group: string; readonly kind: string } {
  return { kind, group: storage.includes('/') ? storage.slice(0, storage.indexOf('/')) : '' }
}
