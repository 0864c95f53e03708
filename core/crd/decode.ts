/** From JSON to a custom resource: metadata as every object's, unknown fields gone, defaults in. */
import { ApiError } from '../errors.ts'
import { goJson } from '../go-text.ts'
import { copyJson, isObject, type JsonObject, setOwn } from '../json.ts'
import type { KubeObject } from '../object.ts'
import { decodeSchema, newState } from '../schema-decode.ts'
import { addDefaults, dropNulls, prune } from './prune.ts'
import { additionalSchema, type JsonSchema, propertySchema } from './schema.ts'

const OBJECT_META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'
const MOST_DEPTH = 1000

export interface DecodedResource {
  readonly object: KubeObject
  readonly unknown: readonly string[]
}

/** Throws ApiError BadRequest with the bare text of what is wrong. */
export function decodeResource(schema: JsonSchema, value: unknown): DecodedResource {
  if (!isObject(value))
    throw new ApiError('BadRequest', 'json: cannot unmarshal into Go value of type map[string]interface {}')
  const { metadata, unknown } = decodeMetadata(value.metadata, '')
  const object: KubeObject = { metadata: metadata as KubeObject['metadata'] }
  const rest: JsonObject = {}
  for (const name of Object.keys(value)) {
    if (name === 'metadata') continue
    setOwn(rest, name, copy(value[name]))
  }
  const removed = prune(rest, schema, true)
  dropNulls(rest, schema)
  addDefaults(rest, schema)
  const strange = coerceEmbedded(rest, { schema, path: '', root: true })
  const { kind, apiVersion, ...fields } = rest
  return {
    object: {
      ...(kind === undefined ? {} : { kind: kind as string }),
      ...(apiVersion === undefined ? {} : { apiVersion: apiVersion as string }),
      metadata: object.metadata,
      ...fields
    },
    unknown: [...unknown, ...removed, ...strange].sort()
  }
}

function copy(value: unknown): unknown {
  try {
    return copyJson(value, MOST_DEPTH)
  } catch (error) {
    if (error instanceof RangeError) throw new ApiError('BadRequest', 'exceeded max depth')
    throw error
  }
}

/** `path`: of the object that it belongs to; "" for the outermost. */
function decodeMetadata(value: unknown, path: string): { metadata: JsonObject; unknown: readonly string[] } {
  const state = newState()
  const given = value === undefined || value === null ? {} : value
  const metadata = decodeSchema(OBJECT_META, given, state)
  const prefix = path === '' ? 'metadata' : `${path}.metadata`
  return { metadata, unknown: state.unknown.map((name) => `${prefix}.${name}`) }
}

function embeddedMetadata(value: JsonObject, path: string): ReturnType<typeof decodeMetadata> {
  try {
    return decodeMetadata(value, path)
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    throw new ApiError('BadRequest', `${path}.metadata: Invalid value: ${goJson(value)}: ${error.message}`)
  }
}

interface At {
  readonly schema: JsonSchema | undefined
  readonly path: string
  readonly root: boolean
}

/** Objects within objects have metadata too; what is none of it goes, and its paths are returned. */
function coerceEmbedded(value: unknown, { schema, path, root }: At): readonly string[] {
  if (schema === undefined || value === null || typeof value !== 'object') return []
  if (Array.isArray(value))
    return value.flatMap((item, i) =>
      coerceEmbedded(item, { schema: schema.items, path: `${path}[${i}]`, root: false })
    )
  const object = value as JsonObject
  const unknown: string[] = []
  if (!root && schema['x-kubernetes-embedded-resource'] === true && isObject(object.metadata)) {
    const decoded = embeddedMetadata(object.metadata, path)
    object.metadata = decoded.metadata
    unknown.push(...decoded.unknown)
  }
  const additional = additionalSchema(schema)
  for (const name of Object.keys(object)) {
    const of = propertySchema(schema, name) ?? additional
    unknown.push(
      ...coerceEmbedded(object[name], { schema: of, path: path === '' ? name : `${path}.${name}`, root: false })
    )
  }
  return unknown
}
