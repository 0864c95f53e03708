/** The status of a Deployment and the conditions that tell of a rollout's progress. Pure. */
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../../../core/kinds/types.ts'
import { timestamp } from '../../../core/ports.ts'
import { semanticEqual, timeOf } from '../objects.ts'
import {
  maxUnavailable,
  progressDeadlineMs,
  replicasOf,
  sumActual,
  sumAvailable,
  sumReady,
  sumReplicas,
  sumTerminating
} from './deployment-math.ts'

export interface StatusView {
  readonly current: ReplicaSet | undefined
  readonly old: readonly ReplicaSet[]
  /** Name of the current set, if this run made it. */
  readonly created: string | undefined
  readonly judgeProgress: boolean
  /** Milliseconds since 1970. */
  readonly now: number
}

export interface StatusPlan {
  readonly status: DeploymentStatus
  /** Milliseconds until the progress deadline must be looked at. */
  readonly again: number | undefined
}

type Conditions = readonly DeploymentCondition[]

export function planDeploymentStatus(deployment: Deployment, view: StatusView): StatusPlan {
  const { current, now } = view
  const before = earlierConditions(deployment, view)
  const counts = countsOf(deployment, view)
  let conditions = setCondition(before, availability(deployment, counts, now))
  if (view.judgeProgress) {
    conditions = progress(deployment, counts, { view, before, conditions })
    const failure = failures(view)[0]
    conditions = failure === undefined ? without(conditions, 'ReplicaFailure') : setCondition(conditions, failure)
  }
  const status = conditions.length > 0 ? { ...counts, conditions: [...conditions] } : counts
  return { status, again: current === undefined ? undefined : deadlineIn(deployment, status, now) }
}

/** When a new ReplicaSet could not be made. */
export function planCreationFailure(
  deployment: Deployment,
  message: string,
  now: number
): DeploymentStatus | undefined {
  if (progressDeadlineMs(deployment) === undefined) return undefined
  const condition = makeCondition(
    { type: 'Progressing', status: 'False', reason: 'ReplicaSetCreateError' },
    message,
    now
  )
  const conditions = setCondition(deployment.status?.conditions ?? [], condition)
  const status = { ...deployment.status, conditions: [...conditions] }
  return semanticEqual(status, deployment.status) ? undefined : status
}

/** What is said before the counts are judged: a pause or its end, a set that was found or made. */
function earlierConditions(deployment: Deployment, { current, created, now }: StatusView): Conditions {
  const before = deployment.status?.conditions ?? []
  if (progressDeadlineMs(deployment) === undefined || deployment.metadata.deletionTimestamp !== undefined) return before
  const conditions = pauseConditions(deployment, before, now)
  if (created !== undefined) {
    const message = `Created new replica set "${created}"`
    return setCondition(conditions, progressing('True', 'NewReplicaSetCreated', { message, now }))
  }
  if (find(conditions, 'Progressing') !== undefined || current === undefined) return conditions
  const message = `Found new replica set "${current.metadata.name}"`
  return setCondition(conditions, progressing('True', 'FoundNewReplicaSet', { message, now }))
}

/** The time of a pause does not count against the deadline: both its ends renew the condition. */
function pauseConditions(deployment: Deployment, conditions: Conditions, now: number): Conditions {
  const known = find(conditions, 'Progressing')
  const isPaused = deployment.spec?.paused === true
  const pauseKnown = known?.reason === 'DeploymentPaused'
  if (known?.reason === 'ProgressDeadlineExceeded' || isPaused === pauseKnown) return conditions
  const condition = isPaused
    ? progressing('Unknown', 'DeploymentPaused', { message: 'Deployment is paused', now })
    : progressing('Unknown', 'DeploymentResumed', { message: 'Deployment is resumed', now })
  return setCondition(conditions, condition)
}

function countsOf(deployment: Deployment, { current, old }: StatusView): DeploymentStatus {
  const sets = current === undefined ? old : [...old, current]
  const available = sumAvailable(sets)
  const unavailable = Math.max(0, sumReplicas(sets) - available)
  const terminating = sumTerminating(sets)
  const counts: Record<string, number | undefined> = {
    replicas: sumActual(sets),
    updatedReplicas: current?.status?.replicas ?? 0,
    readyReplicas: sumReady(sets),
    availableReplicas: available,
    unavailableReplicas: unavailable
  }
  const status: DeploymentStatus = Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0))
  status.observedGeneration = deployment.metadata.generation ?? 0
  if (terminating !== undefined) status.terminatingReplicas = terminating
  if (deployment.status?.collisionCount !== undefined) status.collisionCount = deployment.status.collisionCount
  return status
}

