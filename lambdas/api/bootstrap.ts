/** What a cluster starts with. Adds what is missing at each start and leaves what users added. */
import { createHash } from 'node:crypto'
import { ApiError } from '../../core/errors.ts'
import type { ClusterRole, PolicyRule, RbacSubject, RoleBinding } from '../../core/kinds/types.ts'
import { type KubeObject, keyOf } from '../../core/object.ts'
import { type Ports, timestamp } from '../../core/ports.ts'
import type { Entry, StoreApi, Write } from '../../store/store.ts'
import { ADDRESSES, type AddressOptions, addressKey, addressRange, numberToIp, record } from './addresses.ts'
import { missingRules, settle } from './authz-rules.ts'
import { nodeAgentBindings, nodeAgentRoles } from './bootstrap-node-agents.ts'
import { clusterRoleBindings, clusterRoles, roleBindings, roles } from './bootstrap-roles.ts'
import { systemObjects } from './bootstrap-system.ts'

const GROUP = 'rbac.authorization.k8s.io'
const AUTOUPDATE = 'rbac.authorization.kubernetes.io/autoupdate'
/** The store's limit of one transaction. */
const BATCH = 45
/** Another process that starts at the same moment wins at most this often. */
const ATTEMPTS = 10

export interface BootstrapOptions {
  readonly store: StoreApi
  readonly ports: Ports
  readonly addresses: AddressOptions
  /** Where pods reach the API server: an IPv4 address of this machine, and its port. */
  readonly endpoint: { readonly address: string; readonly port: number }
  /** Nodes have one identity each and get the rest from the cluster (bootstrap-node-agents.ts): AWS. */
  readonly nodeAgents?: boolean
}

/** The address of the service default/kubernetes: the first of the range. */
export function kubernetesAddress(options: AddressOptions): string {
  return numberToIp(addressRange(options.serviceRange).first)
}

export async function bootstrap(options: BootstrapOptions): Promise<void> {
  const wanted = wantedObjects(options)
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const writes = await missingWrites(options.store, wanted)
    let refused = false
    for (let at = 0; at < writes.length && !refused; at += BATCH)
      refused = !(await options.store.commit(writes.slice(at, at + BATCH))).ok
    if (!refused) return
  }
  throw new ApiError('Conflict', 'the objects that a cluster starts with were changed again and again meanwhile')
}

/**
 * The same where many processes start over one store, again and again: whoever finds that this very bootstrap was done
 * leaves it at that, at the price of one read.
 */
export async function bootstrapOnce(options: BootstrapOptions): Promise<void> {
  const { store } = options
  const wanted = digest(options)
  const done = await store.get(BELL, DONE_KEY)
  if (done?.value.digest === wanted) return
  await bootstrap(options)
  const object = {
    kind: 'Bootstrap',
    apiVersion: 'internal.wherry.dev/v1',
    metadata: { name: DONE_KEY },
    digest: wanted
  }
  // Whoever else marks it meanwhile has done it, too.
  await store.commit([{ resource: BELL, key: DONE_KEY, expected: done?.version ?? 0, object }])
}

/** Written to whenever something changed that processes keep in memory: a bootstrap may have changed roles. */
export const BELL = 'internal.wherry.dev/bells'
const DONE_KEY = 'bootstrap'

/** Of all that is wanted, but for times and random ids. */
function digest(options: BootstrapOptions): string {
  const { clock, ids } = options.ports
  const ports = { ...options.ports, clock: { ...clock, now: () => 0 }, ids: { ...ids, uid: () => '' } }
  const wanted = wantedObjects({ ...options, ports }).map(({ resource, object }) => [resource, object])
  return createHash('sha256').update(JSON.stringify(wanted)).digest('base64url')
}

/** One object that must be there, and what to do with one that is. */
interface Wanted {
  readonly resource: string
  readonly object: KubeObject
  /** The object as it should be instead of this one; undefined leaves it. */
  readonly merge: (present: KubeObject, wanted: KubeObject) => KubeObject | undefined
}

const leave = () => undefined

