/** The API behind API Gateway REST: an event in, an answer out, whole or as a stream, before the time is over. */
import { Readable } from 'node:stream'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { ApiError } from '../../core/errors.ts'
import type { ApiRequest, ApiResponse, Hold, WatchLine } from '../../core/http.ts'
import type { Clock, Ports } from '../../core/ports.ts'
import { errorAnswer, internalError } from './answers.ts'
import { type GatewayEvent, requestOf } from './gateway-request.ts'
import type { Api } from './server.ts'
import { GZIP_FROM_BYTES } from './wire.ts'

/** API Gateway waits for a whole answer for 29 s. */
const GATEWAY_MS = 29_000
/** kube-apiserver's --request-timeout, for everything that is not a stream. */
const REQUEST_MS = 60_000
/** What is left of the function's time, or of the gateway's, when a request is given up. */
const MARGIN_MS = 1_500
/** How long a watch or a log is held until there is something to tell, where answers are whole. */
const HOLD_MS = 20_000
/** What is left of the function's time when a stream ends, so that its last bookmark goes out. */
const STREAM_MARGIN_MS = 5_000

/** Lambda's limit of a whole answer is 6 MB, of which base64 makes 4.5, with some room for headers. */
const MAX_WHOLE_BYTES = 4.4 * 1024 * 1024
/** JSON of the API's shrinks to a tenth under gzip, a log to a fifth. */
const MAX_PACKED_BYTES = 16 * 1024 * 1024

const compress = promisify(gzip)

/** What Lambda takes as the answer of a proxy integration. */
export interface WholeAnswer {
  readonly statusCode: number
  readonly headers: Record<string, string>
  readonly body: string
  readonly isBase64Encoded: boolean
}

/** What middy takes for a response stream. */
export interface StreamedAnswer {
  readonly statusCode: number
  readonly headers: Record<string, string>
  readonly body: string | Readable
}

export interface Gateway {
  /** `remainingMs`: of the function's time. Never rejects. */
  whole(event: GatewayEvent, remainingMs: number): Promise<WholeAnswer>
  stream(event: GatewayEvent, remainingMs: number): Promise<StreamedAnswer>
}

export interface GatewayOptions {
  /** The API of this process: opened at the first request, where it is not warm yet. */
  readonly open: () => Promise<Pick<Api, 'serve'>>
  readonly ports: Pick<Ports, 'clock' | 'log'>
}

export function createGateway(options: GatewayOptions): Gateway {
  return {
    whole: async (event, remainingMs) => {
      const limit = Math.min(remainingMs, GATEWAY_MS) - MARGIN_MS
      const ms = Math.max(0, Math.min(HOLD_MS, limit - MARGIN_MS))
      // A change that does not shrink must not stand in the way of all watches that come after it.
      const maxStateBytes = acceptsGzip(event) ? MAX_PACKED_BYTES : MAX_WHOLE_BYTES
      const hold = { ms, untilEvents: true, maxBytes: MAX_WHOLE_BYTES, maxStateBytes }
      const exchange = new Exchange(options, { event, hold })
      return await exchange.whole(Math.max(0, limit))
    },
    stream: async (event, remainingMs) => {
      const ms = Math.max(0, remainingMs - STREAM_MARGIN_MS)
      const exchange = new Exchange(options, { event, hold: { ms, untilEvents: false } })
      return await exchange.stream(Math.max(0, Math.min(remainingMs - MARGIN_MS, REQUEST_MS)))
    }
  }
}

/** One request on its way. */
class Exchange {
  private readonly options: GatewayOptions
  private readonly event: GatewayEvent
  private readonly hold: Hold
  private readonly gone = new AbortController()
  /** Milliseconds since 1970. */
  private readonly startedAt: number

  constructor(options: GatewayOptions, { event, hold }: { event: GatewayEvent; hold: Hold }) {
    this.options = options
    this.event = event
    this.hold = hold
    this.startedAt = options.ports.clock.now()
  }

  async whole(limitMs: number): Promise<WholeAnswer> {
    const { clock } = this.options.ports
    try {
      // The limit holds for the gathering of a stream, too.
      return await within(clock, { ms: limitMs, late: () => this.late() }, async () => {
        return await this.pack(await this.serve())
      })
    } catch (error) {
      return await this.pack(errorAnswer(this.failure(error)))
    }
  }

  async stream(limitMs: number): Promise<StreamedAnswer> {
    const { clock } = this.options.ports
    let response: ApiResponse
    try {
      response = await within(clock, { ms: limitMs, late: () => this.late() }, () => this.serve())
    } catch (error) {
      response = errorAnswer(this.failure(error))
    }
    const { status, body } = response
    const headers = headersOf(response)
    if (this.isEmpty(response)) return { statusCode: status, headers, body: '' }
    if ('watch' in body || 'stream' in body) return { statusCode: status, headers, body: this.flowing(body) }
    const bytes = await this.packed(bytesOf(body), headers)
    return { statusCode: status, headers, body: Readable.from([bytes], { objectMode: false }) }
  }

  private async serve(): Promise<ApiResponse> {
    const request = await requestOf(this.event)
    const api = await this.options.open()
    // A cold start has taken its part of the time.
    const hold = { ...this.hold, ms: this.leftMs() }
    const held: ApiRequest = { ...request, signal: this.gone.signal, hold }
    return await api.serve(held, {})
  }

  /** Of the time for which a stream is held. */
  private leftMs(): number {
    return Math.max(0, this.hold.ms - (this.options.ports.clock.now() - this.startedAt))
  }

