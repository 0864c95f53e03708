/** Formats of strings in schemas of custom resources (k8s.io/kube-openapi/pkg/validation/strfmt); others mean nothing. */
import { isIPv4, isIPv6 } from 'node:net'
import { parseRequestUri } from '../cel/go-url.ts'
import { parseDuration, parseTimestamp } from '../cel/time-values.ts'
import { cidrFamily } from '../ip.ts'
import { isDNS1123Label, isDNS1123Subdomain } from '../names.ts'

const uuid = (version: string, variant = '[0-9a-f]') =>
  new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?${variant}[0-9a-f]{3}-?[0-9a-f]{12}$`, 'i')

const EMAIL = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?$/
/** One label whose only dash is its second letter, or labels and a last one of letters; none longer than 63. */
const LABEL = '[a-zA-Z0-9\\p{S}\\p{L}]'
const HOSTNAME = new RegExp(
  `^(${LABEL}(-?${LABEL}{0,62})?|(${LABEL}([a-zA-Z0-9\\-\\p{S}\\p{L}]{0,61}${LABEL})?\\.)+[a-zA-Z\\p{L}]{2,63})$`,
  'u'
)
const CARD =
  /^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$/
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/
const MAC = /^(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$|^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}$/i
const CHANNEL = '(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)'
const RGB = new RegExp(`^rgb\\(\\s*${CHANNEL}\\s*,\\s*${CHANNEL}\\s*,\\s*${CHANNEL}\\s*\\)$`)
const LONG_DURATION =
  /^\s*\d+(?:\.\d+)?\s*(?:ns|nanos?|us|µs|micros?|ms|millis?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?|nanoseconds?|microseconds?|milliseconds?)\s*$/

const test = (pattern: RegExp) => (value: string) => pattern.test(value)

function isIsbn10(value: string): boolean {
  const digits = value.replace(/[\s-]/g, '')
  if (!/^\d{9}[\dX]$/.test(digits)) return false
  const sum = Array.from(digits).reduce((all, digit, i) => all + (10 - i) * (digit === 'X' ? 10 : Number(digit)), 0)
  return sum % 11 === 0
}

function isIsbn13(value: string): boolean {
  const digits = value.replace(/[\s-]/g, '')
  if (!/^\d{13}$/.test(digits)) return false
  return Array.from(digits).reduce((all, digit, i) => all + (i % 2 === 0 ? 1 : 3) * Number(digit), 0) % 10 === 0
}

const FORMATS: Readonly<Record<string, (value: string) => boolean>> = {
  bsonobjectid: test(/^[0-9a-f]{24}$/i),
  uri: (value) => !('error' in parseRequestUri(value)),
  email: test(EMAIL),
  hostname: test(HOSTNAME),
  ipv4: isIPv4,
  ipv6: (value) => isIPv6(value) && !value.includes('%'),
  cidr: (value) => cidrFamily(value) !== undefined,
  mac: test(MAC),
  uuid: test(uuid('[0-9a-f]')),
  uuid3: test(uuid('3')),
  uuid4: test(uuid('4', '[89ab]')),
  uuid5: test(uuid('5', '[89ab]')),
  isbn: (value) => isIsbn10(value) || isIsbn13(value),
  isbn10: isIsbn10,
  isbn13: isIsbn13,
  creditcard: (value) => CARD.test(value.replace(/\D+/g, '')),
  ssn: test(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/),
  hexcolor: test(/^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/),
  rgbcolor: test(RGB),
  byte: test(BASE64),
  password: () => true,
  date: (value) => /^\d{4}-\d{2}-\d{2}$/.test(value) && parseTimestamp(`${value}T00:00:00Z`) !== undefined,
  duration: (value) => parseDuration(value) !== undefined || LONG_DURATION.test(value),
  datetime: (value) => parseTimestamp(value) !== undefined,
  k8sshortname: (value) => isDNS1123Label(value).length === 0,
  k8slongname: (value) => isDNS1123Subdomain(value).length === 0
}

const normalized = (format: string) => format.replaceAll('-', '')

/** Whether schemas may ask for it; others are told of, and ignored. */
export function isKnownFormat(format: string): boolean {
  return Object.hasOwn(FORMATS, normalized(format))
}

/** True for formats that nobody knows. */
export function fitsFormat(format: string, value: string): boolean {
  const name = normalized(format)
  return !Object.hasOwn(FORMATS, name) || FORMATS[name]?.(value) !== false
}
