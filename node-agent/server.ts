/** The node's own HTTPS server: logs, health, and what runs here. Only the API server may ask. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { answerOf, type NodeSources, text } from './answers.ts'

/** Whom the API server is to its nodes. */
const API_SERVER = 'kube-apiserver-kubelet-client'

export interface ServerOptions extends NodeSources {
  readonly port: number
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
}

export interface NodeServer {
  readonly port: number
  close(): Promise<void>
}

export async function startServer(options: ServerOptions): Promise<NodeServer> {
  const server = createServer({ ...options.tls, requestCert: true, rejectUnauthorized: true }, (request, response) => {
    handle(options, request, response).catch((error: unknown) => {
      options.ports.log.warn({ path: request.url, error: String(error) }, 'a request to the node failed')
      if (!response.headersSent) answer(response, 500, String(error))
      else response.destroy()
    })
  })
  await listen(server, options.port)
  const { port } = server.address() as AddressInfo
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

/** The port of an agent that has just been killed may be taken still; then a free one does as well. */
function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' && port !== 0) server.listen(0)
      else reject(error)
    }
    server.on('error', failed)
    server.once('listening', () => {
      server.off('error', failed)
      server.on('error', () => {})
      resolve()
    })
    server.listen(port)
  })
}

async function handle(options: ServerOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  const { status, type, body } = await answerTo(options, request, gone.signal)
  response.writeHead(status, { 'content-type': type })
  response.flushHeaders()
  for await (const chunk of body) {
    if (!response.write(chunk)) await drained(response)
    if (gone.signal.aborted) return
  }
  response.end()
}

async function answerTo(options: ServerOptions, request: IncomingMessage, signal: AbortSignal) {
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'Method Not Allowed')
  const subject = (request.socket as TLSSocket).getPeerCertificate().subject
  if (subject?.CN !== API_SERVER) return text(403, `Forbidden (user=${subject?.CN ?? ''})`)
  return await answerOf(options, request.url ?? '/', signal)
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.once('drain', done)
    response.once('close', done)
  })
}

function answer(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(message)
}
