/**
 * The API for pods of this node, under the names and the authority that they expect (docs/adr/0008-nodes-on-aws.md): ends
 * their TLS and passes each request on to the API's URL, with the pod's own token, as streams both ways.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer, Agent as HttpsAgent, request as httpsRequest, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { ApiError } from '../../core/errors.ts'
import { type Ports, sleep } from '../../core/ports.ts'
import type { ServingCertificate } from './serving-certificate.ts'

export interface ApiProxyOptions {
  /** Where the API is, with a path, if any. */
  readonly url: string
  /** The node's own address that the service `kubernetes` leads to. */
  readonly listen: { readonly address: string; readonly port: number }
  /** Asks for a certificate. */
  readonly certificate: () => Promise<ServingCertificate>
  readonly ports: Ports
  readonly signal: AbortSignal
}

/** A certificate with less than this left is replaced: a third of its 30 days. */
const RENEW_BEFORE_MS = 10 * 86_400_000
/** How often that is looked at; a timer's longest time is 24 days. */
const LOOK_MS = 3_600_000
const AGAIN_MS = 1_000
const MAX_AGAIN_MS = 60_000

/** Headers of one connection, which are not the next one's. */
const HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'host']

/** Resolves with the port when it listens, which it tries until it can; goes on until `signal` aborts. */
export async function startApiProxy(options: ApiProxyOptions): Promise<number> {
  const { ports, signal, listen } = options
  const first = await persist(options, options.certificate)
  const forward = forwarder(options.url)
  const server = createServer({ cert: first.certificate, key: first.key, ALPNProtocols: ['http/1.1'] }, forward)
  // A watch may be quiet for as long as it likes, and so may what a pod sends.
  server.requestTimeout = 0
  signal.addEventListener('abort', () => {
    server.close()
    server.closeAllConnections()
  })
  await persist(options, () => listening(server, listen))
  void keepCertificate(server, first, options)
  ports.log.info(listen, 'pods reach the API here')
  return (server.address() as AddressInfo).port
}

/** Until it succeeds, with growing pauses; rejects when `signal` aborts. */
async function persist<T>({ ports, signal }: ApiProxyOptions, attempt: () => Promise<T>): Promise<T> {
  for (let pause = AGAIN_MS; ; pause = Math.min(pause * 2, MAX_AGAIN_MS)) {
    signal.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      ports.log.warn({ error: String(error) }, 'pods of this node cannot reach the API yet')
      await sleep(ports.clock, pause, signal)
    }
  }
}

function listening(server: Server, { address, port }: ApiProxyOptions['listen']): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, () => {
      server.off('error', reject)
      server.on('error', () => {})
      resolve()
    })
  })
}

async function keepCertificate(server: Server, first: ServingCertificate, options: ApiProxyOptions): Promise<void> {
  const { ports, signal } = options
  let { notAfter } = first
  while (!signal.aborted) {
    await sleep(ports.clock, LOOK_MS, signal)
    if (signal.aborted || notAfter - ports.clock.now() > RENEW_BEFORE_MS) continue
    try {
      const next = await options.certificate()
      server.setSecureContext({ cert: next.certificate, key: next.key })
      notAfter = next.notAfter
    } catch (error) {
      ports.log.warn({ error: String(error), notAfter }, 'the certificate of the way to the API was not renewed')
    }
  }
}

function forwarder(url: string): (request: IncomingMessage, response: ServerResponse) => void {
  const target = new URL(url)
  const base = target.pathname.replace(/\/+$/, '')
  const secure = target.protocol === 'https:'
  const agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true })
  const send = secure ? httpsRequest : httpRequest
  return (request, response) => {
    const headers = passedOn(request.headers)
    const options = { method: request.method, path: `${base}${request.url ?? '/'}`, headers, agent }
    const sent = send({ ...options, protocol: target.protocol, hostname: target.hostname, port: target.port })
    sent.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 502, passedOn(answer.headers))
      response.flushHeaders()
      answer.pipe(response)
      // Cut off in the middle: the client must not take it for the whole.
      answer.on('error', () => response.destroy())
      answer.on('aborted', () => response.destroy())
    })
    sent.on('error', (error) => refuse(response, error))
    // The client has gone: nobody reads on.
    response.on('close', () => sent.destroy())
    request.on('error', () => sent.destroy())
    request.pipe(sent)
  }
}

function passedOn(headers: IncomingMessage['headers']): IncomingMessage['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP.includes(name)))
}

function refuse(response: ServerResponse, error: Error): void {
  if (response.headersSent || response.destroyed) return void response.destroy()
  const failure = new ApiError('ServiceUnavailable', `the node's way to the API: ${error.message}`)
  response.writeHead(failure.code, { 'content-type': 'application/json' })
  response.end(JSON.stringify(failure.toStatus()))
}
