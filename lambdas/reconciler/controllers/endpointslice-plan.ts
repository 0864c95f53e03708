/** Spreads a Service's endpoints over slices with few changes of those that exist (endpointslice/reconciler.go). Pure. */
import { services } from '../../../core/kinds/refs.ts'
import type { DiscoveryEndpointPort, Endpoint, EndpointSlice, Node, Pod, Service } from '../../../core/kinds/types.ts'
import { controllerReference, semanticEqual } from '../objects.ts'
import { isReady } from '../pods.ts'
import { addressesOf, hostnameOf, isEndpoint, isHeadless, targetPortOf } from '../services.ts'

export const SERVICE_NAME = 'kubernetes.io/service-name'
export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by'
export const MANAGER = 'endpointslice-controller.k8s.io'
const HEADLESS = 'service.kubernetes.io/headless'
const ZONE = 'topology.kubernetes.io/zone'

/** --max-endpoints-per-slice */
const SLICE_MAX = 100

export interface SliceView {
  readonly pods: readonly Pod[]
  /** The slices that the service owns. */
  readonly slices: readonly EndpointSlice[]
  readonly nodes: ReadonlyMap<string, Node>
}

export interface SlicePlan {
  readonly create: readonly EndpointSlice[]
  readonly update: readonly EndpointSlice[]
  readonly remove: readonly EndpointSlice[]
  /** A pod's node is not there (yet, or any more): look again. */
  readonly nodeMissing: boolean
}

interface Group {
  readonly addressType: string
  readonly ports: readonly DiscoveryEndpointPort[]
  readonly endpoints: Endpoint[]
}

interface Draft {
  create: EndpointSlice[]
  update: EndpointSlice[]
  remove: EndpointSlice[]
}

export function planSlices(service: Service, view: SliceView): SlicePlan {
  const families = service.spec?.ipFamilies ?? ['IPv4']
  const draft: Draft = { create: [], update: [], remove: [] }
  let nodeMissing = false
  for (const addressType of families) {
    const existing = view.slices.filter((slice) => slice.addressType === addressType)
    const desired = groupEndpoints(service, view, addressType)
    nodeMissing ||= desired.nodeMissing
    planFamily(service, { existing, groups: desired.groups, addressType }, draft)
  }
  draft.remove.push(...view.slices.filter((slice) => !families.includes(slice.addressType)))
  return { ...draft, nodeMissing }
}

/** Endpoints of one address family, by the ports at which they serve: named ports may differ from pod to pod. */
function groupEndpoints(service: Service, { pods, nodes }: SliceView, addressType: string) {
  const groups = new Map<string, Group>()
  let nodeMissing = false
  for (const pod of pods) {
    if (!isEndpoint(pod, true)) continue
    const addresses = addressesOf(pod).filter((address) => address.includes(':') === (addressType === 'IPv6'))
    if (addresses.length === 0) continue
    const { nodeName = '' } = pod.spec ?? {}
    const node = nodes.get(nodeName)
    if (nodeName !== '' && node === undefined) {
      nodeMissing = true
      if (service.spec?.publishNotReadyAddresses !== true) continue
    }
    const ports = portsOf(service, pod)
    const key = portsKey(ports)
    const group: Group = groups.get(key) ?? { addressType, ports, endpoints: [] }
    group.endpoints.push(endpointOf(service, pod, { addresses, node }))
    groups.set(key, group)
  }
  return { groups, nodeMissing }
}

function portsOf(service: Service, pod: Pod): DiscoveryEndpointPort[] {
  return (service.spec?.ports ?? []).flatMap((port) => {
    const number = targetPortOf(pod, port)
    if (number === undefined) return []
    const { name = '', protocol = 'TCP', appProtocol } = port
    return [{ name, port: number, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }]
  })
}

function portsKey(ports: readonly DiscoveryEndpointPort[]): string {
  const texts = ports.map(({ name, port, protocol, appProtocol }) =>
    [name ?? '', port, protocol, appProtocol].join('/')
  )
  return texts.sort().join(',')
}

function endpointOf(
  service: Service,
  pod: Pod,
  place: { readonly addresses: string[]; readonly node: Node | undefined }
): Endpoint {
  const serving = isReady(pod)
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating)
  const { name, namespace, uid } = pod.metadata
  const endpoint: Endpoint = {
    // A pod has one address of each family that a Service publishes.
    addresses: place.addresses.slice(0, 1),
    conditions: { ready, serving, terminating },
    targetRef: { kind: 'Pod', name, namespace, uid }
  }
  const { nodeName = '' } = pod.spec ?? {}
  if (nodeName !== '') endpoint.nodeName = nodeName
  const zone = place.node?.metadata.labels?.[ZONE]
  if (zone !== undefined && zone !== '') endpoint.zone = zone
  const hostname = hostnameOf(pod, service)
  if (hostname !== undefined) endpoint.hostname = hostname
  const hints = ready ? hintsOf(service, endpoint) : undefined
  if (hints !== undefined) endpoint.hints = hints
  return endpoint
}

function hintsOf(service: Service, { zone, nodeName }: Endpoint): Endpoint['hints'] {
  const { trafficDistribution } = service.spec ?? {}
  if (trafficDistribution === undefined) return undefined
  const hints: NonNullable<Endpoint['hints']> = {}
  if (zone !== undefined) hints.forZones = [{ name: zone }]
  if (trafficDistribution === 'PreferSameNode' && nodeName !== undefined) hints.forNodes = [{ name: nodeName }]
  return hints.forZones === undefined && hints.forNodes === undefined ? undefined : hints
}

