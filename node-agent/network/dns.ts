/**
 * The cluster's names (Kubernetes DNS specification 1.1.0), as CoreDNS answers them: services, headless services with
 * their endpoints, SRV, reverse names and names of pods. Pure; dns-server.ts speaks to clients and to upstream servers.
 */
import { isIPv6 } from 'node:net'
import type { Answer, SrvAnswer, StringAnswer } from 'dns-packet'
import type { Endpoint, EndpointSlice, Service, ServicePort } from '../../core/kinds/types.ts'
import { SliceIndex } from './proxy.ts'
import { inRange, isIPv4, isReady } from './service-elements.ts'

export interface Zone {
  /** "cluster.local" */
  readonly domain: string
  readonly clusterDNS: string
  /** Reverse names in these ranges are nobody else's business. */
  readonly ranges: readonly string[]
}

export interface Question {
  readonly name: string
  /** "A", "SRV" ... as dns-packet names them. */
  readonly type: string
}

export interface Resolution {
  readonly rcode: 'NOERROR' | 'NXDOMAIN'
  readonly answers: readonly Answer[]
  readonly authorities: readonly Answer[]
  readonly additionals: readonly Answer[]
  /** An ExternalName: the addresses of this name are to be added. */
  readonly follow?: string
}

/** Seconds. Short, because a headless service's endpoints come and go (CoreDNS' own default; kubeadm sets 30). */
export const TTL = 5

/** Services and their endpoints, found by name and by address. */
export class Directory {
  private readonly services = new Map<string, Service>()
  private readonly slices = new SliceIndex()
  /** Services per namespace: whether a namespace's name exists. */
  private readonly namespaces = new Map<string, number>()
  private readonly serviceByIP = new Map<string, string>()
  private readonly slicesByIP = new Map<string, Set<string>>()

  setService(key: string, service: Service | undefined): void {
    const before = this.services.get(key)
    for (const ip of addressesOf(before)) if (this.serviceByIP.get(ip) === key) this.serviceByIP.delete(ip)
    if (before !== undefined) this.count(before.metadata.namespace ?? '', -1)
    if (service === undefined) this.services.delete(key)
    else {
      this.services.set(key, service)
      this.count(service.metadata.namespace ?? '', 1)
      for (const ip of addressesOf(service)) this.serviceByIP.set(ip, key)
    }
  }

  setSlice(key: string, slice: EndpointSlice | undefined): void {
    for (const ip of endpointIPs(this.slices.get(key))) this.slicesByIP.get(ip)?.delete(key)
    this.slices.set(key, slice)
    for (const ip of endpointIPs(slice)) {
      const keys = this.slicesByIP.get(ip) ?? new Set<string>()
      this.slicesByIP.set(ip, keys.add(key))
    }
  }

  service(namespace: string, name: string): Service | undefined {
    return this.services.get(`${namespace}/${name}`)
  }

  slicesOf(namespace: string, name: string): EndpointSlice[] {
    return this.slices.of(`${namespace}/${name}`)
  }

  hasNamespace(namespace: string): boolean {
    return (this.namespaces.get(namespace) ?? 0) > 0
  }

  /** Names relative to the domain, without "svc": "web.default", "10-0-0-1.web.default". */
  namesOf(ip: string): string[] {
    const [namespace, name] = this.serviceByIP.get(ip)?.split('/') ?? []
    if (name !== undefined) return [`${name}.${namespace}`]
    const names = [...(this.slicesByIP.get(ip) ?? [])].flatMap((key) => {
      const slice = this.slices.get(key)
      const service = slice?.metadata.labels?.['kubernetes.io/service-name']
      const endpoints = (slice?.endpoints ?? []).filter(
        (endpoint) => isReady(endpoint) && endpoint.addresses.includes(ip)
      )
      return endpoints.map((endpoint) => `${hostOf(endpoint)}.${service}.${slice?.metadata.namespace}`)
    })
    return [...new Set(names)]
  }

  private count(namespace: string, by: number): void {
    const sum = (this.namespaces.get(namespace) ?? 0) + by
    if (sum === 0) this.namespaces.delete(namespace)
    else this.namespaces.set(namespace, sum)
  }
}

function addressesOf(service: Service | undefined): string[] {
  if (service?.spec === undefined || service.spec.type === 'ExternalName') return []
  const ips = service.spec.clusterIPs ?? (service.spec.clusterIP === undefined ? [] : [service.spec.clusterIP])
  return ips.filter((ip) => ip !== 'None' && ip !== '')
}

