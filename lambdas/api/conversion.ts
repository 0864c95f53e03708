/**
 * Versions of custom resources that a webhook converts: requests see a store in which all objects are of their own
 * version, and what they write is stored in the definition's. Words as in apiextensions' webhook_converter.go.
 */
import { ApiError } from '../../core/errors.ts'
import { isObject } from '../../core/json.ts'
import { apiVersionOf, type Kind } from '../../core/kinds/kind.ts'
import type { KubeObject } from '../../core/object.ts'
import type { CommitResult, Entry, StoreApi, StoreEvent, StoreWatch, Write } from '../../store/store.ts'
import { callConversion } from './conversion-call.ts'
import type { ApiContext } from './types.ts'

/** All of one version from `objects`, in their order. Throws ApiError InternalError. */
export type Convert = (objects: readonly KubeObject[], apiVersion: string) => Promise<readonly KubeObject[]>

/** The context in which a request for the kind is answered. */
export function convertedByWebhook(kind: Kind, context: ApiContext): ApiContext {
  const { custom } = kind
  if (custom?.webhook === undefined) return context
  const { webhook } = custom
  const convert: Convert = (objects, apiVersion) => convertAll(kind, objects, { apiVersion, webhook, context })
  return { ...context, store: convertingStore(context.store, kind, convert) }
}

interface How {
  readonly apiVersion: string
  readonly webhook: NonNullable<NonNullable<Kind['custom']>['webhook']>
  readonly context: ApiContext
}

async function convertAll(kind: Kind, objects: readonly KubeObject[], how: How): Promise<readonly KubeObject[]> {
  const { apiVersion, webhook, context } = how
  const foreign = objects.filter((object) => object.apiVersion !== apiVersion)
  const [first] = foreign
  if (first === undefined) return objects
  const from = `${first.apiVersion}, Kind=${first.kind}`
  const fail = (why: string): never => {
    throw new ApiError('InternalError', `conversion webhook for ${from} ${why}`)
  }
  const uid = context.ports.ids.uid()
  const answer = await callConversion(webhook, { uid, desiredAPIVersion: apiVersion, objects: foreign }, context)
  if ('error' in answer) return fail(`failed: ${answer.error}`)
  const converted = answer.objects
  if (converted.length !== foreign.length)
    return fail(`returned ${converted.length} objects, expected ${foreign.length}`)
  const ready = converted.map((object, i) => {
    const wrong = wrongObject(foreign[i] ?? first, object, { apiVersion, group: kind.group })
    if (wrong !== undefined)
      return fail(`returned invalid ${objects.length > 1 ? 'converted object' : 'object'}${wrong.at(i)}: ${wrong.why}`)
    return restored(kind, foreign[i] ?? first, object as KubeObject)
  })
  let next = 0
  return objects.map((object) => (object.apiVersion === apiVersion ? object : (ready[next++] ?? object)))
}

interface Wrong {
  readonly why: string
  readonly at: (index: number) => string
}

function wrongObject(
  original: KubeObject,
  converted: unknown,
  { apiVersion }: { apiVersion: string; group: string }
): Wrong | undefined {
  const indexed = (why: string): Wrong => ({ why, at: (index) => ` at index ${index}` })
  const bare = (why: string): Wrong => ({ why, at: () => '' })
  if (!isObject(converted)) return indexed("Object 'Kind' is missing")
  if (converted.apiVersion !== apiVersion)
    return indexed(`invalid groupVersion (expected ${apiVersion}, received ${String(converted.apiVersion ?? '')})`)
  if (converted.kind !== original.kind)
    return indexed(`invalid kind (expected ${original.kind}, received ${String(converted.kind ?? '')})`)
  const { metadata } = converted
  if (!isObject(metadata)) return bare('missing metadata in converted object')
  for (const [field, name] of [
    ['name', 'name'],
    ['namespace', 'namespace'],
    ['uid', 'UID']
  ] as const) {
    const [before = '', after = ''] = [original.metadata[field], metadata[field] as string | undefined]
    if (before !== after) return bare(`must have the same ${name}: ${before} != ${after}`)
  }
  return undefined
}

