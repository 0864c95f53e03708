/** For tests: an API server in this process on a memory store, where everybody may do everything. */
import type { ApiRequest, ApiResponse, Method, UserInfo } from '../core/http.ts'
import type { Kind } from '../core/kinds/kind.ts'
import { indexesOf, kindTable } from '../core/kinds/table.ts'
import type { KubeObject } from '../core/object.ts'
import type { Log, Ports } from '../core/ports.ts'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { type Api, type ApiOptions, createApi } from '../lambdas/api/server.ts'
import type { Authorizer } from '../lambdas/api/types.ts'
import { MemoryBackend } from '../store/backends/memory.ts'
import { Store } from '../store/store.ts'

export const ADMIN: UserInfo = { username: 'admin', groups: ['system:masters', 'system:authenticated'] }

export const allowAll: Authorizer = { authorize: async () => ({ allowed: true, reason: '' }) }

export interface TestApi {
  readonly api: Api
  readonly store: Store
  readonly ports: Ports
  /** Asks in process, as ADMIN. `path` may have a query; `body` is an object, or text that came over a wire. */
  ask(method: Method, path: string, how?: Ask): Promise<Answer>
  close(): Promise<void>
}

export interface Ask {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  readonly user?: UserInfo
  readonly signal?: AbortSignal
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The object or Status; '' for other answers. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every kind
  readonly body: any
  readonly response: ApiResponse
}

export function createTestStore(ports: Ports, kinds: readonly Kind[] = kindTable.all): Store {
  const indexes = new Map(kinds.map((kind) => [kind.storage, kind.rules.indexes]))
  return new Store({
    backend: new MemoryBackend(),
    ports,
    indexes: (resource) => indexes.get(resource) ?? indexesOf(resource)
  })
}

/** With the namespace "default" already there. `options` override anything. */
export async function createTestApi(options: Partial<ApiOptions> & { log?: Log } = {}): Promise<TestApi> {
  const { log = silentLog, ...given } = options
  const ports = given.ports ?? systemPorts(log)
  const kinds = given.kinds ?? kindTable.all
  const store = (given.store as Store | undefined) ?? createTestStore(ports, kinds)
  const api = createApi({
    authorizer: allowAll,
    admission: [],
    effects: [],
    ...given,
    store,
    ports,
    kinds
  })
  const ask = async (method: Method, path: string, how: Ask = {}): Promise<Answer> => {
    const response = await api.handle(requestOf(method, path, how))
    return { status: response.status, headers: response.headers, body: await parsed(response), response }
  }
  await ask('POST', '/api/v1/namespaces', {
    body: { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default' } }
  })
  return { api, store, ports, ask, close: () => store.close() }
}

export function requestOf(method: Method, path: string, { body, headers = {}, user = ADMIN, signal }: Ask): ApiRequest {
  const [bare = '', query] = path.split('?')
  return {
    method,
    path: bare,
    query: new URLSearchParams(query),
    headers,
    user,
    ...(body === undefined ? {} : { body: typeof body === 'string' ? { bytes: Buffer.from(body) } : { value: body } }),
    ...(signal === undefined ? {} : { signal })
  }
}

async function parsed({ body }: ApiResponse): Promise<unknown> {
  if ('payload' in body) return JSON.parse(Buffer.from(body.payload.bytes()).toString())
  return 'text' in body ? body.text : ''
}

/** The lines of a watch until it ends, or until there are `count`. */
export async function linesOf(response: ApiResponse, count = Number.POSITIVE_INFINITY) {
  const lines: { type: string; object: KubeObject }[] = []
  if (!('watch' in response.body)) throw new Error('no watch')
  for await (const batch of response.body.watch) {
    for (const line of batch) lines.push(JSON.parse(Buffer.from(line.bytes()).toString()))
    if (lines.length >= count) break
  }
  return lines
}
