/**
 * Prints `types.ts`: one TypeScript interface for each schema of schemas.json.
 * Run: node core/kinds/generate-types.ts > core/kinds/types.ts
 */
import schemas from './schemas.json' with { type: 'json' }

interface Schema {
  $ref?: string
  type?: string
  format?: string
  enum?: string[]
  items?: Schema
  additionalProperties?: Schema
  properties?: Record<string, Schema>
  required?: string[]
  oneOf?: Schema[]
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[]
}

const all = schemas as unknown as Record<string, Schema>
const names = nameSchemas(Object.keys(all))

/** The last part of a schema's name; where two groups share it, the name of the group (and version) before it. */
function nameSchemas(keys: string[]): Map<string, string> {
  const short = (key: string) => key.split('.').at(-1) ?? key
  const capital = (word: string) => word.charAt(0).toUpperCase() + word.slice(1)
  const users = Map.groupBy(keys, short)
  return new Map(
    keys.map((key) => {
      const name = short(key)
      const rivals = users.get(name) ?? []
      if (rivals.length === 1 || key.includes('.api.core.v1.') || key.includes('.meta.v1.')) return [key, name]
      const [group = '', version = ''] = key.split('.').slice(-3)
      const sameGroup = rivals.filter((rival) => rival.split('.').at(-3) === group).length > 1
      return [key, capital(group) + (sameGroup ? capital(version) : '') + name]
    })
  )
}

function typeOf(schema: Schema, owner: string): string {
  if (schema.$ref !== undefined) return names.get(schema.$ref) ?? 'unknown'
  if (schema.oneOf !== undefined) return [...new Set(schema.oneOf.map((one) => typeOf(one, owner)))].join(' | ')
  switch (schema.type) {
    case 'string':
      return 'string'
    case 'integer':
    case 'number':
      return 'number'
    case 'boolean':
      return 'boolean'
    case 'array':
      return `Array<${typeOf(schema.items ?? {}, owner)}>`
    case 'object':
      return schema.additionalProperties !== undefined
        ? `Record<string, ${typeOf(schema.additionalProperties, owner)}>`
        : 'Record<string, unknown>'
    default:
      return 'unknown'
  }
}

function declaration(key: string, schema: Schema): string {
  const name = names.get(key) ?? key
  if (schema.properties === undefined) return `export type ${name} = ${typeOf(schema, key)}\n`
  const object = schema['x-kubernetes-group-version-kind'] !== undefined
  const required = new Set([...(schema.required ?? []), ...(object ? ['metadata'] : [])])
  const fields = Object.entries(schema.properties).map(
    ([field, type]) =>
      `  ${/^[A-Za-z_$][\w$]*$/.test(field) ? field : JSON.stringify(field)}${required.has(field) ? '' : '?'}: ${typeOf(type, key)}${required.has(field) ? '' : ' | undefined'}`
  )
  return `export interface ${name} {\n${fields.join('\n')}\n}\n`
}

const header = '// Generated from schemas.json by generate-types.ts. Do not edit.\n\n'
process.stdout.write(
  header +
    Object.entries(all)
      .map(([key, schema]) => declaration(key, schema))
      .join('\n')
)