  private late(): ApiError {
    this.gone.abort()
    // In the words of kube-apiserver's timeout filter.
    const what = 'request did not complete within requested timeout - context deadline exceeded'
    return new ApiError('Timeout', `Timeout: ${what}`, { details: {} })
  }

  private failure(error: unknown): ApiError {
    if (error instanceof ApiError) return error
    const { httpMethod: method, path } = this.event
    this.options.ports.log.error({ error, method, path }, 'a request failed')
    return internalError(error)
  }

  private isEmpty({ status }: ApiResponse): boolean {
    return this.event.httpMethod === 'HEAD' || status === 304
  }

  // --- whole answers

  private async pack(response: ApiResponse): Promise<WholeAnswer> {
    const { status, body } = response
    const headers = headersOf(response)
    const answer = { statusCode: status, headers }
    if (this.isEmpty(response)) return { ...answer, body: '', isBase64Encoded: false }
    const plain = 'watch' in body || 'stream' in body ? await this.gathered(body) : bytesOf(body)
    const bytes = await this.packed(plain, headers)
    if (bytes.length > MAX_WHOLE_BYTES) throw tooLargeAnswer(plain.length)
    // Within Lambda's JSON each quote and newline of a text takes two bytes: what is large goes as base64, which is
    // sure to fit.
    const isText = bytes === plain && bytes.length <= MAX_WHOLE_BYTES / 2 && isTextual(headers['content-type'])
    const encoded = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    return { ...answer, body: encoded.toString(isText ? 'utf8' : 'base64'), isBase64Encoded: !isText }
  }

  private async packed(bytes: Uint8Array, headers: Record<string, string>): Promise<Uint8Array> {
    if (bytes.length <= GZIP_FROM_BYTES || !acceptsGzip(this.event)) return bytes
    headers['content-encoding'] = 'gzip'
    headers.vary = 'Accept-Encoding'
    return await compress(bytes, { level: 1 })
  }

  /** All of a watch, which ends by itself; of another stream what comes until it ends, or for as long as it is held. */
  private async gathered(body: Flowing): Promise<Uint8Array> {
    if ('watch' in body) {
      const lines: Uint8Array[] = []
      for await (const batch of body.watch) for (const line of batch) lines.push(line.bytes())
      return Buffer.concat(lines)
    }
    const chunks: Uint8Array[] = []
    let size = 0
    const ending = this.options.ports.clock.after(this.leftMs(), () => this.gone.abort())
    for await (const chunk of body.stream) {
      chunks.push(chunk)
      size += chunk.length
      if (size > (this.hold.maxStateBytes ?? size)) throw tooLargeAnswer(size)
    }
    ending.cancel()
    return Buffer.concat(chunks)
  }

  // --- streams

  /** Ends its source when the reader has gone, or when the function's time is nearly over. */
  private flowing(body: Flowing): Readable {
    const source = 'watch' in body ? linesOf(body.watch) : body.stream
    const iterator = source[Symbol.asyncIterator]()
    const over = () => this.gone.abort()
    const ending = this.options.ports.clock.after(this.leftMs() + STREAM_MARGIN_MS / 2, over)
    // Not Readable.from: before it says that its reader has left, it waits for what the reader was waiting for.
    const readable = new Readable({
      read: () => {
        iterator.next().then(
          ({ done, value }) => readable.push(done === true ? null : value),
          (error: unknown) => readable.destroy(error instanceof Error ? error : new Error(String(error)))
        )
      },
      destroy: (error, done) => {
        ending.cancel()
        over()
        done(error)
      }
    })
    return readable
  }
}

type Flowing = Extract<ApiResponse['body'], { watch: unknown } | { stream: unknown }>

async function* linesOf(watch: AsyncIterable<readonly WatchLine[]>): AsyncGenerator<Uint8Array> {
  for await (const lines of watch) {
    if (lines.length === 1 && lines[0] !== undefined) yield lines[0].bytes()
    else yield Buffer.concat(lines.map((line) => line.bytes()))
  }
}

function bytesOf(body: Exclude<ApiResponse['body'], Flowing>): Uint8Array {
  return 'payload' in body ? body.payload.bytes() : Buffer.from(body.text)
}

function headersOf({ headers }: ApiResponse): Record<string, string> {
  return { 'cache-control': 'no-cache, private', ...headers }
}

function acceptsGzip({ headers, multiValueHeaders }: GatewayEvent): boolean {
  const all = [...Object.entries(headers ?? {}), ...Object.entries(multiValueHeaders ?? {})]
  return all.some(([name, value]) => name.toLowerCase() === 'accept-encoding' && /\bgzip\b/.test(String(value)))
}

function isTextual(type: string | undefined): boolean {
  return type !== undefined && /^(text\/|application\/([\w.-]+\+)?(json|yaml)\b)/.test(type)
}

function tooLargeAnswer(bytes: number): ApiError {
  const size = `${(bytes / 1024 / 1024).toFixed(1)} MiB`
  return new ApiError(
    'RequestEntityTooLarge',
    `the answer has ${size}, more than API Gateway and Lambda pass on at once: ask for it in pages (limit), in part (--tail, --limit-bytes), or with Accept-Encoding: gzip`
  )
}

/** What `work` comes to within the time; else `late` says what to fail with. */
async function within<T>(
  clock: Clock,
  { ms, late }: { ms: number; late: () => ApiError },
  work: () => Promise<T>
): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const timer = clock.after(ms, () => reject(late()))
    const done = (settle: () => void) => {
      timer.cancel()
      settle()
    }
    work().then(
      (value) => done(() => resolve(value)),
      (error: unknown) => done(() => reject(error))
    )
  })
}
