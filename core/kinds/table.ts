import { accountKinds } from './accounts.ts'
import { admissionPolicyKinds } from './admission-policies.ts'
import { selfDescribingKinds } from './api-services.ts'
import { appsKinds } from './apps.ts'
import { autoscalingKinds } from './autoscaling.ts'
import { certificateKinds } from './certificates.ts'
import { configKinds } from './config.ts'
import { coordinationKinds } from './coordination.ts'
import { cronJobKinds } from './cron-jobs.ts'
import { csiKinds } from './csi.ts'
import { daemonSetKinds } from './daemon-sets.ts'
import { definitionKinds } from './definitions.ts'
import { deviceKinds } from './devices.ts'
import { discoveryKinds } from './discovery.ts'
import { disruptionKinds } from './disruption.ts'
import { eventKinds } from './events.ts'
import { flowControlKinds } from './flow-control.ts'
import { ingressKinds } from './ingresses.ts'
import { internalKinds } from './internal.ts'
import { jobKinds } from './jobs.ts'
import type { Kind, Rules } from './kind.ts'
import { limitRangeKinds } from './limit-ranges.ts'
import { modernEventKinds } from './modern-events.ts'
import { networkPolicyKinds } from './network-policies.ts'
import { nodeKinds } from './nodes.ts'
import { claimKinds } from './persistent-volume-claims.ts'
import { volumeKinds } from './persistent-volumes.ts'
import { podKinds } from './pods.ts'
import { rbacKinds } from './rbac.ts'
import { replicationControllerKinds } from './replication-controllers.ts'
import { quotaKinds } from './resource-quotas.ts'
import { revisionKinds } from './revisions.ts'
import { OWNER_INDEXES } from './row.ts'
import { runtimeClassKinds } from './runtime-classes.ts'
import { schedulingKinds } from './scheduling.ts'
import { serviceNetworkKinds } from './service-networks.ts'
import { serviceKinds } from './services.ts'
import { statefulSetKinds } from './stateful-sets.ts'
import { storageClassKinds } from './storage-classes.ts'
import { virtualKinds } from './virtual.ts'
import { webhookKinds } from './webhooks.ts'

/** As kube-apiserver orders them in discovery; groups that are not listed follow by name. */
const GROUP_ORDER = [
  '',
  'apiregistration.k8s.io',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'scheduling.k8s.io',
  'coordination.k8s.io',
  'node.k8s.io',
  'discovery.k8s.io',
  'resource.k8s.io',
  'flowcontrol.apiserver.k8s.io'
]

export interface ApiGroup {
  /** "" is the core group. */
  readonly name: string
  /** The preferred version first. */
  readonly versions: readonly string[]
}

/** The resources that a server knows. Rows with `hidden` are found, but their groups are not listed. */
export interface KindTable {
  /** In the order of discovery: by group, then by resource. */
  readonly all: readonly Kind[]
  readonly groups: readonly ApiGroup[]
  find(group: string, version: string, resource: string): Kind | undefined
  findByKind(group: string, version: string, kind: string): Kind | undefined
  /** The row that the store's resource ("apps/deployments") is kept as. */
  findByStorage(storage: string): Kind | undefined
  /** Of "apps/v1" or "v1". */
  ofVersion(apiVersion: string): readonly Kind[]
}

export function createKindTable(rows: readonly Kind[]): KindTable {
  const all = rows.toSorted(
    (a, b) =>
      compareGroups(a.group, b.group) || compareVersions(a.version, b.version) || compareText(a.resource, b.resource)
  )
  const byResource = index(all, ({ group, version, resource }) => `${group}/${version}/${resource}`)
  const byKind = index(all, ({ group, version, kind }) => `${group}/${version}/${kind}`)
  const kept = all.filter(({ convert }) => convert === undefined)
  const byStorage = index([...kept, ...all], ({ storage }) => storage)
  const byVersion = Map.groupBy(all, ({ group, version }) => (group === '' ? version : `${group}/${version}`))
  const visible = all.filter(({ hidden }) => hidden !== true)
  const groups = [...Map.groupBy(visible, ({ group }) => group)].map(([name, kinds]) => {
    return { name, versions: [...new Set(kinds.map(({ version }) => version))] }
  })
  return {
    all,
    groups,
    find: (group, version, resource) => byResource.get(`${group}/${version}/${resource}`),
    findByKind: (group, version, kind) => byKind.get(`${group}/${version}/${kind}`),
    findByStorage: (storage) => byStorage.get(storage),
    ofVersion: (apiVersion) => byVersion.get(apiVersion) ?? []
  }
}

/** The first of several rows counts. */
function index(rows: readonly Kind[], key: (row: Kind) => string): ReadonlyMap<string, Kind> {
  return new Map(rows.toReversed().map((row) => [key(row), row]))
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function compareGroups(a: string, b: string): number {
  const place = (group: string) => {
    const found = GROUP_ORDER.indexOf(group)
    return found < 0 ? GROUP_ORDER.length : found
  }
  return place(a) - place(b) || compareText(a, b)
}

/** Kubernetes' order of versions: stable before beta before alpha, newer before older. */
function compareVersions(a: string, b: string): number {
  return rank(b) - rank(a) || compareText(a, b)
}

function rank(version: string): number {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version)
  if (match === null) return 0
  const [, major, stage, minor = '0'] = match
  const level = stage === undefined ? 3 : stage === 'beta' ? 2 : 1
  return level * 1e6 + Number(major) * 1e3 + Number(minor)
}

/** What the store keeps of a resource beside its objects; those of custom resources need not be known to be asked. */
export function indexesOf(storage: string): Rules['indexes'] {
  const known = kindTable.findByStorage(storage)
  if (known !== undefined) return known.rules.indexes
  return storage.includes('/') ? OWNER_INDEXES : undefined
}

/** Every built-in kind. A newcomer adds a row to one of these lists, and only so. */
export const kindTable: KindTable = createKindTable([
  ...accountKinds,
  ...appsKinds,
  ...configKinds,
  ...coordinationKinds,
  ...discoveryKinds,
  ...eventKinds,
  ...internalKinds,
  ...nodeKinds,
  ...podKinds,
  ...rbacKinds,
  ...revisionKinds,
  ...schedulingKinds,
  ...serviceKinds,
  ...autoscalingKinds,
  ...cronJobKinds,
  ...csiKinds,
  ...daemonSetKinds,
  ...disruptionKinds,
  ...ingressKinds,
  ...jobKinds,
  ...limitRangeKinds,
  ...networkPolicyKinds,
  ...claimKinds,
  ...volumeKinds,
  ...replicationControllerKinds,
  ...quotaKinds,
  ...runtimeClassKinds,
  ...serviceNetworkKinds,
  ...statefulSetKinds,
  ...storageClassKinds,
  ...admissionPolicyKinds,
  ...selfDescribingKinds,
  ...certificateKinds,
  ...definitionKinds,
  ...deviceKinds,
  ...flowControlKinds,
  ...modernEventKinds,
  ...webhookKinds,
  ...virtualKinds
])
