/** Conversions from and to text, and between numbers, with cel-go's errors. */
import { durationText, timestampText } from './time-values.ts'
import { CelError, Duration, isMap, List, Optional, Timestamp, TypeValue, typeName, Uint, type Value } from './value.ts'

function cannot(value: Value, to: string): never {
  throw new CelError(`type conversion error from '${typeName(value)}' to '${to}'`)
}

/** strconv.FormatFloat(x, 'g', -1, 64). */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf'
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  const exponent = Math.floor(Math.log10(Math.abs(value)))
  if (exponent < -4 || exponent >= 21) {
    const [digits = '', power = '0'] = value.toExponential().split('e')
    return `${digits}e${power.startsWith('-') ? '-' : '+'}${power.replace(/^[-+]/, '').padStart(2, '0')}`
  }
  return value.toString()
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function stringOf(value: Value): string {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return doubleText(value)
  if (value instanceof Uint) return String(value.value)
  if (value instanceof Timestamp) return timestampText(value)
  if (value instanceof Duration) return durationText(value)
  if (value instanceof Uint8Array) {
    try {
      return decoder.decode(value)
    } catch {
      throw new CelError('invalid UTF-8 in bytes, cannot convert to string')
    }
  }
  return cannot(value, 'string')
}

const TRUE = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
const FALSE = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False'])

export function toBool(value: Value): boolean {
  if (typeof value === 'string' && TRUE.has(value)) return true
  if (typeof value === 'string' && FALSE.has(value)) return false
  return cannot(value, 'bool')
}

export function toDouble(value: Value): number {
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Uint) return Number(value.value)
  if (typeof value !== 'string') return cannot(value, 'double')
  const text = value.trim() === value ? value.replace(/^\+/, '') : ''
  if (/^-?inf(inity)?$/i.test(text)) return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY
  if (/^nan$/i.test(text)) return Number.NaN
  if (text === '' || !/^-?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text))
    throw new CelError(`strconv.ParseFloat: parsing ${JSON.stringify(value)}: invalid syntax`)
  return Number(text)
}

export function toInt(value: Value): bigint {
  if (value instanceof Uint) return ranged(value.value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || value <= -(2 ** 63) || value >= 2 ** 63) throw new CelError('integer overflow')
    return BigInt(Math.trunc(value))
  }
  if (typeof value !== 'string') return cannot(value, 'int')
  if (!/^[-+]?\d+$/.test(value))
    throw new CelError(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`)
  const read = BigInt(value.replace(/^\+/, ''))
  if (read < -(2n ** 63n) || read >= 2n ** 63n)
    throw new CelError(`strconv.ParseInt: parsing ${JSON.stringify(value)}: value out of range`)
  return read
}

function ranged(value: bigint): bigint {
  if (value >= 2n ** 63n) throw new CelError('integer overflow')
  return value
}

export function toUint(value: Value): Uint {
  if (typeof value === 'bigint') {
    if (value < 0n) throw new CelError('unsigned integer overflow')
    return new Uint(value)
  }
  if (typeof value === 'number') {
    if (!(value >= 0 && value < 2 ** 64)) throw new CelError('unsigned integer overflow')
    return new Uint(BigInt(Math.trunc(value)))
  }
  if (typeof value !== 'string') return cannot(value, 'uint')
  if (!/^\d+$/.test(value)) throw new CelError(`strconv.ParseUint: parsing ${JSON.stringify(value)}: invalid syntax`)
  return new Uint(BigInt(value))
}

/** As cel-go prints any value in a message. */
export function anyText(value: Value): string {
  if (value === null) return 'null'
  if (value instanceof List) return `[${value.items.map(anyText).join(', ')}]`
  if (value instanceof TypeValue) return value.type.name
  if (value instanceof Optional)
    return value.value === undefined ? 'optional.none()' : `optional(${anyText(value.value)})`
  if (isMap(value)) {
    return `{${value
      .keys()
      .map((key) => `${anyText(key)}: ${anyText(value.get(key) ?? null)}`)
      .join(', ')}}`
  }
  return typeof value === 'object' && 'opaque' in value ? value.opaque : stringOf(value)
}
