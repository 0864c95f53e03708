/** Asks a container once, as a probe or a hook: a command, an HTTP request, a TCP connection or a gRPC health check. */
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import type { Container, HTTPGetAction, IntOrString, Probe } from '../../core/kinds/types.ts'
import type { Ports } from '../../core/ports.ts'
import { type Runtime, RuntimeError } from '../runtime/runtime.ts'

// Importing node:http as a module loads every export, fetch's library too: 14 MB that are never used.
const { request: httpRequest } = process.getBuiltinModule('node:http')

export type ProbeResult =
  | { readonly result: 'success'; readonly warning?: string }
  | { readonly result: 'failure'; readonly output: string }
  /** The probe itself could not be made; it counts for nothing. */
  | { readonly result: 'unknown'; readonly output: string }

export interface ProbeTarget {
  readonly runtime: Runtime
  readonly ports: Ports
  readonly container: Container
  readonly containerId: string
  readonly podIP: string
}

const SUCCESS: ProbeResult = { result: 'success' }
const MOST_OUTPUT = 10 * 1024

export async function runProbe(target: ProbeTarget, probe: Probe): Promise<ProbeResult> {
  const timeoutMs = (probe.timeoutSeconds ?? 1) * 1000
  if (probe.exec !== undefined) return await execProbe(target, probe.exec.command ?? [], timeoutMs)
  if (probe.httpGet !== undefined) return await httpProbe(target, probe.httpGet, timeoutMs)
  if (probe.tcpSocket !== undefined) {
    const host = hostOr(probe.tcpSocket.host, target.podIP)
    return await tcpProbe(host, portOf(target.container, probe.tcpSocket.port), { timeoutMs, ports: target.ports })
  }
  if (probe.grpc !== undefined) {
    const { checkHealth } = await import('./grpc-health.ts')
    const address = `${target.podIP}:${probe.grpc.port}`
    return await checkHealth(address, probe.grpc.service ?? '', { timeoutMs, now: target.ports.clock.now() })
  }
  return { result: 'unknown', output: 'missing probe handler' }
}

async function execProbe(target: ProbeTarget, command: readonly string[], timeoutMs: number): Promise<ProbeResult> {
  try {
    const answer = await target.runtime.exec(target.containerId, command, Math.ceil(timeoutMs / 1000))
    if (answer.exitCode === 0) return SUCCESS
    return { result: 'failure', output: (answer.stdout + answer.stderr).slice(0, MOST_OUTPUT) }
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error
    const timedOut = error.kind === 'Timeout' || /timeout .* exceeded|timed out/.test(error.message)
    if (!timedOut) return { result: 'unknown', output: error.message }
    const output = `command timed out: "${command.join(' ')}" timed out after ${timeoutMs / 1000}s`
    return { result: 'failure', output }
  }
}

export interface HttpAnswer {
  readonly status: number
  readonly location: string | undefined
  /** At most 10 KiB of it. */
  readonly body: string
}

const MOST_REDIRECTS = 10

async function httpProbe(target: ProbeTarget, action: HTTPGetAction, timeoutMs: number): Promise<ProbeResult> {
  let url = urlOf(target, action)
  try {
    for (let redirects = 0; ; redirects++) {
      const answer = await httpGet(url, action, { timeoutMs, ports: target.ports })
      const next = answer.location === undefined ? undefined : new URL(answer.location, url)
      if (answer.status < 300 || answer.status >= 400 || next === undefined) {
        if (answer.status >= 200 && answer.status < 300) return SUCCESS
        if (answer.status >= 300 && answer.status < 400) return redirected(answer)
        return { result: 'failure', output: `HTTP probe failed with statuscode: ${answer.status}` }
      }
      // A redirect to another host is not followed and counts as an answer.
      if (next.hostname !== url.hostname) return redirected(answer)
      if (redirects >= MOST_REDIRECTS) {
        return { result: 'failure', output: `Get "${next.href}": stopped after 10 redirects` }
      }
      url = next
    }
  } catch (error) {
    return { result: 'failure', output: `Get "${url.href}": ${networkError(error, url)}` }
  }
}

