/** Gives services their cluster address, families and node ports, and refuses those that another one holds. */
import { isIPv4 } from 'node:net'
import type { FieldError } from '../../../core/errors.ts'
import { invalid, invalidError } from '../../../core/field-errors.ts'
import { ipFamily } from '../../../core/ip.ts'
import { syncAddresses } from '../../../core/kinds/service-update.ts'
import { checkAddresses } from '../../../core/kinds/service-validate.ts'
import type { Service, ServicePort, ServiceSpec } from '../../../core/kinds/types.ts'
import {
  ADDRESSES,
  type AddressOptions,
  addressKey,
  addressRange,
  findFree,
  heldBy,
  ipToNumber,
  needsClusterIp,
  needsHealthPort,
  needsNodePorts,
  numberToIp,
  Promised,
  portKey,
  portRange,
  type Range,
  usesNodePorts
} from '../addresses.ts'
import { internalError } from '../answers.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../types.ts'
import { nameOf } from './refuse.ts'

const ALLOCATED = 'provided port is already allocated'
const DUAL = "must be 'RequireDualStack' or 'PreferDualStack'"

interface Ranges {
  readonly addresses: Range
  readonly ports: Range
  readonly promisedAddresses: Promised
  readonly promisedPorts: Promised
}

export function serviceAddresses(options: AddressOptions): AdmissionPlugin {
  const addresses = addressRange(options.serviceRange)
  const ports = portRange(options.nodePorts)
  let ranges: Ranges | undefined
  return {
    name: 'ServiceAddresses',
    resources: ['services'],
    async complete(request) {
      const { kind, operation, subresource } = request
      if (kind.group !== '' || kind.resource !== 'services' || subresource !== undefined) return
      if (operation !== 'CREATE' && operation !== 'UPDATE') return
      const { clock } = request.ports
      ranges ??= { addresses, ports, promisedAddresses: new Promised(clock), promisedPorts: new Promised(clock) }
      await allocate(request, ranges)
    }
  }
}

async function allocate(request: AdmissionRequest, ranges: Ranges): Promise<void> {
  const next = request.object as unknown as Service
  const old = request.old as unknown as Service | undefined
  const { spec } = next
  if (spec === undefined) return
  if (old !== undefined) {
    syncAddresses(spec, old.spec ?? {})
    keepAllocated(next, old)
  }
  const held = heldBy(request.old)
  if (needsClusterIp(next)) {
    chooseFamilies(request, spec)
    await allocateAddress(request, { spec, range: ranges.addresses, promised: ranges.promisedAddresses, held })
  }
  if (usesNodePorts(next))
    await allocatePorts(request, { spec, range: ranges.ports, promised: ranges.promisedPorts, held })
}

/** An update that does not name them keeps address and ports; a change of type lets go of what it has no use for. */
function keepAllocated(next: Service, old: Service): void {
  const to = next.spec ?? {}
  const from = old.spec ?? {}
  if (needsClusterIp(old)) {
    if (needsClusterIp(next)) keepAddress(to, from)
    else dropAddress(to, from)
  }
  if (!usesNodePorts(old)) return
  const before = new Map((from.ports ?? []).map((port) => [portIdentity(port), port.nodePort]))
  for (const port of to.ports ?? []) {
    const known = before.get(portIdentity(port))
    if (usesNodePorts(next)) {
      if (!isPort(port.nodePort) && known !== undefined) port.nodePort = known
    } else if (port.nodePort === known) delete port.nodePort
  }
  if (needsHealthPort(next) && !isPort(to.healthCheckNodePort) && from.healthCheckNodePort !== undefined)
    to.healthCheckNodePort = from.healthCheckNodePort
  else if (!needsHealthPort(next) && to.healthCheckNodePort === from.healthCheckNodePort) delete to.healthCheckNodePort
}

