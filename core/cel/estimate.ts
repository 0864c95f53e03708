/**
 * The worst that an expression can cost, known before it runs: cel-go's estimate (checker/cost.go) with Kubernetes' own
 * functions (library/cost.go). Sizes of variables come from whoever knows their schema.
 */
import { CHECK_COST, isNominal, LIST_COST, MAP_COST, MAX_FORMAT_REGEX, REGEX, STRUCT_COST, TRAVERSAL, traversesList } from './cost.ts'
import { ACCUMULATOR, type Expr } from './tree.ts'
import { DYN, type Type } from './type.ts'
import { textSize, type Value } from './value.ts'

/** The largest uint64: what is unbounded. */
export const UNBOUNDED = 2n ** 64n - 1n

export interface Range {
  readonly min: bigint
  readonly max: bigint
}

/** The size of what a path of fields, "@items", "@keys" and "@values" leads to; undefined: not known. */
export type SizeOf = (path: readonly string[]) => Range | undefined

interface EntrySize {
  readonly kind: 'list' | 'map'
  readonly key: Range
  readonly value: Range
}

interface Local {
  readonly path: readonly string[] | undefined
  readonly size: Range | undefined
  readonly entries: EntrySize | undefined
}

interface Estimate {
  readonly cost: Range
  readonly size?: Range | undefined
}

const fixed = (value: number | bigint): Range => ({ min: BigInt(value), max: BigInt(value) })
const ZERO = fixed(0)
const ONE = fixed(1)
const UNKNOWN: Range = { min: 0n, max: UNBOUNDED }

const capped = (value: bigint): bigint => (value > UNBOUNDED ? UNBOUNDED : value)
const add = (a: Range, b: Range): Range => ({ min: capped(a.min + b.min), max: capped(a.max + b.max) })
const multiply = (a: Range, b: Range): Range => ({ min: capped(a.min * b.min), max: capped(a.max * b.max) })
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b)
const union = (a: Range, b: Range): Range => ({ min: smaller(a.min, b.min), max: larger(a.max, b.max) })
const sum = (all: readonly Range[]): Range => all.reduce(add, ZERO)

function factor(value: bigint, by: number): bigint {
  const result = Math.ceil(Number(value) * by)
  return result >= 2 ** 64 ? UNBOUNDED : BigInt(result)
}

const scale = ({ min, max }: Range, by: number): Range => ({ min: factor(min, by), max: factor(max, by) })

export function estimateCost(expr: Expr, sizeOf: SizeOf): Range {
  return new Estimator(sizeOf).cost(expr)
}

class Estimator {
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
      const estimate = this.overload(expr, id, costs)
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

  private overload(expr: Expr & { kind: 'call' }, id: string, costs: readonly Range[]): Estimate {
    const own = this.kubernetes(expr, id)
    if (own !== undefined) return { cost: add(own.cost, sum(costs)), size: own.size }
    return this.standard(expr, id, costs)
  }

