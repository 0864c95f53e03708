import type { TopologySpreadConstraint } from '../../../core/kinds/types.ts'
import { requiredNodes, untolerated } from '../../../core/node-selection.ts'
import type { NodeInfo } from '../snapshot.ts'
import { ownerMatcher, type PodMatcher, selectorMatcher, withLabelKeys } from '../terms.ts'
import { type Cycle, type FilterPlugin, MAX_SCORE, refusal, type ScorePlugin } from './plugin.ts'

const UNEVEN = refusal("node(s) didn't match pod topology spread constraints", false)
const NO_LABEL = refusal("node(s) didn't match pod topology spread constraints (missing required label)", true)

const HOSTNAME = 'kubernetes.io/hostname'

interface Constraint {
  readonly topologyKey: string
  readonly maxSkew: number
  readonly minDomains: number
  readonly matcher: PodMatcher
  /** Whether the node's pods count and its domain takes part. */
  readonly counts: (node: NodeInfo) => boolean
}

export const podTopologySpread: FilterPlugin & ScorePlugin = {
  name: 'PodTopologySpread',
  weight: 2,
  wakers: ['node', 'room', 'neighbour'],
  filter: (cycle) => {
    const constraints = declared(cycle, 'DoNotSchedule')
    if (constraints.length === 0) return undefined
    const tests = constraints.map((constraint) => hardTest(cycle, constraint, constraints))
    return ({ index }) => {
      for (const { ids, fits } of tests) {
        const domain = ids[index] ?? -1
        if (domain < 0) return NO_LABEL
        if (!fits(domain)) return UNEVEN
      }
      return undefined
    }
  },
  score: (cycle, nodes) => {
    const own = declared(cycle, 'ScheduleAnyway')
    const constraints = own.length > 0 ? own : byDefault(cycle)
    if (constraints.length === 0) return undefined
    return spreadScores(cycle, nodes, { constraints, all: own.length > 0 })
  }
}

function declared({ candidate }: Cycle, when: 'DoNotSchedule' | 'ScheduleAnyway'): Constraint[] {
  const { spec } = candidate.object
  const all = (spec?.topologySpreadConstraints ?? []).filter((one) => one.whenUnsatisfiable === when)
  if (all.length === 0) return []
  const affine = requiredNodes(spec)
  return all.map((constraint: TopologySpreadConstraint) => {
    const honorsTaints = constraint.nodeTaintsPolicy === 'Honor'
    const honorsAffinity = constraint.nodeAffinityPolicy !== 'Ignore'
    return {
      topologyKey: constraint.topologyKey,
      maxSkew: constraint.maxSkew,
      minDomains: constraint.minDomains ?? 1,
      matcher: selectorMatcher(
        withLabelKeys(constraint.labelSelector, candidate.pod.labels ?? {}, constraint),
        candidate.namespace
      ),
      counts: (node) =>
        (!honorsAffinity || affine === undefined || affine(node.node.labels, node.name)) &&
        (!honorsTaints || !untolerated(spec?.tolerations ?? [], node.node.taints))
    }
  })
}

/** What kube-scheduler assumes for pods that say nothing (its System defaulting): few of one owner in one place. */
function byDefault({ candidate }: Cycle): Constraint[] {
  const { owner } = candidate.pod
  if (owner === undefined || (candidate.object.spec?.topologySpreadConstraints ?? []).length > 0) return []
  const matcher = ownerMatcher(owner)
  const affine = requiredNodes(candidate.object.spec)
  const counts = (node: NodeInfo) => affine === undefined || affine(node.node.labels, node.name)
  return [
    { topologyKey: HOSTNAME, maxSkew: 3, minDomains: 1, matcher, counts },
    { topologyKey: 'topology.kubernetes.io/zone', maxSkew: 5, minDomains: 1, matcher, counts }
  ]
}

interface Domains {
  /** By the node's index. */
  readonly ids: Int32Array
  /** Pods in each domain, on the nodes that take part. */
  readonly sums: Int32Array
  /** 1 for domains in which some node takes part. */
  readonly taking: Uint8Array
}

/** `keys`: labels that a node must have to take part. */
function domainsOf({ snapshot }: Cycle, constraint: Constraint, keys: readonly string[]): Domains {
  const perNode = snapshot.countsOf(constraint.matcher)
  const { ids, size } = snapshot.topology(constraint.topologyKey)
  const others = keys.map((key) => snapshot.topology(key).ids)
  const sums = new Int32Array(size)
  const taking = new Uint8Array(size)
  for (const node of snapshot.nodes) {
    const domain = ids[node.index] ?? -1
    if (domain < 0 || others.some((other) => (other[node.index] ?? -1) < 0) || !constraint.counts(node)) continue
    taking[domain] = 1
    sums[domain] = (sums[domain] ?? 0) + (perNode[node.index] ?? 0)
  }
  return { ids, sums, taking }
}

function hardTest(cycle: Cycle, constraint: Constraint, all: readonly Constraint[]) {
  const { maxSkew, minDomains, matcher } = constraint
  const keys = all.map(({ topologyKey }) => topologyKey)
  const { ids, sums, taking } = domainsOf(cycle, constraint, keys)
  const counts = [...sums].filter((_, domain) => taking[domain] === 1)
  const least = counts.length < minDomains ? 0 : Math.min(...counts)
  const self = matcher.matches(cycle.candidate) ? 1 : 0
  return { ids, fits: (domain: number) => (sums[domain] ?? 0) + self - least <= maxSkew }
}

/** `all`: a node without one of the labels is worst, as it is for constraints that the pod has itself. */
function spreadScores(
  cycle: Cycle,
  nodes: readonly NodeInfo[],
  { constraints, all }: { constraints: readonly Constraint[]; all: boolean }
): readonly number[] {
  const parts = constraints.map((constraint) => {
    const { ids, sums } = domainsOf(cycle, constraint, [])
    // scoring.go's topologyNormalizingWeight: a constraint with many domains counts for more.
    return { ids, sums, base: constraint.maxSkew - 1, weight: Math.log(domainsAmong(nodes, ids, sums.length) + 2) }
  })
  const raw = new Float64Array(nodes.length)
  let most = 0
  let least = Number.POSITIVE_INFINITY
  for (const [i, { index }] of nodes.entries()) {
    let score = 0
    for (const { ids, sums, base, weight } of parts) {
      const domain = ids[index] ?? -1
      if (domain >= 0) score += (sums[domain] ?? 0) * weight + base
      else if (all) score = Number.NaN
    }
    score = Math.round(score)
    raw[i] = score
    if (score > most) most = score
    if (score < least) least = score
  }
  return Array.from(raw, (score) => {
    if (Number.isNaN(score)) return 0
    return most === 0 ? MAX_SCORE : Math.floor((MAX_SCORE * (most + least - score)) / most)
  })
}

function domainsAmong(nodes: readonly NodeInfo[], ids: Int32Array, size: number): number {
  const seen = new Uint8Array(size)
  let count = 0
  for (const { index } of nodes) {
    const domain = ids[index] ?? -1
    if (domain < 0 || seen[domain] === 1) continue
    seen[domain] = 1
    count++
  }
  return count
}
