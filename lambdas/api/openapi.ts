/** /openapi/v3: which documents there are, and each group's and version's own, made from schemas.json when asked for. */
import { createHash } from 'node:crypto'
import type { ApiRequest, ApiResponse } from '../../core/http.ts'
import type { Kind } from '../../core/kinds/kind.ts'
import schemas from '../../core/kinds/schemas.json' with { type: 'json' }
import type { KindTable } from '../../core/kinds/table.ts'
import { payloadOf, valueAnswer } from './answers.ts'
import { VERSION } from './paths.ts'

type Json = Record<string, unknown>

const SCHEMAS = schemas as unknown as Readonly<Record<string, Json>>
const REF = '#/components/schemas/'
const INFO = { title: 'Kubernetes', version: VERSION.gitVersion }
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'
const EVENT = `${META}.WatchEvent`

/** One document and its hash, kept for as long as its table: kinds do not come and go within one. */
interface Document {
  readonly value: Json
  readonly hash: string
}

const documents = new WeakMap<KindTable, Map<string, Document>>()

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
  return { status: 200, headers, body: { payload: payloadOf(document.value) } }
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
  let known = documents.get(kinds)
  if (known === undefined) {
    known = new Map()
    documents.set(kinds, known)
  }
  const found = known.get(name)
  if (found !== undefined) return found
  const rows = listed(kinds).filter((kind) => documentName(kind) === name)
  if (rows.length === 0) return undefined
  const value = build(name, rows)
  const hash = createHash('sha512').update(JSON.stringify(value)).digest('hex').toUpperCase()
  const document = { value, hash }
  known.set(name, document)
  return document
}

