/** Lists of indexes as Jobs write them: "1,3-5,7". */
import { goQuote } from '../go-text.ts'

const WHOLE = /^[+-]?\d+$/

interface Interval {
  readonly first: number
  readonly last: number
}

function parseInterval(text: string, completions: number): Interval | string {
  const parts = text.split('-')
  if (parts.length > 2)
    return `the fragment ${goQuote(text)} violates the requirement that an index interval can have at most two parts separated by '-'`
  const numbers: number[] = []
  for (const part of parts) {
    if (!WHOLE.test(part)) return `cannot convert string to integer for index: ${goQuote(part)}`
    const number = Number(part)
    if (number >= completions) return `too large index: ${goQuote(part)}`
    numbers.push(number)
  }
  const [first = 0, last = first] = numbers
  if (parts.length > 1 && first >= last) return `non-increasing order, previous: ${first}, current: ${last}`
  return { first, last }
}

/** How many indexes the list names, or why it is none. */
export function countIndexes(list: string, completions: number): number | string {
  if (list === '') return 0
  let total = 0
  let previous: number | undefined
  for (const text of list.split(',')) {
    const interval = parseInterval(text, completions)
    if (typeof interval === 'string') return interval
    if (previous !== undefined && previous >= interval.first)
      return `non-increasing order, previous: ${previous}, current: ${interval.first}`
    total += interval.last - interval.first + 1
    previous = interval.last
  }
  return total
}

/** The first index that stands in both lists; what cannot be read is passed over. */
export function overlappingIndex(left: string, right: string, completions: number): number | undefined {
  const [a, b] = [left, right].map((list) =>
    (list === '' ? [] : list.split(','))
      .map((text) => parseInterval(text, completions))
      .filter((interval) => typeof interval !== 'string')
  )
  for (let i = 0, j = 0; ; ) {
    const [x, y] = [a?.[i], b?.[j]]
    if (x === undefined || y === undefined) return undefined
    if (x.first <= y.last && y.first <= x.last) return Math.max(x.first, y.first)
    if (x.first <= y.first) i++
    else j++
  }
}
