/**
 * Schemas compiled into functions that read a JSON value as Kubernetes' Go decoder reads it into its types, and give
 * back what its encoder would print: a private copy without unknown and empty fields, quantities and times canonical.
 */
import { ApiError } from './errors.ts'
import { embeddedPath, namedType } from './go-names.ts'
import { canonicalTime, type TimeFormat } from './go-time.ts'
import { copyJson, isObject, type JsonObject, setOwn } from './json.ts'
import { type Schema, schemaOf } from './kinds/schemas.ts'
import { canonicalQuantity, QUANTITY_FORMAT_ERROR } from './quantity.ts'
import { omitsZero, printedZero } from './zero-values.ts'

/** Where the walk is, for messages; one for each call of `decodeSchema`. */
export interface DecodeState {
  /** Fields, indexes, and keys of maps (marked by MAP_KEY). */
  readonly path: (string | number)[]
  /** The innermost Go struct. */
  struct: string
  /** The schema that the walk began with. */
  root: string
  /** Paths of fields that the schema does not have. */
  readonly unknown: string[]
}

/** undefined: leave the field out. */
type Decode = (value: unknown, state: DecodeState) => unknown

const MAP_KEY = '\0'
/** As many as Kubernetes reports (sigs.k8s.io/json). */
const MOST_UNKNOWN = 100
/** Of values without a schema (ControllerRevision.data); keeps our own encoder's recursion in bounds. */
const MOST_DEPTH = 1000

const compiled = new Map<string, Decode>()

/** Throws BadRequest with the bare text of Go's error. */
export function decodeSchema(schema: string, value: unknown, state: DecodeState): JsonObject {
  state.root = schema
  return structDecoder(schema)(value, state) as JsonObject
}

export function newState(): DecodeState {
  return { path: [], struct: '', root: '', unknown: [] }
}

interface Field {
  readonly decode: Decode
  /** What Go prints where the field is missing; undefined: nothing. */
  readonly zero: ((state: DecodeState) => unknown) | undefined
}

function structDecoder(name: string): Decode {
  const known = compiled.get(name)
  if (known !== undefined) return known
  const schema = schemaOf(name)
  const struct = name.slice(name.lastIndexOf('.') + 1)
  let fields: Map<string, Field> | undefined
  let zeros: [string, (state: DecodeState) => unknown][] = []
  const decode: Decode = (value, state) => {
    if (!isObject(value)) return wrongType(value, `${name.split('.').at(-2)}.${struct}`, state)
    if (fields === undefined) {
      fields = compileFields(name, schema)
      zeros = [...fields].flatMap(([key, { zero }]): typeof zeros => (zero === undefined ? [] : [[key, zero]]))
    }
    const outer = state.struct
    state.struct = struct
    const copy: JsonObject = {}
    for (const key of Object.keys(value)) {
      const field = fields.get(key)
      if (field === undefined) {
        noteUnknown(key, state)
        continue
      }
      const given = value[key]
      if (given === null || given === undefined) continue
      state.path.push(key)
      const read = field.decode(given, state)
      state.path.pop()
      if (read !== undefined) copy[key] = read
    }
    for (const [key, zero] of zeros) if (copy[key] === undefined) copy[key] = zero(state)
    state.struct = outer
    return copy
  }
  compiled.set(name, decode)
  return decode
}

function noteUnknown(key: string, state: DecodeState): void {
  if (state.unknown.length < MOST_UNKNOWN) state.unknown.push(pathText([...state.path, key]))
}

function compileFields(name: string, schema: Schema): Map<string, Field> {
  const required = new Set(schema.required)
  return new Map(
    Object.entries(schema.properties ?? {}).map(([key, property]) => {
      const read = decoder(property)
      const needed = required.has(key)
      return [
        key,
        {
          decode: needed ? read : withoutEmpty(read, name, { key, property }),
          zero: missing(name, key, { property, needed })
        }
      ]
    })
  )
}

function missing(
  struct: string,
  key: string,
  { property, needed }: { property: Schema; needed: boolean }
): Field['zero'] {
  const printed = printedZero(struct, key)
  if (printed === 'struct') {
    const read = decoder(property)
    return (state) => read({}, state)
  }
  const zero = printed === undefined ? (needed ? zeroOf(property) : undefined) : printed.value
  return zero === undefined ? undefined : () => zero
}

