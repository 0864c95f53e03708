/** Table: the standard functions of CEL, as cel-go declares them (common/stdlib). */
import { type Compute, global, member, type Overload } from './declare.ts'
import * as text from './text-values.ts'
import * as time from './time-values.ts'
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  listOf,
  mapOf,
  optionalOf,
  param,
  STRING,
  TIMESTAMP,
  type Type,
  typeOf,
  UINT
} from './type.ts'
import { typeOfValue } from './type-values.ts'
import {
  CelError,
  compareNumbers,
  Duration,
  Entries,
  equals,
  isMap,
  isNumber,
  List,
  type MapValue,
  NONE,
  Optional,
  sameKeys,
  sizeOf,
  Timestamp,
  TypeValue,
  Uint,
  type Value
} from './value.ts'

const A = param('A')
const B = param('B')
const K = param('K')
const V = param('V')

const MIN_INT = -(2n ** 63n)
const MAX_INT = 2n ** 63n - 1n
const MAX_UINT = 2n ** 64n - 1n

export function int(value: bigint): bigint {
  if (value < MIN_INT || value > MAX_INT) throw new CelError('integer overflow')
  return value
}

export function uint(value: bigint): Uint {
  if (value < 0n || value > MAX_UINT) throw new CelError('unsigned integer overflow')
  return new Uint(value)
}

function overload(): never {
  throw new CelError('no such overload')
}

/** Of two values of the same kind; `mixed` numbers compare too. */
export function compare(a: Value, b: Value): number {
  if (isNumber(a) && isNumber(b)) {
    const order = compareNumbers(a, b)
    if (order === undefined) throw new CelError('NaN values cannot be ordered')
    return order
  }
  if (typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  if (typeof a === 'boolean' && typeof b === 'boolean') return Number(a) - Number(b)
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b)
  const sameTime =
    (a instanceof Timestamp && b instanceof Timestamp) || (a instanceof Duration && b instanceof Duration)
  if (sameTime) return a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0
  return overload()
}

type Pair = (a: Value, b: Value) => Value
const pair =
  (compute: Pair): Compute =>
  ([a = null, b = null]) =>
    compute(a, b)

interface Arithmetic {
  readonly int: (a: bigint, b: bigint) => bigint
  readonly double?: (a: number, b: number) => number
}

function arithmetic(name: string, { int: whole, double }: Arithmetic): Overload[] {
  const overloads = [
    global(
      `${name}_int64`,
      [INT, INT, INT],
      pair((a, b) => (typeof a === 'bigint' && typeof b === 'bigint' ? int(whole(a, b)) : overload()))
    ),
    global(
      `${name}_uint64`,
      [UINT, UINT, UINT],
      pair((a, b) => (a instanceof Uint && b instanceof Uint ? uint(whole(a.value, b.value)) : overload()))
    )
  ]
  if (double === undefined) return overloads
  const compute = pair((a, b) => (typeof a === 'number' && typeof b === 'number' ? double(a, b) : overload()))
  return [...overloads, global(`${name}_double`, [DOUBLE, DOUBLE, DOUBLE], compute)]
}

const COMPARED: readonly (readonly [string, Type, Type])[] = [
  ['bool', BOOL, BOOL],
  ['int64', INT, INT],
  ['int64_double', INT, DOUBLE],
  ['int64_uint64', INT, UINT],
  ['uint64', UINT, UINT],
  ['uint64_double', UINT, DOUBLE],
  ['uint64_int64', UINT, INT],
  ['double', DOUBLE, DOUBLE],
  ['double_int64', DOUBLE, INT],
  ['double_uint64', DOUBLE, UINT],
  ['string', STRING, STRING],
  ['bytes', BYTES, BYTES],
  ['timestamp', TIMESTAMP, TIMESTAMP],
  ['duration', DURATION, DURATION]
]

function comparison(name: string, holds: (order: number) => boolean): Overload[] {
  return COMPARED.map(([suffix, a, b]) =>
    global(
      `${name}_${suffix}`,
      [a, b, BOOL],
      pair((x, y) => holds(compare(x, y)))
    )
  )
}

function nonzero(b: bigint, what: string): bigint {
  if (b === 0n) throw new CelError(what)
  return b
}

