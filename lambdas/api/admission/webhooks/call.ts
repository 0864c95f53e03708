/** POST to a webhook, over HTTPS connections that are kept; failures in the words of Go's client. */
import { Agent, type RequestOptions, request } from 'node:https'
import { isIP } from 'node:net'
import { goQuote } from '../../../../core/go-text.ts'
import type { AdmissionregistrationWebhookClientConfig as ClientConfig, Service } from '../../../../core/kinds/types.ts'
import type { Ports } from '../../../../core/ports.ts'
import type { StoreApi } from '../../../../store/store.ts'

export interface HookAnswer {
  readonly status: number
  readonly type: string
  readonly body: string
}

export interface HookCall {
  readonly client: ClientConfig
  readonly timeoutSeconds: number
  readonly body: string
}

/** Throws an Error whose message says why there is no answer. */
export type Post = (call: HookCall) => Promise<HookAnswer>

/** An answer longer than that is no review (the objects themselves are 3 MB at most). */
const MOST_BYTES = 8 * 1024 * 1024

interface Target {
  /** As the client names it: in messages, and what a certificate must be for. */
  readonly host: string
  readonly path: string
  /** Where to connect. */
  readonly address: string
  readonly port: number
}

export function createPost({ store, ports }: { readonly store: StoreApi; readonly ports: Ports }): Post {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 16 })
  return async (call) => {
    const asked = `timeout=${call.timeoutSeconds}s`
    const url = urlOf(call.client, asked)
    try {
      const target = await targetOf(call.client, store)
      const send = () => exchange(call, { target, path: `${target.path}?${asked}`, agent, ports })
      // A kept connection may have been closed by the other side just now.
      return await send().catch((error: unknown) => (isStale(error) ? send() : Promise.reject(error)))
    } catch (error) {
      throw new Error(`Post ${goQuote(url)}: ${errorText(error)}`)
    }
  }
}

function urlOf({ url, service }: ClientConfig, query: string): string {
  if (service === undefined) return `${(url ?? '').replace(/\/+$/, (end) => end)}?${query}`
  const { name, namespace, port = 443, path = '' } = service
  return `https://${name}.${namespace}.svc:${port}${path === '' ? '/' : path}?${query}`
}

async function targetOf({ url, service }: ClientConfig, store: StoreApi): Promise<Target> {
  if (service === undefined) {
    const { hostname, port, pathname } = new URL(url ?? '')
    const host = hostname.replace(/^\[|\]$/g, '')
    return { host, address: host, port: port === '' ? 443 : Number(port), path: pathname }
  }
  const { name, namespace, port = 443, path = '' } = service
  const found = (await store.get('services', `${namespace}/${name}`))?.value as Service | undefined
  if (found === undefined) throw new Error(`service ${goQuote(name)} not found`)
  const at = { host: `${name}.${namespace}.svc`, path: path === '' ? '/' : path }
  const { spec = {} } = found
  if (spec.type === 'ExternalName') return { ...at, address: spec.externalName ?? '', port }
  if (spec.clusterIP === undefined || spec.clusterIP === 'None')
    throw new Error('cannot route to service with ClusterIP "None"')
  if (spec.ports?.some((one) => one.port === port) !== true)
    throw new Error(`no service port ${port} found for service ${goQuote(name)}`)
  return { ...at, address: spec.clusterIP, port }
}

interface Way {
  readonly target: Target
  readonly path: string
  readonly agent: Agent
  readonly ports: Ports
}

function exchange(call: HookCall, { target, path, agent, ports }: Way): Promise<HookAnswer> {
  const { host, address, port } = target
  const { caBundle } = call.client
  const options: RequestOptions = {
    method: 'POST',
    host: address,
    port,
    path,
    agent,
    headers: {
      host: port === 443 ? host : `${isIP(host) === 6 ? `[${host}]` : host}:${port}`,
      'content-type': 'application/json',
      accept: 'application/json, */*',
      'user-agent': 'kube-apiserver-admission',
      'content-length': Buffer.byteLength(call.body)
    },
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(caBundle === undefined || caBundle === '' ? {} : { ca: Buffer.from(caBundle, 'base64').toString() })
  }
  return new Promise((resolve, reject) => {
    const sent = request(options, (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk)
        size += chunk.length
        if (size > MOST_BYTES) sent.destroy(new Error('http: response body too large'))
      })
      response.on('end', () => {
        const type = response.headers['content-type'] ?? ''
        resolve({ status: response.statusCode ?? 0, type, body: Buffer.concat(chunks).toString() })
      })
      response.on('error', reject)
    })
    const timer = ports.clock.after(call.timeoutSeconds * 1000, () => {
      sent.destroy(new Error('context deadline exceeded'))
    })
    sent.on('error', (error) => reject(Object.assign(error, { reused: sent.reusedSocket, target })))
    sent.on('close', () => timer.cancel())
    sent.end(call.body)
  })
}

interface Failure extends Error {
  readonly code?: string
  readonly reused?: boolean
  readonly target?: Target
  readonly address?: string
  readonly port?: number
  readonly cert?: { readonly subjectaltname?: string }
}

function isStale(error: unknown): boolean {
  const { code, reused } = error as Failure
  return reused === true && (code === 'ECONNRESET' || code === 'EPIPE')
}

const UNKNOWN_AUTHORITY = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE'
])
const DIAL: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  EHOSTUNREACH: 'connect: no route to host',
  ENETUNREACH: 'connect: network is unreachable',
  ETIMEDOUT: 'i/o timeout'
}
const UNVERIFIED = 'tls: failed to verify certificate: x509: '

/** Of several addresses tried in vain, Node keeps the errors in a list. */
function errorText(error: unknown): string {
  const inner = error instanceof AggregateError ? (error.errors[0] as Failure) : (error as Failure)
  const { code = '', message, target } = inner
  const dial = Object.hasOwn(DIAL, code) ? DIAL[code] : undefined
  if (dial !== undefined) {
    const address = inner.address ?? target?.address ?? ''
    return `dial tcp ${isIP(address) === 6 ? `[${address}]` : address}:${inner.port ?? target?.port ?? ''}: ${dial}`
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `dial tcp: lookup ${target?.address ?? ''}: no such host`
  if (code === 'ECONNRESET') return message === 'socket hang up' ? 'EOF' : 'read: connection reset by peer'
  if (UNKNOWN_AUTHORITY.has(code)) return `${UNVERIFIED}certificate signed by unknown authority`
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID')
    return `${UNVERIFIED}certificate has expired or is not yet valid`
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `${UNVERIFIED}${wrongName(inner)}`
  if (/wrong version number|packet length too long|http request/i.test(message))
    return 'http: server gave HTTP response to HTTPS client'
  return message
}

function wrongName({ cert, target }: Failure): string {
  const names = (cert?.subjectaltname ?? '').split(', ').filter((entry) => entry !== '')
  const of = (type: string) => names.flatMap((entry) => (entry.startsWith(type) ? [entry.slice(type.length)] : []))
  const host = target?.host ?? ''
  if (isIP(host) !== 0) {
    const addresses = of('IP Address:')
    return addresses.length === 0
      ? `cannot validate certificate for ${host} because it doesn't contain any IP SANs`
      : `certificate is valid for ${addresses.join(', ')}, not ${host}`
  }
  const dns = of('DNS:')
  return dns.length === 0
    ? `certificate is not valid for any names, but wanted to match ${host}`
    : `certificate is valid for ${dns.join(', ')}, not ${host}`
}
