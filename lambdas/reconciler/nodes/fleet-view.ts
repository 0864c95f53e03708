/** What the provisioner knows of the cluster and of its platform when it plans. Pure. */
import type { Fleet } from '../../../core/fleet.ts'
import type { Node, Pod } from '../../../core/kinds/types.ts'
import type { NodeLedger } from '../../../core/ledger.ts'
import { timeOf } from '../objects.ts'
import type { Seeker } from './bins.ts'
import type { Instance, InstanceState } from './instances.ts'
import type { NodeSettings } from './offers.ts'

export interface ProvisionView {
  readonly fleet: Fleet
  /** Every pod without a node. */
  readonly pods: readonly Pod[]
  readonly nodes: readonly Node[]
  readonly ledgers: readonly NodeLedger[]
  /** Ours; those that have gone only for a while. */
  readonly instances: readonly Instance[]
  /** Of nodes that are not ready and whose instance is not among `instances`. */
  readonly states: ReadonlyMap<string, InstanceState>
  readonly daemons: readonly Daemon[]
  readonly settings: NodeSettings
  /** Milliseconds since 1970. */
  readonly now: number
  /** A new UUID. */
  readonly newId: () => string
}

/** A DaemonSet: its pods come to every node that its template fits, and keep none alive. */
export interface Daemon {
  readonly uid: string
  readonly template: Seeker
}

/** On a Node: it was cordoned because its instance is to go. */
export const LEAVING = 'wherry.dev/leaving'

const INSTANCE_ID = /^i-[0-9a-f]{8,17}$/

/** The EC2 instance of a node; undefined: it is none, or nobody can tell. */
export function instanceOf({ metadata, spec }: Node): string | undefined {
  const last = spec?.providerID?.startsWith('aws://') === true ? spec.providerID.split('/').at(-1) : metadata.name
  return last !== undefined && INSTANCE_ID.test(last) ? last : undefined
}

/** How many pods a node's instance is kept for: neither a DaemonSet's nor the node's own. */
export function workloadOf(ledger: NodeLedger | undefined, daemons: readonly Daemon[]): number {
  const idle = new Set(daemons.map(({ uid }) => uid)).add(ledger?.node?.uid ?? '')
  return Object.values(ledger?.pods ?? {}).filter(({ owner }) => owner === undefined || !idle.has(owner)).length
}

/** The scheduler has found no node for it. */
export function isUnschedulable({ metadata, spec, status }: Pod): boolean {
  if (metadata.deletionTimestamp !== undefined || (spec?.nodeName ?? '') !== '') return false
  return scheduledCondition({ status })?.reason === 'Unschedulable'
}

/** When the scheduler first found none, in milliseconds since 1970. */
export function unschedulableSince(pod: Pod): number {
  return timeOf(scheduledCondition(pod)?.lastTransitionTime ?? undefined) ?? 0
}

function scheduledCondition({ status }: Pick<Pod, 'status'>) {
  return status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False')
}
