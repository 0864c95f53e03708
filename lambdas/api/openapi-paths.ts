/** The paths of OpenAPI v3: which operations each kind has, named and described as kube-apiserver does. */
import type { Kind, Subresource } from '../../core/kinds/kind.ts'
import { isReturnedWhenDeleted } from './traits.ts'

export type Json = Record<string, unknown>

export const REF = '#/components/schemas/'
export const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'

/** By path. `document` is "api/v1" or "apis/apps/v1". */
export function pathsOf(document: string, kind: Kind): Json {
  const root = `/${document}`
  const base = kind.namespaced ? `${root}/namespaces/{namespace}/${kind.resource}` : `${root}/${kind.resource}`
  const item = `${base}/{name}`
  const paths: Json = {}
  add(paths, base, collection(kind))
  add(paths, item, single(kind))
  if (kind.namespaced && kind.verbs.includes('list')) {
    const everywhere = { ...kind, namespaced: false }
    add(paths, `${root}/${kind.resource}`, [
      operation(everywhere, 'list', { suffix: 'ForAllNamespaces', schema: kind.schema })
    ])
  }
  for (const sub of kind.subresources) add(paths, `${item}/${sub.name}`, subresource(kind, sub))
  return paths
}

export function subSchema(kind: Kind, sub: string): string {
  if (sub === 'Scale') return 'io.k8s.api.autoscaling.v1.Scale'
  if (sub === 'Eviction') return 'io.k8s.api.policy.v1.Eviction'
  if (sub === 'TokenRequest') return 'io.k8s.api.authentication.v1.TokenRequest'
  return kind.schema.replace(/[^.]+$/, sub)
}

interface Operation {
  readonly method: string
  readonly value: Json
}

function add(paths: Json, path: string, operations: readonly Operation[]): void {
  if (operations.length === 0) return
  const parameters = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => parameter(name, 'path'))
  const item: Json = { parameters: [...parameters, parameter('pretty', 'query')] }
  for (const { method, value } of operations) item[method] = value
  paths[path] = item
}

function collection(kind: Kind): Operation[] {
  return offered(kind.verbs, ['list', 'create', 'deletecollection']).map((verb) =>
    operation(kind, verb, { suffix: '', schema: kind.schema })
  )
}

function single(kind: Kind): Operation[] {
  return offered(kind.verbs, ['get', 'update', 'patch', 'delete']).map((verb) =>
    operation(kind, verb, { suffix: '', schema: kind.schema })
  )
}

function subresource(kind: Kind, sub: Subresource): Operation[] {
  const suffix = capital(sub.name)
  const gvk = { group: sub.group ?? kind.group, kind: sub.kind, version: sub.version ?? kind.version }
  if (sub.kind.endsWith('Options')) {
    return sub.verbs.map((verb) => connect(kind, METHODS[verb] ?? verb, { suffix, gvk }))
  }
  const schema = sub.name === 'log' ? undefined : subSchema(kind, sub.kind)
  return offered(sub.verbs, ['get', 'create', 'update', 'patch']).map((verb) =>
    operation(kind, verb, { suffix, schema, gvk })
  )
}

function offered(verbs: readonly string[], order: readonly string[]): readonly string[] {
  return order.filter((verb) => verbs.includes(verb))
}

interface GroupVersionKind {
  readonly group: string
  readonly kind: string
  readonly version: string
}

interface Offer {
  /** What the operation's name ends in. */
  readonly suffix: string
  /** What is taken and answered; undefined: text. */
  readonly schema: string | undefined
  readonly gvk?: GroupVersionKind
}

const METHODS: Readonly<Record<string, string>> = {
  get: 'get',
  list: 'get',
  create: 'post',
  update: 'put',
  patch: 'patch',
  delete: 'delete',
  deletecollection: 'delete'
}
const ACTIONS: Readonly<Record<string, string>> = { create: 'post', update: 'put' }
const CODES: Readonly<Record<string, readonly [string, string][]>> = {
  create: [
    ['201', 'Created'],
    ['202', 'Accepted']
  ],
  update: [['201', 'Created']],
  patch: [['201', 'Created']],
  delete: [['202', 'Accepted']]
}

function operation(kind: Kind, verb: string, { suffix, schema, gvk }: Offer): Operation {
  const { group, version } = kind
  const answer = answerOf(kind, verb, schema)
  const value = {
    tags: [tagOf(kind)],
    operationId: operationId(kind, verb, suffix),
    parameters: (QUERY[schema === undefined ? 'log' : verb] ?? []).map((name) => parameter(name, 'query')),
    ...(schema === undefined ? {} : requestBody(verb, schema)),
    responses: responses([['200', 'OK'], ...(CODES[verb] ?? [])], answer),
    'x-kubernetes-action': ACTIONS[verb] ?? verb,
    'x-kubernetes-group-version-kind': gvk ?? { group, kind: kind.kind, version }
  }
  return { method: METHODS[verb] ?? verb, value }
}

