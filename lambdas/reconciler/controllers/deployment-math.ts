/** The numbers of a rollout (pkg/controller/deployment/util). Pure. */
import type { Deployment, PodTemplateSpec, ReplicaSet } from '../../../core/kinds/types.ts'
import { semanticEqual, timeOf } from '../objects.ts'

export const HASH_LABEL = 'pod-template-hash'
export const REVISION = 'deployment.kubernetes.io/revision'
export const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history'
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas'
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas'

const MAX_INT32 = 2 ** 31 - 1

export function replicasOf(object: Deployment | ReplicaSet): number {
  return object.spec?.replicas ?? 1
}

export function isRollingUpdate(deployment: Deployment): boolean {
  return (deployment.spec?.strategy?.type ?? 'RollingUpdate') === 'RollingUpdate'
}

/** How many pods may exist beyond the wanted ones. */
export function maxSurge(deployment: Deployment): number {
  return isRollingUpdate(deployment) ? fenceposts(deployment).surge : 0
}

/** How many of the wanted pods may be missing. */
export function maxUnavailable(deployment: Deployment): number {
  const replicas = replicasOf(deployment)
  if (!isRollingUpdate(deployment) || replicas === 0) return 0
  return Math.min(fenceposts(deployment).unavailable, replicas)
}

/** Surge rounds up, unavailable down; should both be 0, one pod may go: else nothing could ever move. */
function fenceposts(deployment: Deployment): { surge: number; unavailable: number } {
  const { maxSurge = '25%', maxUnavailable = '25%' } = deployment.spec?.strategy?.rollingUpdate ?? {}
  const replicas = replicasOf(deployment)
  const surge = scaled(maxSurge, replicas, Math.ceil)
  const unavailable = scaled(maxUnavailable, replicas, Math.floor)
  return surge === 0 && unavailable === 0 ? { surge, unavailable: 1 } : { surge, unavailable }
}

function scaled(value: number | string, total: number, round: (value: number) => number): number {
  if (typeof value === 'number') return value
  const percent = Number.parseInt(value, 10)
  return Number.isNaN(percent) ? 0 : round((percent * total) / 100)
}

/** Milliseconds; undefined where there is no deadline. */
export function progressDeadlineMs(deployment: Deployment): number | undefined {
  const seconds = deployment.spec?.progressDeadlineSeconds
  return seconds === undefined || seconds === MAX_INT32 ? undefined : seconds * 1000
}

export function historyLimit(deployment: Deployment): number | undefined {
  const limit = deployment.spec?.revisionHistoryLimit
  return limit === MAX_INT32 ? undefined : limit
}

export function sumReplicas(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, set) => sum + replicasOf(set), 0)
}

export function sumActual(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, set) => sum + (set.status?.replicas ?? 0), 0)
}

export function sumReady(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, set) => sum + (set.status?.readyReplicas ?? 0), 0)
}

export function sumAvailable(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, set) => sum + (set.status?.availableReplicas ?? 0), 0)
}

/** Available pods that their sets are to keep. */
export function sumKept(sets: readonly ReplicaSet[]): number {
  return sets.reduce((sum, set) => sum + Math.min(set.status?.availableReplicas ?? 0, replicasOf(set)), 0)
}

/** Unknown as soon as one of them has not said. */
export function sumTerminating(sets: readonly ReplicaSet[]): number | undefined {
  let sum = 0
  for (const { status } of sets) {
    if (status?.terminatingReplicas === undefined) return undefined
    sum += status.terminatingReplicas
  }
  return sum
}

export function revisionOf(object: Deployment | ReplicaSet): number {
  const revision = Number(object.metadata.annotations?.[REVISION] ?? 0)
  return Number.isSafeInteger(revision) ? revision : 0
}

function createdAt(set: ReplicaSet): number {
  return timeOf(set.metadata.creationTimestamp) ?? 0
}

function byName(a: ReplicaSet, b: ReplicaSet): number {
  return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1
}

export function byCreation(a: ReplicaSet, b: ReplicaSet): number {
  return createdAt(a) - createdAt(b) || byName(a, b)
}

export function bySizeOlder(a: ReplicaSet, b: ReplicaSet): number {
  return replicasOf(b) - replicasOf(a) || byCreation(a, b)
}

export function bySizeNewer(a: ReplicaSet, b: ReplicaSet): number {
  return replicasOf(b) - replicasOf(a) || byCreation(b, a)
}

export function byRevision(a: ReplicaSet, b: ReplicaSet): number {
  return revisionOf(a) - revisionOf(b) || byCreation(a, b)
}

/** Whether the set has the deployment's template, but for the hash that the controller adds. */
export function hasTemplateOf(set: ReplicaSet, deployment: Deployment): boolean {
  return semanticEqual(withoutHash(set.spec?.template), withoutHash(deployment.spec?.template))
}

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  const labels = template?.metadata?.labels
  if (template === undefined || labels?.[HASH_LABEL] === undefined) return template
  const { [HASH_LABEL]: _, ...rest } = labels
  return { ...template, metadata: { ...template.metadata, labels: rest } }
}

const SAFE = 'bcdfghjklmnpqrstvwxz2456789'

/** The pod-template-hash: FNV-1a of the template and the collision count, its decimals spelt in the safe alphabet. */
export function templateHash(template: PodTemplateSpec | undefined, collisionCount: number | undefined): string {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(canonical(template) + (collisionCount ?? ''))) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0
  }
  return Array.from(String(hash), (digit) => SAFE[digit.charCodeAt(0) % SAFE.length]).join('')
}

/** JSON with sorted keys and without empty values, so that equal templates have equal text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  const fields = Object.entries(value)
    .filter(([, field]) => !semanticEqual(field, undefined))
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(',')}}`
}