function keepAddress(to: ServiceSpec, from: ServiceSpec): void {
  const unnamed = (to.clusterIP ?? '') === '' && (to.clusterIPs ?? []).length === 0
  if (unnamed || ((to.clusterIPs ?? []).length === 0 && to.clusterIP === from.clusterIP)) {
    if (from.clusterIP !== undefined) to.clusterIP = from.clusterIP
    if (from.clusterIPs !== undefined) to.clusterIPs = [...from.clusterIPs]
  }
  if (to.ipFamilies === undefined && from.ipFamilies !== undefined) to.ipFamilies = [...from.ipFamilies]
  if (to.ipFamilyPolicy === undefined && from.ipFamilyPolicy !== undefined) to.ipFamilyPolicy = from.ipFamilyPolicy
}

function dropAddress(to: ServiceSpec, from: ServiceSpec): void {
  if (to.clusterIP === from.clusterIP) {
    delete to.clusterIP
    delete to.clusterIPs
  }
  if (JSON.stringify(to.ipFamilies) === JSON.stringify(from.ipFamilies)) delete to.ipFamilies
  if (to.ipFamilyPolicy === from.ipFamilyPolicy) delete to.ipFamilyPolicy
}

function portIdentity(port: ServicePort): string {
  return `${port.protocol ?? 'TCP'}/${port.port}`
}

