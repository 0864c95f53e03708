/** What single calls cost at worst, and how large their results are: Kubernetes' functions first, then cel-go's. */
import {
  CHECK_COST,
  isNominal,
  LIST_COST,
  MAX_FORMAT_REGEX,
  REGEX,
  STRUCT_COST,
  TRAVERSAL,
  traversesList
} from './cost.ts'
import { add, capped, fixed, multiply, ONE, type Range, replaced, scale, smaller, sum, union, ZERO } from './range.ts'
import type { Expr } from './tree.ts'
import type { Type } from './type.ts'

export interface EntrySize {
  readonly kind: 'list' | 'map'
  readonly key: Range
  readonly value: Range
}

export interface Estimate {
  readonly cost: Range
  readonly size?: Range | undefined
}

/** What is known of the sizes of expressions. */
export interface Sizes {
  sizeOr(expr: Expr | undefined): Range
  /** Of a list's elements. */
  elementSize(list: Expr): Range
  entriesOf(expr: Expr | undefined): EntrySize | undefined
  setEntries(expr: Expr, entries: EntrySize | undefined): void
}

type Call = Expr & { readonly kind: 'call' }

/** `costs`: of the arguments, without the receiver. */
export function callEstimate(
  expr: Call,
  id: string,
  { costs, sizes }: { costs: readonly Range[]; sizes: Sizes }
): Estimate {
  return new CallEstimator(sizes).overload(expr, id, costs)
}

class CallEstimator {
  private readonly sizes: Sizes

  constructor(sizes: Sizes) {
    this.sizes = sizes
  }

  overload(expr: Call, id: string, costs: readonly Range[]): Estimate {
    const own = this.kubernetes(expr, id)
    if (own !== undefined) return { cost: add(own.cost, sum(costs)), size: own.size }
    return this.standard(expr, id, costs)
  }

  private kubernetes({ fn, target, args }: Call, id: string): Estimate | undefined {
    const [first, second] = args
    if (fn === 'check') return { cost: fixed(CHECK_COST) }
    if (isNominal(fn)) return { cost: ONE }
    if (traversesList(fn) && target !== undefined) return this.traversal(target)
    switch (fn) {
      case 'fieldSelector':
      case 'labelSelector': {
        const size = this.sizes.sizeOr(first)
        const requirements = scale(scale(size, 0.5), LIST_COST + STRUCT_COST)
        return { cost: add(add(fixed(LIST_COST), scale(size, TRAVERSAL)), requirements) }
      }
      case 'url':
      case 'jsonpatch.escapeKey':
        return { cost: scale(this.sizes.sizeOr(first), TRAVERSAL), size: this.sizes.sizeOr(first) }
      case 'lowerAscii':
      case 'upperAscii':
      case 'substring':
      case 'trim':
        return { cost: scale(this.sizes.sizeOr(target), TRAVERSAL), size: this.sizes.sizeOr(target) }
      case 'replace':
        return this.replace(this.sizes.sizeOr(target), this.sizes.sizeOr(first), this.sizes.sizeOr(second))
      case 'split': {
        const size = this.sizes.sizeOr(target)
        const limit =
          second?.kind === 'const' && typeof second.value === 'bigint' ? BigInt.asUintN(64, second.value) : size.max
        return { cost: scale(size, 2 * TRAVERSAL), size: { min: 0n, max: limit } }
      }
      case 'join':
        return target === undefined ? undefined : this.join(target, first)
      case 'find':
      case 'findAll': {
        const size = this.sizes.sizeOr(target)
        const cost = multiply(scale(add(size, ONE), TRAVERSAL), scale(this.sizes.sizeOr(first), REGEX))
        return { cost, size: { min: 0n, max: size.max } }
      }
      case 'cidr':
      case 'isIP':
      case 'isCIDR':
      case 'quantity':
      case 'isQuantity':
      case 'semver':
      case 'isSemver':
        return { cost: scale(this.sizes.sizeOr(first), TRAVERSAL) }
      case 'ip':
        return { cost: id === 'cidr_ip' ? ONE : scale(this.sizes.sizeOr(first), TRAVERSAL) }
      case 'ip.isCanonical':
        return { cost: scale(this.sizes.sizeOr(first), 2 * TRAVERSAL) }
      case 'containsIP':
      case 'containsCIDR': {
        const address: Range = { min: 4n, max: 16n }
        const mask = fn === 'containsCIDR' ? add(scale(address, TRAVERSAL), ONE) : ZERO
        const parse = id.endsWith('_string') ? scale(this.sizes.sizeOr(first), TRAVERSAL) : ZERO
        return { cost: add(add(scale(add(address, address), TRAVERSAL), mask), parse) }
      }
      case 'validate':
        return { cost: scale(scale(this.sizes.sizeOr(first), TRAVERSAL), MAX_FORMAT_REGEX * REGEX) }
      case '_==_':
        return first?.type !== undefined && isOwn(first.type) && second?.type?.name === first.type.name
          ? { cost: ONE }
          : undefined
      default:
        return undefined
    }
  }

