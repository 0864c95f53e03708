/** The body of a request: its media type, its JSON or YAML, and whether it is of the kind that the path wants. */
import { ApiError } from '../../core/errors.ts'
import { goQuote } from '../../core/go-text.ts'
import type { ApiRequest } from '../../core/http.ts'
import { apiVersionOf } from '../../core/kinds/kind.ts'
import resources from '../../core/kinds/resources.json' with { type: 'json' }
import { badRequest } from './failures.ts'
import { JsonError, jsonKind, parseJson, tooDeep } from './go-json.ts'

/** What a body must be, as far as messages name it. */
export interface Wanted {
  readonly group: string
  readonly version: string
  readonly kind: string
}

/** May be read again, when a conflict makes a write start anew. What is read is never changed: decoding copies it. */
export type Body = { readonly text: string } | { readonly value: unknown }

const UNKNOWN_FORMAT =
  'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf'
const SCHEME = 'pkg/api/legacyscheme/scheme.go:30'
const decoder = new TextDecoder()

/** Throws UnsupportedMediaType; what is wrong with the content shows when it is read. */
export async function bodyOf(request: ApiRequest): Promise<Body> {
  const { body } = request
  if (body === undefined) return { text: '' }
  if ('value' in body) return body
  const media = mediaType(request.headers['content-type'])
  if (media === 'application/vnd.kubernetes.protobuf') return { value: await protobufToValue(body.bytes) }
  const text = decoder.decode(body.bytes)
  if (media === '' || media === 'application/json') return { text }
  if (media === 'application/yaml') return { text: await yamlToJson(text) }
  throw new ApiError('UnsupportedMediaType', UNKNOWN_FORMAT)
}

/** Typed clients send it; the codec is loaded when the first one comes. */
async function protobufToValue(bytes: Uint8Array): Promise<unknown> {
  const { readProtobuf, ProtobufError } = await import('./protobuf.ts')
  try {
    return readProtobuf(bytes)
  } catch (error) {
    if (error instanceof ProtobufError) throw badRequest(error.message)
    throw error
  }
}

export function mediaType(header: string | undefined): string {
  if (header === undefined) return ''
  const end = header.indexOf(';')
  return (end < 0 ? header : header.slice(0, end)).trim().toLowerCase()
}

/** YAML is heavy and rare: loaded when first met. Aliases are limited, or a few lines could fill the memory. */
export async function yamlToJson(text: string): Promise<string> {
  // The parser takes a second for what is only brackets.
  if (tooDeep(text)) throw badRequest('error converting YAML to JSON: yaml: exceeded max depth')
  const { parse } = await import('yaml')
  try {
    return JSON.stringify(parse(text, { maxAliasCount: 100, logLevel: 'silent' }) ?? null)
  } catch (error) {
    throw badRequest(`error converting YAML to JSON: yaml: ${error instanceof Error ? error.message : String(error)}`)
  }
}

export function readBody(body: Body): unknown {
  return 'text' in body ? parseJson(body.text) : body.value
}

export function isEmpty(body: Body): boolean {
  return 'text' in body ? body.text === '' : body.value === undefined
}

/** Reads an object of a kind. Absent kind and apiVersion are the path's. Throws BadRequest in Kubernetes' words. */
export function readObject(body: Body, wanted: Wanted): Record<string, unknown> {
  let value: unknown
  try {
    value = readBody(body) ?? {}
  } catch (error) {
    if (error instanceof JsonError) throw unrecognized(body, wanted, error.message)
    throw error
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const type =
      'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
    throw unrecognized(body, wanted, `json: cannot unmarshal ${jsonKind(value)} into Go value of type ${type}`)
  }
  const object: Record<string, unknown> = 'text' in body ? (value as object as Record<string, unknown>) : { ...value }
  for (const field of ['kind', 'apiVersion'] as const) {
    const text = object[field] ?? ''
    if (typeof text !== 'string') {
      const why = `json: cannot unmarshal ${jsonKind(text)} into Go struct field .${field} of type string`
      throw unrecognized(body, wanted, why)
    }
    if (text === '') object[field] = field === 'kind' ? wanted.kind : apiVersionOf(wanted)
  }
  if (object.kind !== wanted.kind || object.apiVersion !== apiVersionOf(wanted)) throw wrongKind(object, wanted)
  return object
}

function unrecognized(body: Body, wanted: Wanted, why: string): ApiError {
  const shown = summary('text' in body ? body.text : JSON.stringify(body.value))
  return badRequest(
    `the object provided is unrecognized (must be of type ${wanted.kind}): couldn't get version/kind; json parse error: ${why} (${shown})`
  )
}

export function wrongKind(object: Record<string, unknown>, wanted: Wanted): ApiError {
  const { kind = '', apiVersion = '' } = object as { kind?: string; apiVersion?: string }
  const [group, version] = apiVersion.includes('/') ? apiVersion.split('/', 2) : ['', apiVersion]
  const registered = resources.some((one) => one.kind === kind && one.group === group && one.version === version)
  const internal = wanted.group === '' ? 'core' : wanted.group.split('.')[0]
  const why = registered
    ? `converting (${version}.${kind}) to (${internal}.${wanted.kind}): unknown conversion`
    : `no kind ${goQuote(kind)} is registered for version ${goQuote(apiVersion)} in scheme ${goQuote(SCHEME)}`
  return cannotHandle({ kind, version: version ?? '' }, wanted, why)
}

export function cannotHandle(given: { kind: string; version: string }, wanted: Wanted, why: string): ApiError {
  return badRequest(`${given.kind} in version ${goQuote(given.version)} cannot be handled as a ${wanted.kind}: ${why}`)
}

/** The first 30 bytes, as text where it looks like an object, else as hexadecimal. */
function summary(text: string): string {
  if (text === '') return '<empty>'
  const bytes = Buffer.from(text)
  const start = bytes.subarray(0, 30)
  const shown = text.startsWith('{') ? start.toString('utf8') : start.toString('hex')
  return bytes.length > 30 ? `${shown} ...` : shown
}
