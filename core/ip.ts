/** IP addresses and networks as Kubernetes' API reads them (k8s.io/utils/net, with its leniency for leading zeros). */
import { isIPv6 } from 'node:net'
import type { FieldError } from './errors.ts'
import { invalid } from './field-errors.ts'

export type IpFamily = 'IPv4' | 'IPv6'

const DOTTED = /^(\d+)\.(\d+)\.(\d+)\.(\d+)$/

/** The four numbers of a dotted address; leading zeros are decimal, as before Go 1.17. */
export function ipv4Octets(text: string): readonly number[] | undefined {
  const parts = DOTTED.exec(text)
  if (parts === null) return undefined
  const octets = parts.slice(1, 5).map(Number)
  return octets.every((octet) => octet <= 255) ? octets : undefined
}

export function ipFamily(text: string): IpFamily | undefined {
  if (ipv4Octets(text) !== undefined) return 'IPv4'
  if (!text.includes('%') && isIPv6(text)) return mappedOctets(text) === undefined ? 'IPv6' : 'IPv4'
  return undefined
}

/** "::ffff:10.0.0.1" is an IPv4 address to Go. */
function mappedOctets(text: string): readonly number[] | undefined {
  const match = /^(?:0*:){0,5}:?:?ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(text)
  return match?.[1] === undefined ? undefined : ipv4Octets(match[1])
}

export function checkIp(text: string, path: string, errors: FieldError[]): boolean {
  if (ipFamily(text) !== undefined) return true
  errors.push(invalid(path, text, 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'))
  return false
}

export function cidrFamily(text: string): IpFamily | undefined {
  const [address = '', bits, ...rest] = text.split('/')
  if (bits === undefined || rest.length > 0 || !/^\d{1,3}$/.test(bits)) return undefined
  const family = ipv4Octets(address) !== undefined ? 'IPv4' : isIPv6(address) ? 'IPv6' : undefined
  if (family === undefined) return undefined
  return Number(bits) <= (family === 'IPv4' ? 32 : 128) ? family : undefined
}

export function checkCidr(text: string, path: string, errors: FieldError[]): void {
  if (cidrFamily(text) !== undefined) return
  errors.push(invalid(path, text, 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'))
}

/** Whether the list holds at least one address of each family. */
export function isDualStack(families: readonly (IpFamily | undefined)[]): boolean {
  return families.includes('IPv4') && families.includes('IPv6')
}

/** Refuses addresses that make no sense as an endpoint: unspecified, loopback and link-local ones. */
export function checkNonSpecialIp(text: string, path: string, errors: FieldError[]): void {
  const octets = ipv4Octets(text)
  const lower = text.toLowerCase()
  if (octets === undefined && !isIPv6(text)) {
    errors.push(invalid(path, text, 'must be a valid IP address'))
    return
  }
  const [first = 0, second = 0, third = 0] = octets ?? []
  const v4 = octets !== undefined
  if (v4 ? octets.every((octet) => octet === 0) : /^[0:]+$/.test(lower))
    errors.push(invalid(path, text, `may not be unspecified (${text})`))
  if (v4 ? first === 127 : /^[0:]*:0*1$/.test(lower))
    errors.push(invalid(path, text, 'may not be in the loopback range (127.0.0.0/8, ::1/128)'))
  if (v4 ? first === 169 && second === 254 : /^fe[89ab][0-9a-f]:/.test(lower))
    errors.push(invalid(path, text, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)'))
  if (v4 ? first === 224 && second === 0 && third === 0 : /^ff[0-9a-f]2:/.test(lower))
    errors.push(invalid(path, text, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)'))
}

/** The sixteen bytes of an IPv6 address, or the four of an IPv4 one, mapped ones too; undefined for what is none. */
function bytesOf(text: string): number[] | undefined {
  const octets = ipv4Octets(text) ?? mappedOctets(text)
  if (octets !== undefined) return [...octets]
  if (text.includes('%') || !isIPv6(text)) return undefined
  const dotted = text.slice(text.lastIndexOf(':') + 1)
  const last = ipv4Octets(dotted)
  const hex =
    last === undefined
      ? text
      : text.slice(0, -dotted.length) +
        [0, 2].map((i) => (((last[i] ?? 0) << 8) | (last[i + 1] ?? 0)).toString(16)).join(':')
  const [head = '', tail] = hex.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)))
  const [before, after] = [groups(head), groups(tail ?? '')]
  const zeros = new Array<number>(8 - before.length - after.length).fill(0)
  return [...before, ...zeros, ...after].flatMap((group) => [group >> 8, group & 255])
}

/** As Go prints it: RFC 5952 for IPv6, plain dotted for mapped addresses. */
function printBytes(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16)
  )
  const runs = [...groups.join(':').matchAll(/(?:^|(?<=:))0(?::0)+(?=:|$)/g)]
  const longest = runs.toSorted((a, b) => b[0].length - a[0].length)[0]
  const text = groups.join(':')
  if (longest === undefined) return text
  const before = text.slice(0, longest.index).replace(/:$/, '')
  const after = text.slice(longest.index + longest[0].length).replace(/^:/, '')
  return `${before}::${after}`
}

/** As Go prints the address; undefined for what is none. */
export function canonicalIp(text: string): string | undefined {
  const bytes = bytesOf(text)
  return bytes === undefined ? undefined : printBytes(bytes)
}

/** Refuses an address, which it is, that is not written as Go prints it. */
export function checkSpelling(text: string, path: string, errors: FieldError[]): boolean {
  const canonical = canonicalIp(text)
  if (canonical === text) return true
  const mapped = text.includes(':') && ipFamily(text) === 'IPv4'
  if (mapped) errors.push(invalid(path, text, 'must not be an IPv4-mapped IPv6 address'))
  else if (ipFamily(text) === 'IPv4') errors.push(invalid(path, text, 'must not have leading 0s'))
  else errors.push(invalid(path, text, `must be in canonical form ("${canonical}")`))
  return false
}

export function isCanonicalIp(text: string): boolean {
  return canonicalIp(text) === text
}

/** "10.1.0.0/16" of 10.1.2.3 and 16. `address` is one, `bits` fits it. */
export function networkOf(address: string, bits: number): string {
  const bytes = bytesOf(address) ?? []
  // Of a mapped address the length counts from the first of its sixteen bytes.
  const kept = bytes.length === 4 && address.includes(':') ? bits - 96 : bits
  const masked = bytes.map((byte, i) => byte & (0xff00 >> Math.min(Math.max(kept - 8 * i, 0), 8)) & 255)
  return `${printBytes(masked)}/${kept}`
}
