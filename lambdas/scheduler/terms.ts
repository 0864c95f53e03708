/** Affinity terms and selectors of pods, compiled: whom they select, and over which topology. */
import type { Affinity, LabelSelector, PodAffinityTerm, WeightedPodAffinityTerm } from '../../core/kinds/types.ts'
import { labelSelectorMatcher } from '../../core/selector.ts'
import type { NodeInfo, PlacedPod } from './snapshot.ts'

/** Which pods count. Two matchers of one id select the same pods. */
export interface PodMatcher {
  readonly id: string
  /** Where it selects by controller: nodes know these numbers without looking at their pods. */
  readonly owner?: string
  matches(pod: PlacedPod): boolean
}

export interface Term extends PodMatcher {
  readonly topologyKey: string
}

/** Labels of a namespace, for terms that select namespaces; undefined: it is not known. */
export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>> | undefined

type Labels = Readonly<Record<string, string>>

const compiled = new Map<string, Term>()
/** Beyond it the memory of terms begins anew: labels with hashes make new ones with every roll-out. */
const MAX_COMPILED = 5000

/** `namespace` and `labels` are those of the pod that has the term. */
export function compileTerm(
  term: PodAffinityTerm,
  of: { namespace: string; labels: Labels },
  namespaces: NamespaceLabels
): Term {
  const selector = withLabelKeys(term.labelSelector, of.labels, term)
  const own = (term.namespaces ?? []).length === 0 && term.namespaceSelector === undefined
  const listed = own ? [of.namespace] : (term.namespaces ?? [])
  const id = JSON.stringify([term.topologyKey, selector, listed, term.namespaceSelector])
  const known = term.namespaceSelector === undefined ? compiled.get(id) : undefined
  if (known !== undefined) return known
  const matcher = labelSelectorMatcher(selector)
  const inNamespaces = labelSelectorMatcher(term.namespaceSelector)
  const among = (namespace: string) =>
    listed.includes(namespace) ||
    (term.namespaceSelector !== undefined &&
      (inNamespaces.everything || inNamespaces.matches(namespaces(namespace) ?? {})))
  const made: Term = {
    id,
    topologyKey: term.topologyKey,
    matches: ({ namespace, pod }) => among(namespace) && matcher.matches(pod.labels ?? {})
  }
  if (term.namespaceSelector === undefined) remember(id, made)
  return made
}

function remember(id: string, term: Term): void {
  if (compiled.size >= MAX_COMPILED) compiled.clear()
  compiled.set(id, term)
}

/** Pods of one namespace that a selector selects, for spreading. */
export function selectorMatcher(selector: LabelSelector | undefined, namespace: string): PodMatcher {
  const matcher = labelSelectorMatcher(selector)
  return {
    id: JSON.stringify([namespace, selector]),
    matches: (placed) => placed.namespace === namespace && matcher.matches(placed.pod.labels ?? {})
  }
}

/** Pods of one controller, for spreading by default. */
export function ownerMatcher(owner: string): PodMatcher {
  return { id: `owner ${owner}`, owner, matches: ({ pod }) => pod.owner === owner }
}

/** matchLabelKeys: the pod's own values of these labels join the selector. */
export function withLabelKeys(
  selector: LabelSelector | undefined,
  labels: Labels,
  keys: {
    readonly matchLabelKeys?: readonly string[] | undefined
    readonly mismatchLabelKeys?: readonly string[] | undefined
  }
): LabelSelector | undefined {
  const added = [
    ...(keys.matchLabelKeys ?? []).map((key) => ({ key, operator: 'In' })),
    ...(keys.mismatchLabelKeys ?? []).map((key) => ({ key, operator: 'NotIn' }))
  ].flatMap(({ key, operator }) => {
    const value = labels[key]
    return value === undefined ? [] : [{ key, operator, values: [value] }]
  })
  if (added.length === 0 || selector === undefined) return selector
  return { ...selector, matchExpressions: [...(selector.matchExpressions ?? []), ...added] }
}

/** A term that placed pods have, and how many of them on each node. */
export interface ExistingTerm {
  readonly term: Term
  /** Positive draws the pods that it selects near, negative keeps them away. */
  readonly weight: number
  /** By the node's index. */
  readonly owners: Map<number, number>
}

/** InterPodAffinity's hardPodAffinityWeight: a required affinity of theirs also speaks for pods that it selects. */
const HARD_WEIGHT = 1

/** The terms of placed pods, apart by what they do: forbid, or draw and repel. */
export class TermSet {
  readonly forbidding = new Map<string, ExistingTerm>()
  readonly weighted = new Map<string, ExistingTerm>()
  private readonly namespaces: NamespaceLabels

  constructor(namespaces: NamespaceLabels = () => undefined) {
    this.namespaces = namespaces
  }

  add({ index }: NodeInfo, { namespace, pod }: PlacedPod): void {
    const of = { namespace, labels: pod.labels ?? {} }
    const note = (into: Map<string, ExistingTerm>, term: PodAffinityTerm, weight: number) => {
      const made = compileTerm(term, of, this.namespaces)
      const id = `${weight} ${made.id}`
      const known = into.get(id) ?? { term: made, weight, owners: new Map<number, number>() }
      known.owners.set(index, (known.owners.get(index) ?? 0) + 1)
      into.set(id, known)
    }
    const { podAffinity, podAntiAffinity } = pod.affinity ?? {}
    for (const term of podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [])
      note(this.forbidding, term, 0)
    for (const term of podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [])
      note(this.weighted, term, HARD_WEIGHT)
    for (const { podAffinityTerm, weight } of preferred(podAffinity)) note(this.weighted, podAffinityTerm, weight)
    for (const { podAffinityTerm, weight } of preferred(podAntiAffinity)) note(this.weighted, podAffinityTerm, -weight)
  }
}

export function preferred(
  affinity:
    | { readonly preferredDuringSchedulingIgnoredDuringExecution?: WeightedPodAffinityTerm[] | undefined }
    | undefined
): readonly WeightedPodAffinityTerm[] {
  return affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []
}

/** Whether any of a pod's terms asks for labels of namespaces. */
export function asksNamespaces(affinity: Affinity | undefined): boolean {
  if (affinity?.podAffinity === undefined && affinity?.podAntiAffinity === undefined) return false
  return [affinity.podAffinity, affinity.podAntiAffinity].some(
    (one) =>
      (one?.requiredDuringSchedulingIgnoredDuringExecution ?? []).some(selectsNamespaces) ||
      preferred(one).some(({ podAffinityTerm }) => selectsNamespaces(podAffinityTerm))
  )
}

/** An empty selector takes all namespaces and needs no labels. */
function selectsNamespaces({ namespaceSelector }: PodAffinityTerm): boolean {
  if (namespaceSelector === undefined) return false
  return Object.keys(namespaceSelector.matchLabels ?? {}).length + (namespaceSelector.matchExpressions ?? []).length > 0
}
