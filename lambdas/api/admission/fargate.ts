/** A pod that selects Fargate tolerates the taint of its node: the selector alone says what is wanted. */
import type { Pod } from '../../../core/kinds/types.ts'
import { tolerates } from '../../../core/node-selection.ts'
import { COMPUTE, FARGATE, FARGATE_TAINT } from '../../../core/virtual-node.ts'
import type { AdmissionPlugin } from '../types.ts'

export const fargateToleration: AdmissionPlugin = {
  name: 'FargateToleration',
  resources: ['pods'],
  async mutate({ kind, operation, subresource, object }) {
    if (kind.group !== '' || kind.resource !== 'pods' || subresource !== undefined || operation !== 'CREATE') return
    const { spec } = object as unknown as Pod
    if (spec?.nodeSelector?.[COMPUTE] !== FARGATE) return
    const tolerations = spec.tolerations ?? []
    const effect = 'NoSchedule'
    if (tolerates(tolerations, { key: FARGATE_TAINT, effect })) return
    spec.tolerations = [...tolerations, { key: FARGATE_TAINT, operator: 'Exists', effect }]
  }
}
