/** Quantities, semantic versions and named formats in CEL (library/quantity.go, semverlib.go, format.go). */
import { ApiError } from '../errors.ts'
import { goQuote } from '../go-text.ts'
import { isDNS1035Label, isDNS1123Label, isDNS1123Subdomain, isLabelValue, isQualifiedName } from '../names.ts'
import { addQuantity, compareQuantity, parseQuantity, type Quantity, subtractQuantity } from '../quantity.ts'
import { global, member, type Overload } from './declare.ts'
import { parseRequestUri } from './go-url.ts'
import { parseTimestamp } from './time-values.ts'
import { BOOL, DOUBLE, INT, listOf, optionalOf, STRING, structOf } from './type.ts'
import { CelError, List, NONE, type Opaque, Optional, type Value } from './value.ts'

const QUANTITY = structOf('kubernetes.Quantity', () => undefined)
const SEMVER = structOf('kubernetes.Semver', () => undefined)
const FORMAT = structOf('kubernetes.NamedFormat', () => undefined)
const NANO = 1_000_000_000n

class Amount implements Opaque {
  readonly opaque = 'kubernetes.Quantity'
  readonly quantity: Quantity

  constructor(quantity: Quantity) {
    this.quantity = quantity
  }

  equals(other: Opaque): boolean {
    return other instanceof Amount && compareQuantity(this.quantity, other.quantity) === 0
  }
}

function overload(): never {
  throw new CelError('no such overload')
}

const amount = (value: Value | undefined): Quantity => (value instanceof Amount ? value.quantity : overload())
const text = (value: Value | undefined): string => (typeof value === 'string' ? value : overload())
const whole = (value: Value | undefined): Quantity =>
  typeof value === 'bigint' ? { nano: value * NANO, format: 'DecimalSI' } : overload()

