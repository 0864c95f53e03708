import type { PodAffinityTerm } from '../../../core/kinds/types.ts'
import type { NodeInfo, Snapshot } from '../snapshot.ts'
import { compileTerm, type ExistingTerm, preferred, type Term } from '../terms.ts'
import { type Cycle, type FilterPlugin, MAX_SCORE, refusal, type ScorePlugin } from './plugin.ts'

const NO_AFFINITY = refusal("node(s) didn't match pod affinity rules", true)
const ANTI_AFFINITY = refusal("node(s) didn't match pod anti-affinity rules", false)
const EXISTING_ANTI_AFFINITY = refusal("node(s) didn't satisfy existing pods anti-affinity rules", false)

type NodeTest = (node: NodeInfo) => boolean

export const interPodAffinity: FilterPlugin & ScorePlugin = {
  name: 'InterPodAffinity',
  weight: 2,
  wakers: ['node', 'room', 'neighbour'],
  filter: (cycle) => {
    const near = nearOthers(cycle)
    const apart = apartFromOthers(cycle)
    const unwanted = unwantedByOthers(cycle)
    if (near === undefined && apart === undefined && unwanted === undefined) return undefined
    return (node) => {
      if (near?.(node) === false) return NO_AFFINITY
      if (apart?.(node) === false) return ANTI_AFFINITY
      return unwanted?.(node) === false ? EXISTING_ANTI_AFFINITY : undefined
    }
  },
  score: (cycle, nodes) => {
    const topology = new Weights()
    const { podAffinity, podAntiAffinity } = cycle.candidate.pod.affinity ?? {}
    for (const { podAffinityTerm, weight } of preferred(podAffinity)) topology.addTerm(cycle, podAffinityTerm, weight)
    for (const { podAffinityTerm, weight } of preferred(podAntiAffinity))
      topology.addTerm(cycle, podAffinityTerm, -weight)
    for (const existing of cycle.snapshot.terms().weighted.values())
      if (existing.term.matches(cycle.candidate)) topology.addExisting(cycle.snapshot, existing)
    if (topology.empty()) return undefined
    const raw = nodes.map((node) => topology.of(node))
    const [least, most] = [Math.min(...raw), Math.max(...raw)]
    return raw.map((score) => (most === least ? 0 : Math.floor((MAX_SCORE * (score - least)) / (most - least))))
  }
}

function compiledTerms({ candidate, namespaces }: Cycle, terms: readonly PodAffinityTerm[] | undefined): Term[] {
  const of = { namespace: candidate.namespace, labels: candidate.pod.labels ?? {} }
  return (terms ?? []).map((term) => compileTerm(term, of, namespaces))
}

/** Pods that satisfy all terms at once must be in the same place by each term. The first of its kind may go anywhere. */
function nearOthers(cycle: Cycle): NodeTest | undefined {
  const required = cycle.candidate.pod.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  const terms = compiledTerms(cycle, required)
  if (terms.length === 0) return undefined
  const all = {
    id: `all ${terms.map(({ id }) => id).join(' ')}`,
    matches: (pod: Cycle['candidate'] | Parameters<Term['matches']>[0]) => terms.every((term) => term.matches(pod))
  }
  const counts = cycle.snapshot.countsOf(all)
  const places = terms.map(({ topologyKey }) => ({
    topologyKey,
    values: valuesWith(cycle.snapshot, topologyKey, counts)
  }))
  const nobody = places.every(({ values }) => values.size === 0)
  const first = nobody && all.matches(cycle.candidate)
  return ({ node }) =>
    places.every(({ topologyKey, values }) => {
      const value = node.labels[topologyKey]
      return value !== undefined && (first || values.has(value))
    })
}

function apartFromOthers(cycle: Cycle): NodeTest | undefined {
  const required = cycle.candidate.pod.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  const terms = compiledTerms(cycle, required)
  if (terms.length === 0) return undefined
  const places = terms.map((term) => ({
    topologyKey: term.topologyKey,
    values: valuesWith(cycle.snapshot, term.topologyKey, cycle.snapshot.countsOf(term))
  }))
  return ({ node }) =>
    places.every(({ topologyKey, values }) => {
      const value = node.labels[topologyKey]
      return value === undefined || !values.has(value)
    })
}

/** Pods that are there already may have asked to be left alone by pods like this one. */
function unwantedByOthers({ candidate, snapshot }: Cycle): NodeTest | undefined {
  const places: { topologyKey: string; values: Set<string> }[] = []
  for (const { term, owners } of snapshot.terms().forbidding.values()) {
    if (!term.matches(candidate)) continue
    const values = new Set<string>()
    for (const index of owners.keys()) {
      const value = snapshot.nodes[index]?.node.labels[term.topologyKey]
      if (value !== undefined) values.add(value)
    }
    places.push({ topologyKey: term.topologyKey, values })
  }
  if (places.length === 0) return undefined
  return ({ node }) =>
    places.every(({ topologyKey, values }) => {
      const value = node.labels[topologyKey]
      return value === undefined || !values.has(value)
    })
}

/** Values of the label on nodes that have such pods. */
function valuesWith({ nodes }: Snapshot, topologyKey: string, counts: Int32Array): Set<string> {
  const values = new Set<string>()
  for (const { node, index } of nodes) {
    const value = node.labels[topologyKey]
    if (value !== undefined && (counts[index] ?? 0) > 0) values.add(value)
  }
  return values
}

/** Sums of weights by topology key and value. */
class Weights {
  private readonly sums = new Map<string, Map<string, number>>()

  /** Each pod that the term selects counts with the weight, in its place. */
  addTerm(cycle: Cycle, term: PodAffinityTerm, weight: number): void {
    for (const compiled of compiledTerms(cycle, [term])) {
      const counts = cycle.snapshot.countsOf(compiled)
      for (const { node, index } of cycle.snapshot.nodes)
        this.add(compiled.topologyKey, node.labels[compiled.topologyKey], weight * (counts[index] ?? 0))
    }
  }

  addExisting({ nodes }: Snapshot, { term, weight, owners }: ExistingTerm): void {
    for (const [index, count] of owners)
      this.add(term.topologyKey, nodes[index]?.node.labels[term.topologyKey], weight * count)
  }

  empty(): boolean {
    return this.sums.size === 0
  }

  of({ node }: NodeInfo): number {
    let sum = 0
    for (const [key, values] of this.sums) sum += values.get(node.labels[key] ?? '') ?? 0
    return sum
  }

  private add(key: string, value: string | undefined, weight: number): void {
    if (value === undefined || weight === 0) return
    const values = this.sums.get(key) ?? new Map<string, number>()
    values.set(value, (values.get(value) ?? 0) + weight)
    this.sums.set(key, values)
  }
}
