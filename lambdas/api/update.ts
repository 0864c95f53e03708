/** PUT, and the way that every change of a stored object takes: read, change, check, commit, and again if it moved. */
import type { FieldError } from '../../core/errors.ts'
import { invalid, invalidError } from '../../core/field-errors.ts'
import { goQuote } from '../../core/go-text.ts'
import type { ApiResponse, Payload } from '../../core/http.ts'
import { DEFINITIONS } from '../../core/kinds/definitions.ts'
import type { Kind, Rules } from '../../core/kinds/kind.ts'
import { sameButTimes } from '../../core/merge/managers.ts'
import type { KubeObject } from '../../core/object.ts'
import { decode } from '../../core/validate.ts'
import { validateMetadataUpdate } from '../../core/validate-metadata.ts'
import type { Entry } from '../../store/store.ts'
import { admit } from './admit.ts'
import { jsonAnswer, payloadOf, warningHeader } from './answers.ts'
import { forbidden } from './authz.ts'
import { bodyOf, readObject } from './body.ts'
import { commitChange, MAX_ATTEMPTS, pause } from './commit.ts'
import { storedKind } from './convert.ts'
import { sameJson } from './copy.ts'
import { createObject, creationWarnings, decoding, ruleContext, warning } from './create.ts'
import { BareError, badRequest, conflict, notFound } from './failures.ts'
import { entriesOfChanged, keepReset, setEntries, writerOf } from './field-manager.ts'
import { dropRepeatedOwners, ensureNamespace, keepMetadata } from './metadata.ts'
import { writeOptions } from './options.ts'
import { isCreatedByUpdate, needsVersionToUpdate } from './traits.ts'
import type { ApiContext, ResourceRequest } from './types.ts'

/** One way to change an object: the object itself, its status, its scale. */
export interface Path {
  /** After defaults and admission: puts back what this path may not change. May return another object. */
  readonly prepare: (next: KubeObject, old: KubeObject, context: ApiContext) => KubeObject
  readonly validate: (next: KubeObject, old: KubeObject) => FieldError[]
  readonly warnings?: Rules['warnings']
  /** How the kind looks at metadata again. */
  readonly metadata?: Rules['metadataOnUpdate']
  /** Whether a change of what is not metadata or status counts as a new generation. */
  readonly counts: boolean
}

export interface Change {
  readonly path: Path
  readonly dryRun: boolean
  /** Whether `produce` sets metadata.managedFields to what shall be stored. */
  readonly tracked?: boolean
  /** The new object, private, from the old one. Called again when the old one moved. */
  readonly produce: (old: Entry) => KubeObject | Promise<KubeObject>
  /** Called with what the client should be told of the change, each time that it is prepared. */
  readonly warn?: (warnings: readonly string[]) => void
}

/** PUT of the object itself or, with another path, of its status. */
export async function update(at: ResourceRequest, context: ApiContext, path?: Path): Promise<ApiResponse> {
  const { request, kind, name = '' } = at
  const body = await bodyOf(request)
  const options = writeOptions(request.query, 'UpdateOptions')
  const read = () => {
    const value = readObject(body, kind)
    const decoded = decode(kind, value, decoding(options, body))
    keepReset(value, decoded.object)
    const repeated = dropRepeatedOwners(decoded.object.metadata)
    return repeated.length === 0 ? decoded : { ...decoded, warnings: [...decoded.warnings, ...repeated] }
  }
  let first: ReturnType<typeof read> | undefined = read()
  let { warnings } = first
  ensureNamespace(first.object.metadata, kind.namespaced ? at.namespace : undefined)
  checkName(first.object, at)
  const old = await context.store.get(kind.storage, storeKey(at))
  if (old === undefined) {
    checkUid(first.object, { kind, key: storeKey(at), uid: '' })
    if (path !== undefined || !isCreatedByUpdate(kind.storage)) throw notFound(kind, name)
    await authorizeCreation(at, context)
    delete first.object.metadata.resourceVersion
    const payload = await createObject(at, context, { object: first.object, dryRun: options.dryRun })
    return jsonAnswer(201, payload, warningHeader([...warnings, ...creationWarnings(kind, payload)]))
  }
  const produce = (current: Entry) => {
    const next = first?.object ?? read().object
    first = undefined
    checkPreconditions(next, current, kind)
    return next
  }
  const decoded = warnings
  const warn = (further: readonly string[]) => {
    warnings = [...decoded, ...further]
  }
  const change = { path: path ?? wholePath(kind), dryRun: options.dryRun, produce, warn }
  const payload = await warning(at, decoded, changeObject(at, context, change))
  return jsonAnswer(200, payload, warningHeader(warnings))
}

