/** Lists that are sets or maps must hold each element, or each key, once. */
import type { FieldError } from '../errors.ts'
import { duplicate, invalid } from '../field-errors.ts'
import { isObject, type JsonObject } from '../json.ts'
import { additionalSchema, type JsonSchema, propertySchema } from './schema.ts'

export function listTypeErrors(schema: JsonSchema, value: unknown, path = ''): FieldError[] {
  if (Array.isArray(value)) {
    const errors = ownErrors(schema, value, path)
    const { items } = schema
    if (items === undefined) return errors
    for (const [i, item] of value.entries()) errors.push(...listTypeErrors(items, item, `${path}[${i}]`))
    return errors
  }
  if (!isObject(value)) return []
  const additional = additionalSchema(schema)
  return Object.keys(value).flatMap((name) => {
    const declared = propertySchema(schema, name)
    const property = declared ?? additional
    if (property === undefined) return []
    const below = declared === undefined ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`
    return listTypeErrors(property, value[name], below)
  })
}

function ownErrors(schema: JsonSchema, list: readonly unknown[], path: string): FieldError[] {
  switch (schema['x-kubernetes-list-type']) {
    case 'set':
      return repeated(list).map((i) => duplicate(`${path}[${i}]`, list[i]))
    case 'map':
      return mapErrors(schema['x-kubernetes-list-map-keys'] ?? [], list, path)
    default:
      return []
  }
}

function mapErrors(keys: readonly string[], list: readonly unknown[], path: string): FieldError[] {
  const stray = list.findIndex((item) => item !== null && !isObject(item))
  if (stray >= 0) return [invalid(`${path}[${stray}]`, list[stray], 'must be an object for an array of list-type map')]
  const keysOf = (item: unknown): JsonObject => {
    const object = isObject(item) ? item : {}
    return Object.fromEntries(keys.flatMap((key) => (Object.hasOwn(object, key) ? [[key, object[key]]] : [])))
  }
  const all = list.map(keysOf)
  return repeated(all).map((i) => duplicate(`${path}[${i}]`, all[i]))
}

/** The second appearance of each value that comes more than once. */
function repeated(list: readonly unknown[]): number[] {
  const seen = new Map<string, number>()
  return list.flatMap((item, i) => {
    const text = JSON.stringify(item, sortedKeys)
    const times = (seen.get(text) ?? 0) + 1
    seen.set(text, times)
    return times === 2 ? [i] : []
  })
}

function sortedKeys(_: string, value: unknown): unknown {
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
}
