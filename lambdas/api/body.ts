/** The body of a request: its media type, its JSON or YAML, and whether it is of the kind that the path wants. */
import type { Tags } from 'yaml'
import { ApiError } from '../../core/errors.ts'
import { invalid, invalidError } from '../../core/field-errors.ts'
import { JsonError, jsonKind, parseJson, tooDeep } from '../../core/go-json.ts'
import { goQuote } from '../../core/go-text.ts'
import type { ApiRequest } from '../../core/http.ts'
import { isObject } from '../../core/json.ts'
import { apiVersionOf } from '../../core/kinds/kind.ts'
import resources from '../../core/kinds/resources.json' with { type: 'json' }
import { badRequest } from './failures.ts'

/** What a body must be, as far as messages name it. */
export interface Wanted {
  readonly group: string
  readonly version: string
  readonly kind: string
  /** What a definition says of it. */
  readonly custom?: object | undefined
}

/** May be read again, when a conflict makes a write start anew. What is read is never changed: decoding copies it. */
export type Body = TextBody | { readonly value: unknown }

export interface TextBody {
  /** JSON. */
  readonly text: string
  /** The YAML that it came from, and what is wrong with that. */
  readonly yaml?: {
    readonly source: string
    readonly problem: string | undefined
    /** Keys that came again, a line each; the last value counts. */
    readonly repeated: readonly string[]
  }
}

const UNKNOWN_FORMAT =
  'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf'
const SCHEME = 'pkg/runtime/scheme.go:111'
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
  if (media === 'application/yaml') return await yamlBody(text)
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
async function yamlBody(source: string): Promise<TextBody> {
  const failed = (problem: string) => ({ text: '', yaml: { source, problem: `yaml: ${problem}`, repeated: [] } })
  // The parser takes a second for what is only brackets.
  if (tooDeep(source)) return failed('exceeded max depth')
  const { parseDocument } = await import('yaml')
  const document = parseDocument(source, { version: '1.1', customTags: withoutTimes, logLevel: 'error' })
  const isRepeated = ({ code }: { code: string }) => code === 'DUPLICATE_KEY'
  const wrong = document.errors.find((error) => !isRepeated(error))
  if (wrong !== undefined) return failed(`line ${lineOf(wrong)}: did not find expected node content`)
  const repeated = document.errors.filter(isRepeated).map((error) => {
    const key = /^\s*["']?([^"':]*)/.exec(source.slice(error.pos[0]))?.[1] ?? ''
    return `  line ${lineOf(error)}: key ${goQuote(key.trim())} already set in map`
  })
  document.errors = []
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 })
    return { text: JSON.stringify(value ?? null), yaml: { source, problem: undefined, repeated } }
  } catch (error) {
    return failed(String(error))
  }
}

function lineOf({ linePos }: { readonly linePos?: readonly { readonly line: number }[] | undefined }): number {
  return linePos?.[0]?.line ?? 0
}

/** Go's reader is one of YAML 1.1, where y and no are booleans, but leaves times as they are written. */
export function withoutTimes(tags: Tags): Tags {
  return tags.filter((tag) => typeof tag === 'string' || (!tag.tag.endsWith(':timestamp') && tag.format !== 'TIME'))
}

export function readBody(body: Body): unknown {
  return 'text' in body ? parseJson(body.text) : body.value
}

export function isEmpty(body: Body): boolean {
  return 'text' in body ? body.text === '' : body.value === undefined
}

/**
 * Reads an object of a kind. Absent kind and apiVersion are the path's. `also`: other versions that are taken for it.
 * Throws BadRequest in Kubernetes' words.
 */
export function readObject(body: Body, wanted: Wanted, also: readonly string[] = []): Record<string, unknown> {
  const object = readValue(body, wanted)
  const apiVersion = apiVersionOf(wanted)
  if ((object.kind ?? '') === '') object.kind = wanted.kind
  if ((object.apiVersion ?? '') === '') object.apiVersion = apiVersion
  if (object.kind === wanted.kind && also.includes(String(object.apiVersion))) object.apiVersion = apiVersion
  if (object.kind !== wanted.kind || object.apiVersion !== apiVersion) throw wrongKind(object, wanted)
  return object
}

