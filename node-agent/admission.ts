/** What the node refuses though the scheduler, or somebody who went round it, sent it here. Pure. */

import { podRequests } from '../core/kinds/pod-resources.ts'
import type { NodeSelectorTerm, Pod, Taint, Toleration } from '../core/kinds/types.ts'
import { quantityMilli, quantityNumber } from '../core/quantity.ts'
import { labelSelectorMatcher } from '../core/selector.ts'
import { isSidecar, isTerminalPhase } from './pod/input.ts'
import type { ResizeVerdict } from './pod/resize.ts'

export interface NodeFit {
  readonly allocatable: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  readonly nodeName: string
  readonly taints?: readonly Taint[] | undefined
  /** The pods that the node has taken before this one. */
  readonly others: readonly Pod[]
}

export interface Rejection {
  readonly reason: string
  readonly message: string
}

/** undefined: the node takes it. */
export function admit(pod: Pod, node: NodeFit): Rejection | undefined {
  const unsupported = forbiddenSysctl(pod) ?? otherSystem(pod, node)
  if (unsupported !== undefined) return unsupported
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
  if (!toleratesNoExecute(pod, node.taints ?? [])) {
    const message = "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"
    return { reason: 'TaintToleration', message }
  }
  return undefined
}

/** Those that are the pod's own and do not touch other pods (kubelet's safe_sysctls.go), by the namespace they are of. */
const SAFE_SYSCTLS: Readonly<Record<string, 'IPC' | 'Net'>> = {
  'kernel.shm_rmid_forced': 'IPC',
  'net.ipv4.ip_local_port_range': 'Net',
  'net.ipv4.tcp_syncookies': 'Net',
  'net.ipv4.ping_group_range': 'Net',
  'net.ipv4.ip_unprivileged_port_start': 'Net',
  'net.ipv4.ip_local_reserved_ports': 'Net',
  'net.ipv4.tcp_keepalive_time': 'Net',
  'net.ipv4.tcp_fin_timeout': 'Net',
  'net.ipv4.tcp_keepalive_intvl': 'Net',
  'net.ipv4.tcp_keepalive_probes': 'Net',
  'net.ipv4.tcp_rmem': 'Net',
  'net.ipv4.tcp_wmem': 'Net'
}

function forbiddenSysctl({ spec }: Pod): Rejection | undefined {
  for (const { name } of spec?.securityContext?.sysctls ?? []) {
    const normal = normalSysctl(name)
    const namespace = SAFE_SYSCTLS[normal]
    const shared = namespace === 'IPC' ? spec?.hostIPC === true : spec?.hostNetwork === true
    if (namespace !== undefined && !shared) continue
    const problem = namespace === undefined ? 'not allowlisted' : `not allowed with host ${namespace} enabled`
    const shown = namespace === undefined ? name : normal
    return { reason: 'SysctlForbidden', message: `forbidden sysctl: ${JSON.stringify(shown)} ${problem}` }
  }
  return undefined
}

/** "net/ipv4/tcp_rmem" is another way to write "net.ipv4.tcp_rmem": the first separator says which way it is. */
function normalSysctl(name: string): string {
  if (/^[^./]*\./.test(name) || !name.includes('/')) return name
  return name.replace(/[./]/g, (separator) => (separator === '/' ? '.' : '/'))
}

/** The node is of another kind than the pod asks for. */
function otherSystem({ metadata, spec }: Pod, node: NodeFit): Rejection | undefined {
  const label = metadata.labels?.['kubernetes.io/os']
  if (label !== undefined && label !== (node.labels['kubernetes.io/os'] ?? 'linux')) {
    const message = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label"
    return { reason: 'PodOSSelectorNodeLabelDoesNotMatch', message }
  }
  if (spec?.os !== undefined && spec.os.name !== 'linux') {
    return { reason: 'PodOSNotSupported', message: "Failed to admit pod as the OS field doesn't match node OS" }
  }
  if (spec?.securityContext?.supplementalGroupsPolicy === 'Strict') {
    const message = 'SupplementalGroupsPolicy=Strict is not supported in this node'
    return { reason: 'SupplementalGroupsPolicyNotSupported', message }
  }
  return undefined
}

function toleratesNoExecute(pod: Pod, taints: readonly Taint[]): boolean {
  const tolerations = pod.spec?.tolerations ?? []
  return taints.every((taint) => taint.effect !== 'NoExecute' || tolerations.some((one) => tolerates(one, taint)))
}

function tolerates(toleration: Toleration, taint: Taint): boolean {
  const { effect = '', key = '', operator = 'Equal', value = '' } = toleration
  if (effect !== '' && effect !== taint.effect) return false
  if (key !== '' && key !== taint.key) return false
  if (operator === 'Exists') return true
  return operator === 'Equal' && key !== '' && value === (taint.value ?? '')
}

/** undefined: the pod may have what it asks for now. `others`: without the pod itself. */
export function judgeResize(pod: Pod, node: Pick<NodeFit, 'allocatable' | 'others'>): ResizeVerdict | undefined {
  const wanted = podRequests(pod)
  for (const resource of ['memory', 'cpu'] as const) {
    const count = resource === 'cpu' ? quantityMilli : quantityNumber
    const capacity = count(node.allocatable[resource] ?? '0')
    const requested = wanted[resource] ?? 0
    if (requested <= capacity) continue
    const message = `Node didn't have enough capacity: ${resource}, requested: ${requested}, capacity: ${capacity}`
    return { reason: 'Infeasible', message }
  }
  const others = node.others.filter((other) => !isTerminalPhase(other.status?.phase))
  const problem = lacking(pod, { ...node, others })
  return problem === undefined ? undefined : { reason: 'Deferred', message: problem.message }
}

function lacking(pod: Pod, node: Pick<NodeFit, 'allocatable' | 'others'>): Rejection | undefined {
  const most = Number(node.allocatable.pods ?? '110')
  if (node.others.length + 1 > most) return out('pods', { requested: 1, used: node.others.length, capacity: most })
  for (const [resource, requested] of Object.entries(podRequests(pod))) {
    // What the node does not know at all is the cluster's, or a driver's: not for the node to count.
    if (requested === 0 || (isExtended(resource) && node.allocatable[resource] === undefined)) continue
    const count = resource === 'cpu' ? quantityMilli : quantityNumber
    const capacity = count(node.allocatable[resource] ?? '0')
    const used = node.others.reduce((sum, other) => sum + (podRequests(other)[resource] ?? 0), 0)
    if (used + requested > capacity) return out(resource, { requested, used, capacity })
  }
  return undefined
}

function isExtended(resource: string): boolean {
  return resource.includes('/') && !resource.includes('kubernetes.io/') && !resource.startsWith('requests.')
}

function out(resource: string, sums: { requested: number; used: number; capacity: number }): Rejection {
  const { requested, used, capacity } = sums
  const numbers = `requested: ${requested}, used: ${used}, capacity: ${capacity}`
  return {
    reason: `OutOf${resource}`,
    message: `Node didn't have enough resource: ${resource}, ${numbers}`
  }
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
