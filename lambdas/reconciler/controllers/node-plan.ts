/** What a node's heartbeat and conditions mean for its status and taints (pkg/controller/nodelifecycle). Pure. */
import type { Lease, Node, NodeCondition, Taint } from '../../../core/kinds/types.ts'
import { timestamp } from '../../../core/ports.ts'
import { isVirtual } from '../../../core/virtual-node.ts'
import { semanticEqual, timeOf } from '../objects.ts'

export const NOT_READY = 'node.kubernetes.io/not-ready'
export const UNREACHABLE = 'node.kubernetes.io/unreachable'
const UNSCHEDULABLE = 'node.kubernetes.io/unschedulable'

/** Condition -> status -> the taint that keeps new pods away. */
const CONDITION_TAINTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Ready: { False: NOT_READY, Unknown: UNREACHABLE },
  MemoryPressure: { True: 'node.kubernetes.io/memory-pressure' },
  DiskPressure: { True: 'node.kubernetes.io/disk-pressure' },
  NetworkUnavailable: { True: 'node.kubernetes.io/network-unavailable' },
  PIDPressure: { True: 'node.kubernetes.io/pid-pressure' }
}

const MANAGED_KEYS = new Set([...Object.values(CONDITION_TAINTS).flatMap(Object.values), UNSCHEDULABLE])

/** What the node agent reports, and nobody but it can know. */
const REPORTED = ['Ready', 'MemoryPressure', 'DiskPressure', 'PIDPressure']

export interface HeartbeatView {
  readonly lease: Lease | undefined
  /** Nothing was seen before this: silence while nobody listened does not count. Milliseconds since 1970, as `now`. */
  readonly since: number
  readonly now: number
  readonly graceMs: number
  readonly startupGraceMs: number
}

/** Milliseconds until the node counts as lost, unless it is heard from; 0 or less: it is lost. Infinite: it never is. */
export function lostIn(node: Node, view: HeartbeatView): number {
  if (isVirtual(node)) return Number.POSITIVE_INFINITY
  const ready = conditionOf(node, 'Ready')
  const renewed = timeOf(view.lease?.spec?.renewTime)
  const reported = timeOf(ready?.lastHeartbeatTime)
  const heard = Math.max(renewed ?? 0, reported ?? 0, timeOf(node.metadata.creationTimestamp) ?? 0, view.since)
  const grace = ready === undefined ? view.startupGraceMs : view.graceMs
  return heard + grace - view.now
}

/** The conditions of a node that is not heard from; undefined when they say so already. */
export function planLost(node: Node, now: number): NodeCondition[] | undefined {
  const known = node.status?.conditions ?? []
  const time = timestamp(now)
  const lost = known.map((condition): NodeCondition => {
    if (!REPORTED.includes(condition.type) || condition.status === 'Unknown') return condition
    return {
      ...condition,
      status: 'Unknown',
      reason: 'NodeStatusUnknown',
      message: 'Kubelet stopped posting node status.',
      lastTransitionTime: time
    }
  })
  const missing = REPORTED.filter((type) => !known.some((condition) => condition.type === type))
  for (const type of missing) {
    lost.push({
      type,
      status: 'Unknown',
      reason: 'NodeStatusNeverUpdated',
      message: 'Kubelet never posted node status.',
      lastHeartbeatTime: node.metadata.creationTimestamp ?? time,
      lastTransitionTime: time
    })
  }
  return semanticEqual(lost, known) ? undefined : lost
}

export function conditionOf(node: Node, type: string): NodeCondition | undefined {
  return node.status?.conditions?.find((condition) => condition.type === type)
}

export function isNodeReady(node: Node): boolean {
  return conditionOf(node, 'Ready')?.status === 'True'
}

/** Partial disruption, as kube-controller-manager sees a zone: over 55 % and more than two nodes not ready. */
const UNHEALTHY_SHARE = 0.55
const UNHEALTHY_MIN = 2

/**
 * Whether pods are to be driven from lost nodes. Kubernetes judges each zone and slows evictions down (one node in ten
 * seconds; in a disrupted zone of over 50 nodes, one in a hundred). Simplified here: all nodes are one zone, evictions
 * are not slowed down, and while the zone is disrupted there are none. When every node is lost, it is the control
 * plane that has lost its network.
 */
export function mayEvict(all: readonly Node[]): boolean {
  const nodes = all.filter((node) => !isVirtual(node))
  const lost = nodes.filter((node) => !isNodeReady(node)).length
  if (lost === nodes.length) return false
  return !(lost > UNHEALTHY_MIN && lost / nodes.length >= UNHEALTHY_SHARE)
}

/** The node's taints as its conditions want them; undefined when they are so. */
export function planTaints(node: Node, { evict, now }: { evict: boolean; now: number }): Taint[] | undefined {
  const known = node.spec?.taints ?? []
  const ready = conditionOf(node, 'Ready')?.status
  const wanted = new Map<string, Taint>()
  for (const { type, status } of node.status?.conditions ?? []) {
    const key = CONDITION_TAINTS[type]?.[status]
    if (key !== undefined) want(wanted, { key, effect: 'NoSchedule' })
  }
  if (node.spec?.unschedulable === true) want(wanted, { key: UNSCHEDULABLE, effect: 'NoSchedule' })
  const evicting = ready === 'False' ? NOT_READY : ready === 'Unknown' ? UNREACHABLE : undefined
  if (evicting !== undefined && evict) want(wanted, { key: evicting, effect: 'NoExecute' })

  const kept = known.filter((taint) => !isManaged(taint) || wanted.has(idOf(taint)))
  const ids = new Set(kept.map(idOf))
  const added = [...wanted.values()].filter((taint) => !ids.has(idOf(taint)))
  if (added.length === 0 && kept.length === known.length) return undefined
  return [...kept, ...added.map((taint) => ({ ...taint, timeAdded: timestamp(now) }))]
}

function want(wanted: Map<string, Taint>, taint: Taint): void {
  wanted.set(idOf(taint), taint)
}

function idOf({ key, effect }: Taint): string {
  return `${key}:${effect}`
}

function isManaged({ key, effect }: Taint): boolean {
  if (effect === 'NoSchedule') return MANAGED_KEYS.has(key)
  return effect === 'NoExecute' && (key === NOT_READY || key === UNREACHABLE)
}
