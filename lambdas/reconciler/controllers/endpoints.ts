/** Keeps the Endpoints object of each Service that selects pods (pkg/controller/endpoint). */
import { isReason } from '../../../core/errors.ts'
import { endpoints, services } from '../../../core/kinds/refs.ts'
import type {
  EndpointAddress,
  EndpointPort,
  EndpointSubset,
  Endpoints,
  Pod,
  Service
} from '../../../core/kinds/types.ts'
import type { Controller, ControllerContext, KeyMap } from '../controller.ts'
import { at, copyOf, keysOfAll, ownKeys, semanticEqual } from '../objects.ts'
import { isReady } from '../pods.ts'
import {
  addressesOf,
  hostnameOf,
  isEndpoint,
  isHeadless,
  podsOf,
  selectorOf,
  serviceKeys,
  targetPortOf
} from '../services.ts'

const HEADLESS = 'service.kubernetes.io/headless'
const MANAGED_BY = 'endpoints.kubernetes.io/managed-by'
const MANAGER = 'endpoint-controller'
const OVER_CAPACITY = 'endpoints.kubernetes.io/over-capacity'

/** Addresses of one object; consumers of more read slices (maxCapacity). */
const ADDRESSES_MAX = 1000

export function endpointsController(): Controller {
  return {
    name: 'endpoint-controller',
    restRatio: 5,
    watches: { services: ownKeys, pods: serviceKeys, endpoints: deletedKeys },
    start: ({ client }) => keysOfAll(client, services),
    reconcile
  }
}

const deletedKeys: KeyMap = (changes) => changes.filter(({ type }) => type === 'deleted').map(({ key }) => key)

async function reconcile(key: string, context: ControllerContext): Promise<undefined> {
  const { client } = context
  const service = await client.find(services, at(key))
  if (service === undefined) return await removeOf(key, context)
  if (selectorOf(service) === undefined || service.metadata.deletionTimestamp !== undefined) return
  const existing = await client.find(endpoints, at(key))
  const next = planEndpoints(service, await podsOf(service, context), existing)
  if (next === undefined) return
  try {
    if (existing === undefined) await client.create(endpoints, structuredClone(next))
    else await client.update(endpoints, copyOf(next))
  } catch (error) {
    const verb = existing === undefined ? 'create' : 'update'
    const message = `Failed to ${verb} endpoint ${key}: ${error instanceof Error ? error.message : error}`
    if (!isReason(error, 'Conflict', 'AlreadyExists', 'Forbidden'))
      context.events.event(next, 'Warning', `FailedTo${verb === 'create' ? 'Create' : 'Update'}Endpoint`, message)
    throw error
  }
}

/** Endpoints have no owner: those of the service's name go when it goes, whoever made them. */
async function removeOf(key: string, { client }: ControllerContext): Promise<undefined> {
  const existing = await client.find(endpoints, at(key))
  if (existing === undefined) return
  const { uid } = existing.metadata
  try {
    await client.delete(endpoints, at(key), uid === undefined ? {} : { preconditions: { uid } })
  } catch (error) {
    if (!isReason(error, 'NotFound', 'Conflict')) throw error
  }
}

/** The Endpoints as they should be; undefined when they are so. */
export function planEndpoints(
  service: Service,
  pods: readonly Pod[],
  existing: Endpoints | undefined
): Endpoints | undefined {
  const { subsets, truncated } = truncate(subsetsOf(service, pods))
  const { [HEADLESS]: _, ...labels } = service.metadata.labels ?? {}
  const wanted = { ...labels, ...(isHeadless(service) ? { [HEADLESS]: '' } : {}), [MANAGED_BY]: MANAGER }
  const { [OVER_CAPACITY]: __, ...annotations } = existing?.metadata.annotations ?? {}
  if (truncated) annotations[OVER_CAPACITY] = 'truncated'
  if (
    existing !== undefined &&
    semanticEqual(existing.subsets, subsets) &&
    semanticEqual(existing.metadata.labels, wanted) &&
    semanticEqual(existing.metadata.annotations, annotations)
  )
    return undefined
  const { name, namespace } = service.metadata
  const metadata = { ...(existing?.metadata ?? { name, namespace }), labels: wanted }
  if (Object.keys(annotations).length > 0 || existing?.metadata.annotations !== undefined)
    metadata.annotations = annotations
  return { apiVersion: 'v1', kind: 'Endpoints', metadata, ...(subsets.length > 0 ? { subsets } : {}) }
}

