import { tolerates } from '../../../core/node-selection.ts'
import { type FilterPlugin, refusal } from './plugin.ts'

const REFUSED = refusal('node(s) were unschedulable', true)
const CORDON = { key: 'node.kubernetes.io/unschedulable', effect: 'NoSchedule' }

export const nodeUnschedulable: FilterPlugin = {
  name: 'NodeUnschedulable',
  wakers: ['node'],
  filter: ({ candidate }) => {
    if (tolerates(candidate.object.spec?.tolerations ?? [], CORDON)) return undefined
    return ({ node }) => (node.unschedulable ? REFUSED : undefined)
  }
}
