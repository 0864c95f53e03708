/**
 * The worst that an expression can cost, known before it runs: cel-go's estimate (checker/cost.go) with Kubernetes' own
 * functions (library/cost.go). Sizes of variables come from whoever knows their schema.
 */
import { LIST_COST, MAP_COST, STRUCT_COST } from './cost.ts'
import { callEstimate, type EntrySize, type Sizes } from './estimate-calls.ts'
import { add, fixed, multiply, ONE, type Range, sum, UNBOUNDED, UNKNOWN, union, ZERO } from './range.ts'
import { ACCUMULATOR, type Expr } from './tree.ts'
import { DYN, type Type } from './type.ts'
import { textSize, type Value } from './value.ts'

/** The size of what a path of fields, "@items", "@keys" and "@values" leads to; undefined: not known. */
export type SizeOf = (path: readonly string[]) => Range | undefined

interface Local {
  readonly path: readonly string[] | undefined
  readonly size: Range | undefined
  readonly entries: EntrySize | undefined
}

export function estimateCost(expr: Expr, sizeOf: SizeOf): Range {
  return new Estimator(sizeOf).cost(expr)
}

class Estimator implements Sizes {
  private readonly known: SizeOf
  private readonly paths = new Map<Expr, readonly string[]>()
  private readonly sizes = new Map<Expr, Range>()
  private readonly entries = new Map<Expr, EntrySize>()
  private readonly locals = new Map<string, Local[]>()

  constructor(known: SizeOf) {
    this.known = known
  }

  cost(expr: Expr): Range {
    switch (expr.kind) {
      case 'const':
        return ZERO
      case 'ident':
        this.paths.set(expr, this.local(expr)?.path ?? (this.local(expr) === undefined ? [expr.name] : []))
        return ONE
      case 'select':
        return this.select(expr)
      case 'call':
        return this.call(expr)
      case 'list':
        return this.list(expr)
      case 'map':
        return this.map(expr)
      case 'struct':
        return add(sum(expr.fields.map(({ value }) => this.cost(value))), fixed(STRUCT_COST))
      case 'fold':
        return isBind(expr) ? this.bind(expr) : this.fold(expr)
    }
  }

  private local(expr: Expr): Local | undefined {
    return expr.kind === 'ident' ? this.locals.get(expr.name)?.at(-1) : undefined
  }

  private push(name: string, local: Local): void {
    const stack = this.locals.get(name)
    if (stack === undefined) this.locals.set(name, [local])
    else stack.push(local)
  }

  private pop(name: string): void {
    this.locals.get(name)?.pop()
  }

  private path(expr: Expr): readonly string[] {
    return this.local(expr)?.path ?? this.paths.get(expr) ?? []
  }

  private select(expr: Expr & { kind: 'select' }): Range {
    if (expr.resolved !== undefined) {
      this.paths.set(expr, [expr.resolved.name])
      return ONE
    }
    const operand = this.cost(expr.operand)
    if (expr.test) return operand
    if (expr.optional) return add(operand, ONE)
    const kind = expr.operand.type?.kind
    this.paths.set(expr, [...this.path(expr.operand), expr.field])
    return kind === 'map' || kind === 'struct' || kind === 'param' ? add(operand, ONE) : operand
  }

  private call(expr: Expr & { kind: 'call' }): Range {
    const { fn, args, target, overloads = [] } = expr
    const [only] = args
    if (fn === 'dyn' && only !== undefined) {
      const cost = this.cost(only)
      this.copy(expr, only)
      return add(ONE, cost)
    }
    const costs = args.map((arg) => this.cost(arg))
    if (overloads.length === 0) return ZERO
    const receiver = target === undefined ? ZERO : this.cost(target)
    let cost: Range = { min: UNBOUNDED, max: 0n }
    let size: Range | undefined
    for (const { id } of overloads) {
      const estimate = callEstimate(expr, id, { costs, sizes: this })
      cost = union(cost, estimate.cost)
      if (estimate.size !== undefined) size = size === undefined ? estimate.size : union(size, estimate.size)
      const [container] = args
      if ((id === 'index_list' || id === 'index_map') && container !== undefined) {
        size = this.entriesOf(container)?.value
        this.paths.set(expr, [...this.path(container), id === 'index_list' ? '@items' : '@values'])
      }
      size ??= this.size(expr)
    }
    if (size !== undefined) this.sizes.set(expr, size)
    return add(receiver, cost)
  }

  elementSize(list: Expr): Range {
    const path = this.path(list)
    const size = path.length === 0 || isAccumulator(path) ? undefined : this.known([...path, '@items'])
    return size ?? UNKNOWN
  }

  private list(expr: Expr & { kind: 'list' }): Range {
    let cost = ZERO
    let value: Range = { min: expr.elements.length === 0 ? 0n : UNBOUNDED, max: 0n }
    for (const element of expr.elements) {
      cost = add(cost, this.cost(element))
      value = union(value, this.sizeOr(element))
    }
    this.entries.set(expr, { kind: 'list', key: ONE, value })
    return add(cost, fixed(LIST_COST))
  }

