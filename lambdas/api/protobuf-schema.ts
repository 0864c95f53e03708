/** What Kubernetes' protobuf encoding calls things: field numbers, message names, types that are not their schemas'. */
import protobufTable from '../../core/kinds/protobuf.json' with { type: 'json' }
import schemaTable from '../../core/kinds/schemas.json' with { type: 'json' }
import { type Schema, schemaOf } from '../../core/kinds/schemas.ts'

/** A field's name by its number; an object: a message whose fields are the outer one's own. */
export interface Numbers {
  readonly [number: string]: string | Numbers
}

export interface Shape {
  readonly numbers: Numbers
  readonly properties: Readonly<Record<string, Schema>>
}

interface Typed extends Schema {
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[]
}

const NUMBERS = protobufTable as unknown as Readonly<Record<string, Numbers>>
/** "k8s" and a zero byte begin every body. */
export const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00])
export const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'
const CRD = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1'

export const VARINT = 0
export const FIXED64 = 1
export const BYTES = 2
export const FIXED32 = 5

/** Types whose message is not the one that their schema would have. */
export const SPECIAL = {
  quantity: 'io.k8s.apimachinery.pkg.api.resource.Quantity',
  intOrString: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString',
  time: `${META}.Time`,
  microTime: `${META}.MicroTime`,
  rawExtension: 'io.k8s.apimachinery.pkg.runtime.RawExtension',
  fields: `${META}.FieldsV1`,
  json: `${CRD}.JSON`,
  schemaOrBool: `${CRD}.JSONSchemaPropsOrBool`,
  schemaOrList: `${CRD}.JSONSchemaPropsOrArray`,
  schemaOrTexts: `${CRD}.JSONSchemaPropsOrStringArray`
} as const

export const SCHEMA_PROPS = `${CRD}.JSONSchemaProps`

/** Messages that no published schema describes. */
const PARTIAL: Readonly<Record<string, Shape>> = {
  PartialObjectMetadata: { numbers: { 1: 'metadata' }, properties: { metadata: { $ref: `${META}.ObjectMeta` } } },
  PartialObjectMetadataList: {
    numbers: { 1: 'metadata', 2: 'items' },
    properties: {
      metadata: { $ref: `${META}.ListMeta` },
      items: { type: 'array', items: { $ref: 'PartialObjectMetadata' } }
    }
  }
}

/** A list that is a message with the list as its only field. */
const LIST_MESSAGE: Schema = { type: 'array', format: 'message', items: { type: 'string' } }

/** The fields of a schema's message; undefined: it is no message. */
export function shapeOf(name: string): Shape | undefined {
  if (Object.hasOwn(PARTIAL, name)) return PARTIAL[name]
  const { properties } = schemaOf(name)
  if (properties === undefined) return undefined
  const numbers = NUMBERS[name] ?? {}
  return { numbers, properties: name === `${META}.APIResource` ? { ...properties, verbs: LIST_MESSAGE } : properties }
}

/** "apps/v1 Deployment" -> the schema's name; options are the same in every group. */
let names: ReadonlyMap<string, string> | undefined

/** undefined: no message of that name is known. */
export function schemaNameOf({ apiVersion, kind }: { apiVersion: string; kind: string }): string | undefined {
  names ??= new Map(
    Object.entries(schemaTable as unknown as Readonly<Record<string, Typed>>).flatMap(([name, schema]) =>
      (Object.hasOwn(NUMBERS, name) ? (schema['x-kubernetes-group-version-kind'] ?? []) : []).map(
        ({ group, version, kind: of }) => [`${group === '' ? version : `${group}/${version}`} ${of}`, name]
      )
    )
  )
  const known = names.get(`${apiVersion || 'v1'} ${kind}`)
  if (known !== undefined) return known
  if (kind === 'DeleteOptions') return `${META}.DeleteOptions`
  return apiVersion.startsWith('meta.k8s.io/') && Object.hasOwn(PARTIAL, kind) ? kind : undefined
}
