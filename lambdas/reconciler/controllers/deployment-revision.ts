/** The ReplicaSet of a Deployment's template: its name, its labels, its place in the history. Pure. */
import { deployments } from '../../../core/kinds/refs.ts'
import type { Deployment, ReplicaSet } from '../../../core/kinds/types.ts'
import { controllerReference } from '../objects.ts'
import {
  DESIRED_REPLICAS,
  HASH_LABEL,
  MAX_REPLICAS,
  maxSurge,
  REVISION,
  REVISION_HISTORY,
  replicasOf,
  revisionOf,
  templateHash
} from './deployment-math.ts'

/** Annotations of a Deployment that its ReplicaSets do not get. */
const NOT_COPIED = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  'deprecated.deployment.rollback.to'
])

/** Characters of the revision history (maxRevHistoryLengthInChars); the oldest revisions are forgotten. */
const HISTORY_MAX = 2000

/** Without replicas yet: the caller knows how many fit. */
export function newReplicaSet(deployment: Deployment, old: readonly ReplicaSet[]): ReplicaSet {
  const { metadata, spec, status } = deployment
  const hash = templateHash(spec?.template, status?.collisionCount)
  const labels = { ...spec?.template.metadata?.labels, [HASH_LABEL]: hash }
  const wanted = replicasOf(deployment)
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${metadata.name}-${hash}`,
      namespace: metadata.namespace,
      labels,
      annotations: {
        ...copied(deployment),
        [REVISION]: String(nextRevision(old)),
        [DESIRED_REPLICAS]: String(wanted),
        [MAX_REPLICAS]: String(wanted + maxSurge(deployment))
      },
      ownerReferences: [controllerReference(deployments, metadata)]
    },
    spec: {
      replicas: 0,
      ...(spec?.minReadySeconds === undefined ? {} : { minReadySeconds: spec.minReadySeconds }),
      selector: { ...spec?.selector, matchLabels: { ...spec?.selector.matchLabels, [HASH_LABEL]: hash } },
      template: { ...spec?.template, metadata: { ...spec?.template.metadata, labels } }
    }
  }
}

/** The current set with what it should have by now; undefined when it has it. */
export function adjustedSet(
  deployment: Deployment,
  set: ReplicaSet,
  old: readonly ReplicaSet[]
): ReplicaSet | undefined {
  const before = set.metadata.annotations ?? {}
  const annotations = { ...before, ...copied(deployment), ...revised(set, nextRevision(old)) }
  const minReadySeconds = deployment.spec?.minReadySeconds ?? 0
  const annotated = Object.entries(annotations).some(([key, value]) => before[key] !== value)
  if (!annotated && (set.spec?.minReadySeconds ?? 0) === minReadySeconds) return undefined
  const spec = { ...set.spec, selector: set.spec?.selector ?? {}, minReadySeconds }
  return { ...set, metadata: { ...set.metadata, annotations }, spec }
}

/** A set that becomes current again keeps its former revisions as history: that is what a rollback leaves. */
function revised(set: ReplicaSet, next: number): Record<string, string> {
  const text = set.metadata.annotations?.[REVISION]
  if (text !== undefined && !/^-?[0-9]+$/.test(text)) return {}
  if (revisionOf(set) >= next) return {}
  if (text === undefined) return { [REVISION]: String(next) }
  const history = (set.metadata.annotations?.[REVISION_HISTORY] ?? '').split(',').filter((entry) => entry !== '')
  history.push(text)
  while (history.join(',').length > HISTORY_MAX && history.length > 1) history.shift()
  return { [REVISION]: String(next), [REVISION_HISTORY]: history.join(',') }
}

function nextRevision(old: readonly ReplicaSet[]): number {
  return Math.max(0, ...old.map(revisionOf)) + 1
}

function copied(deployment: Deployment): Record<string, string> {
  const annotations = Object.entries(deployment.metadata.annotations ?? {})
  return Object.fromEntries(annotations.filter(([key]) => !NOT_COPIED.has(key)))
}