/** Lists that a schema declares as sets or maps are joined as such. */
function concat(a: Value, b: Value): Value {
  if (!(a instanceof List) || !(b instanceof List)) return overload()
  if (a.kind === 'atomic') return new List([...a.items, ...b.items])
  const same = a.kind === 'set' ? equals : (one: Value, other: Value) => sameKeys(one, other, a.keys)
  const kept = a.items.map((item) => b.items.find((other) => same(item, other)) ?? item)
  const added = b.items.filter((item) => !a.items.some((other) => same(item, other)))
  return new List([...kept, ...added], a.kind, a.keys)
}

function contains(value: Value, container: Value): boolean {
  if (container instanceof List) return container.items.some((item) => equals(item, value))
  return isMap(container) ? container.get(value) !== undefined : overload()
}

function insert(map: MapValue, added: readonly (readonly [Value, Value])[]): Value {
  const entries = map instanceof Entries ? map.list() : map.keys().map((key) => [key, map.get(key) ?? null] as const)
  for (const [key] of added)
    if (map.get(key) !== undefined) throw new CelError(`insert failed: key ${text.stringOf(key)} already exists`)
  return new Entries([...entries, ...added])
}

const asMap = (value: Value | undefined): MapValue => (value !== undefined && isMap(value) ? value : overload())
const entriesOf = (map: MapValue) => map.keys().map((key) => [key, map.get(key) ?? null] as const)
const size: Compute = ([value = null]) => BigInt(sizeOf(value))
const one =
  (compute: (value: Value) => Value): Compute =>
  ([value = null]) =>
    compute(value)

const OPERATORS: Readonly<Record<string, readonly Overload[]>> = {
  '_?_:_': [global('conditional', [BOOL, A, A, A])],
  '_&&_': [global('logical_and', [BOOL, BOOL, BOOL])],
  '_||_': [global('logical_or', [BOOL, BOOL, BOOL])],
  '!_': [
    global(
      'logical_not',
      [BOOL, BOOL],
      one((value) => (typeof value === 'boolean' ? !value : overload()))
    )
  ],
  '@not_strictly_false': [global('not_strictly_false', [BOOL, BOOL])],
  '_==_': [global('equals', [A, A, BOOL], pair(equals))],
  '_!=_': [
    global(
      'not_equals',
      [A, A, BOOL],
      pair((a, b) => !equals(a, b))
    )
  ],
  '_<_': comparison('less', (order) => order < 0),
  '_<=_': comparison('less_equals', (order) => order <= 0),
  '_>_': comparison('greater', (order) => order > 0),
  '_>=_': comparison('greater_equals', (order) => order >= 0),
  '_+_': [
    ...arithmetic('add', { int: (a, b) => a + b, double: (a, b) => a + b }),
    global(
      'add_bytes',
      [BYTES, BYTES, BYTES],
      pair((a, b) => Buffer.concat([a as Uint8Array, b as Uint8Array]))
    ),
    global('add_list', [listOf(A), listOf(A), listOf(A)], pair(concat)),
    global(
      'add_string',
      [STRING, STRING, STRING],
      pair((a, b) => (a as string) + (b as string))
    ),
    global('add_duration_duration', [DURATION, DURATION, DURATION], pair(time.plus)),
    global('add_duration_timestamp', [DURATION, TIMESTAMP, TIMESTAMP], pair(time.plus)),
    global('add_timestamp_duration', [TIMESTAMP, DURATION, TIMESTAMP], pair(time.plus))
  ],
  '_-_': [
    ...arithmetic('subtract', { int: (a, b) => a - b, double: (a, b) => a - b }),
    global('subtract_duration_duration', [DURATION, DURATION, DURATION], pair(time.minus)),
    global('subtract_timestamp_duration', [TIMESTAMP, DURATION, TIMESTAMP], pair(time.minus)),
    global('subtract_timestamp_timestamp', [TIMESTAMP, TIMESTAMP, DURATION], pair(time.minus))
  ],
  '_*_': arithmetic('multiply', { int: (a, b) => a * b, double: (a, b) => a * b }),
  '_/_': arithmetic('divide', { int: (a, b) => a / nonzero(b, 'division by zero'), double: (a, b) => a / b }),
  '_%_': arithmetic('modulo', { int: (a, b) => a % nonzero(b, 'modulus by zero') }),
  '-_': [
    global(
      'negate_int64',
      [INT, INT],
      one((value) => (typeof value === 'bigint' ? int(-value) : overload()))
    ),
    global(
      'negate_double',
      [DOUBLE, DOUBLE],
      one((value) => (typeof value === 'number' ? -value : overload()))
    )
  ],
  '@in': [
    global('in_list', [A, listOf(A), BOOL], pair(contains)),
    global('in_map', [A, mapOf(A, B), BOOL], pair(contains))
  ],
  '_[_]': [
    global('index_list', [listOf(A), INT, A]),
    global('index_map', [mapOf(A, B), A, B]),
    global('optional_list_index_int', [optionalOf(listOf(V)), INT, optionalOf(V)]),
    global('optional_map_index_value', [optionalOf(mapOf(K, V)), K, optionalOf(V)])
  ],
  '_[?_]': [
    global('list_optindex_optional_int', [listOf(V), INT, optionalOf(V)]),
    global('optional_list_optindex_optional_int', [optionalOf(listOf(V)), INT, optionalOf(V)]),
    global('map_optindex_optional_value', [mapOf(K, V), K, optionalOf(V)]),
    global('optional_map_optindex_optional_value', [optionalOf(mapOf(K, V)), K, optionalOf(V)])
  ],
  'cel.@mapInsert': [
    global('@mapInsert_map_key_value', [mapOf(K, V), K, V, mapOf(K, V)], ([map, key = null, value = null]) =>
      insert(asMap(map), [[key, value]])
    ),
    global('@mapInsert_map_map', [mapOf(K, V), mapOf(K, V), mapOf(K, V)], ([map, other]) =>
      insert(asMap(map), entriesOf(asMap(other)))
    )
  ]
}