/** Who may update need not be allowed to create. */
export async function authorizeCreation(at: ResourceRequest, { authorizer }: ApiContext): Promise<void> {
  const { group, version, resource } = at.kind
  const attributes = {
    user: at.user,
    verb: 'create',
    resource: {
      group,
      version,
      resource,
      ...(at.namespace === undefined ? {} : { namespace: at.namespace }),
      ...(at.name === undefined ? {} : { name: at.name })
    }
  }
  const { allowed, reason } = await authorizer.authorize(attributes)
  if (!allowed) throw forbidden(attributes, reason)
}

export function storeKey(at: Pick<ResourceRequest, 'kind' | 'namespace' | 'name'>): string {
  return at.kind.namespaced ? `${at.namespace ?? ''}/${at.name ?? ''}` : (at.name ?? '')
}

/** The object must have the name that the path has. */
export function checkName({ metadata }: KubeObject, { name = '' }: ResourceRequest): void {
  const own = metadata.name ?? ''
  if (own === '') {
    throw badRequest(`the name of the object (${name} based on URL) was undeterminable: name must be provided`)
  }
  if (own !== name) throw badRequest(`the name of the object (${own}) does not match the name on the URL (${name})`)
}

function checkPreconditions(next: KubeObject, current: Entry, kind: Kind): void {
  const { resourceVersion = '', name = '' } = next.metadata
  checkUid(next, { kind, key: current.key, uid: current.value.metadata.uid ?? '' })
  if (resourceVersion !== '' && resourceVersion !== '0') return
  if (kind.custom === undefined && !needsVersionToUpdate(kind.storage)) return
  const { group, resource, custom, storage } = kind
  const named = custom !== undefined || storage === DEFINITIONS ? { group, kind: resource } : kind
  throw invalidError(named, name, [invalid('metadata.resourceVersion', 0, 'must be specified for an update')])
}

