/** Endpoints and EndpointSlices. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { duplicate, invalid, notSupported, required, tooMany } from '../field-errors.ts'
import { checkIp, checkNonSpecialIp, checkSpelling, type IpFamily, ipFamily } from '../ip.ts'
import { isDNS1123Label, isDNS1123Subdomain, isLabelValue, isPortNumber, isQualifiedName } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { complaints, IMMUTABLE } from './checks.ts'
import { ipWarnings } from './ip-warnings.ts'
import type { Kind } from './kind.ts'
import { row } from './row.ts'
import type {
  DiscoveryEndpointPort,
  Endpoint,
  EndpointAddress,
  EndpointHints,
  EndpointPort,
  EndpointSlice,
  Endpoints
} from './types.ts'

const endpoints = (object: KubeObject) => object as Endpoints
const slice = (object: KubeObject) => object as unknown as EndpointSlice

const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6']

/** Limits of one slice (pkg/apis/discovery/validation). */
const MOST = { endpoints: 1000, addresses: 100, ports: 20_000, topology: 16, hints: 8 } as const

// --- Endpoints

function validateEndpoints(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  endpoints(object).subsets?.forEach(({ addresses = [], notReadyAddresses = [], ports = [] }, i) => {
    const path = `subsets[${i}]`
    if (addresses.length === 0 && notReadyAddresses.length === 0)
      errors.push(required(path, 'must specify `addresses` or `notReadyAddresses`'))
    addresses.forEach((address, j) => {
      checkEndpointAddress(address, `${path}.addresses[${j}]`, errors)
    })
    notReadyAddresses.forEach((address, j) => {
      checkEndpointAddress(address, `${path}.notReadyAddresses[${j}]`, errors)
    })
    ports.forEach((port, j) => {
      if (ports.length > 1 && (port.name ?? '') === '') errors.push(required(`${path}.ports[${j}].name`))
      checkEndpointPort(port, `${path}.ports[${j}]`, errors)
    })
  })
  return errors
}

function checkEndpointAddress({ ip, hostname, nodeName }: EndpointAddress, path: string, errors: FieldError[]): void {
  checkIp(ip ?? '', `${path}.ip`, errors)
  checkHost(hostname, nodeName, { path, errors })
  checkNonSpecialIp(ip ?? '', `${path}.ip`, errors)
}

function checkHost(
  hostname: string | undefined,
  nodeName: string | undefined,
  { path, errors }: { path: string; errors: FieldError[] }
): void {
  if (nodeName !== undefined) errors.push(...complaints(`${path}.nodeName`, nodeName, isDNS1123Subdomain(nodeName)))
  if ((hostname ?? '') !== '') errors.push(...complaints(`${path}.hostname`, hostname, isDNS1123Label(hostname ?? '')))
}

function checkEndpointPort(
  { name = '', port, protocol = '', appProtocol }: EndpointPort,
  path: string,
  errors: FieldError[]
): void {
  if (name !== '') errors.push(...complaints(`${path}.name`, name, isDNS1123Label(name)))
  errors.push(...complaints(`${path}.port`, port, isPortNumber(port ?? 0)))
  if (protocol === '') errors.push(required(`${path}.protocol`))
  else if (!PROTOCOLS.includes(protocol)) errors.push(notSupported(`${path}.protocol`, protocol, PROTOCOLS))
  if (appProtocol !== undefined)
    errors.push(...complaints(`${path}.appProtocol`, appProtocol, isQualifiedName(appProtocol)))
}

/** "10.0.0.1:80,10.0.0.2:80 + 3 more...": at most three. */
function endpointsCell({ subsets = [] }: Endpoints): string {
  if (subsets.length === 0) return '<none>'
  const all = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports.length === 0
      ? addresses.map(({ ip }) => ip)
      : ports.flatMap(({ port }) => addresses.map(({ ip }) => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)))
  )
  return shortened(all)
}

function shortened(list: readonly string[]): string {
  const shown = list.slice(0, 3).join(',')
  return list.length > 3 ? `${shown} + ${list.length - 3} more...` : shown
}

// --- EndpointSlices

