/** How a Service may change: what it keeps of the old one, what goes with the old type, what stays as it is. */
import type { FieldError } from '../errors.ts'
import { forbidden, invalid } from '../field-errors.ts'
import { type Errors, IMMUTABLE, sameValue } from './checks.ts'
import { isExternallyAccessible, isHeadless } from './service-defaults.ts'
import { needsHealthCheckPort } from './service-validate.ts'
import type { Service, ServiceSpec } from './types.ts'

/** Addresses and ports that an update leaves out are kept, and let go of, where they are handed out (admission). */
export function prepareServiceUpdate(next: Service, old: Service): void {
  const spec = next.spec ?? {}
  const before = old.spec ?? {}
  syncAddresses(spec, before)
  dropWithType(spec, before)
  if (spec.type === 'ExternalName') delete spec.internalTrafficPolicy
}

/** clusterIP is the first of clusterIPs; who changes one of the two means both. */
export function syncAddresses(spec: ServiceSpec, before: ServiceSpec): void {
  if (spec.type !== 'ExternalName' && before.type !== 'ExternalName') {
    if (!spec.clusterIP && before.clusterIP) spec.clusterIP = before.clusterIP
    if (spec.clusterIPs === undefined && before.clusterIPs !== undefined && spec.clusterIP === before.clusterIP)
      spec.clusterIPs = before.clusterIPs
  }
  const untouched = sameValue(spec.clusterIPs, before.clusterIPs)
  if (before.clusterIP && !spec.clusterIP) {
    if (untouched) delete spec.clusterIPs
  } else if (spec.clusterIP === before.clusterIP) {
    if ((before.clusterIPs ?? []).length > 0 && (spec.clusterIPs ?? []).length === 0) delete spec.clusterIP
  } else if (untouched && spec.clusterIP) spec.clusterIPs = [spec.clusterIP]
}

/** A field that only the old type had, and that the user did not touch, goes with it. */
function dropWithType(spec: ServiceSpec, before: ServiceSpec): void {
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
