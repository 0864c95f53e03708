/**
 * Prints `descriptions.json`: what each schema of schemas.json and each of its fields is for, as a real API server
 * publishes it and `kubectl explain` shows it: {SCHEMA: {"": its own, FIELD: ...}}, as JSON packed with brotli in base64.
 *   NODE_TLS_REJECT_UNAUTHORIZED=0 node core/kinds/generate-descriptions.ts https://HOST:PORT TOKEN > core/kinds/descriptions.json
 */
import { brotliCompressSync } from 'node:zlib'
import schemas from './schemas.json' with { type: 'json' }

interface Described {
  readonly description?: string
  readonly properties?: Readonly<Record<string, { readonly description?: string }>>
}

const [server = '', token = ''] = process.argv.slice(2)

async function get<T>(path: string): Promise<T> {
  const response = await fetch(server + path, { headers: { authorization: `Bearer ${token}` } })
  return (await response.json()) as T
}

const found: Record<string, Record<string, string>> = {}
const { paths } = await get<{ paths: Record<string, { serverRelativeURL: string }> }>('/openapi/v3')
for (const { serverRelativeURL } of Object.values(paths)) {
  const { components } = await get<{ components?: { schemas?: Record<string, Described> } }>(serverRelativeURL)
  for (const [name, schema] of Object.entries(components?.schemas ?? {})) {
    if (!Object.hasOwn(schemas, name)) continue
    const texts: Record<string, string> = {}
    if (schema.description !== undefined) texts[''] = schema.description
    for (const [field, { description }] of Object.entries(schema.properties ?? {})) {
      if (description !== undefined) texts[field] = description
    }
    found[name] = texts
  }
}
const sorted = Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)))
process.stdout.write(`${JSON.stringify({ brotli: brotliCompressSync(JSON.stringify(sorted)).toString('base64') })}\n`)
