/** PATCH: the new object from the stored one and a patch. */
import { ApiError } from '../../core/errors.ts'
import { invalid, invalidError } from '../../core/field-errors.ts'
import { JsonError, jsonKind } from '../../core/go-json.ts'
import { goValue } from '../../core/go-text.ts'
import type { ApiRequest, ApiResponse } from '../../core/http.ts'
import { isObject } from '../../core/json.ts'
import { apiVersionOf, type Kind } from '../../core/kinds/kind.ts'
import { jsonPatch } from '../../core/merge/json.ts'
import { mergePatch } from '../../core/merge/merge.ts'
import { type Decoded, decode } from '../../core/validate.ts'
import { jsonAnswer, warningHeader } from './answers.ts'
import { type Body, mediaType, readBody, wrongKind } from './body.ts'
import { decoding } from './create.ts'
import { BareError, badRequest, unprocessable } from './failures.ts'
import { keepReset } from './field-manager.ts'
import { dropRepeatedOwners } from './metadata.ts'
import { type WriteOptions, writeOptions } from './options.ts'
import type { ApiContext, ResourceRequest } from './types.ts'
import { changeObject, checkName, type Path, wholePath } from './update.ts'

type Json = Record<string, unknown>

/** One kind of patch: the new value from the live one, which it does not change. Throws ApiError. */
type Apply = (live: Json, patch: unknown, schema: string) => Json | Promise<Json>

const STRATEGIC = 'application/strategic-merge-patch+json'
const TYPES: Readonly<Record<string, Apply>> = {
  'application/json-patch+json': (live, patch) => jsonPatch(live, patch),
  'application/merge-patch+json': (live, patch) => mergePatch(live, patch),
  [STRATEGIC]: async (live, patch, schema) => {
    const { strategicPatch } = await import('../../core/merge/strategic.ts')
    return strategicPatch(live, patch, schema)
  }
}
const MERGE = 'application/merge-patch+json'
const decoder = new TextDecoder()

export async function patch(at: ResourceRequest, context: ApiContext, path?: Path): Promise<ApiResponse> {
  const { request, kind } = at
  if (isApply(request)) return await (await import('./apply.ts')).applyObject(at, context, path)
  const patcher = patcherOf(request)
  if (patcher.strategic && kind.custom !== undefined) throw noStrategic()
  const options = writeOptions(request.query, 'PatchOptions')
  let warnings: readonly string[] = []
  const payload = await changeObject(at, context, {
    path: path ?? wholePath(kind),
    dryRun: options.dryRun,
    produce: async (old) => {
      const next = await patcher.apply(old.value as Json, kind.schema)
      const decoded = decodePatched(kind, next, { patcher, options })
      const repeated = dropRepeatedOwners(decoded.object.metadata, ' after mutating admission happens')
      warnings = [...decoded.warnings, ...repeated]
      keepReset(next, decoded.object)
      checkName(decoded.object, at)
      return decoded.object
    },
    warn: (further) => {
      warnings = [...warnings, ...further]
    }
  })
  return jsonAnswer(200, payload, warningHeader(warnings))
}

export function isApply({ headers }: ApiRequest): boolean {
  return mediaType(headers['content-type']) === 'application/apply-patch+yaml'
}

/** The live object without its managedFields, which are large, where the patch cannot mean them. */
function patched(live: Json, patch: Body, media: string): Json {
  if (media === 'application/json-patch+json' || mentionsEntries(patch)) return live
  const { managedFields, ...metadata } = live.metadata as Json
  return managedFields === undefined ? live : { ...live, metadata }
}

function mentionsEntries(patch: Body): boolean {
  if ('text' in patch) return patch.text.includes('managedFields') || patch.text.includes('\\u')
  return !isObject(patch.value) || (isObject(patch.value.metadata) && 'managedFields' in patch.value.metadata)
}

/** Lists of custom resources say nothing of how they are merged by such a patch. */
function noStrategic(): ApiError {
  const types = 'application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml'
  const message = `the body of the request was in an unknown format - accepted media types include: ${types}`
  return new ApiError('UnsupportedMediaType', message)
}

export interface Patcher {
  readonly strategic: boolean
  /** The patch itself; each call gives a private one. Throws BadRequest. */
  read(): unknown
  readonly text: string | undefined
  apply(live: Json, schema: string): Promise<Json>
}

