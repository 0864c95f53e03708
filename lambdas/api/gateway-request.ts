/** API Gateway's REST events as requests of the API. */
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import type { APIGatewayProxyEvent } from 'aws-lambda'
import type { ApiRequest, Method } from '../../core/http.ts'
import { badRequest, tooLarge } from './failures.ts'
import { MAX_BODY_BYTES } from './wire.ts'

/** What of an event is read. Proxies in front, and emulators, leave out the one or the other of two that say the same. */
export type GatewayEvent = Pick<APIGatewayProxyEvent, 'httpMethod' | 'path'> & {
  readonly requestContext?: { readonly stage?: string } | undefined
} & Partial<
    Pick<
      APIGatewayProxyEvent,
      | 'headers'
      | 'multiValueHeaders'
      | 'queryStringParameters'
      | 'multiValueQueryStringParameters'
      | 'pathParameters'
      | 'body'
      | 'isBase64Encoded'
    >
  >

/** The first parts of the API's paths. */
const ROOTS = new Set(['api', 'apis', 'healthz', 'livez', 'readyz', 'version', 'openapi', 'openid', '.well-known'])

const unzip = promisify(gunzip)

/** Throws the ApiError that the client gets: for a body that is too large, or not what its headers say. */
export async function requestOf(event: GatewayEvent): Promise<ApiRequest> {
  const headers = headersOf(event)
  const body = await bodyOf(event, headers)
  return {
    method: event.httpMethod as Method,
    path: pathOf(event),
    query: queryOf(event),
    headers,
    ...(body === undefined ? {} : { body: { bytes: body } })
  }
}

/** Without the stage ("/prod") or the base path of a domain of the account's own, which some events have and some not. */
function pathOf({ path, pathParameters, requestContext }: GatewayEvent): string {
  const proxy = pathParameters?.proxy
  if (proxy !== undefined && proxy !== '' && path.endsWith(`/${proxy}`)) return `/${proxy}`
  const stage = requestContext?.stage ?? ''
  const [, first = '', second = ''] = path.split('/')
  // A stage called "api" is one only where an API's path follows.
  if (stage === '' || first !== stage || (ROOTS.has(first) && !ROOTS.has(second))) return path
  return path.slice(first.length + 1) || '/'
}

function queryOf({ multiValueQueryStringParameters, queryStringParameters }: GatewayEvent): URLSearchParams {
  const query = new URLSearchParams()
  for (const [name, values] of Object.entries(multiValueQueryStringParameters ?? {}))
    for (const value of values ?? []) query.append(name, value)
  if (query.size > 0) return query
  for (const [name, value] of Object.entries(queryStringParameters ?? {})) query.append(name, value ?? '')
  return query
}

/** Names in lower case; several values of one name are joined as HTTP joins them. */
function headersOf({ multiValueHeaders, headers }: GatewayEvent): Record<string, string> {
  const found = new Map<string, string[]>()
  for (const [name, values] of Object.entries(multiValueHeaders ?? {}))
    found.set(name.toLowerCase(), [...(found.get(name.toLowerCase()) ?? []), ...(values ?? [])])
  for (const [name, value] of Object.entries(headers ?? {}))
    if (value !== undefined && !found.has(name.toLowerCase())) found.set(name.toLowerCase(), [value])
  return Object.fromEntries([...found].map(([name, values]) => [name, values.join(', ')]))
}

async function bodyOf(event: GatewayEvent, headers: Record<string, string>): Promise<Uint8Array | undefined> {
  const { body, isBase64Encoded } = event
  if (body === null || body === undefined || body === '') return undefined
  const bytes = Buffer.from(body, isBase64Encoded === true ? 'base64' : 'utf8')
  const encoding = headers['content-encoding']?.trim().toLowerCase()
  if (encoding === 'gzip') {
    delete headers['content-encoding']
    return await unpacked(bytes)
  }
  if (bytes.length > MAX_BODY_BYTES) throw tooLarge(MAX_BODY_BYTES)
  return bytes
}

async function unpacked(bytes: Uint8Array): Promise<Uint8Array> {
  try {
    return await unzip(bytes, { maxOutputLength: MAX_BODY_BYTES })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(MAX_BODY_BYTES)
    throw badRequest('the body is not gzip, as its content-encoding says')
  }
}
