/**
 * Kubernetes quantities ("500m", "1Gi", "1e3") as k8s.io/apimachinery/pkg/api/resource reads, prints and adds them.
 * Values are exact, in units of 10^-9 (the smallest that Kubernetes keeps; smaller amounts are rounded up).
 */
import { ApiError } from './errors.ts'

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent'

export interface Quantity {
  readonly nano: bigint
  readonly format: QuantityFormat
}

export const QUANTITY_FORMAT_ERROR =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
const SUFFIX_ERROR = "unable to parse quantity's suffix"
const NUMERIC_ERROR = 'unable to parse numeric part of quantity'

export const ZERO: Quantity = { nano: 0n, format: 'DecimalSI' }

const UNIT = 1_000_000_000n
const DECIMAL: Readonly<Record<string, number>> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 }
const BINARY: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 }
const DECIMAL_SUFFIXES = new Map(Object.entries(DECIMAL).map(([suffix, exponent]) => [exponent, suffix]))
const BINARY_SUFFIXES = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']
/** Kubernetes caps binary quantities at the largest int64. */
const MOST_BINARY = (2n ** 63n - 1n) * UNIT
/** Ours: an exponent beyond it would only cost memory ("1e999999999"). */
const MOST_EXPONENT = 400

interface Parsed extends Quantity {
  /** As Kubernetes prints it when nobody computed with it: some texts are kept though they are not canonical. */
  readonly text: string
}

/** Quantities repeat ("100m", "64Mi"); the cache is emptied when it is full, so hostile ones cannot fill the memory. */
const cache = new Map<string, Parsed>()
const CACHE_SIZE = 4096

/** `text` as in JSON, a string or a number. Throws BadRequest in Kubernetes' words. */
export function parseQuantity(text: string | number): Quantity {
  return lookup(String(text))
}

/** As the API server gives it back after decoding: "0.5" -> "500m", "1024Mi" -> "1Gi". Throws like parseQuantity. */
export function canonicalQuantity(text: string | number): string {
  return lookup(String(text)).text
}

/** undefined where parseQuantity would throw. */
export function tryParseQuantity(text: string | number): Quantity | undefined {
  try {
    return lookup(String(text))
  } catch {
    return undefined
  }
}

function lookup(text: string): Parsed {
  const known = cache.get(text)
  if (known !== undefined) return known
  const parsed = parse(text.trim())
  if (cache.size >= CACHE_SIZE) cache.clear()
  cache.set(text, parsed)
  return parsed
}

function refuse(message: string): never {
  throw new ApiError('BadRequest', message)
}

const SHAPE = /^([+-]?)([0-9]*)(?:(\.)([0-9]*))?([eEinumkKMGTP]*[-+]?[0-9]*)$/

function parse(text: string): Parsed {
  const match = SHAPE.exec(text)
  if (text === '' || match === null) return refuse(QUANTITY_FORMAT_ERROR)
  const [, sign = '', whole = '', , fraction = '', suffix = ''] = match
  const { base, exponent, format } = interpret(suffix)
  if (whole.length + fraction.length > 1000 || Math.abs(exponent) > MOST_EXPONENT) refuse(NUMERIC_ERROR)
  const digits = BigInt(`0${whole}${fraction}`)
  let nano =
    base === 2
      ? divideUp(digits * 2n ** BigInt(exponent) * UNIT, 10n ** BigInt(fraction.length))
      : shift(digits, exponent - fraction.length + 9)
  let shown = format
  if (format === 'BinarySI' && nano > MOST_BINARY) nano = MOST_BINARY
  if (format === 'BinarySI' && nano > 0n && nano < UNIT) shown = 'DecimalSI'
  const quantity = { nano: sign === '-' ? -nano : nano, format: shown }
  const number = { whole: whole.replace(/^0+/, ''), fraction, exponent }
  return { ...quantity, text: keepsText(number, format) ? text : quantityText(quantity) }
}

function interpret(suffix: string): { base: 2 | 10; exponent: number; format: QuantityFormat } {
  const decimal = Object.hasOwn(DECIMAL, suffix) ? DECIMAL[suffix] : undefined
  if (decimal !== undefined) return { base: 10, exponent: decimal, format: 'DecimalSI' }
  const binary = Object.hasOwn(BINARY, suffix) ? BINARY[suffix] : undefined
  if (binary !== undefined) return { base: 2, exponent: binary, format: 'BinarySI' }
  if (/^[eE][+-]?[0-9]+$/.test(suffix))
    return { base: 10, exponent: Number(suffix.slice(1)), format: 'DecimalExponent' }
  return refuse(SUFFIX_ERROR)
}

