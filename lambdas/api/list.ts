/** GET of a collection: selectors, pages, versions; the answer is put together from the stored bytes. */
import { isReason } from '../../core/errors.ts'
import type { ApiResponse, Payload } from '../../core/http.ts'
import { apiVersionOf, type Kind } from '../../core/kinds/kind.ts'
import type { KubeObject } from '../../core/object.ts'
import { fieldSelectorMatcher, type LabelMatcher, type Labels, parseLabelSelector } from '../../core/selector.ts'
import { type Entry, type ListOptions, type ListResult, restartToken } from '../../store/store.ts'
import { jsonAnswer } from './answers.ts'
import { badRequest, ExpiredPage } from './failures.ts'
import { AT, versionOf } from './history.ts'
import { type ListSettings, listSettings } from './options.ts'
import type { ApiContext, ResourceRequest } from './types.ts'

export async function list(at: ResourceRequest, context: ApiContext): Promise<ApiResponse> {
  return jsonAnswer(200, listPayload(at.kind, await listEntries(at, context)))
}

export async function listEntries(at: ResourceRequest, context: ApiContext): Promise<ListResult> {
  const settings = listSettings(at.request.query, false)
  const selection = selectionOf(at, settings)
  const past = at.request.query.get(AT)
  const options: ListOptions = {
    ...selection.store,
    ...(settings.limit === undefined ? {} : { limit: settings.limit }),
    ...versions(settings),
    ...(past === null || settings.continue !== undefined
      ? {}
      : { exact: await versionOf(past, { kind: at.kind, store: context.store }) })
  }
  try {
    return await context.store.list(at.kind.storage, options)
  } catch (error) {
    if (options.continue === undefined || !isReason(error, 'Expired')) throw error
    throw new ExpiredPage(error.message, restartToken(options.continue))
  }
}

/** Which snapshot is wanted. */
function versions({ resourceVersion, match, limit, continue: token }: ListSettings): ListOptions {
  if (token !== undefined) return { continue: token }
  if (resourceVersion === undefined || resourceVersion === 0) return {}
  // Without a match, a version with a limit is that snapshot, as in Kubernetes; else it is the least.
  const exact = match === 'Exact' || (match === undefined && limit !== undefined)
  return exact ? { exact: resourceVersion } : { notOlderThan: resourceVersion }
}

/** What of a resource a list or watch concerns. */
export interface Selection {
  /** undefined: everything below the prefix. */
  readonly matches: ((object: KubeObject) => boolean) | undefined
  readonly store: Pick<ListOptions, 'prefix' | 'index' | 'filter'>
}

/** Throws BadRequest for selectors that cannot be read. */
export function selectionOf(at: ResourceRequest, settings: ListSettings): Selection {
  const { kind, namespace } = at
  const labels = parseLabelSelector(settings.labelSelector)
  const fields = fieldSelectorMatcher(kind, settings.fieldSelector)
  const index = settings.index ?? impliedIndex(kind, fields.requirements)
  const indexed = settings.index === undefined ? undefined : indexTest(kind, settings.index)
  const selective = !labels.everything || !fields.everything
  const picks = (object: KubeObject) =>
    (labels.everything || labels.matches(object.metadata.labels)) && (fields.everything || fields.matches(object))
  const matches =
    indexed === undefined
      ? selective
        ? picks
        : undefined
      : (object: KubeObject) => indexed(object) && (!selective || picks(object))
  return {
    matches,
    store: {
      ...(kind.namespaced && namespace !== undefined && namespace !== '' ? { prefix: `${namespace}/` } : {}),
      ...(index === undefined ? {} : { index }),
      ...(selective ? { filter: fields.everything ? byLabels(labels) : (entry: Entry) => picks(entry.value) } : {})
    }
  }
}

/** Labels of versions that a selector looked at: the whole object is parsed for them only once. */
const knownLabels = new WeakMap<Entry, { readonly labels: Labels }>()

