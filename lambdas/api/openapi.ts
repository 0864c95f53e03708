/** /openapi/v3: which documents there are, and each group's and version's own, made from schemas.json when asked for. */
import { createHash } from 'node:crypto'
import type { ApiRequest, ApiResponse, Payload } from '../../core/http.ts'
import type { Kind } from '../../core/kinds/kind.ts'
import schemas from '../../core/kinds/schemas.json' with { type: 'json' }
import type { KindTable } from '../../core/kinds/table.ts'
import { valueAnswer } from './answers.ts'
import { described } from './openapi-descriptions.ts'
import { type Json, META, pathsOf, REF, subSchema } from './openapi-paths.ts'
import { VERSION } from './paths.ts'

const SCHEMAS = schemas as unknown as Readonly<Record<string, Json>>
const INFO = { title: 'Kubernetes', version: `${VERSION.major}.${VERSION.minor}` }
const EVENT = `${META}.WatchEvent`

/** One document as JSON and its hash, kept for as long as the same rows make it. */
interface Document {
  readonly bytes: Uint8Array
  readonly hash: string
}

const documents = new WeakMap<Kind, { readonly rows: readonly Kind[]; readonly document: Document }>()

export function openApi(request: ApiRequest, path: string, kinds: KindTable): ApiResponse | undefined {
  if (path === '/openapi/v3') return valueAnswer(200, index(kinds))
  const name = path.slice('/openapi/v3/'.length)
  const document = documentOf(kinds, name)
  if (document === undefined) return undefined
  const etag = `"${document.hash}"`
  const known = request.query.get('hash') === document.hash
  const headers = {
    'content-type': 'application/json',
    etag,
    vary: 'Accept',
    'cache-control': known ? 'public, immutable' : 'no-cache, private'
  }
  if (request.headers['if-none-match'] === etag) return { status: 304, headers, body: { text: '' } }
  return { status: 200, headers, body: { payload: storedPayload(document.bytes) } }
}

/** JSON that is kept as bytes only: few ask for the value. */
export function storedPayload(bytes: Uint8Array): Payload {
  return {
    get value() {
      return JSON.parse(Buffer.from(bytes).toString()) as unknown
    },
    bytes: () => bytes
  }
}

function index(kinds: KindTable): Json {
  const paths: Json = {}
  for (const name of names(kinds)) {
    paths[name] = { serverRelativeURL: `/openapi/v3/${name}?hash=${documentOf(kinds, name)?.hash ?? ''}` }
  }
  return { paths }
}

function listed(kinds: KindTable): readonly Kind[] {
  return kinds.all.filter((kind) => kind.hidden !== true)
}

/** "api/v1", "apis/apps/v1". */
function names(kinds: KindTable): string[] {
  const found = new Set(listed(kinds).map(documentName))
  return [...found].sort()
}

function documentName({ group, version }: { group: string; version: string }): string {
  return group === '' ? `api/${version}` : `apis/${group}/${version}`
}

function documentOf(kinds: KindTable, name: string): Document | undefined {
  const rows = rowsOf(kinds, name)
  const [first] = rows
  if (first === undefined) return undefined
  const known = documents.get(first)
  if (known !== undefined && known.rows.length === rows.length && known.rows.every((row, i) => row === rows[i]))
    return known.document
  const value = build(name, rows)
  const bytes = Buffer.from(JSON.stringify(value))
  const document = { bytes, hash: createHash('sha512').update(bytes).digest('hex').toUpperCase() }
  documents.set(first, { rows, document })
  return document
}

/** Every document, made anew, one at a time. */
export function* documentsOf(kinds: KindTable): Generator<Json> {
  for (const name of names(kinds)) {
    yield build(name, rowsOf(kinds, name))
  }
}

function rowsOf(kinds: KindTable, name: string): readonly Kind[] {
  return listed(kinds).filter((kind) => documentName(kind) === name)
}

