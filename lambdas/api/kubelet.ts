/** The API server's way to node agents: HTTPS, each side known by a certificate of the cluster's CA. */
import { Agent, type RequestOptions, request } from 'node:https'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { ApiError } from '../../core/errors.ts'
import type { Node } from '../../core/kinds/types.ts'
import type { StoreApi } from '../../store/store.ts'
import { internalError } from './answers.ts'
import { notFound } from './failures.ts'
import type { Keys } from './keys.ts'

/** kube-apiserver's order of --kubelet-preferred-address-types. */
const ADDRESS_TYPES = ['Hostname', 'InternalDNS', 'InternalIP', 'ExternalDNS', 'ExternalIP']
/** Wherry's nodes have no names that resolve anywhere but on themselves: addresses first. */
const PREFERRED = [...ADDRESS_TYPES].sort((a, b) => Number(b.endsWith('IP')) - Number(a.endsWith('IP')))
const DEFAULT_PORT = 10250
/** An agent that does not even begin to answer. */
const CONNECT_TIMEOUT_MS = 10_000
/** Of an error's text. */
const MAX_ERROR_BYTES = 50_000

export interface KubeletRequest {
  /** The node's name. */
  readonly node: string
  /** "/containerLogs/default/web/c" */
  readonly path: string
  readonly query?: URLSearchParams
  readonly signal?: AbortSignal
  /** The client asked not to check the agent's certificate. */
  readonly insecure?: boolean
}

export interface KubeletAnswer {
  readonly status: number
  readonly body: AsyncIterable<Uint8Array>
}

export interface Kubelet {
  /** Resolves with the first byte of the answer. Throws where the node is missing or cannot be reached. */
  get(request: KubeletRequest): Promise<KubeletAnswer>
  /** Host and port of a node's agent, and what its certificate must show: for exec, attach and port-forward. */
  connection(node: string): Promise<KubeletConnection>
  close(): void
}

export interface KubeletConnection {
  readonly host: string
  readonly port: number
  /** For tls.connect and https.request. */
  readonly tls: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'checkServerIdentity'>
}

export function createKubelet(options: {
  readonly keys: Pick<Keys, 'authority' | 'kubeletClient'>
  readonly store: StoreApi
}): Kubelet {
  const { keys, store } = options
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 4, timeout: CONNECT_TIMEOUT_MS })
  const connection = async (node: string): Promise<KubeletConnection> => {
    const entry = await store.get('nodes', node)
    if (entry === undefined) throw notFound({ group: '', resource: 'nodes' }, node)
    const { host, port } = addressOf(entry.value as unknown as Node)
    const tls = {
      ca: keys.authority,
      cert: keys.kubeletClient.certificate,
      key: keys.kubeletClient.key,
      checkServerIdentity: identityCheck(node)
    }
    return { host, port, tls }
  }
  return {
    connection,
    async get(wanted) {
      const { host, port, tls } = await connection(wanted.node)
      const query = wanted.query === undefined || wanted.query.size === 0 ? '' : `?${wanted.query}`
      return await send({
        ...tls,
        host,
        port,
        agent,
        path: `${wanted.path}${query}`,
        ...(wanted.insecure === true ? { rejectUnauthorized: false } : {}),
        ...(wanted.signal === undefined ? {} : { signal: wanted.signal })
      })
    },
    close: () => agent.destroy()
  }
}

function send(options: RequestOptions): Promise<KubeletAnswer> {
  return new Promise((resolve, reject) => {
    let answered = false
    const sent = request(options, (body) => {
      answered = true
      resolve({ status: body.statusCode ?? 0, body })
    })
    sent.on('error', (error) => {
      const { host, port, path = '' } = options
      reject(internalError(`Get "https://${host}:${port}${path}": ${error.message}`))
    })
    // Once it answers, a log may be quiet for as long as it likes.
    sent.on('timeout', () => {
      if (!answered) sent.destroy(new Error('the node agent does not answer'))
    })
    sent.end()
  })
}

/** The text of an answer that is not a success, as the failure that a client of Kubernetes gets. */
export async function kubeletFailure({ status, body }: KubeletAnswer): Promise<ApiError> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    chunks.push(chunk as Uint8Array)
    size += (chunk as Uint8Array).length
    if (size > MAX_ERROR_BYTES) break
  }
  const text = Buffer.concat(chunks).subarray(0, MAX_ERROR_BYTES).toString('utf8').trimEnd()
  if (status === 400) return new ApiError('BadRequest', text)
  if (status === 404) return new ApiError('NotFound', text === '' ? 'the node agent does not know it' : text)
  return internalError(text === '' ? `the node agent answered with ${status}` : text)
}

function addressOf(node: Node): { host: string; port: number } {
  const addresses = node.status?.addresses ?? []
  const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port
  for (const type of PREFERRED) {
    const found = addresses.find((address) => address.type === type)
    if (found !== undefined) return { host: found.address, port: port || DEFAULT_PORT }
  }
  const known = addresses.map(({ type, address }) => `{${type} ${address}}`).join(' ')
  throw internalError(`no preferred addresses found; known addresses: [${known}]`)
}

/** The agent of this node and no other: by the name in its certificate, or by an address that it names. */
function identityCheck(node: string): (host: string, certificate: PeerCertificate) => Error | undefined {
  return (host, certificate) =>
    certificate.subject.CN === `system:node:${node}` ? undefined : checkServerIdentity(host, certificate)
}