const SIZED: readonly (readonly [string, Type])[] = [
  ['string', STRING],
  ['bytes', BYTES],
  ['list', listOf(A)],
  ['map', mapOf(A, B)]
]

const FUNCTIONS: Readonly<Record<string, readonly Overload[]>> = {
  size: SIZED.flatMap(([name, type]) => [
    global(`size_${name}`, [type, INT], size),
    member(`${name}_size`, [type, INT], size)
  ]),
  type: [
    global(
      'type',
      [A, typeOf(A)],
      one((value) => new TypeValue(typeOfValue(value)))
    )
  ],
  dyn: [
    global(
      'to_dyn',
      [A, DYN],
      one((value) => value)
    )
  ],
  bool: [
    global(
      'bool_to_bool',
      [BOOL, BOOL],
      one((value) => value)
    ),
    global('string_to_bool', [STRING, BOOL], one(text.toBool))
  ],
  bytes: [
    global(
      'bytes_to_bytes',
      [BYTES, BYTES],
      one((value) => value)
    ),
    global(
      'string_to_bytes',
      [STRING, BYTES],
      one((value) => new Uint8Array(Buffer.from(value as string)))
    )
  ],
  double: [
    global(
      'double_to_double',
      [DOUBLE, DOUBLE],
      one((value) => value)
    ),
    global('int64_to_double', [INT, DOUBLE], one(text.toDouble)),
    global('string_to_double', [STRING, DOUBLE], one(text.toDouble)),
    global('uint64_to_double', [UINT, DOUBLE], one(text.toDouble))
  ],
  duration: [
    global(
      'duration_to_duration',
      [DURATION, DURATION],
      one((value) => value)
    ),
    global(
      'int64_to_duration',
      [INT, DURATION],
      one((value) => new Duration(value as bigint))
    ),
    global('string_to_duration', [STRING, DURATION], one(time.toDuration))
  ],
  int: [
    global(
      'int64_to_int64',
      [INT, INT],
      one((value) => value)
    ),
    global('double_to_int64', [DOUBLE, INT], one(text.toInt)),
    global(
      'duration_to_int64',
      [DURATION, INT],
      one((value) => (value as Duration).nanos)
    ),
    global('string_to_int64', [STRING, INT], one(text.toInt)),
    global('timestamp_to_int64', [TIMESTAMP, INT], one(time.seconds)),
    global('uint64_to_int64', [UINT, INT], one(text.toInt))
  ],
  string: [
    global(
      'string_to_string',
      [STRING, STRING],
      one((value) => value)
    ),
    global('bool_to_string', [BOOL, STRING], one(text.stringOf)),
    global('bytes_to_string', [BYTES, STRING], one(text.stringOf)),
    global('double_to_string', [DOUBLE, STRING], one(text.stringOf)),
    global('duration_to_string', [DURATION, STRING], one(text.stringOf)),
    global('int64_to_string', [INT, STRING], one(text.stringOf)),
    global('timestamp_to_string', [TIMESTAMP, STRING], one(text.stringOf)),
    global('uint64_to_string', [UINT, STRING], one(text.stringOf))
  ],
  timestamp: [
    global(
      'timestamp_to_timestamp',
      [TIMESTAMP, TIMESTAMP],
      one((value) => value)
    ),
    global(
      'int64_to_timestamp',
      [INT, TIMESTAMP],
      one((value) => time.checked((value as bigint) * 1_000_000_000n))
    ),
    global('string_to_timestamp', [STRING, TIMESTAMP], one(time.toTimestamp))
  ],
  uint: [
    global(
      'uint64_to_uint64',
      [UINT, UINT],
      one((value) => value)
    ),
    global('double_to_uint64', [DOUBLE, UINT], one(text.toUint)),
    global('int64_to_uint64', [INT, UINT], one(text.toUint)),
    global('string_to_uint64', [STRING, UINT], one(text.toUint))
  ],
  contains: [
    member(
      'contains_string',
      [STRING, STRING, BOOL],
      pair((a, b) => (a as string).includes(b as string))
    )
  ],
  endsWith: [
    member(
      'ends_with_string',
      [STRING, STRING, BOOL],
      pair((a, b) => (a as string).endsWith(b as string))
    )
  ],
  startsWith: [
    member(
      'starts_with_string',
      [STRING, STRING, BOOL],
      pair((a, b) => (a as string).startsWith(b as string))
    )
  ],
  ...time.accessors
}

