/** The node's own HTTPS server: logs, health, and what runs here. Only the API server may ask. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Pod, PodStatus } from '../core/kinds/types.ts'
import type { Ports } from '../core/ports.ts'
import { type LogOptions, readLog } from './logs/read-log.ts'
import type { Runtime, RuntimeContainer } from './runtime/runtime.ts'
import { summaryOf } from './stats.ts'

/** Whom the API server is to its nodes. */
const API_SERVER = 'kube-apiserver-kubelet-client'

export interface ServerOptions {
  readonly port: number
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
  readonly nodeName: string
  readonly runtime: Runtime
  readonly ports: Ports
  readonly pods: () => readonly Pod[]
  /** As last reported; undefined: no such pod here. */
  readonly status: (namespace: string, name: string) => PodStatus | undefined
  readonly containers: (namespace: string, name: string) => readonly RuntimeContainer[]
  /** Called when a container may have ended; returns its removal. */
  readonly onChange: (listener: () => void) => () => void
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
  const url = new URL(request.url ?? '/', 'https://node')
  if (request.method !== 'GET' && request.method !== 'HEAD') return answer(response, 405, 'Method Not Allowed')
  const subject = (request.socket as TLSSocket).getPeerCertificate().subject
  if (subject?.CN !== API_SERVER) return answer(response, 403, `Forbidden (user=${subject?.CN ?? ''})`)
  const [, first, ...rest] = url.pathname.split('/').map(decodeURIComponent)
  if (url.pathname === '/healthz') return answer(response, 200, 'ok')
  if (url.pathname === '/pods') {
    return json(response, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: options.pods() })
  }
  if (url.pathname === '/stats/summary') return json(response, await summaryOf(options))
  if (first === 'containerLogs' && rest.length === 3) {
    const [namespace = '', pod = '', container = ''] = rest
    return await logs({ options, request, response, query: url.searchParams }, { namespace, pod, container })
  }
  answer(response, 404, '404 page not found')
}

interface Exchange {
  readonly options: ServerOptions
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
}

async function logs(
  { options, response, query }: Exchange,
  at: { readonly namespace: string; readonly pod: string; readonly container: string }
): Promise<void> {
  const previous = query.get('previous') === 'true'
  const status = options.status(at.namespace, at.pod)
  if (status === undefined) return answer(response, 404, `pod "${at.pod}" does not exist`)
  const all = () => options.containers(at.namespace, at.pod)
  const id = loggedContainer(status, at.container, previous)
  const target = all().find((container) => `containerd://${container.id}` === id)
  if (target === undefined) {
    const what = `container "${at.container}" in pod "${at.pod}"`
    return answer(
      response,
      404,
      `${previous ? 'previous terminated ' : ''}${what} ${previous ? 'not found' : 'is not available'}`
    )
  }
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  const source = {
    file: target.logPath,
    running: () => all().find((one) => one.id === target.id)?.state === 'running',
    onEnd: options.onChange,
    signal: gone.signal
  }
  response.writeHead(200, { 'content-type': 'text/plain' })
  response.flushHeaders()
  for await (const chunk of readLog(source, logOptions(query, options.ports.clock.now()))) {
    if (!response.write(chunk)) await drained(response)
    if (gone.signal.aborted) return
  }
  response.end()
}

/** The id, as in the status, of the container whose log is meant (kubelet's validateContainerLogStatus). */
export function loggedContainer(status: PodStatus, name: string, previous: boolean): string | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = status
  const all = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses]
  const found = all.find((one) => one.name === name)
  const last = found?.lastState?.terminated?.containerID
  if (previous) return last
  if (found?.state?.running !== undefined) return found.containerID
  return found?.state?.terminated?.containerID ?? last
}

function logOptions(query: URLSearchParams, now: number): LogOptions {
  const number = (name: string) => (query.get(name) === null ? undefined : Number(query.get(name)))
  const tailLines = number('tailLines')
  const limitBytes = number('limitBytes')
  const seconds = number('sinceSeconds')
  const time = query.get('sinceTime')
  const since = seconds !== undefined ? now - seconds * 1000 : time !== null ? Date.parse(time) : undefined
  return {
    follow: query.get('follow') === 'true',
    timestamps: query.get('timestamps') === 'true',
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(since === undefined ? {} : { since })
  }
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

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify(value))
}

function answer(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' })
  response.end(text)
}
