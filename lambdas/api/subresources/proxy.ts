/** The API server as a way to pods, services and nodes: .../proxy/PATH of each, any method, streams both ways. */
import type { IncomingMessage, RequestOptions } from 'node:http'
import { ApiError } from '../../../core/errors.ts'
import { goQuote } from '../../../core/go-text.ts'
import type { ApiRequest, ApiResponse } from '../../../core/http.ts'
import type { Endpoints, Pod, Service } from '../../../core/kinds/types.ts'
import { badRequest, notFound } from '../failures.ts'
import type { Kubelet, KubeletConnection } from '../kubelet.ts'
import type { ApiContext, ResourceHandler, ResourceRequest } from '../types.ts'

export interface ProxyOptions {
  readonly kubelet: Pick<Kubelet, 'connection'>
  /** Whether an address may be gone to: not this machine's own. */
  readonly mayReach?: (ip: string) => boolean
}

interface Target {
  readonly scheme: 'http' | 'https'
  readonly host: string
  readonly port: number
  readonly tls?: KubeletConnection['tls']
}

/** Of one hop only, or the API's own business. */
const NOT_FORWARDED =
  /^(:.*|host|connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|authorization|impersonate-.*|content-length)$/
const NOT_RETURNED = /^(connection|keep-alive|proxy-.*|trailer|transfer-encoding|upgrade|access-control-.*)$/

export function proxyHandler({ kubelet, mayReach = isGlobal }: ProxyOptions): ResourceHandler {
  return async (at, context) => {
    const { scheme, name, port } = nameAndPort(at)
    const { before, after } = split(at)
    const { method } = at.request
    if (after === '' && (method === 'GET' || method === 'HEAD')) return slashed(at.request)
    const target = await targetOf(at, context, { scheme, name, port, kubelet, mayReach })
    return await forward(at.request, { target, before, path: after === '' ? '/' : after })
  }
}

interface Asked {
  readonly scheme: 'http' | 'https'
  readonly name: string
  readonly port: string
}

/** "name", "name:port" or "scheme:name:port". */
function nameAndPort({ kind, name: id = '' }: ResourceRequest): Asked {
  const parts = id.split(':')
  const [scheme = '', name = '', port = ''] = parts.length === 3 ? parts : ['', ...parts]
  if (parts.length > 3 || name === '' || !['', 'http', 'https'].includes(scheme)) {
    throw badRequest(`invalid ${kind.singular} request ${goQuote(id)}`)
  }
  return { scheme: scheme === 'https' ? 'https' : 'http', name, port }
}

/** The path up to ".../proxy", and what follows, both as they came. */
function split({ kind, request }: ResourceRequest): { before: string; after: string } {
  const parts = request.path.split('/')
  const end = parts.indexOf('proxy', kind.namespaced ? 7 : 5) + 1
  const rest = parts.slice(end)
  return { before: parts.slice(0, end).join('/'), after: rest.length === 0 ? '' : `/${rest.join('/')}` }
}

/** Relative links of a page need the slash. */
function slashed({ path, query }: ApiRequest): ApiResponse {
  const location = `${path}/${query.size === 0 ? '' : `?${query.toString()}`}`
  return { status: 301, headers: { location }, body: { text: '' } }
}

type How = Asked & Required<ProxyOptions>

async function targetOf(at: ResourceRequest, context: ApiContext, how: How): Promise<Target> {
  switch (at.kind.resource) {
    case 'pods':
      return await podTarget(at, context, how)
    case 'services':
      return await serviceTarget(at, context, how)
    default:
      return await nodeTarget(at, context, how)
  }
}

async function read<T>({ kind, namespace }: ResourceRequest, { store }: ApiContext, name: string): Promise<T> {
  const entry = await store.get(kind.storage, namespace === undefined ? name : `${namespace}/${name}`)
  if (entry === undefined) throw notFound(kind, name)
  return entry.value as unknown as T
}

async function podTarget(at: ResourceRequest, context: ApiContext, { scheme, name, port, mayReach }: How) {
  const pod = await read<Pod>(at, context, name)
  const first = pod.spec?.containers.flatMap(({ ports = [] }) => ports).at(0)?.containerPort
  const host = pod.status?.podIP ?? ''
  if (!mayReach(host)) throw badRequest('address not allowed')
  return { scheme, host, port: numberOf(port, first ?? (scheme === 'https' ? 443 : 80)) }
}

function numberOf(port: string, other: number): number {
  if (port === '') return other
  if (/^\d{1,5}$/.test(port) && Number(port) <= 65535) return Number(port)
  throw unreachable(`invalid port ${goQuote(port)}`)
}

