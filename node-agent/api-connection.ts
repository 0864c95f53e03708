/** The API over HTTPS: a `Send` for core/client.ts on one HTTP/2 connection, which is made anew when it breaks. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2'
import { ApiError } from '../core/errors.ts'
import type { ApiRequest, ApiResponse, Send, WatchEventType, WatchLine } from '../core/http.ts'
import type { KubeObject } from '../core/object.ts'
import type { Ports } from '../core/ports.ts'

export interface ApiConnectionOptions {
  /** As in https://127.0.0.1:6443 */
  readonly url: string
  /** PEM. */
  readonly ca: string
  readonly cert?: string
  readonly key?: string
  /** A bearer token, instead of or beside the client certificate; asked for anew with each request. */
  readonly token?: () => string
  readonly ports: Ports
}

export interface ApiConnection {
  readonly send: Send
  close(): void
}

/** A request that is not a stream is given up after this long. */
const REQUEST_MS = 60_000
/** A connection that does not answer a ping this long is dead. */
const PING_MS = 15_000

/** Failures of the connection are answered as 503, as the contract of `Send` asks; the next request connects again. */
export function connectApi(options: ApiConnectionOptions): ApiConnection {
  const { ports } = options
  let session: ClientHttp2Session | undefined
  let closed = false

  const open = (): ClientHttp2Session => {
    if (session !== undefined && !session.closed && !session.destroyed) return session
    const { ca, cert, key } = options
    const made = connect(options.url, {
      ca,
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key })
    })
    const forget = () => {
      if (session === made) session = undefined
    }
    made.once('close', forget)
    made.once('goaway', forget)
    made.on('error', forget)
    keepChecking(made, ports)
    session = made
    return made
  }

  const send: Send = async (request) => {
    if (closed) return failed('the connection to the API is closed')
    try {
      return await exchange(open(), request, options)
    } catch (error) {
      if (error instanceof ApiError) return answerOf(error)
      return failed(error instanceof Error ? error.message : String(error))
    }
  }
  const close = () => {
    closed = true
    session?.destroy()
  }
  return { send, close }
}

/** Ends a session whose other side has gone without a word. */
function keepChecking(session: ClientHttp2Session, ports: Ports): void {
  const check = () => {
    if (session.closed || session.destroyed) return
    const timer = ports.clock.after(PING_MS, () => session.destroy(new Error('the API does not answer')))
    const sent = session.ping((error) => {
      timer.cancel()
      if (error === null) ports.clock.after(PING_MS, check)
    })
    if (!sent) timer.cancel()
  }
  ports.clock.after(PING_MS, check)
}

async function exchange(
  session: ClientHttp2Session,
  request: ApiRequest,
  options: ApiConnectionOptions
): Promise<ApiResponse> {
  const query = request.query.toString()
  const bytes = bodyOf(request)
  const headers: Record<string, string> = {
    accept: 'application/json',
    ...(bytes === undefined ? {} : { 'content-type': 'application/json' }),
    ...request.headers,
    ':method': request.method,
    ':path': query === '' ? request.path : `${request.path}?${query}`
  }
  if (options.token !== undefined) headers.authorization = `Bearer ${options.token()}`
  const streaming = request.query.get('watch') === 'true' || request.query.get('follow') === 'true'
  const stream = session.request(headers, { endStream: bytes === undefined })
  const abort = () => stream.close()
  request.signal?.addEventListener('abort', abort, { once: true })
  stream.once('close', () => request.signal?.removeEventListener('abort', abort))
  if (request.signal?.aborted === true) stream.close()
  const timer = options.ports.clock.after(REQUEST_MS, () =>
    stream.destroy(new ApiError('Timeout', `the API did not answer within ${REQUEST_MS / 1000} s`))
  )
  try {
    if (bytes !== undefined) stream.end(bytes)
    const answer = await responseOf(stream)
    const status = Number(answer[':status'])
    const own = { status, headers: flat(answer) }
    if (streaming && status < 300) {
      timer.cancel()
      if (request.query.get('watch') === 'true') return { ...own, body: { watch: watchLines(stream) } }
      return { ...own, body: { stream } }
    }
    return { ...own, body: await wholeBody(stream, own.headers['content-type'] ?? '') }
  } finally {
    timer.cancel()
  }
}

function bodyOf(request: ApiRequest): Uint8Array | undefined {
  if (request.body === undefined) return undefined
  return 'bytes' in request.body ? request.body.bytes : Buffer.from(JSON.stringify(request.body.value))
}

function responseOf(stream: ClientHttp2Stream): Promise<IncomingHttpHeaders> {
  return new Promise((resolve, reject) => {
    stream.once('response', (headers) => {
      // Without it a stream that breaks later throws where nobody listens; its reader sees the break by itself.
      stream.on('error', () => {})
      resolve(headers)
    })
    stream.once('error', reject)
    stream.once('close', () => reject(new Error('the connection to the API broke')))
  })
}

function flat(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
}

async function wholeBody(stream: ClientHttp2Stream, type: string): Promise<ApiResponse['body']> {
  const bytes = await new Promise<Buffer>((resolve, reject) => {
    const chunks: Buffer[] = []
    let ended = false
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.once('end', () => {
      ended = true
      resolve(Buffer.concat(chunks))
    })
    stream.once('error', reject)
    stream.once('close', () => {
      if (!ended) reject(new Error(`the connection to the API broke (HTTP/2 code ${stream.rstCode})`))
    })
  })
  if (!type.startsWith('application/json')) return { text: bytes.toString() }
  return { payload: { value: JSON.parse(bytes.toString()), bytes: () => bytes } }
}

/** All lines that have come so far, at once. Ends with the stream; a stream that breaks ends too. */
async function* watchLines(stream: ClientHttp2Stream): AsyncGenerator<readonly WatchLine[]> {
  let rest: Buffer = Buffer.alloc(0)
  try {
    for await (const chunk of stream) {
      const bytes = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer])
      const end = bytes.lastIndexOf(10)
      rest = bytes.subarray(end + 1)
      if (end < 0) continue
      const lines = bytes.toString('utf8', 0, end).split('\n')
      yield lines.filter((line) => line !== '').map(watchLine)
    }
  } catch (error) {
    if (error instanceof SyntaxError) throw error
    // The connection broke: to the reader that is the end of the watch, which it takes up again.
  } finally {
    stream.close()
  }
}

function watchLine(text: string): WatchLine {
  const { type, object } = JSON.parse(text) as { type: WatchEventType; object: KubeObject }
  return { type, object, bytes: () => Buffer.from(`${text}\n`) }
}

function failed(message: string): ApiResponse {
  return answerOf(new ApiError('ServiceUnavailable', message))
}

function answerOf(error: ApiError): ApiResponse {
  const value = error.toStatus()
  return {
    status: error.code,
    headers: { 'content-type': 'application/json' },
    body: { payload: { value, bytes: () => Buffer.from(JSON.stringify(value)) } }
  }
}
