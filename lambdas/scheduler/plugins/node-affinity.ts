import type { PodSpec } from '../../../core/kinds/types.ts'
import { nodeTerm, requiredNodes } from '../../../core/node-selection.ts'
import { type FilterPlugin, normalized, refusal, type ScorePlugin } from './plugin.ts'

const REFUSED = refusal("node(s) didn't match Pod's node affinity/selector", true)
/** Kubernetes leaves nodes out before it filters, where the pod names the ones it can use (a DaemonSet's pods do). */
const LEFT_OUT = refusal("node(s) didn't satisfy plugin(s) [NodeAffinity]", true)

export const nodeAffinity: FilterPlugin & ScorePlugin = {
  name: 'NodeAffinity',
  weight: 2,
  wakers: ['node'],
  filter: ({ candidate, snapshot }) => {
    const test = requiredNodes(candidate.object.spec)
    if (test === undefined) return undefined
    const named = namedNodes(candidate.object.spec)
    const leaves = named !== undefined && snapshot.nodes.some(({ name }) => named.has(name))
    return ({ name, node }) => {
      if (leaves && !named.has(name)) return LEFT_OUT
      return test(node.labels, name) ? undefined : REFUSED
    }
  },
  score: ({ candidate }, nodes) => {
    const terms = candidate.object.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    const weighed = terms.map(({ preference, weight }) => ({ test: nodeTerm(preference), weight }))
    if (weighed.length === 0) return undefined
    const raw = nodes.map(({ name, node }) =>
      weighed.reduce((sum, { test, weight }) => sum + (test(node.labels, name) ? weight : 0), 0)
    )
    return normalized(raw, false)
  }
}

/** The nodes that the required terms name by matchFields; undefined where a term does not. */
function namedNodes(spec: PodSpec | undefined): ReadonlySet<string> | undefined {
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  if (required === undefined || required.nodeSelectorTerms.length === 0) return undefined
  const names = new Set<string>()
  for (const { matchFields } of required.nodeSelectorTerms) {
    const named = matchFields?.find(({ key, operator }) => key === 'metadata.name' && operator === 'In')
    if (named === undefined) return undefined
    for (const name of named.values ?? []) names.add(name)
  }
  return names
}