function chooseFamilies(request: AdmissionRequest, spec: ServiceSpec): void {
  const { clusterIP = '' } = spec
  if (clusterIP !== '' && (spec.clusterIPs ?? []).length === 0) spec.clusterIPs = [clusterIP]
  checkGivenAddresses(request, spec)
  const headless = clusterIP === 'None'
  if (headless && Object.keys(spec.selector ?? {}).length === 0) {
    // Whoever writes its endpoints may use any family.
    spec.ipFamilyPolicy ??= 'RequireDualStack'
    if ((spec.ipFamilies ?? []).length === 0)
      spec.ipFamilies = spec.ipFamilyPolicy === 'SingleStack' ? ['IPv4'] : ['IPv4', 'IPv6']
    return
  }
  const errors: FieldError[] = []
  if (spec.ipFamilyPolicy === 'RequireDualStack')
    errors.push(
      invalid('spec.ipFamilyPolicy', spec.ipFamilyPolicy, 'this cluster is not configured for dual-stack services')
    )
  for (const [index, family] of (spec.ipFamilies ?? []).entries())
    if (family === 'IPv6') errors.push(invalid(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster'))
  if (errors.length > 0) throw invalidError(request.kind, nameOf(request), errors)
  spec.ipFamilyPolicy ??= 'SingleStack'
  if ((spec.ipFamilies ?? []).length === 0) spec.ipFamilies = ['IPv4']
}

/** What validation would say of them comes first and alone: nothing is handed out for it. */
function checkGivenAddresses(request: AdmissionRequest, spec: ServiceSpec): void {
  const errors: FieldError[] = []
  checkAddresses(spec, errors)
  if (errors.length === 0) {
    const { clusterIPs = [], ipFamilies = [] } = spec
    if ((spec.ipFamilyPolicy ?? 'SingleStack') === 'SingleStack')
      for (const [list, what] of [
        [clusterIPs, 'cluster IPs'],
        [ipFamilies, 'IP families']
      ] as const)
        if (list.length === 2)
          errors.push(invalid('spec.ipFamilyPolicy', 'SingleStack', `${DUAL} when multiple ${what} are specified`))
    clusterIPs.forEach((address, i) => {
      if (i >= ipFamilies.length && ipFamily(address) === 'IPv6')
        errors.push(invalid(`spec.clusterIPs[${i}]`, clusterIPs, 'IPv6 is not configured on this cluster'))
    })
  }
  if (errors.length > 0) throw invalidError(request.kind, nameOf(request), errors)
}

interface Allocation {
  readonly spec: ServiceSpec
  readonly range: Range
  readonly promised: Promised
  /** What the service held before. */
  readonly held: ReadonlySet<string>
}

async function allocateAddress(request: AdmissionRequest, allocation: Allocation): Promise<void> {
  const { spec, range, held, promised } = allocation
  const [wanted] = spec.clusterIPs ?? []
  if (wanted === undefined) {
    const keyOf = (number: number) => addressKey(numberToIp(number))
    const { store, ports } = request
    const number = await findFree({ store, random: ports.random, range, keyOf, taken: new Set(), promised })
    if (number === undefined) throw internalError('failed to allocate a serviceIP: range is full')
    spec.clusterIP = numberToIp(number)
    spec.clusterIPs = [spec.clusterIP]
    return
  }
  // "None", and what validation will name as no address.
  if (!isIPv4(wanted) || held.has(addressKey(wanted))) return
  const number = ipToNumber(wanted)
  const fail = (why: string) => {
    const error = invalid('spec.clusterIPs', spec.clusterIPs, `failed to allocate IP ${wanted}: ${why}`)
    return invalidError(request.kind, nameOf(request), [error])
  }
  if (number < range.first || number > range.last) throw fail('the provided network does not match the current range')
  if ((await request.store.get(ADDRESSES, addressKey(wanted))) !== undefined)
    throw fail('provided IP is already allocated')
}

async function allocatePorts(request: AdmissionRequest, allocation: Allocation): Promise<void> {
  const { spec, range, held } = allocation
  const ports = spec.ports ?? []
  const taken = new Set<number>()
  const portOf = new Map<number, number>()
  for (const [index, port] of ports.entries()) {
    const { nodePort } = port
    if (!isPort(nodePort)) continue
    const refuse = (problem: string) =>
      invalidError(request.kind, nameOf(request), [invalid(`spec.ports[${index}].nodePort`, nodePort, problem)])
    // One number may serve TCP and UDP of one port; a new service gets it for no other.
    const first = portOf.get(nodePort)
    if (first !== undefined && first !== port.port && request.operation === 'CREATE') throw refuse(ALLOCATED)
    portOf.set(nodePort, port.port)
    if (taken.has(nodePort)) continue
    const problem = held.has(portKey(nodePort)) ? undefined : await refusal(request, range, nodePort)
    if (problem !== undefined) throw refuse(problem)
    taken.add(nodePort)
  }
  for (const port of needsNodePorts(request.object as unknown as Service) ? ports : []) {
    if (isPort(port.nodePort)) continue
    // Protocols share a number, and so do ports that validation will find to be the same.
    const twin = ports.find((other) => other !== port && other.port === port.port && isPort(other.nodePort))
    port.nodePort = isPort(twin?.nodePort) ? twin.nodePort : await choosePort(request, allocation, taken)
    taken.add(port.nodePort)
  }
  if (needsHealthPort(request.object as unknown as Service) && !isPort(spec.healthCheckNodePort))
    spec.healthCheckNodePort = await choosePort(request, allocation, taken)
}

async function refusal(request: AdmissionRequest, range: Range, port: number): Promise<string | undefined> {
  // A dry run is not told of the range, in Kubernetes neither.
  if (!request.dryRun && (port < range.first || port > range.last))
    return `provided port is not in the valid range. The range of valid ports is ${range.first}-${range.last}`
  const entry = await request.store.get(ADDRESSES, portKey(port))
  return entry === undefined ? undefined : ALLOCATED
}

async function choosePort(
  request: AdmissionRequest,
  { range, promised }: Allocation,
  taken: ReadonlySet<number>
): Promise<number> {
  const { store, ports } = request
  const port = await findFree({ store, random: ports.random, range, keyOf: portKey, taken, promised })
  if (port === undefined) throw internalError('failed to allocate a nodePort: range is full')
  return port
}

function isPort(port: number | undefined): port is number {
  return typeof port === 'number' && port !== 0
}