/** Throws UnsupportedMediaType; a patch that is none shows when it is applied, after the object was found. */
export function patcherOf(request: ApiRequest): Patcher {
  const media = mediaType(request.headers['content-type'])
  const type = Object.hasOwn(TYPES, media) ? TYPES[media] : undefined
  if (type === undefined) {
    throw new ApiError('UnsupportedMediaType', '415: Unsupported Media Type', { details: {} })
  }
  const body = patchBody(request)
  const read = () => readPatch(body, media)
  return {
    strategic: media === STRATEGIC,
    text: 'text' in body ? body.text : undefined,
    read,
    apply: async (live, schema) => {
      const patch = read()
      const from = patched(live, body, media)
      return media === STRATEGIC ? await restated(() => type(from, patch, schema)) : await type(from, patch, schema)
    }
  }
}

/** Problems of a strategic patch that are the client's; Kubernetes answers most others with 500. */
const CLIENTS_FAULT = /^(json: |invalid patch format of |invalid JSON document$)/
const UNPROCESSABLE = 'lists of lists are not supported'

async function restated(apply: () => Json | Promise<Json>): Promise<Json> {
  try {
    return await apply()
  } catch (error) {
    if (!(error instanceof ApiError) || CLIENTS_FAULT.test(error.message)) throw error
    throw error.message === UNPROCESSABLE ? unprocessable() : new BareError(error.message)
  }
}

function patchBody({ body }: ApiRequest): Body {
  if (body === undefined) return { text: '' }
  return 'value' in body ? body : { text: decoder.decode(body.bytes) }
}

function readPatch(body: Body, media: string): unknown {
  const prefix = media === MERGE ? 'error decoding patch: ' : ''
  let value: unknown
  try {
    value = readBody(body)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw badRequest(`${prefix}${error.message}`)
  }
  if (media === MERGE && !isObject(value)) {
    throw badRequest(`${prefix}json: cannot unmarshal ${jsonKind(value)} into Go value of type map[string]interface {}`)
  }
  return value
}

/** Wrong types, fields and kinds that a patch brings in are the patch's fault: 422, as Kubernetes answers. */
function decodePatched(
  kind: Kind,
  next: Json,
  { patcher, options }: { patcher: Patcher; options: WriteOptions }
): Decoded {
  try {
    if (next.kind !== kind.kind || next.apiVersion !== apiVersionOf(kind)) throw wrongKind(next, kind)
    const { object, warnings } = decode(kind, next, decoding(options, patcher))
    return { object, warnings: duplicatesFirst(warnings) }
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== 'BadRequest') throw error
    const shown = patcher.strategic ? goValue(patcher.read()) : JSON.stringify(next)
    const text = error.message.replace(/^.*? cannot be handled as a [A-Za-z]+: /, '')
    const why = patcher.strategic ? unrestored(text) : text
    const refused = invalidError({ group: '', kind: '' }, '', [invalid('patch', shown, why)])
    throw new ApiError('Invalid', refused.message, { details: { causes: refused.details?.causes } })
  }
}

const WRONG_TYPE =
  /^json: cannot unmarshal (string|bool|number|array|object)( [-0-9.eE+]+)? into Go (?:struct field|value) .*?of type (.+)$/

/** What a strategic patch gives is not decoded from JSON but converted from maps, which has words of its own. */
function unrestored(why: string): string {
  const [, kind = '', number = '', type = ''] = WRONG_TYPE.exec(why) ?? []
  const from = { array: 'slice', object: 'map', number: /[.eE]/.test(number) ? 'float64' : 'int64' }[kind] ?? kind
  if (type === '' || why.includes('into Go value of type')) return why
  if (type.startsWith('[]')) return `cannot restore slice from ${from}`
  if (type.startsWith('map[')) return `cannot restore map from ${from}`
  if (type.includes('.')) return `cannot restore struct from: ${from}`
  return kind === 'number' && type !== 'bool' ? `cannot convert ${from} to ${type}` : `unrecognized type: ${type}`
}

/** The patch's own text is looked through before what it makes is decoded. */
function duplicatesFirst(warnings: readonly string[]): readonly string[] {
  if (warnings.length < 2) return warnings
  const isDuplicate = (warning: string) => warning.startsWith('duplicate ')
  return [...warnings.filter(isDuplicate), ...warnings.filter((warning) => !isDuplicate(warning))]
}