  private kubernetes({ fn, target, args }: Expr & { kind: 'call' }, id: string): Estimate | undefined {
    const [first, second] = args
    if (fn === 'check') return { cost: fixed(CHECK_COST) }
    if (isNominal(fn)) return { cost: ONE }
    if (traversesList(fn) && target !== undefined) return this.traversal(target)
    switch (fn) {
      case 'fieldSelector':
      case 'labelSelector': {
        const size = this.sizeOr(first)
        const requirements = scale(scale(size, 0.5), LIST_COST + STRUCT_COST)
        return { cost: add(add(fixed(LIST_COST), scale(size, TRAVERSAL)), requirements) }
      }
      case 'url':
      case 'jsonpatch.escapeKey':
        return { cost: scale(this.sizeOr(first), TRAVERSAL), size: this.sizeOr(first) }
      case 'lowerAscii':
      case 'upperAscii':
      case 'substring':
      case 'trim':
        return { cost: scale(this.sizeOr(target), TRAVERSAL), size: this.sizeOr(target) }
      case 'replace':
        return this.replace(this.sizeOr(target), this.sizeOr(first), this.sizeOr(second))
      case 'split': {
        const size = this.sizeOr(target)
        const limit = second?.kind === 'const' && typeof second.value === 'bigint' ? BigInt.asUintN(64, second.value) : size.max
        return { cost: scale(size, 2 * TRAVERSAL), size: { min: 0n, max: limit } }
      }
      case 'join':
        return target === undefined ? undefined : this.join(target, first)
      case 'find':
      case 'findAll': {
        const size = this.sizeOr(target)
        const cost = multiply(scale(add(size, ONE), TRAVERSAL), scale(this.sizeOr(first), REGEX))
        return { cost, size: { min: 0n, max: size.max } }
      }
      case 'cidr':
      case 'isIP':
      case 'isCIDR':
      case 'quantity':
      case 'isQuantity':
      case 'semver':
      case 'isSemver':
        return { cost: scale(this.sizeOr(first), TRAVERSAL) }
      case 'ip':
        return { cost: id === 'cidr_ip' ? ONE : scale(this.sizeOr(first), TRAVERSAL) }
      case 'ip.isCanonical':
        return { cost: scale(this.sizeOr(first), 2 * TRAVERSAL) }
      case 'containsIP':
      case 'containsCIDR': {
        const address: Range = { min: 4n, max: 16n }
        const mask = fn === 'containsCIDR' ? add(scale(address, TRAVERSAL), ONE) : ZERO
        const parse = id.endsWith('_string') ? scale(this.sizeOr(first), TRAVERSAL) : ZERO
        return { cost: add(add(scale(add(address, address), TRAVERSAL), mask), parse) }
      }
      case 'validate':
        return { cost: scale(scale(this.sizeOr(first), TRAVERSAL), MAX_FORMAT_REGEX * REGEX) }
      case '_==_':
        return first?.type !== undefined && isOwn(first.type) && second?.type?.name === first.type.name ? { cost: ONE } : undefined
      default:
        return undefined
    }
  }

  private traversal(target: Expr): Estimate {
    const size = this.sizeOr(target)
    const element = target.type?.params[0]
    if (element === undefined) return { cost: scale(size, TRAVERSAL) }
    const each = element.kind === 'string' || element.kind === 'bytes' ? scale(this.elementSize(target), TRAVERSAL) : ZERO
    return { cost: multiply(size, add(ONE, each)) }
  }

  private elementSize(list: Expr): Range {
    const path = this.path(list)
    const size = path.length === 0 || isAccumulator(path) ? undefined : this.known([...path, '@items'])
    return size ?? UNKNOWN
  }

  private join(target: Expr, separator: Expr | undefined): Estimate {
    const count = this.sizeOr(target)
    let size = multiply(count, this.elementSize(target))
    if (separator !== undefined) {
      const least = count.min > 0n ? count.min - 1n : 0n
      const most = count.max > 0n ? count.max - 1n : 0n
      size = add(size, multiply(this.sizeOr(separator), { min: least, max: most }))
    }
    return { cost: scale(size, TRAVERSAL), size }
  }

  private replace(text: Range, old: Range, by: Range): Estimate {
    const most = replaced(text.max, { part: old.min, keeps: by.max <= old.min })
    const least = replaced(text.min, { part: old.max, keeps: old.max <= by.min })
    const size = add(
      multiply({ min: least.count, max: most.count }, by),
      { min: least.kept, max: most.kept }
    )
    return { cost: scale(text, 2 * TRAVERSAL), size }
  }