  private map(expr: Expr & { kind: 'map' }): Range {
    let cost = ZERO
    const empty: Range = { min: expr.entries.length === 0 ? 0n : UNBOUNDED, max: 0n }
    let [key, value] = [empty, empty]
    for (const entry of expr.entries) {
      cost = add(cost, add(this.cost(entry.key), this.cost(entry.value)))
      key = union(key, this.sizeOr(entry.key))
      value = union(value, this.sizeOr(entry.value))
    }
    this.entries.set(expr, { kind: 'map', key, value })
    return add(cost, fixed(MAP_COST))
  }

  private fold(expr: Expr & { kind: 'fold' }): Range {
    let cost = add(this.cost(expr.range), this.cost(expr.init))
    this.pushBound(expr.accumulator, expr.init)
    this.pushIteration(expr)
    const condition = this.cost(expr.condition)
    const step = this.cost(expr.step)
    this.pop(expr.variable)
    if (expr.variable2 !== '') this.pop(expr.variable2)
    cost = add(cost, this.cost(expr.result))
    this.pop(expr.accumulator)
    const count = this.sizeOr(expr.range)
    if (expr.init.kind === 'const') {
      const size = this.size(expr.init)
      if (size !== undefined) this.sizes.set(expr, size)
    } else if (expr.init.kind === 'list' || expr.init.kind === 'map') {
      this.sizes.set(expr, count)
      this.setEntries(expr, this.entriesOf(expr.step))
    }
    return add(cost, multiply(count, add(step, condition)))
  }

  private bind(expr: Expr & { kind: 'fold' }): Range {
    const cost = add(this.cost(expr.range), this.cost(expr.init))
    this.pushBound(expr.accumulator, expr.init)
    const result = this.cost(expr.result)
    this.pop(expr.accumulator)
    this.copy(expr, expr.result)
    return add(cost, result)
  }

  private pushBound(name: string, value: Expr): void {
    this.push(name, { path: this.path(value), size: this.size(value), entries: this.entriesOf(value) })
  }

  private pushIteration({ range, variable, variable2 }: Expr & { kind: 'fold' }): void {
    const entries = this.entriesOf(range)
    const isList = (entries?.kind ?? range.type?.kind) === 'list'
    const at = (step: string) => [...this.path(range), step]
    const local = (path: readonly string[], size: Range | undefined): Local => ({ path, size, entries: undefined })
    if (variable2 === '') {
      this.push(variable, isList ? local(at('@items'), entries?.value) : local(at('@keys'), entries?.key))
      return
    }
    this.push(variable, local(at(isList ? '@indices' : '@keys'), entries?.key))
    this.push(variable2, local(at(isList ? '@items' : '@values'), entries?.value))
  }

  private copy(to: Expr, from: Expr): void {
    const size = this.size(from)
    if (size !== undefined) this.sizes.set(to, size)
    this.setEntries(to, this.entriesOf(from))
  }

  setEntries(expr: Expr, entries: EntrySize | undefined): void {
    if (entries !== undefined) this.entries.set(expr, entries)
  }

  entriesOf(expr: Expr | undefined): EntrySize | undefined {
    return expr === undefined ? undefined : (this.entries.get(expr) ?? this.local(expr)?.entries)
  }

  sizeOr(expr: Expr | undefined): Range {
    return (expr === undefined ? undefined : this.size(expr)) ?? UNKNOWN
  }

  private size(expr: Expr): Range | undefined {
    const known = this.sizes.get(expr) ?? literalSize(expr)
    if (known !== undefined) return known
    const path = this.path(expr)
    const declared = path.length === 0 ? undefined : this.known(path)
    if (declared !== undefined) {
      this.sizes.set(expr, declared)
      return declared
    }
    return isScalar(expr.type ?? DYN) ? ONE : this.local(expr)?.size
  }
}

function isBind({ range, condition, accumulator }: Expr & { kind: 'fold' }): boolean {
  if (range.kind !== 'list' || range.elements.length > 0 || accumulator === ACCUMULATOR) return false
  return condition.kind === 'const' && condition.value === false
}

function literalSize(expr: Expr): Range | undefined {
  if (expr.kind === 'list') return fixed(expr.elements.length)
  if (expr.kind === 'map') return fixed(expr.entries.length)
  return expr.kind === 'const' ? fixed(constantSize(expr.value)) : undefined
}

function constantSize(value: Value): number {
  if (typeof value === 'string') return textSize(value)
  return value instanceof Uint8Array ? value.length : 1
}

const SCALARS = new Set(['bool', 'double', 'duration', 'int', 'timestamp', 'uint'])

function isScalar({ kind, name, params }: Type): boolean {
  if (SCALARS.has(kind)) return true
  return kind === 'opaque' && name === 'optional_type' && params[0] !== undefined && isScalar(params[0])
}

const isAccumulator = ([first]: readonly string[]) => first === ACCUMULATOR
