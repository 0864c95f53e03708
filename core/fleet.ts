/** What is under way with nodes that the control plane makes itself: one hidden object, each change a conditional write. */
import type { ResourceRef } from './kinds/refs.ts'
import type { ObjectMeta } from './kinds/types.ts'
import type { Amounts } from './ledger.ts'

export const FLEETS = 'internal.wherry.dev/fleets'

export const fleets: ResourceRef<Fleet> = {
  group: 'internal.wherry.dev',
  version: 'v1',
  resource: 'fleets',
  kind: 'Fleet',
  namespaced: false
}

/** The one fleet of a cluster. */
export const FLEET = 'nodes'

export interface FleetPod {
  /** "namespace/name" */
  readonly key: string
  readonly uid: string
}

/** An instance that was decided on. Whoever acts on it passes `id` as the platform's token, so that it is made once. */
export interface Launch {
  readonly id: string
  /** As in "t4g.small". */
  readonly type: string
  readonly zone: string
  /** The pods that it is made for: none of them causes another launch while this one is under way. */
  readonly pods: readonly FleetPod[]
  /** When it was decided (milliseconds since 1970, as all times here). */
  readonly at: number
  /** Set once the platform has answered. */
  readonly instance?: string
  /** When its node was first seen ready. */
  readonly readyAt?: number
}

/** An instance that has to go. `drain`: its node takes no more pods; `terminate`: there is no way back. */
export interface Leaving {
  readonly instance: string
  readonly step: 'drain' | 'terminate'
  /** As in "it was empty". */
  readonly reason: string
  readonly since: number
}

/** How often instances were launched for a pod in vain, and before when none is launched again. */
export interface Tries {
  readonly count: number
  readonly notBefore: number
}

export interface Fleet {
  readonly apiVersion?: string | undefined
  readonly kind?: string | undefined
  readonly metadata: ObjectMeta
  readonly launches: readonly Launch[]
  readonly leaving: readonly Leaving[]
  /** By instance: since when nothing has run on it but what runs on every node. */
  readonly empty: Readonly<Record<string, number>>
  /** By the pod's uid. */
  readonly tries: Readonly<Record<string, Tries>>
  /** By the pod's uid: why no instance is launched for it, as its Event says. */
  readonly refused: Readonly<Record<string, string>>
  /** By "type zone": until when the platform has none. */
  readonly unavailable: Readonly<Record<string, number>>
  /** By type: what nodes of it really had, which is better than an estimate. */
  readonly allocatable: Readonly<Record<string, Amounts>>
}

export function emptyFleet(): Fleet {
  return {
    metadata: { name: FLEET },
    launches: [],
    leaving: [],
    empty: {},
    tries: {},
    refused: {},
    unavailable: {},
    allocatable: {}
  }
}
