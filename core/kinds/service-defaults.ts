/** What Kubernetes fills in Services: pkg/apis/core/v1/defaults.go, and the address families of the cluster. */
import { ipFamily } from '../ip.ts'
import type { Service, ServiceSpec } from './types.ts'

/** Three hours, in seconds. */
const AFFINITY_SECONDS = 10800
/** The only family that a cluster of ours gives addresses of. */
const CLUSTER_FAMILY = 'IPv4'
export const HEADLESS = 'None'

export function defaultService(service: Service): void {
  service.spec ??= {}
  service.status ??= {}
  const { spec, status } = service
  status.loadBalancer ??= {}
  for (const ingress of status.loadBalancer.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP'
  defaultAffinity(spec)
  spec.type ||= 'ClusterIP'
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP'
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port
  }
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ||= 'Cluster'
  if (spec.type === 'ExternalName') return
  if (spec.type === 'ClusterIP' || spec.type === 'NodePort' || spec.type === 'LoadBalancer')
    spec.internalTrafficPolicy ??= 'Cluster'
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true
}

function defaultAffinity(spec: ServiceSpec): void {
  spec.sessionAffinity ||= 'None'
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig
  if (spec.sessionAffinity !== 'ClientIP') return
  spec.sessionAffinityConfig ??= {}
  spec.sessionAffinityConfig.clientIP ??= {}
  spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= AFFINITY_SECONDS
}

/** Reached from outside of the cluster: then externalTrafficPolicy says what becomes of such traffic. */
export function isExternallyAccessible({ type, externalIPs }: ServiceSpec): boolean {
  return type === 'NodePort' || type === 'LoadBalancer' || (type === 'ClusterIP' && (externalIPs ?? []).length > 0)
}

export function isHeadless({ clusterIPs, clusterIP }: ServiceSpec): boolean {
  return clusterIPs === undefined ? clusterIP === HEADLESS : clusterIPs.length === 1 && clusterIPs[0] === HEADLESS
}

/** Of a new one: an update has those of before. One family, that of its addresses or of the cluster. One without selector and address may have endpoints of both. */
export function defaultFamilies(spec: ServiceSpec): void {
  if (spec.type === 'ExternalName') return
  if (spec.clusterIP && spec.clusterIPs === undefined) spec.clusterIPs = [spec.clusterIP]
  const families = [...(spec.ipFamilies ?? [])]
  for (const [i, address] of (spec.clusterIPs ?? []).entries()) {
    const family = ipFamily(address)
    if (family === undefined) break
    // Who hands out the addresses refuses them, as long as no family is chosen for them.
    if (!spec.clusterIP || (i >= families.length && family !== CLUSTER_FAMILY)) return
    if (i >= families.length && !families.includes(family)) families.push(family)
  }
  if (families.length === 0) families.push(CLUSTER_FAMILY)
  if (spec.clusterIP === HEADLESS && Object.keys(spec.selector ?? {}).length === 0) {
    spec.ipFamilyPolicy ??= 'RequireDualStack'
    if (families.length === 1 && spec.ipFamilyPolicy !== 'SingleStack')
      families.push(families[0] === 'IPv4' ? 'IPv6' : 'IPv4')
  }
  spec.ipFamilyPolicy ??= 'SingleStack'
  spec.ipFamilies = families
}
