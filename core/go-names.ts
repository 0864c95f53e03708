/** Names of Go's types and embedded structs, as messages about wrong types show them. */
import { isObject } from './json.ts'
import table from './kinds/go-names.json' with { type: 'json' }
import { type Schema, schemaOf } from './kinds/schemas.ts'

const named = new Map(Object.entries(table.named))
const embedded = new Map(Object.entries(table.embedded as Readonly<Record<string, Readonly<Record<string, string>>>>))

/** "string" is "v1.ServiceType" where the field is of that type; so are lists. */
export function namedType(struct: string, field: string, type: string): string {
  if (type !== 'string' && type !== '[]string') return type
  const owner = embeddedIn(struct, field).at(-1) ?? struct
  const name = named.get(`${struct}.${field}`) ?? named.get(`${owner}.${field}`)
  return name === undefined ? type : type.replace('string', name)
}

/** The fields on the way from a struct's schema, with the structs in between that are embedded. */
export function embeddedPath(root: string, fields: readonly string[]): string[] {
  let schema: Schema | undefined = { $ref: root }
  return fields.flatMap((field) => {
    const name = nameOf(schema)
    if (name === undefined) return [field]
    const inner = embeddedIn(name.slice(name.lastIndexOf('.') + 1), field)
    schema = schemaOf(name).properties?.[field]
    return [...inner, field]
  })
}

/** The structs, one in the other, that the struct has the field from. */
function embeddedIn(struct: string, field: string): readonly string[] {
  const fields = embedded.get(struct)
  if (fields === undefined) return []
  if (Object.hasOwn(fields, field)) return [fields[field] ?? '']
  for (const inner of new Set(Object.values(fields))) {
    const deeper = embeddedIn(inner, field)
    if (deeper.length > 0) return [inner, ...deeper]
  }
  return []
}

/** The struct that the schema, or an element of it, is. */
function nameOf(schema: Schema | undefined): string | undefined {
  if (schema?.$ref !== undefined) return schema.$ref
  const inside = schema?.items ?? (isObject(schema?.additionalProperties) ? schema.additionalProperties : undefined)
  return inside === undefined ? undefined : nameOf(inside)
}
