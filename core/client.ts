import { ApiError } from './errors.ts'
import type { ApiRequest, ApiResponse, Method, Send, UserInfo, WatchEventType } from './http.ts'
import type { ResourceRef } from './kinds/refs.ts'
import type { DeleteOptions, Status } from './kinds/types.ts'
import type { Resource } from './object.ts'

/** On the bookmark that ends a watch with `untilNow`: nothing is missing up to its version. */
export const CAUGHT_UP = 'wherry.dev/caught-up'

export interface ObjectName {
  readonly namespace?: string | undefined
  readonly name: string
}

export interface ListQuery {
  readonly namespace?: string | undefined
  readonly labelSelector?: string
  readonly fieldSelector?: string
  /** Wherry's own: only objects under this value of one of the kind's declared indexes ("controller", "node"). */
  readonly index?: { readonly name: string; readonly value: string }
  readonly limit?: number
  readonly continue?: string
  readonly resourceVersion?: string
  /** Wherry's own, of a watch: it ends with a bookmark when all that has happened until now was told. */
  readonly untilNow?: boolean
}

export interface ListAnswer<T> {
  readonly items: readonly T[]
  readonly resourceVersion: string
  readonly continue: string | undefined
}

export interface WatchEvent<T> {
  readonly type: Exclude<WatchEventType, 'ERROR'>
  readonly object: T
}

export interface WriteQuery {
  readonly fieldManager?: string
  readonly dryRun?: boolean
  readonly subresource?: string
}

export type PatchType = 'json' | 'merge' | 'strategic'

const PATCH_TYPES: Readonly<Record<PatchType, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json'
}

/**
 * The typed client of the API, over any `Send`. Every failure is thrown as an ApiError. What it returns is shared with
 * other readers when the door is in process: copy (structuredClone) before changing.
 */
export class Client {
  private readonly send: Send
  private readonly user: UserInfo | undefined

  /** `user`: the identity in process; over the wire the transport's credentials speak. */
  constructor(send: Send, user?: UserInfo) {
    this.send = send
    this.user = user
  }

  /** The same client, but that `before` is called first for each request: what it throws is thrown instead. */
  guarded(before: () => void): Client {
    const send: Send = async (request) => {
      before()
      return await this.send(request)
    }
    return new Client(send, this.user)
  }

  async get<T extends Resource>(ref: ResourceRef<T>, at: ObjectName): Promise<T> {
    return (await this.call('GET', pathOf(ref, at))) as T
  }

  /** undefined instead of NotFound. */
  async find<T extends Resource>(ref: ResourceRef<T>, at: ObjectName): Promise<T | undefined> {
    try {
      return await this.get(ref, at)
    } catch (error) {
      if (error instanceof ApiError && error.reason === 'NotFound') return undefined
      throw error
    }
  }

  async list<T extends Resource>(ref: ResourceRef<T>, query: ListQuery = {}): Promise<ListAnswer<T>> {
    const list = (await this.call('GET', collectionPath(ref, query.namespace), { query: listParameters(query) })) as {
      items: T[] | null
      metadata: { resourceVersion?: string; continue?: string }
    }
    return {
      items: list.items ?? [],
      resourceVersion: list.metadata.resourceVersion ?? '',
      continue: list.metadata.continue === '' ? undefined : list.metadata.continue
    }
  }

  /** Ends when the server ends it or `signal` aborts; an ERROR event is thrown as its ApiError. */
  async *watch<T extends Resource>(
    ref: ResourceRef<T>,
    query: ListQuery,
    signal: AbortSignal
  ): AsyncGenerator<readonly WatchEvent<T>[]> {
    const parameters = listParameters(query)
    parameters.set('watch', 'true')
    parameters.set('allowWatchBookmarks', 'true')
    const response = await this.answer('GET', collectionPath(ref, query.namespace), { query: parameters, signal })
    if (!('watch' in response.body))
      throw new ApiError('InternalError', 'the server did not answer a watch with a stream')
    for await (const lines of response.body.watch) {
      yield lines.map((line) => {
        if (line.type === 'ERROR') throw ApiError.fromStatus(line.object as unknown as Status)
        return { type: line.type, object: line.object as unknown as T }
      })
    }
  }

  async create<T extends Resource>(ref: ResourceRef<T>, object: T, query: WriteQuery = {}): Promise<T> {
    const path = collectionPath(ref, object.metadata.namespace)
    return (await this.call('POST', path, { value: typed(ref, object), query: writeParameters(query) })) as T
  }