/**
 * Kubernetes' shortcut: small numbers that look canonical keep the text that they came as, even "+5" or "1.500".
 * `whole` is without leading zeros.
 */
function keepsText(number: { whole: string; fraction: string; exponent: number }, format: QuantityFormat): boolean {
  const { whole, fraction, exponent } = number
  const numerator = whole === '' ? '0' : whole
  const digits = numerator + fraction
  if (format === 'BinarySI') {
    const room = 15 - numerator.length - Math.trunc((exponent * 3) / 10) - 1
    return fraction === '' && room >= 0 && (BigInt(numerator) & 7n) !== 0n
  }
  const scale = exponent - fraction.length
  const fits = digits.length <= 18 && scale >= -9
  return fits && scale % 3 === 0 && !digits.endsWith('000') && !digits.startsWith('0')
}

function shift(digits: bigint, places: number): bigint {
  return places >= 0 ? digits * 10n ** BigInt(places) : divideUp(digits, 10n ** BigInt(-places))
}

function divideUp(value: bigint, divisor: bigint): bigint {
  return (value + divisor - 1n) / divisor
}

/** The canonical text: no fraction, the largest suffix that loses nothing. */
export function quantityText(quantity: Quantity): string {
  const { nano } = quantity
  if (nano === 0n) return '0'
  const whole = nano % UNIT === 0n
  const small = nano > -1024n * UNIT && nano < 1024n * UNIT
  if (quantity.format === 'BinarySI' && whole && !small) return binaryText(nano / UNIT)
  let amount = nano
  let exponent = -9
  const most = quantity.format === 'DecimalExponent' ? Number.POSITIVE_INFINITY : 18
  while (amount % 1000n === 0n && exponent < most) {
    amount /= 1000n
    exponent += 3
  }
  if (quantity.format === 'DecimalExponent') return exponent === 0 ? `${amount}` : `${amount}e${exponent}`
  return `${amount}${DECIMAL_SUFFIXES.get(exponent) ?? ''}`
}

function binaryText(value: bigint): string {
  let amount = value
  let power = 0
  while (amount % 1024n === 0n && power < BINARY_SUFFIXES.length - 1) {
    amount /= 1024n
    power++
  }
  return `${amount}${BINARY_SUFFIXES[power] ?? ''}`
}

/** -1, 0 or 1. */
export function compareQuantity(a: Quantity, b: Quantity): number {
  return a.nano < b.nano ? -1 : a.nano > b.nano ? 1 : 0
}

/** Zero takes over the other's format. */
export function addQuantity(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano + b.nano, format: a.nano === 0n ? b.format : a.format }
}

export function subtractQuantity(a: Quantity, b: Quantity): Quantity {
  return { nano: a.nano - b.nano, format: a.nano === 0n ? b.format : a.format }
}

/** The same of texts. */
export function compareQuantities(a: string | number, b: string | number): number {
  return compareQuantity(parseQuantity(a), parseQuantity(b))
}

export function isZeroQuantity(text: string | number): boolean {
  return parseQuantity(text).nano === 0n
}

export function isNegativeQuantity(text: string | number): boolean {
  return parseQuantity(text).nano < 0n
}

/** Of a whole number (bytes, pods, cores). */
export function quantityOf(value: number, format: QuantityFormat = 'DecimalSI'): Quantity {
  return { nano: BigInt(Math.round(value * 1e9)), format }
}

/** In its own unit: cores, bytes, pieces. Not exact beyond 2^53. */
export function quantityNumber(text: string | number): number {
  return Number(parseQuantity(text).nano) / 1e9
}

/** Rounded up to whole units: bytes, pods. */
export function quantityValue(text: string | number): number {
  return Number(roundAway(parseQuantity(text).nano, UNIT))
}

/** Rounded up to thousandths: millicores. */
export function quantityMilli(text: string | number): number {
  return Number(roundAway(parseQuantity(text).nano, 1_000_000n))
}

function roundAway(value: bigint, unit: bigint): bigint {
  return value < 0n ? -divideUp(-value, unit) : divideUp(value, unit)
}