  private standard(expr: Expr & { kind: 'call' }, id: string, costs: readonly Range[]): Estimate {
    const [first, second, third] = expr.args
    const all = sum(costs)
    switch (id) {
      case 'string_format':
        return { cost: add(scale(this.sizeOr(expr.target), TRAVERSAL), all) }
      case 'string_to_bytes': {
        const size = this.sizeOr(first)
        return { cost: add(scale(size, TRAVERSAL), all), size: { min: size.min, max: capped(size.max * 4n) } }
      }
      case 'bytes_to_string': {
        const size = this.sizeOr(first)
        return { cost: add(scale(size, TRAVERSAL), all), size: { min: size.min / 4n, max: size.max } }
      }
      case 'strings_quote': {
        const size = this.sizeOr(first)
        const quoted = { min: capped(size.min + 2n), max: capped(size.max * 2n + 2n) }
        return { cost: add(scale(size, TRAVERSAL), all), size: quoted }
      }
      case 'starts_with_string':
      case 'ends_with_string':
        return { cost: add(scale(this.sizeOr(first), TRAVERSAL), all) }
      case 'in_list':
        return { cost: add(scale(this.sizeOr(second), 1), all) }
      case 'matches_string': {
        if (expr.target === undefined) return { cost: add(ONE, all) }
        const text = scale(add(this.sizeOr(expr.target), ONE), TRAVERSAL)
        return { cost: add(multiply(text, scale(this.sizeOr(first), REGEX)), all) }
      }
      case 'contains_string':
        return {
          cost: add(multiply(scale(this.sizeOr(expr.target), TRAVERSAL), scale(this.sizeOr(first), TRAVERSAL)), all)
        }
      case 'logical_or':
      case 'logical_and': {
        const [left = ZERO, right = ZERO] = costs
        return { cost: { min: left.min, max: capped(left.max + right.max) } }
      }
      case 'conditional': {
        const [condition = ZERO, yes = ZERO, no = ZERO] = costs
        this.setEntries(expr, joined(this.entriesOf(second), this.entriesOf(third)))
        return { cost: add(condition, union(yes, no)), size: union(this.sizeOr(second), this.sizeOr(third)) }
      }
      case 'add_string':
      case 'add_bytes':
      case 'add_list': {
        const size = add(this.sizeOr(first), this.sizeOr(second))
        this.setEntries(expr, joined(this.entriesOf(first), this.entriesOf(second)))
        return { cost: add(id === 'add_list' ? ONE : scale(size, TRAVERSAL), all), size }
      }
      default:
        return { cost: add(isCompared(id) ? this.comparison(first, second) : ONE, all) }
    }
  }

  private comparison(first: Expr | undefined, second: Expr | undefined): Range {
    const most = smaller(this.sizeOr(first).max, this.sizeOr(second).max)
    return scale({ min: most > 0n ? 1n : 0n, max: most }, TRAVERSAL)
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

  private setEntries(expr: Expr, entries: EntrySize | undefined): void {
    if (entries !== undefined) this.entries.set(expr, entries)
  }

  private entriesOf(expr: Expr | undefined): EntrySize | undefined {
    return expr === undefined ? undefined : (this.entries.get(expr) ?? this.local(expr)?.entries)
  }

  private sizeOr(expr: Expr | undefined): Range {
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

const isAccumulator = ([first]: readonly string[]) => first === ACCUMULATOR

function replaced(text: bigint, { part, keeps }: { part: bigint; keeps: boolean }): { count: bigint; kept: bigint } {
  if (part === 0n) return { count: capped(text + 1n), kept: text }
  if (keeps) return { count: 0n, kept: text }
  return { count: text === UNBOUNDED ? text : (text + part - 1n) / part, kept: 0n }
}

const OWN = new Set(['net.IP', 'net.CIDR', 'kubernetes.Quantity', 'kubernetes.Semver', 'kubernetes.URL', 'kubernetes.NamedFormat'])
const isOwn = ({ name }: Type) => OWN.has(name) || name.startsWith('kubernetes.authorization.')

const COMPARED = /^((less|greater)(_equals)?_(string|bytes)|equals|not_equals)$/
const isCompared = (id: string) => COMPARED.test(id)

function joined(a: EntrySize | undefined, b: EntrySize | undefined): EntrySize | undefined {
  if (a === undefined || b === undefined) return undefined
  return { kind: a.kind, key: union(a.key, b.key), value: union(a.value, b.value) }
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
