/** The API over TLS: HTTP/2 and HTTP/1.1 on one port, with client certificates where the client has one. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  constants,
  createServer as createHttp2,
  type Http2Session,
  type IncomingHttpHeaders,
  type ServerHttp2Stream
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import { ApiError } from '../../core/errors.ts'
import type { Ports } from '../../core/ports.ts'
import type { Api } from './server.ts'
import type { Peer } from './types.ts'
import { type Exchange, Wire } from './wire.ts'

// Importing node:http as a module loads every export, fetch's library too: 14 MB and 40 ms that are never used.
const { createServer: createHttp1 } = process.getBuiltinModule('node:http')

export interface ListenOptions {
  readonly api: Pick<Api, 'serve'>
  readonly ports: Ports
  readonly host?: string
  /** 0: any free one. */
  readonly port: number
  /** PEM texts. `clientAuthority`: who signs client certificates. */
  readonly tls: { readonly key: string; readonly certificate: string; readonly clientAuthority?: string }
  readonly limits?: Partial<Limits>
}

/** In milliseconds. */
export interface Limits {
  readonly handshakeMs: number
  /** A connection on which nothing is asked. */
  readonly idleMs: number
  readonly bodyMs: number
  readonly answerMs: number
}

export interface Listener {
  readonly port: number
  /** Lets what is under way end for at most `graceMs` (1 s), then cuts it. */
  close(graceMs?: number): Promise<void>
}

const LIMITS: Limits = { handshakeMs: 10_000, idleMs: 120_000, bodyMs: 30_000, answerMs: 60_000 }
/** How many requests one HTTP/2 connection may have open: watches count. */
const MAX_STREAMS = 2_000
/** Bytes that may come on one HTTP/2 connection, and on one of its streams, before we have read them. */
const CONNECTION_WINDOW = 4 * 1024 * 1024
const STREAM_WINDOW = 512 * 1024

export async function listen(options: ListenOptions): Promise<Listener> {
  const server = new ApiListener(options)
  await server.listen(options.port, options.host ?? '0.0.0.0')
  return server
}

/** What is known of one TLS connection. */
interface Connection {
  readonly peer: Peer
  /** A certificate came that our authority did not sign. */
  readonly stranger: boolean
  open: number
  /** Since when nothing is open, in milliseconds since 1970. */
  idleSince: number
}

class ApiListener implements Listener {
  private readonly options: ListenOptions
  private readonly limits: Limits
  private readonly wire: Wire
  private readonly connections = new Map<TLSSocket, Connection>()
  private readonly sessions = new Map<Http2Session, Connection>()
  private readonly http1
  private readonly http2
  private readonly tls
  /** Whose HTTP/2 session is being made: Node tells of it within `emit`. */
  private current: Connection | undefined
  private closing = false

  constructor(options: ListenOptions) {
    const { api, ports, tls } = options
    this.options = options
    this.limits = { ...LIMITS, ...options.limits }
    this.wire = new Wire({
      serve: (request, peer) => api.serve(request, peer),
      after: (delayMs, callback) => ports.clock.after(delayMs, callback),
      bodyMs: this.limits.bodyMs,
      answerMs: this.limits.answerMs,
      failed: (error) => ports.log.error({ error }, 'an exchange failed')
    })
    this.http1 = createHttp1({
      maxHeaderSize: 64 * 1024,
      keepAliveTimeout: this.limits.idleMs,
      insecureHTTPParser: false
    })
    this.http2 = createHttp2({
      // Megabytes. Too little, and Node closes streams with ENHANCE_YOUR_CALM under a few large lists at once.
      maxSessionMemory: 1_000,
      // Clients of Kubernetes end watches by resetting their streams.
      streamResetBurst: 20_000,
      streamResetRate: 2_000,
      settings: { maxConcurrentStreams: MAX_STREAMS, initialWindowSize: STREAM_WINDOW }
    })
    this.tls = createServer({
      key: tls.key,
      cert: tls.certificate,
      ...(tls.clientAuthority === undefined ? {} : { ca: tls.clientAuthority, requestCert: true }),
      rejectUnauthorized: false,
      ALPNProtocols: ['h2', 'http/1.1'],
      minVersion: 'TLSv1.2',
      handshakeTimeout: this.limits.handshakeMs
    })
    this.wireUp()
  }

  get port(): number {
    return (this.tls.address() as AddressInfo).port
  }

