/**
 * Schemas as structured merging sees them: which lists are merged by keys or as sets and which are one value, which
 * maps are granular. Compiled once for each schema, field by field when first looked at. The rules are those of
 * k8s.io/kube-openapi/pkg/schemaconv.
 */
import { type Schema, schemaOf } from '../kinds/schemas.ts'
import { isAlwaysPrinted, isStructByValue } from './value-structs.ts'

export type Scalar = 'numeric' | 'string' | 'boolean' | 'untyped'

/** What a value may be: one of the three, or, without a type in the schema, whatever it is. */
export interface Type {
  readonly scalar: Scalar | undefined
  readonly list: ListType | undefined
  readonly map: MapType | undefined
}

export interface ListType {
  /** `set`: elements are told apart by their value; `map`: by `keys`. */
  readonly relationship: 'atomic' | 'set' | 'map'
  readonly keys: readonly string[]
  readonly element: Field
}

export interface MapType {
  readonly atomic: boolean
  /** The declared fields; undefined for a name that is none. */
  field(name: string): Field | undefined
  /** Of names that are not declared; undefined where there may be none. */
  readonly element: Field | undefined
  /** Fields that a Go struct always has: a struct by value, a zero, null. Empty where no Go type stands behind. */
  readonly implied: ReadonlyMap<string, unknown>
}

type Extensions = Schema & {
  readonly default?: unknown
  readonly oneOf?: unknown
  readonly 'x-kubernetes-list-type'?: string
  readonly 'x-kubernetes-list-map-keys'?: readonly string[]
  readonly 'x-kubernetes-map-type'?: string
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean
}

/** A place for a value: its type is compiled when first asked for, since schemas contain themselves. */
export class Field {
  readonly default: unknown
  private readonly make: () => Type
  private made: Type | undefined

  constructor(make: () => Type, value?: unknown) {
    this.make = make
    this.default = value
  }

  get type(): Type {
    this.made ??= this.make()
    return this.made
  }
}

const NOTHING: ReadonlyMap<string, unknown> = new Map()
const SCALAR = (scalar: Scalar): Type => ({ scalar, list: undefined, map: undefined })
const UNTYPED_SCALAR = SCALAR('untyped')

const openMap = (atomic: boolean, element: Field): MapType => ({
  atomic,
  field: () => undefined,
  element,
  implied: NOTHING
})
/** Any value, as one. */
const ATOMIC: Type = {
  scalar: 'untyped',
  list: { relationship: 'atomic', keys: [], element: new Field(() => ATOMIC) },
  map: openMap(true, new Field(() => ATOMIC))
}
/** Any value: maps are granular, lists one value. */
export const DEDUCED: Type = {
  scalar: 'untyped',
  list: { relationship: 'atomic', keys: [], element: new Field(() => ATOMIC) },
  map: openMap(false, new Field(() => DEDUCED))
}
const DEDUCED_FIELD = new Field(() => DEDUCED)

const META = 'io.k8s.apimachinery.pkg.'
const SPECIAL: Readonly<Record<string, Type>> = {
  [`${META}api.resource.Quantity`]: UNTYPED_SCALAR,
  [`${META}runtime.RawExtension`]: ATOMIC
}
const OBJECT_META = `${META}apis.meta.v1.ObjectMeta`

const named = new Map<string, Type>()
const inline = new WeakMap<object, Type>()

/** The type of a schema of schemas.json by its name. */
export function namedType(name: string): Type {
  const known = named.get(name)
  if (known !== undefined) return known
  const type = Object.hasOwn(SPECIAL, name) ? (SPECIAL[name] as Type) : compile(schemaOf(name), name)
  named.set(name, type)
  return type
}

/** The type of a schema that stands nowhere: a custom resource's. Its metadata is ObjectMeta, whatever it says. */
export function objectType(schema: Schema): Type {
  const known = inline.get(schema)
  if (known !== undefined) return known
  const text: Schema = { type: 'string' }
  const properties = {
    ...schema.properties,
    apiVersion: text,
    kind: text,
    metadata: { $ref: OBJECT_META }
  }
  const type = compile({ ...schema, type: 'object', properties }, undefined)
  inline.set(schema, type)
  return type
}

/** What Go's zero value of the type prints, as far as structured merging sees it: what a creation is compared with. */
export function zeroOf(type: Type): unknown {
  if (type.map === undefined) return {}
  return Object.fromEntries(type.map.implied)
}

