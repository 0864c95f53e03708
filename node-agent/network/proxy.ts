/**
 * From services, endpoint slices, nodes and this node's pods to the elements of the proxy's table. Pure: it holds the
 * objects that it was told of and says what changed; proxy-apply.ts brings that to the kernel.
 */
import type { EndpointSlice, Node, Pod, Service } from '../../core/kinds/types.ts'
import { keyOf, type Resource } from '../../core/object.ts'
import { type Delta, type Elements, ElementTable } from './element-table.ts'
import {
  type Element,
  hostPortElements,
  type ProxyNode,
  podRangeElements,
  serviceElements
} from './service-elements.ts'

/** UDP connections that the kernel remembers and that must not live on: `conntrack -D` with these. */
export interface StaleFlow {
  /** The service's address; absent for a node port. */
  readonly ip?: string
  readonly port: string
  /** The endpoint that has gone; absent: connections from before the service had endpoints. */
  readonly endpoint?: string
}

export interface ProxyChange extends Delta {
  readonly staleFlows: readonly StaleFlow[]
  /** Some remembered clients of sticky services may be remembered with endpoints that have gone. */
  readonly forget: boolean
}

const SLICE_SERVICE_LABEL = 'kubernetes.io/service-name'
const UDP_SPREAD = /^(service|node_port)_udp_\d+$/
const STICKY_SPREAD = /^(?:local_)?(service|node_port)_(tcp|udp|sctp)_\d+$/

export class ServiceProxy {
  private readonly config: ProxyNode
  private readonly table = new ElementTable()
  private readonly services = new Map<string, Service>()
  private readonly slices = new SliceIndex()
  private readonly nodes = new Map<string, Node>()
  private readonly pods = new Map<string, Pod>()
  /** "service KEY", "pod KEY" or "nodes": whose elements must be computed again. */
  private readonly dirty = new Set<string>(['nodes'])

  constructor(config: ProxyNode) {
    this.config = config
  }

  setService(key: string, service: Service | undefined): void {
    put(this.services, key, service)
    this.dirty.add(`service ${key}`)
  }

  setSlice(key: string, slice: EndpointSlice | undefined): void {
    for (const service of this.slices.set(key, slice)) this.dirty.add(`service ${service}`)
  }

  /** Heartbeats change nodes all the time; only their pod ranges count. */
  setNode(key: string, node: Node | undefined): void {
    if (JSON.stringify(this.nodes.get(key)?.spec?.podCIDRs) !== JSON.stringify(node?.spec?.podCIDRs))
      this.dirty.add('nodes')
    put(this.nodes, key, node)
  }

  setPod(key: string, pod: Pod | undefined): void {
    put(this.pods, key, pod)
    this.dirty.add(`pod ${key}`)
  }

  /** Whether `take` has anything to compute. */
  changed(): boolean {
    return this.dirty.size > 0
  }

  take(): ProxyChange {
    const staleFlows: StaleFlow[] = []
    let forget = false
    for (const owner of this.dirty) {
      const next = this.elementsOf(owner)
      const before = this.table.replace(owner, next)
      staleFlows.push(...staleFlowsOf(before, next))
      forget ||= before.some(({ set }) => set.startsWith('affinity_'))
    }
    this.dirty.clear()
    return { ...this.table.take(), staleFlows, forget }
  }

  /** Everything, as of the last `take`. */
  all(): Elements {
    return this.table.all()
  }

  /** Which endpoints a client of a sticky service may be remembered with: "IP . tcp . 80" or "tcp . 30080" -> "IP . PORT". */
  stickyTargets(): Map<string, Set<string>> {
    const sticky = new Map<string, Set<string>>()
    for (const [set, keys] of this.all())
      if (set.startsWith('affinity_')) for (const key of keys.keys()) sticky.set(key, new Set())
    for (const [set, keys] of this.all()) {
      const [, family, protocol] = STICKY_SPREAD.exec(set) ?? []
      if (family === undefined) continue
      for (const [key, target] of keys) {
        const [first = '', second = ''] = key.split(' . ')
        sticky.get(family === 'service' ? `${first} . ${protocol} . ${second}` : `${protocol} . ${first}`)?.add(target)
      }
    }
    return sticky
  }