function endpointIPs(slice: EndpointSlice | undefined): string[] {
  return (slice?.endpoints ?? []).flatMap((endpoint) => endpoint.addresses)
}

/** undefined: not the cluster's name, ask upstream. Names compare without case; answers keep the question's. */
export function resolve(question: Question, directory: Directory, zone: Zone): Resolution | undefined {
  const name = question.name.toLowerCase()
  const apex = zone.domain.toLowerCase()
  if (name === apex || name.endsWith(`.${apex}`)) {
    const labels = name === apex ? [] : name.slice(0, -apex.length - 1).split('.')
    return answerOf(question, recordsOf(labels, question, { directory, zone }), apex)
  }
  return reverse(question, name, { directory, zone })
}

interface World {
  readonly directory: Directory
  readonly zone: Zone
}

/** What a name has. undefined: there is no such name. */
type Records = { readonly records: readonly Answer[]; readonly extra?: readonly Answer[]; readonly follow?: string }

const NOTHING: Records = { records: [] }

function answerOf(question: Question, found: Records | undefined, apex: string): Resolution {
  const matching = (found?.records ?? []).filter((record) => record.type === question.type || record.type === 'CNAME')
  const empty = { answers: [], authorities: [soa(apex)], additionals: [] }
  if (found === undefined) return { rcode: 'NXDOMAIN', ...empty }
  if (matching.length === 0) return { rcode: 'NOERROR', ...empty }
  const additionals = question.type === 'SRV' || question.type === 'NS' ? (found.extra ?? []) : []
  const follow = found.follow !== undefined && question.type !== 'CNAME' ? { follow: found.follow } : {}
  return { rcode: 'NOERROR', answers: matching, authorities: [], additionals, ...follow }
}

function recordsOf(labels: readonly string[], question: Question, world: World): Records | undefined {
  const apex = world.zone.domain
  const nameServer = { name: `ns.dns.${apex}`, type: 'A', ttl: TTL, data: world.zone.clusterDNS } as const
  switch (labels.at(-1)) {
    case undefined:
      return {
        records: [soa(apex), { name: question.name, type: 'NS', ttl: TTL, data: nameServer.name }],
        extra: [nameServer]
      }
    case 'svc':
      return serviceRecords(labels.slice(0, -1), question, world)
    case 'pod':
      return podRecords(labels.slice(0, -1), question.name)
    case 'dns':
      if (labels.length === 1) return NOTHING
      return labels.length === 2 && labels[0] === 'ns'
        ? { records: [{ ...nameServer, name: question.name }] }
        : undefined
    case 'dns-version':
      return labels.length === 1
        ? { records: [{ name: question.name, type: 'TXT', ttl: TTL, data: '1.1.0' }] }
        : undefined
    default:
      return undefined
  }
}

/** `labels` in front of "svc": [], [namespace], [service, namespace], [endpoint, ...] or [_port, _protocol, ...]. */
function serviceRecords(
  labels: readonly string[],
  question: Question,
  { directory, zone }: World
): Records | undefined {
  const namespace = labels.at(-1)
  const name = labels.at(-2)
  if (namespace === undefined) return NOTHING
  if (name === undefined) return directory.hasNamespace(namespace) ? NOTHING : undefined
  const service = directory.service(namespace, name)
  if (service === undefined) return undefined
  const full = `${name}.${namespace}.svc.${zone.domain}`
  const rest = labels.slice(0, -2)
  if (service.spec?.type === 'ExternalName') return rest.length === 0 ? externalName(service, question.name) : undefined
  const wanted = wantedPort(rest)
  if (wanted === undefined && rest.length > 1) return undefined
  const host = wanted === undefined ? rest[0] : undefined
  const addresses =
    host !== undefined || isHeadless(service)
      ? endpointAddresses(directory.slicesOf(namespace, name), { host, full })
      : clusterAddresses(service, full)
  return records(question.name, addresses, wanted)
}

function isHeadless(service: Service): boolean {
  return addressesOf(service).length === 0
}

function externalName(service: Service, name: string): Records | undefined {
  const target = service.spec?.externalName?.replace(/\.$/, '')
  if (target === undefined || target === '') return undefined
  return { records: [{ name, type: 'CNAME', ttl: TTL, data: target }], follow: target }
}

/** From ["_http", "_tcp"]. */
function wantedPort(labels: readonly string[]): { name: string; protocol: string } | undefined {
  const [port, protocol] = labels
  if (labels.length !== 2 || port?.startsWith('_') !== true || protocol?.startsWith('_') !== true) return undefined
  return { name: port.slice(1), protocol: protocol.slice(1) }
}

