/**
 * Schemas as CEL sees them (SchemaDeclType of k8s.io/apiserver/pkg/cel/common): a type for the checker, the largest
 * sizes for estimates, and JSON as values of it, converted where an expression looks.
 */
import type { Range } from './range.ts'
import { parseDuration, parseTimestamp } from './time-values.ts'
import {
  BOOL,
  BYTES,
  DOUBLE,
  DURATION,
  DYN,
  INT,
  listOf,
  mapOf,
  STRING,
  structOf,
  TIMESTAMP,
  type Type
} from './type.ts'
import { List, type MapValue, type Value } from './value.ts'

/** What of an OpenAPI schema concerns CEL. */
export interface CelSchema {
  readonly type?: string | undefined
  readonly format?: string | undefined
  readonly items?: CelSchema | undefined
  readonly properties?: Readonly<Record<string, CelSchema>> | undefined
  readonly additionalProperties?: CelSchema | boolean | undefined
  readonly required?: readonly string[] | undefined
  readonly default?: unknown
  readonly enum?: readonly unknown[] | undefined
  readonly maxItems?: number | undefined
  readonly maxLength?: number | undefined
  readonly maxProperties?: number | undefined
  readonly 'x-kubernetes-int-or-string'?: boolean | undefined
  readonly 'x-kubernetes-embedded-resource'?: boolean | undefined
  readonly 'x-kubernetes-list-type'?: string | undefined
  readonly 'x-kubernetes-list-map-keys'?: readonly string[] | undefined
}

export interface Declared {
  readonly type: Type
  /** The most elements or characters that a request of the largest size could hold; 0 for what has none. */
  readonly maxElements: number
  /** Bytes of its shortest JSON. */
  readonly minSize: number
  /** A list's element, or a map's value. */
  readonly element: Declared | undefined
  /** By escaped name. */
  readonly fields: ReadonlyMap<string, Declared> | undefined
  readonly list: { readonly kind: 'atomic' | 'set' | 'map'; readonly keys: readonly string[] } | undefined
}

/** Bytes (celconfig.MaxRequestSizeBytes). */
export const MAX_REQUEST_BYTES = 3 * 1024 * 1024
const LONGEST_TEXT = MAX_REQUEST_BYTES - 2
/** A moment or duration as JSON; a date. */
const LONGEST_TIME = 32
const DATE_SIZE = 12

const leaf = (type: Type, maxElements: number, minSize: number): Declared => {
  return { type, maxElements, minSize, element: undefined, fields: undefined, list: undefined }
}

const PLAIN: CelSchema = { type: 'string' }
const NAMED: CelSchema = { type: 'object', properties: { name: PLAIN, generateName: PLAIN } }

/** undefined: expressions do not see it. `root`: the top of an object, or of one that is embedded. */
export function declare(schema: CelSchema, root: boolean, name = 'object'): Declared | undefined {
  if (schema['x-kubernetes-int-or-string'] === true) {
    return leaf(DYN, schema.maxLength === undefined ? LONGEST_TEXT : Math.max(0, schema.maxLength) * 4, 1)
  }
  switch (root ? 'object' : schema.type) {
    case 'array':
      return declareList(schema, name)
    case 'object':
      return declareObject(root ? withMetadata(schema) : schema, name)
    case 'string':
      return declareText(schema)
    case 'boolean':
      return leaf(BOOL, 0, 4)
    case 'number':
      return leaf(DOUBLE, 0, 1)
    case 'integer':
      return leaf(INT, 0, 1)
    default:
      return undefined
  }
}

/** An object's apiVersion, kind and names can always be seen. */
function withMetadata(schema: CelSchema): CelSchema {
  const metadata = schema.properties?.metadata
  const properties = {
    ...schema.properties,
    kind: PLAIN,
    apiVersion: PLAIN,
    metadata: { ...NAMED, properties: { ...metadata?.properties, ...NAMED.properties } }
  }
  return { ...schema, type: 'object', properties, additionalProperties: undefined }
}

const inner = (schema: CelSchema, name: string) =>
  declare(schema, schema['x-kubernetes-embedded-resource'] === true, name)

function declareList(schema: CelSchema, name: string): Declared | undefined {
  const element = schema.items === undefined ? undefined : inner(schema.items, `${name}.@idx`)
  if (element === undefined) return undefined
  const maxElements =
    schema.maxItems === undefined
      ? Math.floor((MAX_REQUEST_BYTES - 2) / (element.minSize + 1))
      : Math.max(0, schema.maxItems)
  const given = schema['x-kubernetes-list-type']
  const kind = given === 'set' || given === 'map' ? given : 'atomic'
  const list = { kind, keys: schema['x-kubernetes-list-map-keys'] ?? [] } as const
  return { ...leaf(listOf(element.type), maxElements, 2), element, list }
}

function declareObject(schema: CelSchema, name: string): Declared | undefined {
  const { additionalProperties: values } = schema
  if (typeof values === 'object') {
    const element = inner(values, `${name}.@elem`)
    if (element === undefined) return undefined
    const maxElements =
      schema.maxProperties === undefined
        ? Math.floor((MAX_REQUEST_BYTES - 2) / (element.minSize + 6))
        : Math.max(0, schema.maxProperties)
    return { ...leaf(mapOf(STRING, element.type), maxElements, 2), element }
  }
  const fields = new Map<string, Declared>()
  let minSize = 2
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    const escaped = escapeName(key)
    const field = inner(property, `${name}.${escaped ?? key}`)
    if (field === undefined) continue
    if (escaped !== undefined) fields.set(escaped, field)
    if (schema.required?.includes(key) === true && property.default === undefined)
      minSize += Buffer.byteLength(key) + field.minSize + 4
  }
  const type = structOf(name, (field) => fieldNamed(fields, field)?.type)
  return { ...leaf(type, 0, minSize), fields }
}

