/** Subresources whose body is the whole object: GET, PUT and PATCH along a path of their own. */
import type { Kind } from '../../../core/kinds/kind.ts'
import { jsonAnswer } from '../answers.ts'
import { methodNotAllowed, notFound } from '../failures.ts'
import { patch } from '../patch.ts'
import type { ResourceHandler } from '../types.ts'
import { type Path, storeKey, update } from '../update.ts'

/** `path`: which part of the object the subresource may change. */
export function wholeObject(path: (kind: Kind) => Path): ResourceHandler {
  return async (at, context) => {
    switch (at.request.method) {
      case 'GET': {
        const entry = await context.store.get(at.kind.storage, storeKey(at))
        if (entry === undefined) throw notFound(at.kind, at.name ?? '')
        return jsonAnswer(200, entry)
      }
      case 'PUT':
        return await update(at, context, path(at.kind))
      case 'PATCH':
        return await patch(at, context, path(at.kind))
      default:
        throw methodNotAllowed()
    }
  }
}