function answerOf(kind: Kind, verb: string, schema: string | undefined): Json {
  if (schema === undefined) return { 'text/plain': { schema: { type: 'string' } } }
  if (verb === 'list') return content(LISTS, `${schema}List`)
  if (verb === 'deletecollection') return content(TYPES, `${META}.Status`)
  if (verb === 'delete') return content(TYPES, isReturnedWhenDeleted(kind.storage) ? schema : `${META}.Status`)
  return content(TYPES, schema)
}

/** What is handed through to a node or a pod: text, as far as OpenAPI is concerned. */
function connect(kind: Kind, method: string, { suffix, gvk }: { suffix: string; gvk: GroupVersionKind }): Operation {
  const value = {
    tags: [tagOf(kind)],
    operationId: operationId(kind, `connect ${capital(method)}`, suffix),
    responses: responses([['200', 'OK']], { '*/*': { schema: { type: 'string' } } }),
    'x-kubernetes-action': 'connect',
    'x-kubernetes-group-version-kind': gvk
  }
  return { method, value }
}

function responses(codes: readonly (readonly [string, string])[], answer: Json): Json {
  const all = codes.map(([code, description]) => [code, { description, content: answer }] as const)
  return { ...Object.fromEntries(all), 401: { description: 'Unauthorized' } }
}

/** "listCoreV1NamespacedPod", "connectCoreV1GetNamespacedPodExec". */
function operationId(kind: Kind, verb: string, suffix: string): string {
  const [first = '', middle = ''] = WORDS[verb]?.split(' ') ?? verb.split(' ')
  const scope = kind.namespaced ? 'Namespaced' : ''
  return `${first}${groupWords(kind).map(capital).join('')}${capital(kind.version)}${middle}${scope}${kind.kind}${suffix}`
}

const WORDS: Readonly<Record<string, string>> = {
  get: 'read',
  update: 'replace',
  deletecollection: 'delete Collection'
}

/** "core_v1", "rbacAuthorization_v1". */
function tagOf(kind: Kind): string {
  const [first = '', ...rest] = groupWords(kind)
  return `${first}${rest.map(capital).join('')}_${kind.version}`
}

function groupWords({ group }: Kind): readonly string[] {
  return group === '' ? ['core'] : group.replace(/\.k8s\.io$/, '').split('.')
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1)
}

const TYPES = ['application/json', 'application/yaml']
const LISTS = [...TYPES, 'application/json;stream=watch']
const PATCHES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json'
]
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
  deletecollection: [...DELETE, ...LIST.filter((name) => name !== 'watch' && name !== 'allowWatchBookmarks')],
  log: [
    'container',
    'follow',
    'insecureSkipTLSVerifyBackend',
    'limitBytes',
    'previous',
    'sinceSeconds',
    'stream',
    'tailLines',
    'timestamps'
  ]
}
const INTEGERS = new Set(['gracePeriodSeconds', 'limit', 'limitBytes', 'sinceSeconds', 'tailLines', 'timeoutSeconds'])
const BOOLEANS = new Set([
  'allowWatchBookmarks',
  'follow',
  'force',
  'insecureSkipTLSVerifyBackend',
  'orphanDependents',
  'previous',
  'sendInitialEvents',
  'timestamps',
  'watch'
])

function parameter(name: string, where: 'path' | 'query'): Json {
  const type = INTEGERS.has(name) ? 'integer' : BOOLEANS.has(name) ? 'boolean' : 'string'
  const required = where === 'path' ? { required: true } : {}
  return { name, in: where, ...required, schema: { type, uniqueItems: true } }
}

function requestBody(verb: string, schema: string): Json {
  switch (verb) {
    case 'create':
    case 'update':
      return { requestBody: { content: content(['*/*'], schema), required: true } }
    case 'patch':
      return { requestBody: { content: content(PATCHES, `${META}.Patch`), required: true } }
    case 'delete':
    case 'deletecollection':
      return { requestBody: { content: content(['*/*'], `${META}.DeleteOptions`) } }
    default:
      return {}
  }
}

function content(types: readonly string[], schema: string): Json {
  return Object.fromEntries(types.map((type) => [type, { schema: { $ref: REF + schema } }]))
}
