/** What the node refuses though the scheduler, or somebody who went round it, sent it here. Pure. */

import type { Container, NodeSelectorTerm, Pod } from '../core/kinds/types.ts'
import { addQuantity, compareQuantity, parseQuantity, type Quantity, ZERO } from '../core/quantity.ts'
import { labelSelectorMatcher } from '../core/selector.ts'
import { isSidecar, isTerminalPhase } from './pod/input.ts'

export interface NodeFit {
  readonly allocatable: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  readonly nodeName: string
  /** The pods that the node has taken before this one. */
  readonly others: readonly Pod[]
}

export interface Rejection {
  readonly reason: string
  readonly message: string
}

/** undefined: the node takes it. */
export function admit(pod: Pod, node: NodeFit): Rejection | undefined {
  const others = node.others.filter((other) => !isTerminalPhase(other.status?.phase))
  const full = lacking(pod, { ...node, others })
  if (full !== undefined) return full
  if (!matchesNode(pod, node)) {
    const message = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    return { reason: 'NodeAffinity', message }
  }
  if (portsTaken(pod, others)) {
    const message = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"
    return { reason: 'NodePorts', message }
  }
  return undefined
}

function lacking(pod: Pod, node: NodeFit): Rejection | undefined {
  const most = Number(node.allocatable.pods ?? '110')
  if (node.others.length + 1 > most) return out('pods', { requested: 1, used: node.others.length, capacity: most })
  const wanted = podRequests(pod)
  for (const [resource, amount] of wanted) {
    if (amount.nano === 0n) continue
    const allocatable = parseQuantity(node.allocatable[resource] ?? '0')
    let used: Quantity = ZERO
    for (const other of node.others) used = addQuantity(used, podRequests(other).get(resource) ?? ZERO)
    if (compareQuantity(addQuantity(used, amount), allocatable) <= 0) continue
    const count = (quantity: Quantity) => {
      const nano = Number(quantity.nano)
      return resource === 'cpu' ? Math.ceil(nano / 1e6) : Math.ceil(nano / 1e9)
    }
    return out(resource, { requested: count(amount), used: count(used), capacity: count(allocatable) })
  }
  return undefined
}

function out(resource: string, sums: { requested: number; used: number; capacity: number }): Rejection {
  const { requested, used, capacity } = sums
  const numbers = `requested: ${requested}, used: ${used}, capacity: ${capacity}`
  return {
    reason: `OutOf${resource}`,
    message: `Node didn't have enough resource: ${resource}, ${numbers}`
  }
}

/** Containers together with sidecars, or the largest init container beside the sidecars before it; plus overhead. */
export function podRequests(pod: Pod): Map<string, Quantity> {
  const { spec } = pod
  const total = new Map<string, Quantity>()
  const sidecars = new Map<string, Quantity>()
  const peak = new Map<string, Quantity>()
  for (const container of spec?.containers ?? []) add(total, requestsOf(container))
  for (const container of spec?.initContainers ?? []) {
    const requests = requestsOf(container)
    if (isSidecar(container)) add(sidecars, requests)
    const beside = new Map(sidecars)
    if (!isSidecar(container)) add(beside, requests)
    for (const [name, amount] of beside) raise(peak, name, amount)
  }
  add(total, [...sidecars])
  for (const [name, amount] of peak) raise(total, name, amount)
  add(
    total,
    Object.entries(spec?.overhead ?? {}).map(([name, text]) => [name, parseQuantity(text)])
  )
  return total
}

function requestsOf(container: Container): [string, Quantity][] {
  return Object.entries(container.resources?.requests ?? {}).map(([name, text]) => [name, parseQuantity(text)])
}

function add(into: Map<string, Quantity>, amounts: readonly [string, Quantity][]): void {
  for (const [name, amount] of amounts) into.set(name, addQuantity(into.get(name) ?? ZERO, amount))
}

function raise(into: Map<string, Quantity>, name: string, amount: Quantity): void {
  const before = into.get(name)
  if (before === undefined || compareQuantity(before, amount) < 0) into.set(name, amount)
}

function matchesNode(pod: Pod, node: NodeFit): boolean {
  const selector = Object.entries(pod.spec?.nodeSelector ?? {})
  if (!selector.every(([key, value]) => node.labels[key] === value)) return false
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return required === undefined || required.nodeSelectorTerms.some((term) => matchesTerm(term, node))
}

function matchesTerm(term: NodeSelectorTerm, node: NodeFit): boolean {
  const expressions = term.matchExpressions ?? []
  const fields = term.matchFields ?? []
  if (expressions.length + fields.length === 0) return false
  const fieldsMatch = fields.every(({ key, operator, values }) => {
    const listed = key === 'metadata.name' && values?.includes(node.nodeName) === true
    return operator === 'In' ? listed : !listed
  })
  return fieldsMatch && expressions.every((expression) => matchesExpression(expression, node.labels))
}

function matchesExpression(
  expression: { key: string; operator: string; values?: string[] | undefined },
  labels: Readonly<Record<string, string>>
): boolean {
  const { key, operator, values } = expression
  if (operator === 'Gt' || operator === 'Lt') {
    const have = Number.parseInt(labels[key] ?? '', 10)
    const limit = Number.parseInt(values?.[0] ?? '', 10)
    return operator === 'Gt' ? have > limit : have < limit
  }
  return labelSelectorMatcher({ matchExpressions: [{ key, operator, values }] }).matches(labels)
}

function portsTaken(pod: Pod, others: readonly Pod[]): boolean {
  const taken = others.flatMap(hostPorts)
  return hostPorts(pod).some((port) => taken.some((other) => collide(port, other)))
}

interface HostPort {
  readonly port: number
  readonly protocol: string
  readonly ip: string
}

function hostPorts(pod: Pod): HostPort[] {
  const containers = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? []).filter(isSidecar)]
  return containers.flatMap((container) =>
    (container.ports ?? []).flatMap(({ hostPort, protocol, hostIP }) =>
      hostPort === undefined || hostPort === 0
        ? []
        : [
            {
              port: hostPort,
              protocol: protocol ?? 'TCP',
              ip: hostIP === undefined || hostIP === '' ? '0.0.0.0' : hostIP
            }
          ]
    )
  )
}

function collide(a: HostPort, b: HostPort): boolean {
  const sameAddress = a.ip === b.ip || a.ip === '0.0.0.0' || b.ip === '0.0.0.0'
  return a.port === b.port && a.protocol === b.protocol && sameAddress
}
