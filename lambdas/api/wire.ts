/** One request over the wire, whatever the version of HTTP: reads its body, answers it, respects a slow reader. */
import type { Readable, Writable } from 'node:stream'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { ApiError } from '../../core/errors.ts'
import type { ApiRequest, ApiResponse, Method, WatchLine } from '../../core/http.ts'
import type { Timer } from '../../core/ports.ts'
import { errorAnswer, internalError } from './answers.ts'
import { tooLarge } from './failures.ts'
import type { Peer } from './types.ts'

/** As kube-apiserver: its limit of a request's body, and the size from which answers are compressed. */
export const MAX_BODY_BYTES = 3 * 1024 * 1024
export const GZIP_FROM_BYTES = 128 * 1024
/** Bodies of all requests together that may be held while they arrive. */
const MAX_HELD_BYTES = 96 * 1024 * 1024
/** Answers larger than the first wait while more than the second is on its way to slow readers. */
const LARGE_BYTES = 64 * 1024
const MAX_OUTSTANDING_BYTES = 96 * 1024 * 1024

const NO_QUERY = new URLSearchParams()
const compress = promisify(gzip)

export interface Exchange {
  readonly method: string
  /** Path and query as they came. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly peer: Peer
  /** undefined: the request has no body. */
  readonly input: Readable | undefined
  readonly output: Writable
  head(status: number, headers: Record<string, string | number>): void
  /** Ends it without an answer. */
  destroy(): void
}

export interface WireOptions {
  readonly serve: (request: ApiRequest, peer: Peer) => Promise<ApiResponse>
  readonly after: (delayMs: number, callback: () => void) => Timer
  /** Milliseconds for a body to arrive. */
  readonly bodyMs: number
  /** Milliseconds for a reader to take an answer that is not a stream. */
  readonly answerMs: number
  readonly failed: (error: unknown) => void
}

/** Shared by all exchanges of a listener. */
export class Wire {
  private readonly options: WireOptions
  private held = 0
  private outstanding = 0
  private waiting: (() => void)[] = []

  constructor(options: WireOptions) {
    this.options = options
  }

  /** Resolves when the exchange is over. Never rejects. */
  async run(exchange: Exchange): Promise<void> {
    try {
      const body = exchange.input === undefined ? undefined : await this.body(exchange, exchange.input)
      const request = new WireRequest(exchange, body)
      const response = await this.options.serve(request, exchange.peer)
      await this.answer(exchange, response)
    } catch (error) {
      await this.fail(exchange, error)
    }
  }

  /** Answers with the error, whatever was asked. Never rejects. */
  async refuse(exchange: Exchange, error: ApiError): Promise<void> {
    exchange.input?.resume()
    await this.fail(exchange, error)
  }

  private async fail(exchange: Exchange, error: unknown): Promise<void> {
    if (exchange.output.destroyed || exchange.output.writableEnded) return
    if (error instanceof Gone) return exchange.destroy()
    if (!(error instanceof ApiError)) this.options.failed(error)
    try {
      await this.answer(exchange, errorAnswer(error instanceof ApiError ? error : internalError(error)))
    } catch {
      exchange.destroy()
    }
  }

