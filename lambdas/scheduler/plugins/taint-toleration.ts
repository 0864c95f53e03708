import type { Taint, Toleration } from '../../../core/kinds/types.ts'
import { type FilterPlugin, normalized, refusal, type ScorePlugin } from './plugin.ts'

type PlainTaint = Pick<Taint, 'key' | 'value' | 'effect'>

/** Since 1.35 without the taint's key and value, which may be nobody's business (kubernetes/kubernetes#134740). */
const REFUSED = refusal('node(s) had untolerated taint(s)', true)

export function tolerates(tolerations: readonly Toleration[], taint: PlainTaint): boolean {
  return tolerations.some((toleration) => {
    if ((toleration.effect ?? '') !== '' && toleration.effect !== taint.effect) return false
    if ((toleration.key ?? '') !== '' && toleration.key !== taint.key) return false
    if (toleration.operator === 'Exists') return true
    const equal = toleration.operator === undefined || toleration.operator === '' || toleration.operator === 'Equal'
    return equal && (toleration.key ?? '') !== '' && (toleration.value ?? '') === (taint.value ?? '')
  })
}

export function untolerated(tolerations: readonly Toleration[], taints: readonly PlainTaint[]): boolean {
  return taints.some(
    (taint) => (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') && !tolerates(tolerations, taint)
  )
}

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
