/** For tests: events as API Gateway REST sends them to a proxy integration (recorded, with other names in them). */
import type { GatewayEvent } from '../lambdas/api/gateway-request.ts'

export interface EventOptions {
  readonly headers?: Readonly<Record<string, string[]>>
  /** Bytes come as base64. */
  readonly body?: string | Uint8Array
}

/** `target`: path and query. */
export function restEvent(method: string, target: string, { headers = {}, body }: EventOptions = {}): GatewayEvent {
  const [path = '', search] = target.split('?')
  const query = new URLSearchParams(search)
  const multiValueQueryStringParameters = Object.fromEntries([...query.keys()].map((key) => [key, query.getAll(key)]))
  const given = new Map(Object.entries(headers).map(([name, values]) => [name.toLowerCase(), values]))
  const multiValueHeaders: Record<string, string[]> = { ...headers }
  const usual = { Accept: 'application/json', 'User-Agent': 'kubectl/v1.35.4', 'X-Forwarded-Proto': 'https' }
  for (const [name, value] of Object.entries(usual))
    if (!given.has(name.toLowerCase())) multiValueHeaders[name] = [value]
  return {
    httpMethod: method,
    path,
    headers: Object.fromEntries(Object.entries(multiValueHeaders).map(([name, values]) => [name, values.at(-1)])),
    multiValueHeaders,
    queryStringParameters: search === undefined ? null : Object.fromEntries(query),
    multiValueQueryStringParameters: search === undefined ? null : multiValueQueryStringParameters,
    pathParameters: { proxy: path.replace(/^\//, '') },
    requestContext: { stage: 'prod' },
    body: body === undefined ? null : typeof body === 'string' ? body : Buffer.from(body).toString('base64'),
    isBase64Encoded: body !== undefined && typeof body !== 'string'
  }
}
