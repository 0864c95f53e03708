/** Names of Go's types and embedded structs, as messages about wrong types show them. */
import { isObject } from './json.ts'
import table from './kinds/go-names.json' with { type: 'json' }
import { type Schema, schemaOf } from './kinds/schemas.ts'

const named = new Map(Object.entries(table.named))
const embedded = new Map(Object.entries(table.embedded as Readonly<Record<string, Readonly<Record<string, string>>>>))

/** "string" is "v1.ServiceType" where the field is of that type; so are lists. */
export function namedType(struct: string, field: string, type: string): string {
  if (type !== 'string' && type !== '[]string') return type
  const name = named.get(`${struct}.${field}`)
  return name === undefined ? type : type.replace('string', name)
}

/** The fields on the way from a struct's schema, with the structs in between that are embedded. */
export function embeddedPath(root: string, fields: readonly string[]): string[] {
  let schema: Schema | undefined = { $ref: root }
  return fields.flatMap((field) => {
    const name = nameOf(schema)
    if (name === undefined) return [field]
    const inner = embedded.get(name.slice(name.lastIndexOf('.') + 1))?.[field]
    schema = schemaOf(name).properties?.[field]
    return inner === undefined ? [field] : [inner, field]
  })
}

/** The struct that the schema, or an element of it, is. */
function nameOf(schema: Schema | undefined): string | undefined {
  if (schema?.$ref !== undefined) return schema.$ref
  const inside = schema?.items ?? (isObject(schema?.additionalProperties) ? schema.additionalProperties : undefined)
  return inside === undefined ? undefined : nameOf(inside)
}
