/** From JSON to a custom resource: metadata as every object's, unknown fields gone, defaults in. */
import { ApiError } from '../errors.ts'
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
  if (!isObject(value)) throw new ApiError('BadRequest', 'json: cannot unmarshal into Go value of type map[string]interface {}')
  const { metadata, unknown } = decodeMetadata(value.metadata, 'metadata')
  const object: KubeObject = { metadata: metadata as KubeObject['metadata'] }
  const rest: JsonObject = {}
  for (const name of Object.keys(value)) {
    if (name === 'metadata') continue
    setOwn(rest, name, copy(value[name]))
  }
  const removed = prune(rest, schema, true)
  dropNulls(rest, schema)
  addDefaults(rest, schema)
  coerceEmbedded(rest, schema, true)
  const { kind, apiVersion, ...fields } = rest
  return {
    object: {
      ...(kind === undefined ? {} : { kind: kind as string }),
      ...(apiVersion === undefined ? {} : { apiVersion: apiVersion as string }),
      metadata: object.metadata,
      ...fields
    },
    unknown: [...unknown, ...removed]
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

function decodeMetadata(value: unknown, path: string): { metadata: JsonObject; unknown: readonly string[] } {
  const state = newState()
  state.path.push(path)
  const metadata = decodeSchema(OBJECT_META, isObject(value) ? value : value === undefined || value === null ? {} : value, state)
  return { metadata, unknown: state.unknown }
}

/** Objects within objects have metadata too; what is none of it goes. */
function coerceEmbedded(value: unknown, schema: JsonSchema | undefined, root: boolean): void {
  if (schema === undefined || value === null || typeof value !== 'object') return
  if (Array.isArray(value)) {
    for (const item of value) coerceEmbedded(item, schema.items, false)
    return
  }
  const object = value as JsonObject
  if (!root && schema['x-kubernetes-embedded-resource'] === true && isObject(object.metadata))
    object.metadata = decodeMetadata(object.metadata, 'metadata').metadata
  const additional = additionalSchema(schema)
  for (const name of Object.keys(object)) coerceEmbedded(object[name], propertySchema(schema, name) ?? additional, false)
}
