/**
 * Deletes what has lost its owners (pkg/controller/garbagecollector). There is no graph in memory: an index of the
 * store finds an object's dependents, and each object is judged by what its owners are now.
 *
 * Keys: "object STORAGE KEY" judges one object; "gone UID NAMESPACE" has the dependents of a deleted one judged; "owner GROUP
 * KIND NAMESPACE NAME" has an owner judged that may wait for the dependent which just went.
 */
import { isReason } from '../../../core/errors.ts'
import type { Change } from '../../../core/feed.ts'
import type { OwnerReference } from '../../../core/kinds/types.ts'
import { keyOf, type Resource } from '../../../core/object.ts'
import type { Controller, ControllerContext, ServedKind } from '../controller.ts'
import { at, groupOf, semanticEqual } from '../objects.ts'
import {
  blocking,
  FOREGROUND,
  hasFinalizer,
  isDeletingDependents,
  ORPHAN,
  type OwnerState,
  planGarbage,
  stateOf
} from './garbage-plan.ts'

/** Kinds whose objects never own anything that matters and come in great numbers. */
const IGNORED = new Set(['events', 'events.k8s.io/events'])

/** Uid of an owner -> the storages of kinds that have dependents of it. Undefined until everything was seen once. */
type Hints = Map<string, Set<string>>

export function garbageCollector(): Controller {
  const hints: Hints = new Map()
  const memory = { hints, complete: false }
  return {
    name: 'generic-garbage-collector',
    workers: 20,
    watches: {
      '*': (changes) => {
        remember(hints, changes)
        return changes.flatMap((change) => keysOf(change, memory))
      }
    },
    start: async (context) => {
      const keys = await survey(hints, context)
      memory.complete = true
      return keys
    },
    reconcile: (key, context) => reconcile(key, context, memory)
  }
}

interface Memory {
  /** Only saves work: with it, a deletion asks those kinds alone which are known to have dependents. */
  readonly hints: Hints
  complete: boolean
}

function remember(hints: Hints, changes: readonly Change[]): void {
  for (const { type, resource, object } of changes) if (type !== 'deleted') hint(hints, resource, object)
}

function hint(hints: Hints, storage: string, object: Resource): void {
  for (const { uid } of object.metadata.ownerReferences ?? []) {
    const storages = hints.get(uid)
    if (storages === undefined) hints.set(uid, new Set([storage]))
    else storages.add(storage)
  }
}

/** Everything that has an owner, or waits for its dependents. */
async function survey(hints: Hints, { client, config }: ControllerContext): Promise<string[]> {
  const keys: string[] = []
  for (const kind of collected(await config.kinds())) {
    for (const object of (await client.list(kind)).items) {
      hint(hints, kind.storage, object)
      if (isOwned(object) || isWaiting(object)) keys.push(objectKey(kind.storage, keyOf(object.metadata)))
    }
  }
  return keys
}

function collected(kinds: readonly ServedKind[]): readonly ServedKind[] {
  return kinds.filter(
    ({ storage, verbs }) => !IGNORED.has(storage) && ['get', 'list', 'delete'].every((verb) => verbs.includes(verb))
  )
}

function objectKey(storage: string, key: string): string {
  return `object ${storage} ${key}`
}

function isOwned(object: Resource): boolean {
  return (object.metadata.ownerReferences ?? []).length > 0
}

function isWaiting(object: Resource): boolean {
  if (object.metadata.deletionTimestamp === undefined) return false
  return hasFinalizer(object, FOREGROUND) || hasFinalizer(object, ORPHAN)
}

