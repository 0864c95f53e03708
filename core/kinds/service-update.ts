/** How a Service may change: what it keeps of the old one, what goes with the old type, what stays as it is. */
import type { FieldError } from '../errors.ts'
import { forbidden, invalid } from '../field-errors.ts'
import { type Errors, IMMUTABLE, sameValue } from './checks.ts'
import { isExternallyAccessible, isHeadless } from './service-defaults.ts'
import { needsHealthCheckPort } from './service-validate.ts'
import type { Service, ServicePort, ServiceSpec } from './types.ts'

const needsClusterIP = ({ type }: ServiceSpec) => type !== 'ExternalName'

function needsNodePorts({ type, allocateLoadBalancerNodePorts: allocate }: ServiceSpec): boolean {
  return type === 'NodePort' || (type === 'LoadBalancer' && allocate !== false)
}

export function prepareServiceUpdate(next: Service, old: Service): void {
  const spec = next.spec ?? {}
  const before = old.spec ?? {}
  keepAllocated(spec, before)
  syncAddresses(spec, before)
  dropWithType(spec, before)
}

/** An update that leaves out what the server allocated keeps it. */
function keepAllocated(spec: ServiceSpec, before: ServiceSpec): void {
  if (needsClusterIP(before) && needsClusterIP(spec)) {
    if (!spec.clusterIP && spec.clusterIPs === undefined && before.clusterIP) spec.clusterIP = before.clusterIP
    if (spec.clusterIPs === undefined && spec.clusterIP === before.clusterIP) setAddresses(spec, before.clusterIPs)
  }
  if (needsNodePorts(before) && needsNodePorts(spec)) keepNodePorts(spec.ports ?? [], before.ports ?? [])
  if (needsHealthCheckPort(before) && needsHealthCheckPort(spec) && before.healthCheckNodePort)
    spec.healthCheckNodePort ||= before.healthCheckNodePort
}

function setAddresses(spec: ServiceSpec, addresses: string[] | undefined): void {
  if (addresses === undefined) delete spec.clusterIPs
  else spec.clusterIPs = addresses
}

function keepNodePorts(ports: readonly ServicePort[], before: readonly ServicePort[]): void {
  const taken = new Set(ports.map(({ nodePort, protocol }) => `${protocol}/${nodePort}`))
  const same = (a: ServicePort, b: ServicePort) =>
    (a.protocol ?? 'TCP') === (b.protocol ?? 'TCP') && a.port === b.port && (a.name ?? '') === (b.name ?? '')
  for (const port of ports) {
    if (port.nodePort) continue
    const old = before.find((one) => same(one, port))
    if (!old?.nodePort) continue
    const key = `${port.protocol}/${old.nodePort}`
    if (taken.has(key)) continue
    port.nodePort = old.nodePort
    taken.add(key)
  }
}

/** clusterIP is the first of clusterIPs; who changes one of the two means both. */
function syncAddresses(spec: ServiceSpec, before: ServiceSpec): void {
  const untouched = sameValue(spec.clusterIPs, before.clusterIPs)
  if (before.clusterIP && !spec.clusterIP) {
    if (untouched) delete spec.clusterIPs
  } else if (spec.clusterIP === before.clusterIP) {
    if ((before.clusterIPs ?? []).length > 0 && (spec.clusterIPs ?? []).length === 0) delete spec.clusterIP
  } else if (untouched && spec.clusterIP) spec.clusterIPs = [spec.clusterIP]
}

/** A field that only the old type had, and that the user did not touch, goes with it. */
function dropWithType(spec: ServiceSpec, before: ServiceSpec): void {
  if (needsClusterIP(before) && !needsClusterIP(spec)) {
    if (spec.clusterIP === before.clusterIP && sameValue(spec.clusterIPs, before.clusterIPs)) {
      delete spec.clusterIP
      delete spec.clusterIPs
    }
    if (sameValue(spec.ipFamilies, before.ipFamilies)) delete spec.ipFamilies
    if (spec.ipFamilyPolicy === before.ipFamilyPolicy) delete spec.ipFamilyPolicy
  }
  if (needsNodePorts(before) && !needsNodePorts(spec) && sameNodePorts(spec, before))
    for (const port of spec.ports ?? []) delete port.nodePort
  if (
    needsHealthCheckPort(before) &&
    !needsHealthCheckPort(spec) &&
    spec.healthCheckNodePort === before.healthCheckNodePort
  )
    delete spec.healthCheckNodePort
  if (before.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === before.allocateLoadBalancerNodePorts)
      delete spec.allocateLoadBalancerNodePorts
    if (spec.loadBalancerClass === before.loadBalancerClass) delete spec.loadBalancerClass
  }
  if (
    isExternallyAccessible(before) &&
    !isExternallyAccessible(spec) &&
    spec.externalTrafficPolicy === before.externalTrafficPolicy
  )
    delete spec.externalTrafficPolicy
}

