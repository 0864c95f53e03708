/** Which nodes a pod may use, by their names, labels and taints alone: for the scheduler and for whoever makes nodes. */
import type { NodeSelectorRequirement, NodeSelectorTerm, PodSpec, Taint, Toleration } from './kinds/types.ts'

export type NodeTest = (labels: Readonly<Record<string, string>>, name: string) => boolean

export type PlainTaint = Pick<Taint, 'key' | 'value' | 'effect'>

/** nodeSelector and the required affinity together; undefined: any node. */
export function requiredNodes(spec: PodSpec | undefined): NodeTest | undefined {
  const selector = Object.entries(spec?.nodeSelector ?? {})
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  if (selector.length === 0 && required === undefined) return undefined
  const terms = required?.nodeSelectorTerms.map(nodeTerm)
  return (labels, name) =>
    selector.every(([key, value]) => labels[key] === value) && (terms?.some((test) => test(labels, name)) ?? true)
}

/** An empty term selects nothing. */
export function nodeTerm({ matchExpressions, matchFields }: NodeSelectorTerm): NodeTest {
  const labels = (matchExpressions ?? []).map(requirement)
  const fields = (matchFields ?? []).map(requirement)
  if (labels.length + fields.length === 0) return () => false
  return (has, name) =>
    labels.every(({ key, test }) => test(has[key])) &&
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

export function tolerates(tolerations: readonly Toleration[], taint: PlainTaint): boolean {
  return tolerations.some((toleration) => {
    if ((toleration.effect ?? '') !== '' && toleration.effect !== taint.effect) return false
    if ((toleration.key ?? '') !== '' && toleration.key !== taint.key) return false
    if (toleration.operator === 'Exists') return true
    const equal = toleration.operator === undefined || toleration.operator === '' || toleration.operator === 'Equal'
    return equal && (toleration.key ?? '') !== '' && (toleration.value ?? '') === (taint.value ?? '')
  })
}

/** Whether one of the taints keeps the pod away. */
export function untolerated(tolerations: readonly Toleration[], taints: readonly PlainTaint[]): boolean {
  return taints.some(
    (taint) => (taint.effect === 'NoSchedule' || taint.effect === 'NoExecute') && !tolerates(tolerations, taint)
  )
}
