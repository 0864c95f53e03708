/**
 * Which instances are launched for pods that fit nowhere, and which of ours have to go. Pure: the plan is a next state
 * of the fleet, and whoever stores it does what it says, however often it takes. This is the seam for a provisioner
 * that packs better, consolidates or uses spot: another `planNodes`.
 */
import type { FleetPod, Launch, Leaving } from '../../../core/fleet.ts'
import type { Node } from '../../../core/kinds/types.ts'
import { type Amounts, addAmounts } from '../../../core/ledger.ts'
import { isVirtual } from '../../../core/virtual-node.ts'
import { Bin, type BinFacts, type Seeker } from '../nodes/bins.ts'
import { Draft, type ProvisionPlan } from '../nodes/fleet-draft.ts'
import { instanceOf, LEAVING, type ProvisionView, unschedulableSince, workloadOf } from '../nodes/fleet-view.ts'
import { INSTANCE_TYPES } from '../nodes/instance-types.ts'
import { type Choice, choose, type Offer, offerOf, offersOf, whyNone } from '../nodes/offers.ts'
import { timeOf } from '../objects.ts'
import { conditionOf, isNodeReady } from './node-plan.ts'

const MINUTE = 60_000
const JOIN_MS = 5 * MINUTE
const EMPTY_MS = 5 * MINUTE
const MAX_NODES = 10
const MAX_CPUS = 64
/** A node that joined has so long to be given the pods that it was made for. */
const SETTLE_MS = MINUTE
/** Where a node seems to have room, the scheduler is given so long to see it, or to know better. */
const PATIENCE_MS = MINUTE
/** Between cordon and end: a scheduler that had not heard of it may still have bound a pod. */
const DRAIN_MS = 10_000
/** Until the platform is asked again whether what was terminated has gone. */
const ENDING_MS = 15_000
/** The agent, or its machine, is dead: its pods have long been driven away. */
const UNHEALTHY_MS = 10 * MINUTE

export function planNodes(view: ProvisionView): ProvisionPlan {
  const draft = new Draft(view)
  settleLaunches(draft)
  settleLeaving(draft)
  retire(draft)
  launch(draft)
  return draft.plan(goneNodes(draft))
}

/** What became of the launches under way. */
function settleLaunches(draft: Draft): void {
  const { instances, now, settings } = draft.view
  const joinMs = settings.joinMs ?? JOIN_MS
  const kept: Launch[] = []
  for (const launch of draft.launches) {
    const instance = launch.instance ?? instances.find((one) => one.launch === launch.id)?.id
    const node = draft.nodeOf(instance)
    if (node !== undefined && isNodeReady(node)) {
      const readyAt = launch.readyAt ?? now
      learn(draft, launch, node)
      const waiting = launch.pods.filter(({ uid }) => draft.seekers.has(uid))
      if (waiting.length > 0 && now < readyAt + SETTLE_MS) {
        kept.push({ ...launch, ...(instance === undefined ? {} : { instance }), readyAt })
        draft.at(readyAt + SETTLE_MS)
      } else draft.inVain(waiting)
    } else if (instance !== undefined && draft.hasGone(instance, launch.at)) {
      draft.inVain(launch.pods)
    } else if (now >= launch.at + joinMs) {
      draft.inVain(launch.pods)
      if (instance !== undefined) leave(draft, instance, { reason: `its node was not ready after ${joinMs / 1000} s` })
    } else {
      kept.push({ ...launch, ...(instance === undefined ? {} : { instance }) })
      draft.at(launch.at + joinMs)
    }
  }
  draft.launches = kept
}

function learn(draft: Draft, { type }: Launch, node: Node): void {
  const allocatable = draft.ledgerOf(node)?.node?.allocatable
  if (allocatable !== undefined) draft.allocatable[type] = allocatable
}