/** A webhook may change labels and annotations, and nothing else of the metadata. */
function restored(kind: Kind, original: KubeObject, converted: KubeObject): KubeObject {
  const { labels, annotations } = converted.metadata
  const { labels: _, annotations: __, ...rest } = original.metadata
  const metadata = {
    ...rest,
    ...(labels === undefined ? {} : { labels }),
    ...(annotations === undefined ? {} : { annotations })
  }
  const object = { ...converted, metadata }
  return kind.custom === undefined ? object : kind.custom.decode(object).object
}

function convertingStore(store: StoreApi, kind: Kind, convert: Convert): StoreApi {
  const { storage } = kind
  const own = apiVersionOf(kind)
  const stored = `${kind.group}/${kind.custom?.storageVersion ?? kind.version}`
  const entriesOf = async (entries: readonly Entry[]): Promise<readonly Entry[]> => {
    const objects = await convert(
      entries.map(({ value }) => value),
      own
    )
    return entries.map((entry, i) => entryWith(entry, objects[i] ?? entry.value))
  }
  const one = async (entry: Entry | undefined) => (entry === undefined ? undefined : (await entriesOf([entry]))[0])
  const event = async (events: readonly StoreEvent[]): Promise<readonly StoreEvent[]> => {
    const all = await entriesOf(
      events.flatMap(({ entry, previous }) => (previous === undefined ? [entry] : [entry, previous]))
    )
    let next = 0
    return events.map((each) => {
      const entry = all[next++] ?? each.entry
      return { ...each, entry, previous: each.previous === undefined ? undefined : all[next++] }
    })
  }
  return {
    refresh: async () => undefined,
    version: (of) => store.version(of),
    versionAt: (of, ms) => store.versionAt(of, ms),
    onChange: (listener) => store.onChange(listener),
    close: () => store.close(),
    get: async (of, key) => (of === storage ? await one(await store.get(of, key)) : await store.get(of, key)),
    list: async (of, options = {}) => {
      if (of !== storage) return await store.list(of, options)
      // Only what is converted can be told by its fields.
      const { filter, limit: _, ...rest } = options
      const result = await store.list(of, filter === undefined ? options : rest)
      const entries = await entriesOf(result.entries)
      return { ...result, entries: filter === undefined ? entries : entries.filter(filter) }
    },
    commit: (writes) => commit(store, writes, { storage, stored, convert, one }),
    watch: (of, options) => (of === storage ? watchOf(store.watch(of, options), event) : store.watch(of, options)),
    history: async (of, key) =>
      of === storage ? await event(await store.history(of, key)) : await store.history(of, key)
  }
}

function entryWith(entry: Entry, value: KubeObject): Entry {
  if (value === entry.value) return entry
  let bytes: Uint8Array | undefined
  const { resource, key, version } = entry
  return {
    resource,
    key,
    version,
    value,
    bytes: () => {
      bytes ??= Buffer.from(JSON.stringify(value))
      return bytes
    }
  }
}

interface Storing {
  readonly storage: string
  /** The definition's storage version, "group/version". */
  readonly stored: string
  readonly convert: Convert
  readonly one: (entry: Entry | undefined) => Promise<Entry | undefined>
}

async function commit(
  store: StoreApi,
  writes: readonly Write[],
  { storage, stored, convert, one }: Storing
): Promise<CommitResult> {
  const converted = await Promise.all(
    writes.map(async (write): Promise<Write> => {
      if (write.resource !== storage) return write
      const object = write.object === undefined ? undefined : (await convert([write.object], stored))[0]
      const last = write.last === undefined ? undefined : (await convert([write.last], stored))[0]
      return { ...write, object, ...(last === undefined ? {} : { last }) }
    })
  )
  const result = await store.commit(converted)
  if (!result.ok) return result.resource === storage ? { ...result, current: await one(result.current) } : result
  const entries = result.entries.map((entry, i) => {
    const asked = writes[i]?.object ?? writes[i]?.last
    if (entry.resource !== storage || asked === undefined) return entry
    const metadata = { ...asked.metadata, resourceVersion: entry.value.metadata.resourceVersion }
    return entryWith(entry, { ...asked, metadata })
  })
  return { ok: true, entries }
}

function watchOf(
  watch: StoreWatch,
  convert: (events: readonly StoreEvent[]) => Promise<readonly StoreEvent[]>
): StoreWatch {
  return {
    get position() {
      return watch.position
    },
    async *[Symbol.asyncIterator]() {
      for await (const events of watch) yield await convert(events)
    }
  }
}
