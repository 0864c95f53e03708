/** What the platform could launch for whom: a type in a zone, as the node that it would become. Pure. */
import type { Amounts } from '../../../core/ledger.ts'
import type { PlainTaint } from '../../../core/node-selection.ts'
import { Bin, type BinFacts, type Seeker } from './bins.ts'
import { INSTANCE_TYPES, type InstanceType } from './instance-types.ts'

/** The configuration of nodes on demand: WHERRY_NODES (docs/adr/0006-aws.md). */
export interface NodeSettings {
  /** What the launch template's image is built for. */
  readonly arch: InstanceType['arch']
  /** Which types may be launched: names, or beginnings of names before a "*". Default: all of that arch. */
  readonly types?: readonly string[]
  readonly zones: readonly string[]
  /** Instances at a time; default 10. */
  readonly maxNodes?: number
  /** Of all of them together; default 64. */
  readonly maxCpus?: number
  /** GiB of the root disk that the template asks for; default 20. */
  readonly diskGib?: number
  /** Labels and taints that its nodes join with, beyond those that every node has. */
  readonly labels?: Readonly<Record<string, string>>
  readonly taints?: readonly PlainTaint[]
  /** How long a node stays that nothing runs on, in milliseconds; default 5 minutes. */
  readonly emptyMs?: number
  /** An instance whose node is not ready after this long is replaced; default 5 minutes. */
  readonly joinMs?: number
}

export interface Offer {
  readonly type: InstanceType
  readonly zone: string
  readonly facts: BinFacts
}

/** Firmware, kernel and page tables take of the memory that is sold. */
const USABLE_MEMORY = 0.925
/** MiB for containerd, the node agent and the system's own services. */
const SYSTEM_MEMORY = 250
/** The agent's own limit, and the share of the disk that it keeps free. */
const MAX_PODS = 110
const USABLE_DISK = 0.9
const SYSTEM_DISK_GIB = 4

const MIB = 1024 * 1024

/** Less than the node will say, never more: a pod that then finds no room would have to wait for another one. */
export function estimate({ cpus, memory }: InstanceType, diskGib = 20): Amounts {
  return {
    cpu: cpus * 1000,
    memory: Math.max(0, Math.floor(memory * USABLE_MEMORY) - SYSTEM_MEMORY) * MIB,
    'ephemeral-storage': Math.max(0, Math.floor((diskGib - SYSTEM_DISK_GIB) * USABLE_DISK)) * 1024 * MIB,
    pods: MAX_PODS
  }
}

/** Cheapest first. `seen`: what nodes of a type really had. */
export function offersOf(settings: NodeSettings, seen: Readonly<Record<string, Amounts>>): readonly Offer[] {
  const offers: Offer[] = []
  for (const type of INSTANCE_TYPES) {
    if (type.arch !== settings.arch || !isAllowed(type.name, settings.types)) continue
    const allocatable = seen[type.name] ?? estimate(type, settings.diskGib)
    for (const zone of settings.zones)
      offers.push({ type, zone, facts: factsOf(settings, { type, zone, allocatable }) })
  }
  return offers.sort((a, b) => a.type.price - b.type.price || a.type.cpus - b.type.cpus)
}

export function offerOf(offers: readonly Offer[], type: string, zone: string): Offer | undefined {
  return offers.find((offer) => offer.type.name === type && offer.zone === zone)
}

function factsOf(
  { labels, taints }: NodeSettings,
  { type, zone, allocatable }: { type: InstanceType; zone: string; allocatable: Amounts }
): BinFacts {
  return {
    name: '',
    allocatable,
    taints: taints ?? [],
    labels: {
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': type.arch,
      'node.kubernetes.io/instance-type': type.name,
      'topology.kubernetes.io/zone': zone,
      'topology.kubernetes.io/region': zone.replace(/[a-z]$/, ''),
      ...labels
    }
  }
}

export function isAllowed(name: string, allowed: readonly string[] | undefined): boolean {
  if (allowed === undefined || allowed.length === 0) return true
  return allowed.some((one) => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : name === one))
}

export interface Choice {
  readonly offer: Offer
  readonly bin: Bin
  readonly taken: readonly Seeker[]
}

/** What is reserved on every new node of that look, for pods that come to each. */
export type Overhead = (facts: BinFacts) => Amounts

/**
 * The cheapest offer among those that take the most of the pods, the first of which it has to take; undefined: none
 * takes that one. Ties go to the zone with the fewest nodes.
 */
export function choose(
  seekers: readonly Seeker[],
  offers: readonly Offer[],
  around: { readonly bins: readonly Bin[]; readonly overhead: Overhead; readonly perZone: ReadonlyMap<string, number> }
): Choice | undefined {
  let best: Choice | undefined
  for (const offer of offers) {
    const choice = filled(offer, seekers, around)
    if (choice === undefined) continue
    if (best === undefined || choice.taken.length > best.taken.length || isCheaper(choice, best, around.perZone))
      best = choice
  }
  return best
}

function isCheaper(one: Choice, best: Choice, perZone: ReadonlyMap<string, number>): boolean {
  if (one.taken.length < best.taken.length || one.offer.type.price > best.offer.type.price) return false
  return (perZone.get(one.offer.zone) ?? 0) < (perZone.get(best.offer.zone) ?? 0)
}

function filled(
  offer: Offer,
  seekers: readonly Seeker[],
  { bins, overhead }: { readonly bins: readonly Bin[]; readonly overhead: Overhead }
): Choice | undefined {
  const bin = new Bin(offer.facts)
  bin.reserve(overhead(offer.facts))
  const taken: Seeker[] = []
  for (const seeker of seekers) {
    if (bin.refuses(seeker, bins) === undefined) {
      bin.take(seeker)
      taken.push(seeker)
    } else if (taken.length === 0) return undefined
  }
  return { offer, bin, taken }
}

/** Why no node at all could take the pod, in words for its Event. */
export function whyNone(seeker: Seeker, offers: readonly Offer[], overhead: Overhead): string {
  if (offers.length === 0) return 'no instance type is allowed'
  const reasons = new Map<string, number>()
  for (const offer of offers) {
    const bin = new Bin(offer.facts)
    bin.reserve(overhead(offer.facts))
    const reason = bin.refuses(seeker, [])
    if (reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }
  const counted = [...reasons].map(([reason, count]) => `${count} ${reason}`).sort()
  return `0/${offers.length} instance types and zones would do: ${counted.join(', ')}`
}