async function missingWrites(store: StoreApi, wanted: readonly Wanted[]): Promise<Write[]> {
  const present = new Map<string, ReadonlyMap<string, Entry>>()
  for (const resource of new Set(wanted.map((entry) => entry.resource))) {
    const { entries } = await store.list(resource)
    present.set(resource, new Map(entries.map((entry) => [entry.key, entry])))
  }
  const writes: Write[] = []
  for (const { resource, object, merge } of wanted) {
    const key = keyOf(object.metadata)
    const entry = present.get(resource)?.get(key)
    const next = entry === undefined ? object : merge(entry.value, object)
    if (next !== undefined) writes.push({ resource, key, expected: entry?.version ?? 0, object: next })
  }
  return writes
}

function wantedObjects(options: BootstrapOptions): Wanted[] {
  const make = maker(options.ports)
  return [
    ...namespaces(make),
    ...clusterRoleObjects(make),
    ...bindingObjects(make),
    ...(options.nodeAgents === true ? nodeAgentObjects(make) : []),
    ...priorityClasses(make),
    ...kubernetesService(make, options),
    ...system(make, options)
  ]
}

function system(make: Make, { addresses, ports }: BootstrapOptions): Wanted[] {
  return systemObjects(addresses.serviceRange, ports.clock.now()).map(({ resource, kind, metadata, fields }) => ({
    resource,
    object: make(kind, metadata, fields),
    merge: leave
  }))
}

type Make = (
  kind: { readonly apiVersion: string; readonly kind: string },
  metadata: KubeObject['metadata'],
  fields: Record<string, unknown>
) => KubeObject

function maker({ clock, ids }: Ports): Make {
  const creationTimestamp = timestamp(clock.now())
  return ({ apiVersion, kind }, metadata, fields) => {
    return { kind, apiVersion, metadata: { ...metadata, uid: ids.uid(), creationTimestamp }, ...fields }
  }
}

function namespaces(make: Make): Wanted[] {
  return ['default', 'kube-system', 'kube-public', 'kube-node-lease'].map((name) => ({
    resource: 'namespaces',
    object: make(
      { apiVersion: 'v1', kind: 'Namespace' },
      { name, labels: { 'kubernetes.io/metadata.name': name } },
      { spec: { finalizers: ['kubernetes'] }, status: { phase: 'Active' } }
    ),
    merge: leave
  }))
}

const rbac = (kind: string) => ({ apiVersion: `${GROUP}/v1`, kind })
const DEFAULTS = {
  labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' },
  annotations: { [AUTOUPDATE]: 'true' }
} as const

function clusterRoleObjects(make: Make): Wanted[] {
  const all = new Map<string, ClusterRole>()
  for (const [name, { rules, into, aggregates }] of Object.entries(clusterRoles)) {
    const labels = { ...DEFAULTS.labels, ...(into === undefined ? {} : { [aggregateLabel(into)]: 'true' }) }
    const aggregationRule =
      aggregates === undefined
        ? {}
        : { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { [aggregateLabel(aggregates)]: 'true' } }] } }
    const metadata = { name, labels, annotations: { ...DEFAULTS.annotations } }
    const object = make(rbac('ClusterRole'), metadata, { ...aggregationRule, rules: [...(rules ?? [])] })
    all.set(name, object as unknown as ClusterRole)
  }
  settle(all)
  const cluster = [...all.values()].map((role) => ({
    resource: `${GROUP}/clusterroles`,
    object: role as unknown as KubeObject,
    merge: mergeRole
  }))
  const namespaced = Object.entries(roles).map(([key, rules]) => ({
    resource: `${GROUP}/roles`,
    object: make(rbac('Role'), { ...placed(key), ...copyDefaults() }, { rules: [...rules] }),
    merge: mergeRole
  }))
  return [...cluster, ...namespaced]
}

function aggregateLabel(role: string): string {
  return `${GROUP}/aggregate-to-${role}`
}

function placed(key: string): { name: string; namespace: string } {
  const slash = key.indexOf('/')
  return { name: key.slice(slash + 1), namespace: key.slice(0, slash) }
}

function copyDefaults() {
  return { labels: { ...DEFAULTS.labels }, annotations: { ...DEFAULTS.annotations } }
}

