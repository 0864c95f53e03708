/** Timestamps and durations: their text, arithmetic and parts. */
import { member, type Overload } from './declare.ts'
import { DURATION, INT, STRING, TIMESTAMP } from './type.ts'
import { CelError, Duration, Timestamp, type Value } from './value.ts'

const SECOND = 1_000_000_000n
/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, in seconds since 1970. */
const MIN_SECONDS = -62_135_596_800n
const MAX_SECONDS = 253_402_300_799n
const MAX_NANOS = 2n ** 63n - 1n

export function checked(nanos: bigint): Timestamp {
  const whole = floorDivide(nanos, SECOND)
  if (whole < MIN_SECONDS || whole > MAX_SECONDS) throw new CelError('timestamp overflow')
  return new Timestamp(nanos)
}

function checkedDuration(nanos: bigint): Duration {
  if (nanos > MAX_NANOS || nanos < -MAX_NANOS - 1n) throw new CelError('duration overflow')
  return new Duration(nanos)
}

function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b
  return a % b < 0n ? quotient - 1n : quotient
}

export function seconds(value: Value): bigint {
  return value instanceof Timestamp ? floorDivide(value.nanos, SECOND) : 0n
}

export function plus(a: Value, b: Value): Value {
  if (a instanceof Timestamp && b instanceof Duration) return checked(a.nanos + b.nanos)
  if (a instanceof Duration && b instanceof Timestamp) return checked(a.nanos + b.nanos)
  if (a instanceof Duration && b instanceof Duration) return checkedDuration(a.nanos + b.nanos)
  throw new CelError('no such overload')
}

export function minus(a: Value, b: Value): Value {
  if (a instanceof Timestamp && b instanceof Timestamp) return checkedDuration(a.nanos - b.nanos)
  if (a instanceof Timestamp && b instanceof Duration) return checked(a.nanos - b.nanos)
  if (a instanceof Duration && b instanceof Duration) return checkedDuration(a.nanos - b.nanos)
  throw new CelError('no such overload')
}

const RFC3339 = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:[.,](\d+))?(Z|[-+]\d{2}:\d{2})$/i

/** undefined: no RFC 3339 time. */
export function parseTimestamp(text: string): Timestamp | undefined {
  const match = RFC3339.exec(text)
  if (match === null) return undefined
  const [, date = '', clock = '', fraction = '', zone = 'Z'] = match
  const base = Date.parse(`${date}T${clock}Z`)
  if (Number.isNaN(base) || new Date(base).toISOString().slice(0, 10) !== date) return undefined
  const nanos = BigInt(fraction.padEnd(9, '0').slice(0, 9))
  const sign = zone.startsWith('-') ? -1 : 1
  const [hours = 0, minutes = 0] = zone.toUpperCase() === 'Z' ? [0, 0] : zone.slice(1).split(':').map(Number)
  const offset = sign * (hours * 60 + minutes) * 60_000
  return new Timestamp(BigInt(base - offset) * 1_000_000n + nanos)
}

export function toTimestamp(value: Value): Value {
  const parsed = typeof value === 'string' ? parseTimestamp(value) : undefined
  if (parsed !== undefined) return checked(parsed.nanos)
  const text = JSON.stringify(value)
  throw new CelError(`parsing time ${text} as "2006-01-02T15:04:05Z07:00": cannot parse ${text} as "2006"`)
}

const UNITS: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: SECOND,
  m: 60n * SECOND,
  h: 3600n * SECOND
}

/** As Go's time.ParseDuration; undefined: it is none. */
export function parseDuration(text: string): Duration | undefined {
  const match =
    /^([-+]?)(0|(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))*)$/.exec(
      text
    )
  if (match === null) return undefined
  const [, sign, rest = ''] = match
  let nanos = 0n
  for (const [, number = '', unit = 's'] of rest.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    const [whole = '', fraction = ''] = number.split('.')
    const scale = UNITS[unit] ?? 1n
    nanos += BigInt(whole === '' ? '0' : whole) * scale
    if (fraction !== '') nanos += (BigInt(fraction) * scale) / 10n ** BigInt(fraction.length)
  }
  if (nanos > MAX_NANOS) return undefined
  return new Duration(sign === '-' ? -nanos : nanos)
}

