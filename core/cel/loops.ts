/** What comprehensions walk over, and which of them only grow a list. */
import type { Expr } from './tree.ts'
import { CelError, isMap, List, typeName, type Value } from './value.ts'

/** Keys or elements, and where asked for, what belongs to them. */
export function* iterations(range: Value, pairs: boolean): Generator<readonly [Value, Value | undefined]> {
  if (range instanceof List) {
    for (const [i, item] of range.items.entries()) yield pairs ? [BigInt(i), item] : [item, undefined]
  } else if (isMap(range)) {
    for (const key of range.keys()) yield [key, pairs ? (range.get(key) ?? null) : undefined]
  } else throw new CelError(`got '${typeName(range)}', expected iterable type`)
}

/** Whether the steps only append to the accumulator, so that one array can grow instead of being copied each time. */
export function grows({ init, step: last, accumulator }: Expr & { kind: 'fold' }): boolean {
  if (init.kind !== 'list' || init.elements.length > 0) return false
  const appends = (expr: Expr | undefined) => {
    if (expr?.kind !== 'call' || expr.fn !== '_+_') return false
    const [left, right] = expr.args
    return left?.kind === 'ident' && left.name === accumulator && right?.kind === 'list'
  }
  if (appends(last)) return true
  return last.kind === 'call' && last.fn === '_?_:_' && appends(last.args[1])
}