function bindingObjects(make: Make): Wanted[] {
  const cluster = Object.entries(clusterRoleBindings).map(([name, subjects]) => ({
    resource: `${GROUP}/clusterrolebindings`,
    object: make(rbac('ClusterRoleBinding'), { name, ...copyDefaults() }, binding('ClusterRole', name, subjects)),
    merge: mergeBinding
  }))
  const namespaced = Object.entries(roleBindings).map(([key, { role, subjects }]) => ({
    resource: `${GROUP}/rolebindings`,
    object: make(rbac('RoleBinding'), { ...placed(key), ...copyDefaults() }, binding('Role', role, subjects)),
    merge: mergeBinding
  }))
  return [...cluster, ...namespaced]
}

/** Not among Kubernetes' own defaults, so without their label; what users add to or take from them stays. */
function nodeAgentObjects(make: Make): Wanted[] {
  const cluster = Object.entries(nodeAgentRoles).map(([name, rules]) => ({
    resource: `${GROUP}/clusterroles`,
    object: make(rbac('ClusterRole'), { name }, { rules: [...rules] }),
    merge: mergeRole
  }))
  const bindings = Object.entries(nodeAgentBindings).map(([name, { role, subject }]) => ({
    resource: `${GROUP}/clusterrolebindings`,
    object: make(rbac('ClusterRoleBinding'), { name }, binding('ClusterRole', role, [subject])),
    merge: mergeBinding
  }))
  return [...cluster, ...bindings]
}

function binding(kind: string, name: string, subjects: readonly RbacSubject[]): Record<string, unknown> {
  const roleRef = { apiGroup: GROUP, kind, name }
  return subjects.length === 0 ? { roleRef } : { roleRef, subjects: [...subjects] }
}

/** Rules that a user took away come back, unless the role says rbac.authorization.kubernetes.io/autoupdate: "false". */
function mergeRole(present: KubeObject, wanted: KubeObject): KubeObject | undefined {
  const metadata = mergeMetadata(present, wanted)
  if (metadata === undefined) return undefined
  const rules = (present.rules as PolicyRule[] | undefined) ?? []
  const wantedRules = wanted.rules as PolicyRule[]
  // An aggregated role's rules are its controller's business; only its selectors are set here.
  const own = wanted.aggregationRule === undefined
  const missing = own && JSON.stringify(rules) !== JSON.stringify(wantedRules) ? missingRules(rules, wantedRules) : []
  const aggregation = mergeSelectors(present as unknown as ClusterRole, wanted as unknown as ClusterRole)
  if (missing.length === 0 && aggregation === undefined && metadata === present.metadata) return undefined
  const next: KubeObject = { ...present, metadata, rules: [...rules, ...missing] }
  return aggregation === undefined ? next : { ...next, aggregationRule: aggregation }
}

function mergeSelectors(present: ClusterRole, wanted: ClusterRole): ClusterRole['aggregationRule'] {
  const selectors = present.aggregationRule?.clusterRoleSelectors ?? []
  const known = new Set(selectors.map((selector) => JSON.stringify(selector)))
  const missing = (wanted.aggregationRule?.clusterRoleSelectors ?? []).filter(
    (selector) => !known.has(JSON.stringify(selector))
  )
  return missing.length === 0 ? undefined : { clusterRoleSelectors: [...selectors, ...missing] }
}

function mergeBinding(present: KubeObject, wanted: KubeObject): KubeObject | undefined {
  const metadata = mergeMetadata(present, wanted)
  if (metadata === undefined) return undefined
  const { subjects = [], roleRef } = present as unknown as RoleBinding
  const want = wanted as unknown as RoleBinding
  const known = new Set(subjects.map(subjectKey))
  const missing = (want.subjects ?? []).filter((subject) => !known.has(subjectKey(subject)))
  const sameRole = roleRef.kind === want.roleRef.kind && roleRef.name === want.roleRef.name
  if (missing.length === 0 && sameRole && metadata === present.metadata) return undefined
  return { ...present, metadata, roleRef: want.roleRef, subjects: [...subjects, ...missing] }
}

