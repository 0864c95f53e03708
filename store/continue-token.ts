import { ApiError } from '../core/errors.ts'

/** Where a list goes on: after this key, in the state of this version (undefined: in whatever state is current). */
export interface Position {
  readonly version: number | undefined
  readonly after: string
}

/** Stands for "no version" in a token that goes on without a snapshot, as in kube-apiserver. */
const INCONSISTENT = -1

export function encodeToken({ version, after }: Position): string {
  return Buffer.from(JSON.stringify({ v: version ?? INCONSISTENT, after })).toString('base64url')
}

/** Throws ApiError BadRequest. The key must lie within the list's prefix. */
export function decodeToken(token: string, prefix: string): Position {
  const stray = strayByte(token)
  if (stray !== undefined) throw invalid(`illegal base64 data at input byte ${stray}`)
  let parsed: unknown
  try {
    parsed = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'))
  } catch {
    throw invalid('it is not a token of this server')
  }
  if (typeof parsed !== 'object' || parsed === null) throw invalid('it is not a token of this server')
  const { v, after } = parsed as { v?: unknown; after?: unknown }
  if (typeof v !== 'number' || !Number.isSafeInteger(v) || v === 0 || v < INCONSISTENT) {
    throw invalid('incorrect encoded start resourceVersion')
  }
  if (typeof after !== 'string' || after === '') throw invalid('encoded start key empty')
  if (!after.startsWith(prefix)) throw invalid(after)
  return { version: v === INCONSISTENT ? undefined : v, after }
}

/** Where the text stops being base64url without padding; undefined where it is. */
function strayByte(token: string): number | undefined {
  const odd = /[^A-Za-z0-9_-]/.exec(token)
  if (odd !== null) return odd.index
  return token.length % 4 === 1 ? token.length - 1 : undefined
}

function invalid(why: string): ApiError {
  return new ApiError('BadRequest', `invalid continue token: continue key is not valid: ${why}`)
}