function defaultSlice(object: KubeObject): void {
  const it = slice(object)
  // Go prints both lists always, and null where there is none.
  for (const list of ['endpoints', 'ports']) object[list] ??= null
  if ((it.endpoints ?? []).length === 0) object.endpoints = null
  for (const endpoint of it.endpoints ?? []) endpoint.conditions ??= {}
  for (const port of it.ports ?? []) {
    port.name ??= ''
    port.protocol ??= 'TCP'
  }
}

function validateSlice(object: KubeObject): FieldError[] {
  const it = slice(object)
  const errors: FieldError[] = []
  const type = it.addressType ?? ''
  if (type === '') errors.push(required('addressType'))
  else if (!ADDRESS_TYPES.includes(type)) errors.push(notSupported('addressType', type, ADDRESS_TYPES))
  const list = it.endpoints ?? []
  if (list.length > MOST.endpoints) errors.push(tooMany('endpoints', list.length, MOST.endpoints))
  else
    list.forEach((endpoint, i) => {
      checkSliceEndpoint(endpoint, type, { path: `endpoints[${i}]`, errors })
    })
  checkSlicePorts(it.ports ?? [], errors)
  return errors
}

interface At {
  readonly path: string
  readonly errors: FieldError[]
}

function checkSliceEndpoint(endpoint: Endpoint, type: string, { path, errors }: At): void {
  const { addresses = [], deprecatedTopology: topology, hints } = endpoint
  if (addresses.length === 0) errors.push(required(`${path}.addresses`, 'must contain at least 1 address'))
  else if (addresses.length > MOST.addresses)
    errors.push(tooMany(`${path}.addresses`, addresses.length, MOST.addresses))
  addresses.forEach((address, i) => {
    if (type === 'FQDN') checkDomain(address, { path: `${path}.addresses[${i}]`, errors })
    else if (type === 'IPv4' || type === 'IPv6')
      checkSliceAddress({ address, i, family: type }, { path: `${path}.addresses`, errors })
  })
  const topologySize = Object.keys(topology ?? {}).length
  if (topologySize > MOST.topology) errors.push(tooMany(`${path}.deprecatedTopology`, topologySize, MOST.topology))
  if (endpoint.hostname === '') errors.push(...complaints(`${path}.hostname`, '', isDNS1123Label('')))
  checkHost(endpoint.hostname, endpoint.nodeName, { path, errors })
  if (hints !== undefined) checkHints(hints, { path: `${path}.hints`, errors })
}

function checkSliceAddress(
  { address, i, family }: { address: string; i: number; family: IpFamily },
  { path, errors }: At
): void {
  if (!checkIp(address, `${path}[${i}]`, errors)) return
  // Only IPv4 slices were ever taken with other spellings.
  if (family === 'IPv6' && !checkSpelling(address, `${path}[${i}]`, errors)) return
  if (ipFamily(address) !== family) errors.push(invalid(path, address, `must be an ${family} address`))
  checkNonSpecialIp(address, `${path}[${i}]`, errors)
}

/** At least two labels; a last dot is allowed. */
function checkDomain(name: string, { path, errors }: At): void {
  if (name === '') {
    errors.push(required(path))
    return
  }
  const domain = name.endsWith('.') ? name.slice(0, -1) : name
  const wrong = isDNS1123Subdomain(domain)
  const labels = domain.split('.')
  const badLabel = labels.find((label) => isDNS1123Label(label).length > 0)
  if (wrong.length > 0) errors.push(invalid(path, domain, wrong.join(',')))
  else if (labels.length < 2)
    errors.push(invalid(path, domain, 'should be a domain with at least two segments separated by dots'))
  else if (badLabel !== undefined) errors.push(invalid(path, badLabel, isDNS1123Label(badLabel).join(',')))
}

function checkHints({ forZones, forNodes }: EndpointHints, { path, errors }: At): void {
  checkHintNames(forZones, isLabelValue, { path: `${path}.forZones`, errors })
  checkHintNames(forNodes, isDNS1123Subdomain, { path: `${path}.forNodes`, errors })
}