function subjectKey({ kind, name, namespace = '' }: RbacSubject): string {
  return `${kind} ${namespace}/${name}`
}

/** Adds missing labels and annotations; the present metadata where there are none; undefined: hands off. */
function mergeMetadata(present: KubeObject, wanted: KubeObject): KubeObject['metadata'] | undefined {
  const { metadata } = present
  if (metadata.annotations?.[AUTOUPDATE] === 'false') return undefined
  const labels = { ...wanted.metadata.labels, ...metadata.labels }
  const annotations = { ...wanted.metadata.annotations, ...metadata.annotations }
  const complete =
    Object.keys(labels).length === Object.keys(metadata.labels ?? {}).length &&
    Object.keys(annotations).length === Object.keys(metadata.annotations ?? {}).length
  return complete ? metadata : { ...metadata, labels, annotations }
}

function priorityClasses(make: Make): Wanted[] {
  const classes = [
    {
      name: 'system-node-critical',
      value: 2_000_001_000,
      description: 'Used for system critical pods that must not be moved from their current node.'
    },
    {
      name: 'system-cluster-critical',
      value: 2_000_000_000,
      description:
        'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.'
    }
  ]
  return classes.map(({ name, value, description }) => ({
    resource: 'scheduling.k8s.io/priorityclasses',
    object: make(
      { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass' },
      { name, generation: 1 },
      { value, description, preemptionPolicy: 'PreemptLowerPriority' }
    ),
    merge: leave
  }))
}

/** The service by which pods reach the API; its endpoints are this server, which no controller looks after. */
function kubernetesService(make: Make, { addresses, endpoint }: BootstrapOptions): Wanted[] {
  const name = 'kubernetes'
  const place = { name, namespace: 'default' }
  const ip = kubernetesAddress(addresses)
  const service = make(
    { apiVersion: 'v1', kind: 'Service' },
    { ...place, labels: { component: 'apiserver', provider: 'kubernetes' } },
    {
      spec: {
        ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: endpoint.port }],
        clusterIP: ip,
        clusterIPs: [ip],
        type: 'ClusterIP',
        sessionAffinity: 'None',
        ipFamilies: ['IPv4'],
        ipFamilyPolicy: 'SingleStack',
        internalTrafficPolicy: 'Cluster'
      },
      status: { loadBalancer: {} }
    }
  )
  const port = { name: 'https', port: endpoint.port, protocol: 'TCP' }
  const endpoints = make(
    { apiVersion: 'v1', kind: 'Endpoints' },
    { ...place, labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } },
    { subsets: [{ addresses: [{ ip: endpoint.address }], ports: [port] }] }
  )
  const slice = make(
    { apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice' },
    { ...place, generation: 1, labels: { 'kubernetes.io/service-name': name } },
    {
      addressType: 'IPv4',
      endpoints: [{ addresses: [endpoint.address], conditions: { ready: true } }],
      ports: [port]
    }
  )
  return [
    { resource: 'services', object: service, merge: mergeFields('spec') },
    { resource: ADDRESSES, object: record(addressKey(ip), `default/${name}`), merge: leave },
    { resource: 'endpoints', object: endpoints, merge: mergeFields('subsets') },
    { resource: 'discovery.k8s.io/endpointslices', object: slice, merge: mergeFields('endpoints', 'ports') }
  ]
}

/** Takes these fields as they are wanted, where they differ. */
function mergeFields(...fields: readonly string[]): Wanted['merge'] {
  return (present, wanted) => {
    if (fields.every((field) => sortedJson(present[field]) === sortedJson(wanted[field]))) return undefined
    const next: KubeObject = { ...present, metadata: { ...present.metadata } }
    for (const field of fields) next[field] = wanted[field]
    if (next.metadata.generation !== undefined) next.metadata.generation += 1
    return next
  }
}

function sortedJson(value: unknown): string {
  const text = JSON.stringify(value, (_key, field: unknown) =>
    typeof field === 'object' && field !== null && !Array.isArray(field)
      ? Object.fromEntries(Object.entries(field).sort(([a], [b]) => (a < b ? -1 : 1)))
      : field
  )
  return text ?? ''
}
