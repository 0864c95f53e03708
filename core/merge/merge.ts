/** JSON merge patches (RFC 7386). */
import { ApiError } from '../errors.ts'
import { isObject, type JsonObject, ownOf, setOwn } from '../json.ts'

/** `live` is not changed; the answer shares with it and with `patch`. Throws BadRequest for a patch that is no object. */
export function mergePatch(live: JsonObject, patch: unknown): JsonObject {
  if (!isObject(patch)) throw new ApiError('BadRequest', 'Invalid JSON Patch')
  return merge(live, patch)
}

function merge(live: unknown, patch: JsonObject): JsonObject {
  const next: JsonObject = isObject(live) ? { ...live } : {}
  for (const key of Object.keys(patch)) {
    const value = patch[key]
    if (value === null || value === undefined) delete next[key]
    else setOwn(next, key, isObject(value) ? merge(ownOf(next, key), value) : value)
  }
  return next
}