interface Family {
  readonly existing: readonly EndpointSlice[]
  readonly groups: ReadonlyMap<string, Group>
  readonly addressType: string
}

function planFamily(service: Service, { existing, groups, addressType }: Family, draft: Draft): void {
  const mine: Draft = { create: [], update: [], remove: [] }
  const byPorts = Map.groupBy(existing, (slice) => portsKey(slice.ports ?? []))
  for (const [key, group] of groups) planGroup(service, { group, slices: byPorts.get(key) ?? [] }, mine)
  for (const [key, slices] of byPorts) if (!groups.has(key)) mine.remove.push(...slices)
  if (existing.length === mine.remove.length && mine.create.length === 0)
    keepPlaceholder(newSlice(service, { addressType, ports: [], endpoints: [] }), mine)
  reuse(mine)
  draft.create.push(...mine.create)
  draft.update.push(...mine.update)
  draft.remove.push(...mine.remove)
}

/** A Service without endpoints has one empty slice, so that consumers see that it has none. */
function keepPlaceholder(placeholder: EndpointSlice, draft: Draft): void {
  const [only] = draft.remove
  const isPlaceholder =
    only !== undefined &&
    draft.remove.length === 1 &&
    only.endpoints.length === 0 &&
    (only.ports ?? []).length === 0 &&
    semanticEqual(only.metadata.labels, placeholder.metadata.labels)
  if (isPlaceholder) draft.remove = []
  else draft.create.push(placeholder)
}

/** A slice that would go takes the place of one that would come: watchers see one change, and names stay. */
function reuse(draft: Draft): void {
  while (draft.create.length > 0 && draft.remove.length > 0) {
    const slice = draft.create.pop()
    const former = draft.remove.shift()
    if (slice !== undefined && former !== undefined) draft.update.push(withContent(former, slice))
  }
}

/** Endpoints stay in their slice; what is new fills slices that change anyway, then one with room, then new ones. */
function planGroup(
  service: Service,
  { group, slices }: { group: Group; slices: readonly EndpointSlice[] },
  draft: Draft
): void {
  const wanted = new Map(group.endpoints.map((endpoint) => [identity(endpoint), endpoint]))
  const unchanged: EndpointSlice[] = []
  const changed: { slice: EndpointSlice; endpoints: Endpoint[] }[] = []
  const labels = labelsOf(service)
  for (const slice of slices) {
    const endpoints: Endpoint[] = []
    for (const endpoint of slice.endpoints) {
      const next = wanted.get(identity(endpoint))
      if (next === undefined) continue
      wanted.delete(identity(endpoint))
      endpoints.push(next)
    }
    if (endpoints.length === 0) draft.remove.push(slice)
    else if (semanticEqual(endpoints, slice.endpoints) && semanticEqual(labels, slice.metadata.labels))
      unchanged.push(slice)
    else changed.push({ slice, endpoints })
  }
  const rest = [...wanted.values()]
  for (const { endpoints } of changed) endpoints.push(...rest.splice(0, SLICE_MAX - endpoints.length))
  const roomy = rest.length > 0 && rest.length < SLICE_MAX ? fullestWithRoom(unchanged, rest.length) : undefined
  if (roomy !== undefined) changed.push({ slice: roomy, endpoints: [...roomy.endpoints, ...rest.splice(0)] })
  for (const { slice, endpoints } of changed) {
    draft.update.push(withContent(slice, newSlice(service, { ...group, endpoints })))
  }
  while (rest.length > 0) draft.create.push(newSlice(service, { ...group, endpoints: rest.splice(0, SLICE_MAX) }))
}

function fullestWithRoom(slices: readonly EndpointSlice[], count: number): EndpointSlice | undefined {
  return slices
    .filter(({ endpoints }) => endpoints.length + count <= SLICE_MAX)
    .toSorted((a, b) => b.endpoints.length - a.endpoints.length)[0]
}

function identity({ addresses, targetRef }: Endpoint): string {
  return `${addresses.join(',')}|${targetRef?.uid ?? ''}`
}

function withContent(slice: EndpointSlice, { metadata, ports, endpoints }: EndpointSlice): EndpointSlice {
  const next: EndpointSlice = { ...slice, metadata: { ...slice.metadata, labels: metadata.labels }, endpoints }
  if (ports !== undefined) next.ports = ports
  return next
}

function newSlice(service: Service, { addressType, ports, endpoints }: Group): EndpointSlice {
  const { name, namespace } = service.metadata
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      generateName: `${name}-`,
      namespace,
      labels: labelsOf(service),
      ownerReferences: [controllerReference(services, service.metadata)]
    },
    addressType,
    endpoints,
    ports: [...ports]
  }
}

function labelsOf(service: Service): Record<string, string> {
  const { [HEADLESS]: _, ...labels } = service.metadata.labels ?? {}
  const headless = isHeadless(service) ? { [HEADLESS]: '' } : {}
  return { ...labels, ...headless, [SERVICE_NAME]: service.metadata.name ?? '', [MANAGED_BY]: MANAGER }
}