function typeOf(schema: Extensions): Type {
  if (schema.$ref === undefined) return compile(schema, undefined)
  const type = namedType(schema.$ref)
  const relationship = schema['x-kubernetes-map-type']
  if (relationship === undefined || type.map === undefined) return type
  return { ...type, map: { ...type.map, atomic: relationship === 'atomic' } }
}

function compile(schema: Extensions, struct: string | undefined): Type {
  switch (schema.type) {
    case undefined:
      return { scalar: 'untyped', list: listType(schema), map: mapType(schema, struct) }
    case 'object':
      return { scalar: undefined, list: undefined, map: mapType(schema, struct) }
    case 'array':
      return { scalar: undefined, list: listType(schema), map: undefined }
    case 'string':
      return SCALAR(schema.format === undefined || schema.format === 'byte' ? 'string' : 'untyped')
    case 'boolean':
      return SCALAR('boolean')
    default:
      return SCALAR('numeric')
  }
}

function listType(schema: Extensions): ListType {
  const { items } = schema
  const element = items === undefined ? new Field(() => ATOMIC) : new Field(() => typeOf(items))
  const given = schema['x-kubernetes-list-type']
  if (given === 'set') return { relationship: 'set', keys: [], element }
  if (given === 'map') return { relationship: 'map', keys: schema['x-kubernetes-list-map-keys'] ?? [], element }
  const merges = schema['x-kubernetes-patch-strategy']?.startsWith('merge') === true
  if (given !== undefined || !merges) return { relationship: 'atomic', keys: [], element }
  const key = schema['x-kubernetes-patch-merge-key']
  return key === undefined ? { relationship: 'set', keys: [], element } : { relationship: 'map', keys: [key], element }
}

function mapType(schema: Extensions, struct: string | undefined): MapType {
  const properties = schema.properties ?? {}
  const fields = new Map<string, Field>()
  const needed = new Set(schema.required)
  let implied: ReadonlyMap<string, unknown> | undefined
  return {
    atomic: schema['x-kubernetes-map-type'] === 'atomic',
    field: (name) => {
      const known = fields.get(name)
      if (known !== undefined) return known
      const property = Object.hasOwn(properties, name) ? (properties[name] as Extensions) : undefined
      if (property === undefined) return undefined
      const field = new Field(() => typeOf(property), property.default ?? defaultOf(property, struct, needed.has(name)))
      fields.set(name, field)
      return field
    },
    element: elementOf(schema),
    get implied() {
      implied ??= struct === undefined ? NOTHING : impliedFields(schema, struct)
      return implied
    }
  }
}

function elementOf(schema: Extensions): Field | undefined {
  const values = schema.additionalProperties as Schema | boolean | undefined
  if (values === true) return DEDUCED_FIELD
  if (values !== undefined && values !== false) return new Field(() => typeOf(values))
  if (values === false) return undefined
  const open = schema['x-kubernetes-preserve-unknown-fields'] === true || schema.properties === undefined
  return open ? DEDUCED_FIELD : undefined
}

/** The published default of a Go scalar without omitempty is its zero: it stands for a missing key of a list. */
function defaultOf(property: Schema, struct: string | undefined, needed: boolean): unknown {
  if (struct === undefined) return undefined
  if (!needed && !struct.endsWith('.LocalObjectReference')) return undefined
  switch (property.type) {
    case 'string':
      return ''
    case 'boolean':
      return false
    case 'integer':
    case 'number':
      return 0
    default:
      return undefined
  }
}

function impliedFields(schema: Schema, struct: string): ReadonlyMap<string, unknown> {
  const implied = new Map<string, unknown>()
  const required = new Set(schema.required)
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const value = impliedValue(property, {
      struct,
      name,
      required: required.has(name) || isAlwaysPrinted(struct, name)
    })
    if (value !== undefined) implied.set(name, value)
  }
  return implied
}

function impliedValue(
  property: Schema,
  { struct, name, required }: { struct: string; name: string; required: boolean }
): unknown {
  const ref = property.$ref
  if (ref !== undefined) {
    const isStruct = schemaOf(ref).properties !== undefined
    if (isStruct && isStructByValue(struct, name)) return zeroOf(namedType(ref))
    return required && (isStruct || ref.endsWith('Time')) ? null : undefined
  }
  if (!required) return undefined
  switch (property.type) {
    case 'string':
      return property.format === 'byte' ? null : ''
    case 'boolean':
      return false
    case 'integer':
    case 'number':
      return 0
    default:
      return null
  }
}
