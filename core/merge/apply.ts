/**
 * Server-side apply: a configuration's fields become its manager's, over what is there; fields that the manager no
 * longer names and nobody else owns go; another's changed value is a conflict, unless forced. As merge.Updater of
 * structured-merge-diff and the managers around it in k8s.io/apimachinery do.
 */
import { ApiError } from '../errors.ts'
import { goJson, goQuote } from '../go-text.ts'
import { isObject, type JsonObject, sameJson } from '../json.ts'
import type { ManagedFieldsEntry, StatusCause } from '../kinds/types.ts'
import { compareObjects, fieldsOf, UNOWNED_FIELDS } from './compare.ts'
import {
  asMember,
  type Draft,
  difference,
  EMPTY,
  type FieldSet,
  intersection,
  isEmptySet,
  ordered,
  pathsOf,
  union
} from './field-set.ts'
import {
  afterChange,
  compare,
  type Entries,
  entryOf,
  inOrder,
  isSameManager,
  setOfEntry,
  timeOf,
  trackUpdate,
  type Writer,
  withSet
} from './managers.ts'
import { mergeValues, problemsOf, withoutFields } from './typed.ts'
import { type Type, zeroOf } from './types.ts'

export interface Application {
  readonly type: Type
  /** What is there, without managedFields; of a creation, an empty object. */
  readonly live: JsonObject
  /** The configuration, which must fit the type. */
  readonly patch: JsonObject
  readonly entries: Entries
  readonly writer: Writer
  readonly force: boolean
}

export interface Applied {
  /** undefined: nothing but, perhaps, the entries changed. */
  readonly object: JsonObject | undefined
  readonly entries: Entries
}

const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration'
/** Bytes of all annotations together. */
const MOST_ANNOTATIONS = 256 * 1024

/** Throws ApiError Conflict with a cause for each field, in Kubernetes' words. */
export function apply(application: Application): Applied {
  const { type, live, writer } = application
  // An object from before anybody counted: all that is there belongs to one manager.
  const nobody = application.entries.length === 0 && !isEmptySet(live as FieldSet)
  const first = { ...writer, manager: 'before-first-apply' }
  const entries = nobody
    ? trackUpdate({ type, live: zeroOf(type) as JsonObject, next: live, entries: [], writer: first })
    : application.entries
  const outcome = merged({ ...application, entries: fitted(type, entries) })
  const applied = 'conflicts' in outcome ? forKubectl(application, outcome) : outcome
  return withLastApplied(application, applied)
}

interface Conflicts {
  readonly conflicts: readonly { readonly entry: ManagedFieldsEntry; readonly set: FieldSet }[]
  /** The outcome if it were forced. */
  readonly forced: () => Applied
}

function merged(application: Application): Applied | Conflicts {
  const { type, live, patch, entries, writer, force } = application
  const self = entryOf(writer, 'Apply')
  const last = entries.find((entry) => isSameManager(entry, self))
  const set = writer.ignored.filter(fieldsOf(type, patch))
  const own = withSet(self, set, last?.time)
  const managers = [...entries.filter((entry) => entry !== last), own]
  const whole = mergeValues(type, live, patch) as JsonObject
  const next = last === undefined ? whole : pruned(type, whole, { last: setOfEntry(last), managers })
  const comparison = compare({ type, live, next, writer })
  const conflicts = managers
    .filter((entry) => entry !== own && writer.isServed(entry.apiVersion ?? ''))
    .map((entry) => ({ entry, set: intersection(setOfEntry(entry), comparison.changed) }))
    .filter((conflict) => !isEmptySet(conflict.set))
  const finish = (): Applied => {
    const changes = !sameJson(live, next)
    const rest = afterChange(managers, comparison, { writer, keep: own }).filter((entry) => entry !== own)
    const owned = difference(set, UNOWNED_FIELDS)
    const time = changes ? timeOf(writer) : last?.time
    const all = isEmptySet(owned) ? rest : [...rest, withSet(own, owned, time)]
    return { object: changes ? next : undefined, entries: inOrder(all) }
  }
  return force || conflicts.length === 0 ? finish() : { conflicts, forced: finish }
}

/** Removes what only the manager's last configuration had, and keeps what anybody owns. */
function pruned(type: Type, whole: JsonObject, { last, managers }: { last: FieldSet; managers: Entries }): JsonObject {
  if (isEmptySet(last)) return whole
  const without = (set: FieldSet) => (withoutFields(type, whole, set) ?? {}) as JsonObject
  const named = withNamedFields(type, last)
  const all = withNamedFields(type, fieldsOf(type, whole))
  const owned = withNamedFields(type, managers.map(setOfEntry).reduce(union, EMPTY))
  const keptOf = (object: JsonObject) => withNamedFields(type, fieldsOf(type, object))
  const ownedKept = without(difference(all, union(keptOf(without(named)), owned)))
  return without(intersection(difference(all, keptOf(ownedKept)), named))
}

/** The set with each declared field on the way to a member as a member too. */
function withNamedFields(type: Type, set: FieldSet): FieldSet {
  const out: Draft = {}
  for (const element in set) {
    if (element === '.') continue
    const name = element.startsWith('f:') ? element.slice(2) : undefined
    const declared = name === undefined ? undefined : type.map?.field(name)
    const below =
      name !== undefined
        ? (declared ?? type.map?.element)?.type
        : element.startsWith('k:')
          ? type.list?.element.type
          : undefined
    const node = set[element] as FieldSet
    const children = below === undefined || isEmptySet(node) ? node : withChildren(node, withNamedFields(below, node))
    out[element] = declared === undefined ? children : asMember(children)
  }
  return out
}