function redirected({ body }: HttpAnswer): ProbeResult {
  return { result: 'success', warning: `Probe terminated redirects, Response body: ${body}` }
}

export function urlOf(target: ProbeTarget, action: HTTPGetAction): URL {
  const host = hostOr(action.host, target.podIP)
  const scheme = (action.scheme ?? 'HTTP').toLowerCase()
  const path = (action.path ?? '').startsWith('/') ? (action.path ?? '') : `/${action.path ?? ''}`
  const address = host.includes(':') ? `[${host}]` : host
  return new URL(`${scheme}://${address}:${portOf(target.container, action.port)}${path}`)
}

function hostOr(host: string | undefined, podIP: string): string {
  return host === undefined || host === '' ? podIP : host
}

export function httpGet(
  url: URL,
  action: HTTPGetAction,
  limits: { readonly timeoutMs: number; readonly ports: Ports }
): Promise<HttpAnswer> {
  const headers: Record<string, string> = { 'user-agent': 'kube-probe/1.35', accept: '*/*', connection: 'close' }
  for (const { name, value } of action.httpHeaders ?? []) headers[name.toLowerCase()] = value
  const timeout = new Error('context deadline exceeded (Client.Timeout exceeded while awaiting headers)')
  return new Promise((resolve, reject) => {
    const options = { method: 'GET', headers, agent: false as const }
    // Kubernetes does not check the certificate of what it probes.
    const sent =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...options, rejectUnauthorized: false })
        : httpRequest(url, options)
    const timer = limits.ports.clock.after(limits.timeoutMs, () => sent.destroy(timeout))
    sent.on('response', (response) => {
      let body = Buffer.alloc(0)
      const answer = () => {
        timer.cancel()
        const text = body.subarray(0, MOST_OUTPUT).toString()
        resolve({ status: response.statusCode ?? 0, location: response.headers.location, body: text })
        sent.destroy()
      }
      response.on('data', (chunk: Buffer) => {
        body = Buffer.concat([body, chunk])
        if (body.length >= MOST_OUTPUT) answer()
      })
      response.once('end', answer)
      response.on('error', reject)
    })
    sent.on('error', (error) => {
      timer.cancel()
      reject(error)
    })
    sent.end()
  })
}

function tcpProbe(
  host: string,
  port: number,
  limits: { readonly timeoutMs: number; readonly ports: Ports }
): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const finish = (result: ProbeResult) => {
      timer.cancel()
      socket.destroy()
      resolve(result)
    }
    const failure = (what: string): ProbeResult => ({ result: 'failure', output: `dial tcp ${host}:${port}: ${what}` })
    const timer = limits.ports.clock.after(limits.timeoutMs, () => finish(failure('i/o timeout')))
    socket.once('connect', () => finish(SUCCESS))
    socket.once('error', (error: NodeJS.ErrnoException) => finish(failure(systemError(error))))
  })
}

function networkError(error: unknown, url: URL): string {
  const { code, syscall, message } = error as NodeJS.ErrnoException
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
  if (syscall === 'connect') return `dial tcp ${url.hostname}:${port}: ${systemError(error as NodeJS.ErrnoException)}`
  return code === 'ECONNRESET' ? 'EOF' : message
}

/** In the words of Go's net package. */
function systemError(error: NodeJS.ErrnoException): string {
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
    ETIMEDOUT: 'connect: connection timed out',
    ECONNRESET: 'read: connection reset by peer'
  }
  return words[error.code ?? ''] ?? error.message
}

/** A number, or the name of one of the container's ports. */
export function portOf(container: Container, port: IntOrString): number {
  if (typeof port === 'number') return port
  const named = container.ports?.find((one) => one.name === port)
  return named?.containerPort ?? Number.parseInt(port, 10)
}
