/** Keeps as many pods as a ReplicaSet asks for (pkg/controller/replicaset). */
import { ApiError, isReason } from '../../../core/errors.ts'
import { pods, replicaSets } from '../../../core/kinds/refs.ts'
import type { OwnerReference, Pod, ReplicaSet } from '../../../core/kinds/types.ts'
import { breathe, type RunResult } from '../../../core/loop.ts'
import { controllerOf, isTerminating, keyOf } from '../../../core/object.ts'
import { labelSelectorMatcher, labelSelectorText } from '../../../core/selector.ts'
import type { Controller, ControllerContext, KeyMap } from '../controller.ts'
import {
  adopt,
  at,
  type Claims,
  controllerKeys,
  controllerReference,
  keysOfAll,
  ownKeys,
  planClaims,
  release,
  semanticEqual,
  updateStatus
} from '../objects.ts'
import { isActive, isLeaving } from '../pods.ts'
import { planReplicaSetStatus, planReplicas } from './replicaset-plan.ts'

/** Before a key: look for pods that nobody owns, and do no more. */
const ORPHANS = 'orphans:'

/** Creations or deletions under way at once, at most. The first batch is one, so that a pod nobody admits is refused once only. */
const BATCH_MAX = 64

export function replicaSetController(): Controller {
  return {
    name: 'replicaset-controller',
    exclusive: true,
    restRatio: 10,
    watches: { 'apps/replicasets': ownKeys, pods: podKeys },
    start: async ({ client }) => {
      const keys = await keysOfAll(client, replicaSets)
      return keys.flatMap((key) => [`${ORPHANS}${key}`, key])
    },
    reconcile: (key, context) =>
      key.startsWith(ORPHANS) ? adoptOrphans(key.slice(ORPHANS.length), context) : reconcile(key, context)
  }
}

const ownerKeys = controllerKeys(replicaSets)

/** A pod concerns its ReplicaSet; one without a controller all that would have it. */
const podKeys: KeyMap = (changes, context) => {
  const keys = ownerKeys(changes)
  const orphans = changes
    .filter(({ type, object }) => type !== 'deleted' && controllerOf(object) === undefined && !isTerminating(object))
    .map(({ object }) => object)
  return orphans.length === 0 ? keys : orphanKeys(orphans, context).then((more) => [...keys, ...more])
}

async function orphanKeys(orphans: readonly Pod[], { client }: ControllerContext): Promise<string[]> {
  const keys: string[] = []
  for (const [namespace, pods] of Map.groupBy(orphans, (pod) => pod.metadata.namespace)) {
    const { items } = await client.list(replicaSets, { namespace })
    for (const replicaSet of items) {
      const selector = labelSelectorMatcher(replicaSet.spec?.selector)
      if (pods.some((pod) => selector.matches(pod.metadata.labels)))
        keys.push(`${ORPHANS}${keyOf(replicaSet.metadata)}`)
    }
  }
  return keys
}

/** The pods' change of owner then wakes the ReplicaSet's own key. */
async function adoptOrphans(key: string, context: ControllerContext): Promise<undefined> {
  const replicaSet = await context.client.find(replicaSets, at(key))
  if (replicaSet === undefined || isTerminating(replicaSet)) return
  const selector = labelSelectorMatcher(replicaSet.spec?.selector)
  const { items } = await context.client.list(pods, {
    namespace: replicaSet.metadata.namespace,
    labelSelector: labelSelectorText(selector)
  })
  await settleClaims(
    replicaSet,
    planClaims(replicaSet, items.filter(isActive), (pod) => selector.matches(pod.metadata.labels)),
    context
  )
}

async function settleClaims(
  replicaSet: ReplicaSet,
  claims: Claims<Pod>,
  { client }: ControllerContext
): Promise<readonly Pod[]> {
  const owner = controllerReference(replicaSets, replicaSet.metadata)
  for (const object of claims.release) {
    try {
      await release(client, pods, { object, ownerUid: owner.uid })
    } catch (error) {
      if (!isReason(error, 'NotFound', 'Invalid', 'Conflict')) throw error
    }
  }
  const adopted: Pod[] = []
  for (const object of claims.adopt) {
    try {
      adopted.push(await adopt(client, pods, { object, owner }))
    } catch (error) {
      if (!isReason(error, 'NotFound', 'Conflict')) throw error
    }
  }
  return [...claims.owned, ...adopted]
}

async function reconcile(key: string, context: ControllerContext): Promise<RunResult | undefined> {
  const { client, ports } = context
  const replicaSet = await client.find(replicaSets, at(key))
  if (replicaSet === undefined) return undefined
  // A selector is immutable, so unowned pods that were there first can only matter before the first status.
  if (replicaSet.status?.observedGeneration === undefined) await adoptOrphans(key, context)
  const { items } = await client.list(pods, index(replicaSet.metadata.uid))
  const selector = labelSelectorMatcher(replicaSet.spec?.selector)
  const matches = (pod: Pod) => selector.matches(pod.metadata.labels)
  const active = await settleClaims(replicaSet, planClaims(replicaSet, items.filter(isActive), matches), context)
  const leaving = items.filter((pod) => isLeaving(pod) && matches(pod))

  const outcome = isTerminating(replicaSet) ? UNCHANGED : await manageReplicas(replicaSet, active, context)
  const view = { active, leaving, failure: outcome.failure, now: ports.clock.now() }
  const { status, again } = planReplicaSetStatus(replicaSet, view)
  if (!semanticEqual(status, replicaSet.status)) await updateStatus(client, replicaSets, { object: replicaSet, status })
  if (outcome.error !== undefined) throw outcome.error
  return { again: outcome.more ? 0 : again }
}

