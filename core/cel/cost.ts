/** What a call costs when it is made: Kubernetes' own functions (library/cost.go) first, then cel-go's. */
import { isMap, isOpaque, List, sizeOf, type Value } from './value.ts'

export const LIST_COST = 10
export const MAP_COST = 30
export const STRUCT_COST = 40
/** Of one character or byte. */
export const TRAVERSAL = 0.1
/** Of one character of a regular expression. */
export const REGEX = 0.25
/** Of one authorisation check. */
export const CHECK_COST = 350_000
/** How long the regular expression of a named format may be. */
export const MAX_FORMAT_REGEX = 128

const NOMINAL = new Set(
  `serviceAccount path group resource subresource namespace name allowed reason error errored masked prefixLength
  family isUnspecified isLoopback isLinkLocalMulticast isLinkLocalUnicast isGlobalUnicast format.named sign asInteger
  isInteger asApproximateFloat isGreaterThan isLessThan compareTo add sub major minor patch getScheme getHostname getHost
  getPort getEscapedPath getQuery`.split(/\s+/)
)
const TRAVERSE_LIST = new Set(['isSorted', 'sum', 'max', 'min', 'indexOf', 'lastIndexOf'])
const TRAVERSE_ONCE = new Set(
  'url lowerAscii upperAscii substring trim jsonpatch.escapeKey cidr isIP isCIDR quantity isQuantity semver isSemver'.split(
    ' '
  )
)
const TRAVERSE_TWICE = new Set(['replace', 'split', 'ip.isCanonical'])

export const isNominal = (fn: string): boolean => NOMINAL.has(fn)
export const traversesList = (fn: string): boolean => TRAVERSE_LIST.has(fn)

const per = (size: number, factor: number): number => Math.ceil(size * factor)

interface Call {
  readonly args: readonly Value[]
  readonly result: Value
}

export function callCost(fn: string, overload: string, call: Call): number {
  return kubernetesCost(fn, overload, call) ?? standardCost(overload, call)
}

function kubernetesCost(fn: string, overload: string, { args, result }: Call): number | undefined {
  const [first = null, second = null] = args
  if (fn === 'check') return CHECK_COST
  if (NOMINAL.has(fn)) return 1
  if (TRAVERSE_LIST.has(fn)) return traversal(first)
  if (TRAVERSE_ONCE.has(fn)) return per(sizeOf(first), TRAVERSAL)
  if (TRAVERSE_TWICE.has(fn)) return per(sizeOf(first), 2 * TRAVERSAL)
  switch (fn) {
    case 'fieldSelector':
    case 'labelSelector': {
      const size = sizeOf(second)
      return LIST_COST + per(size, TRAVERSAL) + per(per(size, 0.5), LIST_COST + STRUCT_COST)
    }
    case 'join':
      return per(sizeOf(result), 2 * TRAVERSAL)
    case 'find':
    case 'findAll':
      return regexCost(sizeOf(first), sizeOf(second))
    case 'ip':
      return overload === 'cidr_ip' ? 1 : per(sizeOf(first), TRAVERSAL)
    case 'containsIP':
    case 'containsCIDR': {
      const size = sizeOf(first)
      const mask = fn === 'containsCIDR' ? per(size, TRAVERSAL) + 1 : 0
      const parse = overload.endsWith('_string') ? per(sizeOf(second), TRAVERSAL) : 0
      return per(2 * size, TRAVERSAL) + mask + parse
    }
    case 'validate':
      return regexCost(sizeOf(second), (first as { maxRegexSize?: number }).maxRegexSize ?? MAX_FORMAT_REGEX)
    case '_==_':
      return isOpaque(first) ? 1 : undefined
    default:
      return undefined
  }
}

function regexCost(text: number, regex: number): number {
  return per(1 + text, TRAVERSAL) * per(regex, REGEX)
}

function standardCost(overload: string, { args }: Call): number {
  const [first = null, second = null] = args
  switch (overload) {
    case 'starts_with_string':
    case 'ends_with_string':
    case 'string_to_bytes':
    case 'bytes_to_string':
    case 'strings_quote':
    case 'string_format':
      return per(sizeOf(first), TRAVERSAL)
    case 'in_list':
      return sizeOf(second)
    case 'less_string':
    case 'less_equals_string':
    case 'greater_string':
    case 'greater_equals_string':
    case 'less_bytes':
    case 'less_equals_bytes':
    case 'greater_bytes':
    case 'greater_equals_bytes':
    case 'equals':
    case 'not_equals':
      return per(Math.min(sizeOf(first), sizeOf(second)), TRAVERSAL)
    case 'add_string':
    case 'add_bytes':
      return per(sizeOf(first) + sizeOf(second), TRAVERSAL)
    case 'matches_string':
      return regexCost(sizeOf(first), sizeOf(second))
    case 'contains_string':
      return per(sizeOf(first), TRAVERSAL) * per(sizeOf(second), TRAVERSAL)
    default:
      return 1
  }
}

/** Of walking a value as a tree; strings count by their bytes. */
function traversal(value: Value): number {
  if (typeof value === 'string') return Math.floor(Buffer.byteLength(value) * TRAVERSAL)
  if (value instanceof Uint8Array) return Math.floor(value.length * TRAVERSAL)
  if (value instanceof List) return value.items.reduce((sum: number, item) => sum + traversal(item), 0)
  if (isMap(value)) {
    return value.keys().reduce((sum: number, key) => sum + traversal(key) + traversal(value.get(key) ?? null), 0)
  }
  return 1
}
