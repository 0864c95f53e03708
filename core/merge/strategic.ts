/**
 * Strategic merge patches: JSON merge patches that know, from the schema, which lists are merged by a key and which as
 * sets, and that understand directives ($patch, $retainKeys, $setElementOrder/..., $deleteFromPrimitiveList/...). The
 * results and the errors are those of k8s.io/apimachinery/pkg/util/strategicpatch.
 */
import { ApiError } from '../errors.ts'
import { goValue } from '../go-text.ts'
import { isObject, type JsonObject, ownOf, setOwn } from '../json.ts'
import { appendOrdered, elementKind, indexByKey, keyValue } from './patch-lists.ts'
import { type FieldMeta, type Lookup, structLookup } from './patch-meta.ts'

const PATCH = '$patch'
const RETAIN_KEYS = '$retainKeys'
const DELETE_PREFIX = '$deleteFromPrimitiveList'
const ORDER_PREFIX = '$setElementOrder'

const BAD_PRIMITIVE_LIST = 'invalid patch format of primitive list'
const BAD_RETAIN_KEYS = 'invalid patch format of retainKeys'
const BAD_ORDER = 'invalid patch format of setElementOrder list'

/**
 * `live` is not changed; the answer shares with it and with `patch`. `schema` names the object's schema. Every failure
 * is a BadRequest; the API answers those that kube-apiserver does not foresee with 500.
 */
export function strategicPatch(live: JsonObject, patch: unknown, schema: string): JsonObject {
  if (!isObject(patch)) {
    const type = Array.isArray(patch) ? 'array' : typeof patch === 'boolean' ? 'bool' : typeof patch
    return refuse(`json: cannot unmarshal ${type} into Go value of type map[string]interface {}`)
  }
  return mergeMap(live, patch, structLookup(schema))
}

function refuse(message: string): never {
  throw new ApiError('BadRequest', message)
}

function mergeMap(original: JsonObject, patch: JsonObject, lookup: Lookup): JsonObject {
  const directive = ownOf(patch, PATCH)
  if (directive !== undefined) return mergeWhole(directive, patch)
  const next = retainKeys(original, patch)
  const ordered = new Set<string>()
  for (const key of Object.keys(patch))
    if (key.startsWith(ORDER_PREFIX)) ordered.add(mergeOrderedList(key, { next, patch, lookup }))
  for (const key of Object.keys(patch)) {
    if (key === RETAIN_KEYS || key.startsWith(ORDER_PREFIX) || ordered.has(key)) continue
    const deletes = key.startsWith(DELETE_PREFIX)
    const field = deletes ? directiveField(key, DELETE_PREFIX, BAD_PRIMITIVE_LIST) : key
    mergeField(next, field, { value: patch[key], deletes, meta: lookup(field) })
  }
  return next
}

/** `$patch` beside fields speaks of the whole map. */
function mergeWhole(directive: unknown, patch: JsonObject): JsonObject {
  if (directive === 'delete') return {}
  if (directive !== 'replace') return refuse(`unknown patch type: ${goValue(directive)} in map: ${goValue(patch)}`)
  return withoutDirectives(patch)
}

function directiveField(key: string, prefix: string, problem: string): string {
  return key.startsWith(`${prefix}/`) ? key.slice(prefix.length + 1) : refuse(problem)
}

/** A copy of `original`, without the keys that `$retainKeys` does not name. */
function retainKeys(original: JsonObject, patch: JsonObject): JsonObject {
  const list = ownOf(patch, RETAIN_KEYS)
  if (list === undefined) return { ...original }
  if (!Array.isArray(list)) return refuse(BAD_RETAIN_KEYS)
  const kept = new Set<unknown>(list)
  for (const key of Object.keys(patch)) {
    const free = key === RETAIN_KEYS || key.startsWith(DELETE_PREFIX) || key.startsWith(ORDER_PREFIX)
    if (!free && patch[key] !== null && !kept.has(key)) refuse(BAD_RETAIN_KEYS)
  }
  const next: JsonObject = {}
  for (const key of Object.keys(original)) if (kept.has(key)) setOwn(next, key, original[key])
  return next
}

interface FieldPatch {
  readonly value: unknown
  /** The values are to be taken out of a list of scalars. */
  readonly deletes: boolean
  readonly meta: FieldMeta
}

function mergeField(next: JsonObject, field: string, { value, deletes, meta }: FieldPatch): void {
  if (value === null || value === undefined) {
    delete next[field]
    return
  }
  const current = ownOf(next, field)
  const maps = isObject(current) && isObject(value)
  if (maps && meta.strategy !== 'replace') setOwn(next, field, mergeMap(current, value, meta.fields))
  else if (Array.isArray(current) && Array.isArray(value) && (meta.strategy === 'merge' || deletes))
    setOwn(next, field, mergeList(current, value, { meta, deletes }))
  else if (!deletes) {
    const taken = cleaned(value)
    if (taken === undefined) delete next[field]
    else setOwn(next, field, taken)
  }
}

function mergeList(
  original: readonly unknown[],
  patch: readonly unknown[],
  { meta, deletes }: { meta: FieldMeta; deletes: boolean }
): unknown[] {
  if (original.length === 0 && patch.length === 0) return []
  if (elementKind(original, patch) !== 'map') {
    if (deletes) return original.filter((item) => !patch.includes(item))
    const merged = [...new Set([...original, ...patch])]
    return appendOrdered(merged, { order: patch, serverOrder: original, key: '' })
  }
  const { mergeKey } = meta
  if (mergeKey === undefined) return refuse('cannot merge lists without merge key for type map')
  const { list, rest } = applyDirectives(original, patch as JsonObject[], mergeKey)
  const merged = mergeElements(list, rest, meta)
  return appendOrdered(merged, { order: rest, serverOrder: list, key: mergeKey })
}

