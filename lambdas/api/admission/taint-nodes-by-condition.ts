/** A new node takes no pods before the node lifecycle controller has found it ready. */
import type { Node } from '../../../core/kinds/types.ts'
import type { AdmissionPlugin } from '../types.ts'

const NOT_READY = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' } as const

export const taintNodesByCondition: AdmissionPlugin = {
  name: 'TaintNodesByCondition',
  resources: ['nodes'],
  async mutate({ kind, operation, subresource, object }) {
    if (operation !== 'CREATE' || kind.group !== '' || kind.resource !== 'nodes' || subresource !== undefined) return
    const node = object as unknown as Node
    const taints = node.spec?.taints ?? []
    if (taints.some((taint) => taint.key === NOT_READY.key && taint.effect === NOT_READY.effect)) return
    node.spec = { ...node.spec, taints: [...taints, { ...NOT_READY }] }
  }
}
