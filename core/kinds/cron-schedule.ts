/** Cron schedules as github.com/robfig/cron/v3 reads them ("ParseStandard"), with its errors. */

interface Bounds {
  readonly min: number
  readonly max: number
  readonly names?: readonly string[]
}

/** Minute, hour, day of the month, month, day of the week. Names count from the smallest value. */
const FIELDS: readonly Bounds[] = [
  { min: 0, max: 59 },
  { min: 0, max: 23 },
  { min: 1, max: 31 },
  {
    min: 1,
    max: 12,
    names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
  },
  { min: 0, max: 6, names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] }
]

const DESCRIPTORS: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *'
}

export interface CronField {
  readonly values: ReadonlySet<number>
  /** Given as "*" or "?": of the two kinds of days, the other one alone decides. */
  readonly star: boolean
}

export type CronSchedule =
  | {
      readonly minute: CronField
      readonly hour: CronField
      readonly day: CronField
      readonly month: CronField
      readonly weekday: CronField
      /** An IANA name from TZ= or CRON_TZ=; absent: the reader's own. */
      readonly zone?: string
    }
  /** "@every 1h30m". */
  | { readonly everyMs: number }

class CronError extends Error {}

function refuse(message: string): never {
  throw new CronError(message)
}

/** The schedule, or why it is none. */
export function parseCron(text: string): CronSchedule | string {
  try {
    return parse(text)
  } catch (error) {
    if (error instanceof CronError) return error.message
    throw error
  }
}

function parse(text: string): CronSchedule {
  if (text === '') refuse('empty spec string')
  const { rest, zone } = withoutZone(text)
  if (rest.startsWith('@every ')) return { everyMs: parseDuration(rest.slice('@every '.length), rest) }
  const named = rest.startsWith('@') ? DESCRIPTORS[rest] : rest
  if (named === undefined) return refuse(`unrecognized descriptor: ${rest}`)
  const fields = named.split(/\s+/).filter((field) => field !== '')
  if (fields.length !== FIELDS.length)
    refuse(`expected exactly ${FIELDS.length} fields, found ${fields.length}: [${fields.join(' ')}]`)
  const [minute, hour, day, month, weekday] = FIELDS.map((bounds, i) => parseField(fields[i] ?? '', bounds)) as [
    CronField,
    CronField,
    CronField,
    CronField,
    CronField
  ]
  return { minute, hour, day, month, weekday, ...(zone === undefined ? {} : { zone }) }
}

function withoutZone(text: string): { rest: string; zone?: string } {
  if (!text.startsWith('TZ=') && !text.startsWith('CRON_TZ=')) return { rest: text }
  const [equals, space] = [text.indexOf('='), text.indexOf(' ')]
  // The Go library fails here, and Kubernetes tells what Go said.
  if (space < 0) refuse(`invalid schedule format: runtime error: slice bounds out of range [${equals + 1}:-1]`)
  const zone = text.slice(equals + 1, space)
  if (!isTimeZone(zone)) refuse(`provided bad location ${zone}: unknown time zone ${zone}`)
  return { rest: text.slice(space).trim(), zone }
}

export function isTimeZone(name: string): boolean {
  if (name === '' || name === 'UTC' || name === 'Local') return true
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return !/^[+-]/.test(name)
  } catch {
    return false
  }
}

function parseField(text: string, bounds: Bounds): CronField {
  const values = new Set<number>()
  let star = false
  for (const part of text.split(',').filter((one) => one !== '')) {
    const range = parseRange(part, bounds)
    for (let value = range.start; value <= range.end; value += range.step) values.add(value)
    if (range.star) star = true
  }
  return { values, star }
}

function parseRange(text: string, bounds: Bounds) {
  const [range = '', stepText, ...more] = text.split('/')
  const [low = '', high, ...further] = range.split('-')
  let star = low === '*' || low === '?'
  let [start, end] = [bounds.min, bounds.max]
  if (!star) {
    start = parseValue(low, bounds)
    end = high === undefined ? start : parseValue(high, bounds)
    if (further.length > 0) refuse(`too many hyphens: ${text}`)
  }
  let step = 1
  if (stepText !== undefined) {
    if (more.length > 0) refuse(`too many slashes: ${text}`)
    step = parseNumber(stepText)
    if (high === undefined) end = bounds.max
    if (step > 1) star = false
  }
  const { min, max } = bounds
  if (start < min) refuse(`beginning of range (${start}) below minimum (${min}): ${text}`)
  if (end > max) refuse(`end of range (${end}) above maximum (${max}): ${text}`)
  if (start > end) refuse(`beginning of range (${start}) beyond end of range (${end}): ${text}`)
  if (step === 0) refuse(`step of range should be a positive number: ${text}`)
  return { start, end, step, star }
}

function parseValue(text: string, { min, names = [] }: Bounds): number {
  const found = names.indexOf(text.toLowerCase())
  return found < 0 ? parseNumber(text) : found + min
}

function parseNumber(text: string): number {
  if (!/^[+-]?\d+$/.test(text))
    refuse(`failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`)
  const value = Number(text)
  if (!Number.isSafeInteger(value))
    refuse(`failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: value out of range`)
  if (value < 0) refuse(`negative number (${value}) not allowed: ${text}`)
  return value
}

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000
}

/** Go's time.ParseDuration, in milliseconds. */
function parseDuration(text: string, whole: string): number {
  const fail = (why: string) => refuse(`failed to parse duration ${whole}: time: ${why}`)
  const shown = JSON.stringify(text)
  const match = /^([+-]?)((?:\d+\.?\d*|\.\d+)[a-zµ]*)+$/.exec(text)
  if (text.replace(/^[+-]/, '') === '0') return 0
  if (match === null) return fail(`invalid duration ${shown}`)
  let total = 0
  for (const [, amount = '', unit = ''] of text.matchAll(/(\d+\.?\d*|\.\d+)([a-zµ]*)/g)) {
    if (unit === '') return fail(`missing unit in duration ${shown}`)
    const factor = UNITS[unit]
    if (factor === undefined) return fail(`unknown unit ${JSON.stringify(unit)} in duration ${shown}`)
    total += Number(amount) * factor
  }
  return match[1] === '-' ? -total : total
}
