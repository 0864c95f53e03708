/**
 * Makes nodes for pods that fit on none, and takes away those that nothing runs on. What is under way is kept in one
 * object (core/fleet.ts) that is written, if nobody else wrote it meanwhile, before anything is done of what it says:
 * so any number of processes may run this and any of them may die between two calls, and each instance is launched once.
 */
import type { Client } from '../../../core/client.ts'
import { isReason } from '../../../core/errors.ts'
import { emptyFleet, FLEET, type Fleet, fleets, type Launch } from '../../../core/fleet.ts'
import { daemonSets, nodes, pods } from '../../../core/kinds/refs.ts'
import type { DaemonSet, Node, Pod } from '../../../core/kinds/types.ts'
import { nodeLedgers } from '../../../core/ledger.ts'
import type { RunResult } from '../../../core/loop.ts'
import { timestamp } from '../../../core/ports.ts'
import { isVirtual } from '../../../core/virtual-node.ts'
import type { Controller, ControllerContext, KeyMap, NodeProvisioning } from '../controller.ts'
import { seekerOf } from '../nodes/bins.ts'
import { type Daemon, instanceOf, isUnschedulable, LEAVING, type ProvisionView } from '../nodes/fleet-view.ts'
import { type Instances, NoCapacity } from '../nodes/instances.ts'
import { semanticEqual } from '../objects.ts'
import { isNodeReady } from './node-plan.ts'
import { planNodes, unavailableKey } from './node-provision-plan.ts'

/** There is one fleet, and all of it is decided at once. */
const KEY = FLEET
/** A type that the platform had none of is not asked for again so long. */
const UNAVAILABLE_MS = 180_000

export function nodeProvisioner(provisioning: NodeProvisioning): Controller {
  return {
    name: 'node-provisioner',
    workers: 1,
    // A rollout changes many pods, one after the other.
    restRatio: 2,
    watches: { pods: podKeys, nodes: nodeKeys },
    start: async () => [KEY],
    reconcile: (_, context) => reconcile(provisioning, context)
  }
}

/** Pods that found no node, or that have left theirs. */
const podKeys: KeyMap = (changes) => {
  const concerned = changes.some(({ type, object, previous }) => {
    const [now, before] = [object as Pod, previous as Pod | undefined]
    const seeks = type !== 'deleted' && isUnschedulable(now)
    const sought = before !== undefined && isUnschedulable(before)
    const left = type === 'deleted' && (now.spec?.nodeName ?? '') !== ''
    const came = (now.spec?.nodeName ?? '') !== (before?.spec?.nodeName ?? '')
    return seeks !== sought || left || (came && type !== 'deleted')
  })
  return concerned ? [KEY] : []
}

const nodeKeys: KeyMap = (changes) => {
  const concerned = changes.some(({ type, object, previous }) => {
    if (type !== 'updated' || previous === undefined) return true
    const [now, before] = [object as Node, previous as Node]
    return isNodeReady(now) !== isNodeReady(before) || !semanticEqual(now.spec, before.spec)
  })
  return concerned ? [KEY] : []
}

async function reconcile(
  { instances, settings }: NodeProvisioning,
  context: ControllerContext
): Promise<RunResult | undefined> {
  const { client, events } = context
  const view = await look({ instances, settings }, context)
  if (view === undefined) return undefined
  const plan = planNodes(view)
  let fleet = await store(client, view.fleet, plan.fleet)
  for (const { pod, type, reason, message } of plan.events) events.event(pod, type, reason, message)
  const launched = await launchAll(fleet, instances, context)
  if (launched !== fleet) fleet = await store(client, fleet, launched)
  await leaveAll(fleet, view, { client, instances, context })
  for (const name of plan.gone) await removeNode(name, context)
  // What was refused by the platform is planned anew.
  const again = fleet.launches.length < plan.fleet.launches.length ? 0 : plan.again
  return { again }
}

/** undefined: there is nothing of ours, and no pod that needs it. */
async function look(
  { instances, settings }: NodeProvisioning,
  { client, ports }: ControllerContext
): Promise<ProvisionView | undefined> {
  const [fleet, waiting] = await Promise.all([
    client.find(fleets, { name: FLEET }),
    client.list(pods, { fieldSelector: 'spec.nodeName=' })
  ])
  if (fleet === undefined && !waiting.items.some(isUnschedulable)) return undefined
  const [nodeList, ledgers, sets, all] = await Promise.all([
    client.list(nodes),
    client.list(nodeLedgers),
    client.list(daemonSets),
    instances.list()
  ])
  const ours = new Set(all.map(({ id }) => id))
  const doubtful = nodeList.items.flatMap((node) => {
    const id = instanceOf(node)
    return id === undefined || ours.has(id) || isNodeReady(node) ? [] : [id]
  })
  return {
    fleet: fleet ?? emptyFleet(),
    pods: waiting.items,
    nodes: nodeList.items.filter((node) => !isVirtual(node)),
    ledgers: ledgers.items,
    instances: all,
    states: doubtful.length === 0 ? new Map() : await instances.states(doubtful),
    daemons: sets.items.map(daemonOf),
    settings,
    now: ports.clock.now(),
    newId: () => ports.ids.uid()
  }
}