function leave(draft: Draft, instance: string, how: { reason: string; step?: Leaving['step'] }): void {
  const { now } = draft.view
  const { reason, step = 'terminate' } = how
  draft.leaving.push({ instance, step, reason, since: now })
  draft.at(now + (step === 'drain' ? DRAIN_MS : ENDING_MS))
}

/** How far those have come that have to go. */
function settleLeaving(draft: Draft): void {
  const { daemons, now } = draft.view
  const kept: Leaving[] = []
  const known = draft.leaving
  draft.leaving = []
  for (const one of known) {
    const node = draft.nodeOf(one.instance)
    const gone = draft.hasGone(one.instance, 0)
    if (gone && node === undefined) continue
    if (one.step === 'terminate' || gone || node === undefined) {
      kept.push({ ...one, step: 'terminate' })
      draft.at(now + ENDING_MS)
    } else if (workloadOf(draft.ledgerOf(node), daemons) === 0) {
      // Only a cordon that is seen counts, and only after a while.
      const drained = node.spec?.unschedulable === true && now >= one.since + DRAIN_MS
      kept.push(drained ? { ...one, step: 'terminate' } : one)
      draft.at(drained ? now + ENDING_MS : Math.max(one.since + DRAIN_MS, now + 1_000))
    }
  }
  draft.leaving = [...kept, ...draft.leaving]
}

/** Instances of ours that nobody needs, or that never became or no longer are a node. */
function retire(draft: Draft): void {
  const { daemons, fleet, instances, now, settings } = draft.view
  const emptyMs = settings.emptyMs ?? EMPTY_MS
  const busy = new Set([...draft.leaving.map((one) => one.instance), ...draft.launches.map((one) => one.instance)])
  for (const { id, state, launchedAt } of instances) {
    if (state === 'gone' || busy.has(id)) continue
    const node = draft.nodeOf(id)
    if (node === undefined) {
      const until = launchedAt + (settings.joinMs ?? JOIN_MS)
      if (now >= until) leave(draft, id, { reason: 'it is no node of the cluster' })
      else draft.at(until)
      continue
    }
    if (!isNodeReady(node)) {
      const until = (timeOf(conditionOf(node, 'Ready')?.lastTransitionTime ?? undefined) ?? now) + UNHEALTHY_MS
      if (now >= until) {
        leave(draft, id, { reason: 'its node was not ready for 10 minutes' })
        continue
      }
      draft.at(until)
    }
    if (workloadOf(draft.ledgerOf(node), daemons) > 0) continue
    const since = fleet.empty[id] ?? now
    if (now >= since + emptyMs) leave(draft, id, { reason: `nothing ran on it for ${emptyMs / 1000} s`, step: 'drain' })
    else {
      draft.empty[id] = since
      draft.at(since + emptyMs)
    }
  }
}

/** Nodes whose machine the platform no longer has; of ours and of others. */
function goneNodes({ view }: Draft): string[] {
  const ours = new Map(view.instances.map(({ id, state }) => [id, state]))
  return view.nodes.flatMap((node) => {
    const id = instanceOf(node)
    const gone = id !== undefined && (ours.get(id) ?? view.states.get(id)) === 'gone'
    return gone ? [node.metadata.name ?? ''] : []
  })
}

function launch(draft: Draft): void {
  const { settings } = draft.view
  const offers = offersOf(settings, draft.allocatable)
  const overhead = overheadOf(draft)
  const coming = draft.launches.flatMap((launch) => comingBin(draft, launch, { offers, overhead }))
  const present = presentBins(draft)
  const all = [...present.map(({ bin }) => bin), ...coming.map(({ bin }) => bin)]
  let rest: Seeker[] = []
  for (const seeker of waiting(draft)) {
    if (waitsForPresent(draft, seeker, { present, all })) continue
    const place = coming.find(({ bin }) => bin.refuses(seeker, all) === undefined)
    if (place === undefined) rest.push(seeker)
    else {
      place.bin.take(seeker)
      const { id } = place.launch
      draft.launches = draft.launches.map((one) => (one.id === id ? withPod(one, seeker) : one))
    }
  }
  while (rest[0] !== undefined) {
    const choice = chosen(draft, rest, { offers, overhead, bins: all })
    if (choice === undefined) {
      rest = rest.slice(1)
      continue
    }
    all.push(choice.bin)
    begin(draft, choice)
    const taken = new Set(choice.taken)
    rest = rest.filter((seeker) => !taken.has(seeker))
  }
}

