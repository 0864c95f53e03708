/**
 * Nodes as the provisioner weighs them, there already or only thought of: what fits onto them by resources, host ports,
 * labels, taints and anti-affinity. Less than the scheduler knows, which has the last word. Pure.
 */
import type { Pod, PodAffinityTerm } from '../../../core/kinds/types.ts'
import {
  type Amounts,
  addAmounts,
  type LedgerPod,
  ledgerPod,
  NO_FREE_PORTS,
  portsConflict,
  shortages
} from '../../../core/ledger.ts'
import { type NodeTest, type PlainTaint, requiredNodes, untolerated } from '../../../core/node-selection.ts'
import { keyOf } from '../../../core/object.ts'
import { type LabelMatcher, labelSelectorMatcher } from '../../../core/selector.ts'

/** A pod that looks for a place. */
export interface Seeker {
  readonly key: string
  readonly uid: string
  readonly pod: Pod
  readonly namespace: string
  readonly booked: LedgerPod
  readonly test: NodeTest | undefined
}

interface Placed {
  readonly namespace: string
  readonly pod: LedgerPod
}

export interface BinFacts {
  /** '' for a node that has no name yet: then each bin is a host of its own all the same. */
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly taints: readonly PlainTaint[]
  readonly allocatable: Amounts
}

const HOSTNAME = 'kubernetes.io/hostname'

export class Bin {
  readonly facts: BinFacts
  readonly placed: Placed[] = []
  /** Those of them that keep others away. */
  private readonly shy: Placed[] = []
  private readonly requested: Record<string, number> = {}

  constructor(facts: BinFacts) {
    this.facts = facts
  }

  place(namespace: string, pod: LedgerPod): void {
    const placed = { namespace, pod }
    this.placed.push(placed)
    if (antiTerms(pod).length > 0) this.shy.push(placed)
    addAmounts(this.requested, pod.requests, 1)
  }

  /** Room that pods take which come to every node. */
  reserve(requests: Amounts): void {
    this.place('', { uid: '', requests })
  }

  /** Why the pod cannot run here, as the scheduler would say it; undefined: it can. `others`: every other bin. */
  refuses(seeker: Seeker, others: readonly Bin[]): string | undefined {
    const { labels, name, taints, allocatable } = this.facts
    if (seeker.test !== undefined && !seeker.test(labels, name)) return "didn't match Pod's node affinity/selector"
    if (untolerated(seeker.pod.spec?.tolerations ?? [], taints)) return 'had untolerated taint(s)'
    const room = { allocatable, requested: this.requested, pods: this.placed.length }
    const [missing] = shortages(room, seeker.booked.requests)
    if (missing !== undefined) return missing.reason
    const { ports } = seeker.booked
    if (ports !== undefined) {
      const taken = this.placed.flatMap(({ pod }) => pod.ports ?? [])
      if (ports.some((port) => taken.some((other) => portsConflict(port, other)))) return NO_FREE_PORTS
    }
    if (this.isAvoided(seeker, others)) return "didn't match pod anti-affinity rules"
    return undefined
  }

  take(seeker: Seeker): void {
    this.place(seeker.namespace, seeker.booked)
  }

  /** Required anti-affinity, the pod's own and that of those which are there. */
  private isAvoided(seeker: Seeker, others: readonly Bin[]): boolean {
    const own = antiTerms(seeker.booked)
    const me: Placed = { namespace: seeker.namespace, pod: seeker.booked }
    const avoids = (bin: Bin) =>
      (own.length > 0 &&
        bin.placed.some((placed) => own.some((term) => this.shares(bin, term) && selects(term, me, placed)))) ||
      bin.shy.some((placed) =>
        antiTerms(placed.pod).some((term) => this.shares(bin, term) && selects(term, placed, me))
      )
    return avoids(this) || others.some((bin) => bin !== this && avoids(bin))
  }

  /** Whether the term takes both nodes for one place. */
  private shares(bin: Bin, { topologyKey }: PodAffinityTerm): boolean {
    if (bin === this) return topologyKey === HOSTNAME || this.facts.labels[topologyKey] !== undefined
    if (topologyKey === HOSTNAME) return false
    const value = this.facts.labels[topologyKey]
    return value !== undefined && value === bin.facts.labels[topologyKey]
  }
}

export function seekerOf(pod: Pod): Seeker {
  return {
    key: keyOf(pod.metadata),
    uid: pod.metadata.uid ?? '',
    namespace: pod.metadata.namespace ?? '',
    pod,
    booked: ledgerPod(pod),
    test: requiredNodes(pod.spec)
  }
}

const NONE: readonly PodAffinityTerm[] = []

function antiTerms({ affinity }: LedgerPod): readonly PodAffinityTerm[] {
  return affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? NONE
}

/** Whether a term of `of` means the pod `other`. A selector of namespaces is taken to select them all: to be safe. */
function selects(term: PodAffinityTerm, of: Placed, other: Placed): boolean {
  const named = term.namespaces ?? []
  const here =
    term.namespaceSelector !== undefined || (named.length === 0 ? [of.namespace] : named).includes(other.namespace)
  return here && matcherOf(term).matches(other.pod.labels ?? {})
}

const matchers = new WeakMap<PodAffinityTerm, LabelMatcher>()

function matcherOf(term: PodAffinityTerm): LabelMatcher {
  let matcher = matchers.get(term)
  if (matcher === undefined) {
    matcher = labelSelectorMatcher(term.labelSelector)
    matchers.set(term, matcher)
  }
  return matcher
}
