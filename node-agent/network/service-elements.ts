/**
 * What one Service, one pod's host ports and the cluster's nodes put into the sets and maps of the proxy's table: pure
 * functions of Kubernetes objects. nft-text.ts holds the constant rules that read these sets.
 */
import type { Endpoint, EndpointSlice, Node, Pod, Service, ServicePort } from '../../core/kinds/types.ts'

/** One element of a set, or of a map where `data` is not ''. Key and data are as nft writes them: "10.96.0.1 . tcp . 443". */
export interface Element {
  readonly set: string
  readonly key: string
  readonly data: string
}

export interface ProxyNode {
  readonly nodeName: string
  /** Addresses of the pods of this node. */
  readonly podCIDR: string
  /** Served by the agent's own DNS: a Service at this address without endpoints must not refuse it. */
  readonly clusterDNS: string
}

interface Target {
  readonly ip: string
  readonly port: number
  readonly local: boolean
}

/** What of a service's endpoints a client is sent to, by where the client is. */
interface Choice {
  /** Endpoints anywhere. */
  readonly cluster: readonly Target[]
  /** Endpoints on this node only, for the Local traffic policies. */
  readonly local: readonly Target[]
}

/** ClientIP affinity lasts three hours unless the service says otherwise. */
const DEFAULT_AFFINITY_SECONDS = 10_800

const PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name'

export function serviceElements(service: Service, slices: readonly EndpointSlice[], node: ProxyNode): Element[] {
  const clusterIPs = serviceIPs(service)
  if (clusterIPs.length === 0) return []
  const elements: Element[] = []
  for (const port of service.spec?.ports ?? []) {
    const choice = endpointsOf(port, slices, node.nodeName)
    const at = { protocol: (port.protocol ?? 'TCP').toLowerCase(), port: port.port }
    for (const ip of clusterIPs) elements.push(...clusterAddress({ ...at, ip }, service, choice))
    for (const ip of externalAddresses(service)) elements.push(...externalAddress({ ...at, ip }, service, choice))
    if (port.nodePort !== undefined && port.nodePort > 0)
      elements.push(...externalAddress({ ...at, port: port.nodePort }, service, choice))
    // Endpoints made by hand name no node.
    for (const { ip, local } of [...choice.cluster, ...choice.local])
      if (local || inRange(ip, node.podCIDR)) elements.push({ set: 'hairpin', key: `${ip} . ${ip}`, data: '' })
  }
  return elements.filter(
    (element) => element.set !== 'reject_service' || !element.key.startsWith(`${node.clusterDNS} `)
  )
}

/** IPv4 only. Empty for headless and ExternalName services, and for those that another proxy serves. */
export function serviceIPs(service: Service): string[] {
  const spec = service.spec
  if (spec === undefined || spec.type === 'ExternalName') return []
  if (service.metadata.labels?.[PROXY_NAME_LABEL] !== undefined) return []
  const ips = spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP])
  return ips.filter(isIPv4)
}

/** What clients ask for; without `ip`, the port on any address of this node. */
interface Address {
  readonly ip?: string
  readonly protocol: string
  readonly port: number
}

const familyOf = (address: Address) => (address.ip === undefined ? 'node_port' : 'service')

/** As a key of the sets for all protocols. */
function keyOf({ ip, protocol, port }: Address): string {
  return `${ip === undefined ? '' : `${ip} . `}${protocol} . ${port}`
}

function clusterAddress(address: Address, service: Service, choice: Choice): Element[] {
  const localOnly = service.spec?.internalTrafficPolicy === 'Local'
  const targets = localOnly ? choice.local : choice.cluster
  if (choice.cluster.length === 0 && choice.local.length === 0) return [member('reject_service', address)]
  // Endpoints elsewhere exist but may not be used: Kubernetes drops, so that the client waits instead of giving up.
  if (targets.length === 0) return [member('drop_service', address)]
  return [...spread(address, targets), ...affinity(address, service)]
}

/** An external address, a load balancer's, or a node port. */
function externalAddress(address: Address, service: Service, choice: Choice): Element[] {
  const family = familyOf(address)
  if (choice.cluster.length === 0 && choice.local.length === 0) return [member(`reject_${family}`, address)]
  const elements = [...spread(address, choice.cluster), ...affinity(address, service)]
  if (service.spec?.externalTrafficPolicy !== 'Local') return [...elements, member(`masquerade_${family}`, address)]
  // Pods and this host still reach every endpoint; clients from outside only those here, with their own address kept.
  if (choice.local.length === 0) return [...elements, member(`drop_outside_${family}`, address)]
  return [...elements, ...spread(address, choice.local, 'local_')]
}

function member(set: string, address: Address): Element {
  return { set, key: keyOf(address), data: '' }
}

/**
 * One map for each protocol and number of endpoints: the rule draws an index below that number and looks it up with the
 * address. A map for each protocol, because nft 1.0.6 cannot read back one whose data is of "th dport".
 */
function spread(address: Address, targets: readonly Target[], prefix = ''): Element[] {
  const { ip, protocol, port } = address
  const key = ip === undefined ? `${port}` : `${ip} . ${port}`
  return targets.map((target, index) => ({
    set: `${prefix}${familyOf(address)}_${protocol}_${targets.length}`,
    key: `${key} . ${index}`,
    data: `${target.ip} . ${target.port}`
  }))
}

