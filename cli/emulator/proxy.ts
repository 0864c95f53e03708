import { readFileSync } from 'node:fs'
import { Agent, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { KeyPair } from '../../lambdas/api/certificates.ts'

/** As the stage of the API is called in infra/control-plane.ts. */
export const STAGE = 'prod'

export interface ProxyOptions {
  readonly port: number
  readonly tls: KeyPair
  /** The emulator: "http://127.0.0.1:4566". */
  readonly endpoint: string
  /** A file with the id of the REST API, which deploying writes. */
  readonly apiIdFile: string
}

export interface Proxy {
  close(): void
}

/**
 * The API's public face, as API Gateway has it on AWS: TLS, because kubectl sends no credentials without, and the path
 * /prod, behind which the emulator's API is.
 */
export async function startProxy({ port, tls, endpoint, apiIdFile }: ProxyOptions): Promise<Proxy> {
  const agent = new Agent({ keepAlive: true })
  const { hostname, port: to } = new URL(endpoint)
  const server = createServer({ key: tls.key, cert: tls.certificate }, (incoming, response) => {
    const path = incoming.url ?? '/'
    const rest = path.startsWith(`/${STAGE}`) ? path.slice(STAGE.length + 1) : undefined
    const id = readId(apiIdFile)
    if (rest === undefined || !/^([/?]|$)/.test(rest)) return refuse(response, 403, 'Missing Authentication Token')
    if (id === undefined) return refuse(response, 503, 'nothing is deployed yet')
    // An emulator gives a body as bytes to those only who say what they accept, which API Gateway takes as read.
    const headers = { accept: '*/*', ...incoming.headers, 'x-forwarded-proto': 'https' }
    const target = `/restapis/${id}/${STAGE}/_user_request_${rest.startsWith('/') ? rest : `/${rest}`}`
    const upstream = { agent, hostname, port: to, method: incoming.method, path: target, headers }
    pass(incoming, response, request(upstream))
  })
  server.on('clientError', (_, socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    close: () => {
      server.close()
      server.closeAllConnections()
      agent.destroy()
    }
  }
}

function pass(incoming: IncomingMessage, response: ServerResponse, outgoing: ReturnType<typeof request>): void {
  outgoing.once('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(response)
    answer.once('error', () => response.destroy())
  })
  outgoing.once('error', (error) => {
    if (response.headersSent) response.destroy()
    else refuse(response, 502, error.message)
  })
  response.once('close', () => outgoing.destroy())
  incoming.once('error', () => outgoing.destroy())
  incoming.pipe(outgoing)
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ message }))
}

function readId(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim() || undefined
  } catch {
    return undefined
  }
}
