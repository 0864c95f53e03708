/** IP addresses, networks and URLs in CEL (library/ip.go, cidr.go, urls.go of k8s.io/apiserver/pkg/cel). */
import { isIPv4, isIPv6 } from 'node:net'
import { goQuote } from '../go-text.ts'
import { addressNumber, addressText } from '../ip-strict.ts'
import { global, member, type Overload } from './declare.ts'
import { parseRequestUri, type Url } from './go-url.ts'
import { BOOL, INT, listOf, mapOf, opaque, STRING, structOf } from './type.ts'
import { CelError, Entries, List, type Opaque, type Value } from './value.ts'

const IP = opaque('net.IP')
const CIDR = opaque('net.CIDR')
const URL = structOf('kubernetes.URL', () => undefined)

class Address implements Opaque {
  readonly opaque = 'net.IP'
  readonly number: bigint
  readonly width: 32 | 128

  constructor(number: bigint, width: 32 | 128) {
    this.number = number
    this.width = width
  }

  get size(): number {
    return this.width / 8
  }

  get text(): string {
    return addressText(this.number, this.width)
  }

  equals(other: Opaque): boolean {
    return other instanceof Address && other.number === this.number && other.width === this.width
  }
}

class Prefix implements Opaque {
  readonly opaque = 'net.CIDR'
  readonly address: Address
  readonly bits: number

  constructor(address: Address, bits: number) {
    this.address = address
    this.bits = bits
  }

  get size(): number {
    return Math.ceil(this.bits / 8)
  }

  get rest(): bigint {
    return BigInt(this.address.width - this.bits)
  }

  holds({ number, width }: Address): boolean {
    return width === this.address.width && number >> this.rest === this.address.number >> this.rest
  }

  equals(other: Opaque): boolean {
    return other instanceof Prefix && other.bits === this.bits && other.address.equals(this.address)
  }
}

class Link implements Opaque {
  readonly opaque = 'kubernetes.URL'
  readonly url: Url

  constructor(url: Url) {
    this.url = url
  }

  equals(other: Opaque): boolean {
    return other instanceof Link && other.url.text === this.url.text
  }
}

function overload(): never {
  throw new CelError('no such overload')
}

/** undefined: netip.ParseAddr would refuse it. */
function plainAddress(text: string): Address | undefined {
  if (isIPv4(text)) return new Address(addressNumber(text), 32)
  return isIPv6(text) && !text.includes('%') ? new Address(addressNumber(text), 128) : undefined
}

const isMapped = ({ number, width }: Address) => width === 128 && number >> 32n === 0xffffn

function parseAddress(text: string): Address {
  const found = plainAddress(text)
  if (found !== undefined && !isMapped(found)) return found
  if (found !== undefined) throw new CelError(`IPv4-mapped IPv6 address ${goQuote(text)} is not allowed`)
  if (isIPv6(text)) throw new CelError(`IP address ${goQuote(text)} with zone value is not allowed`)
  const why = `ParseAddr(${goQuote(text)}): unable to parse IP`
  throw new CelError(`IP Address ${goQuote(text)} parse error during conversion from string: ${why}`)
}

function parsePrefix(text: string): Prefix {
  const slash = text.lastIndexOf('/')
  const failed = 'network address parse error during conversion from string: '
  const refuse = (why: string): never => {
    throw new CelError(`${failed}${failed}netip.ParsePrefix(${goQuote(text)}): ${why}`)
  }
  if (slash < 0) return refuse("no '/'")
  const address = plainAddress(text.slice(0, slash))
  if (address === undefined) return refuse(`ParseAddr(${goQuote(text.slice(0, slash))}): unable to parse IP`)
  const bits = text.slice(slash + 1)
  if (!/^(0|[1-9]\d{0,2})$/.test(bits)) return refuse(`bad bits after slash: ${goQuote(bits)}`)
  if (Number(bits) > address.width) return refuse('prefix length out of range')
  if (isMapped(address)) throw new CelError(`${failed}IPv4-mapped IPv6 address ${goQuote(text)} is not allowed`)
  return new Prefix(address, Number(bits))
}

function succeeds(parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch (error) {
    if (error instanceof CelError) return false
    throw error
  }
}

const text = (value: Value | undefined): string => (typeof value === 'string' ? value : overload())
const address = (value: Value | undefined): Address => (value instanceof Address ? value : overload())
const prefix = (value: Value | undefined): Prefix => (value instanceof Prefix ? value : overload())
const link = (value: Value | undefined): Url => (value instanceof Link ? value.url : overload())

const within = (text: string) => {
  const range = parsePrefix(text)
  return (one: Address) => range.holds(one)
}
const [loopback4, local4, link4] = ['127.0.0.0/8', '224.0.0.0/24', '169.254.0.0/16'].map(within)
const [local6, link6, multicast4, multicast6] = ['ff02::/16', 'fe80::/10', '224.0.0.0/4', 'ff00::/8'].map(within)
const any =
  (...tests: readonly (((one: Address) => boolean) | undefined)[]) =>
  (one: Address) =>
    tests.some((test) => test?.(one) === true)