function build(name: string, kinds: readonly Kind[]): Json {
  const used: Json = {}
  const paths: Json = {}
  for (const kind of kinds) {
    Object.assign(paths, pathsOf(name, kind))
    collect(kind.schema, used)
    for (const { kind: sub } of kind.subresources) collect(subSchema(kind, sub), used)
    const items = listSchema(kind)
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

function subSchema(kind: Kind, sub: string): string {
  if (sub === 'Scale') return 'io.k8s.api.autoscaling.v1.Scale'
  if (sub === 'Eviction') return 'io.k8s.api.policy.v1.Eviction'
  if (sub === 'TokenRequest') return 'io.k8s.api.authentication.v1.TokenRequest'
  return kind.schema.replace(/[^.]+$/, sub)
}

/** Takes a schema and all that it refers to, with references as OpenAPI writes them. */
function collect(name: string, used: Json): void {
  const schema = Object.hasOwn(SCHEMAS, name) ? SCHEMAS[name] : undefined
  if (schema === undefined || Object.hasOwn(used, name)) return
  used[name] = true
  const published = publish(schema) as Json
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
  const [only] = (out.allOf as Json[] | undefined) ?? []
  return keys.length === 1 && only !== undefined && '$ref' in only ? only : out
}

// --- paths

const TYPES = ['application/json', 'application/yaml']
const PATCHES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json'
]
const ACTIONS: Readonly<Record<string, string>> = {
  get: 'get',
  list: 'list',
  create: 'post',
  update: 'put',
  patch: 'patch',
  delete: 'delete',
  deletecollection: 'deletecollection'
}

function pathsOf(document: string, kind: Kind): Json {
  const root = `/${document}`
  const base = kind.namespaced ? `${root}/namespaces/{namespace}/${kind.resource}` : `${root}/${kind.resource}`
  const named = `${base}/{name}`
  const schema = { $ref: REF + kind.schema }
  const paths: Json = {
    [base]: operations(kind, { verbs: kind.verbs, on: ['list', 'create', 'deletecollection'], schema, named: false })
  }
  const single = operations(kind, {
    verbs: kind.verbs,
    on: ['get', 'update', 'patch', 'delete'],
    schema,
    named: true
  })
  if (Object.keys(single).length > 1) paths[named] = single
  if (kind.namespaced && kind.verbs.includes('list')) {
    paths[`${root}/${kind.resource}`] = operations(kind, { verbs: ['list'], on: ['list'], schema, named: false })
  }
  for (const { name, kind: sub, group, version, verbs } of kind.subresources) {
    // Options of connections (exec, proxy) are no objects and have no schema.
    if (!Object.hasOwn(SCHEMAS, subSchema(kind, sub))) continue
    const of = { ...kind, kind: sub, group: group ?? kind.group, version: version ?? kind.version }
    paths[`${named}/${name}`] = operations(of, {
      verbs,
      on: ['get', 'create', 'update', 'patch'],
      schema: { $ref: REF + subSchema(kind, sub) },
      named: true
    })
  }
  return paths
}

interface Offer {
  readonly verbs: readonly string[]
  readonly on: readonly string[]
  readonly schema: Json
  readonly named: boolean
}

function operations(kind: Kind, { verbs, on, schema, named }: Offer): Json {
  const item: Json = {
    parameters: [
      ...(named ? [parameter('name', 'path')] : []),
      ...(kind.namespaced ? [parameter('namespace', 'path')] : []),
      parameter('pretty', 'query')
    ]
  }
  const gvk = { group: kind.group, kind: kind.kind, version: kind.version }
  for (const verb of on) {
    if (!verbs.includes(verb)) continue
    const answer = verb === 'list' ? { $ref: `${REF}${kind.schema}List` } : schema
    item[verb === 'list' ? 'get' : verb === 'deletecollection' ? 'delete' : (ACTIONS[verb] ?? verb)] = {
      operationId: operationId(kind, verb, named),
      parameters: (QUERY[verb] ?? []).map((name) => parameter(name, 'query')),
      ...requestBody(verb, schema),
      responses: { 200: { description: 'OK', content: content(TYPES, answer) } },
      'x-kubernetes-action': ACTIONS[verb],
      'x-kubernetes-group-version-kind': gvk
    }
  }
  return item
}

function operationId({ kind, namespaced }: Kind, verb: string, named: boolean): string {
  const what = verb === 'update' ? 'replace' : verb === 'get' ? 'read' : verb
  return `${what}${namespaced ? 'Namespaced' : ''}${kind}${named ? '' : 'Collection'}`
}

const WRITE = ['dryRun', 'fieldManager', 'fieldValidation']
const DELETE = ['dryRun', 'gracePeriodSeconds', 'orphanDependents', 'propagationPolicy']
const LIST = [
  'allowWatchBookmarks',
  'continue',
  'fieldSelector',
  'labelSelector',
  'limit',
  'resourceVersion',
  'resourceVersionMatch',
  'sendInitialEvents',
  'timeoutSeconds',
  'watch'
]
const QUERY: Readonly<Record<string, readonly string[]>> = {
  list: LIST,
  create: WRITE,
  update: WRITE,
  patch: [...WRITE, 'force'],
  delete: DELETE,
  deletecollection: [...DELETE, ...LIST.filter((name) => name !== 'watch' && name !== 'allowWatchBookmarks')]
}
const INTEGERS = new Set(['gracePeriodSeconds', 'limit', 'timeoutSeconds'])
const BOOLEANS = new Set(['allowWatchBookmarks', 'force', 'orphanDependents', 'sendInitialEvents', 'watch'])

function parameter(name: string, where: 'path' | 'query'): Json {
  const type = INTEGERS.has(name) ? 'integer' : BOOLEANS.has(name) ? 'boolean' : 'string'
  return {
    name,
    in: where,
    ...(where === 'path' ? { required: true } : {}),
    schema: { type, uniqueItems: true }
  }
}

function requestBody(verb: string, schema: Json): Json {
  switch (verb) {
    case 'create':
    case 'update':
      return { requestBody: { content: content(['*/*'], schema), required: true } }
    case 'patch':
      return { requestBody: { content: content(PATCHES, { $ref: `${REF}${META}.Patch` }), required: true } }
    case 'delete':
    case 'deletecollection':
      return { requestBody: { content: content(['*/*'], { $ref: `${REF}${META}.DeleteOptions` }) } }
    default:
      return {}
  }
}

function content(types: readonly string[], schema: Json): Json {
  return Object.fromEntries(types.map((type) => [type, { schema }]))
}