/** Pods that nothing is under way for, the largest first: the small ones then fill what is left. */
function waiting(draft: Draft): Seeker[] {
  const { now } = draft.view
  const covered = new Set(draft.launches.flatMap(({ pods }) => pods.map(({ uid }) => uid)))
  const found = [...draft.seekers.values()].filter(({ uid }) => {
    const notBefore = draft.tries[uid]?.notBefore ?? 0
    if (covered.has(uid)) return false
    if (notBefore > now) draft.at(notBefore)
    return notBefore <= now
  })
  const size = ({ booked }: Seeker, name: string) => booked.requests[name] ?? 0
  return found.sort(
    (a, b) => size(b, 'cpu') - size(a, 'cpu') || size(b, 'memory') - size(a, 'memory') || (a.key < b.key ? -1 : 1)
  )
}

function withPod(launch: Launch, seeker: Seeker): Launch {
  return { ...launch, pods: [...launch.pods, fleetPod(seeker)] }
}

function fleetPod({ key, uid }: Seeker): FleetPod {
  return { key, uid }
}

/** What pods of DaemonSets take of a node that looks so. */
function overheadOf({ view }: Draft): (facts: BinFacts) => Amounts {
  return (facts) => {
    const sum: Record<string, number> = {}
    for (const { template } of view.daemons) {
      const bin = new Bin({ ...facts, allocatable: { ...template.booked.requests, pods: 1 } })
      if (bin.refuses(template, []) === undefined) addAmounts(sum, template.booked.requests, 1)
    }
    return sum
  }
}

/** The node that a launch will become, with the pods that it is made for. */
function comingBin(
  draft: Draft,
  launch: Launch,
  { offers, overhead }: { offers: readonly Offer[]; overhead: (facts: BinFacts) => Amounts }
): { launch: Launch; bin: Bin }[] {
  const facts = offerOf(offers, launch.type, launch.zone)?.facts
  if (facts === undefined || launch.readyAt !== undefined) return []
  const bin = new Bin(facts)
  bin.reserve(overhead(facts))
  for (const { uid } of launch.pods) {
    const seeker = draft.seekers.get(uid)
    if (seeker !== undefined) bin.take(seeker)
  }
  return [{ launch, bin }]
}

interface Present {
  readonly bin: Bin
  /** The instance that is about to be drained, where it is. */
  readonly draining: string | undefined
}

/** Nodes that pods can be bound to, or could if they were not about to leave. */
function presentBins(draft: Draft): Present[] {
  const found: Present[] = []
  for (const node of draft.view.nodes) {
    const ledger = draft.ledgerOf(node)
    if (ledger?.node?.allocatable === undefined || !isNodeReady(node) || isVirtual(node)) continue
    const id = instanceOf(node)
    const draining = draft.leaving.find(({ instance, step }) => step === 'drain' && instance === id)?.instance
    const { labels, taints, allocatable, unschedulable } = ledger.node
    const ours = draining !== undefined || node.metadata.annotations?.[LEAVING] !== undefined
    if (unschedulable && !ours) continue
    const open = ours ? taints.filter(({ key }) => key !== 'node.kubernetes.io/unschedulable') : taints
    const bin = new Bin({ name: node.metadata.name ?? '', labels, taints: open, allocatable })
    for (const [key, pod] of Object.entries(ledger.pods)) bin.place(key.slice(0, key.indexOf('/')), pod)
    if (draft.leaving.some(({ instance, step }) => step === 'terminate' && instance === id)) continue
    found.push({ bin, draining })
  }
  return found
}

