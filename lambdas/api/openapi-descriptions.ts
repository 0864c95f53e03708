/** What schemas and fields are for, as `kubectl explain` shows it. Unpacked while documents are made, and let go. */
import { brotliDecompressSync } from 'node:zlib'
import packed from '../../core/kinds/descriptions.json' with { type: 'json' }
import type { Json } from './openapi-paths.ts'

/** By schema, then by field; '' is the schema's own. */
type Descriptions = Readonly<Record<string, Readonly<Record<string, string>>>>

let unpacked: WeakRef<Descriptions> | undefined

function descriptions(): Descriptions {
  const known = unpacked?.deref()
  if (known !== undefined) return known
  const text = brotliDecompressSync(Buffer.from(packed.brotli, 'base64')).toString('utf8')
  const all = JSON.parse(text) as Descriptions
  unpacked = new WeakRef(all)
  return all
}

/** The published schema with its words. A reference with a description is wrapped: nothing may stand beside it. */
export function described(name: string, schema: Json): Json {
  const all = descriptions()
  const texts = Object.hasOwn(all, name) ? all[name] : undefined
  if (texts === undefined) return schema
  const { '': own, ...fields } = texts
  const properties = { ...(schema.properties as Readonly<Record<string, Json>> | undefined) }
  for (const [field, description] of Object.entries(fields)) {
    const property = Object.hasOwn(properties, field) ? properties[field] : undefined
    if (property === undefined) continue
    const { $ref, ...rest } = property
    properties[field] = $ref === undefined ? { description, ...rest } : { description, allOf: [{ $ref }] }
  }
  return {
    ...(own === undefined ? {} : { description: own }),
    ...schema,
    ...(schema.properties === undefined ? {} : { properties })
  }
}