function affinity(address: Address, service: Service): Element[] {
  if (service.spec?.sessionAffinity !== 'ClientIP') return []
  const seconds = service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS
  return [member(`affinity_${familyOf(address)}_${seconds}`, address)]
}

function externalAddresses(service: Service): string[] {
  const balancer = (service.status?.loadBalancer?.ingress ?? []).filter((ingress) => ingress.ipMode !== 'Proxy')
  const ips = [...(service.spec?.externalIPs ?? []), ...balancer.flatMap((ingress) => ingress.ip ?? [])]
  return [...new Set(ips.filter(isIPv4))]
}

function endpointsOf(port: ServicePort, slices: readonly EndpointSlice[], nodeName: string): Choice {
  const ready = new Map<string, Target>()
  const closing = new Map<string, Target>()
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue
    const number = slice.ports?.find((candidate) => (candidate.name ?? '') === (port.name ?? ''))?.port
    if (number === undefined) continue
    for (const endpoint of slice.endpoints ?? []) {
      const ip = endpoint.addresses[0]
      if (ip === undefined) continue
      const target = { ip, port: number, local: endpoint.nodeName === nodeName }
      if (isReady(endpoint)) ready.set(`${ip}:${number}`, target)
      else if (isClosing(endpoint)) closing.set(`${ip}:${number}`, target)
    }
  }
  const local = (targets: Map<string, Target>) => sorted(targets).filter((target) => target.local)
  return {
    cluster: ready.size > 0 ? sorted(ready) : sorted(closing),
    local: local(ready).length > 0 ? local(ready) : local(closing)
  }
}

/** In an order that does not depend on the slices', so that a moved endpoint changes few elements. */
function sorted(targets: Map<string, Target>): Target[] {
  return [...targets].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, target]) => target)
}

export function isReady(endpoint: Endpoint): boolean {
  return endpoint.conditions?.ready !== false
}

/** Still answers while it shuts down: used only when nothing is ready. */
function isClosing(endpoint: Endpoint): boolean {
  const conditions = endpoint.conditions
  return conditions?.terminating === true && conditions.serving !== false
}

/** Host ports of one pod of this node; none once it has ended or while it has no address. */
export function hostPortElements(pod: Pod): Element[] {
  const ip = pod.status?.podIP
  const phase = pod.status?.phase
  if (ip === undefined || !isIPv4(ip) || pod.spec?.hostNetwork === true || phase === 'Succeeded' || phase === 'Failed')
    return []
  const elements: Element[] = []
  for (const container of [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])])
    for (const port of container.ports ?? []) {
      if (port.hostPort === undefined || port.hostPort === 0) continue
      const at = `${(port.protocol ?? 'TCP').toLowerCase()} . ${port.hostPort}`
      const data = `${ip} . ${port.containerPort}`
      if (port.hostIP === undefined || port.hostIP === '' || port.hostIP === '0.0.0.0')
        elements.push({ set: 'host_port', key: at, data })
      else if (isIPv4(port.hostIP)) elements.push({ set: 'host_address_port', key: `${port.hostIP} . ${at}`, data })
    }
  if (elements.length > 0) elements.push({ set: 'hairpin', key: `${ip} . ${ip}`, data: '' })
  return elements
}

/** Where pods live: their addresses are kept among each other. No range lies within another, as nft demands. */
export function podRangeElements(nodes: Iterable<Node>, ownRange: string): Element[] {
  const ranges = new Set([ownRange])
  for (const node of nodes)
    for (const range of node.spec?.podCIDRs ?? [node.spec?.podCIDR ?? '']) if (isRange(range)) ranges.add(range)
  const parsed = [...ranges].map((range) => ({ range, ...parseRange(range) }))
  const widest = parsed.filter((one) => !parsed.some((other) => other !== one && contains(other, one)))
  return widest.map(({ range }) => ({ set: 'pod_ranges', key: range, data: '' }))
}

export function isIPv4(text: string): boolean {
  return /^(\d{1,3}\.){3}\d{1,3}$/.test(text) && text.split('.').every((part) => Number(part) < 256)
}

function isRange(text: string): boolean {
  const [ip = '', length = ''] = text.split('/')
  return isIPv4(ip) && /^\d{1,2}$/.test(length) && Number(length) <= 32
}

export interface Range {
  readonly first: number
  readonly last: number
}

export function parseRange(text: string): Range {
  const [ip = '', length = '32'] = text.split('/')
  const size = 2 ** (32 - Number(length))
  const first = Math.floor(addressNumber(ip) / size) * size
  return { first, last: first + size - 1 }
}

export function inRange(ip: string, range: string): boolean {
  const { first, last } = parseRange(range)
  const number = addressNumber(ip)
  return number >= first && number <= last
}

export function addressNumber(ip: string): number {
  return ip.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

function contains(outer: Range & { range: string }, inner: Range & { range: string }): boolean {
  if (outer.first > inner.first || outer.last < inner.last) return false
  // The same range spelt twice: one of them stays.
  return outer.first !== inner.first || outer.last !== inner.last || outer.range < inner.range
}