function declareText(schema: CelSchema): Declared {
  const { format, maxLength } = schema
  switch (format) {
    case 'byte':
      return leaf(BYTES, maxLength === undefined ? LONGEST_TEXT : Math.max(0, maxLength), 2)
    case 'duration':
      return leaf(DURATION, LONGEST_TIME, 3)
    case 'date':
      return leaf(TIMESTAMP, DATE_SIZE, DATE_SIZE)
    case 'date-time':
      return leaf(TIMESTAMP, LONGEST_TIME, 21)
    default:
  }
  if (maxLength !== undefined) return leaf(STRING, Math.max(0, maxLength) * 4, 2)
  const { enum: values = [] } = schema
  if (values.length === 0) return leaf(STRING, LONGEST_TEXT, 2)
  return leaf(STRING, Math.max(0, ...values.map((one) => (typeof one === 'string' ? Buffer.byteLength(one) : 0))), 2)
}

/** The size of what a path from the root leads to, for estimates; the path begins with the variable's name. */
export function sizeAt(root: Declared, path: readonly string[]): Range | undefined {
  let at: Declared | undefined = root
  for (const step of path.slice(1)) {
    if (step === '@keys') return at.type.kind === 'map' ? { min: 0n, max: BigInt(LONGEST_TEXT) } : undefined
    at = step === '@items' || step === '@values' ? at.element : at.fields && fieldNamed(at.fields, step)
    if (at === undefined) return undefined
  }
  return { min: 0n, max: BigInt(at.maxElements) }
}

const RESERVED = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' '
  )
)
const ESCAPED: Readonly<Record<string, string>> = {
  __: '__underscores__',
  '.': '__dot__',
  '-': '__dash__',
  '/': '__slash__'
}

/** A field's name as expressions write it; undefined: they cannot. */
export function escapeName(name: string): string | undefined {
  if (!/^[A-Za-z_./-][\w./-]*$/.test(name)) return undefined
  if (RESERVED.has(name)) return `__${name}__`
  return name.replace(/__|[-./]/g, (found) => ESCAPED[found] ?? found)
}

/** Words that are reserved are understood as fields also without being escaped. */
function fieldNamed<T>(fields: ReadonlyMap<string, T>, name: string): T | undefined {
  return fields.get(name) ?? (RESERVED.has(name) ? fields.get(`__${name}__`) : undefined)
}

const UNESCAPED: Readonly<Record<string, string>> = { underscores: '__', dot: '.', dash: '-', slash: '/' }

export function unescapeName(name: string): string {
  const bare = /^__([a-z]+)__$/.exec(name)?.[1]
  if (bare !== undefined && RESERVED.has(bare)) return bare
  return name.replace(/__(underscores|dot|dash|slash)__/g, (_, word: string) => UNESCAPED[word] ?? '')
}

/** JSON as a value. Without a declaration numbers without a fraction are ints, and objects maps. */
export function toValue(json: unknown, declared?: Declared): Value {
  switch (typeof json) {
    case 'string':
      return textValue(json, declared?.type)
    case 'boolean':
      return json
    case 'number':
      return numberValue(json, declared?.type)
    case 'object':
      break
    default:
      return null
  }
  if (json === null) return null
  if (Array.isArray(json)) {
    const { kind = 'atomic', keys = [] } = declared?.list ?? {}
    return new List(
      json.map((item) => toValue(item, declared?.element)),
      kind,
      keys
    )
  }
  return new JsonMap(json as Readonly<Record<string, unknown>>, declared)
}

function numberValue(json: number, type: Type | undefined): Value {
  if (type?.kind === 'double') return json
  return Number.isInteger(json) ? BigInt(json) : json
}

function textValue(json: string, type: Type | undefined): Value {
  switch (type?.kind) {
    case 'bytes':
      return new Uint8Array(Buffer.from(json, 'base64'))
    case 'duration':
      return parseDuration(json) ?? json
    case 'timestamp':
      return parseTimestamp(json) ?? parseTimestamp(`${json}T00:00:00Z`) ?? json
    default:
      return json
  }
}

/** A JSON object: its fields become values when they are looked at, and once. */
class JsonMap implements MapValue {
  readonly isMap = true
  readonly struct: string | undefined
  private readonly json: Readonly<Record<string, unknown>>
  private readonly declared: Declared | undefined
  private readonly made = new Map<string, Value | undefined>()

  constructor(json: Readonly<Record<string, unknown>>, declared: Declared | undefined) {
    this.json = json
    this.declared = declared
    this.struct = declared?.fields === undefined ? undefined : declared.type.name
  }

  get size(): number {
    return this.keys().length
  }

  get(key: Value): Value | undefined {
    if (typeof key !== 'string') return undefined
    const known = this.made.get(key)
    if (known !== undefined || this.made.has(key)) return known
    const value = this.read(key)
    this.made.set(key, value)
    return value
  }

  keys(): readonly Value[] {
    const names = Object.keys(this.json).filter((name) => this.json[name] !== undefined)
    if (this.declared?.fields === undefined) return names
    return names.flatMap((name) => escapeName(name) ?? [])
  }

  private read(key: string): Value | undefined {
    const { fields, element } = this.declared ?? {}
    const name = fields === undefined ? key : unescapeName(key)
    const json = Object.hasOwn(this.json, name) ? this.json[name] : undefined
    if (json === undefined) return undefined
    if (fields === undefined) return toValue(json, element)
    const field = fieldNamed(fields, key)
    return field === undefined ? undefined : toValue(json, field)
  }
}