function sameNodePorts(spec: ServiceSpec, before: ServiceSpec): boolean {
  const old = new Set((before.ports ?? []).map(({ nodePort }) => nodePort))
  return (spec.ports ?? []).every(({ nodePort }) => !nodePort || old.has(nodePort))
}

const ONCE = 'may not change once set'

export function validateServiceUpdate(next: Service, old: Service): FieldError[] {
  const errors: FieldError[] = []
  const spec = next.spec ?? {}
  const before = old.spec ?? {}
  if (spec.type !== 'ExternalName' && before.type !== 'ExternalName') {
    checkAddressChange(spec, before, errors)
    checkFamilyChange(spec, before, errors)
  }
  if (
    spec.type === 'LoadBalancer' &&
    before.type === 'LoadBalancer' &&
    spec.loadBalancerClass !== before.loadBalancerClass
  )
    errors.push(invalid('spec.loadBalancerClass', spec.loadBalancerClass ?? null, ONCE))
  if (
    needsHealthCheckPort(before) &&
    needsHealthCheckPort(spec) &&
    (spec.healthCheckNodePort ?? 0) !== (before.healthCheckNodePort ?? 0)
  )
    errors.push(forbidden('spec.healthCheckNodePort', IMMUTABLE))
  return errors
}

function checkAddressChange(spec: ServiceSpec, before: ServiceSpec, errors: Errors): void {
  if (isHeadless(spec) && isHeadless(before)) return
  const { clusterIPs = [], ipFamilyPolicy } = spec
  const old = before.clusterIPs ?? []
  const shown = clusterIPs.length === 0 ? null : clusterIPs
  if (old.length === clusterIPs.length) {
    old.forEach((address, i) => {
      if (address !== clusterIPs[i]) errors.push(invalid(`spec.clusterIPs[${i}]`, shown, ONCE))
    })
    return
  }
  if (old.length > clusterIPs.length && clusterIPs.length === 0)
    errors.push(invalid('spec.clusterIPs[0]', shown, 'primary clusterIP can not be unset'))
  if (old.length > 0 && clusterIPs.length > 0 && clusterIPs[0] !== old[0])
    errors.push(invalid('spec.clusterIPs[0]', shown, ONCE))
  if (old.length > clusterIPs.length && clusterIPs.length === 1 && ipFamilyPolicy !== 'SingleStack')
    errors.push(
      invalid(
        'spec.ipFamilyPolicy',
        ipFamilyPolicy ?? null,
        "must be set to 'SingleStack' when releasing the secondary clusterIP"
      )
    )
}

function checkFamilyChange(spec: ServiceSpec, before: ServiceSpec, errors: Errors): void {
  if (isHeadless(spec) || isHeadless(before)) return
  const { ipFamilies = [], ipFamilyPolicy } = spec
  const old = before.ipFamilies ?? []
  const path = 'spec.ipFamilies[0]'
  if (old.length === ipFamilies.length) {
    old.forEach((family, i) => {
      if (family !== ipFamilies[i]) errors.push(invalid(path, ipFamilies, ONCE))
    })
    return
  }
  if (old.length > 0 && ipFamilies.length > 0 && ipFamilies[0] !== old[0])
    errors.push(invalid(path, spec.clusterIPs ?? null, ONCE))
  if (old.length > ipFamilies.length && ipFamilies.length === 1 && ipFamilyPolicy !== 'SingleStack')
    errors.push(
      invalid(
        'spec.ipFamilyPolicy',
        ipFamilyPolicy ?? null,
        "must be set to 'SingleStack' when releasing the secondary ipFamily"
      )
    )
}
