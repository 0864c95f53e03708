/** Validation of Services, with the errors of Kubernetes 1.35 in its order. */
import type { FieldError } from '../errors.ts'
import { duplicate, forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { checkCidr, checkIp, checkNonSpecialIp, ipFamily, isDualStack } from '../ip.ts'
import { isDNS1123Subdomain, isPortNumber } from '../names.ts'
import {
  checkLabel,
  checkLabels,
  checkOneOf,
  checkPort,
  checkQualifiedName,
  complaints,
  type Errors
} from './checks.ts'
import { goStruct } from './go-structs.ts'
import { HEADLESS, isExternallyAccessible, isHeadless } from './service-defaults.ts'
import type { Service, ServicePort, ServiceSpec } from './types.ts'

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']
const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const FAMILIES = ['IPv4', 'IPv6']
const FAMILY_POLICIES = ['PreferDualStack', 'RequireDualStack', 'SingleStack']
const TRAFFIC_POLICIES = ['Cluster', 'Local']
const DISTRIBUTIONS = ['PreferClose', 'PreferSameZone', 'PreferSameNode']
/** A day, in seconds. */
const MOST_AFFINITY_SECONDS = 86400
const SOURCE_RANGES = 'service.beta.kubernetes.io/load-balancer-source-ranges'
const TOPOLOGY_HINTS = 'service.kubernetes.io/topology-aware-hints'
const TOPOLOGY_MODE = 'service.kubernetes.io/topology-mode'
const ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'"

export function validateService(service: Service): FieldError[] {
  const errors: FieldError[] = []
  const { metadata, spec = {} } = service
  const annotations = metadata.annotations ?? {}
  const [hints, mode] = [annotations[TOPOLOGY_HINTS], annotations[TOPOLOGY_MODE]]
  if (hints !== undefined && mode !== undefined && hints !== mode)
    errors.push(
      invalid(
        `metadata.annotations[${TOPOLOGY_MODE}]`,
        mode,
        `must match annotations[${TOPOLOGY_HINTS}] when both are specified`
      )
    )
  const ports = spec.ports ?? []
  if (ports.length === 0 && !isHeadless(spec) && spec.type !== 'ExternalName') errors.push(required('spec.ports'))
  checkType(spec, errors)
  const names = new Set<string>()
  ports.forEach((port, i) => {
    checkServicePort(port, `spec.ports[${i}]`, { names, named: ports.length > 1, errors })
  })
  checkLabels(spec.selector, 'spec.selector', errors)
  checkAffinity(spec, errors)
  checkAddresses(spec, errors)
  spec.externalIPs?.forEach((address, i) => {
    const at = `spec.externalIPs[${i}]`
    if (checkIp(address, at, errors)) checkNonSpecialIp(address, at, errors)
  })
  checkOneOf(spec.type, 'spec.type', { allowed: TYPES, errors })
  checkPortsTogether(spec, errors)
  checkSourceRanges(spec, annotations[SOURCE_RANGES], errors)
  checkLoadBalancer(spec, errors)
  checkTrafficPolicies(spec, errors)
  return errors
}

function checkType(spec: ServiceSpec, errors: Errors): void {
  const { type } = spec
  if ((type === 'LoadBalancer' || type === 'NodePort') && isHeadless(spec))
    errors.push(invalid('spec.clusterIPs[0]', HEADLESS, `may not be set to 'None' for ${type} services`))
  if (type !== 'ExternalName') return
  const refuse = (field: string) =>
    void errors.push(forbidden(`spec.${field}`, 'may not be set for ExternalName services'))
  if ((spec.clusterIPs ?? []).length > 0 || spec.clusterIP) refuse('clusterIPs')
  if ((spec.ipFamilies ?? []).length > 0) refuse('ipFamilies')
  if (spec.ipFamilyPolicy !== undefined) refuse('ipFamilyPolicy')
  const name = (spec.externalName ?? '').replace(/\.$/, '')
  if (name === '') errors.push(required('spec.externalName'))
  else errors.push(...complaints('spec.externalName', name, isDNS1123Subdomain(name)))
}

function checkServicePort(
  port: ServicePort,
  path: string,
  { names, named, errors }: { names: Set<string>; named: boolean; errors: Errors }
): void {
  const { name } = port
  if (name) {
    checkLabel(name, `${path}.name`, errors)
    if (names.has(name)) errors.push(duplicate(`${path}.name`, name))
    else names.add(name)
  } else if (named) errors.push(required(`${path}.name`))
  errors.push(...complaints(`${path}.port`, port.port ?? 0, isPortNumber(port.port ?? 0)))
  checkOneOf(port.protocol, `${path}.protocol`, { allowed: PROTOCOLS, errors })
  checkPort(port.targetPort, `${path}.targetPort`, errors)
  if (port.appProtocol !== undefined) checkQualifiedName(port.appProtocol, `${path}.appProtocol`, errors)
}

function checkAffinity({ sessionAffinity, sessionAffinityConfig: config }: ServiceSpec, errors: Errors): void {
  checkOneOf(sessionAffinity, 'spec.sessionAffinity', { allowed: ['ClientIP', 'None'], errors })
  const path = 'spec.sessionAffinityConfig'
  if (sessionAffinity === 'None' && config !== undefined)
    errors.push(forbidden(path, 'must not be set when session affinity is None'))
  if (sessionAffinity !== 'ClientIP') return
  const when = 'when session affinity type is ClientIP'
  const seconds = config?.clientIP?.timeoutSeconds
  if (config === undefined) errors.push(required(path, when))
  else if (config.clientIP === undefined) errors.push(required(`${path}.clientIP`, when))
  else if (seconds === undefined) errors.push(required(`${path}.clientIP.timeoutSeconds`, when))
  else if (seconds <= 0 || seconds > MOST_AFFINITY_SECONDS)
    errors.push(
      invalid(
        `${path}.clientIP.timeoutSeconds`,
        seconds,
        `must be greater than 0 and less than ${MOST_AFFINITY_SECONDS}`
      )
    )
}

/** clusterIP, clusterIPs, ipFamilies and ipFamilyPolicy, each alone and as far as they must agree. */
export function checkAddresses(spec: ServiceSpec, errors: Errors): void {
  if (spec.type === 'ExternalName') return
  const { clusterIP, clusterIPs = [], ipFamilies = [], ipFamilyPolicy } = spec
  const path = 'spec.clusterIPs'
  if (clusterIP) {
    if (clusterIPs.length === 0) errors.push(required(path))
    else if (clusterIPs[0] !== clusterIP) errors.push(invalid(path, clusterIPs, 'first value must match `clusterIP`'))
  } else if (clusterIPs.length > 0)
    errors.push(invalid(path, clusterIPs, 'must be empty when `clusterIP` is not specified'))
  const seen = new Set<string>()
  ipFamilies.forEach((family, i) => {
    if (!FAMILIES.includes(family)) errors.push(notSupported(`spec.ipFamilies[${i}]`, family, FAMILIES))
    if (seen.has(family)) errors.push(duplicate(`spec.ipFamilies[${i}]`, family))
    seen.add(family)
  })
  if (ipFamilyPolicy !== undefined && !FAMILY_POLICIES.includes(ipFamilyPolicy))
    errors.push(notSupported('spec.ipFamilyPolicy', ipFamilyPolicy, FAMILY_POLICIES))
  if (!checkEachAddress(clusterIPs, path, errors)) return
  const families = clusterIPs.map(ipFamily)
  if (clusterIPs.length > 1 && !isDualStack(families))
    errors.push(invalid(path, clusterIPs, 'may specify no more than one IP for each IP family'))
  if (!isHeadless(spec))
    clusterIPs.forEach((address, i) => {
      const expected = ipFamilies[i]
      if (expected !== undefined && FAMILIES.includes(expected) && families[i] !== expected)
        errors.push(
          invalid(`${path}[${i}]`, address, `expected an ${expected} value as indicated by \`ipFamilies[${i}]\``)
        )
    })
}

function checkEachAddress(addresses: readonly string[], path: string, errors: Errors): boolean {
  if (addresses[0] === HEADLESS) {
    if (addresses.length > 1) errors.push(invalid(path, addresses, "'None' must be the first and only value"))
    return addresses.length === 1
  }
  let good = true
  addresses.forEach((address, i) => {
    if (!checkIp(address, `${path}[${i}]`, errors)) good = false
  })
  if (addresses.length > 2) errors.push(invalid(path, addresses, 'may only hold up to 2 values'))
  return good
}

function checkPortsTogether(spec: ServiceSpec, errors: Errors): void {
  const ports = spec.ports ?? []
  if (spec.type === 'ClusterIP')
    ports.forEach(({ nodePort }, i) => {
      if (nodePort) errors.push(forbidden(`spec.ports[${i}].nodePort`, "may not be used when `type` is 'ClusterIP'"))
    })
  const nodePorts = new Set<string>()
  ports.forEach(({ nodePort, protocol }, i) => {
    if (!nodePort) return
    const key = `${protocol}/${nodePort}`
    if (nodePorts.has(key)) errors.push(duplicate(`spec.ports[${i}].nodePort`, nodePort))
    nodePorts.add(key)
  })
  const numbers = new Set<string>()
  ports.forEach(({ port, protocol }, i) => {
    const key = `${protocol}/${port}`
    if (numbers.has(key))
      errors.push(duplicate(`spec.ports[${i}]`, goStruct('ServicePort', { port, protocol, targetPort: 0 })))
    numbers.add(key)
  })
}

function checkSourceRanges(spec: ServiceSpec, annotation: string | undefined, errors: Errors): void {
  const ranges = spec.loadBalancerSourceRanges ?? []
  if (ranges.length > 0) {
    const path = 'spec.LoadBalancerSourceRanges'
    if (spec.type !== 'LoadBalancer') errors.push(forbidden(path, ONLY_LOAD_BALANCER))
    ranges.forEach((range, i) => {
      checkCidr(range.trim(), `${path}[${i}]`, errors)
    })
    return
  }
  if (annotation === undefined) return
  const path = `metadata.annotations[${SOURCE_RANGES}]`
  if (spec.type !== 'LoadBalancer') errors.push(forbidden(path, ONLY_LOAD_BALANCER))
  if (annotation.trim() !== '') for (const range of annotation.trim().split(',')) checkCidr(range.trim(), path, errors)
}

function checkLoadBalancer(spec: ServiceSpec, errors: Errors): void {
  const isLoadBalancer = spec.type === 'LoadBalancer'
  const { allocateLoadBalancerNodePorts: allocate, loadBalancerClass } = spec
  if (allocate !== undefined && !isLoadBalancer)
    errors.push(forbidden('spec.allocateLoadBalancerNodePorts', ONLY_LOAD_BALANCER))
  if (allocate === undefined && isLoadBalancer) errors.push(required('allocateLoadBalancerNodePorts'))
  if (loadBalancerClass === undefined) return
  if (isLoadBalancer) checkQualifiedName(loadBalancerClass, 'spec.loadBalancerClass', errors)
  else errors.push(forbidden('spec.loadBalancerClass', ONLY_LOAD_BALANCER))
}

export function needsHealthCheckPort({ type, externalTrafficPolicy }: ServiceSpec): boolean {
  return type === 'LoadBalancer' && externalTrafficPolicy === 'Local'
}

function checkTrafficPolicies(spec: ServiceSpec, errors: Errors): void {
  const { externalTrafficPolicy, internalTrafficPolicy, healthCheckNodePort, trafficDistribution } = spec
  if (isExternallyAccessible(spec))
    checkOneOf(externalTrafficPolicy, 'spec.externalTrafficPolicy', { allowed: TRAFFIC_POLICIES, errors })
  else if (externalTrafficPolicy)
    errors.push(
      invalid('spec.externalTrafficPolicy', externalTrafficPolicy, 'may only be set for externally-accessible services')
    )
  const path = 'spec.healthCheckNodePort'
  if (!needsHealthCheckPort(spec)) {
    if (healthCheckNodePort)
      errors.push(
        invalid(
          path,
          healthCheckNodePort,
          "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        )
      )
  } else if (!healthCheckNodePort) errors.push(required(path))
  else errors.push(...complaints(path, healthCheckNodePort, isPortNumber(healthCheckNodePort)))
  if (internalTrafficPolicy === undefined) {
    if (spec.type !== 'ExternalName' && TYPES.includes(spec.type ?? ''))
      errors.push(required('spec.internalTrafficPolicy'))
  } else if (!TRAFFIC_POLICIES.includes(internalTrafficPolicy))
    errors.push(notSupported('spec.internalTrafficPolicy', internalTrafficPolicy, TRAFFIC_POLICIES))
  if (trafficDistribution !== undefined && !DISTRIBUTIONS.includes(trafficDistribution))
    errors.push(notSupported('spec.trafficDistribution', trafficDistribution, DISTRIBUTIONS))
}

export function validateLoadBalancerStatus({ spec, status }: Service): FieldError[] {
  const errors: FieldError[] = []
  const path = 'status.loadBalancer.ingress'
  const ingresses = status?.loadBalancer?.ingress ?? []
  if (ingresses.length > 0 && spec?.type !== 'LoadBalancer')
    return [forbidden(path, "may only be used when `spec.type` is 'LoadBalancer'")]
  ingresses.forEach(({ ip, ipMode, hostname }, i) => {
    const at = `${path}[${i}]`
    if (ip) checkIp(ip, `${at}.ip`, errors)
    if (ipMode === undefined) {
      if (ip) errors.push(required(`${at}.ipMode`, 'must be specified when `ip` is set'))
    } else if (!ip) errors.push(forbidden(`${at}.ipMode`, 'may not be specified when `ip` is not set'))
    else if (ipMode !== 'VIP' && ipMode !== 'Proxy') errors.push(notSupported(`${at}.ipMode`, ipMode, ['Proxy', 'VIP']))
    if (!hostname) return
    errors.push(...complaints(`${at}.hostname`, hostname, isDNS1123Subdomain(hostname)))
    if (ipFamily(hostname) !== undefined)
      errors.push(invalid(`${at}.hostname`, hostname, 'must be a DNS name, not an IP address'))
  })
  return errors
}
