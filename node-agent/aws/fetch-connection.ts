/**
 * The API over HTTPS as API Gateway serves it: a `Send` for core/client.ts by `fetch`, a bearer token with each request.
 * No client certificate, no stream that is held open (node-agent/api-connection.ts is for those).
 */
import { ApiError } from '../../core/errors.ts'
import type { ApiRequest, ApiResponse, Send, WatchEventType, WatchLine } from '../../core/http.ts'
import type { KubeObject } from '../../core/object.ts'
import type { TokenSource } from './token.ts'

export interface FetchConnectionOptions {
  /** With a path, if any: "https://abc.execute-api.us-east-1.amazonaws.com/prod". */
  readonly url: string
  readonly token: TokenSource
  /** Default: Node's own. */
  readonly fetch?: typeof fetch
}

/** API Gateway ends a request after 29 s; a streamed one may take longer. */
const REQUEST_MS = 60_000

/** Failures of the connection are answered as 503, as the contract of `Send` asks. */
export function connectByFetch(options: FetchConnectionOptions): Send {
  const base = options.url.replace(/\/+$/, '')
  return async (request) => {
    try {
      return await exchange(request, base, options)
    } catch (error) {
      if (error instanceof ApiError) return answerOf(error)
      return answerOf(new ApiError('ServiceUnavailable', messageOf(error)))
    }
  }
}

async function exchange(request: ApiRequest, base: string, options: FetchConnectionOptions): Promise<ApiResponse> {
  const { token, fetch: send = fetch } = options
  const query = request.query.toString()
  const body = bodyOf(request)
  const limit = AbortSignal.timeout(REQUEST_MS)
  const response = await send(`${base}${request.path}${query === '' ? '' : `?${query}`}`, {
    method: request.method,
    headers: { ...request.headers, authorization: `Bearer ${await token.token()}` },
    signal: request.signal === undefined ? limit : AbortSignal.any([limit, request.signal]),
    redirect: 'error',
    ...(body === undefined ? {} : { body })
  })
  // A clock that was wrong, or credentials that were changed: the next request shows a new one.
  if (response.status === 401) token.renew()
  const own = { status: response.status, headers: Object.fromEntries(response.headers) }
  if (request.query.get('watch') === 'true' && response.ok) return { ...own, body: { watch: watchLines(response) } }
  const bytes = new Uint8Array(await response.arrayBuffer())
  const text = () => Buffer.from(bytes).toString()
  if (!(own.headers['content-type'] ?? '').startsWith('application/json')) return { ...own, body: { text: text() } }
  const value = JSON.parse(text()) as { kind?: string; message?: string }
  // API Gateway's own refusals (throttling, a function that failed) are JSON, too, but no Status.
  if (response.status >= 400 && value.kind !== 'Status')
    return answerOf(
      new ApiError(response.status === 429 ? 'TooManyRequests' : 'ServiceUnavailable', value.message ?? text())
    )
  return { ...own, body: { payload: { value, bytes: () => bytes } } }
}

function bodyOf(request: ApiRequest): Uint8Array<ArrayBuffer> | string | undefined {
  if (request.body === undefined) return undefined
  return 'bytes' in request.body ? new Uint8Array(request.body.bytes) : JSON.stringify(request.body.value)
}

/** All lines that have come so far, at once. A stream that breaks ends: its reader knows how far it got. */
async function* watchLines(response: Response): AsyncGenerator<readonly WatchLine[]> {
  let rest = ''
  const decoder = new TextDecoder()
  try {
    for await (const chunk of response.body ?? []) {
      const text = rest + decoder.decode(chunk as Uint8Array, { stream: true })
      const end = text.lastIndexOf('\n')
      rest = text.slice(end + 1)
      if (end < 0) continue
      const lines = text.slice(0, end).split('\n')
      yield lines.filter((line) => line !== '').map(watchLine)
    }
  } catch (error) {
    if (error instanceof SyntaxError) throw error
  }
}

function watchLine(text: string): WatchLine {
  const { type, object } = JSON.parse(text) as { type: WatchEventType; object: KubeObject }
  return { type, object, bytes: () => Buffer.from(`${text}\n`) }
}

/** What fetch says ("fetch failed") and why. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}

function answerOf(error: ApiError): ApiResponse {
  const value = error.toStatus()
  return {
    status: error.code,
    headers: { 'content-type': 'application/json' },
    body: { payload: { value, bytes: () => Buffer.from(JSON.stringify(value)) } }
  }
}
