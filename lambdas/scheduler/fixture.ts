/** What the tests of this folder share: nodes as ledgers, pods, and one decision. */
import type { Node, Pod, PodSpec, Taint } from '../../core/kinds/types.ts'
import { emptyLedger, ledgerNode, type NodeLedger, withNode } from '../../core/ledger.ts'
import { candidateOf, schedule } from './schedule.ts'
import { type Snapshot, SnapshotMaker } from './snapshot.ts'

export interface NodeGiven {
  readonly labels?: Record<string, string>
  readonly taints?: Taint[]
  readonly unschedulable?: boolean
  readonly cpu?: string
  readonly memory?: string
  readonly pods?: string
  readonly devices?: string
}

export function nodeLedger(name: string, given: NodeGiven = {}): NodeLedger {
  const { labels = {}, taints = [], unschedulable = false, cpu = '4', memory = '8Gi', pods = '110', devices } = given
  const allocatable = { cpu, memory, pods, ...(devices === undefined ? {} : { 'example.com/device': devices }) }
  const node: Node = {
    metadata: { name, uid: `uid-${name}`, labels: { 'kubernetes.io/hostname': name, ...labels } },
    spec: { taints, unschedulable },
    status: { allocatable }
  }
  return withNode(emptyLedger(name), ledgerNode(node))
}

export interface PodGiven extends Partial<PodSpec> {
  readonly namespace?: string
  readonly labels?: Record<string, string>
  readonly requests?: Record<string, string>
  readonly owner?: string
  readonly hostPort?: number
}

let count = 0

export function pod(name: string, given: PodGiven = {}): Pod {
  const { namespace = 'default', labels, requests, owner, hostPort, ...spec } = given
  const ports = hostPort === undefined ? [] : [{ containerPort: hostPort, hostPort }]
  const ownerReferences = [
    { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'rs', uid: owner ?? '', controller: true }
  ]
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      uid: `uid-${++count}`,
      resourceVersion: String(count),
      ...(labels === undefined ? {} : { labels }),
      ...(owner === undefined ? {} : { ownerReferences })
    },
    spec: {
      containers: [{ name: 'c', image: 'i', ports, ...(requests === undefined ? {} : { resources: { requests } }) }],
      ...spec
    }
  }
}

export interface World {
  readonly snapshot: Snapshot
  /** Puts a pod on a node, whether it fits or not. */
  place(pod: Pod, node: string): void
  /** Decides and books: the node's name, or the message. */
  schedule(pod: Pod): string
  /** How many pods are on each node. */
  counts(): number[]
}

export function world(ledgers: readonly NodeLedger[], namespaces: Record<string, Record<string, string>> = {}): World {
  const labelsOf = (namespace: string) => namespaces[namespace]
  const snapshot = new SnapshotMaker().snapshot(ledgers, labelsOf)
  const rotation = { next: 0 }
  return {
    snapshot,
    place: (object, name) => {
      const node = snapshot.nodes.find((one) => one.name === name)
      if (node === undefined) throw new Error(`no node ${name}`)
      const candidate = candidateOf(object)
      snapshot.book(node, candidate.key, candidate)
    },
    schedule: (object) => {
      const random = { next: () => 0.5 }
      const decision = schedule(candidateOf(object), { snapshot, namespaces: labelsOf, random, rotation })
      return 'node' in decision ? decision.node.name : decision.failure.message
    },
    counts: () => snapshot.nodes.map(({ pods }) => pods.size)
  }
}

/** The message's first part, without what it says about preemption. */
export function reasons(message: string): string {
  return message.replace(/ no new claims.*$/, '')
}