function availability(deployment: Deployment, counts: DeploymentStatus, now: number): DeploymentCondition {
  const enough = (counts.availableReplicas ?? 0) >= replicasOf(deployment) - maxUnavailable(deployment)
  return enough
    ? makeCondition(
        { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable' },
        'Deployment has minimum availability.',
        now
      )
    : makeCondition(
        { type: 'Available', status: 'False', reason: 'MinimumReplicasUnavailable' },
        'Deployment does not have minimum availability.',
        now
      )
}

interface Progress {
  readonly view: StatusView
  readonly before: Conditions
  readonly conditions: Conditions
}

/** syncRolloutStatus. */
function progress(
  deployment: Deployment,
  counts: DeploymentStatus,
  { view, before, conditions }: Progress
): Conditions {
  const deadline = progressDeadlineMs(deployment)
  if (deadline === undefined) return without(conditions, 'Progressing')
  const known = find(before, 'Progressing')
  const settled = (counts.replicas ?? 0) === (counts.updatedReplicas ?? 0) && known?.reason === 'NewReplicaSetAvailable'
  if (settled) return conditions
  const { current, now } = view
  const subject =
    current === undefined ? `Deployment "${deployment.metadata.name}"` : `ReplicaSet "${current.metadata.name}"`
  if (isComplete(deployment, counts)) {
    const message = `${subject} has successfully progressed.`
    return setCondition(conditions, progressing('True', 'NewReplicaSetAvailable', { message, now }))
  }
  if (hasProgressed(deployment.status ?? {}, counts)) {
    const condition = progressing('True', 'ReplicaSetUpdated', { message: `${subject} is progressing.`, now })
    if (known?.status === 'True') condition.lastTransitionTime = known.lastTransitionTime
    return [...without(conditions, 'Progressing'), condition]
  }
  if (known !== undefined && isLate(known, deadline, now)) {
    const message = `${subject} has timed out progressing.`
    return setCondition(conditions, progressing('False', 'ProgressDeadlineExceeded', { message, now }))
  }
  return conditions
}

export function isComplete(deployment: Deployment, status: DeploymentStatus): boolean {
  const wanted = replicasOf(deployment)
  return (
    (status.updatedReplicas ?? 0) === wanted &&
    (status.replicas ?? 0) === wanted &&
    (status.availableReplicas ?? 0) === wanted &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  )
}

function hasProgressed(before: DeploymentStatus, after: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus) => (status.replicas ?? 0) - (status.updatedReplicas ?? 0)
  return (
    (after.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.readyReplicas ?? 0) > (before.readyReplicas ?? 0) ||
    (after.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  )
}

function isLate(known: DeploymentCondition, deadlineMs: number, now: number): boolean {
  if (known.reason === 'NewReplicaSetAvailable') return false
  if (known.reason === 'ProgressDeadlineExceeded') return true
  const from = timeOf(known.lastUpdateTime)
  return from !== undefined && from + deadlineMs < now
}

function deadlineIn(deployment: Deployment, status: DeploymentStatus, now: number): number | undefined {
  const deadline = progressDeadlineMs(deployment)
  const known = find(status.conditions ?? [], 'Progressing')
  const from = timeOf(known?.lastUpdateTime)
  if (deadline === undefined || from === undefined || deployment.spec?.paused === true) return undefined
  if (isComplete(deployment, status) || known?.reason === 'ProgressDeadlineExceeded') return undefined
  if (known?.reason === 'NewReplicaSetAvailable') return undefined
  // A second more, because times are written in whole seconds.
  return Math.max(0, from + deadline - now) + 1000
}

/** What the current set could not do; if it could, what any other could not. */
function failures({ current, old }: StatusView): DeploymentCondition[] {
  const of = (sets: readonly ReplicaSet[]) =>
    sets.flatMap(({ status }) =>
      (status?.conditions ?? [])
        .filter(({ type }) => type === 'ReplicaFailure')
        .map((condition): DeploymentCondition => ({ ...condition, lastUpdateTime: condition.lastTransitionTime }))
    )
  const own = of(current === undefined ? [] : [current])
  return own.length > 0 ? own : of(old)
}

/** Of a condition that says the same with the same reason, not even the times change. */
function setCondition(conditions: Conditions, condition: DeploymentCondition): Conditions {
  const known = find(conditions, condition.type)
  if (known?.status === condition.status && known.reason === condition.reason) return conditions
  const kept = known?.status === condition.status ? { lastTransitionTime: known.lastTransitionTime } : {}
  return [...without(conditions, condition.type), { ...condition, ...kept }]
}

function find(conditions: Conditions, type: string): DeploymentCondition | undefined {
  return conditions.find((condition) => condition.type === type)
}

function without(conditions: Conditions, type: string): Conditions {
  return conditions.filter((condition) => condition.type !== type)
}

function progressing(
  status: string,
  reason: string,
  { message, now }: { message: string; now: number }
): DeploymentCondition {
  return makeCondition({ type: 'Progressing', status, reason }, message, now)
}

function makeCondition(
  what: { type: string; status: string; reason: string },
  message: string,
  now: number
): DeploymentCondition {
  const time = timestamp(now)
  return { ...what, message, lastUpdateTime: time, lastTransitionTime: time }
}
