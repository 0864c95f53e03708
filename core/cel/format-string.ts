/** `"…%s…".format([…])` as cel-go's first version of it prints (ext/formatting.go). */
import { goQuote } from '../go-text.ts'
import { doubleText, stringOf } from './text-values.ts'
import { CelError, Duration, isMap, List, Timestamp, TypeValue, typeName, Uint, type Value } from './value.ts'

export function formatString(format: string, args: readonly Value[]): string {
  let used = 0
  return format.replace(
    /%(?:%|(?:\.(\d*))?(.)|$)/gsu,
    (whole, precision: string | undefined, verb: string | undefined) => {
      if (whole === '%%') return '%'
      if (whole === '%') throw new CelError('unexpected end of string')
      const arg = args[used++]
      if (arg === undefined) throw new CelError(`index ${used - 1} out of range`)
      return clause(verb ?? '', arg, precision === undefined || precision === '' ? undefined : Number(precision))
    }
  )
}

function clause(verb: string, arg: Value, precision: number | undefined): string {
  switch (verb) {
    case 's':
      return asString(arg)
    case 'd':
      return asDecimal(arg)
    case 'f':
      return asNumber(arg, 'fixed-point clause').toFixed(precision ?? 6)
    case 'e':
      return exponent(asNumber(arg, 'scientific clause').toExponential(precision ?? 6))
    case 'b':
      return asBinary(arg)
    case 'x':
    case 'X': {
      const hex = asHex(arg)
      return verb === 'X' ? hex.toUpperCase() : hex
    }
    case 'o':
      return whole(arg, 'octal clause').toString(8)
    default:
      throw new CelError(`could not parse formatting clause: unrecognized formatting clause ${goQuote(verb)}`)
  }
}

function wrong(arg: Value, allowed: string): never {
  throw new CelError(`error during formatting: ${allowed}, was given ${typeName(arg)}`)
}

function asString(arg: Value): string {
  if (arg === null) return 'null'
  if (arg instanceof List) return `[${arg.items.map(quoted).join(', ')}]`
  if (arg instanceof TypeValue) return arg.type.name
  if (isMap(arg)) {
    const entries = arg.keys().map((key) => `${quoted(key)}:${quoted(arg.get(key) ?? null)}`)
    return `{${entries.sort().join(', ')}}`
  }
  if (arg instanceof Duration || arg instanceof Timestamp) return stringOf(arg)
  if (typeof arg === 'object' && 'opaque' in arg)
    return wrong(
      arg,
      'string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps'
    )
  return typeof arg === 'number' ? doubleText(arg) : stringOf(arg)
}

/** Within a list or map, as a literal. */
function quoted(value: Value): string {
  if (typeof value === 'string') return goQuote(value)
  if (typeof value === 'number') return value.toFixed(6)
  if (value instanceof Timestamp) return `timestamp(${goQuote(stringOf(value))})`
  if (value instanceof Duration) return `duration(${goQuote(stringOf(value))})`
  return asString(value)
}

function asDecimal(arg: Value): string {
  return String(whole(arg, 'decimal clause'))
}

function whole(arg: Value, what: string): bigint {
  if (typeof arg === 'bigint') return arg
  if (arg instanceof Uint) return arg.value
  return wrong(arg, `${what} can only be used on integers`)
}

function asNumber(arg: Value, what: string): number {
  if (typeof arg === 'number') return arg
  if (typeof arg === 'bigint') return Number(arg)
  if (arg instanceof Uint) return Number(arg.value)
  return wrong(arg, `${what} can only be used on doubles`)
}

function asBinary(arg: Value): string {
  if (typeof arg === 'boolean') return arg ? '1' : '0'
  if (typeof arg === 'bigint') return arg.toString(2)
  if (arg instanceof Uint) return arg.value.toString(2)
  return wrong(arg, 'only integers and bools can be formatted as binary')
}

function asHex(arg: Value): string {
  if (typeof arg === 'bigint') return arg.toString(16)
  if (arg instanceof Uint) return arg.value.toString(16)
  if (typeof arg === 'string') return Buffer.from(arg).toString('hex')
  if (arg instanceof Uint8Array) return Buffer.from(arg).toString('hex')
  return wrong(arg, 'only integers, byte buffers, and strings can be formatted as hex')
}

/** Go writes at least two digits. */
function exponent(text: string): string {
  return text.replace(/e([-+])(\d)$/, 'e$10$2')
}