const OPTIONALS: Readonly<Record<string, readonly Overload[]>> = {
  'optional.of': [
    global(
      'optional_of',
      [V, optionalOf(V)],
      one((value) => new Optional(value))
    )
  ],
  'optional.ofNonZeroValue': [
    global(
      'optional_ofNonZeroValue',
      [V, optionalOf(V)],
      one((value) => (isZero(value) ? NONE : new Optional(value)))
    )
  ],
  'optional.none': [global('optional_none', [optionalOf(V)], () => NONE)],
  'optional.unwrap': [global('optional_unwrap', [listOf(optionalOf(V)), listOf(V)], one(unwrap))],
  unwrapOpt: [member('optional_unwrapOpt', [listOf(optionalOf(V)), listOf(V)], one(unwrap))],
  value: [member('optional_value', [optionalOf(V), V], one(presentValue))],
  hasValue: [
    member(
      'optional_hasValue',
      [optionalOf(V), BOOL],
      one((value) => value instanceof Optional && value.value !== undefined)
    )
  ],
  or: [member('optional_or_optional', [optionalOf(V), optionalOf(V), optionalOf(V)])],
  orValue: [member('optional_orValue_value', [optionalOf(V), V, V])],
  first: [
    member(
      'list_first',
      [listOf(V), optionalOf(V)],
      one((value) => at(value, 0))
    )
  ],
  last: [
    member(
      'list_last',
      [listOf(V), optionalOf(V)],
      one((value) => at(value, -1))
    )
  ]
}

function at(value: Value, index: number): Value {
  const found = value instanceof List ? value.items.at(index) : overload()
  return found === undefined ? NONE : new Optional(found)
}

function presentValue(value: Value): Value {
  if (!(value instanceof Optional)) return overload()
  if (value.value === undefined) throw new CelError('optional.none() dereference')
  return value.value
}

function unwrap(value: Value): Value {
  if (!(value instanceof List)) return overload()
  return new List(
    value.items.flatMap((item) => (item instanceof Optional && item.value !== undefined ? [item.value] : []))
  )
}

function isZero(value: Value): boolean {
  if (value === null || value === false || value === '' || value === 0 || value === 0n) return true
  if (value instanceof Uint) return value.value === 0n
  if (value instanceof Duration) return value.nanos === 0n
  if (value instanceof List) return value.items.length === 0
  if (value instanceof Uint8Array) return value.length === 0
  if (value instanceof Optional) return value.value === undefined
  return isMap(value) && value.size === 0
}

export const standardFunctions: readonly Readonly<Record<string, readonly Overload[]>>[] = [
  OPERATORS,
  FUNCTIONS,
  OPTIONALS
]
