/** A new pod's first status, and what the API server writes into its scheduling terms. */
import { timestamp } from '../ports.ts'
import { qosClass } from './pod-qos.ts'
import type { LabelSelector, Pod, PodAffinity, PodAntiAffinity, PodStatus } from './types.ts'

type Labels = Readonly<Record<string, string>>

/** `now`: milliseconds since 1970. */
export function preparePod(pod: Pod, now: number): void {
  const status: PodStatus = { phase: 'Pending', qosClass: pod.status?.qosClass || qosClass(pod) }
  const { spec, metadata } = pod
  if ((spec?.schedulingGates ?? []).length > 0)
    status.conditions = [
      {
        type: 'PodScheduled',
        status: 'False',
        lastProbeTime: UNSET,
        lastTransitionTime: timestamp(now),
        reason: 'SchedulingGated',
        message: 'Scheduling is blocked due to non-empty scheduling gates'
      }
    ]
  pod.status = status
  if (spec === undefined) return
  // Fields of features that 1.35 leaves off.
  delete spec.workloadRef
  for (const container of [...(spec.containers ?? []), ...(spec.initContainers ?? [])])
    if (container.lifecycle?.stopSignal !== undefined) {
      delete container.lifecycle.stopSignal
      if (Object.keys(container.lifecycle).length === 0) delete container.lifecycle
    }
  for (const { projected } of spec.volumes ?? [])
    for (const source of projected?.sources ?? []) {
      delete source.clusterTrustBundle
      delete source.podCertificate
    }
  const { labels } = metadata
  if (labels === undefined) return
  fillAffinity(spec.affinity?.podAffinity, labels)
  fillAffinity(spec.affinity?.podAntiAffinity, labels)
  for (const constraint of spec.topologySpreadConstraints ?? []) fillSelector(constraint, labels)
}

const UNSET = null as unknown as string

function fillAffinity(affinity: PodAffinity | PodAntiAffinity | undefined, labels: Labels): void {
  if (affinity === undefined) return
  for (const term of affinity.requiredDuringSchedulingIgnoredDuringExecution ?? []) fillSelector(term, labels)
  for (const { podAffinityTerm } of affinity.preferredDuringSchedulingIgnoredDuringExecution ?? [])
    if (podAffinityTerm !== undefined) fillSelector(podAffinityTerm, labels)
}

/** matchLabelKeys stand for the values that this very pod has. */
function fillSelector(
  term: {
    labelSelector?: LabelSelector | undefined
    matchLabelKeys?: string[] | undefined
    mismatchLabelKeys?: string[] | undefined
  },
  labels: Labels
): void {
  const { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] } = term
  if (labelSelector === undefined) return
  const add = (key: string, operator: 'In' | 'NotIn') => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined
    if (value === undefined) return
    labelSelector.matchExpressions ??= []
    labelSelector.matchExpressions.push({ key, operator, values: [value] })
  }
  for (const key of matchLabelKeys) add(key, 'In')
  for (const key of mismatchLabelKeys) add(key, 'NotIn')
}
