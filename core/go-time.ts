/** Times as Go reads and prints them: metav1.Time (whole seconds) and metav1.MicroTime. */

const CANONICAL = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/
const CANONICAL_MICRO = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$/

export type TimeFormat = 'Time' | 'MicroTime'

/** The canonical UTC text, or, as `error`, why Go could not parse it. */
export function canonicalTime(text: string, format: TimeFormat): { text: string } | { error: string } {
  if ((format === 'Time' ? CANONICAL : CANONICAL_MICRO).test(text)) return { text }
  const parsed = parse(text, format)
  return 'error' in parsed ? parsed : { text: print(parsed, format) }
}

interface Parsed {
  /** Whole seconds since 1970. */
  readonly seconds: number
  readonly microseconds: number
}

function print({ seconds, microseconds }: Parsed, format: TimeFormat): string {
  const whole = new Date(seconds * 1000).toISOString().slice(0, 19)
  return format === 'Time' ? `${whole}Z` : `${whole}.${String(microseconds).padStart(6, '0')}Z`
}

/** The layout's pieces: what Go calls each, what it accepts there, and the number's range. */
const PIECES: readonly {
  readonly name: string
  readonly pattern: RegExp
  readonly range?: [string, number, number]
}[] = [
  { name: '2006', pattern: /^\d{4}/ },
  { name: '-', pattern: /^-/ },
  { name: '01', pattern: /^\d\d/, range: ['month', 1, 12] },
  { name: '-', pattern: /^-/ },
  { name: '02', pattern: /^\d\d/, range: ['day', 1, 31] },
  { name: 'T', pattern: /^T/ },
  { name: '15', pattern: /^\d\d/, range: ['hour', 0, 23] },
  { name: ':', pattern: /^:/ },
  { name: '04', pattern: /^\d\d/, range: ['minute', 0, 59] },
  { name: ':', pattern: /^:/ },
  { name: '05', pattern: /^\d\d/, range: ['second', 0, 59] }
]

function parse(text: string, format: TimeFormat): Parsed | { error: string } {
  const layout = format === 'Time' ? '2006-01-02T15:04:05Z07:00' : '2006-01-02T15:04:05.000000Z07:00'
  const cannot = (rest: string, name: string) => {
    return {
      error: `parsing time ${JSON.stringify(text)} as "${layout}": cannot parse ${JSON.stringify(rest)} as "${name}"`
    }
  }
  const numbers: number[] = []
  let rest = text
  for (const { name, pattern, range } of PIECES) {
    const [found] = pattern.exec(rest) ?? []
    if (found === undefined) return cannot(rest, name)
    if (range !== undefined && (Number(found) < range[1] || Number(found) > range[2]))
      return { error: `parsing time ${JSON.stringify(text)}: ${range[0]} out of range` }
    if (/\d/.test(found)) numbers.push(Number(found))
    rest = rest.slice(found.length)
  }
  const [fraction] = /^[.,]\d+/.exec(rest) ?? []
  if (format === 'MicroTime' && fraction?.length !== 7) return cannot(rest, '.000000')
  rest = rest.slice(fraction?.length ?? 0)
  const zone = /^(?:Z|([+-])(\d\d):(\d\d))/.exec(rest)
  if (zone === null) return cannot(rest, 'Z07:00')
  if (zone[0].length < rest.length)
    return { error: `parsing time ${JSON.stringify(text)}: extra text: ${JSON.stringify(rest.slice(zone[0].length))}` }
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = numbers
  if (day > new Date(Date.UTC(year, month, 0)).getUTCDate())
    return { error: `parsing time ${JSON.stringify(text)}: day out of range` }
  const offset = (zone[1] === '-' ? -1 : 1) * (Number(zone[2] ?? 0) * 60 + Number(zone[3] ?? 0))
  return {
    seconds: Date.UTC(year, month - 1, day, hour, minute - offset, second) / 1000,
    microseconds: Number((fraction ?? '.').slice(1, 7).padEnd(6, '0'))
  }
}
