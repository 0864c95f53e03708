/** Pods outlive an unreachable or not-ready node by five minutes, unless they say otherwise. */
import type { Pod, Toleration } from '../../../core/kinds/types.ts'
import type { AdmissionPlugin } from '../types.ts'

/** kube-apiserver's --default-not-ready-toleration-seconds. */
const SECONDS = 300
const TAINTS = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']

export const defaultTolerationSeconds: AdmissionPlugin = {
  name: 'DefaultTolerationSeconds',
  resources: ['pods'],
  async mutate({ kind, operation, subresource, object }) {
    if (kind.group !== '' || kind.resource !== 'pods' || subresource !== undefined) return
    // On updates too, so that who replaces a pod by what created it takes nothing away.
    if (operation !== 'CREATE' && operation !== 'UPDATE') return
    const { spec } = object as unknown as Pod
    if (spec === undefined) return
    const tolerations = spec.tolerations ?? []
    const missing = TAINTS.filter((key) => !tolerations.some((toleration) => tolerates(toleration, key)))
    if (missing.length === 0) return
    spec.tolerations = [
      ...tolerations,
      ...missing.map((key) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: SECONDS }))
    ]
  }
}

function tolerates(toleration: Toleration, key: string): boolean {
  const { key: own = '', effect = '' } = toleration
  return (own === '' || own === key) && (effect === '' || effect === 'NoExecute')
}
