/** Which resource a person means: "deploy/web", "pods", "deployments.apps" and so on, as the running API lists them. */
import { ApiError } from '../core/errors.ts'
import type { ApiResponse, Method, Send } from '../core/http.ts'
import type { Status } from '../core/kinds/types.ts'
import { CliError } from './errors.ts'

export interface ApiResource {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
}

interface Discovered {
  readonly items: readonly {
    readonly metadata?: { readonly name?: string }
    readonly versions: readonly {
      readonly version: string
      readonly resources: readonly {
        readonly resource: string
        readonly singularResource: string
        readonly responseKind: { readonly kind: string }
        readonly scope: 'Namespaced' | 'Cluster'
        readonly shortNames?: readonly string[]
      }[]
    }[]
  }[]
}

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

export interface Ask {
  readonly query?: Readonly<Record<string, string>>
  readonly accept?: string
  readonly body?: unknown
}

/** One request, "GET /path"; what failed is thrown as its ApiError. */
export async function ask<T>(send: Send, request: `${Method} ${string}`, how: Ask = {}): Promise<T> {
  const [method, path = ''] = request.split(' ') as [Method, string]
  const headers = { accept: how.accept ?? 'application/json', 'content-type': 'application/json' }
  const response = await send({
    method,
    path,
    query: new URLSearchParams(how.query),
    headers,
    ...(how.body === undefined ? {} : { body: { value: how.body } })
  })
  return answerOf(response) as T
}

function answerOf({ status, body }: ApiResponse): unknown {
  if (!('payload' in body)) throw new ApiError('InternalError', `the API answered with ${status}`, { code: status })
  const { value } = body.payload
  if (status >= 300) throw ApiError.fromStatus(value as Status)
  return value
}

/** The first of the core group, then of the others in their order; `name` may end in its group, or version and group. */
export async function findResource(send: Send, name: string): Promise<ApiResource> {
  const [word = '', ...rest] = name.toLowerCase().split('.')
  const suffix = rest.join('.')
  for (const path of ['/api', '/apis']) {
    const { items } = await ask<Discovered>(send, `GET ${path}`, { accept: AGGREGATED })
    for (const { metadata, versions } of items) {
      const group = metadata?.name ?? ''
      for (const { version, resources } of versions) {
        if (suffix !== '' && suffix !== group && suffix !== `${version}.${group}`) continue
        const found = resources.find((one) => namesOf(one).includes(word))
        if (found === undefined) continue
        const { resource, responseKind, scope } = found
        return { group, version, resource, kind: responseKind.kind, namespaced: scope === 'Namespaced' }
      }
    }
  }
  throw new CliError(`the server doesn't have a resource type "${name}"`)
}

function namesOf(one: Discovered['items'][number]['versions'][number]['resources'][number]): readonly string[] {
  return [one.resource, one.singularResource, one.responseKind.kind.toLowerCase(), ...(one.shortNames ?? [])]
}

/** `namespace` undefined: all of them. */
export function pathOf(at: ApiResource, namespace: string | undefined, name?: string): string {
  const base = at.group === '' ? `/api/${at.version}` : `/apis/${at.group}/${at.version}`
  const scope = at.namespaced && namespace !== undefined ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${base}${scope}/${at.resource}${name === undefined ? '' : `/${encodeURIComponent(name)}`}`
}

/** "deployment.apps/web": how messages name an object. */
export function nameOf({ group, kind }: ApiResource, name: string): string {
  return `${kind.toLowerCase()}${group === '' ? '' : `.${group}`}/${name}`
}