interface Outcome {
  /** For the condition ReplicaFailure. */
  readonly failure: string | undefined
  readonly error: unknown
  /** Too many at once: the rest comes with the next run. */
  readonly more: boolean
}

const UNCHANGED: Outcome = { failure: undefined, error: undefined, more: false }

async function manageReplicas(
  replicaSet: ReplicaSet,
  active: readonly Pod[],
  context: ControllerContext
): Promise<Outcome> {
  const wanted = replicaSet.spec?.replicas ?? 1
  const related = active.length > wanted && wanted > 0 ? await relatedPods(replicaSet, context) : []
  const plan = planReplicas(replicaSet, { active, related, now: context.ports.clock.now() })
  const errors =
    plan.create > 0
      ? await createPods(replicaSet, plan.create, context)
      : await deletePods(replicaSet, plan.remove, context)
  const [error] = errors
  if (error !== undefined)
    return { failure: error instanceof Error ? error.message : String(error), error, more: false }
  return { ...UNCHANGED, more: Math.abs(wanted - active.length) > plan.create + plan.remove.length }
}

/** Pods of all ReplicaSets of this one's Deployment: two on one node are one too many. */
async function relatedPods(replicaSet: ReplicaSet, { client }: ControllerContext): Promise<readonly Pod[]> {
  const owner = controllerOf(replicaSet)
  const siblings =
    owner === undefined
      ? [replicaSet]
      : (await client.list(replicaSets, { namespace: replicaSet.metadata.namespace, ...index(owner.uid) })).items
  const lists = await Promise.all(siblings.map(({ metadata }) => client.list(pods, index(metadata.uid))))
  return lists.flatMap(({ items }) => items.filter(isActive))
}

function index(uid: string | undefined) {
  return { index: { name: 'controller', value: uid ?? '' } }
}

/** Batches of 1, 2, 4 ..: stops at the first batch in which any creation failed (slowStartBatch). */
async function createPods(replicaSet: ReplicaSet, count: number, context: ControllerContext): Promise<unknown[]> {
  const owner = controllerReference(replicaSets, replicaSet.metadata)
  let left = count
  for (let size = 1; left > 0; size = Math.min(size * 2, BATCH_MAX)) {
    const batch = Array.from({ length: Math.min(size, left) }, () => createPod(replicaSet, owner, context))
    const errors = (await Promise.all(batch)).filter((error) => error !== undefined)
    if (errors.length > 0) return errors
    left -= batch.length
    await breathe()
  }
  return []
}

async function createPod(replicaSet: ReplicaSet, owner: OwnerReference, context: ControllerContext): Promise<unknown> {
  try {
    const pod = await context.client.create(pods, podOf(replicaSet, owner))
    context.events.event(replicaSet, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`)
    return undefined
  } catch (error) {
    if (isNamespaceTerminating(error)) return undefined
    const message = error instanceof Error ? error.message : String(error)
    context.events.event(replicaSet, 'Warning', 'FailedCreate', `Error creating: ${message}`)
    return error
  }
}

function podOf({ metadata, spec }: ReplicaSet, owner: OwnerReference): Pod {
  const template = structuredClone(spec?.template)
  const { labels, annotations, finalizers } = template?.metadata ?? {}
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { generateName: `${metadata.name}-`, namespace: metadata.namespace, ownerReferences: [{ ...owner }] }
  }
  if (labels !== undefined) pod.metadata.labels = labels
  if (annotations !== undefined) pod.metadata.annotations = annotations
  if (finalizers !== undefined) pod.metadata.finalizers = finalizers
  if (template?.spec !== undefined) pod.spec = template.spec
  return pod
}

/** Nothing can be created any more, and nothing needs to be: no use in trying again. */
export function isNamespaceTerminating(error: unknown): boolean {
  return (
    error instanceof ApiError && error.details?.causes?.some(({ reason }) => reason === 'NamespaceTerminating') === true
  )
}

async function deletePods(
  replicaSet: ReplicaSet,
  remove: readonly Pod[],
  context: ControllerContext
): Promise<unknown[]> {
  const errors: unknown[] = []
  for (let from = 0; from < remove.length; from += BATCH_MAX) {
    const batch = remove.slice(from, from + BATCH_MAX).map((pod) => deletePod(replicaSet, pod, context))
    errors.push(...(await Promise.all(batch)).filter((error) => error !== undefined))
    await breathe()
  }
  return errors
}

async function deletePod(
  replicaSet: ReplicaSet,
  { metadata }: Pod,
  { client, events }: ControllerContext
): Promise<unknown> {
  const name = metadata.name ?? ''
  try {
    await client.delete(pods, { namespace: metadata.namespace, name })
    events.event(replicaSet, 'Normal', 'SuccessfulDelete', `Deleted pod: ${name}`)
    return undefined
  } catch (error) {
    if (isReason(error, 'NotFound')) return undefined
    const message = error instanceof Error ? error.message : String(error)
    events.event(replicaSet, 'Warning', 'FailedDelete', `Error deleting: ${message}`)
    return error
  }
}
