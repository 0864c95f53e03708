/**
 * The values of CEL. bool, string, null and double are JavaScript's own; int is bigint; all else is a class of this
 * file or, for a library's own types, an `Opaque`.
 */
import type { Type } from './type.ts'

export type Value =
  | string
  | number
  | bigint
  | boolean
  | null
  | Uint8Array
  | Uint
  | Timestamp
  | Duration
  | List
  | MapValue
  | Optional
  | Opaque
  | TypeValue

export class Uint {
  readonly value: bigint

  constructor(value: bigint) {
    this.value = value
  }
}

/** `nanos` since 1970, UTC. */
export class Timestamp {
  readonly nanos: bigint

  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

export class Duration {
  readonly nanos: bigint

  constructor(nanos: bigint) {
    this.nanos = nanos
  }
}

export class Optional {
  readonly value: Value | undefined

  constructor(value: Value | undefined) {
    this.value = value
  }
}

export const NONE = new Optional(undefined)

export class TypeValue {
  readonly type: Type

  constructor(type: Type) {
    this.type = type
  }
}

/** A list; where it comes of a schema, `kind` and `keys` say how two of them are compared and joined. */
export class List {
  readonly items: readonly Value[]
  readonly kind: 'atomic' | 'set' | 'map'
  readonly keys: readonly string[]

  constructor(items: readonly Value[], kind: 'atomic' | 'set' | 'map' = 'atomic', keys: readonly string[] = []) {
    this.items = items
    this.kind = kind
    this.keys = keys
  }
}

/** A map, or an object whose fields are declared. Keys of one kind only ever meet keys of that kind. */
export interface MapValue {
  readonly isMap: true
  /** The name of the declared object type; undefined for a map. */
  readonly struct: string | undefined
  readonly size: number
  get(key: Value): Value | undefined
  keys(): readonly Value[]
}

/** A value of a library's type (an IP, a quantity); `type` is its type's name. */
export interface Opaque {
  readonly opaque: string
  equals(other: Opaque): boolean
  /** What `size` counts for costs; absent: 1. */
  readonly size?: number
}

export function isMap(value: unknown): value is MapValue {
  return typeof value === 'object' && value !== null && 'isMap' in value
}

export function isOpaque(value: unknown): value is Opaque {
  return typeof value === 'object' && value !== null && 'opaque' in value
}

/** An evaluation that ended without a value, in cel-go's words. */
export class CelError extends Error {
  /** The cost limit was passed: nothing absorbs it. */
  readonly cancelled: boolean

  constructor(message: string, cancelled = false) {
    super(message)
    this.name = 'CelError'
    this.cancelled = cancelled
  }
}

/** A map of a literal or a comprehension. */
export class Entries implements MapValue {
  readonly isMap = true
  readonly struct: string | undefined
  private readonly entries: ReadonlyMap<string | boolean | bigint | number, readonly [Value, Value]>

  constructor(entries: readonly (readonly [Value, Value])[], struct?: string) {
    this.entries = new Map(entries.map((entry) => [keyOf(entry[0]), entry]))
    this.struct = struct
  }

  get size(): number {
    return this.entries.size
  }

  get(key: Value): Value | undefined {
    return this.entries.get(keyOf(key))?.[1]
  }

  keys(): readonly Value[] {
    return [...this.entries.values()].map(([key]) => key)
  }

  list(): readonly (readonly [Value, Value])[] {
    return [...this.entries.values()]
  }
}

/** Numbers are the same key whichever type they have. */
export function keyOf(key: Value): string | boolean | bigint | number {
  if (key instanceof Uint) return key.value
  if (typeof key === 'number' && Number.isInteger(key)) return BigInt(key)
  if (typeof key === 'string' || typeof key === 'boolean' || typeof key === 'bigint' || typeof key === 'number')
    return key
  throw new CelError('unsupported key type')
}

export function typeName(value: Value): string {
  if (value === null) return 'null_type'
  switch (typeof value) {
    case 'string':
      return 'string'
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'double'
    default:
  }
  if (value instanceof Uint) return 'uint'
  if (value instanceof Uint8Array) return 'bytes'
  if (value instanceof List) return 'list'
  if (value instanceof Timestamp) return 'google.protobuf.Timestamp'
  if (value instanceof Duration) return 'google.protobuf.Duration'
  if (value instanceof Optional) return 'optional_type'
  if (value instanceof TypeValue) return 'type'
  return isOpaque(value) ? value.opaque : (value.struct ?? 'map')
}

/** The number of code points. */
export function textSize(text: string): number {
  let size = text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code >= 0xd800 && code < 0xdc00) size--
  }
  return size
}

/** What a value counts for in costs: the size of what has one, else 1. */
export function sizeOf(value: Value): number {
  if (typeof value === 'string') return textSize(value)
  if (value instanceof Uint8Array) return value.length
  if (value instanceof List) return value.items.length
  if (value instanceof Optional) return value.value === undefined ? 1 : sizeOf(value.value)
  if (isMap(value)) return value.struct === undefined ? value.size : 1
  return isOpaque(value) ? (value.size ?? 1) : 1
}

export function equals(a: Value, b: Value): boolean {
  if (a === b) return true
  if (isNumber(a) && isNumber(b)) return compareNumbers(a, b) === 0
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a instanceof Uint8Array) return b instanceof Uint8Array && Buffer.compare(a, b) === 0
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos
  if (a instanceof TypeValue) return b instanceof TypeValue && a.type.name === b.type.name
  if (a instanceof List) return b instanceof List && sameLists(a, b)
  if (a instanceof Optional) {
    if (!(b instanceof Optional)) return false
    if (a.value === undefined || b.value === undefined) return a.value === b.value
    return equals(a.value, b.value)
  }
  if (isMap(a)) return isMap(b) && sameMaps(a, b)
  if (isOpaque(a)) return isOpaque(b) && a.opaque === b.opaque && a.equals(b)
  return false
}

function sameLists(a: List, b: List): boolean {
  if (a.items.length !== b.items.length) return false
  if (a.kind === 'atomic') return a.items.every((item, i) => equals(item, b.items[i] ?? null))
  const find = a.kind === 'set' ? equals : (one: Value, other: Value) => sameKeys(one, other, a.keys)
  return a.items.every((item) => b.items.some((other) => find(item, other) && equals(item, other)))
}

export function sameKeys(a: Value, b: Value, keys: readonly string[]): boolean {
  if (!isMap(a) || !isMap(b)) return equals(a, b)
  return keys.every((key) => equals(a.get(key) ?? null, b.get(key) ?? null))
}

function sameMaps(a: MapValue, b: MapValue): boolean {
  if (a.size !== b.size) return false
  return a.keys().every((key) => {
    const other = b.get(key)
    return other !== undefined && equals(a.get(key) ?? null, other)
  })
}

export function isNumber(value: Value): value is number | bigint | Uint {
  return typeof value === 'number' || typeof value === 'bigint' || value instanceof Uint
}

/** undefined: not comparable (NaN). */
export function compareNumbers(a: number | bigint | Uint, b: number | bigint | Uint): number | undefined {
  const left = a instanceof Uint ? a.value : a
  const right = b instanceof Uint ? b.value : b
  if (left < right) return -1
  if (left > right) return 1
  // biome-ignore lint/suspicious/noDoubleEquals: numbers of two types
  return left == right ? 0 : undefined
}
