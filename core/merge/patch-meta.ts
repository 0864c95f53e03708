/** What strategic patches need to know of a schema, looked up once. */
import { type Schema, schemaOf } from '../kinds/schemas.ts'

export interface FieldMeta {
  readonly strategy: 'merge' | 'replace' | undefined
  /** Which field tells elements of a merged list apart; undefined for lists of scalars. */
  readonly mergeKey: string | undefined
  /** Of the field's own map, or of each element of its list. */
  readonly fields: Lookup
}

export type Lookup = (field: string) => FieldMeta

/** Values without a schema: maps are merged, lists replaced. */
const FREE: FieldMeta = { strategy: undefined, mergeKey: undefined, fields: () => FREE }

const structs = new Map<string, Lookup>()

export function structLookup(name: string): Lookup {
  const known = structs.get(name)
  if (known !== undefined) return known
  const schema = schemaOf(name)
  const fields = new Map<string, FieldMeta>()
  const lookup: Lookup = (field) => {
    const cached = fields.get(field)
    if (cached !== undefined) return cached
    const properties = schema.properties ?? {}
    const property = Object.hasOwn(properties, field) ? properties[field] : undefined
    if (property === undefined) return FREE
    const meta = metaOf(property)
    fields.set(field, meta)
    return meta
  }
  structs.set(name, lookup)
  return lookup
}

function metaOf(property: Schema): FieldMeta {
  const strategies = property['x-kubernetes-patch-strategy']?.split(',') ?? []
  return {
    strategy: strategies.includes('merge') ? 'merge' : strategies.includes('replace') ? 'replace' : undefined,
    mergeKey: property['x-kubernetes-patch-merge-key'],
    fields: lookupOf(property.type === 'array' ? (property.items ?? {}) : property)
  }
}

function lookupOf(schema: Schema): Lookup {
  if (schema.$ref !== undefined) return structLookup(schema.$ref)
  if (schema.additionalProperties === undefined) return FREE.fields
  const value = metaOf(schema.additionalProperties)
  return () => value
}
