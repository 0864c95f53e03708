/**
 * The ledger of a node: what it has, and what each of its pods takes. It changes in the transaction that binds, ends or
 * removes a pod, so no two schedulers can sell the same room twice. Pure functions; lambdas/api/ledger-effect.ts keeps
 * the stored ledgers, lambdas/scheduler reads nothing else of nodes.
 */
import { type PodRequests, podRequests } from './kinds/pod-resources.ts'
import type { ResourceRef } from './kinds/refs.ts'
import type { Affinity, Node, ObjectMeta, Pod, Taint } from './kinds/types.ts'
import { controllerOf, type KubeObject, keyOf } from './object.ts'
import { quantityMilli, quantityValue } from './quantity.ts'

export const LEDGERS = 'internal.wherry.dev/nodeledgers'

export const nodeLedgers: ResourceRef<NodeLedger> = {
  group: 'internal.wherry.dev',
  version: 'v1',
  resource: 'nodeledgers',
  kind: 'NodeLedger',
  namespaced: false
}

/** CPU in thousandths of a core; memory, storage and huge pages in bytes; anything else in pieces. */
export type Amounts = PodRequests

/** What the scheduler needs to know of a node. */
export interface LedgerNode {
  readonly uid: string
  /** Absent: the node has not said yet what it has. */
  readonly allocatable?: Amounts
  readonly labels: Readonly<Record<string, string>>
  readonly taints: readonly Pick<Taint, 'key' | 'value' | 'effect'>[]
  readonly unschedulable: boolean
}

/** What one pod takes, and what others' affinity and spreading ask of it. */
export interface LedgerPod {
  readonly uid: string
  readonly requests: Amounts
  readonly ports?: readonly HostPort[]
  readonly labels?: Readonly<Record<string, string>>
  /** Its controller's uid. */
  readonly owner?: string
  readonly affinity?: Pick<Affinity, 'podAffinity' | 'podAntiAffinity'>
  readonly priority?: number
}

export interface HostPort {
  /** '0.0.0.0': every address. */
  readonly ip: string
  readonly protocol: string
  readonly port: number
}

/** Named as its node. */
export interface NodeLedger {
  readonly apiVersion?: string | undefined
  readonly kind?: string | undefined
  readonly metadata: ObjectMeta
  /** Absent: pods name a node that is not there (not yet, or no more). */
  readonly node?: LedgerNode
  /** By "namespace/name". */
  readonly pods: Readonly<Record<string, LedgerPod>>
}

export interface Booking {
  readonly node: string
  /** "namespace/name" */
  readonly key: string
  readonly pod: LedgerPod
}

export function emptyLedger(name: string): NodeLedger {
  return { apiVersion: 'internal.wherry.dev/v1', kind: 'NodeLedger', metadata: { name }, pods: {} }
}

/** undefined: an empty one. */
export function ledgerOf(stored: KubeObject | undefined, name: string): NodeLedger {
  return stored === undefined ? emptyLedger(name) : (stored as unknown as NodeLedger)
}

/** Neither a node nor pods: nothing to keep. */
export function isEmptyLedger(ledger: NodeLedger): boolean {
  for (const _ in ledger.pods) return false
  return ledger.node === undefined
}

export function withNode(ledger: NodeLedger, node: LedgerNode | undefined): NodeLedger {
  const { node: _, ...rest } = ledger
  return node === undefined ? rest : { ...rest, node }
}

export function book(ledger: NodeLedger, { key, pod }: Booking): NodeLedger {
  return { ...ledger, pods: { ...ledger.pods, [key]: pod } }
}

export function release(ledger: NodeLedger, key: string): NodeLedger {
  const { [key]: _, ...pods } = ledger.pods
  return { ...ledger, pods }
}

/** What a pod takes of which node; undefined while it has none, and once it has ended. */
export function bookingOf(pod: Pod): Booking | undefined {
  const node = pod.spec?.nodeName
  if (node === undefined || node === '' || isEnded(pod)) return undefined
  return { node, key: keyOf(pod.metadata), pod: ledgerPod(pod) }
}