function keysOf({ type, resource, key, object, previous }: Change, { hints, complete }: Memory): string[] {
  if (IGNORED.has(resource)) return []
  const keys: string[] = []
  if (type === 'deleted') {
    const { uid = '' } = object.metadata
    if (!complete || hints.has(uid)) keys.push(`gone ${uid} ${object.metadata.namespace ?? ''}`)
    for (const reference of object.metadata.ownerReferences ?? []) keys.push(ownerKey(reference, object))
    return keys
  }
  const references = object.metadata.ownerReferences
  const before = previous?.metadata.ownerReferences
  const changed = references !== before && !semanticEqual(references, before)
  if ((isOwned(object) && (type === 'created' || changed)) || isWaiting(object)) keys.push(objectKey(resource, key))
  if (changed) for (const reference of before ?? []) keys.push(ownerKey(reference, object))
  return keys
}

function ownerKey({ apiVersion, kind, name }: OwnerReference, dependent: Resource): string {
  return ['owner', groupOf(apiVersion), kind, dependent.metadata.namespace ?? '', name].join(' ')
}

async function reconcile(key: string, context: ControllerContext, memory: Memory): Promise<undefined> {
  const kinds = collected(await context.config.kinds())
  const [what, first = '', second = '', third = '', fourth = ''] = key.split(' ')
  if (what === 'gone') {
    // A namespaced object owns nothing outside of its namespace.
    const owned = second === '' ? kinds : kinds.filter(({ namespaced }) => namespaced)
    for (const { kind, object } of await dependentsOf(first, owned, { context, memory }))
      context.enqueue(objectKey(kind.storage, keyOf(object.metadata)))
    memory.hints.delete(first)
  } else if (what === 'owner') {
    const kind = kinds.find((one) => one.group === first && one.kind === second)
    if (kind !== undefined)
      await wakeOwner(kind, { namespace: kind.namespaced ? third : undefined, name: fourth }, context)
  } else {
    const kind = kinds.find(({ storage }) => storage === first)
    const object = kind === undefined ? undefined : await context.client.find(kind, at(second))
    if (kind !== undefined && object !== undefined) await judge({ kind, object }, kinds, { context, memory })
  }
}

interface Found {
  readonly kind: ServedKind
  readonly object: Resource
}

interface Tools {
  readonly context: ControllerContext
  readonly memory: Memory
}

async function dependentsOf(uid: string, kinds: readonly ServedKind[], { context, memory }: Tools): Promise<Found[]> {
  const hinted = memory.complete ? (memory.hints.get(uid) ?? new Set()) : undefined
  const asked = hinted === undefined ? kinds : kinds.filter(({ storage }) => hinted.has(storage))
  const found = await Promise.all(
    asked.map(async (kind) => {
      const { items } = await context.client.list(kind, { index: { name: 'owner', value: uid } })
      return items.map((object) => ({ kind, object }))
    })
  )
  return found.flat()
}

async function wakeOwner(
  kind: ServedKind,
  place: { namespace: string | undefined; name: string },
  { client, enqueue }: ControllerContext
): Promise<void> {
  const owner = await client.find(kind, place)
  if (owner !== undefined && isDeletingDependents(owner)) enqueue(objectKey(kind.storage, keyOf(owner.metadata)))
}

async function judge(found: Found, kinds: readonly ServedKind[], tools: Tools): Promise<void> {
  const { kind, object } = found
  const { uid = '' } = object.metadata
  if (object.metadata.deletionTimestamp !== undefined) {
    if (!isWaiting(object)) return
    const dependents = await dependentsOf(uid, kinds, tools)
    if (hasFinalizer(object, ORPHAN)) await orphan(found, dependents, tools.context)
    else await awaitDependents(found, dependents, tools.context)
    return
  }
  const owners = []
  for (const reference of object.metadata.ownerReferences ?? [])
    owners.push({ reference, state: await lookUp(reference, found, { kinds, context: tools.context }) })
  const isWaitedFor = owners.some(({ state }) => state === 'waiting')
  const dependents = isWaitedFor ? (await dependentsOf(uid, kinds, tools)).map((one) => one.object) : []
  const action = planGarbage({ object, owners, dependents })
  if (action.do === 'keep') await setReferences(kind, object, { references: action.references, ...tools })
  if (action.do === 'unblock-and-delete') await setReferences(kind, object, { references: action.references, ...tools })
  if (action.do === 'delete' || action.do === 'unblock-and-delete')
    await remove(kind, object, { policy: action.policy, context: tools.context })
}

