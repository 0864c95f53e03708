/** Notices nodes that are no longer heard from, and says so in their conditions, taints and pods (pkg/controller/nodelifecycle). */
import { isReason } from '../../../core/errors.ts'
import { leases, nodes, pods } from '../../../core/kinds/refs.ts'
import type { Lease, Node, ObjectReference } from '../../../core/kinds/types.ts'
import type { RunResult } from '../../../core/loop.ts'
import { timestamp } from '../../../core/ports.ts'
import type { Controller, ControllerContext, KeyMap } from '../controller.ts'
import { keysOfAll, updateStatus } from '../objects.ts'
import { readyCondition } from '../pods.ts'
import { isNodeReady, lostIn, mayEvict, planLost, planTaints } from './node-plan.ts'

/** Where node agents renew their leases. */
const LEASES = 'kube-node-lease'

/** The key that has all nodes judged which are not ready: how many there are decides about evictions. */
const ALL_LOST = ' lost nodes'

/** Nodes are lost by the rack: what their number decides is looked at once for many. */
const GATHER_MS = 100

const GRACE_MS = 40_000
const STARTUP_GRACE_MS = 60_000

export function nodeLifecycleController(): Controller {
  // A control plane that was down for an hour must not take all nodes for lost.
  let since: number | undefined
  const heardSince = ({ config, ports }: ControllerContext): number => {
    since ??= config.nodesHeardSince ?? ports.clock.now()
    return since
  }
  return {
    name: 'node-controller',
    watches: { nodes: nodeKeys },
    start: (context) => {
      heardSince(context)
      return keysOfAll(context.client, nodes)
    },
    everyMinute: (context) => silentNodes(heardSince(context), context),
    reconcile: async (key, context) => {
      if (key !== ALL_LOST) return await reconcile(key, heardSince(context), context)
      const { items } = await context.client.list(nodes)
      for (const node of items) if (!isNodeReady(node)) context.enqueue(node.metadata.name ?? '')
      return undefined
    }
  }
}

/** Nodes that are not heard from, of which it has not been said yet; three reads however many there are. */
async function silentNodes(since: number, context: ControllerContext): Promise<readonly string[]> {
  const { client, ports } = context
  const { items } = await client.list(nodes)
  if (items.length === 0) return []
  const renewed = new Map(
    (await client.list(leases, { namespace: LEASES })).items.map((lease) => [lease.metadata.name, lease])
  )
  const now = ports.clock.now()
  const silent = items.filter((node) => {
    const lease = renewed.get(node.metadata.name)
    const wait = lostIn(node, { ...graces(lease, context), lease, since, now })
    if (wait > 0) return false
    return planLost(node, now) !== undefined || planTaints(node, { evict: mayEvict(items), now }) !== undefined
  })
  return silent.map(({ metadata }) => metadata.name ?? '')
}

function graces(lease: Lease | undefined, { config }: ControllerContext) {
  const promised = lease?.spec?.leaseDurationSeconds
  return {
    graceMs: config.nodeMonitorGraceMs ?? (promised === undefined ? GRACE_MS : promised * 1000),
    startupGraceMs: config.nodeStartupGraceMs ?? STARTUP_GRACE_MS
  }
}

const nodeKeys: KeyMap = (changes, { events, enqueue }) => {
  const keys: string[] = []
  for (const { type, key, object, previous } of changes) {
    if (type === 'created')
      nodeEvent(events, object as Node, { reason: 'RegisteredNode', text: `Registered Node ${key} in Controller` })
    if (type === 'deleted')
      nodeEvent(events, object as Node, { reason: 'RemovingNode', text: `Removing Node ${key} from Controller` })
    else keys.push(key)
    const was = previous === undefined ? undefined : isNodeReady(previous as Node)
    if (type === 'deleted' || was !== isNodeReady(object as Node)) enqueue(ALL_LOST, GATHER_MS)
  }
  return keys
}

function nodeEvent(events: ControllerContext['events'], node: Node, what: { reason: string; text: string }): void {
  events.event(nodeReference(node), 'Normal', what.reason, `Node ${node.metadata.name} event: ${what.text}`)
}

function nodeReference({ metadata }: Node): ObjectReference {
  return { kind: 'Node', name: metadata.name, uid: metadata.uid, apiVersion: 'v1' }
}

async function reconcile(name: string, since: number, context: ControllerContext): Promise<RunResult | undefined> {
  const { client, ports } = context
  const node = await client.find(nodes, { name })
  if (node === undefined) return undefined
  const now = ports.clock.now()
  const lease = await client.find(leases, { namespace: LEASES, name })
  const wait = lostIn(node, { ...graces(lease, context), lease, since, now })
  const judged = wait <= 0 ? await markLost(node, context) : node
  const all = isNodeReady(judged) ? [judged] : (await client.list(nodes)).items
  const taints = planTaints(judged, { evict: mayEvict(all), now })
  if (taints !== undefined) {
    const body = { metadata: { resourceVersion: judged.metadata.resourceVersion }, spec: { taints } }
    await client.patch(nodes, { name }, { type: 'merge', body })
  }
  // A lost node is heard from by a change of the node itself.
  return wait <= 0 || wait === Number.POSITIVE_INFINITY ? undefined : { again: wait + 1 }
}

async function markLost(node: Node, context: ControllerContext): Promise<Node> {
  const { client, events, ports } = context
  const conditions = planLost(node, ports.clock.now())
  let current = node
  if (conditions !== undefined) {
    current = await updateStatus(client, nodes, { object: node, status: { ...node.status, conditions } })
    if (isNodeReady(node)) {
      const message = `Node ${node.metadata.name} status is now: NodeNotReady`
      events.event(nodeReference(node), 'Normal', 'NodeNotReady', message)
    }
  }
  await markPodsNotReady(current, context)
  return current
}

/** Nobody can tell whether they still serve: services must not send them requests. */
async function markPodsNotReady({ metadata }: Node, { client, events, ports }: ControllerContext): Promise<void> {
  const { items } = await client.list(pods, { index: { name: 'node', value: metadata.name ?? '' } })
  for (const pod of items) {
    const ready = readyCondition(pod)
    if (ready?.status !== 'True') continue
    const { namespace, name = '', uid } = pod.metadata
    const condition = { type: 'Ready', status: 'False', lastTransitionTime: timestamp(ports.clock.now()) }
    const body = { metadata: { uid }, status: { conditions: [condition] } }
    try {
      await client.patch(pods, { namespace, name }, { type: 'strategic', body, subresource: 'status' })
      events.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready')
    } catch (error) {
      if (!isReason(error, 'NotFound', 'Conflict')) throw error
    }
  }
}