/** Whether a node that is there will do, in all likelihood: then the scheduler is waited for, and nothing drained. */
function waitsForPresent(
  draft: Draft,
  seeker: Seeker,
  { present, all }: { present: readonly Present[]; all: readonly Bin[] }
): boolean {
  const { now } = draft.view
  const until = unschedulableSince(seeker.pod) + PATIENCE_MS
  for (const { bin, draining } of present) {
    if (bin.refuses(seeker, all) !== undefined) continue
    const stays = draining !== undefined && draft.leaving.some(({ instance }) => instance === draining)
    if (!stays && now >= until) continue
    if (stays) draft.leaving = draft.leaving.filter(({ instance }) => instance !== draining)
    else draft.at(until)
    bin.take(seeker)
    return true
  }
  return false
}

/** The instance for the first of the pods, and for as many others as will fit; undefined: it was refused, or has to wait. */
function chosen(
  draft: Draft,
  rest: readonly Seeker[],
  around: { offers: readonly Offer[]; overhead: (facts: BinFacts) => Amounts; bins: readonly Bin[] }
): Choice | undefined {
  const { offers, overhead, bins } = around
  const { settings } = draft.view
  const [first] = rest
  if (first === undefined) return undefined
  const { nodes, cpus, perZone } = owned(draft)
  const maxNodes = settings.maxNodes ?? MAX_NODES
  const maxCpus = settings.maxCpus ?? MAX_CPUS
  const available = offers.filter(({ type, zone }) => draft.unavailable[unavailableKey(type.name, zone)] === undefined)
  const within = nodes >= maxNodes ? [] : available.filter(({ type }) => cpus + type.cpus <= maxCpus)
  const choice = choose(rest, within, { bins, overhead, perZone })
  if (choice !== undefined) return choice
  if (choose([first], offers, { bins, overhead, perZone }) === undefined) {
    draft.refuse(first, whyNone(first, offers, overhead))
  } else if (choose([first], available, { bins, overhead, perZone }) === undefined) {
    for (const until of Object.values(draft.unavailable)) draft.at(until)
    draft.refuse(first, 'the platform has no capacity of the instance types that would do, for the moment')
  } else {
    const limit = nodes >= maxNodes ? `${maxNodes} instances` : `${maxCpus} vCPUs`
    draft.refuse(first, `the limit of ${limit} is reached`)
  }
  return undefined
}

export function unavailableKey(type: string, zone: string): string {
  return `${type} ${zone}`
}

/** What counts for the limits: instances of ours that have not gone, and those that are about to be. */
function owned(draft: Draft): { nodes: number; cpus: number; perZone: ReadonlyMap<string, number> } {
  const live = draft.view.instances.filter(({ state }) => state !== 'gone')
  const known = new Set(live.map(({ launch }) => launch))
  const all = [...live, ...draft.launches.filter(({ id }) => !known.has(id))]
  const perZone = new Map<string, number>()
  let cpus = 0
  for (const { type, zone } of all) {
    cpus += INSTANCE_TYPES.find(({ name }) => name === type)?.cpus ?? 0
    perZone.set(zone, (perZone.get(zone) ?? 0) + 1)
  }
  return { nodes: all.length, cpus, perZone }
}

function begin(draft: Draft, { offer, taken }: Choice): void {
  const { now, newId, settings } = draft.view
  const { type, zone } = offer
  draft.launches.push({ id: newId(), type: type.name, zone, pods: taken.map(fleetPod), at: now })
  draft.at(now + (settings.joinMs ?? JOIN_MS))
  const message = `Launching an instance of ${type.name} in ${zone}`
  for (const { pod } of taken) draft.events.push({ pod, type: 'Normal', reason: 'LaunchingInstance', message })
}