interface NamedAddress {
  readonly ip: string
  /** The target of SRV records. */
  readonly target: string
  readonly ports: readonly { readonly name: string; readonly protocol: string; readonly port: number }[]
}

function clusterAddresses(service: Service, full: string): NamedAddress[] {
  const ports = (service.spec?.ports ?? []).map((port) => portOf(port))
  return addressesOf(service).map((ip) => ({ ip, target: full, ports }))
}

function endpointAddresses(
  slices: readonly EndpointSlice[],
  at: { host: string | undefined; full: string }
): NamedAddress[] {
  const found = new Map<string, NamedAddress>()
  for (const slice of slices) {
    if (slice.addressType === 'FQDN') continue
    const ports = (slice.ports ?? []).map((port) => portOf({ ...port, port: port.port ?? 0 }))
    for (const endpoint of slice.endpoints ?? []) {
      const host = hostOf(endpoint)
      if (!isReady(endpoint) || (at.host !== undefined && host !== at.host)) continue
      for (const ip of endpoint.addresses) found.set(`${host} ${ip}`, { ip, target: `${host}.${at.full}`, ports })
    }
  }
  return [...found.values()]
}

function portOf(port: Pick<ServicePort, 'name' | 'protocol' | 'port'>) {
  return { name: (port.name ?? '').toLowerCase(), protocol: (port.protocol ?? 'TCP').toLowerCase(), port: port.port }
}

function hostOf(endpoint: Endpoint): string {
  if (endpoint.hostname !== undefined && endpoint.hostname !== '') return endpoint.hostname.toLowerCase()
  return (endpoint.addresses[0] ?? '').replaceAll(/[.:]/g, '-')
}

/** Of a name with a port, the addresses as well: whoever asks for them learns that the name exists. */
function records(
  name: string,
  addresses: readonly NamedAddress[],
  wanted: { name: string; protocol: string } | undefined
): Records | undefined {
  const services = addresses.flatMap(({ target, ports }) =>
    ports
      .filter((port) => wanted === undefined || (port.name === wanted.name && port.protocol === wanted.protocol))
      .map(({ port }) => ({ target, port }))
  )
  if (addresses.length === 0 || (wanted !== undefined && services.length === 0)) return undefined
  const distinct = [...new Map(services.map((one) => [`${one.target} ${one.port}`, one])).values()]
  const weight = Math.max(1, Math.floor(100 / Math.max(1, distinct.length)))
  const srv = distinct.map(
    ({ target, port }): SrvAnswer => ({ name, type: 'SRV', ttl: TTL, data: { target, port, weight, priority: 0 } })
  )
  const own = wanted === undefined ? addresses.map(({ ip }) => address(name, ip)) : []
  return { records: [...own, ...srv], extra: addresses.map(({ ip, target }) => address(target, ip)) }
}

function address(name: string, ip: string): StringAnswer {
  return { name, type: isIPv4(ip) ? 'A' : 'AAAA', ttl: TTL, data: ip }
}

/** 10-244-0-5.default.pod: any address, as CoreDNS' "pods insecure" answers it, which is Kubernetes' default. */
function podRecords(labels: readonly string[], name: string): Records | undefined {
  if (labels.length < 2) return NOTHING
  const [dashed = ''] = labels
  if (labels.length > 2) return undefined
  const ip = [dashed.replaceAll('-', '.'), dashed.replaceAll('-', ':')].find((text) => isIPv4(text) || isIPv6(text))
  return ip === undefined ? undefined : { records: [address(name, ip)] }
}

function reverse(question: Question, name: string, { directory, zone }: World): Resolution | undefined {
  if (!name.endsWith('.in-addr.arpa')) return undefined
  const ip = name.slice(0, -'.in-addr.arpa'.length).split('.').reverse().join('.')
  if (!isIPv4(ip)) return undefined
  const names = directory.namesOf(ip)
  if (names.length === 0 && !zone.ranges.some((range) => inRange(ip, range))) return undefined
  const found = names.map((one): Answer => {
    const parts = one.split('.')
    const data = [...parts.slice(0, -2), ...parts.slice(-2), 'svc', zone.domain].join('.')
    return { name: question.name, type: 'PTR', ttl: TTL, data }
  })
  return answerOf(question, found.length === 0 ? undefined : { records: found }, name)
}

/** The serial is the same on all nodes and never asked for: nobody transfers this zone. */
function soa(apex: string): Answer {
  return {
    name: apex,
    type: 'SOA',
    ttl: TTL,
    data: {
      mname: `ns.dns.${apex}`,
      rname: `hostmaster.${apex}`,
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: TTL
    }
  }
}
