/** While a pod is held back by a scheduling gate, its node selector and node affinity may be narrowed. */
import { invalid } from '../field-errors.ts'
import { type Errors, sameValue, sorted } from './checks.ts'
import { goStruct } from './go-structs.ts'
import type { NodeAffinity, NodeSelectorTerm, PodSpec } from './types.ts'

const REQUIRED = 'requiredDuringSchedulingIgnoredDuringExecution'

/** Puts back in `spec` what it allows, so that only forbidden changes are left. */
export function checkGatedChanges(spec: PodSpec, before: PodSpec, errors: Errors): void {
  if (!sameValue(spec.nodeSelector, before.nodeSelector)) {
    const selector = spec.nodeSelector ?? {}
    const kept = Object.entries(before.nodeSelector ?? {}).every(([key, value]) => selector[key] === value)
    if (!kept)
      errors.push(
        invalid(
          'spec.nodeSelector',
          sorted(spec.nodeSelector),
          'only additions to spec.nodeSelector are allowed (no mutations or deletions)'
        )
      )
    spec.nodeSelector = before.nodeSelector
  }
  const old = before.affinity?.nodeAffinity
  if (sameValue(spec.affinity?.nodeAffinity, old)) return
  checkNodeAffinity(spec.affinity?.nodeAffinity, old, errors)
  const { podAffinity, podAntiAffinity } = spec.affinity ?? {}
  const alone = podAffinity === undefined && podAntiAffinity === undefined
  if (before.affinity === undefined && alone) spec.affinity = undefined
  else spec.affinity = { ...spec.affinity, nodeAffinity: old }
}

function checkNodeAffinity(next: NodeAffinity | undefined, old: NodeAffinity | undefined, errors: Errors): void {
  const oldTerms = old?.[REQUIRED]?.nodeSelectorTerms ?? []
  if (oldTerms.length === 0) return
  const terms = next?.[REQUIRED]?.nodeSelectorTerms ?? []
  const path = `spec.affinity.nodeAffinity.${REQUIRED}.nodeSelectorTerms`
  if (terms.length !== oldTerms.length) {
    const shown = terms.length === 0 ? null : terms.map((term) => goStruct('NodeSelectorTerm', term))
    errors.push(invalid(path, shown, 'no additions/deletions to non-empty NodeSelectorTerms list are allowed'))
    return
  }
  oldTerms.forEach((term, i) => {
    const after = terms[i] ?? {}
    if (!hasOnlyAdditions(after, term))
      errors.push(
        invalid(
          `${path}[${i}]`,
          goStruct('NodeSelectorTerm', after),
          'only additions are allowed (no mutations or deletions)'
        )
      )
  })
}

function hasOnlyAdditions(term: NodeSelectorTerm, before: NodeSelectorTerm): boolean {
  const lists = ['matchExpressions', 'matchFields'] as const
  // A term that matched nothing must go on matching nothing.
  if (lists.every((list) => (before[list] ?? []).length === 0))
    return lists.every((list) => (term[list] ?? []).length === 0)
  return lists.every((list) => {
    const old = before[list] ?? []
    return sameValue((term[list] ?? []).slice(0, old.length), old)
  })
}