/** By the Endpoints of the service, as kube-apiserver. */
async function serviceTarget(at: ResourceRequest, context: ApiContext, { scheme, name, port, mayReach }: How) {
  let portName = port
  if (/^\d+$/.test(port)) {
    const { spec } = await read<Service>(at, context, name)
    const found = spec?.ports?.find((one) => one.port === Number(port))
    if (found === undefined) throw unavailable(`no service port ${port} found for service ${goQuote(name)}`)
    portName = found.name ?? ''
  }
  const entry = await context.store.get('endpoints', `${at.namespace}/${name}`)
  if (entry === undefined) throw notFound({ group: '', resource: 'endpoints' }, name)
  const { subsets = [] } = entry.value as unknown as Endpoints
  if (subsets.length === 0) throw unavailable(`no endpoints available for service ${goQuote(name)}`)
  const choices = subsets.flatMap(({ addresses = [], ports = [] }) =>
    ports
      .filter((one) => (one.name ?? '') === portName)
      .flatMap((one) => addresses.filter(({ ip }) => mayReach(ip)).map(({ ip }) => ({ host: ip, port: one.port })))
  )
  const chosen = choices[Math.floor(context.ports.random.next() * choices.length)]
  if (chosen === undefined) throw unavailable(`no endpoints available for service ${goQuote(at.name ?? '')}`)
  return { scheme, ...chosen }
}

/** Without a port it is the node's agent, whom the API server's certificate opens. */
async function nodeTarget(
  at: ResourceRequest,
  context: ApiContext,
  { scheme, name, port, kubelet, mayReach }: How
): Promise<Target> {
  await read(at, context, name)
  const { host, port: agent, tls } = await kubelet.connection(name)
  if (port === '' || Number(port) === agent) return { scheme: 'https', host, port: agent, tls }
  if (!mayReach(host)) throw badRequest('address not allowed')
  return { scheme, host, port: numberOf(port, agent) }
}

function isGlobal(ip: string): boolean {
  if (ip === '' || ip === '::' || ip === '::1') return false
  return !/^(127\.|0\.0\.0\.0$|169\.254\.|22[4-9]\.|23\d\.|255\.255\.255\.255$|fe[89ab]|ff)/i.test(ip)
}

function unavailable(message: string): ApiError {
  return new ApiError('ServiceUnavailable', message)
}

function unreachable(why: string): ApiError {
  return unavailable(`error trying to reach service: ${why}`)
}

interface Way {
  readonly target: Target
  /** The path of the proxy itself. */
  readonly before: string
  readonly path: string
}

async function forward(request: ApiRequest, way: Way): Promise<ApiResponse> {
  const answer = await exchange(request, way)
  const headers: Record<string, string> = {}
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value === undefined || NOT_RETURNED.test(name)) continue
    headers[name] = Array.isArray(value) ? value.join(', ') : value
  }
  if (headers.location !== undefined) headers.location = relocated(headers.location, way)
  return { status: answer.statusCode ?? 502, headers, body: { stream: answer } }
}

async function exchange(request: ApiRequest, { target, before, path }: Way): Promise<IncomingMessage> {
  const { scheme, host, port, tls } = target
  const module = scheme === 'https' ? await import('node:https') : process.getBuiltinModule('node:http')
  const query = request.query.size === 0 ? '' : `?${request.query.toString()}`
  const body = request.body !== undefined && 'bytes' in request.body ? request.body.bytes : undefined
  const options: RequestOptions & { rejectUnauthorized?: boolean } = {
    method: request.method,
    host,
    port,
    path: path + query,
    headers: forwarded(request, { host: `${host}:${port}`, before, path, size: body?.length }),
    // A pod's own certificate is nobody's business, as in kube-apiserver.
    ...(scheme === 'https' ? (tls ?? { rejectUnauthorized: false }) : {}),
    ...(request.signal === undefined ? {} : { signal: request.signal })
  }
  return await new Promise((resolve, reject) => {
    const outgoing = module.request(options, resolve)
    outgoing.once('error', (error) => reject(unreachable(dialText(error, target))))
    outgoing.end(body)
  })
}

function forwarded(
  request: ApiRequest,
  of: { host: string; before: string; path: string; size: number | undefined }
): Record<string, string | number> {
  const headers: Record<string, string | number> = { host: of.host }
  for (const [name, value] of Object.entries(request.headers)) if (!NOT_FORWARDED.test(name)) headers[name] = value
  headers['x-forwarded-uri'] = of.before + of.path
  headers['x-forwarded-host'] = request.headers[':authority'] ?? request.headers.host ?? ''
  headers['x-forwarded-proto'] = 'https'
  if (of.size !== undefined) headers['content-length'] = of.size
  return headers
}

const DIAL: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'i/o timeout'
}

function dialText(error: NodeJS.ErrnoException, { host, port }: Target): string {
  const why = DIAL[error.code ?? '']
  return why === undefined ? error.message : `dial tcp ${host.includes(':') ? `[${host}]` : host}:${port}: ${why}`
}

/** A redirect within the target leads through the proxy again. */
function relocated(location: string, { target, before, path }: Way): string {
  const base = `${target.scheme}://${target.host}:${target.port}`
  const url = URL.parse(location, base + path)
  if (url === null || url.hostname !== URL.parse(base)?.hostname || url.port !== URL.parse(base)?.port) return location
  return `${before}${url.pathname}${url.search}${url.hash}`
}