function byLabels(matcher: LabelMatcher): (entry: Entry) => boolean {
  return (entry) => {
    let known = knownLabels.get(entry)
    if (known === undefined) {
      known = { labels: entry.value.metadata.labels }
      knownLabels.set(entry, known)
    }
    return matcher.matches(known.labels)
  }
}

function indexTest(kind: Kind, { name, value }: { name: string; value: string }): (object: KubeObject) => boolean {
  const { indexes } = kind.rules
  const values = indexes !== undefined && Object.hasOwn(indexes, name) ? indexes[name] : undefined
  if (values === undefined) throw badRequest(`${kind.resource} have no index ${JSON.stringify(name)}`)
  return (object) => values(object).includes(value)
}

/** A node's agent asks by field for what an index knows. */
function impliedIndex(
  kind: Kind,
  requirements: readonly { readonly field: string; readonly operator: string; readonly value: string }[]
): ListOptions['index'] {
  if (kind.storage !== 'pods' || kind.rules.indexes?.node === undefined) return undefined
  const node = requirements.find(({ field, operator }) => field === 'spec.nodeName' && operator === '=')
  return node === undefined || node.value === '' ? undefined : { name: 'node', value: node.value }
}

/** A list of which each item's encoding is known by itself. */
export interface ListPayload extends Payload {
  readonly head: { readonly kind: string; readonly apiVersion: string; readonly metadata: object }
  readonly entries: readonly Entry[]
}

/** The list as an object, and as bytes copied together from those of the items. */
export function listPayload(kind: Kind, result: ListResult): ListPayload {
  const { entries, version, remaining } = result
  const head = {
    kind: kind.listKind,
    apiVersion: apiVersionOf(kind),
    metadata: {
      // What is asked at each request has no version.
      ...(version === 0 ? {} : { resourceVersion: String(version) }),
      ...(result.continue === undefined ? {} : { continue: result.continue }),
      ...(remaining === undefined ? {} : { remainingItemCount: remaining })
    }
  }
  let value: unknown
  return {
    head,
    entries,
    get value() {
      value ??= { ...head, items: entries.map((entry) => entry.value) }
      return value
    },
    bytes: () => joinItems(kind, head, entries)
  }
}

const OPEN = 0x7b
const COMMA = 0x2c
const TAIL = Buffer.from(']}')

/**
 * Items of a list carry no kind and apiVersion, but of custom resources: those stand first in an object's bytes and are
 * left out.
 */
function joinItems(kind: Kind, head: object, entries: readonly Entry[]): Uint8Array {
  const start = Buffer.from(`${JSON.stringify(head).slice(0, -1)},"items":[`)
  const typed = Buffer.from(`{"kind":${JSON.stringify(kind.kind)},"apiVersion":${JSON.stringify(apiVersionOf(kind))},`)
  const parts: Uint8Array[] = []
  let size = start.length + TAIL.length
  for (const entry of entries) {
    const bytes = kind.custom === undefined ? withoutType(entry, typed) : entry.bytes().subarray(1)
    parts.push(bytes)
    size += bytes.length + 2
  }
  const out = Buffer.allocUnsafe(size)
  out.set(start)
  let at = start.length
  for (const part of parts) {
    if (at > start.length) out[at++] = COMMA
    out[at++] = OPEN
    out.set(part, at)
    at += part.length
  }
  out.set(TAIL, at)
  return out.subarray(0, at + TAIL.length)
}

/** The object's bytes after its opening brace and its type. */
function withoutType(entry: Entry, typed: Buffer): Uint8Array {
  const bytes = entry.bytes()
  if (typed.compare(bytes, 0, typed.length) === 0) return bytes.subarray(typed.length)
  const { kind: _, apiVersion: __, ...rest } = entry.value
  return Buffer.from(JSON.stringify(rest)).subarray(1)
}