  async update<T extends Resource>(ref: ResourceRef<T>, object: T, query: WriteQuery = {}): Promise<T> {
    const path = pathOf(
      ref,
      { namespace: object.metadata.namespace, name: object.metadata.name ?? '' },
      query.subresource
    )
    return (await this.call('PUT', path, { value: typed(ref, object), query: writeParameters(query) })) as T
  }

  async patch<T extends Resource>(
    ref: ResourceRef<T>,
    at: ObjectName,
    patch: { type: PatchType; body: unknown } & WriteQuery
  ): Promise<T> {
    return (await this.call('PATCH', pathOf(ref, at, patch.subresource), {
      value: patch.body,
      query: writeParameters(patch),
      headers: { 'content-type': PATCH_TYPES[patch.type] }
    })) as T
  }

  async delete<T extends Resource>(ref: ResourceRef<T>, at: ObjectName, options: DeleteOptions = {}): Promise<void> {
    await this.call('DELETE', pathOf(ref, at), { value: { kind: 'DeleteOptions', apiVersion: 'v1', ...options } })
  }

  /** Deletes all that a list with the same query would answer. */
  async deleteCollection<T extends Resource>(
    ref: ResourceRef<T>,
    query: ListQuery,
    options: DeleteOptions = {}
  ): Promise<void> {
    const value = { kind: 'DeleteOptions', apiVersion: 'v1', ...options }
    await this.call('DELETE', collectionPath(ref, query.namespace), { value, query: listParameters(query) })
  }

  /** POST to a subresource: binding, eviction, token. */
  async createSubresource<T extends Resource>(
    ref: ResourceRef<T>,
    at: ObjectName & { subresource: string },
    body: unknown
  ): Promise<unknown> {
    return await this.call('POST', pathOf(ref, at, at.subresource), { value: body })
  }

  private async call(method: Method, path: string, options: CallOptions = {}): Promise<unknown> {
    const response = await this.answer(method, path, options)
    if (!('payload' in response.body))
      throw new ApiError('InternalError', `${method} ${path} was not answered with an object`)
    return response.body.payload.value
  }

  private async answer(method: Method, path: string, options: CallOptions): Promise<ApiResponse> {
    const request: ApiRequest = {
      method,
      path,
      query: options.query ?? new URLSearchParams(),
      headers: { 'content-type': 'application/json', accept: 'application/json', ...options.headers },
      ...(options.value === undefined ? {} : { body: { value: options.value } }),
      ...(this.user === undefined ? {} : { user: this.user }),
      ...(options.signal === undefined ? {} : { signal: options.signal })
    }
    const response = await this.send(request)
    if (response.status < 400) return response
    if ('payload' in response.body) throw ApiError.fromStatus(response.body.payload.value as Status)
    throw new ApiError('InternalError', 'text' in response.body ? response.body.text : `HTTP ${response.status}`, {
      code: response.status
    })
  }
}

interface CallOptions {
  query?: URLSearchParams
  value?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
}

function typed<T extends Resource>(ref: ResourceRef<T>, object: T): T {
  const apiVersion = ref.group === '' ? ref.version : `${ref.group}/${ref.version}`
  return { ...object, kind: ref.kind, apiVersion }
}

function collectionPath(ref: ResourceRef<unknown>, namespace: string | undefined): string {
  const base = ref.group === '' ? `/api/${ref.version}` : `/apis/${ref.group}/${ref.version}`
  const scope =
    ref.namespaced && namespace !== undefined && namespace !== '' ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${base}${scope}/${ref.resource}`
}

function pathOf(ref: ResourceRef<unknown>, at: ObjectName, subresource?: string): string {
  const path = `${collectionPath(ref, at.namespace)}/${encodeURIComponent(at.name)}`
  return subresource === undefined ? path : `${path}/${subresource}`
}

function listParameters(query: ListQuery): URLSearchParams {
  const parameters = new URLSearchParams()
  if (query.labelSelector !== undefined) parameters.set('labelSelector', query.labelSelector)
  if (query.fieldSelector !== undefined) parameters.set('fieldSelector', query.fieldSelector)
  if (query.index !== undefined) parameters.set('wherryIndex', `${query.index.name}=${query.index.value}`)
  if (query.limit !== undefined) parameters.set('limit', String(query.limit))
  if (query.continue !== undefined) parameters.set('continue', query.continue)
  if (query.resourceVersion !== undefined) parameters.set('resourceVersion', query.resourceVersion)
  if (query.untilNow === true) parameters.set('wherryUntil', 'now')
  return parameters
}

function writeParameters(query: WriteQuery): URLSearchParams {
  const parameters = new URLSearchParams()
  if (query.fieldManager !== undefined) parameters.set('fieldManager', query.fieldManager)
  if (query.dryRun === true) parameters.set('dryRun', 'All')
  return parameters
}