function checkHintNames(
  hints: readonly { readonly name: string }[] | undefined,
  check: (name: string) => readonly string[],
  { path, errors }: At
): void {
  if (hints === undefined) return
  if (hints.length > MOST.hints) {
    errors.push(tooMany(path, hints.length, MOST.hints))
    return
  }
  const seen = new Set<string>()
  hints.forEach(({ name }, i) => {
    if (seen.has(name)) errors.push(duplicate(`${path}[${i}].name`, name))
    seen.add(name)
    errors.push(...complaints(`${path}[${i}].name`, name, check(name)))
  })
}

function checkSlicePorts(ports: readonly DiscoveryEndpointPort[], errors: FieldError[]): void {
  if (ports.length > MOST.ports) {
    errors.push(tooMany('ports', ports.length, MOST.ports))
    return
  }
  const seen = new Set<string>()
  ports.forEach(({ name = '', protocol = '', appProtocol }, i) => {
    if (name !== '') errors.push(...complaints(`ports[${i}].name`, name, isDNS1123Label(name)))
    if (seen.has(name)) errors.push(duplicate(`ports[${i}].name`, name))
    seen.add(name)
    if (!PROTOCOLS.includes(protocol)) errors.push(notSupported(`ports[${i}].protocol`, protocol, PROTOCOLS))
    if (appProtocol !== undefined)
      errors.push(...complaints(`ports[${i}].appProtocol`, appProtocol, isQualifiedName(appProtocol)))
  })
}

const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by'
const OWN_CONTROLLERS = new Set(['endpointslice-controller.k8s.io', 'endpointslicemirroring-controller.k8s.io'])

function endpointsWarnings({ metadata, subsets = [] }: Endpoints): readonly string[] {
  if (metadata.labels?.['endpoints.kubernetes.io/managed-by'] === 'endpoint-controller') return []
  return subsets.flatMap((subset, i) =>
    (['addresses', 'notReadyAddresses'] as const).flatMap((list) =>
      (subset[list] ?? []).flatMap(({ ip }, j) => ipWarnings(`subsets[${i}].${list}[${j}].ip`, ip))
    )
  )
}

function sliceWarnings({ metadata, addressType, endpoints: list }: EndpointSlice, isNew: boolean): readonly string[] {
  const old = isNew && addressType === 'FQDN' ? ['spec.addressType: FQDN endpoints are deprecated'] : []
  if (OWN_CONTROLLERS.has(metadata.labels?.[MANAGED_BY] ?? '')) return old
  const addresses = (list ?? []).flatMap(({ addresses = [] }, i) =>
    addresses.flatMap((address, j) => ipWarnings(`endpoints[${i}].addresses[${j}]`, address))
  )
  return [...old, ...addresses]
}

const orUnset = (list: readonly string[]) => shortened(list) || '<unset>'

export const discoveryKinds: readonly Kind[] = [
  row('v1', 'endpoints', {
    defaults: (object) => {
      for (const { ports = [] } of endpoints(object).subsets ?? []) for (const port of ports) port.protocol ??= 'TCP'
    },
    validate: validateEndpoints,
    metadataOnUpdate: 'also as new',
    warnings: (object) => endpointsWarnings(endpoints(object)),
    cells: (object, now) => {
      const it = endpoints(object)
      return [it.metadata.name ?? '', endpointsCell(it), age(it.metadata.creationTimestamp, now)]
    }
  }),
  row('discovery.k8s.io/v1', 'endpointslices', {
    generation: true,
    defaults: defaultSlice,
    validate: validateSlice,
    metadataOnUpdate: 'only as new',
    warnings: (next, old) => sliceWarnings(slice(next), old === undefined),
    validateUpdate: (next, old) =>
      slice(next).addressType === slice(old).addressType
        ? []
        : [invalid('addressType', slice(next).addressType, IMMUTABLE)],
    cells: (object, now) => {
      const { metadata, addressType, ports, endpoints: list } = slice(object)
      return [
        metadata.name ?? '',
        addressType,
        orUnset((ports ?? []).map(({ port, name }) => (port === undefined ? (name ?? '*') : String(port)))),
        orUnset((list ?? []).flatMap(({ addresses }) => addresses ?? [])),
        age(metadata.creationTimestamp, now)
      ]
    }
  })
]