  private elementsOf(owner: string): readonly Element[] {
    if (owner === 'nodes') return podRangeElements(this.nodes.values(), this.config.podCIDR)
    const space = owner.indexOf(' ')
    const key = owner.slice(space + 1)
    if (owner.startsWith('pod ')) {
      const pod = this.pods.get(key)
      return pod === undefined ? [] : hostPortElements(pod)
    }
    const service = this.services.get(key)
    return service === undefined ? [] : serviceElements(service, this.slices.of(key), this.config)
  }
}

/** Endpoint slices by the service that they belong to. */
export class SliceIndex {
  private readonly slices = new Map<string, EndpointSlice>()
  private readonly byService = new Map<string, Map<string, EndpointSlice>>()

  /** Returns the keys of the services that it concerns. */
  set(key: string, slice: EndpointSlice | undefined): string[] {
    const before = serviceOf(this.slices.get(key))
    const after = serviceOf(slice)
    put(this.slices, key, slice)
    if (before !== undefined) {
      const rest = this.byService.get(before)
      rest?.delete(key)
      if (rest?.size === 0) this.byService.delete(before)
    }
    if (slice !== undefined && after !== undefined) {
      const some = this.byService.get(after) ?? new Map<string, EndpointSlice>()
      this.byService.set(after, some.set(key, slice))
    }
    return [...new Set([before, after])].filter((service) => service !== undefined)
  }

  of(service: string): EndpointSlice[] {
    return [...(this.byService.get(service)?.values() ?? [])]
  }

  get(key: string): EndpointSlice | undefined {
    return this.slices.get(key)
  }
}

/** Tells `set` of a whole list: of each object in it, and of each known key that is not. Returns the keys now known. */
export function tellAll<T extends Resource>(
  { known, items }: { known: ReadonlySet<string>; items: readonly T[] },
  set: (key: string, item: T | undefined) => void
): Set<string> {
  const keys = new Set<string>()
  for (const item of items) {
    const key = keyOf(item.metadata)
    keys.add(key)
    set(key, item)
  }
  for (const key of known) if (!keys.has(key)) set(key, undefined)
  return keys
}

function serviceOf(slice: EndpointSlice | undefined): string | undefined {
  const name = slice?.metadata.labels?.[SLICE_SERVICE_LABEL]
  return name === undefined ? undefined : `${slice?.metadata.namespace}/${name}`
}

function put<T>(map: Map<string, T>, key: string, value: T | undefined): void {
  if (value === undefined) map.delete(key)
  else map.set(key, value)
}

function staleFlowsOf(before: readonly Element[], next: readonly Element[]): StaleFlow[] {
  const had = udpTargets(before)
  const has = udpTargets(next)
  const stale: StaleFlow[] = []
  for (const address of new Set([...had.keys(), ...has.keys()])) {
    const [port = '', ip] = address.split(' . ').reverse()
    const at = ip === undefined ? { port } : { ip, port }
    if (!had.has(address)) stale.push(at)
    for (const endpoint of had.get(address) ?? [])
      if (has.get(address)?.has(endpoint) !== true) stale.push({ ...at, endpoint })
  }
  return stale
}

/** "IP . PORT" or "PORT" -> the addresses of its endpoints. */
function udpTargets(elements: readonly Element[]): Map<string, Set<string>> {
  const targets = new Map<string, Set<string>>()
  for (const { set, key, data } of elements) {
    if (!UDP_SPREAD.test(set)) continue
    const address = key.slice(0, key.lastIndexOf(' . '))
    const endpoints = targets.get(address) ?? new Set<string>()
    targets.set(address, endpoints.add(data.slice(0, data.indexOf(' '))))
  }
  return targets
}
