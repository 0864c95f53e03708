/** From what a webhook sent back to an AdmissionReview, or why it is none (client-go's rest.Result.Into). */
import { goQuote } from '../../../../core/go-text.ts'
import { isObject, type JsonObject } from '../../../../core/json.ts'
import { notRegistered } from '../../body.ts'
import type { HookAnswer } from './call.ts'

/** By HTTP status; others have no words of their own. */
const WORDS: Readonly<Record<number, string>> = {
  400: 'the server rejected our request for an unknown reason',
  401: 'the server has asked for the client to provide credentials',
  404: 'the server could not find the requested resource',
  405: 'the server does not allow this method on the requested resource',
  409: 'the server reported a conflict',
  410: 'the requested resource is gone',
  422: 'the server rejected our request due to an error in our request',
  429: 'the server has received too many requests and has asked us to try again later',
  504: 'the server was unable to return a response in the time allotted, but may still be processing the request'
}
/** Their text is the body's. */
const OWN_WORDS = new Set([403, 406, 415, 503])
const REVIEW = 'AdmissionReview'
const FIELDS: Readonly<Record<string, string>> = {
  uid: 'string',
  allowed: 'bool',
  patchType: 'string',
  patch: '[]uint8',
  warnings: '[]string',
  auditAnnotations: 'map[string]string',
  status: 'v1.Status'
}

/** `version`: of AdmissionReview, that was asked for. Throws an Error that says what is wrong. */
export async function reviewIn(answer: HookAnswer, version: string): Promise<JsonObject> {
  const { status, type, body } = answer
  if (status < 200 || status > 206) throw new Error(await statusText(answer))
  if (body === '') throw new Error(`0-length response with status code: ${status} and content type: ${type}`)
  const value = await readAny(body)
  if (!isObject(value)) {
    const wanted =
      'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
    throw new Error(
      `couldn't get version/kind; json parse error: json: cannot unmarshal ${goType(value)} into Go value of type ${wanted}`
    )
  }
  checkKind(value, version)
  if (isObject(value.response)) checkFields(value.response)
  return value
}

async function statusText({ status, body }: HookAnswer): Promise<string> {
  const value = await readAny(body)
  if (isObject(value) && value.kind === 'Status' && value.status !== 'Success') return String(value.message ?? '')
  if (OWN_WORDS.has(status)) return body.trim() === '' ? 'unknown' : body.trim()
  const words = WORDS[status]
  if (words !== undefined) return words
  if (status >= 500)
    return `an error on the server (${goQuote(body.trim() || 'unknown')}) has prevented the request from succeeding`
  return `the server responded with the status code ${status} but did not return more information`
}

/** What is no JSON is taken for YAML, of which any text is a value. */
async function readAny(body: string): Promise<unknown> {
  try {
    return JSON.parse(body)
  } catch {
    const { parse } = await import('yaml')
    try {
      return parse(body, { logLevel: 'silent' })
    } catch {
      return body
    }
  }
}

/** An answer without kind and version is taken for what was asked for. */
function checkKind({ kind = '', apiVersion = '' }: JsonObject, version: string): void {
  const wanted = `admission.k8s.io/${version}`
  if (kind === '' || apiVersion === '') return
  const [name, of] = [String(kind), String(apiVersion)]
  if (name === REVIEW && of === wanted) return
  const given = of.slice(of.indexOf('/') + 1)
  const isKnown = (name === REVIEW && /^admission\.k8s\.io\/v1(beta1)?$/.test(of)) || (name === 'Status' && of === 'v1')
  if (isKnown) throw new Error(`converting (${given}.${name}) to (${version}.${REVIEW}): unknown conversion`)
  throw new Error(notRegistered(name, of))
}

function checkFields(response: JsonObject): void {
  for (const [field, type] of Object.entries(FIELDS)) {
    const value = response[field]
    if (value === undefined || value === null) continue
    const fits = {
      string: () => typeof value === 'string',
      bool: () => typeof value === 'boolean',
      '[]uint8': () => typeof value === 'string',
      '[]string': () => Array.isArray(value),
      'map[string]string': () => isObject(value),
      'v1.Status': () => isObject(value)
    }[type]
    if (fits?.() === true) continue
    throw new Error(
      `json: cannot unmarshal ${goType(value)} into Go struct field AdmissionResponse.response.${field} of type ${type}`
    )
  }
}

function goType(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}
