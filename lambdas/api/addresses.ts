/**
 * Cluster addresses and node ports of services. Each one in use has a record of its own in the store, written in the
 * transaction of its service with "must not exist yet": two services can never hold the same one.
 */
import { isIPv4 } from 'node:net'
import type { ApiError } from '../../core/errors.ts'
import { invalid, invalidError } from '../../core/field-errors.ts'
import type { Kind } from '../../core/kinds/kind.ts'
import type { Service } from '../../core/kinds/types.ts'
import type { KubeObject } from '../../core/object.ts'
import type { Clock, Random } from '../../core/ports.ts'
import type { StoreApi, Write } from '../../store/store.ts'
import type { Effect } from './types.ts'

export const ADDRESSES = 'internal.wherry.dev/addresses'

export interface AddressOptions {
  /** IPv4 CIDR of cluster addresses: "10.96.0.0/12". */
  readonly serviceRange: string
  /** First and last node port, both included. */
  readonly nodePorts: readonly [number, number]
}

export const DEFAULT_ADDRESSES: AddressOptions = { serviceRange: '10.96.0.0/12', nodePorts: [30000, 32767] }

/** Usable numbers from `first` to `last`; those before `dynamic` are left to users that choose their own. */
export interface Range {
  readonly first: number
  readonly last: number
  readonly dynamic: number
}

/** Without the network's own address and its broadcast address. Throws where it is no CIDR of at least 2 addresses. */
export function addressRange(cidr: string): Range {
  const [network = '', bits = ''] = cidr.split('/')
  const size = 2 ** (32 - Number(bits))
  if (!isIPv4(network) || !(size >= 4 && size <= 2 ** 24)) throw new Error(`${cidr} is not an IPv4 range of /8 to /30`)
  const base = ipToNumber(network) - (ipToNumber(network) % size)
  // Kubernetes KEP-3070: the lower min(max(16, size/16), 256) addresses are for static use.
  const reserved = Math.min(Math.max(16, Math.floor(size / 16)), 256)
  const first = base + 1
  const last = base + size - 2
  return { first, last, dynamic: reserved < size - 2 ? first + reserved : first }
}

export function portRange([first, last]: readonly [number, number]): Range {
  // Kubernetes KEP-3668: the lower min(max(16, size/32), 128) ports are for static use.
  const size = last - first + 1
  const reserved = Math.min(Math.max(16, Math.floor(size / 32)), 128)
  return { first, last, dynamic: reserved < size ? first + reserved : first }
}

export function ipToNumber(ip: string): number {
  return ip.split('.').reduce((number, part) => number * 256 + Number(part), 0)
}

export function numberToIp(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join('.')
}

export function addressKey(ip: string): string {
  return `ip-${ip}`
}

export function portKey(port: number): string {
  return `port-${port}`
}

/** How long a number that was handed out stays out of reach while its service is on its way to the store. */
const PROMISED_MS = 5_000

/** Numbers handed out whose records are not written yet: two requests at once do not get the same. */
export class Promised {
  private readonly until = new Map<number, number>()
  private readonly clock: Clock

  constructor(clock: Clock) {
    this.clock = clock
  }

  has(number: number): boolean {
    const until = this.until.get(number)
    return until !== undefined && until > this.clock.now()
  }

  add(number: number): void {
    const now = this.clock.now()
    // In the order of their adding, and so of their end.
    for (const [known, until] of this.until) {
      if (until > now) break
      this.until.delete(known)
    }
    this.until.delete(number)
    this.until.set(number, now + PROMISED_MS)
  }
}

export interface Search {
  readonly store: StoreApi
  readonly random: Random
  readonly range: Range
  readonly keyOf: (number: number) => string
  /** Chosen already in this request. */
  readonly taken: ReadonlySet<number>
  readonly promised: Promised
}