function toQuantity(value: string): Value {
  try {
    return new Amount(parseQuantity(value))
  } catch (error) {
    throw error instanceof ApiError ? new CelError(error.message) : error
  }
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

const isInteger = ({ nano }: Quantity) => nano % NANO === 0n && nano / NANO < 2n ** 63n && nano / NANO >= -(2n ** 63n)

function asInteger(quantity: Quantity): bigint {
  if (!isInteger(quantity)) throw new CelError('cannot convert value to integer')
  return quantity.nano / NANO
}

const sign = (value: bigint): bigint => (value > 0n ? 1n : value < 0n ? -1n : 0n)
const order = (a: Value | undefined, b: Value | undefined) => compareQuantity(amount(a), amount(b))

class Version implements Opaque {
  readonly opaque = 'kubernetes.Semver'
  readonly numbers: readonly bigint[]
  readonly pre: readonly string[]

  constructor(numbers: readonly bigint[], pre: readonly string[]) {
    this.numbers = numbers
    this.pre = pre
  }

  equals(other: Opaque): boolean {
    return other instanceof Version && this.compare(other) === 0
  }

  compare(other: Version): number {
    for (const [i, number] of this.numbers.entries()) {
      const theirs = other.numbers[i] ?? 0n
      if (number !== theirs) return number < theirs ? -1 : 1
    }
    if (this.pre.length === 0 || other.pre.length === 0) return Math.sign(other.pre.length - this.pre.length)
    for (const [i, one] of this.pre.entries()) {
      const theirs = other.pre[i]
      if (theirs === undefined) return 1
      const step = comparePre(one, theirs)
      if (step !== 0) return step
    }
    return this.pre.length < other.pre.length ? -1 : 0
  }
}

function comparePre(a: string, b: string): number {
  const [numeric, other] = [/^\d+$/.test(a), /^\d+$/.test(b)]
  if (numeric && other) return Number(sign(BigInt(a) - BigInt(b)))
  if (numeric !== other) return numeric ? -1 : 1
  return a === b ? 0 : a < b ? -1 : 1
}

const PARTS = ['major', 'minor', 'patch'] as const

function parseVersion(value: string): Version {
  if (value === '') throw new CelError('Version string empty')
  const parts = value.split('.')
  if (parts.length < 3) throw new CelError('No Major.Minor.Patch elements found')
  const [major = '', minor = ''] = parts
  const rest = parts.slice(2).join('.')
  const patch = /^[^-+]*/.exec(rest)?.[0] ?? ''
  const numbers = [major, minor, patch].map((part, i) => {
    const name = PARTS[i] ?? ''
    if (!/^\d+$/.test(part)) throw new CelError(`Invalid character(s) found in ${name} number ${goQuote(part)}`)
    if (part.length > 1 && part.startsWith('0'))
      throw new CelError(
        `${name.charAt(0).toUpperCase()}${name.slice(1)} number must not contain leading zeroes ${goQuote(part)}`
      )
    return BigInt(part)
  })
  const [tail = '', build] = splitOnce(rest.slice(patch.length), '+')
  const pre = tail.startsWith('-') ? tail.slice(1).split('.') : []
  for (const one of pre) {
    if (one === '') throw new CelError('Prerelease is empty')
    if (!/^[0-9A-Za-z-]+$/.test(one)) throw new CelError(`Invalid character(s) found in prerelease ${goQuote(one)}`)
    if (/^0\d+$/.test(one))
      throw new CelError(`Numeric PreRelease version must not contain leading zeroes ${goQuote(one)}`)
  }
  for (const one of build?.split('.') ?? []) {
    if (one === '') throw new CelError('Build meta data is empty')
    if (!/^[0-9A-Za-z-]+$/.test(one))
      throw new CelError(`Invalid character(s) found in build meta data ${goQuote(one)}`)
  }
  return new Version(numbers, pre)
}

function splitOnce(value: string, separator: string): readonly [string, string | undefined] {
  const at = value.indexOf(separator)
  return at < 0 ? [value, undefined] : [value.slice(0, at), value.slice(at + 1)]
}

function normalized(value: string): Version {
  const [major = '', minor, ...rest] = value.replace(/^v/, '').split('.')
  const parts = [major, ...(minor === undefined ? [] : [minor]), ...(rest.length === 0 ? [] : [rest.join('.')])].map(
    (part) => {
      if (part.length < 2) return part
      const bare = part.replace(/^0+/, '')
      return /^\d/.test(bare) ? bare : `0${bare}`
    }
  )
  if (parts.length < 3 && /[+-]/.test(parts.at(-1) ?? ''))
    throw new CelError('short version cannot contain PreRelease/Build meta data')
  while (parts.length < 3) parts.push('0')
  return parseVersion(parts.join('.'))
}

const version = (value: Value | undefined): Version => (value instanceof Version ? value : overload())
const readVersion = (value: Value | undefined, normalize?: Value) =>
  normalize === true ? normalized(text(value)) : parseVersion(text(value))

class Format implements Opaque {
  readonly opaque = 'kubernetes.NamedFormat'
  readonly name: string
  readonly maxRegexSize: number
  readonly check: (value: string) => readonly string[]

  constructor(name: string, maxRegexSize: number, check: (value: string) => readonly string[]) {
    this.name = name
    this.maxRegexSize = maxRegexSize
    this.check = check
  }

  equals(other: Opaque): boolean {
    return other instanceof Format && other.name === this.name
  }
}

/** A name that may end in what a generated one adds. */
const asPrefix = (check: (value: string) => readonly string[]) => (value: string) =>
  check(value.length > 1 && value.endsWith('-') ? `${value.slice(0, -1)}a` : value)
const holds = (test: (value: string) => boolean, complaint: string) => (value: string) =>
  test(value) ? [] : [complaint]
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/

function uriComplaints(value: string): readonly string[] {
  const parsed = parseRequestUri(value)
  return 'error' in parsed ? [parsed.error] : []
}

/** The sizes are those that Kubernetes estimates of its regular expressions. */
const FORMATS: Readonly<Record<string, Format>> = {
  dns1123Label: new Format('DNS1123Label', 30, isDNS1123Label),
  dns1123Subdomain: new Format('DNS1123Subdomain', 60, isDNS1123Subdomain),
  dns1035Label: new Format('DNS1035Label', 30, isDNS1035Label),
  qualifiedName: new Format('QualifiedName', 60, isQualifiedName),
  dns1123LabelPrefix: new Format('DNS1123LabelPrefix', 30, asPrefix(isDNS1123Label)),
  dns1123SubdomainPrefix: new Format('DNS1123SubdomainPrefix', 60, asPrefix(isDNS1123Subdomain)),
  dns1035LabelPrefix: new Format('DNS1035LabelPrefix', 30, asPrefix(isDNS1035Label)),
  labelValue: new Format('LabelValue', 40, isLabelValue),
  uri: new Format('URI', 1103, uriComplaints),
  uuid: new Format(
    'uuid',
    85,
    holds((value) => UUID.test(value), 'does not match the UUID format')
  ),
  byte: new Format(
    'byte',
    84,
    holds((value) => BASE64.test(value), 'invalid base64')
  ),
  date: new Format(
    'date',
    128,
    holds((value) => parseTimestamp(`${value}T00:00:00Z`) !== undefined, 'invalid date')
  ),
  datetime: new Format(
    'datetime',
    128,
    holds((value) => parseTimestamp(value) !== undefined, 'invalid datetime')
  )
}

function validate(format: Value | undefined, value: string): Value {
  const complaints = format instanceof Format ? format.check(value) : overload()
  return complaints.length === 0 ? NONE : new Optional(new List([...complaints]))
}

function namedFormat(name: string): Value {
  const found = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined
  return found === undefined ? NONE : new Optional(found)
}

const accessor = (id: string, index: number) => [
  member(id, [SEMVER, INT], ([value]) => version(value).numbers[index] ?? 0n)
]

export const amountFunctions: Readonly<Record<string, readonly Overload[]>> = {
  quantity: [global('string_to_quantity', [STRING, QUANTITY], ([value]) => toQuantity(text(value)))],
  isQuantity: [global('is_quantity_string', [STRING, BOOL], ([value]) => succeeds(() => toQuantity(text(value))))],
  sign: [global('quantity_sign', [QUANTITY, INT], ([value]) => sign(amount(value).nano))],
  isGreaterThan: [
    member('quantity_is_greater_than', [QUANTITY, QUANTITY, BOOL], ([a, b]) => order(a, b) > 0),
    member('semver_is_greater_than', [SEMVER, SEMVER, BOOL], ([a, b]) => version(a).compare(version(b)) > 0)
  ],
  isLessThan: [
    member('quantity_is_less_than', [QUANTITY, QUANTITY, BOOL], ([a, b]) => order(a, b) < 0),
    member('semver_is_less_than', [SEMVER, SEMVER, BOOL], ([a, b]) => version(a).compare(version(b)) < 0)
  ],
  compareTo: [
    member('quantity_compare_to', [QUANTITY, QUANTITY, INT], ([a, b]) => BigInt(order(a, b))),
    member('semver_compare_to', [SEMVER, SEMVER, INT], ([a, b]) => BigInt(version(a).compare(version(b))))
  ],
  asApproximateFloat: [member('quantity_get_float', [QUANTITY, DOUBLE], ([value]) => Number(amount(value).nano) / 1e9)],
  asInteger: [member('quantity_get_int', [QUANTITY, INT], ([value]) => asInteger(amount(value)))],
  isInteger: [member('quantity_is_integer', [QUANTITY, BOOL], ([value]) => isInteger(amount(value)))],
  add: [
    member('quantity_add', [QUANTITY, QUANTITY, QUANTITY], ([a, b]) => new Amount(addQuantity(amount(a), amount(b)))),
    member('quantity_add_int', [QUANTITY, INT, QUANTITY], ([a, b]) => new Amount(addQuantity(amount(a), whole(b))))
  ],
  sub: [
    member(
      'quantity_sub',
      [QUANTITY, QUANTITY, QUANTITY],
      ([a, b]) => new Amount(subtractQuantity(amount(a), amount(b)))
    ),
    member('quantity_sub_int', [QUANTITY, INT, QUANTITY], ([a, b]) => new Amount(subtractQuantity(amount(a), whole(b))))
  ],
  semver: [
    global('string_to_semver', [STRING, SEMVER], ([value]) => readVersion(value)),
    global('string_bool_to_semver', [STRING, BOOL, SEMVER], ([value, normalize]) => readVersion(value, normalize))
  ],
  isSemver: [
    global('is_semver_string', [STRING, BOOL], ([value]) => succeeds(() => readVersion(value))),
    global('is_semver_string_bool', [STRING, BOOL, BOOL], ([value, normalize]) =>
      succeeds(() => readVersion(value, normalize))
    )
  ],
  major: accessor('semver_major', 0),
  minor: accessor('semver_minor', 1),
  patch: accessor('semver_patch', 2),
  validate: [
    member('format-validate', [FORMAT, STRING, optionalOf(listOf(STRING))], ([format, value]) =>
      validate(format, text(value))
    )
  ],
  'format.named': [global('format-named', [STRING, optionalOf(FORMAT)], ([name]) => namedFormat(text(name)))],
  ...Object.fromEntries(
    Object.entries(FORMATS).map(([name, format]) => [
      `format.${name}`,
      [global(`format.${name}`, [FORMAT], () => format)]
    ])
  )
}