const isLoopback = any(loopback4, (one) => one.width === 128 && one.number === 1n)
const isLinkLocal = any(link4, link6)
const isUnspecified = (one: Address) => one.number === 0n
const isGlobal = (one: Address) =>
  !any(isUnspecified, isLoopback, isLinkLocal, multicast4, multicast6)(one) &&
  !(one.width === 32 && one.number === 0xffffffffn)

const property = (id: string, test: (one: Address) => boolean) => [
  member(id, [IP, BOOL], ([value]) => test(address(value)))
]

function contains(outer: Prefix, inner: Prefix): boolean {
  return outer.bits <= inner.bits && outer.holds(inner.address)
}

function masked({ address: { number, width }, bits, rest }: Prefix): Value {
  return new Prefix(new Address((number >> rest) << rest, width), bits)
}

function toUrl(value: string): Value {
  const parsed = parseRequestUri(value)
  if ('error' in parsed) throw new CelError(`URL parse error during conversion from string: ${parsed.error}`)
  return new Link(parsed)
}

const part = (id: string, of: (url: Url) => string) => [member(id, [URL, STRING], ([url]) => of(link(url)))]

function query({ query: raw }: Url): Value {
  const found = new Map<string, string[]>()
  for (const [name, value] of new URLSearchParams(raw)) found.set(name, [...(found.get(name) ?? []), value])
  return new Entries([...found].map(([name, values]) => [name, new List(values)]))
}

export const networkFunctions: Readonly<Record<string, readonly Overload[]>> = {
  ip: [
    global('string_to_ip', [STRING, IP], ([value]) => parseAddress(text(value))),
    member('cidr_ip', [CIDR, IP], ([value]) => prefix(value).address)
  ],
  family: [member('ip_family', [IP, INT], ([value]) => (address(value).width === 32 ? 4n : 6n))],
  'ip.isCanonical': [
    global('ip_is_canonical', [STRING, BOOL], ([value]) => parseAddress(text(value)).text === text(value))
  ],
  isUnspecified: property('ip_is_unspecified', isUnspecified),
  isLoopback: property('ip_is_loopback', isLoopback),
  isLinkLocalMulticast: property('ip_is_link_local_multicast', any(local4, local6)),
  isLinkLocalUnicast: property('ip_is_link_local_unicast', isLinkLocal),
  isGlobalUnicast: property('ip_is_global_unicast', isGlobal),
  isIP: [global('is_ip', [STRING, BOOL], ([value]) => succeeds(() => parseAddress(text(value))))],
  string: [
    global('ip_to_string', [IP, STRING], ([value]) => address(value).text),
    global('cidr_to_string', [CIDR, STRING], ([value]) => `${prefix(value).address.text}/${prefix(value).bits}`)
  ],
  cidr: [global('string_to_cidr', [STRING, CIDR], ([value]) => parsePrefix(text(value)))],
  containsIP: [
    member('cidr_contains_ip_string', [CIDR, STRING, BOOL], ([range, one]) =>
      prefix(range).holds(parseAddress(text(one)))
    ),
    member('cidr_contains_ip_ip', [CIDR, IP, BOOL], ([range, one]) => prefix(range).holds(address(one)))
  ],
  containsCIDR: [
    member('cidr_contains_cidr_string', [CIDR, STRING, BOOL], ([outer, inner]) =>
      contains(prefix(outer), parsePrefix(text(inner)))
    ),
    member('cidr_contains_cidr', [CIDR, CIDR, BOOL], ([outer, inner]) => contains(prefix(outer), prefix(inner)))
  ],
  prefixLength: [member('cidr_prefix_length', [CIDR, INT], ([value]) => BigInt(prefix(value).bits))],
  masked: [member('cidr_masked', [CIDR, CIDR], ([value]) => masked(prefix(value)))],
  isCIDR: [global('is_cidr', [STRING, BOOL], ([value]) => succeeds(() => parsePrefix(text(value))))],
  url: [global('string_to_url', [STRING, URL], ([value]) => toUrl(text(value)))],
  getScheme: part('url_get_scheme', ({ scheme }) => scheme),
  getHost: part('url_get_host', ({ host }) => host),
  getHostname: part('url_get_hostname', ({ host }) => host.replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')),
  getPort: part('url_get_port', ({ host }) => /:(\d*)$/.exec(host)?.[1] ?? ''),
  getEscapedPath: part('url_get_escaped_path', ({ path }) => path),
  getQuery: [member('url_get_query', [URL, mapOf(STRING, listOf(STRING))], ([url]) => query(link(url)))],
  isURL: [global('is_url_string', [STRING, BOOL], ([value]) => !('error' in parseRequestUri(text(value))))]
}
