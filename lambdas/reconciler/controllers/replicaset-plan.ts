/** What a ReplicaSet wants done, given its pods (pkg/controller/replicaset). Pure. */
import type { Pod, ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from '../../../core/kinds/types.ts'
import { timestamp } from '../../../core/ports.ts'
import { labelSetMatcher } from '../../../core/selector.ts'
import { timeOf } from '../objects.ts'
import { availableIn, isReady, readyCondition } from '../pods.ts'

/** Of one run: a mistyped count must not fill the API in one go (replicaset.BurstReplicas). */
export const BURST = 500

export interface ReplicaPlan {
  readonly create: number
  readonly remove: readonly Pod[]
}

export interface ReplicaView {
  /** Owned, neither finished nor leaving. */
  readonly active: readonly Pod[]
  /** Active pods of all ReplicaSets of the same owner, for choosing whom to delete. */
  readonly related: readonly Pod[]
  /** Milliseconds since 1970. */
  readonly now: number
}

export function planReplicas(replicaSet: ReplicaSet, view: ReplicaView): ReplicaPlan {
  const wanted = replicaSet.spec?.replicas ?? 1
  const surplus = view.active.length - wanted
  if (surplus < 0) return { create: Math.min(-surplus, BURST), remove: [] }
  return { create: 0, remove: choosePodsToDelete(view, Math.min(surplus, BURST)) }
}

/** Those whose loss hurts least come first. */
function choosePodsToDelete({ active, related, now }: ReplicaView, count: number): readonly Pod[] {
  if (count === 0) return []
  if (count >= active.length) return active
  const podsOnNode = new Map<string, number>()
  for (const { spec } of related) {
    if (spec?.nodeName !== undefined) podsOnNode.set(spec.nodeName, (podsOnNode.get(spec.nodeName) ?? 0) + 1)
  }
  const rank = (pod: Pod) => podsOnNode.get(pod.spec?.nodeName ?? '') ?? 0
  return active.toSorted((a, b) => compareForDeletion(a, b, { rank, now })).slice(0, count)
}

const PHASE_ORDER: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 }

/** controller.ActivePodsWithRanks: negative when `a` goes first. */
function compareForDeletion(a: Pod, b: Pod, by: { rank: (pod: Pod) => number; now: number }): number {
  const byPlace =
    Number(isAssigned(a)) - Number(isAssigned(b)) ||
    phaseOrder(a) - phaseOrder(b) ||
    Number(isReady(a)) - Number(isReady(b)) ||
    deletionCost(a) - deletionCost(b) ||
    by.rank(b) - by.rank(a)
  if (byPlace !== 0) return byPlace
  const readyFor = isReady(a) && isReady(b) ? compareAges(readySince(a), readySince(b), by.now) : 0
  if (readyFor !== 0) return readyFor === TIE ? byUid(a, b) : readyFor
  const restarts = maxRestarts(b) - maxRestarts(a)
  if (restarts !== 0) return restarts
  const age = compareAges(timeOf(a.metadata.creationTimestamp), timeOf(b.metadata.creationTimestamp), by.now)
  return age === TIE ? byUid(a, b) : age
}

/** Different times of the same order of magnitude. */
const TIE = Number.MIN_VALUE

/**
 * The younger goes first, by the logarithm of its age, so that neither all old nor all young pods are lost
 * (LogarithmicScaleDown). An unknown time counts as young.
 */
function compareAges(a: number | undefined, b: number | undefined, now: number): number {
  if (a === b) return 0
  if (a === undefined) return -1
  if (b === undefined) return 1
  return magnitude(now - a) - magnitude(now - b) || TIE
}

/** Of nanoseconds, as Go counts durations. */
function magnitude(ageMs: number): number {
  return ageMs > 0 ? Math.floor(Math.log2(ageMs * 1e6)) : -1
}

function byUid(a: Pod, b: Pod): number {
  return (a.metadata.uid ?? '') < (b.metadata.uid ?? '') ? -1 : 1
}

function isAssigned(pod: Pod): boolean {
  return pod.spec?.nodeName !== undefined && pod.spec.nodeName !== ''
}

function phaseOrder(pod: Pod): number {
  return PHASE_ORDER[pod.status?.phase ?? ''] ?? 0
}

/** The annotation's value must be a 32-bit integer in its plainest form; else it counts as 0. */
function deletionCost(pod: Pod): number {
  const text = pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? '0'
  if (!/^(0|-?[1-9][0-9]*)$/.test(text)) return 0
  const cost = Number(text)
  return cost >= -(2 ** 31) && cost < 2 ** 31 ? cost : 0
}

function readySince(pod: Pod): number | undefined {
  return timeOf(readyCondition(pod)?.lastTransitionTime)
}

function maxRestarts(pod: Pod): number {
  return Math.max(0, ...(pod.status?.containerStatuses ?? []).map(({ restartCount }) => restartCount))
}

export interface StatusView {
  readonly active: readonly Pod[]
  readonly leaving: readonly Pod[]
  /** Why pods could not be created or deleted in this run. */
  readonly failure: string | undefined
  readonly now: number
}

/** The status, and when an owned pod will have been ready for minReadySeconds (milliseconds from now). */
export function planReplicaSetStatus(
  replicaSet: ReplicaSet,
  { active, leaving, failure, now }: StatusView
): { readonly status: ReplicaSetStatus; readonly again: number | undefined } {
  const template = labelSetMatcher(replicaSet.spec?.template?.metadata?.labels)
  const minReadySeconds = replicaSet.spec?.minReadySeconds ?? 0
  let [fullyLabeled, ready, available] = [0, 0, 0]
  let again: number | undefined
  for (const pod of active) {
    if (template.matches(pod.metadata.labels)) fullyLabeled += 1
    if (!isReady(pod)) continue
    ready += 1
    const wait = availableIn(pod, minReadySeconds, now)
    if (wait === 0) available += 1
    else if (wait !== undefined) again = Math.min(again ?? wait, wait)
  }
  const conditions = planConditions(replicaSet, { active, leaving, failure, now })
  const status: ReplicaSetStatus = {
    replicas: active.length,
    ...(fullyLabeled > 0 ? { fullyLabeledReplicas: fullyLabeled } : {}),
    ...(ready > 0 ? { readyReplicas: ready } : {}),
    ...(available > 0 ? { availableReplicas: available } : {}),
    terminatingReplicas: leaving.length,
    observedGeneration: replicaSet.metadata.generation ?? 0,
    ...(conditions.length > 0 ? { conditions } : {})
  }
  return { status, again }
}

function planConditions(replicaSet: ReplicaSet, { active, failure, now }: StatusView): ReplicaSetCondition[] {
  const conditions = replicaSet.status?.conditions ?? []
  const failed = conditions.some(({ type }) => type === 'ReplicaFailure')
  if (failure === undefined) return conditions.filter(({ type }) => type !== 'ReplicaFailure')
  if (failed) return conditions
  const reason = active.length < (replicaSet.spec?.replicas ?? 1) ? 'FailedCreate' : 'FailedDelete'
  const failedCondition: ReplicaSetCondition = {
    type: 'ReplicaFailure',
    status: 'True',
    lastTransitionTime: timestamp(now),
    reason,
    message: failure
  }
  return [...conditions, failedCondition]
}
