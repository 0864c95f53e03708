/** The decision: which node for which pod. Pure; scheduler.ts reads the ledgers and brings the decisions to the API. */
import type { Pod } from '../../core/kinds/types.ts'
import { ledgerPod } from '../../core/ledger.ts'
import { keyOf } from '../../core/object.ts'
import type { Random } from '../../core/ports.ts'
import type { Candidate, Cycle, FilterFunction, FilterPlugin, Refusal, Waker } from './plugins/plugin.ts'
import { filterPlugins, scorePlugins } from './plugins/registry.ts'
import type { NodeInfo, Snapshot } from './snapshot.ts'
import type { NamespaceLabels } from './terms.ts'

export interface Failure {
  /** As the pod's condition and its event say it. */
  readonly message: string
  /** What could make a difference. */
  readonly wakers: ReadonlySet<Waker>
}

export type Decision = { readonly node: NodeInfo } | { readonly failure: Failure }

export interface ScheduleOptions {
  readonly snapshot: Snapshot
  readonly namespaces: NamespaceLabels
  readonly random: Random
  /** Where the look at a large cluster's nodes begins; kept by the caller from pod to pod. */
  readonly rotation: { next: number }
}

/** Adding up requests is the dear part, and a pod may be looked at often while it waits. */
const candidates = new WeakMap<Pod, Candidate>()

export function candidateOf(object: Pod): Candidate {
  const known = candidates.get(object)
  if (known !== undefined) return known
  const { metadata } = object
  const made = { key: keyOf(metadata), namespace: metadata.namespace ?? '', object, pod: ledgerPod(object) }
  candidates.set(object, made)
  return made
}

/** Chooses a node and books it in the snapshot, or says why there is none. */
export function schedule(candidate: Candidate, options: ScheduleOptions): Decision {
  const { snapshot, namespaces, random } = options
  const cycle: Cycle = { candidate, snapshot, namespaces }
  const { feasible, refusals } = filter(cycle, options.rotation)
  if (feasible.length === 0) return { failure: failureOf(candidate, snapshot.nodes.length, refusals) }
  const node = best(cycle, feasible, random)
  snapshot.book(node, candidate.key, candidate)
  return { node }
}

interface Refused {
  readonly plugin: FilterPlugin
  readonly refusal: Refusal
}

/** The number of fitting nodes that is enough to choose from (kube-scheduler's numFeasibleNodesToFind). */
export function enoughNodes(nodes: number): number {
  const percent = Math.max(5, 50 - Math.floor(nodes / 125))
  return nodes < 100 ? nodes : Math.max(100, Math.floor((nodes * percent) / 100))
}

function filter(cycle: Cycle, rotation: { next: number }): { feasible: NodeInfo[]; refusals: Refused[] } {
  const { nodes } = cycle.snapshot
  const filters: { plugin: FilterPlugin; test: FilterFunction }[] = []
  for (const plugin of filterPlugins) {
    const test = plugin.filter(cycle)
    if (test !== undefined) filters.push({ plugin, test })
  }
  const enough = enoughNodes(nodes.length)
  const feasible: NodeInfo[] = []
  const refusals: Refused[] = []
  let looked = 0
  for (; looked < nodes.length && feasible.length < enough; looked++) {
    const node = nodes[(rotation.next + looked) % nodes.length]
    if (node === undefined) break
    const refused = refuse(node, filters)
    if (refused === undefined) feasible.push(node)
    else refusals.push(refused)
  }
  rotation.next = nodes.length === 0 ? 0 : (rotation.next + looked) % nodes.length
  return { feasible, refusals }
}

function refuse(
  node: NodeInfo,
  filters: readonly { plugin: FilterPlugin; test: FilterFunction }[]
): Refused | undefined {
  for (const { plugin, test } of filters) {
    const refusal = test(node)
    if (refusal !== undefined) return { plugin, refusal }
  }
  return undefined
}

/** The highest weighted sum; among equals each is as likely as the other. */
function best(cycle: Cycle, feasible: readonly NodeInfo[], random: Random): NodeInfo {
  const [first, ...others] = feasible
  if (first === undefined) throw new Error('no node to choose from')
  if (others.length === 0) return first
  const totals = new Float64Array(feasible.length)
  for (const plugin of scorePlugins) {
    const scores = plugin.score(cycle, feasible)
    if (scores === undefined) continue
    for (let i = 0; i < totals.length; i++) totals[i] = (totals[i] ?? 0) + plugin.weight * (scores[i] ?? 0)
  }
  let chosen = first
  let highest = totals[0] ?? 0
  let equals = 1
  for (let i = 1; i < totals.length; i++) {
    const total = totals[i] ?? 0
    const node = feasible[i]
    if (node === undefined || total < highest) continue
    equals = total > highest ? 1 : equals + 1
    if (total > highest || random.next() < 1 / equals) chosen = node
    highest = total
  }
  return chosen
}

const EVERY_WAKER: ReadonlySet<Waker> = new Set<Waker>(['node', 'room', 'neighbour'])

function failureOf({ object }: Candidate, nodes: number, refusals: readonly Refused[]): Failure {
  if (nodes === 0) return { message: 'no nodes available to schedule pods', wakers: EVERY_WAKER }
  const reasons = new Map<string, number>()
  const preemption = new Map<string, number>()
  const wakers = new Set<Waker>()
  for (const { plugin, refusal } of refusals) {
    for (const reason of refusal.reasons) count(reasons, reason)
    for (const waker of plugin.wakers) wakers.add(waker)
    count(
      preemption,
      refusal.hopeless ? 'Preemption is not helpful for scheduling' : 'No preemption victims found for incoming pod'
    )
  }
  const evicted =
    object.spec?.preemptionPolicy === 'Never'
      ? 'not eligible due to preemptionPolicy=Never.'
      : `${unavailable(nodes)} ${histogram(preemption)}`
  const message = `${unavailable(nodes)} ${histogram(reasons)} no new claims to deallocate, preemption: ${evicted}`
  return { message, wakers }
}

function unavailable(nodes: number): string {
  return `0/${nodes} nodes are available:`
}

/** Sorted as text, numbers included, as Kubernetes does. */
function histogram(counts: ReadonlyMap<string, number>): string {
  const lines = [...counts].map(([reason, number]) => `${number} ${reason}`)
  return `${lines.sort().join(', ')}.`
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1)
}