/** A free number, or undefined where there is none. Tries the dynamic part at random, then everything in order. */
export async function findFree(search: Search): Promise<number | undefined> {
  const { range, random, store, promised } = search
  const free = async (number: number): Promise<boolean> => {
    if (search.taken.has(number) || promised.has(number)) return false
    if ((await store.get(ADDRESSES, search.keyOf(number))) !== undefined || promised.has(number)) return false
    promised.add(number)
    return true
  }
  for (let attempt = 0; attempt < 16; attempt++) {
    const number = range.dynamic + Math.floor(random.next() * (range.last - range.dynamic + 1))
    if (await free(number)) return number
  }
  for (let number = range.dynamic; number <= range.last; number++) if (await free(number)) return number
  for (let number = range.first; number < range.dynamic; number++) if (await free(number)) return number
  return undefined
}

/** Whether a service of this kind has cluster addresses, and node ports. */
export function needsClusterIp(service: Service): boolean {
  return service.spec?.type !== 'ExternalName'
}

/** May have node ports. */
export function usesNodePorts({ spec }: Service): boolean {
  return spec?.type === 'NodePort' || spec?.type === 'LoadBalancer'
}

/** Gets node ports where it names none. */
export function needsNodePorts(service: Service): boolean {
  return usesNodePorts(service) && service.spec?.allocateLoadBalancerNodePorts !== false
}

/** Traffic that stays on its node needs a port at which the load balancer asks where the pods are. */
export function needsHealthPort({ spec }: Service): boolean {
  return spec?.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local'
}

/** The keys of the records that a service holds. */
export function heldBy(object: KubeObject | undefined): ReadonlySet<string> {
  const keys = new Set<string>()
  const { spec } = (object as Service | undefined) ?? {}
  if (spec === undefined) return keys
  for (const ip of spec.clusterIPs ?? []) if (isIPv4(ip)) keys.add(addressKey(ip))
  for (const { nodePort } of spec.ports ?? []) if (nodePort !== undefined && nodePort !== 0) keys.add(portKey(nodePort))
  const { healthCheckNodePort } = spec
  if (healthCheckNodePort !== undefined && healthCheckNodePort !== 0) keys.add(portKey(healthCheckNodePort))
  return keys
}

/** Books what a service newly holds and frees what it gives up. */
export const addressEffect: Effect = async ({ kind, key, old, next }, store) => {
  if (kind.storage !== 'services') return []
  const before = heldBy(old?.value)
  const after = heldBy(next)
  const writes: Write[] = []
  for (const name of after) {
    if (before.has(name)) continue
    // Admission looked before; whoever was faster since then keeps it.
    if ((await store.get(ADDRESSES, name)) !== undefined) throw alreadyAllocated(kind, next as unknown as Service, name)
    writes.push({ resource: ADDRESSES, key: name, expected: 0, object: record(name, key) })
  }
  for (const name of before) {
    if (after.has(name)) continue
    const entry = await store.get(ADDRESSES, name)
    if (entry !== undefined) writes.push({ resource: ADDRESSES, key: name, expected: entry.version, object: undefined })
  }
  return writes
}

function alreadyAllocated(kind: Kind, service: Service, name: string): ApiError {
  const { spec } = service
  const index = (spec?.ports ?? []).findIndex(({ nodePort }) => nodePort !== undefined && portKey(nodePort) === name)
  const ip = spec?.clusterIPs?.find((address) => addressKey(address) === name)
  const problem =
    ip === undefined
      ? invalid(
          index < 0 ? 'spec.healthCheckNodePort' : `spec.ports[${index}].nodePort`,
          index < 0 ? spec?.healthCheckNodePort : spec?.ports?.[index]?.nodePort,
          'provided port is already allocated'
        )
      : invalid('spec.clusterIPs', spec?.clusterIPs, `failed to allocate IP ${ip}: provided IP is already allocated`)
  return invalidError(kind, service.metadata.name ?? '', [problem])
}

/** `service`: its key, for whoever asks who holds the address. */
export function record(name: string, service: string): KubeObject {
  return { kind: 'Address', apiVersion: 'internal.wherry.dev/v1', metadata: { name }, service }
}
