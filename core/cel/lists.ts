/** Functions on lists: Kubernetes' own (library/lists.go), cel-go's (ext.Lists, version 3), and sets (ext.Sets). */
import { global, member, type Overload } from './declare.ts'
import { compare, int, uint } from './standard.ts'
import { BOOL, BYTES, DOUBLE, DURATION, INT, listOf, param, STRING, TIMESTAMP, type Type, UINT } from './type.ts'
import { CelError, Duration, equals, List, typeName, Uint, type Value } from './value.ts'

const T = param('T')

const COMPARABLE: readonly (readonly [string, Type])[] = [
  ['int', INT],
  ['uint', UINT],
  ['double', DOUBLE],
  ['bool', BOOL],
  ['duration', DURATION],
  ['timestamp', TIMESTAMP],
  ['string', STRING],
  ['bytes', BYTES]
]
const SUMMABLE: readonly (readonly [string, Type, Value])[] = [
  ['int', INT, 0n],
  ['uint', UINT, new Uint(0n)],
  ['double', DOUBLE, 0],
  ['duration', DURATION, new Duration(0n)]
]

function items(value: Value | undefined): readonly Value[] {
  if (value instanceof List) return value.items
  throw new CelError('no such overload')
}

function isSorted(list: readonly Value[]): boolean {
  return list.every((item, i) => i === 0 || compare(list[i - 1] ?? null, item) <= 0)
}

function add(a: Value, b: Value): Value {
  if (typeof a === 'bigint' && typeof b === 'bigint') return int(a + b)
  if (typeof a === 'number' && typeof b === 'number') return a + b
  if (a instanceof Uint && b instanceof Uint) return uint(a.value + b.value)
  if (a instanceof Duration && b instanceof Duration) return new Duration(a.nanos + b.nanos)
  throw new CelError('no such overload')
}

function extreme(list: readonly Value[], name: string, sign: 1 | -1): Value {
  const [first, ...rest] = list
  if (first === undefined) throw new CelError(`${name} called on empty list`)
  return rest.reduce((best, item) => (sign * compare(item, best) > 0 ? item : best), first)
}

function slice(list: readonly Value[], start: bigint, end: bigint): Value {
  const range = `cannot slice(${start}, ${end})`
  if (start < 0n || end < 0n) throw new CelError(`${range}, negative indexes not supported`)
  if (start > end) throw new CelError(`${range}, start index must be less than or equal to end index`)
  if (list.length < Number(end)) throw new CelError(`${range}, list is length ${list.length}`)
  return new List(list.slice(Number(start), Number(end)))
}

function flatten(list: readonly Value[], depth: bigint): Value {
  if (depth < 0n) throw new CelError('level must be non-negative')
  const flat = (all: readonly Value[], left: bigint): Value[] =>
    all.flatMap((item) => (item instanceof List && left > 0n ? flat(item.items, left - 1n) : [item]))
  return new List(flat(list, depth))
}

function sortedBy(list: readonly Value[], keys: readonly Value[]): Value {
  if (list.length !== keys.length) {
    throw new CelError(
      `@sortByAssociatedKeys() expected a list of the same size as the associated keys list, but got ${list.length} and ${keys.length} elements respectively`
    )
  }
  const [first] = keys
  for (const key of keys)
    if (first !== undefined && typeName(key) !== typeName(first))
      throw new CelError('list elements must have the same type')
  const order = keys.map((_, i) => i).sort((a, b) => compare(keys[a] ?? null, keys[b] ?? null))
  return new List(order.map((i) => list[i] ?? null))
}

function distinct(list: readonly Value[]): Value {
  const kept: Value[] = []
  for (const item of list) if (!kept.some((one) => equals(one, item))) kept.push(item)
  return new List(kept)
}

function range(count: bigint): Value {
  if (count > 1_000_000n) throw new CelError('operation cancelled: actual cost limit exceeded', true)
  return new List(Array.from({ length: Math.max(0, Number(count)) }, (_, i) => BigInt(i)))
}

const contains = (list: readonly Value[], item: Value) => list.some((one) => equals(one, item))
const whole = (value: Value | undefined): bigint => (typeof value === 'bigint' ? value : 0n)

const perType = (make: (name: string, type: Type) => Overload) => COMPARABLE.map(([name, type]) => make(name, type))

export const listFunctions: Readonly<Record<string, readonly Overload[]>> = {
  isSorted: perType((name, type) =>
    member(`list_${name}_is_sorted_bool`, [listOf(type), BOOL], ([list]) => isSorted(items(list)))
  ),
  sum: SUMMABLE.map(([name, type, zero]) =>
    member(`list_${name}_sum_${name}`, [listOf(type), type], ([list]) => items(list).reduce(add, zero))
  ),
  max: perType((name, type) =>
    member(`list_${name}_max_${name}`, [listOf(type), type], ([list]) => extreme(items(list), 'max', 1))
  ),
  min: perType((name, type) =>
    member(`list_${name}_min_${name}`, [listOf(type), type], ([list]) => extreme(items(list), 'min', -1))
  ),
  indexOf: [
    member('list_a_index_of_int', [listOf(T), T, INT], ([list, item = null]) =>
      BigInt(items(list).findIndex((one) => equals(one, item)))
    )
  ],
  lastIndexOf: [
    member('list_a_last_index_of_int', [listOf(T), T, INT], ([list, item = null]) =>
      BigInt(items(list).findLastIndex((one) => equals(one, item)))
    )
  ],
  slice: [
    member('list_slice', [listOf(T), INT, INT, listOf(T)], ([list, start, end]) =>
      slice(items(list), whole(start), whole(end))
    )
  ],
  flatten: [
    member('list_flatten', [listOf(listOf(T)), listOf(T)], ([list]) => flatten(items(list), 1n)),
    member(
      'list_flatten_int',
      [listOf({ kind: 'dyn', name: 'dyn', params: [] }), INT, listOf({ kind: 'dyn', name: 'dyn', params: [] })],
      ([list, depth]) => flatten(items(list), whole(depth))
    )
  ],
  sort: perType((name, type) =>
    member(`list_${name}_sort`, [listOf(type), listOf(type)], ([list]) => sortedBy(items(list), items(list)))
  ),
  '@sortByAssociatedKeys': perType((name, type) =>
    member(`list_${name}_sortByAssociatedKeys`, [listOf(T), listOf(type), listOf(T)], ([list, keys]) =>
      sortedBy(items(list), items(keys))
    )
  ),
  'lists.range': [global('lists_range', [INT, listOf(INT)], ([count]) => range(whole(count)))],
  reverse: [member('list_reverse', [listOf(T), listOf(T)], ([list]) => new List(items(list).toReversed()))],
  distinct: [member('list_distinct', [listOf(T), listOf(T)], ([list]) => distinct(items(list)))],
  'sets.contains': [
    global('list_sets_contains_list', [listOf(T), listOf(T), BOOL], ([a, b]) =>
      items(b).every((item) => contains(items(a), item))
    )
  ],
  'sets.equivalent': [
    global(
      'list_sets_equivalent_list',
      [listOf(T), listOf(T), BOOL],
      ([a, b]) =>
        items(a).every((item) => contains(items(b), item)) && items(b).every((item) => contains(items(a), item))
    )
  ],
  'sets.intersects': [
    global('list_sets_intersects_list', [listOf(T), listOf(T), BOOL], ([a, b]) =>
      items(a).some((item) => contains(items(b), item))
    )
  ]
}