export function toDuration(value: Value): Value {
  const parsed = typeof value === 'string' ? parseDuration(value) : undefined
  if (parsed !== undefined) return parsed
  throw new CelError(`time: invalid duration ${JSON.stringify(value)}`)
}

/** Seconds with a unit, as cel-go converts a duration to a string. */
export function durationText({ nanos }: Duration): string {
  const negative = nanos < 0n
  const absolute = negative ? -nanos : nanos
  const fraction = (absolute % SECOND).toString().padStart(9, '0').replace(/0+$/, '')
  return `${negative ? '-' : ''}${absolute / SECOND}${fraction === '' ? '' : `.${fraction}`}s`
}

export function timestampText({ nanos }: Timestamp): string {
  const whole = floorDivide(nanos, SECOND)
  const rest = nanos - whole * SECOND
  const fraction = rest.toString().padStart(9, '0').replace(/0+$/, '')
  const text = new Date(Number(whole) * 1000).toISOString().slice(0, 19)
  return `${text}${fraction === '' ? '' : `.${fraction}`}Z`
}

/** The moment as a clock in that zone shows it, read as if it were UTC. */
function local(value: Value, zone: Value | undefined): Date {
  if (!(value instanceof Timestamp)) throw new CelError('no such overload')
  const ms = Number(floorDivide(value.nanos, 1_000_000n))
  if (typeof zone !== 'string' || zone === 'UTC' || zone === '') return new Date(ms)
  const fixed = /^([-+]?)(\d{2}):(\d{2})$/.exec(zone)
  if (fixed !== null) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3])
    return new Date(ms + (fixed[1] === '-' ? -minutes : minutes) * 60_000)
  }
  try {
    const parts = new Intl.DateTimeFormat('sv-SE', { timeZone: zone, dateStyle: 'short', timeStyle: 'medium' })
    return new Date(Date.parse(`${parts.format(ms).replace(' ', 'T')}Z`) + (((ms % 1000) + 1000) % 1000))
  } catch {
    throw new CelError(`unknown time zone ${zone}`)
  }
}

function dayOfYear(date: Date): number {
  return Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000)
}

type Part = readonly [name: string, id: string, of: (date: Date) => number]

const PARTS: readonly Part[] = [
  ['getFullYear', 'timestamp_to_year', (date) => date.getUTCFullYear()],
  ['getMonth', 'timestamp_to_month', (date) => date.getUTCMonth()],
  ['getDayOfYear', 'timestamp_to_day_of_year', dayOfYear],
  ['getDate', 'timestamp_to_day_of_month_1_based', (date) => date.getUTCDate()],
  ['getDayOfMonth', 'timestamp_to_day_of_month', (date) => date.getUTCDate() - 1],
  ['getDayOfWeek', 'timestamp_to_day_of_week', (date) => date.getUTCDay()],
  ['getHours', 'timestamp_to_hours', (date) => date.getUTCHours()],
  ['getMinutes', 'timestamp_to_minutes', (date) => date.getUTCMinutes()],
  ['getSeconds', 'timestamp_to_seconds', (date) => date.getUTCSeconds()],
  ['getMilliseconds', 'timestamp_to_milliseconds', (date) => date.getUTCMilliseconds()]
]
const OF_DURATION: Readonly<Record<string, bigint>> = {
  getHours: 3600n * SECOND,
  getMinutes: 60n * SECOND,
  getSeconds: SECOND,
  getMilliseconds: 1_000_000n
}

export const accessors: Readonly<Record<string, readonly Overload[]>> = Object.fromEntries(
  PARTS.map(([name, id, of]) => {
    const compute = ([value = null, zone]: readonly Value[]) => BigInt(of(local(value, zone)))
    const overloads = [
      member(id, [TIMESTAMP, INT], compute),
      member(`${id}_with_tz`, [TIMESTAMP, STRING, INT], compute)
    ]
    const unit = OF_DURATION[name]
    if (unit !== undefined) {
      const part = ([value = null]: readonly Value[]) => (value instanceof Duration ? value.nanos / unit : 0n)
      overloads.push(member(`duration_to_${name.slice(3).toLowerCase()}`, [DURATION, INT], part))
    }
    return [name, overloads]
  })
)
