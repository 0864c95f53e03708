/** Types as values: `type(x)`, and the names that stand for types. */
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  listOf,
  mapOf,
  NULL,
  opaque,
  optionalOf,
  STRING,
  structOf,
  TIMESTAMP,
  TYPE,
  type Type,
  UINT
} from './type.ts'
import { Duration, isOpaque, List, Optional, Timestamp, TypeValue, Uint, type Value } from './value.ts'

export function typeOfValue(value: Value): Type {
  switch (typeof value) {
    case 'string':
      return STRING
    case 'boolean':
      return BOOL
    case 'bigint':
      return INT
    case 'number':
      return DOUBLE
    default:
  }
  if (value === null) return NULL
  if (value instanceof Uint) return UINT
  if (value instanceof Uint8Array) return BYTES
  if (value instanceof List) return listOf(DYN)
  if (value instanceof Timestamp) return TIMESTAMP
  if (value instanceof Duration) return DURATION
  if (value instanceof Optional) return optionalOf(DYN)
  if (value instanceof TypeValue) return TYPE
  if (isOpaque(value)) return opaque(value.opaque)
  return value.struct === undefined ? mapOf(DYN, DYN) : structOf(value.struct, () => undefined)
}

const NAMED: Readonly<Record<string, Type>> = {
  bool: BOOL,
  bytes: BYTES,
  double: DOUBLE,
  'google.protobuf.Duration': DURATION,
  int: INT,
  list: listOf(DYN),
  map: mapOf(DYN, DYN),
  null_type: NULL,
  string: STRING,
  'google.protobuf.Timestamp': TIMESTAMP,
  type: TYPE,
  uint: UINT,
  optional_type: optionalOf(DYN)
}

export function namedType(name: string): Type | undefined {
  return Object.hasOwn(NAMED, name) ? NAMED[name] : undefined
}
