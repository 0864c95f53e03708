/** What Kubernetes says of addresses that it takes but would rather see written otherwise (GetWarningsForIP). */
import { canonicalIp, cidrFamily, ipFamily, isCanonicalIp, networkOf } from '../ip.ts'

/** Nothing for what is no address: that is refused elsewhere. */
export function ipWarnings(path: string, text: string): string[] {
  const canonical = canonicalIp(text)
  if (canonical === undefined || canonical === text) return []
  const shown = JSON.stringify(text)
  if (ipFamily(text) === 'IPv4')
    return [
      `${path}: non-standard IP address ${shown} will be considered invalid in a future Kubernetes release: use "${canonical}"`
    ]
  return [`${path}: IPv6 address ${shown} should be in RFC 5952 canonical format ("${canonical}")`]
}

export function cidrWarnings(path: string, text: string): string[] {
  if (cidrFamily(text) === undefined) return []
  const [address = '', bits = ''] = text.split('/')
  const shown = JSON.stringify(text)
  const network = networkOf(address, Number(bits))
  const canonical = canonicalIp(address)
  const warnings: string[] = []
  if (!network.startsWith(`${canonical}/`)) {
    const single = `${canonical}/${ipFamily(address) === 'IPv4' ? 32 : 128}`
    warnings.push(`${path}: CIDR value ${shown} is ambiguous in this context (should be "${network}" or "${single}"?)`)
  }
  if (ipFamily(address) === 'IPv4' && !isCanonicalIp(address))
    warnings.push(
      `${path}: non-standard CIDR value ${shown} will be considered invalid in a future Kubernetes release: use "${network}"`
    )
  if (warnings.length === 0 && network !== text)
    warnings.push(`${path}: IPv6 CIDR value ${shown} should be in RFC 5952 canonical format ("${network}")`)
  return warnings
}