function build(name: string, kinds: readonly Kind[]): Json {
  const used: Json = {}
  const paths: Json = {}
  for (const kind of kinds) {
    Object.assign(paths, pathsOf(name, kind))
    if (kind.custom === undefined) collect(kind.schema, used)
    else collectCustom(kind, kind.custom.schema as Json, used)
    for (const { kind: sub } of kind.subresources) collect(subSchema(kind, sub), used)
    if (!kind.verbs.includes('list')) continue
    const items = described(`${kind.schema}List`, listSchema(kind))
    used[`${kind.schema}List`] ??= items
    collectFrom(items, used)
  }
  collect(`${META}.DeleteOptions`, used)
  collect(`${META}.Status`, used)
  collect(`${META}.Patch`, used)
  collect(EVENT, used)
  return {
    openapi: '3.0.0',
    info: INFO,
    paths: sorted(paths),
    components: { schemas: sorted(used) }
  }
}

function sorted(object: Json): Json {
  return Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The list of a kind is published by the API server under the kind's own name and "List". */
function listSchema(kind: Kind): Json {
  const { group, version } = kind
  return {
    type: 'object',
    required: ['items'],
    properties: {
      apiVersion: { type: 'string' },
      items: { type: 'array', items: { $ref: REF + kind.schema } },
      kind: { type: 'string' },
      metadata: { $ref: `${REF}${META}.ListMeta` }
    },
    'x-kubernetes-group-version-kind': [{ group, kind: kind.listKind, version }]
  }
}

/** A custom resource's schema, with what every object has. */
function collectCustom({ group, version, kind, schema: name }: Kind, schema: Json, used: Json): void {
  const meta = SCHEMAS[META_SCHEMA]?.properties as Readonly<Record<string, Json>>
  const published = {
    ...schema,
    type: 'object',
    properties: {
      ...(schema.properties as Json | undefined),
      apiVersion: { type: 'string', ...describedBy(meta.apiVersion) },
      kind: { type: 'string', ...describedBy(meta.kind) },
      metadata: { description: STANDARD_METADATA, allOf: [{ $ref: `${REF}${META}.ObjectMeta` }] }
    },
    'x-kubernetes-group-version-kind': [{ group, kind, version }]
  }
  used[name] = published
  collect(`${META}.ObjectMeta`, used)
}

const META_SCHEMA = 'io.k8s.api.core.v1.ConfigMap'
const STANDARD_METADATA =
  "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"

function describedBy(schema: Json | undefined): Json {
  return schema?.description === undefined ? {} : { description: schema.description }
}

/** Takes a schema and all that it refers to, with references as OpenAPI writes them. */
function collect(name: string, used: Json): void {
  const schema = Object.hasOwn(SCHEMAS, name) ? SCHEMAS[name] : undefined
  if (schema === undefined || Object.hasOwn(used, name)) return
  used[name] = true
  const published = described(name, publish(schema) as Json)
  used[name] = published
  collectFrom(published, used)
}

function collectFrom(value: unknown, used: Json): void {
  if (typeof value !== 'object' || value === null) return
  for (const [key, field] of Object.entries(value)) {
    if (key === '$ref' && typeof field === 'string') collect(field.slice(REF.length), used)
    else collectFrom(field, used)
  }
}

/** In OpenAPI 3.0 nothing may stand beside a reference, so that one with a default is wrapped. */
function publish(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(publish)
  if (typeof value !== 'object' || value === null) return value
  const out: Json = {}
  for (const [key, field] of Object.entries(value)) {
    if (key === '$ref' && typeof field === 'string') out.allOf = [{ $ref: REF + field }]
    else out[key] = publish(field)
  }
  const keys = Object.keys(out)
  // The schema of schemas has a property of that name.
  const [only] = Array.isArray(out.allOf) ? (out.allOf as Json[]) : []
  return keys.length === 1 && only !== undefined && '$ref' in only ? only : out
}