  private body(exchange: Exchange, input: Readable): Promise<Uint8Array | undefined> {
    const declared = Number(exchange.headers['content-length'] ?? 0)
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      let size = 0
      let over = false
      const finish = (settle: () => void) => {
        if (over) return
        over = true
        timer.cancel()
        this.held -= size
        input.removeListener('data', data)
        // What still comes is dropped, so that the answer can be read.
        if (!input.readableEnded) input.resume()
        settle()
      }
      const gone = () => {
        if (!over) finish(() => reject(new Gone()))
      }
      const data = (chunk: Buffer) => {
        size += chunk.length
        this.held += chunk.length
        if (size > MAX_BODY_BYTES) return finish(() => reject(tooLarge(MAX_BODY_BYTES)))
        if (this.held > MAX_HELD_BYTES) return finish(() => reject(tooMany()))
        chunks.push(chunk)
      }
      // What came while this process was busy is read first.
      const timer = this.options.after(this.options.bodyMs, () => setImmediate(() => setImmediate(gone)))
      if (declared > MAX_BODY_BYTES) return finish(() => reject(tooLarge(MAX_BODY_BYTES)))
      input.on('data', data)
      input.once('end', () => finish(() => resolve(chunks.length === 1 ? chunks[0] : joined(chunks))))
      input.once('error', gone)
      input.once('aborted', gone)
      input.once('close', gone)
    })
  }

  private async answer(exchange: Exchange, { status, headers, body }: ApiResponse): Promise<void> {
    const all: Record<string, string | number> = { 'cache-control': 'no-cache, private', ...headers }
    if (exchange.method === 'HEAD' || status === 304) {
      exchange.head(status, all)
      exchange.output.end()
    } else if ('payload' in body)
      await this.answerBytes(exchange, { status, headers: all, bytes: () => body.payload.bytes() })
    else if ('text' in body)
      await this.answerBytes(exchange, { status, headers: all, bytes: () => Buffer.from(body.text) })
    else {
      exchange.head(status, all)
      if ('watch' in body) await pump(exchange.output, body.watch, writeLines)
      else await pump(exchange.output, body.stream, (output, chunk) => output.write(chunk))
    }
  }

  private async answerBytes(
    { headers: asked, output, head, destroy }: Exchange,
    answer: { status: number; headers: Record<string, string | number>; bytes: () => Uint8Array }
  ): Promise<void> {
    const { status, headers } = answer
    let bytes = answer.bytes()
    while (bytes.length > LARGE_BYTES && this.outstanding > MAX_OUTSTANDING_BYTES) {
      // Let go of them while waiting; they can be made again.
      bytes = EMPTY
      await new Promise<void>((resolve) => this.waiting.push(resolve))
      if (output.destroyed) return
      bytes = answer.bytes()
    }
    if (bytes.length > GZIP_FROM_BYTES && asked['accept-encoding']?.includes('gzip') === true) {
      bytes = await compress(bytes, { level: 1 })
      headers['content-encoding'] = 'gzip'
      headers.vary = 'Accept-Encoding'
      if (output.destroyed) return
    }
    headers['content-length'] = bytes.length
    head(status, headers)
    output.end(bytes)
    if (bytes.length > LARGE_BYTES) await this.delivered(output, { size: bytes.length, destroy })
  }

  private delivered(output: Writable, { size, destroy }: { size: number; destroy: () => void }): Promise<void> {
    this.outstanding += size
    return new Promise((resolve) => {
      let over = false
      const done = () => {
        if (over) return
        over = true
        timer.cancel()
        this.outstanding -= size
        const next = this.waiting
        this.waiting = []
        for (const wake of next) wake()
        resolve()
      }
      const timer = this.options.after(this.options.answerMs, () => {
        destroy()
        done()
      })
      output.once('finish', done)
      output.once('close', done)
    })
  }
}

const EMPTY = new Uint8Array()

/** The client went away, or was too slow to be worth an answer. */
class Gone extends Error {}

function tooMany(): ApiError {
  return new ApiError('TooManyRequests', 'Too many requests, please try again later.', {
    details: { retryAfterSeconds: 1 }
  })
}

function joined(chunks: readonly Buffer[]): Buffer | undefined {
  return chunks.length === 0 ? undefined : Buffer.concat(chunks)
}

class WireRequest implements ApiRequest {
  readonly method: Method
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string>>
  readonly body?: { readonly bytes: Uint8Array }
  private readonly output: Writable
  private controller: AbortController | undefined

  constructor(exchange: Exchange, body: Uint8Array | undefined) {
    const { target } = exchange
    const at = target.indexOf('?')
    this.method = exchange.method as Method
    this.path = at < 0 ? target : target.slice(0, at)
    this.query = at < 0 ? NO_QUERY : new URLSearchParams(target.slice(at + 1))
    this.headers = exchange.headers
    if (body !== undefined) this.body = { bytes: body }
    this.output = exchange.output
  }

  /** Made when somebody asks: most requests are answered without. */
  get signal(): AbortSignal {
    if (this.controller === undefined) {
      const controller = new AbortController()
      this.controller = controller
      if (this.output.destroyed) controller.abort()
      else this.output.once('close', () => controller.abort())
    }
    return this.controller.signal
  }
}

/** false: the reader is behind, wait for "drain". */
type Write<T> = (output: Writable, part: T) => boolean

/** Writes all that comes, waiting for a slow reader; ends the source when the reader has gone. */
async function pump<T>(output: Writable, source: AsyncIterable<T>, write: Write<T>): Promise<void> {
  for await (const part of source) {
    if (output.destroyed) return
    if (!write(output, part)) await drained(output)
    if (output.destroyed) return
  }
  output.end()
}

function writeLines(output: Writable, lines: readonly WatchLine[]): boolean {
  if (lines.length === 1) return output.write(lines[0]?.bytes())
  let more = true
  output.cork()
  for (const line of lines) more = output.write(line.bytes())
  output.uncork()
  return more
}

function drained(output: Writable): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      output.removeListener('drain', done)
      output.removeListener('close', done)
      resolve()
    }
    output.on('drain', done)
    output.on('close', done)
    if (output.destroyed) done()
  })
}
