/** Ranges of costs and sizes: what is certain, and the worst. They end at the largest uint64 instead of overflowing. */

/** The largest uint64: what is unbounded. */
export const UNBOUNDED = 2n ** 64n - 1n

export interface Range {
  readonly min: bigint
  readonly max: bigint
}

export const fixed = (value: number | bigint): Range => ({ min: BigInt(value), max: BigInt(value) })
export const ZERO = fixed(0)
export const ONE = fixed(1)
export const UNKNOWN: Range = { min: 0n, max: UNBOUNDED }

export const capped = (value: bigint): bigint => (value > UNBOUNDED ? UNBOUNDED : value)
export const add = (a: Range, b: Range): Range => ({ min: capped(a.min + b.min), max: capped(a.max + b.max) })
export const multiply = (a: Range, b: Range): Range => ({ min: capped(a.min * b.min), max: capped(a.max * b.max) })
export const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b)
export const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b)
export const union = (a: Range, b: Range): Range => ({ min: smaller(a.min, b.min), max: larger(a.max, b.max) })
export const sum = (all: readonly Range[]): Range => all.reduce(add, ZERO)

export function factor(value: bigint, by: number): bigint {
  const result = Math.ceil(Number(value) * by)
  return result >= 2 ** 64 ? UNBOUNDED : BigInt(result)
}

export const scale = ({ min, max }: Range, by: number): Range => ({ min: factor(min, by), max: factor(max, by) })

/** How often a part of a text is replaced at most, and what is kept of it. */
export function replaced(
  text: bigint,
  { part, keeps }: { part: bigint; keeps: boolean }
): { count: bigint; kept: bigint } {
  if (part === 0n) return { count: capped(text + 1n), kept: text }
  if (keeps) return { count: 0n, kept: text }
  return { count: text === UNBOUNDED ? text : (text + part - 1n) / part, kept: 0n }
}