  private traversal(target: Expr): Estimate {
    const size = this.sizes.sizeOr(target)
    const element = target.type?.params[0]
    if (element === undefined) return { cost: scale(size, TRAVERSAL) }
    const each =
      element.kind === 'string' || element.kind === 'bytes' ? scale(this.sizes.elementSize(target), TRAVERSAL) : ZERO
    return { cost: multiply(size, add(ONE, each)) }
  }

  private join(target: Expr, separator: Expr | undefined): Estimate {
    const count = this.sizes.sizeOr(target)
    let size = multiply(count, this.sizes.elementSize(target))
    if (separator !== undefined) {
      const least = count.min > 0n ? count.min - 1n : 0n
      const most = count.max > 0n ? count.max - 1n : 0n
      size = add(size, multiply(this.sizes.sizeOr(separator), { min: least, max: most }))
    }
    return { cost: scale(size, TRAVERSAL), size }
  }

  private replace(text: Range, old: Range, by: Range): Estimate {
    const most = replaced(text.max, { part: old.min, keeps: by.max <= old.min })
    const least = replaced(text.min, { part: old.max, keeps: old.max <= by.min })
    const size = add(multiply({ min: least.count, max: most.count }, by), { min: least.kept, max: most.kept })
    return { cost: scale(text, 2 * TRAVERSAL), size }
  }

  private standard(expr: Call, id: string, costs: readonly Range[]): Estimate {
    const [first, second, third] = expr.args
    const all = sum(costs)
    switch (id) {
      case 'string_format':
        return { cost: add(scale(this.sizes.sizeOr(expr.target), TRAVERSAL), all) }
      case 'string_to_bytes': {
        const size = this.sizes.sizeOr(first)
        return { cost: add(scale(size, TRAVERSAL), all), size: { min: size.min, max: capped(size.max * 4n) } }
      }
      case 'bytes_to_string': {
        const size = this.sizes.sizeOr(first)
        return { cost: add(scale(size, TRAVERSAL), all), size: { min: size.min / 4n, max: size.max } }
      }
      case 'strings_quote': {
        const size = this.sizes.sizeOr(first)
        const quoted = { min: capped(size.min + 2n), max: capped(size.max * 2n + 2n) }
        return { cost: add(scale(size, TRAVERSAL), all), size: quoted }
      }
      case 'starts_with_string':
      case 'ends_with_string':
        return { cost: add(scale(this.sizes.sizeOr(first), TRAVERSAL), all) }
      case 'in_list':
        return { cost: add(scale(this.sizes.sizeOr(second), 1), all) }
      case 'matches_string': {
        if (expr.target === undefined) return { cost: add(ONE, all) }
        const text = scale(add(this.sizes.sizeOr(expr.target), ONE), TRAVERSAL)
        return { cost: add(multiply(text, scale(this.sizes.sizeOr(first), REGEX)), all) }
      }
      case 'contains_string':
        return {
          cost: add(
            multiply(scale(this.sizes.sizeOr(expr.target), TRAVERSAL), scale(this.sizes.sizeOr(first), TRAVERSAL)),
            all
          )
        }
      case 'logical_or':
      case 'logical_and': {
        const [left = ZERO, right = ZERO] = costs
        return { cost: { min: left.min, max: capped(left.max + right.max) } }
      }
      case 'conditional': {
        const [condition = ZERO, yes = ZERO, no = ZERO] = costs
        this.sizes.setEntries(expr, joined(this.sizes.entriesOf(second), this.sizes.entriesOf(third)))
        return {
          cost: add(condition, union(yes, no)),
          size: union(this.sizes.sizeOr(second), this.sizes.sizeOr(third))
        }
      }
      case 'add_string':
      case 'add_bytes':
      case 'add_list': {
        const size = add(this.sizes.sizeOr(first), this.sizes.sizeOr(second))
        this.sizes.setEntries(expr, joined(this.sizes.entriesOf(first), this.sizes.entriesOf(second)))
        return { cost: add(id === 'add_list' ? ONE : scale(size, TRAVERSAL), all), size }
      }
      default:
        return { cost: add(isCompared(id) ? this.comparison(first, second) : ONE, all) }
    }
  }

  private comparison(first: Expr | undefined, second: Expr | undefined): Range {
    const most = smaller(this.sizes.sizeOr(first).max, this.sizes.sizeOr(second).max)
    return scale({ min: most > 0n ? 1n : 0n, max: most }, TRAVERSAL)
  }
}

const OWN = new Set([
  'net.IP',
  'net.CIDR',
  'kubernetes.Quantity',
  'kubernetes.Semver',
  'kubernetes.URL',
  'kubernetes.NamedFormat'
])
const isOwn = ({ name }: Type) => OWN.has(name) || name.startsWith('kubernetes.authorization.')

const COMPARED = /^((less|greater)(_equals)?_(string|bytes)|equals|not_equals)$/
const isCompared = (id: string) => COMPARED.test(id)

function joined(a: EntrySize | undefined, b: EntrySize | undefined): EntrySize | undefined {
  if (a === undefined || b === undefined) return undefined
  return { kind: a.kind, key: union(a.key, b.key), value: union(a.value, b.value) }
}
