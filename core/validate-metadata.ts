/** What every object's metadata must keep to: k8s.io/apimachinery/pkg/api/validation/objectmeta.go. */
import type { FieldError } from './errors.ts'
import { forbidden, invalid, required, tooLong } from './field-errors.ts'
import { goQuote } from './go-text.ts'
import type { Kind, Rules } from './kinds/kind.ts'
import type { ObjectMeta, OwnerReference } from './kinds/types.ts'
import {
  byteLength,
  isDNS1035Label,
  isDNS1123Label,
  isDNS1123Subdomain,
  isLabelValue,
  isPathSegmentName,
  isPathSegmentPrefix,
  isQualifiedName
} from './names.ts'
import type { Resource } from './object.ts'

export const FIELD_IMMUTABLE = 'field is immutable'

/** All annotations of an object together, keys and values, in bytes. */
const ANNOTATIONS_LIMIT = 256 * 1024

const FINALIZERS = 'metadata.finalizers'

type NameRule = NonNullable<Rules['name']>

/** What is wrong with `name` as a name of such objects; with `prefix`, as a generateName. */
export function nameComplaints(rule: NameRule | undefined, name: string, prefix = false): readonly string[] {
  if (rule === 'path') return prefix ? isPathSegmentPrefix(name) : isPathSegmentName(name)
  const shown = prefix && name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name
  switch (rule) {
    case 'label':
      return isDNS1123Label(shown)
    case 'label1035':
      return isDNS1035Label(shown)
    default:
      return isDNS1123Subdomain(shown)
  }
}

/** Of an object about to be created: its name has been generated, its namespace set. */
export function validateMetadata(kind: Pick<Kind, 'namespaced' | 'rules'>, object: Resource): FieldError[] {
  const { metadata } = object
  const errors: FieldError[] = []
  const generateName = metadata.generateName ?? ''
  if (generateName !== '')
    errors.push(
      ...complaints('metadata.generateName', generateName, nameComplaints(kind.rules.name, generateName, true))
    )
  const name = metadata.name ?? ''
  if (name === '') errors.push(required('metadata.name', 'name or generateName is required'))
  else errors.push(...complaints('metadata.name', name, nameComplaints(kind.rules.name, name)))
  const namespace = metadata.namespace ?? ''
  if (!kind.namespaced) {
    if (namespace !== '') errors.push(forbidden('metadata.namespace', 'not allowed on this type'))
  } else if (namespace === '') errors.push(required('metadata.namespace'))
  else errors.push(...complaints('metadata.namespace', namespace, isDNS1123Label(namespace)))
  if ((metadata.generation ?? 0) < 0)
    errors.push(invalid('metadata.generation', metadata.generation, 'must be greater than or equal to 0'))
  errors.push(...bagErrors(metadata))
  if (metadata.finalizers !== undefined) {
    errors.push(...finalizerComplaints(metadata.finalizers, FINALIZERS))
    if (kind.rules.anyFinalizer !== true) errors.push(...unqualifiedFinalizers(metadata.finalizers, FINALIZERS))
  }
  return errors
}

const NOT_REPLACED = [
  'name',
  'namespace',
  'uid',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds'
] as const

/**
 * Of an update, after `keepSystemMetadata`. Kubernetes checks metadata once for all kinds, as new and as changed, and
 * again in each kind, and its answer holds one cause for each time.
 */
export function validateMetadataUpdate(
  { anyFinalizer = false }: Pick<Rules, 'anyFinalizer'>,
  { next, old, own }: { next: Resource; old: Resource; own: Rules['metadataOnUpdate'] }
): FieldError[] {
  const unqualified = anyFinalizer ? [] : unqualifiedFinalizers(next.metadata.finalizers ?? [], FINALIZERS)
  const changes = changeErrors(next.metadata, old.metadata)
  const named = finalizerComplaints(next.metadata.finalizers ?? [], FINALIZERS)
  if (changes.length + named.length + unqualified.length === 0) return []
  const asNew = [...bagErrors(next.metadata), ...named]
  const asChanged = own === 'only as new' ? [] : [...changes, ...unqualified]
  return [...asNew, ...changes, ...asChanged, ...(own === undefined ? [] : [...asNew, ...unqualified])]
}

function changeErrors(now: ObjectMeta, before: ObjectMeta): FieldError[] {
  const errors: FieldError[] = []
  if (before.deletionTimestamp !== undefined) {
    const kept = new Set(before.finalizers)
    const added = [...new Set(now.finalizers)].filter((one) => !kept.has(one)).sort()
    if (added.length > 0) errors.push(forbidden('metadata.finalizers', newFinalizers(added)))
  }
  if ((now.resourceVersion ?? '') === '')
    errors.push(invalid('metadata.resourceVersion', now.resourceVersion ?? '', 'must be specified for an update'))
  if ((now.generation ?? 0) < (before.generation ?? 0))
    errors.push(invalid('metadata.generation', now.generation ?? 0, 'must not be decremented'))
  for (const field of NOT_REPLACED)
    if (now[field] !== before[field]) errors.push(invalid(`metadata.${field}`, now[field] ?? null, FIELD_IMMUTABLE))
  errors.push(...bagErrors(now))
  return errors
}