function zeroOf(schema: Schema): string | number | boolean | undefined {
  switch (schema.type) {
    case 'string':
      return ''
    case 'integer':
    case 'number':
      return 0
    case 'boolean':
      return false
    default:
      return undefined
  }
}

/** Lists that are refused when they are empty, and get a default when they are absent. */
const KEPT_EMPTY = new Set(['io.k8s.api.autoscaling.v2.HPAScalingRules.policies'])

/** As "omitempty" does: no empty lists and maps, and no zero scalars that are held by value. */
function withoutEmpty(read: Decode, struct: string, field: { key: string; property: Schema }): Decode {
  const { key, property } = field
  if (property.type === 'array' && !KEPT_EMPTY.has(`${struct}.${key}`))
    return (value, state) => {
      const list = read(value, state) as unknown[]
      return list.length === 0 ? undefined : list
    }
  if (property.type === 'object' && property.additionalProperties !== undefined)
    return (value, state) => {
      const map = read(value, state) as JsonObject
      for (const _ in map) return map
      return undefined
    }
  if (property.type === undefined || !omitsZero(struct, key, property.type)) return read
  return (value, state) => {
    const scalar = read(value, state)
    return scalar === '' || scalar === 0 || scalar === false ? undefined : scalar
  }
}

function decoder(schema: Schema): Decode {
  if (schema.$ref !== undefined) return referred(schema.$ref)
  switch (schema.type) {
    case 'string':
      return schema.format === 'byte' ? bytes : string
    case 'integer':
      return schema.format === 'int64' ? int64 : int32
    case 'number':
      return number
    case 'boolean':
      return boolean
    case 'array':
      return listDecoder(schema.items ?? {})
    case 'object':
      return schema.additionalProperties === undefined ? free : mapDecoder(schema.additionalProperties)
    default:
      return free
  }
}

const META = 'io.k8s.apimachinery.pkg.'

function referred(name: string): Decode {
  switch (name) {
    case `${META}api.resource.Quantity`:
      return quantity
    case `${META}util.intstr.IntOrString`:
      return intOrString
    case `${META}apis.meta.v1.Time`:
      return timeDecoder('Time')
    case `${META}apis.meta.v1.MicroTime`:
      return timeDecoder('MicroTime')
    case `${META}apis.meta.v1.FieldsV1`:
      return shared
    default:
      return schemaOf(name).properties === undefined ? decoder(schemaOf(name)) : structDecoder(name)
  }
}

function listDecoder(items: Schema): Decode {
  const read = decoder(items)
  const type = goType({ type: 'array', items })
  const empty = emptyElement(items)
  return (value, state) => {
    if (!Array.isArray(value)) return wrongType(value, type, state)
    const list: unknown[] = []
    for (let i = 0; i < value.length; i++) {
      state.path.push(i)
      list.push(read(value[i] ?? empty, state))
      state.path.pop()
    }
    return list
  }
}

function mapDecoder(values: Schema): Decode {
  const read = decoder(values)
  const type = goType({ type: 'object', additionalProperties: values })
  const empty = emptyElement(values)
  return (value, state) => {
    if (!isObject(value)) return wrongType(value, type, state)
    const map: JsonObject = {}
    for (const key of Object.keys(value)) {
      state.path.push(MAP_KEY + key)
      setOwn(map, key, read(value[key] ?? empty, state))
      state.path.pop()
    }
    return map
  }
}

/** What null stands for as an element: Go leaves the element's zero value there. */
function emptyElement(schema: Schema): unknown {
  const zero = zeroOf(schema)
  if (zero !== undefined) return zero
  if (schema.type === 'array') return []
  return schema.$ref?.endsWith('Quantity') || schema.$ref?.endsWith('IntOrString') ? 0 : {}
}

const string: Decode = (value, state) => (typeof value === 'string' ? value : wrongType(value, 'string', state))

const boolean: Decode = (value, state) => (typeof value === 'boolean' ? value : wrongType(value, 'bool', state))

const number: Decode = (value, state) => (typeof value === 'number' ? value : wrongType(value, 'float64', state))

const int32: Decode = (value, state) =>
  typeof value === 'number' && (value | 0) === value ? value : wrongType(value, 'int32', state)

