/** Which function answers a verb on a resource or on one of its subresources. */
import type { ApiResponse } from '../../core/http.ts'
import { jsonAnswer } from './answers.ts'
import { create } from './create.ts'
import { deleteCollection, deleteOne } from './delete.ts'
import { noSuchResource, notFound, tooLargeVersion } from './failures.ts'
import { AT, getAt, HISTORY, history } from './history.ts'
import { list } from './list.ts'
import { version } from './options.ts'
import { patch } from './patch.ts'
import { subresourceHandlers } from './subresources/registry.ts'
import type { ApiContext, ResourceHandler, ResourceRequest } from './types.ts'
import { storeKey, update } from './update.ts'
import { watch } from './watch.ts'

const HANDLERS: Readonly<Record<string, ResourceHandler>> = {
  get,
  list,
  watch,
  create,
  update: (at, context) => update(at, context),
  patch: (at, context) => patch(at, context),
  delete: deleteOne,
  deletecollection: deleteCollection
}
const ON_COLLECTION = new Set(['list', 'watch', 'create', 'deletecollection'])

export interface VerbOptions {
  readonly subresources?: Readonly<Record<string, ResourceHandler>>
}

/** undefined: the method is not allowed here. Throws NotFound for subresources that the kind has not. */
export function verbHandler(at: ResourceRequest, verb: string, options: VerbOptions): ResourceHandler | undefined {
  const { kind, name, subresource, namespace } = at
  if (subresource !== undefined) {
    const known = kind.subresources.find((one) => one.name === subresource)
    const handler = options.subresources?.[subresource] ?? subresourceHandlers[subresource]
    if (known === undefined && kind.custom !== undefined) throw notFound(kind, name ?? '')
    if (known === undefined || handler === undefined) throw noSuchResource()
    return known.verbs.includes(verb) ? handler : undefined
  }
  if (!kind.verbs.includes(verb)) return undefined
  if (ON_COLLECTION.has(verb) !== (name === undefined)) return undefined
  // All namespaces together can only be read.
  if (kind.namespaced && namespace === undefined && verb !== 'list' && verb !== 'watch') return undefined
  return HANDLERS[verb]
}

export function virtualVerb(at: ResourceRequest, verb: string, handler: ResourceHandler): ResourceHandler | undefined {
  if (at.subresource !== undefined) throw noSuchResource()
  return at.kind.verbs.includes(verb) && at.name === undefined ? handler : undefined
}

export async function get(at: ResourceRequest, context: ApiContext): Promise<ApiResponse> {
  const { kind, request, name = '' } = at
  if (request.query.has(HISTORY)) return await history(at, context)
  if (request.query.has(AT)) return await getAt(at, context)
  const least = version(request.query.get('resourceVersion'), 'get')
  if (least !== undefined && least > 0) {
    const current = await context.store.version(kind.storage)
    if (least > current) throw tooLargeVersion(least, current)
  }
  const entry = await context.store.get(kind.storage, storeKey(at))
  if (entry === undefined) throw notFound(kind, name)
  return jsonAnswer(200, entry)
}
