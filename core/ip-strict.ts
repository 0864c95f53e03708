/** IP addresses and networks where Kubernetes takes them in one form only (IsValidIP and IsValidCIDR of apimachinery). */
import { isIPv4, isIPv6 } from 'node:net'
import { cidrFamily, ipFamily, ipv4Octets } from './ip.ts'

export interface Network {
  /** The address with the bits after the prefix cleared. */
  readonly network: bigint
  readonly bits: number
  /** Of an address: 32 or 128. */
  readonly width: 32 | 128
}

/** Of a valid address. */
export function addressNumber(text: string): bigint {
  const octets = ipv4Octets(text)
  if (octets !== undefined) return octets.reduce((number, octet) => number * 256n + BigInt(octet), 0n)
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text)
  const [a = 0, b = 0, c = 0, d = 0] = dotted === null ? [] : (ipv4Octets(dotted[2] ?? '') ?? [])
  const whole = dotted === null ? text : `${dotted[1]}${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`
  const [head = '', tail] = whole.split('::')
  const words = (part: string) => (part === '' ? [] : part.split(':'))
  const [left, right] = [words(head), words(tail ?? '')]
  const gap = tail === undefined ? [] : Array<string>(8 - left.length - right.length).fill('0')
  return [...left, ...gap, ...right].reduce((number, word) => number * 65536n + BigInt(`0x${word}`), 0n)
}

/** As Go prints it: RFC 5952. */
export function addressText(number: bigint, width: 32 | 128): string {
  if (width === 32) return [24n, 16n, 8n, 0n].map((shift) => String((number >> shift) & 255n)).join('.')
  const words = Array.from({ length: 8 }, (_, i) => Number((number >> BigInt(112 - 16 * i)) & 65535n))
  let [start, length] = [-1, 1]
  for (let i = 0; i < 8; i++) {
    let end = i
    while (end < 8 && words[end] === 0) end++
    if (end - i > length) [start, length] = [i, end - i]
  }
  const text = (part: number[]) => part.map((word) => word.toString(16)).join(':')
  return start < 0 ? text(words) : `${text(words.slice(0, start))}::${text(words.slice(start + length))}`
}

/** undefined: not a network. */
export function parseCidr(text: string): Network | undefined {
  const family = cidrFamily(text)
  if (family === undefined) return undefined
  const [address = '', bits = ''] = text.split('/')
  const width = family === 'IPv4' ? 32 : 128
  const rest = BigInt(width - Number(bits))
  return { network: (addressNumber(address) >> rest) << rest, bits: Number(bits), width }
}

/** Whether `inner` lies wholly in `outer`, and is smaller. */
export function isStrictlyWithin(inner: Network, outer: Network): boolean {
  const rest = BigInt(outer.width - outer.bits)
  return inner.width === outer.width && inner.bits > outer.bits && inner.network >> rest === outer.network >> rest
}

const MAPPED = /^::ffff:/i

/** What is wrong with an address that must be in its only form; empty: nothing. */
export function strictIpComplaints(text: string): readonly string[] {
  const family = ipFamily(text)
  if (family === undefined) return ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']
  if (text.includes(':') && family === 'IPv4') return ['must not be an IPv4-mapped IPv6 address']
  if (!isIPv4(text) && !isIPv6(text)) return ['must not have leading 0s']
  const canonical = addressText(addressNumber(text), family === 'IPv4' ? 32 : 128)
  return canonical === text ? [] : [`must be in canonical form (${JSON.stringify(canonical)})`]
}

/** The same of a network. */
export function strictCidrComplaints(text: string): readonly string[] {
  const parsed = parseCidr(text)
  if (parsed === undefined) return ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)']
  const [address = '', bits = ''] = text.split('/')
  if (/^0\d/.test(bits) || (!isIPv4(address) && !isIPv6(address)))
    return ['must not have leading 0s in IP or prefix length']
  if (MAPPED.test(address)) return ['must not have an IPv4-mapped IPv6 address']
  if (addressNumber(address) !== parsed.network) return ['must not have bits set beyond the prefix length']
  const canonical = `${addressText(parsed.network, parsed.width)}/${parsed.bits}`
  return canonical === text ? [] : [`must be in canonical form (${JSON.stringify(canonical)})`]
}