/** Any object, with texts for its kind and apiVersion. `wanted`: the refusal names what should have come. */
export function readValue(body: Body, wanted?: Wanted): Record<string, unknown> {
  const refuse = (why: string) => unrecognized(body, wanted, `couldn't get version/kind; json parse error: ${why}`)
  if ('text' in body && body.yaml?.problem !== undefined) throw unrecognized(body, wanted, body.yaml.problem)
  let value: unknown
  try {
    value = readBody(body) ?? {}
  } catch (error) {
    if (error instanceof JsonError) throw refuse(error.message)
    throw error
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const type =
      'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
    throw refuse(`json: cannot unmarshal ${jsonKind(value)} into Go value of type ${type}`)
  }
  const object: Record<string, unknown> = 'text' in body ? (value as object as Record<string, unknown>) : { ...value }
  for (const field of ['kind', 'apiVersion'] as const) {
    const text = object[field] ?? ''
    if (typeof text !== 'string') {
      throw refuse(`json: cannot unmarshal ${jsonKind(text)} into Go struct field .${field} of type string`)
    }
  }
  return object
}

function unrecognized(body: Body, wanted: Wanted | undefined, why: string): ApiError {
  if (wanted === undefined) return badRequest(why)
  const shown = summary('text' in body ? (body.yaml?.source ?? body.text) : JSON.stringify(body.value))
  return badRequest(`the object provided is unrecognized (must be of type ${wanted.kind}): ${why} (${shown})`)
}

export function notRegistered(kind: string, apiVersion: string): string {
  return `no kind ${goQuote(kind)} is registered for version ${goQuote(apiVersion)} in scheme ${goQuote(SCHEME)}`
}

/** Kinds that every version has beside its own. */
const COMMON = new Set(['Status', 'DeleteOptions', 'CreateOptions', 'UpdateOptions', 'PatchOptions', 'ListOptions'])
/** Versions of former days that Kubernetes still knows, though it serves none of them. */
const FORMER =
  /^(extensions\/v1beta1|(apps|policy|batch|rbac\.authorization\.k8s\.io|networking\.k8s\.io|discovery\.k8s\.io|coordination\.k8s\.io|events\.k8s\.io|scheduling\.k8s\.io|storage\.k8s\.io|certificates\.k8s\.io)\/v1(alpha|beta)[12])$/

export function wrongKind(object: Record<string, unknown>, wanted: Wanted): ApiError {
  const { kind = '', apiVersion = '' } = object as { kind?: string; apiVersion?: string }
  const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/', 2) : ['', apiVersion]
  if (wanted.custom !== undefined && apiVersion === apiVersionOf(wanted)) return mustBe(wanted, object)
  if (wanted.custom !== undefined || (kind === wanted.kind && FORMER.test(apiVersion))) {
    return badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${apiVersionOf(wanted)})`
    )
  }
  const internal = wanted.group === '' ? 'core' : wanted.group.split('.')[0]
  const why = isRegistered({ group, version, kind })
    ? `converting (${version}.${kind}) to (${internal}.${wanted.kind}): unknown conversion`
    : notRegistered(kind, apiVersion)
  return cannotHandle({ kind, version }, wanted, why)
}

function mustBe({ group, kind: wanted }: Wanted, { kind, metadata }: Record<string, unknown>): ApiError {
  const { name = '' } = isObject(metadata) ? (metadata as { name?: string }) : {}
  return invalidError({ group, kind: String(kind) }, String(name), [invalid('kind', kind, `must be ${wanted}`)])
}

function isRegistered({ group, version, kind }: Wanted): boolean {
  return resources.some((one) => {
    if (one.group !== group || one.version !== version) return false
    return one.kind === kind || `${one.kind}List` === kind || COMMON.has(kind)
  })
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
