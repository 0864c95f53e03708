/**
 * The cluster as one batch of pods sees it: every node with what is taken, changed by the batch's own bookings. Counts of
 * pods by selector are made once for a batch and then kept up to date, so that a batch never costs pods × pods.
 */
import {
  type Amounts,
  addAmounts,
  type HostPort,
  type LedgerNode,
  type LedgerPod,
  type NodeLedger
} from '../../core/ledger.ts'
import { type NamespaceLabels, type PodMatcher, TermSet } from './terms.ts'

export interface NodeInfo {
  /** Position in `Snapshot.nodes`, and in every array of counts; the snapshot's to set. */
  index: number
  readonly name: string
  readonly node: LedgerNode
  readonly requested: Record<string, number>
  /** With Kubernetes' assumption for pods that request nothing; thousandths of a core, and bytes. */
  readonly assumed: { cpu: number; memory: number }
  readonly ports: HostPort[]
  readonly pods: Map<string, PlacedPod>
  /** How many pods of each controller, by its uid. */
  readonly owners: Map<string, number>
  /** Those of `pods` that have (anti-)affinity. */
  readonly withTerms: PlacedPod[]
}

export interface PlacedPod {
  readonly namespace: string
  readonly pod: LedgerPod
}

/** schedutil.DefaultMilliCPURequest and DefaultMemoryRequest: a pod without requests is not nothing. */
const ASSUMED_CPU = 100
const ASSUMED_MEMORY = 200 * 1024 * 1024

export function assumedOf(requests: Amounts): { cpu: number; memory: number } {
  return { cpu: requests.cpu || ASSUMED_CPU, memory: requests.memory || ASSUMED_MEMORY }
}

/** Keeps what it made of ledgers that have not changed since. */
export class SnapshotMaker {
  private made = new Map<string, { readonly version: string | undefined; readonly info: NodeInfo }>()

  /** Earlier snapshots are of no use from here on: they share their nodes with this one. */
  snapshot(ledgers: readonly NodeLedger[], namespaces: NamespaceLabels): Snapshot {
    const next: typeof this.made = new Map()
    const nodes: NodeInfo[] = []
    for (const ledger of ledgers) {
      if (ledger.node === undefined) continue
      const { name = '', resourceVersion: version } = ledger.metadata
      const known = this.made.get(name)
      const made =
        known !== undefined && version !== undefined && known.version === version
          ? known
          : { version, info: nodeInfo(ledger, ledger.node) }
      made.info.index = nodes.length
      nodes.push(made.info)
      next.set(name, made)
    }
    this.made = next
    return new Snapshot(nodes, namespaces, (node) => this.made.delete(node.name))
  }
}

/** Nodes that exist; ledgers without a node hold nothing that can be used. */
export class Snapshot {
  readonly nodes: readonly NodeInfo[]
  private readonly counts = new Map<string, Counted>()
  private readonly topologies = new Map<string, Topology>()
  private readonly namespaces: NamespaceLabels
  private readonly onBook: (node: NodeInfo) => void
  private existing: TermSet | undefined

  constructor(nodes: readonly NodeInfo[], namespaces: NamespaceLabels, onBook: (node: NodeInfo) => void) {
    this.nodes = nodes
    this.namespaces = namespaces
    this.onBook = onBook
  }

  /** How many pods that `matcher` selects are on each node, by the node's index. Shared: not to be changed. */
  countsOf(matcher: PodMatcher): Int32Array {
    const known = this.counts.get(matcher.id)
    if (known !== undefined) return known.perNode
    const perNode = new Int32Array(this.nodes.length)
    for (const { index, pods, owners } of this.nodes)
      if (matcher.owner !== undefined) perNode[index] = owners.get(matcher.owner) ?? 0
      else for (const placed of pods.values()) if (matcher.matches(placed)) perNode[index] = (perNode[index] ?? 0) + 1
    this.counts.set(matcher.id, { matcher, perNode })
    return perNode
  }

  /** The nodes' values of a label, as numbers. */
  topology(key: string): Topology {
    const known = this.topologies.get(key)
    if (known !== undefined) return known
    const domains = new Map<string, number>()
    const ids = new Int32Array(this.nodes.length).fill(-1)
    for (const { node, index } of this.nodes) {
      const value = node.labels[key]
      if (value === undefined) continue
      const id = domains.get(value) ?? domains.size
      domains.set(value, id)
      ids[index] = id
    }
    const topology = { ids, size: domains.size }
    this.topologies.set(key, topology)
    return topology
  }

  /** The (anti-)affinity terms of pods that are placed already, each distinct one once. */
  terms(): TermSet {
    if (this.existing !== undefined) return this.existing
    const existing = new TermSet(this.namespaces)
    for (const node of this.nodes) for (const placed of node.withTerms) existing.add(node, placed)
    this.existing = existing
    return existing
  }

  /** The batch has decided: later pods of it find the pod there. */
  book(node: NodeInfo, key: string, placed: PlacedPod): void {
    place(node, key, placed)
    this.onBook(node)
    for (const { matcher, perNode } of this.counts.values())
      if (matcher.matches(placed)) perNode[node.index] = (perNode[node.index] ?? 0) + 1
    if (placed.pod.affinity !== undefined) this.existing?.add(node, placed)
  }
}

export interface Topology {
  /** By the node's index: the number of its domain; -1: it has no such label. */
  readonly ids: Int32Array
  /** How many domains there are. */
  readonly size: number
}

interface Counted {
  readonly matcher: PodMatcher
  readonly perNode: Int32Array
}

function nodeInfo(ledger: NodeLedger, node: LedgerNode): NodeInfo {
  const name = ledger.metadata.name ?? ''
  const info: NodeInfo = {
    index: 0,
    name,
    node,
    requested: {},
    assumed: { cpu: 0, memory: 0 },
    ports: [],
    pods: new Map(),
    owners: new Map(),
    withTerms: []
  }
  for (const key in ledger.pods) {
    const pod = ledger.pods[key]
    if (pod !== undefined) place(info, key, { namespace: key.slice(0, key.indexOf('/')), pod })
  }
  return info
}

function place(info: NodeInfo, key: string, placed: PlacedPod): void {
  const { requests, ports, owner, affinity } = placed.pod
  info.pods.set(key, placed)
  addAmounts(info.requested, requests, 1)
  const assumed = assumedOf(requests)
  info.assumed.cpu += assumed.cpu
  info.assumed.memory += assumed.memory
  if (ports !== undefined) info.ports.push(...ports)
  if (owner !== undefined) info.owners.set(owner, (info.owners.get(owner) ?? 0) + 1)
  if (affinity !== undefined) info.withTerms.push(placed)
}
