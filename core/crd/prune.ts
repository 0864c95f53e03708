/** What a schema leaves of a JSON value, and what it adds: pruning, defaults, nulls. `value` is private and changed. */
import { copyJson, isObject, type JsonObject, setOwn } from '../json.ts'
import { additionalSchema, type JsonSchema, propertySchema } from './schema.ts'

const META_FIELDS = new Set(['apiVersion', 'kind', 'metadata'])
/** Deeper JSON is refused long before. */
const MOST_DEPTH = 1000

/**
 * Removes fields that the schema does not have. `root`: of an object itself, whose type and metadata always stay.
 * Returns their paths: "spec.extra", "spec.list[0].extra".
 */
export function prune(value: unknown, schema: JsonSchema, root: boolean): string[] {
  const removed: string[] = []
  pruneAt(value, { schema, root, path: '', removed })
  return removed
}

interface At {
  readonly schema: JsonSchema | undefined
  readonly root: boolean
  readonly path: string
  readonly removed: string[]
}

const join = (path: string, name: string) => (path === '' ? name : `${path}.${name}`)

function pruneAt(value: unknown, { schema, root, path, removed }: At): void {
  const keeps = schema?.['x-kubernetes-preserve-unknown-fields'] === true
  if (Array.isArray(value)) {
    value.forEach((item, i) => {
      const items = schema?.items
      if (items === undefined && keeps) return
      pruneAt(item, { ...inner(items), path: `${path}[${i}]`, removed })
    })
    return
  }
  if (!isObject(value) || schema === undefined) {
    if (isObject(value) && schema === undefined) removeAll(value, path, removed)
    return
  }
  const isResource = root || schema['x-kubernetes-embedded-resource'] === true
  const additional = additionalSchema(schema)
  for (const name of Object.keys(value)) {
    if (isResource && META_FIELDS.has(name)) continue
    const property = propertySchema(schema, name) ?? additional
    if (property !== undefined) pruneAt(value[name], { ...inner(property), path: join(path, name), removed })
    else if (schema.additionalProperties !== true && !keeps) {
      delete value[name]
      removed.push(join(path, name))
    }
  }
}

function inner(schema: JsonSchema | undefined): Pick<At, 'schema' | 'root'> {
  return { schema, root: false }
}

function removeAll(value: JsonObject, path: string, removed: string[]): void {
  for (const name of Object.keys(value)) {
    delete value[name]
    removed.push(join(path, name))
  }
}

/** A null where the schema allows none is as good as nothing: it goes, or its default takes its place. */
export function dropNulls(value: unknown, schema: JsonSchema | undefined): void {
  if (schema === undefined) return
  if (Array.isArray(value)) {
    for (const item of value) dropNulls(item, schema.items)
    return
  }
  if (!isObject(value)) return
  const additional = additionalSchema(schema)
  for (const name of Object.keys(value)) {
    const of = propertySchema(schema, name) ?? additional
    if (of === undefined) continue
    if (value[name] !== null) dropNulls(value[name], of)
    else if (of.nullable !== true) delete value[name]
  }
}

export function addDefaults(value: unknown, schema: JsonSchema | undefined): void {
  if (schema === undefined) return
  if (Array.isArray(value)) {
    const { items } = schema
    value.forEach((item, i) => {
      if (item === null && items?.nullable !== true && items?.default !== undefined) value[i] = copy(items.default)
      addDefaults(value[i], items)
    })
    return
  }
  if (!isObject(value)) return
  for (const name of Object.keys(schema.properties ?? {})) {
    const property = propertySchema(schema, name)
    if (property?.default === undefined) continue
    const present = Object.hasOwn(value, name) ? value[name] : undefined
    if (present === undefined || (present === null && property.nullable !== true))
      setOwn(value, name, copy(property.default))
  }
  const additional = additionalSchema(schema)
  for (const name of Object.keys(value)) addDefaults(value[name], propertySchema(schema, name) ?? additional)
}

const copy = (value: unknown) => copyJson(value, MOST_DEPTH)
