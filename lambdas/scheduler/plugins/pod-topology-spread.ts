import type { TopologySpreadConstraint } from '../../../core/kinds/types.ts'
import type { NodeInfo } from '../snapshot.ts'
import { ownerMatcher, type PodMatcher, selectorMatcher, withLabelKeys } from '../terms.ts'
import { requiredNodes } from './node-affinity.ts'
import { type Cycle, type FilterPlugin, MAX_SCORE, refusal, type ScorePlugin } from './plugin.ts'
import { untolerated } from './taint-toleration.ts'

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
    return ({ node }) => {
      for (const { topologyKey, fits } of tests) {
        const value = node.labels[topologyKey]
        if (value === undefined) return NO_LABEL
        if (!fits(value)) return UNEVEN
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
        (!honorsAffinity || affine === undefined || affine(node)) &&
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
  const counts = (node: NodeInfo) => affine === undefined || affine(node)
  return [
    { topologyKey: HOSTNAME, maxSkew: 3, minDomains: 1, matcher, counts },
    { topologyKey: 'topology.kubernetes.io/zone', maxSkew: 5, minDomains: 1, matcher, counts }
  ]
}

/** Pods by value of the label, over the nodes that take part. `keys`: labels that a node must have to take part. */
function domainsOf(
  { snapshot }: Cycle,
  { topologyKey, matcher, counts }: Constraint,
  keys: readonly string[]
): Map<string, number> {
  const perNode = snapshot.countsOf(matcher)
  const domains = new Map<string, number>()
  for (const node of snapshot.nodes) {
    const value = node.node.labels[topologyKey]
    if (value === undefined || !keys.every((key) => node.node.labels[key] !== undefined) || !counts(node)) continue
    domains.set(value, (domains.get(value) ?? 0) + (perNode[node.index] ?? 0))
  }
  return domains
}

function hardTest(cycle: Cycle, constraint: Constraint, all: readonly Constraint[]) {
  const { topologyKey, maxSkew, minDomains, matcher } = constraint
  const domains = domainsOf(
    cycle,
    constraint,
    all.map((one) => one.topologyKey)
  )
  const least = domains.size < minDomains ? 0 : Math.min(...domains.values())
  const self = matcher.matches(cycle.candidate) ? 1 : 0
  return { topologyKey, fits: (value: string) => (domains.get(value) ?? 0) + self - least <= maxSkew }
}

/** `all`: a node without one of the labels is worst, as it is for constraints that the pod has itself. */
function spreadScores(
  cycle: Cycle,
  nodes: readonly NodeInfo[],
  { constraints, all }: { constraints: readonly Constraint[]; all: boolean }
): readonly number[] {
  const parts = constraints.map((constraint) => {
    const { topologyKey, maxSkew } = constraint
    const domains = domainsOf(cycle, constraint, [])
    const present = new Set(nodes.flatMap(({ node }) => node.labels[topologyKey] ?? []))
    // scoring.go's topologyNormalizingWeight: a constraint with many domains counts for more.
    return { topologyKey, maxSkew, domains, weight: Math.log(present.size + 2) }
  })
  const raw = nodes.map(({ node }) => {
    let score = 0
    for (const { topologyKey, maxSkew, domains, weight } of parts) {
      const value = node.labels[topologyKey]
      if (value !== undefined) score += (domains.get(value) ?? 0) * weight + (maxSkew - 1)
      else if (all) return undefined
    }
    return Math.round(score)
  })
  const known = raw.filter((score) => score !== undefined)
  const most = Math.max(0, ...known)
  const least = known.length === 0 ? 0 : Math.min(...known)
  return raw.map((score) => {
    if (score === undefined) return 0
    return most === 0 ? MAX_SCORE : Math.floor((MAX_SCORE * (most + least - score)) / most)
  })
}
