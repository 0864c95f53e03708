import { tolerates, untolerated } from '../../../core/node-selection.ts'
import { type FilterPlugin, normalized, refusal, type ScorePlugin } from './plugin.ts'

/** Since 1.35 without the taint's key and value, which may be nobody's business (kubernetes/kubernetes#134740). */
const REFUSED = refusal('node(s) had untolerated taint(s)', true)

export const taintToleration: FilterPlugin & ScorePlugin = {
  name: 'TaintToleration',
  weight: 3,
  wakers: ['node'],
  filter: ({ candidate }) => {
    const tolerations = candidate.object.spec?.tolerations ?? []
    return ({ node }) => (node.taints.length > 0 && untolerated(tolerations, node.taints) ? REFUSED : undefined)
  },
  score: ({ candidate }, nodes) => {
    if (nodes.every(({ node }) => node.taints.length === 0)) return undefined
    const all = candidate.object.spec?.tolerations ?? []
    const tolerations = all.filter(({ effect }) => (effect ?? '') === '' || effect === 'PreferNoSchedule')
    const raw = nodes.map(
      ({ node }) =>
        node.taints.filter((taint) => taint.effect === 'PreferNoSchedule' && !tolerates(tolerations, taint)).length
    )
    return normalized(raw, true)
  }
}