interface Reached {
  readonly address: EndpointAddress
  readonly ready: boolean
  readonly ports: readonly EndpointPort[]
}

/** One subset for each set of ports, as RepackSubsets leaves them; addresses in order. */
function subsetsOf(service: Service, pods: readonly Pod[]): EndpointSubset[] {
  const tolerant = service.spec?.publishNotReadyAddresses === true
  const family = service.spec?.ipFamilies?.[0] ?? 'IPv4'
  const reached: Reached[] = []
  for (const pod of pods) {
    if (!isEndpoint(pod, tolerant)) continue
    const ip = addressesOf(pod).find((address) => address.includes(':') === (family === 'IPv6'))
    const ports = portsOf(service, pod)
    if (ip === undefined || (ports.length === 0 && (service.spec?.ports ?? []).length > 0)) continue
    reached.push({ address: addressOf(service, pod, ip), ready: tolerant || isReady(pod), ports })
  }
  const byPorts = Map.groupBy(reached, ({ ports }) => JSON.stringify(ports))
  return [...byPorts.entries()]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, group]) => {
      const subset: EndpointSubset = {}
      const addresses = sorted(group.filter(({ ready }) => ready))
      const notReady = sorted(group.filter(({ ready }) => !ready))
      if (addresses.length > 0) subset.addresses = addresses
      if (notReady.length > 0) subset.notReadyAddresses = notReady
      const ports = group[0]?.ports ?? []
      if (ports.length > 0) subset.ports = [...ports]
      return subset
    })
}

function sorted(group: readonly Reached[]): EndpointAddress[] {
  const key = ({ ip, targetRef }: EndpointAddress) => `${ip}|${targetRef?.uid ?? ''}`
  return group.map(({ address }) => address).sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

function portsOf(service: Service, pod: Pod): EndpointPort[] {
  const ports = (service.spec?.ports ?? []).flatMap((port): EndpointPort[] => {
    const number = targetPortOf(pod, port)
    if (number === undefined) return []
    const { name, protocol = 'TCP', appProtocol } = port
    const found: EndpointPort = { port: number, protocol }
    if (name !== undefined && name !== '') found.name = name
    if (appProtocol !== undefined) found.appProtocol = appProtocol
    return [found]
  })
  return ports.toSorted((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1))
}

function addressOf(service: Service, pod: Pod, ip: string): EndpointAddress {
  const { name, namespace, uid } = pod.metadata
  const address: EndpointAddress = { ip, targetRef: { kind: 'Pod', namespace, name, uid } }
  const { nodeName = '' } = pod.spec ?? {}
  if (nodeName !== '') address.nodeName = nodeName
  const hostname = hostnameOf(pod, service)
  if (hostname !== undefined) address.hostname = hostname
  return address
}

/** Ready ones are kept before others. */
function truncate(subsets: EndpointSubset[]): { subsets: EndpointSubset[]; truncated: boolean } {
  const count = (addresses: EndpointAddress[] | undefined) => addresses?.length ?? 0
  const total = subsets.reduce((sum, one) => sum + count(one.addresses) + count(one.notReadyAddresses), 0)
  if (total <= ADDRESSES_MAX) return { subsets, truncated: false }
  let room = ADDRESSES_MAX
  const take = (addresses: EndpointAddress[] | undefined) => {
    const taken = (addresses ?? []).slice(0, room)
    room -= taken.length
    return taken.length > 0 ? taken : undefined
  }
  const ready = subsets.map((subset) => ({ ...subset, addresses: take(subset.addresses) }))
  const all = ready.map((subset) => ({ ...subset, notReadyAddresses: take(subset.notReadyAddresses) }))
  return { subsets: all.filter((one) => count(one.addresses) + count(one.notReadyAddresses) > 0), truncated: true }
}