function withChildren(node: FieldSet, children: FieldSet): FieldSet {
  return '.' in node ? asMember(children) : children
}

/** Entries as the schema has it now: what became one value is owned as one. */
function fitted(type: Type, entries: Entries): Entries {
  return entries.map((entry) => {
    const set = setOfEntry(entry)
    const fits = fittedTo(type, set)
    return fits === set ? entry : withSet(entry, fits)
  })
}

function fittedTo(type: Type, set: FieldSet): FieldSet {
  let out: Draft | undefined
  for (const element in set) {
    const node = set[element] as FieldSet
    if (element === '.' || isEmptySet(node)) continue
    const below = element.startsWith('f:')
      ? (type.map?.field(element.slice(2)) ?? type.map?.element)?.type
      : type.list?.element.type
    if (below === undefined || below.scalar === 'untyped') continue
    const atomic = below.map?.atomic === true || below.list?.relationship === 'atomic'
    const fits = atomic ? EMPTY : fittedTo(below, node)
    if (fits === node) continue
    out ??= { ...set }
    out[element] = fits
  }
  return out === undefined ? set : ordered(out)
}

/** kubectl may take over what its own client-side apply has set, as the annotation tells. */
function forKubectl(application: Application, outcome: Conflicts): Applied {
  if (application.writer.manager !== 'kubectl') throw conflictError(outcome.conflicts)
  const allowed = fieldsOfLastApplied(application)
  if (allowed === undefined) throw conflictError(outcome.conflicts)
  const left = outcome.conflicts
    .map(({ entry, set }) => ({ entry, set: difference(set, allowed) }))
    .filter(({ set }) => !isEmptySet(set))
  if (left.length > 0) throw conflictError(left)
  return outcome.forced()
}

function fieldsOfLastApplied({ type, live, writer }: Application): FieldSet | undefined {
  const text = annotationsOf(live)?.[LAST_APPLIED]
  if (text === undefined || text === '') return undefined
  let object: unknown
  try {
    object = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(object) || object.apiVersion !== writer.apiVersion || problemsOf(type, object).length > 0) {
    return undefined
  }
  const { changed, removed } = compareObjects(type, object, { to: live })
  return difference(difference(fieldsOf(type, object), changed), removed)
}

function annotationsOf({ metadata }: JsonObject): Readonly<Record<string, string>> | undefined {
  const annotations = isObject(metadata) ? metadata.annotations : undefined
  return isObject(annotations) ? (annotations as Record<string, string>) : undefined
}

/** Where kubectl's annotation is in use it follows, so that going back to client-side apply loses nothing. */
function withLastApplied({ patch, live, writer }: Application, applied: Applied): Applied {
  const object = applied.object ?? live
  const annotations = annotationsOf(object)
  if (writer.manager !== 'kubectl' || (annotations?.[LAST_APPLIED] ?? '') === '') return applied
  const next = { ...annotations, [LAST_APPLIED]: lastAppliedText(patch) }
  const size = Object.entries(next).reduce((sum, [name, text]) => sum + Buffer.byteLength(name + text), 0)
  if (size > MOST_ANNOTATIONS) delete (next as Record<string, string | undefined>)[LAST_APPLIED]
  const metadata = { ...(object.metadata as JsonObject), annotations: next }
  return { ...applied, object: { ...object, metadata } }
}

/** As Go encodes an unstructured object: keys sorted, a newline at the end. */
function lastAppliedText(patch: JsonObject): string {
  const given = isObject(patch.metadata) ? patch.metadata : {}
  const { annotations: had, ...rest } = given
  const { [LAST_APPLIED]: _, ...annotations } = annotationsOf(patch) ?? {}
  const metadata = isObject(had) ? { ...rest, annotations } : rest
  return `${goJson(sortedKeys({ ...patch, metadata }))}\n`
}

function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys)
  if (!isObject(value)) return value
  return Object.fromEntries(
    Object.keys(value)
      .sort()
      .map((key) => [key, sortedKeys(value[key])])
  )
}

/** As JSON names the manager, which is what Kubernetes sorts by. */
function identity({ manager, operation, apiVersion, subresource }: ManagedFieldsEntry): string {
  return JSON.stringify({ manager, operation, apiVersion: operation === 'Apply' ? undefined : apiVersion, subresource })
}

function managerText({ manager = '', operation, apiVersion, subresource }: ManagedFieldsEntry): string {
  const name =
    subresource === undefined ? goQuote(manager) : `${goQuote(manager)} with subresource ${goQuote(subresource)}`
  return operation === 'Update' ? `${name} using ${apiVersion ?? ''}` : name
}

function conflictError(conflicts: Conflicts['conflicts']): ApiError {
  const sorted = conflicts.toSorted((a, b) => (identity(a.entry) < identity(b.entry) ? -1 : 1))
  const causes: StatusCause[] = []
  const lines: string[] = []
  for (const { entry, set } of sorted) {
    const paths = [...pathsOf(set)]
    const manager = managerText(entry)
    causes.push(
      ...paths.map((field) => ({ reason: 'FieldManagerConflict', message: `conflict with ${manager}`, field }))
    )
    lines.push(`conflicts with ${manager}:`, ...paths.map((path) => `- ${path}`))
  }
  const [only] = causes
  const message =
    causes.length === 1
      ? `Apply failed with 1 conflict: ${only?.message ?? ''}: ${only?.field ?? ''}`
      : `Apply failed with ${causes.length} conflicts: ${lines.join('\n')}`
  return new ApiError('Conflict', message, { details: { causes } })
}
