/** What a scheduling plugin is. A new one is a file in this folder and a line in registry.ts. */
import type { Pod } from '../../../core/kinds/types.ts'
import type { LedgerPod } from '../../../core/ledger.ts'
import type { NodeInfo, PlacedPod, Snapshot } from '../snapshot.ts'
import type { NamespaceLabels } from '../terms.ts'

/** The pod that is to be placed. */
export interface Candidate extends PlacedPod {
  /** "namespace/name" */
  readonly key: string
  readonly object: Pod
  readonly pod: LedgerPod
}

export interface Cycle {
  readonly candidate: Candidate
  readonly snapshot: Snapshot
  readonly namespaces: NamespaceLabels
}

/** Why a node will not do, in Kubernetes' words. */
export interface Refusal {
  readonly reasons: readonly string[]
  /** Removing pods from the node would not change it. */
  readonly hopeless: boolean
}

export type FilterFunction = (node: NodeInfo) => Refusal | undefined

/** What has changed in the cluster, roughly: which pods may have become schedulable by it. */
export type Waker =
  /** A node came, or its labels, taints or capacity changed. */
  | 'node'
  /** A pod ended or was removed. */
  | 'room'
  /** A pod was placed. */
  | 'neighbour'

/** Filters are asked in the order of the registry; the first that refuses a node gives the reason. */
export interface FilterPlugin {
  readonly name: string
  /** What could make it change its mind. */
  readonly wakers: readonly Waker[]
  /** Once for each pod; undefined: it has nothing to say about this pod. */
  filter(cycle: Cycle): FilterFunction | undefined
}

/** 0 to 100 for each node that is left, better is higher. */
export type Scores = readonly number[]

export interface ScorePlugin {
  readonly name: string
  /** Kubernetes' default weight. */
  readonly weight: number
  /** Once for each pod, for all nodes that are left; undefined: it has nothing to say about this pod. */
  score(cycle: Cycle, nodes: readonly NodeInfo[]): Scores | undefined
}

export const MAX_SCORE = 100

/** Scales so that the highest becomes 100 (helper.DefaultNormalizeScore); `reverse`: the lowest was best. */
export function normalized(raw: readonly number[], reverse: boolean): Scores {
  let highest = 0
  for (const value of raw) if (value > highest) highest = value
  if (highest === 0) return reverse ? raw.map(() => MAX_SCORE) : raw
  return raw.map((value) => {
    const scaled = Math.floor((MAX_SCORE * value) / highest)
    return reverse ? MAX_SCORE - scaled : scaled
  })
}

export function refusal(reason: string, hopeless: boolean): Refusal {
  return { reasons: [reason], hopeless }
}