/** Elements with `$patch` delete others of the same key, or replace the whole list by the elements without. */
function applyDirectives(
  original: readonly unknown[],
  patch: readonly JsonObject[],
  key: string
): { list: readonly unknown[]; rest: readonly JsonObject[] } {
  const rest: JsonObject[] = []
  const deleted = new Set<unknown>()
  let replace = false
  for (const element of patch) {
    const directive = ownOf(element, PATCH)
    if (directive === undefined) rest.push(element)
    else if (directive === 'delete') deleted.add(keyValue(element, key))
    else if (directive === 'replace') replace = true
    else if (directive === 'merge') refuse('merging lists cannot yet be specified in the patch')
    else refuse(`unknown patch type: ${goValue(directive)} in map: ${goValue(element)}`)
  }
  if (replace) return { list: rest, rest: [] }
  if (deleted.size === 0) return { list: original, rest }
  return { list: original.filter((element) => !isObject(element) || !deleted.has(ownOf(element, key))), rest }
}

function mergeElements(original: readonly unknown[], patch: readonly JsonObject[], meta: FieldMeta): unknown[] {
  const key = meta.mergeKey ?? ''
  const merged = [...original]
  const places = indexByKey(merged, key)
  for (const element of patch) {
    const value = keyValue(element, key)
    const place = places.get(value)
    const current = place === undefined ? undefined : merged[place]
    if (place !== undefined && isObject(current)) merged[place] = mergeMap(current, element, meta.fields)
    else {
      places.set(value, merged.length)
      merged.push(withoutDirectives(element))
    }
  }
  return merged
}

/** `$setElementOrder/field` with the patch's own list beside it; answers with the field's name. */
function mergeOrderedList(
  directive: string,
  { next, patch, lookup }: { next: JsonObject; patch: JsonObject; lookup: Lookup }
): string {
  const order = patch[directive]
  if (!Array.isArray(order)) return refuse(`expected a []interface {}, but received a ${goTypeOf(order)}`)
  const field = directiveField(directive, ORDER_PREFIX, BAD_ORDER)
  const [current, given] = [ownOf(next, field), ownOf(patch, field)]
  for (const list of [current, given])
    if (list !== undefined && !Array.isArray(list))
      refuse(`expected a []interface {}, but received a ${goTypeOf(list)}`)
  const meta = lookup(field)
  const key = meta.mergeKey ?? ''
  const before = (current ?? []) as unknown[]
  const patched = (given ?? []) as unknown[]
  checkOrder(patched, order, key)
  if (current === undefined && given === undefined) return field
  const merged = mergedForOrder({ current, given, before, patched }, meta)
  setOwn(next, field, appendOrdered(merged, { order, serverOrder: before, key }))
  return field
}

function mergedForOrder(
  lists: { current: unknown; given: unknown; before: unknown[]; patched: unknown[] },
  meta: FieldMeta
): unknown[] {
  if (lists.given === undefined) return lists.before
  if (lists.current === undefined || meta.strategy !== 'merge') return cleaned(lists.patched) as unknown[]
  return mergeList(lists.before, lists.patched, { meta, deletes: false })
}

function goTypeOf(value: unknown): string {
  if (isObject(value)) return 'map[string]interface {}'
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64'
  return typeof value === 'boolean' ? 'bool' : value === null ? '%!s(<nil>)' : typeof value
}

/** What the patch's list holds must stand in the order list, in the same order; deletions do not count. */
function checkOrder(patch: readonly unknown[], order: readonly unknown[], key: string): void {
  if (patch.length === 0 || order.length === 0) return
  const wanted = patch.filter((element) => !isObject(element) || ownOf(element, PATCH) === undefined)
  let at = 0
  for (const element of order) {
    if (at === wanted.length) break
    const one = wanted[at]
    const same = key === '' ? one === element : keyValue(asMap(one), key) === keyValue(asMap(element), key)
    if (same) at++
  }
  if (at < wanted.length)
    refuse(`The order in patch list:\n${goValue(patch)}\n doesn't match ${ORDER_PREFIX} list:\n${goValue(order)}\n`)
}

function asMap(value: unknown): JsonObject {
  return isObject(value) ? value : refuse(`expected a map[string]interface {}, but received a ${goTypeOf(value)}`)
}

/** A value that the patch brings whole: without nulls and directives. undefined where it only says "delete". */
function cleaned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(cleaned).filter((item) => item !== undefined)
  if (!isObject(value)) return value
  const directive = ownOf(value, PATCH)
  const rest = withoutDirectives(value)
  return directive === 'delete' || (directive === 'replace' && Object.keys(value).length === 1) ? undefined : rest
}

function withoutDirectives(map: JsonObject): JsonObject {
  const next: JsonObject = {}
  for (const key of Object.keys(map)) {
    if (key === PATCH || key === RETAIN_KEYS || key.startsWith(DELETE_PREFIX) || key.startsWith(ORDER_PREFIX)) continue
    const value = cleaned(map[key])
    if (value !== null && value !== undefined) setOwn(next, key, value)
  }
  return next
}