function daemonOf({ metadata, spec }: DaemonSet): Daemon {
  const { template } = spec ?? {}
  const pod: Pod = { metadata: { namespace: metadata.namespace }, ...(template?.spec && { spec: template.spec }) }
  return { uid: metadata.uid ?? '', template: seekerOf(withDaemonTolerations(pod)) }
}

/** Every DaemonSet's pods tolerate what nodes are tainted with for their state. */
function withDaemonTolerations(pod: Pod): Pod {
  const tolerations = [...(pod.spec?.tolerations ?? []), { key: 'node.kubernetes.io/not-ready', operator: 'Exists' }]
  return pod.spec === undefined ? pod : { ...pod, spec: { ...pod.spec, tolerations } }
}

/** Throws Conflict where somebody else was quicker: then all is looked at anew. */
async function store(client: Client, before: Fleet, next: Fleet): Promise<Fleet> {
  if (semanticEqual(before, next)) return before
  const { managedFields: _, ...metadata } = before.metadata
  if (metadata.resourceVersion === undefined) return await client.create(fleets, { ...next, metadata })
  return await client.update(fleets, { ...next, metadata })
}

/** Asks for what has no instance yet; the answer may have been lost before, and comes again. */
async function launchAll(fleet: Fleet, instances: Instances, { ports }: ControllerContext): Promise<Fleet> {
  const launches: Launch[] = []
  const unavailable = { ...fleet.unavailable }
  let changed = false
  for (const launch of fleet.launches) {
    if (launch.instance !== undefined) {
      launches.push(launch)
      continue
    }
    changed = true
    const { id, type, zone } = launch
    try {
      const instance = await instances.launch({ id, type, zone })
      ports.log.info({ instance, type, zone, pods: launch.pods.length }, 'launched an instance')
      launches.push({ ...launch, instance })
    } catch (error) {
      if (!(error instanceof NoCapacity)) throw error
      ports.log.warn({ type, zone, error: error.message }, 'no instance could be launched')
      unavailable[unavailableKey(type, zone)] = ports.clock.now() + UNAVAILABLE_MS
    }
  }
  return changed ? { ...fleet, launches, unavailable } : fleet
}

interface Doors {
  readonly client: Client
  readonly instances: Instances
  readonly context: ControllerContext
}

/** Cordons what is to be drained, ends what is to be terminated, and lets those stay that were needed after all. */
async function leaveAll(fleet: Fleet, view: ProvisionView, { client, instances, context }: Doors): Promise<void> {
  const leaving = new Map(fleet.leaving.map((one) => [one.instance, one]))
  for (const { instance, reason, step } of fleet.leaving) {
    if (step !== 'terminate') continue
    context.ports.log.info({ instance, reason }, 'terminates an instance')
    await instances.terminate(instance)
  }
  for (const node of view.nodes) {
    const { name = '', annotations } = node.metadata
    const one = leaving.get(instanceOf(node) ?? '')
    if (one?.step === 'terminate') await removeNode(name, context)
    else if (one !== undefined && node.spec?.unschedulable !== true) await cordon(client, name, true)
    else if (one === undefined && annotations?.[LEAVING] !== undefined) await cordon(client, name, false)
  }

  async function cordon(by: Client, name: string, on: boolean): Promise<void> {
    const at = on ? timestamp(context.ports.clock.now()) : null
    const body = { metadata: { annotations: { [LEAVING]: at } }, spec: { unschedulable: on ? true : null } }
    await by.patch(nodes, { name }, { type: 'merge', body }).catch(unlessMissing)
  }
}

/** Its pods follow: nobody else will ever say that they have ended. */
async function removeNode(name: string, { client, ports }: ControllerContext): Promise<void> {
  ports.log.info({ node: name }, 'removes a node whose instance has gone')
  await client.delete(nodes, { name }).catch(unlessMissing)
}

function unlessMissing(error: unknown): void {
  if (!isReason(error, 'NotFound')) throw error
}
