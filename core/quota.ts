/**
 * What objects take of a resource quota (kubernetes/pkg/quota/v1/evaluator). Pure: the API counts with it in the
 * transaction of each object, a controller counts anew what a quota has not counted yet.
 */
import { groupResource } from './kinds/kind.ts'
import { qosClass } from './kinds/pod-qos.ts'
import { podTotals } from './kinds/pod-resources.ts'
import { isHugePages, isNativeResource } from './kinds/resource-rules.ts'
import type {
  PersistentVolumeClaim,
  Pod,
  PodAffinityTerm,
  ResourceQuota,
  ScopedResourceSelectorRequirement as Scope,
  Service
} from './kinds/types.ts'
import type { KubeObject } from './object.ts'
import { addQuantity, compareQuantity, parseQuantity, type Quantity, quantityText, ZERO } from './quantity.ts'

export const QUOTAS = 'resourcequotas'

export type Usage = ReadonlyMap<string, Quantity>

export interface Counted {
  readonly group: string
  readonly resource: string
}

/** Names under which objects were counted before any could be. */
const ALIASES: ReadonlySet<string> = new Set(['configmaps', 'resourcequotas', 'replicationcontrollers', 'secrets'])
/** Not counted: events, and what is never stored. */
const IGNORED: ReadonlySet<string> = new Set(['events', 'events.events.k8s.io'])
const COMPUTE = ['cpu', 'memory', 'ephemeral-storage']
const ONE: Quantity = { nano: 1_000_000_000n, format: 'DecimalSI' }

export function isCounted(kind: Counted): boolean {
  return !IGNORED.has(groupResource(kind))
}

/** Everything that the object takes. The same object always takes the same: what was added is what is taken away. */
export function usageOf(kind: Counted, object: KubeObject): Usage {
  const name = groupResource(kind)
  const usage = new Map<string, Quantity>([[`count/${name}`, ONE]])
  if (name === 'pods') addPod(usage, object as unknown as Pod)
  else if (name === 'services') addService(usage, object as unknown as Service)
  else if (name === 'persistentvolumeclaims') addClaim(usage, object as unknown as PersistentVolumeClaim)
  else if (ALIASES.has(name)) usage.set(name, ONE)
  return usage
}

/** A pod that has ended only counts as an object. */
function addPod(usage: Map<string, Quantity>, pod: Pod): void {
  const { phase } = pod.status ?? {}
  if (phase === 'Failed' || phase === 'Succeeded') return
  usage.set('pods', ONE)
  for (const [name, amount] of podTotals(pod.spec, 'requests')) {
    const computes = COMPUTE.includes(name)
    if (computes || isHugePages(name)) usage.set(name, amount)
    if (computes || isHugePages(name) || !isNativeResource(name)) usage.set(`requests.${name}`, amount)
  }
  for (const [name, amount] of podTotals(pod.spec, 'limits'))
    if (COMPUTE.includes(name)) usage.set(`limits.${name}`, amount)
}

const pieces = (count: number): Quantity => ({ nano: BigInt(count) * ONE.nano, format: 'DecimalSI' })

function addService(usage: Map<string, Quantity>, { spec = {} }: Service): void {
  const ports = spec.ports ?? []
  const balanced = spec.type === 'LoadBalancer'
  const given = ports.filter(({ nodePort }) => nodePort).length
  const all = spec.type === 'NodePort' || (balanced && spec.allocateLoadBalancerNodePorts !== false)
  usage.set('services', ONE)
  usage.set('services.loadbalancers', balanced ? ONE : ZERO)
  usage.set('services.nodeports', pieces(all ? ports.length : balanced ? given : 0))
}

const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class'
const BY_CLASS = '.storageclass.storage.k8s.io/'

function addClaim(usage: Map<string, Quantity>, { metadata, spec, status }: PersistentVolumeClaim): void {
  const storageClass = metadata.annotations?.[CLASS_ANNOTATION] ?? spec?.storageClassName ?? ''
  const set = (name: string, amount: Quantity) => {
    usage.set(name, amount)
    if (storageClass !== '') usage.set(`${storageClass}${BY_CLASS}${name}`, amount)
  }
  set('persistentvolumeclaims', ONE)
  const asked = spec?.resources?.requests?.storage
  if (asked === undefined) return
  const [request, allocated] = [parseQuantity(asked), parseQuantity(status?.allocatedResources?.storage ?? 0)]
  set('requests.storage', compareQuantity(allocated, request) > 0 ? allocated : request)
}