const int64: Decode = (value, state) =>
  Number.isInteger(value) && Math.abs(value as number) <= 2 ** 63 ? value : wrongType(value, 'int64', state)

const intOrString: Decode = (value, state) => (typeof value === 'string' ? value : int32(value, state))

const quantity: Decode = (value) => {
  if (typeof value === 'string' || typeof value === 'number') return canonicalQuantity(value)
  throw new ApiError('BadRequest', QUANTITY_FORMAT_ERROR)
}

function timeDecoder(format: TimeFormat): Decode {
  return (value, state) => {
    if (typeof value !== 'string') return wrongType(value, 'string', state)
    const time = canonicalTime(value, format)
    if ('error' in time) throw new ApiError('BadRequest', time.error)
    return time.text
  }
}

const CANONICAL_BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$/

const bytes: Decode = (value, state) => {
  if (typeof value !== 'string') return wrongType(value, '[]uint8', state)
  if (CANONICAL_BASE64.test(value)) return value
  const wrong = wrongBase64(value)
  if (wrong !== undefined) throw new ApiError('BadRequest', `illegal base64 data at input byte ${wrong}`)
  return Buffer.from(value, 'base64').toString('base64')
}

/** Where Go's decoder stops; line ends are skipped, as Go does. */
function wrongBase64(text: string): number | undefined {
  const stray = text.search(/[^A-Za-z0-9+/=\r\n]/)
  const padding = text.indexOf('=')
  const end = padding < 0 ? text.length : padding
  if (stray >= 0 && stray < end) return stray
  const data = text.slice(0, end).replace(/[\r\n]/g, '').length
  const rest = text.slice(end).replace(/[\r\n]/g, '')
  if (data % 4 === 0 && rest === '') return undefined
  if (data % 4 >= 2 && rest === '='.repeat(4 - (data % 4))) return undefined
  if (rest === '') return end - (data % 4)
  return data % 4 < 2 ? end : text.length
}

/** Sets of fields are large, and nobody ever changes one: they need no copy. */
const shared: Decode = (value, state) => (isObject(value) ? value : wrongType(value, 'map[string]interface {}', state))

const free: Decode = (value) => {
  try {
    return copyJson(value, MOST_DEPTH)
  } catch (error) {
    if (error instanceof RangeError) throw new ApiError('BadRequest', 'exceeded max depth')
    throw error
  }
}

function wrongType(value: unknown, type: string, state: DecodeState): never {
  const what = Array.isArray(value) ? 'array' : value === null ? 'null' : jsonType(value)
  const shown = typeof value === 'number' && /^u?int/.test(type) ? `number ${value}` : what
  const fields = state.path.filter((part) => typeof part === 'string' && !part.startsWith(MAP_KEY)) as string[]
  const path = embeddedPath(state.root, fields).join('.')
  const where = fields.length === 0 ? 'Go value' : `Go struct field ${state.struct}.${path}`
  const named = namedType(state.struct, fields.at(-1) ?? '', type)
  throw new ApiError('BadRequest', `json: cannot unmarshal ${shown} into ${where} of type ${named}`)
}

function jsonType(value: unknown): string {
  return typeof value === 'boolean' ? 'bool' : typeof value
}

/** "v1.PodSpec", "[]string", "map[string]string": the package of an API type is its version. */
function goType(schema: Schema): string {
  const name = schema.$ref
  if (name !== undefined) {
    const [version = '', type = ''] = name.split('.').slice(-2)
    return `${version}.${type}`
  }
  switch (schema.type) {
    case 'array':
      return `[]${goType(schema.items ?? {})}`
    case 'object':
      if (schema.additionalProperties?.$ref?.endsWith('.Quantity')) return 'v1.ResourceList'
      return schema.additionalProperties === undefined
        ? 'map[string]interface {}'
        : `map[string]${goType(schema.additionalProperties)}`
    case 'integer':
      return schema.format ?? 'int64'
    case 'number':
      return 'float64'
    case 'boolean':
      return 'bool'
    case 'string':
      return schema.format === 'byte' ? '[]uint8' : 'string'
    default:
      return 'interface {}'
  }
}

/** "spec.containers[0].image". */
function pathText(path: readonly (string | number)[]): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else {
      const name = part.startsWith(MAP_KEY) ? part.slice(1) : part
      text += text === '' ? name : `.${name}`
    }
  }
  return text
}
