/** What a client is told about a service that is taken as it is (pkg/api/service/warnings.go). */
import { cidrWarnings, ipWarnings } from './ip-warnings.ts'
import type { Service } from './types.ts'

const HINTS = 'service.kubernetes.io/topology-aware-hints'
const MODE = 'service.kubernetes.io/topology-mode'

export function serviceWarnings({ metadata, spec = {} }: Service): string[] {
  const { type, clusterIP = '', clusterIPs = [], externalIPs = [], loadBalancerIP = '', trafficDistribution } = spec
  const warnings: string[] = []
  if (metadata.annotations?.[HINTS] !== undefined)
    warnings.push(`annotation ${HINTS} is deprecated, please use ${MODE} instead`)
  const addresses = (list: readonly string[], field: string) => {
    list.forEach((address, i) => {
      warnings.push(...ipWarnings(`spec.${field}[${i}]`, address))
    })
  }
  if (clusterIP !== '' && clusterIP !== 'None') addresses(clusterIPs, 'clusterIPs')
  if (type === 'ClusterIP' && clusterIP === 'None') {
    if (loadBalancerIP !== '') warnings.push('spec.loadBalancerIP is ignored for headless services')
    if (externalIPs.length > 0) warnings.push('spec.externalIPs is ignored for headless services')
    if (spec.sessionAffinity !== 'None') warnings.push('spec.SessionAffinity is ignored for headless services')
  }
  addresses(externalIPs, 'externalIPs')
  if (loadBalancerIP !== '') warnings.push(...ipWarnings('spec.loadBalancerIP', loadBalancerIP))
  spec.loadBalancerSourceRanges?.forEach((range, i) => {
    warnings.push(...cidrWarnings(`spec.loadBalancerSourceRanges[${i}]`, range))
  })
  if (type === 'ExternalName' && externalIPs.length > 0)
    warnings.push('spec.externalIPs is ignored when spec.type is "ExternalName"')
  if (type !== 'ExternalName' && (spec.externalName ?? '') !== '')
    warnings.push('spec.externalName is ignored when spec.type is not "ExternalName"')
  if (trafficDistribution === 'PreferClose')
    warnings.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
  return warnings
}
