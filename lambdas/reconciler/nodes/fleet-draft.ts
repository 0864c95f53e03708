/** The fleet while it is planned: what was, as it is changed step by step. */
import type { Fleet, FleetPod, Launch, Leaving, Tries } from '../../../core/fleet.ts'
import type { Node, Pod } from '../../../core/kinds/types.ts'
import type { Amounts, NodeLedger } from '../../../core/ledger.ts'
import { type Seeker, seekerOf } from './bins.ts'
import { instanceOf, isUnschedulable, type ProvisionView } from './fleet-view.ts'
import type { Instance } from './instances.ts'

export interface FleetEvent {
  readonly pod: Pod
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
}

export interface ProvisionPlan {
  /** To be stored before anything is done of what it says. */
  readonly fleet: Fleet
  /** Nodes whose instances have gone. */
  readonly gone: readonly string[]
  readonly events: readonly FleetEvent[]
  /** Look again after so many milliseconds, though nothing changed. */
  readonly again: number | undefined
}

/** After a launch in vain, doubled with each. */
const FIRST_PAUSE_MS = 30_000
const LONGEST_PAUSE_MS = 900_000

export class Draft {
  readonly view: ProvisionView
  launches: Launch[]
  leaving: Leaving[]
  readonly empty: Record<string, number> = {}
  readonly tries: Record<string, Tries>
  readonly refused: Record<string, string> = {}
  readonly unavailable: Record<string, number>
  readonly allocatable: Record<string, Amounts>
  readonly events: FleetEvent[] = []
  /** Pods that the scheduler has found no node for, by uid. */
  readonly seekers: ReadonlyMap<string, Seeker>
  private readonly nodes: ReadonlyMap<string, Node>
  private readonly ledgers: ReadonlyMap<string, NodeLedger>
  private readonly instances: ReadonlyMap<string, Instance>
  private due = Number.POSITIVE_INFINITY

  constructor(view: ProvisionView) {
    const { fleet, now } = view
    this.view = view
    this.launches = [...fleet.launches]
    this.leaving = [...fleet.leaving]
    this.allocatable = { ...fleet.allocatable }
    this.seekers = new Map(view.pods.filter(isUnschedulable).map((pod) => [pod.metadata.uid ?? '', seekerOf(pod)]))
    this.tries = Object.fromEntries(Object.entries(fleet.tries).filter(([uid]) => this.seekers.has(uid)))
    this.unavailable = Object.fromEntries(Object.entries(fleet.unavailable).filter(([, until]) => until > now))
    this.nodes = new Map(view.nodes.flatMap((node) => entryOf(instanceOf(node), node)))
    this.ledgers = new Map(view.ledgers.map((ledger) => [ledger.metadata.name ?? '', ledger]))
    this.instances = new Map(view.instances.map((instance) => [instance.id, instance]))
  }

  nodeOf(instance: string | undefined): Node | undefined {
    return instance === undefined ? undefined : this.nodes.get(instance)
  }

  ledgerOf(node: Node): NodeLedger | undefined {
    return this.ledgers.get(node.metadata.name ?? '')
  }

  instance(id: string): Instance | undefined {
    return this.instances.get(id)
  }

  /** Whether it has ended: the platform says so, or does not know it though it should by now. */
  hasGone(id: string, madeAt: number): boolean {
    const known = this.instances.get(id)
    if (known !== undefined) return known.state === 'gone'
    return this.view.now >= madeAt + APPEARS_MS
  }

  /** Something is to be looked at again at that time (milliseconds since 1970). */
  at(time: number): void {
    this.due = Math.min(this.due, time)
  }

  /** An instance that was of no use to these pods. */
  inVain(pods: readonly FleetPod[]): void {
    for (const { uid } of pods) {
      if (!this.seekers.has(uid)) continue
      const count = (this.tries[uid]?.count ?? 0) + 1
      const pause = Math.min(FIRST_PAUSE_MS * 2 ** (count - 1), LONGEST_PAUSE_MS)
      this.tries[uid] = { count, notBefore: this.view.now + pause }
    }
  }

  /** Says so in an Event, once for each reason. */
  refuse({ uid, pod }: Seeker, message: string): void {
    this.refused[uid] = message
    if (this.view.fleet.refused[uid] !== message)
      this.events.push({ pod, type: 'Warning', reason: 'NoInstanceForPod', message })
  }

  plan(gone: readonly string[]): ProvisionPlan {
    const { fleet, now } = this.view
    const { launches, leaving, empty, tries, refused, unavailable, allocatable } = this
    return {
      fleet: { ...fleet, launches, leaving, empty, tries, refused, unavailable, allocatable },
      gone,
      events: this.events,
      again: this.due === Number.POSITIVE_INFINITY ? undefined : Math.max(0, this.due - now) + 1
    }
  }
}

/** A new instance may be missing from the platform's lists for so long. */
const APPEARS_MS = 120_000

function entryOf(key: string | undefined, node: Node): [string, Node][] {
  return key === undefined ? [] : [[key, node]]
}
