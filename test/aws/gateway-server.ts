/** API Gateway REST on this machine, for one function in this process: HTTP requests become events, answers HTTP again. */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { WholeAnswer } from '../../lambdas/api/gateway.ts'
import type { GatewayEvent } from '../../lambdas/api/gateway-request.ts'

export interface GatewayServer {
  readonly port: number
  /** How many events there were. */
  readonly invocations: () => number
  close(): Promise<void>
}

type Handler = (event: GatewayEvent, context: { getRemainingTimeInMillis(): number }) => Promise<WholeAnswer>

const STAGE = 'prod'
const FUNCTION_MS = 30_000

export async function serveGateway(handler: Handler): Promise<GatewayServer> {
  let invocations = 0
  const server = createServer((request, response) => {
    void (async () => {
      invocations++
      const end = Date.now() + FUNCTION_MS
      const answer = await handler(await eventOf(request), { getRemainingTimeInMillis: () => end - Date.now() })
      response.writeHead(answer.statusCode, answer.headers)
      response.end(Buffer.from(answer.body, answer.isBase64Encoded ? 'base64' : 'utf8'))
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    invocations: () => invocations,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
  }
}

/** With binary media types of all kinds, as infra/ sets them, every body comes as base64. */
async function eventOf(request: IncomingMessage): Promise<GatewayEvent> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const [path = '/', search] = (request.url ?? '/').split('?')
  const query = new URLSearchParams(search)
  const multiValueHeaders: Record<string, string[]> = {}
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const [name = '', value = ''] = request.rawHeaders.slice(i, i + 2)
    multiValueHeaders[name] = [...(multiValueHeaders[name] ?? []), value]
  }
  return {
    httpMethod: request.method ?? 'GET',
    path,
    headers: Object.fromEntries(Object.entries(multiValueHeaders).map(([name, values]) => [name, values.at(-1)])),
    multiValueHeaders,
    queryStringParameters: search === undefined ? null : Object.fromEntries(query),
    multiValueQueryStringParameters:
      search === undefined ? null : Object.fromEntries([...query.keys()].map((name) => [name, query.getAll(name)])),
    pathParameters: { proxy: path.slice(1) },
    requestContext: { stage: STAGE },
    body: chunks.length === 0 ? null : Buffer.concat(chunks).toString('base64'),
    isBase64Encoded: true
  }
}