/** A kind that is not served says nothing about its objects; nor can a namespaced object own a cluster-scoped one. */
async function lookUp(
  reference: OwnerReference,
  { kind, object }: Found,
  { kinds, context }: { kinds: readonly ServedKind[]; context: ControllerContext }
): Promise<OwnerState> {
  const group = groupOf(reference.apiVersion)
  const ownerKind = kinds.find((one) => one.group === group && one.kind === reference.kind)
  if (ownerKind === undefined) return 'solid'
  if (ownerKind.namespaced && !kind.namespaced) {
    const message = `cluster-scoped objects cannot be owned by a namespaced ${reference.kind}`
    context.events.event(object, 'Warning', 'OwnerRefInvalidNamespace', message)
    return 'solid'
  }
  const namespace = ownerKind.namespaced ? object.metadata.namespace : undefined
  return stateOf(reference, await context.client.find(ownerKind, { namespace, name: reference.name }))
}

/** The dependents forget their owner, then it may go. */
async function orphan({ kind, object }: Found, dependents: readonly Found[], context: ControllerContext) {
  for (const dependent of dependents) {
    const references = (dependent.object.metadata.ownerReferences ?? []).filter(
      ({ uid }) => uid !== object.metadata.uid
    )
    await setReferences(dependent.kind, dependent.object, { references, context })
  }
  await removeFinalizer(kind, object, { finalizer: ORPHAN, context })
}

async function awaitDependents({ kind, object }: Found, dependents: readonly Found[], context: ControllerContext) {
  const { uid = '' } = object.metadata
  const objects = dependents.map((one) => one.object)
  if (blocking(objects, uid).length === 0) await removeFinalizer(kind, object, { finalizer: FOREGROUND, context })
  for (const dependent of dependents) {
    const { deletionTimestamp } = dependent.object.metadata
    if (deletionTimestamp === undefined || isDeletingDependents(dependent.object))
      context.enqueue(objectKey(dependent.kind.storage, keyOf(dependent.object.metadata)))
  }
}

async function setReferences(
  kind: ServedKind,
  { metadata }: Resource,
  { references, context }: { references: readonly OwnerReference[]; context: ControllerContext }
): Promise<void> {
  const { namespace, name = '', uid, resourceVersion } = metadata
  const body = { metadata: { uid, resourceVersion, ownerReferences: references.length === 0 ? null : references } }
  await ignoreGone(() => context.client.patch(kind, { namespace, name }, { type: 'merge', body }))
}

async function removeFinalizer(
  kind: ServedKind,
  { metadata }: Resource,
  { finalizer, context }: { finalizer: string; context: ControllerContext }
): Promise<void> {
  const { namespace, name = '', uid, resourceVersion } = metadata
  const finalizers = (metadata.finalizers ?? []).filter((one) => one !== finalizer)
  const body = { metadata: { uid, resourceVersion, finalizers: finalizers.length === 0 ? null : finalizers } }
  await ignoreGone(() => context.client.patch(kind, { namespace, name }, { type: 'merge', body }))
}

async function remove(
  kind: ServedKind,
  { metadata }: Resource,
  { policy, context }: { policy: string; context: ControllerContext }
): Promise<void> {
  const { namespace, name = '', uid } = metadata
  const options = { propagationPolicy: policy, ...(uid === undefined ? {} : { preconditions: { uid } }) }
  await ignoreGone(() => context.client.delete(kind, { namespace, name }, options))
}

async function ignoreGone(write: () => Promise<unknown>): Promise<void> {
  try {
    await write()
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
}