export function isEnded({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed'
}

export function ledgerPod(pod: Pod): LedgerPod {
  const ports = hostPorts(pod)
  const { labels, uid = '' } = pod.metadata
  const owner = controllerOf(pod)?.uid
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {}
  const priority = pod.spec?.priority ?? 0
  return {
    uid,
    requests: podRequests(pod),
    ...(ports.length === 0 ? {} : { ports }),
    ...(labels === undefined ? {} : { labels }),
    ...(owner === undefined ? {} : { owner }),
    ...(podAffinity === undefined && podAntiAffinity === undefined
      ? {}
      : {
          affinity: {
            ...(podAffinity === undefined ? {} : { podAffinity }),
            ...(podAntiAffinity === undefined ? {} : { podAntiAffinity })
          }
        }),
    ...(priority === 0 ? {} : { priority })
  }
}

function hostPorts({ spec }: Pod): HostPort[] {
  const sidecars = (spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  return [...(spec?.containers ?? []), ...sidecars].flatMap(({ ports = [] }) =>
    (ports ?? []).flatMap(({ hostPort, hostIP, protocol }) =>
      hostPort === undefined || hostPort <= 0
        ? []
        : [{ ip: hostIP === undefined || hostIP === '' ? ANY : hostIP, protocol: protocol ?? 'TCP', port: hostPort }]
    )
  )
}

const ANY = '0.0.0.0'

/** As Kubernetes' HostPortInfo: an address that stands for all conflicts with each. */
export function portsConflict(a: HostPort, b: HostPort): boolean {
  return a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === ANY || b.ip === ANY)
}

export function ledgerNode(node: Node): LedgerNode {
  const amounts = node.status?.allocatable ?? node.status?.capacity
  return {
    uid: node.metadata.uid ?? '',
    ...(amounts === undefined ? {} : { allocatable: amountsOf(amounts) }),
    labels: node.metadata.labels ?? {},
    taints: (node.spec?.taints ?? []).map(({ key, value, effect }) => ({
      key,
      ...(value === undefined ? {} : { value }),
      effect
    })),
    unschedulable: node.spec?.unschedulable === true
  }
}

function amountsOf(list: Readonly<Record<string, string | number>>): Amounts {
  return Object.fromEntries(
    Object.entries(list).map(([name, value]) => [name, name === 'cpu' ? quantityMilli(value) : quantityValue(value)])
  )
}

/** Everything that the node's pods request together. */
export function requestedOf(ledger: NodeLedger): Record<string, number> {
  const sum: Record<string, number> = {}
  for (const key in ledger.pods) addAmounts(sum, ledger.pods[key]?.requests ?? {}, 1)
  return sum
}

export function addAmounts(sum: Record<string, number>, amounts: Amounts, sign: 1 | -1): void {
  for (const name in amounts) sum[name] = (sum[name] ?? 0) + sign * (amounts[name] ?? 0)
}

export interface Room {
  readonly allocatable: Amounts
  readonly requested: Amounts
  /** How many pods are there. */
  readonly pods: number
}

export interface Shortage {
  /** "Insufficient cpu", "Too many pods". */
  readonly reason: string
  /** More than the node has at all: nobody's end would help. */
  readonly hopeless: boolean
}

/** What is missing for a pod, in the order and words of Kubernetes' NodeResourcesFit. Empty: it fits. */
export function shortages({ allocatable, requested, pods }: Room, requests: Amounts): readonly Shortage[] {
  let found: Shortage[] | undefined
  if (pods + 1 > (allocatable.pods ?? 0)) found = [{ reason: 'Too many pods', hopeless: false }]
  for (const name in requests) {
    const wanted = requests[name] ?? 0
    const has = allocatable[name] ?? 0
    if (wanted === 0 || wanted <= has - (requested[name] ?? 0)) continue
    found ??= []
    found.push({ reason: `Insufficient ${name}`, hopeless: wanted > has })
  }
  return found === undefined ? NONE : found.length > 1 ? found.sort(byResource) : found
}

const NONE: readonly Shortage[] = []

const ORDER = ['Too many pods', 'Insufficient cpu', 'Insufficient memory', 'Insufficient ephemeral-storage']

function byResource(a: Shortage, b: Shortage): number {
  const [i, j] = [a, b].map(({ reason }) => (ORDER.indexOf(reason) + ORDER.length + 1) % (ORDER.length + 1))
  return (i ?? 0) - (j ?? 0)
}

/** Why the pod may not be bound here; undefined: it fits, or the node has not said what it has. */
export function ledgerFits(ledger: NodeLedger, pod: LedgerPod): string | undefined {
  const allocatable = ledger.node?.allocatable
  if (allocatable === undefined) return undefined
  const reasons: string[] = []
  let pods = 0
  for (const key in ledger.pods) {
    pods++
    const others = ledger.pods[key]?.ports
    if (others === undefined || pod.ports === undefined || reasons.length > 0) continue
    if (pod.ports.some((port) => others.some((other) => portsConflict(port, other)))) reasons.push(NO_FREE_PORTS)
  }
  const missing = shortages({ allocatable, requested: requestedOf(ledger), pods }, pod.requests)
  reasons.push(...missing.map(({ reason }) => reason))
  return reasons.length === 0 ? undefined : reasons.join(', ')
}

export const NO_FREE_PORTS = "node(s) didn't have free ports for the requested pod ports"