  async listen(port: number, host: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.tls.once('error', reject)
      this.tls.listen({ port, host, backlog: 2048 }, () => {
        this.tls.removeListener('error', reject)
        this.tls.on('error', (error) => this.options.ports.log.error({ error }, 'the listener failed'))
        resolve()
      })
    })
    this.sweepLater()
  }

  async close(graceMs = 1_000): Promise<void> {
    if (this.closing) return
    this.closing = true
    const closed = new Promise<void>((resolve) => this.tls.close(() => resolve()))
    for (const session of this.sessions.keys()) session.close()
    for (const [socket, { open }] of this.connections) if (open === 0) socket.destroy()
    const cut = this.options.ports.clock.after(graceMs, () => {
      for (const socket of this.connections.keys()) socket.destroy()
    })
    await closed
    cut.cancel()
  }

  private wireUp(): void {
    this.tls.on('secureConnection', (socket) => this.connected(socket))
    // Broken handshakes are the client's own matter.
    this.tls.on('tlsClientError', () => {})
    this.http2.on('session', (session) => {
      if (this.current === undefined) return void session.destroy()
      this.sessions.set(session, this.current)
      session.setLocalWindowSize(CONNECTION_WINDOW)
      session.on('error', () => {})
      session.once('close', () => this.sessions.delete(session))
    })
    this.http2.on('sessionError', () => {})
    this.http2.on('stream', (stream, headers) => this.stream(stream, headers))
    this.http1.on('request', (request, response) => this.request(request, response))
    this.http1.on('clientError', (error, socket) => {
      if (!socket.writable) return void socket.destroy()
      const code = (error as { code?: string }).code
      const status = code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'
      const head = `HTTP/1.1 ${status}\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close`
      socket.end(`${head}\r\n\r\n${status}`)
    })
  }

  private connected(socket: TLSSocket): void {
    const { clock } = this.options.ports
    const connection = { ...identity(socket), open: 0, idleSince: clock.now() }
    this.connections.set(socket, connection)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 30_000)
    socket.on('error', () => {})
    socket.once('close', () => this.connections.delete(socket))
    if (this.closing) return void socket.destroy()
    this.current = connection
    const server = socket.alpnProtocol === 'h2' ? this.http2 : this.http1
    server.emit('connection', socket)
    this.current = undefined
  }

  private stream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', () => {})
    const connection = stream.session === undefined ? undefined : this.sessions.get(stream.session)
    if (connection === undefined) return void stream.destroy()
    this.run(connection, {
      method: String(headers[':method'] ?? ''),
      target: String(headers[':path'] ?? '/'),
      headers: headers as Record<string, string>,
      peer: connection.peer,
      input: stream.endAfterHeaders ? undefined : stream,
      output: stream,
      head: (status, answer) => {
        if (!stream.headersSent && !stream.destroyed) stream.respond({ ':status': status, ...answer })
      },
      destroy: () => stream.close(constants.NGHTTP2_CANCEL)
    })
    if (stream.endAfterHeaders) stream.resume()
  }

  private request(request: IncomingMessage, response: ServerResponse): void {
    request.on('error', () => {})
    response.on('error', () => {})
    const connection = this.connections.get(request.socket as TLSSocket)
    if (connection === undefined) return void request.socket.destroy()
    const { url = '/', headers } = request
    const hasBody = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
    this.run(connection, {
      method: request.method ?? '',
      target: url.startsWith('/') ? url : pathOf(url),
      headers: headers as Record<string, string>,
      peer: connection.peer,
      input: hasBody ? request : undefined,
      output: response,
      head: (status, answer) => {
        if (response.headersSent) return
        response.writeHead(status, answer)
        if (answer['content-length'] === undefined) response.flushHeaders()
      },
      destroy: () => request.socket.destroy()
    })
    if (!hasBody) request.resume()
  }

  private run(connection: Connection, exchange: Exchange): void {
    connection.open++
    // The answer may be written and not yet read: the exchange ends with its stream.
    exchange.output.once('close', () => {
      connection.open--
      connection.idleSince = this.options.ports.clock.now()
    })
    void (connection.stranger ? this.wire.refuse(exchange, unauthorized()) : this.wire.run(exchange))
  }

  /** Ends connections on which nothing is asked: also half-open ones and those that send their headers too slowly. */
  private sweepLater(): void {
    const { clock } = this.options.ports
    clock.after(Math.max(100, this.limits.idleMs / 8), () => {
      if (this.closing) return
      const before = clock.now() - this.limits.idleMs
      for (const [socket, { open, idleSince }] of this.connections) {
        if (open === 0 && idleSince < before) socket.destroy()
      }
      this.sweepLater()
    })
  }
}

function unauthorized(): ApiError {
  return new ApiError('Unauthorized', 'Unauthorized')
}

/** The certificate's subject, once for a connection. */
function identity(socket: TLSSocket): { peer: Peer; stranger: boolean } {
  const at = socket.remoteAddress === undefined ? {} : { address: socket.remoteAddress.replace(/^::ffff:/, '') }
  const certificate = socket.getPeerCertificate()
  const { subject } = certificate as Partial<typeof certificate>
  if (subject === undefined) return { peer: at, stranger: false }
  if (!socket.authorized) return { peer: at, stranger: true }
  const { CN, O } = subject as { CN?: string | string[]; O?: string | string[] }
  const commonName = (Array.isArray(CN) ? CN.at(-1) : CN) ?? ''
  const organizations = O === undefined ? [] : Array.isArray(O) ? O : [O]
  return { peer: { certificate: { commonName, organizations }, ...at }, stranger: false }
}

/** "http://host/path?query" of a client that takes us for a proxy. */
function pathOf(url: string): string {
  const match = /^[a-z]+:\/\/[^/?]*(\/.*)?$/i.exec(url)
  return match?.[1] ?? '/'
}
