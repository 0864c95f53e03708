/**
 * /openapi/v2: all paths and definitions in one document of Swagger 2.0, translated from the documents of v3 when first
 * asked for. kubectl wants it as protobuf and reads objects' schemas from it where v3 has none (lists of any kinds).
 */
import { createHash } from 'node:crypto'
import type { ApiRequest, ApiResponse } from '../../core/http.ts'
import type { KindTable } from '../../core/kinds/table.ts'
import { documentsOf, storedPayload } from './openapi.ts'
import { type Json, REF } from './openapi-paths.ts'
import { encodeDocument } from './openapi-v2-protobuf.ts'
import { VERSION } from './paths.ts'

const PROTOBUF = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'
/** As clients wrote it before "@" was found not to be allowed there; kubectl still does. */
const OLD_PROTOBUF = PROTOBUF.replace('v2.v1', 'v2@v1')

interface Encoded {
  readonly json: Uint8Array
  readonly protobuf: Uint8Array
  readonly etag: string
}

/** Kept as bytes only, for as long as the table. */
const encoded = new WeakMap<KindTable, Encoded>()

export function openApiV2({ headers: asked }: ApiRequest, kinds: KindTable): ApiResponse {
  const type = typeOf(asked.accept)
  if (type === undefined) return { status: 406, headers: { vary: 'Accept' }, body: { text: '' } }
  const { json, protobuf, etag } = encode(kinds)
  const headers = { 'content-type': type, etag, vary: 'Accept' }
  if (asked['if-none-match'] === etag) return { status: 304, headers, body: { text: '' } }
  if (type === PROTOBUF) return { status: 200, headers, body: { payload: { value: null, bytes: () => protobuf } } }
  return { status: 200, headers, body: { payload: storedPayload(json) } }
}

function typeOf(accept = '*/*'): string | undefined {
  for (const clause of accept.split(',')) {
    const type = clause.split(';', 1)[0]?.trim()
    if (type === PROTOBUF || type === OLD_PROTOBUF) return PROTOBUF
    if (type === 'application/json' || type === 'application/*' || type === '*/*') return 'application/json'
  }
  return undefined
}

function encode(kinds: KindTable): Encoded {
  let known = encoded.get(kinds)
  if (known === undefined) {
    const document = translate(kinds)
    const json = Buffer.from(JSON.stringify(document))
    const hash = createHash('sha512').update(json).digest('hex').toUpperCase()
    known = { json, protobuf: encodeDocument(document), etag: `"${hash}"` }
    encoded.set(kinds, known)
  }
  return known
}

export function translate(kinds: KindTable): Json {
  const paths: Json = {}
  const definitions: Json = {}
  for (const document of documentsOf(kinds)) {
    const { schemas } = document.components as { schemas: Json }
    for (const [name, schema] of Object.entries(schemas)) definitions[name] ??= schemaOf(schema)
    for (const [path, item] of Object.entries(document.paths as Json)) paths[path] = itemOf(item as Json)
  }
  return {
    swagger: '2.0',
    info: { title: 'Kubernetes', version: `${VERSION.major}.${VERSION.minor}` },
    paths: sorted(paths),
    definitions: sorted(definitions),
    securityDefinitions: {
      BearerToken: {
        description: 'Bearer Token authentication',
        type: 'apiKey',
        name: 'authorization',
        in: 'header'
      }
    },
    security: [{ BearerToken: [] }]
  }
}

function sorted(object: Json): Json {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function itemOf(item: Json): Json {
  const out: Json = {}
  for (const [key, value] of Object.entries(item)) {
    out[key] = key === 'parameters' ? (value as Json[]).map(parameterOf) : operationOf(value as Json)
  }
  return out
}

function operationOf({ requestBody, parameters, responses, ...rest }: Json): Json {
  const { required, content: taken = { '*/*': {} } } = (requestBody ?? {}) as { required?: boolean; content?: Json }
  const body = requestBody === undefined ? [] : [bodyOf(taken, required === true)]
  const all = [...body, ...((parameters ?? []) as Json[]).map(parameterOf)]
  const { content: answered = {} } = (responses as Record<string, Json>)[200] ?? {}
  return {
    consumes: Object.keys(taken),
    produces: Object.keys(answered as Json),
    schemes: ['https'],
    ...rest,
    ...(all.length === 0 ? {} : { parameters: all }),
    responses: Object.fromEntries(
      Object.entries(responses as Json).map(([code, one]) => [code, responseOf(one as Json)])
    )
  }
}

function bodyOf(content: Json, required: boolean): Json {
  return { name: 'body', in: 'body', ...(required ? { required } : {}), schema: schemaIn(content) }
}

function parameterOf({ schema, ...rest }: Json): Json {
  return { ...(schema as Json), ...rest }
}

function responseOf({ content, ...rest }: Json): Json {
  return content === undefined ? rest : { ...rest, schema: schemaIn(content as Json) }
}

/** Of whatever media type: they all have the same. */
function schemaIn(content: Json): unknown {
  const [first] = Object.values(content)
  return schemaOf((first as Json).schema)
}

/** Swagger 2.0 knows no alternatives: what may be a number or a string is written as a string. Nor have its defaults been published. */
function schemaOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(schemaOf)
  if (typeof value !== 'object' || value === null) return value
  const out: Json = {}
  for (const [key, field] of Object.entries(value)) {
    if (key === '$ref' && typeof field === 'string') out.$ref = `#/definitions/${field.slice(REF.length)}`
    else if (key === 'oneOf' && Array.isArray(field)) out.type = 'string'
    else if (key === 'allOf' && Array.isArray(field)) Object.assign(out, schemaOf(field[0]))
    else if (key === 'properties') out.properties = propertiesOf(field as Json)
    else if (key !== 'default') out[key] = schemaOf(field)
  }
  return out
}

/** Properties may be called as keywords are ("default"). */
function propertiesOf(properties: Json): Json {
  return Object.fromEntries(Object.entries(properties).map(([name, schema]) => [name, schemaOf(schema)]))
}
