/** Answers, with their JSON made at most once. */
import { ApiError } from '../../core/errors.ts'
import type { ApiResponse, Payload } from '../../core/http.ts'
import type { Status } from '../../core/kinds/types.ts'

const JSON_HEADERS = { 'content-type': 'application/json' }
const NO_HEADERS = {}
const encoder = new TextEncoder()

export function payloadOf(value: unknown): Payload {
  let bytes: Uint8Array | undefined
  return {
    value,
    bytes: () => {
      bytes ??= Buffer.from(JSON.stringify(value))
      return bytes
    }
  }
}

export function jsonAnswer(status: number, payload: Payload, headers: Readonly<Record<string, string>> = NO_HEADERS) {
  return {
    status,
    headers: headers === NO_HEADERS ? JSON_HEADERS : { ...JSON_HEADERS, ...headers },
    body: { payload }
  } satisfies ApiResponse
}

export function valueAnswer(status: number, value: unknown, headers: Readonly<Record<string, string>> = NO_HEADERS) {
  return jsonAnswer(status, payloadOf(value), headers)
}

export function textAnswer(status: number, text: string): ApiResponse {
  return { status, headers: { 'content-type': 'text/plain; charset=utf-8' }, body: { text } }
}

export function pageNotFound(): ApiResponse {
  return {
    status: 404,
    headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' },
    body: { text: '404 page not found\n' }
  }
}

export function errorAnswer(error: ApiError): ApiResponse {
  const retry = error.details?.retryAfterSeconds
  return valueAnswer(error.code, error.toStatus(), retry === undefined ? NO_HEADERS : { 'retry-after': String(retry) })
}

export function internalError(error: unknown): ApiError {
  const what = error instanceof Error ? error.message : String(error)
  return new ApiError('InternalError', `Internal error occurred: ${what}`, {
    details: { causes: [{ message: what }] }
  })
}

/** What binding and eviction answer. */
export function success(code: number): Status {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code }
}

export function utf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** A Warning header (RFC 7234): one text, or several in one line. */
export function warningHeader(warnings: readonly string[]): Record<string, string> {
  if (warnings.length === 0) return {}
  const texts = warnings.map((text) => `299 - "${text.replace(/[\\"]/g, (character) => `\\${character}`)}"`)
  // A header's text is Latin-1 without controls.
  return { warning: texts.join(', ').replace(/[^\x20-\x7e]/g, '?') }
}