/** An object that names a uid means that one only: not what was made anew under its name, and not nothing. */
export function checkUid(next: KubeObject, at: { kind: Kind; key: string; uid: string }): void {
  const { uid = '', name = '' } = next.metadata
  if (uid === '' || uid === at.uid) return
  const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${at.uid}`
  const path = `/registry/${at.kind.resource}/${at.key}`
  throw conflict(
    at.kind,
    name,
    `StorageError: invalid object, Code: 4, Key: ${path}, ResourceVersion: 0, AdditionalErrorMsg: ${why}`
  )
}

/** Answers with the stored object. Throws NotFound, Conflict, Invalid and what admission refuses. */
export async function changeObject(at: ResourceRequest, context: ApiContext, change: Change): Promise<Payload> {
  const { kind, name = '' } = at
  const key = storeKey(at)
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const old = await context.store.get(kind.storage, key)
    if (old === undefined) throw notFound(kind, name)
    const next = await change.produce(old)
    const asked = next.metadata.resourceVersion ?? ''
    checkVersion(asked)
    if (asked !== '' && asked !== '0' && asked !== old.value.metadata.resourceVersion) throw conflict(kind, name)
    const prepared = await prepare(at, context, { next, old: old.value, change })
    if (isSame(prepared, old.value)) return old
    if (change.dryRun) return payloadOf(prepared)
    const removed = isFinished(prepared, old.value)
    const entry = removed
      ? await commitChange(context, { kind, key, old, next: undefined }, prepared)
      : await commitChange(context, { kind, key, old, next: prepared })
    if (entry !== undefined) return entry
    await pause(context, attempt)
  }
  throw conflict(kind, name)
}

/** A write that changes nothing but when somebody wrote changes nothing. */
function isSame(next: KubeObject, old: KubeObject): boolean {
  const { managedFields } = next.metadata
  const before = old.metadata.managedFields
  if (managedFields === before || managedFields === undefined || before === undefined) return sameJson(next, old)
  if (!sameButTimes(managedFields, before)) return false
  return sameJson({ ...next, metadata: { ...next.metadata, managedFields: before } }, old)
}

function checkVersion(asked: string): void {
  if (asked !== '' && !/^[0-9]+$/.test(asked))
    throw new BareError(`strconv.ParseUint: parsing ${goQuote(asked)}: invalid syntax`)
}

interface Step {
  readonly next: KubeObject
  readonly old: KubeObject
  readonly change: Change
}

async function prepare(at: ResourceRequest, context: ApiContext, { next, old, change }: Step): Promise<KubeObject> {
  const { kind } = at
  const { rules } = kind
  if (rules.load !== undefined) await rules.load()
  ensureNamespace(next.metadata, kind.namespaced ? at.namespace : undefined)
  rules.defaults?.(next)
  if (change.tracked !== true) setEntries(next, entriesOfChanged(kind, { next, old }, writerOf(at, context)))
  const admitted = { operation: 'UPDATE', name: at.name, old, dryRun: change.dryRun } as const
  await admit('mutate', at, { context, what: { ...admitted, object: next } })
  ensureNamespace(next.metadata, kind.namespaced ? at.namespace : undefined)
  keepMetadata(next, old)
  const { managedFields = [] } = next.metadata
  const object = change.path.prepare(next, old, context)
  setEntries(object, managedFields)
  const counted =
    rules.generation === 'with status' ? change.path.counts : change.path.counts && rules.generation === true
  if (counted && !sameSpec(object, old, rules.generation === 'with status')) {
    object.metadata.generation = (old.metadata.generation ?? 0) + 1
  }
  const errors = validateMetadataUpdate(rules, { next: object, old, own: change.path.metadata })
  errors.push(...change.path.validate(object, old))
  if (errors.length > 0) throw invalidError(storedKind(kind), at.name ?? '', errors)
  change.warn?.(change.path.warnings?.(object, old) ?? [])
  await admit('validate', at, { context, what: { ...admitted, object } })
  return object
}

/** Everything but metadata and, mostly, status. */
function sameSpec(next: KubeObject, old: KubeObject, withStatus: boolean): boolean {
  const isApart = (field: string) => field === 'metadata' || (field === 'status' && !withStatus)
  for (const field in next) if (!isApart(field) && !sameJson(next[field], old[field])) return false
  for (const field in old) if (!isApart(field) && next[field] === undefined && old[field] !== undefined) return false
  return true
}

/** Being deleted, with nobody left to wait for: this change removes it. */
function isFinished(next: KubeObject, old: KubeObject): boolean {
  const { metadata } = next
  if (old.metadata.deletionTimestamp === undefined || (metadata.finalizers?.length ?? 0) > 0) return false
  if ((old.metadata.deletionGracePeriodSeconds ?? 0) !== 0) return false
  const spec = next.spec as { finalizers?: readonly string[] } | undefined
  return next.kind !== 'Namespace' || (spec?.finalizers?.length ?? 0) === 0
}

/** The path of a PUT or PATCH to the object itself, by its kind's rules. */
export function wholePath({ rules }: Kind): Path {
  return {
    prepare: (next, old, context) => {
      rules.prepareUpdate?.(next, old, ruleContext(context))
      return next
    },
    validate: (next, old) => [...(rules.validate?.(next, old) ?? []), ...(rules.validateUpdate?.(next, old) ?? [])],
    warnings: rules.warnings,
    metadata: rules.metadataOnUpdate,
    counts: true
  }
}

/** The path of the status subresource: by the kind's rules, else only `status` changes. */
export function statusPath({ rules }: Kind): Path {
  return {
    prepare: (next, old, context) => {
      if (rules.prepareStatus === undefined) return { ...old, metadata: { ...old.metadata }, status: next.status }
      rules.prepareStatus(next, old, ruleContext(context))
      return next
    },
    validate: (next, old) => rules.validateStatus?.(next, old) ?? [],
    counts: false
  }
}
