/** What a method and a path ask for, before anybody looks whether that exists: authorisation comes first. */
import type { ApiRequest } from '../../core/http.ts'

export interface Route {
  /** RBAC's verb; '' for methods that no resource has. */
  readonly verb: string
  /** Set where the path is of the form of a resource's. */
  readonly resource: ResourceRoute | undefined
  /** Of the old watch paths that name one object. */
  readonly watched?: string | undefined
}

export interface ResourceRoute {
  readonly group: string
  readonly version: string
  readonly resource: string
  /** For namespaces themselves, the namespace's own name, as Kubernetes has it. */
  readonly namespace: string | undefined
  readonly name: string | undefined
  readonly subresource: string | undefined
  /** Whether the path had a namespaces/NAME/ before the resource. */
  readonly scoped: boolean
  /** Segments after the subresource: only proxies have them. */
  readonly rest: readonly string[]
}

const NAMESPACE_SUBRESOURCES = new Set(['status', 'finalize'])
const NONE: readonly string[] = []

/** As RequestInfoFactory of k8s.io/apiserver reads a request. A path whose escapes are broken is no resource's. */
export function routeOf(request: ApiRequest): Route {
  const parts = segments(request.path)
  const [prefix] = parts
  const from = prefix === 'api' ? 1 : prefix === 'apis' ? 2 : 0
  if (from === 0 || parts.length < from + 2) return { verb: request.method.toLowerCase(), resource: undefined }
  const group = from === 1 ? '' : (parts[1] ?? '')
  const watching = parts[from + 1] === 'watch' && parts.length > from + 2
  const resource = resourceRoute(parts.slice(from + (watching ? 2 : 1)), { group, version: parts[from] ?? '' })
  if (watching) return { verb: 'watch', resource: { ...resource, name: undefined }, watched: resource.name }
  return { verb: verbOf(request, resource.name), resource }
}

function segments(path: string): readonly string[] {
  const parts = path.split('/')
  if (parts[0] === '') parts.shift()
  while (parts.length > 0 && parts[parts.length - 1] === '') parts.pop()
  if (!path.includes('%')) return parts
  try {
    return parts.map(decodeURIComponent)
  } catch {
    return NONE
  }
}

function resourceRoute(parts: readonly string[], at: { group: string; version: string }): ResourceRoute {
  const [first = '', name, third] = parts
  if (first === 'namespaces' && name !== undefined && third !== undefined && !NAMESPACE_SUBRESOURCES.has(third)) {
    return { ...at, resource: third, namespace: name, ...tail(parts, 3), scoped: true }
  }
  const namespace = first === 'namespaces' ? name : undefined
  return { ...at, resource: first, namespace, ...tail(parts, 1), scoped: false }
}

function tail(parts: readonly string[], at: number) {
  return {
    name: parts[at],
    subresource: parts[at + 1],
    rest: parts.length > at + 2 ? parts.slice(at + 2) : NONE
  }
}

function verbOf({ method, query }: ApiRequest, name: string | undefined): string {
  switch (method) {
    case 'GET':
    case 'HEAD':
      if (name !== undefined) return 'get'
      return truthy(query.get('watch')) ? 'watch' : 'list'
    case 'POST':
      return 'create'
    case 'PUT':
      return 'update'
    case 'PATCH':
      return 'patch'
    case 'DELETE':
      return name === undefined ? 'deletecollection' : 'delete'
    default:
      return ''
  }
}

/** How the API reads a boolean of a query: all but "false" and "0" is true. */
export function truthy(value: string | null): boolean {
  return value !== null && value !== 'false' && value !== '0'
}