/** Which of the quota's resources objects of this kind are counted under. */
export function countedNames(kind: Counted, names: readonly string[]): string[] {
  const own = groupResource(kind)
  const isOwn = (name: string): boolean => {
    if (name === `count/${own}`) return true
    switch (own) {
      case 'pods':
        if (name === 'pods' || COMPUTE.includes(name.replace(/^(requests|limits)\./, ''))) return true
        return isHugePages(name.replace(/^requests\./, '')) || (name.startsWith('requests.') && !isNativeResource(name))
      case 'services':
        return name === 'services' || name === 'services.nodeports' || name === 'services.loadbalancers'
      case 'persistentvolumeclaims':
        return ['persistentvolumeclaims', 'requests.storage'].some(
          (one) => name === one || name.endsWith(`${BY_CLASS}${one}`)
        )
      default:
        return ALIASES.has(own) && name === own
    }
  }
  return names.filter(isOwn)
}

export function matchesQuota({ spec }: ResourceQuota, kind: Counted, object: KubeObject): boolean {
  const scopes: Scope[] = [
    ...(spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists' })),
    ...(spec?.scopeSelector?.matchExpressions ?? [])
  ]
  const name = groupResource(kind)
  if (name === 'pods') return scopes.every((scope) => podInScope(scope, object as unknown as Pod))
  if (name === 'persistentvolumeclaims')
    return scopes.every((scope) => claimInScope(scope, object as unknown as PersistentVolumeClaim))
  return scopes.length === 0
}

function podInScope(scope: Scope, pod: Pod): boolean {
  const terminating = (pod.spec?.activeDeadlineSeconds ?? -1) >= 0
  switch (scope.scopeName) {
    case 'Terminating':
      return terminating
    case 'NotTerminating':
      return !terminating
    case 'BestEffort':
      return qosClass(pod) === 'BestEffort'
    case 'NotBestEffort':
      return qosClass(pod) !== 'BestEffort'
    case 'PriorityClass':
      return selects(scope, [pod.spec?.priorityClassName ?? ''].filter(Boolean))
    case 'CrossNamespacePodAffinity':
      return affinityTerms(pod).some(
        ({ namespaces, namespaceSelector }) => (namespaces ?? []).length > 0 || namespaceSelector !== undefined
      )
    default:
      return false
  }
}

function affinityTerms({ spec }: Pod): PodAffinityTerm[] {
  return [spec?.affinity?.podAffinity, spec?.affinity?.podAntiAffinity].flatMap((affinity) => [
    ...(affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []),
    ...(affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(({ podAffinityTerm }) => podAffinityTerm)
  ])
}

function claimInScope(scope: Scope, { spec, status }: PersistentVolumeClaim): boolean {
  if (scope.scopeName !== 'VolumeAttributesClass') return false
  const names = [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName
  ]
  return selects(scope, names.filter((name) => name !== undefined && name !== '').map(String))
}

function selects({ operator, values = [] }: Scope, names: readonly string[]): boolean {
  const among = names.some((name) => values.includes(name))
  switch (operator) {
    case 'In':
      return among
    case 'NotIn':
      return !among
    case 'Exists':
      return names.length > 0
    default:
      return names.length === 0
  }
}

const MUST_BE_SET = ['cpu', 'limits.cpu', 'limits.memory', 'memory', 'requests.cpu', 'requests.memory']

/** Under a quota of computing resources each container says what it takes. undefined: nothing is wrong. */
export function constraintProblem(kind: Counted, object: KubeObject, names: readonly string[]): string | undefined {
  if (groupResource(kind) !== 'pods') return undefined
  const { spec } = object as unknown as Pod
  if (spec?.resources !== undefined) return undefined
  const missing: string[] = []
  for (const name of MUST_BE_SET) {
    if (!names.includes(name)) continue
    const list = name.startsWith('limits.') ? 'limits' : 'requests'
    const resource = name.slice(name.indexOf('.') + 1)
    const lacking = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]
      .filter(({ resources }) => resources?.[list]?.[resource] === undefined)
      .map((container) => container.name)
    if (lacking.length > 0) missing.push(`${name} for: ${[...new Set(lacking)].sort().join(',')}`)
  }
  return missing.length === 0 ? undefined : `must specify ${missing.join('; ')}`
}

/** "cpu=1,pods=3" */
export function usageText(usage: ReadonlyMap<string, Quantity>): string {
  return [...usage]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, amount]) => `${name}=${quantityText(amount)}`)
    .join(',')
}

/** Everything that the quota counts, of the objects that there are. */
export function totalUsage(
  quota: ResourceQuota,
  objects: readonly { readonly kind: Counted; readonly object: KubeObject }[]
): Map<string, Quantity> {
  const names = Object.keys(quota.spec?.hard ?? {})
  const sum = new Map<string, Quantity>(names.map((name) => [name, ZERO]))
  for (const { kind, object } of objects) {
    const counted = countedNames(kind, names)
    if (counted.length === 0 || !matchesQuota(quota, kind, object)) continue
    const usage = usageOf(kind, object)
    for (const name of counted) {
      const amount = usage.get(name)
      if (amount !== undefined) sum.set(name, addQuantity(sum.get(name) ?? ZERO, amount))
    }
  }
  return sum
}
