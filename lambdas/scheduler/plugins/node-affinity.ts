import type { NodeSelectorRequirement, NodeSelectorTerm, PodSpec } from '../../../core/kinds/types.ts'
import type { NodeInfo } from '../snapshot.ts'
import { type FilterPlugin, normalized, refusal, type ScorePlugin } from './plugin.ts'

const REFUSED = refusal("node(s) didn't match Pod's node affinity/selector", true)
/** Kubernetes leaves nodes out before it filters, where the pod names the ones it can use (a DaemonSet's pods do). */
const LEFT_OUT = refusal("node(s) didn't satisfy plugin(s) [NodeAffinity]", true)

type Test = (node: NodeInfo) => boolean

export const nodeAffinity: FilterPlugin & ScorePlugin = {
  name: 'NodeAffinity',
  weight: 2,
  wakers: ['node'],
  filter: ({ candidate, snapshot }) => {
    const test = requiredNodes(candidate.object.spec)
    if (test === undefined) return undefined
    const named = namedNodes(candidate.object.spec)
    const leaves = named !== undefined && snapshot.nodes.some(({ name }) => named.has(name))
    return (node) => {
      if (leaves && !named.has(node.name)) return LEFT_OUT
      return test(node) ? undefined : REFUSED
    }
  },
  score: ({ candidate }, nodes) => {
    const terms = candidate.object.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
    const weighed = terms.map(({ preference, weight }) => ({ test: nodeTerm(preference), weight }))
    if (weighed.length === 0) return undefined
    const raw = nodes.map((node) => weighed.reduce((sum, { test, weight }) => sum + (test(node) ? weight : 0), 0))
    return normalized(raw, false)
  }
}

/** nodeSelector and the required affinity together; undefined: any node. */
export function requiredNodes(spec: PodSpec | undefined): Test | undefined {
  const selector = Object.entries(spec?.nodeSelector ?? {})
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  if (selector.length === 0 && required === undefined) return undefined
  const terms = required?.nodeSelectorTerms.map(nodeTerm)
  return (node) =>
    selector.every(([key, value]) => node.node.labels[key] === value) && (terms?.some((test) => test(node)) ?? true)
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

/** An empty term selects nothing. */
export function nodeTerm({ matchExpressions, matchFields }: NodeSelectorTerm): Test {
  const labels = (matchExpressions ?? []).map(requirement)
  const fields = (matchFields ?? []).map(requirement)
  if (labels.length + fields.length === 0) return () => false
  return ({ node, name }) =>
    labels.every(({ key, test }) => test(node.labels[key])) &&
    fields.every(({ key, test }) => test(key === 'metadata.name' ? name : undefined))
}

function requirement({ key, operator, values = [] }: NodeSelectorRequirement) {
  return { key, test: valueTest(operator, values) }
}

function valueTest(operator: string, values: readonly string[]): (value: string | undefined) => boolean {
  switch (operator) {
    case 'In':
      return (value) => value !== undefined && values.includes(value)
    case 'NotIn':
      return (value) => value === undefined || !values.includes(value)
    case 'Exists':
      return (value) => value !== undefined
    case 'DoesNotExist':
      return (value) => value === undefined
    case 'Gt':
      return (value) => isInteger(value) && isInteger(values[0]) && BigInt(value) > BigInt(values[0])
    case 'Lt':
      return (value) => isInteger(value) && isInteger(values[0]) && BigInt(value) < BigInt(values[0])
    default:
      return () => false
  }
}

function isInteger(text: string | undefined): text is string {
  return text !== undefined && /^-?\d+$/.test(text)
}