function newFinalizers(added: readonly string[]): string {
  const shown = `[]string{${added.map(goQuote).join(', ')}}`
  return `no new finalizers can be added if the object is being deleted, found new finalizers ${shown}`
}

/**
 * Gives `next`, a private copy, what no update may change: as rest.BeforeUpdate does, a client's own values of these
 * fields are overwritten or, for the uid and the version, filled in when missing.
 */
export function keepSystemMetadata(next: Resource, old: Resource): void {
  const { metadata } = next
  const before = old.metadata
  metadata.generation = before.generation
  metadata.creationTimestamp = before.creationTimestamp
  if ((metadata.uid ?? '') === '') metadata.uid = before.uid
  if (before.deletionTimestamp !== undefined) metadata.deletionTimestamp = before.deletionTimestamp
  if (before.deletionGracePeriodSeconds !== undefined)
    metadata.deletionGracePeriodSeconds ??= before.deletionGracePeriodSeconds
  for (const field of ['generation', 'creationTimestamp', 'uid'] as const)
    if (metadata[field] === undefined) delete metadata[field]
  delete metadata.selfLink
}

/** Labels, annotations and owners. */
function bagErrors(metadata: ObjectMeta): FieldError[] {
  const errors: FieldError[] = []
  if (metadata.labels !== undefined) errors.push(...validateLabels(metadata.labels, 'metadata.labels'))
  if (metadata.annotations !== undefined)
    errors.push(...validateAnnotations(metadata.annotations, 'metadata.annotations'))
  if (metadata.ownerReferences !== undefined) errors.push(...validateOwners(metadata.ownerReferences))
  return errors
}

function complaints(field: string, value: string, messages: readonly string[]): FieldError[] {
  return messages.map((message) => invalid(field, value, message))
}

export function validateLabels(labels: Readonly<Record<string, string>>, field: string): FieldError[] {
  const errors: FieldError[] = []
  for (const key of Object.keys(labels).sort()) {
    const value = labels[key] ?? ''
    errors.push(...complaints(field, key, isQualifiedName(key)))
    errors.push(...complaints(field, value, isLabelValue(value)))
  }
  return errors
}

export function validateAnnotations(annotations: Readonly<Record<string, string>>, field: string): FieldError[] {
  const errors: FieldError[] = []
  let size = 0
  for (const key of Object.keys(annotations).sort()) {
    errors.push(...complaints(field, key, isQualifiedName(key.toLowerCase())))
    size += byteLength(key) + byteLength(annotations[key] ?? '')
  }
  if (size > ANNOTATIONS_LIMIT) errors.push(tooLong(field, ANNOTATIONS_LIMIT))
  return errors
}

function validateOwners(owners: readonly OwnerReference[]): FieldError[] {
  const field = 'metadata.ownerReferences'
  const errors: FieldError[] = []
  let controller: string | undefined
  for (const owner of owners) {
    if (versionOf(owner.apiVersion ?? '') === '')
      errors.push(invalid(`${field}.apiVersion`, owner.apiVersion ?? '', 'version must not be empty'))
    for (const part of ['kind', 'name', 'uid'] as const)
      if ((owner[part] ?? '') === '') errors.push(invalid(`${field}.${part}`, '', 'must not be empty'))
    if (owner.apiVersion === 'v1' && owner.kind === 'Event')
      errors.push(invalid(field, printedOwner(owner), '/v1, Kind=Event is disallowed from being an owner'))
    if (owner.controller !== true) continue
    const name = `${owner.kind}/${owner.name}`
    if (controller === undefined) controller = name
    else
      errors.push(
        invalid(
          field,
          owners.map(printedOwner),
          `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${name}`
        )
      )
  }
  return errors
}

/** In the order of Go's fields. */
function printedOwner({ apiVersion, kind, name, uid, controller, blockOwnerDeletion }: OwnerReference): object {
  return { apiVersion, kind, name, uid, controller, blockOwnerDeletion }
}

function versionOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? apiVersion : apiVersion.slice(slash + 1)
}

const STANDARD_FINALIZERS: ReadonlySet<string> = new Set(['kubernetes', 'orphan', 'foregroundDeletion'])
const UNQUALIFIED = 'name is neither a standard finalizer name nor is it fully qualified'

/** Of a Namespace's spec.finalizers, which are checked one by one. */
export function finalizerNameErrors(finalizer: string, field: string): FieldError[] {
  const errors: FieldError[] = []
  errors.push(...complaints(field, finalizer, isQualifiedName(finalizer)))
  if (!finalizer.includes('/') && !STANDARD_FINALIZERS.has(finalizer))
    errors.push(invalid(field, finalizer, UNQUALIFIED))
  return errors
}

function finalizerComplaints(finalizers: readonly string[], field: string): FieldError[] {
  const errors = finalizers.flatMap((finalizer) => complaints(field, finalizer, isQualifiedName(finalizer)))
  if (finalizers.includes('orphan') && finalizers.includes('foregroundDeletion'))
    errors.push(invalid(field, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'))
  return errors
}

function unqualifiedFinalizers(finalizers: readonly string[], field: string): FieldError[] {
  return finalizers.flatMap((finalizer, i) =>
    finalizer.includes('/') || STANDARD_FINALIZERS.has(finalizer)
      ? []
      : [invalid(`${field}[${i}]`, finalizer, UNQUALIFIED)]
  )
}
