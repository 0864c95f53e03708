/** Lists in strategic patches: elements told apart by a key, and the order of what was merged. */
import { ApiError } from '../errors.ts'
import { goValue } from '../go-text.ts'
import { isObject, type JsonObject } from '../json.ts'

function refuse(message: string): never {
  throw new ApiError('BadRequest', message)
}

export function keyValue(element: JsonObject, key: string): unknown {
  return Object.hasOwn(element, key)
    ? element[key]
    : refuse(`map: ${goValue(element)} does not contain declared merge key: ${key}`)
}

/** All elements of both lists must be of one kind, and none a list. */
export function elementKind(...lists: readonly (readonly unknown[])[]): 'map' | 'scalar' {
  let kind: string | undefined
  for (const item of lists.flat(1)) {
    if (Array.isArray(item)) refuse('lists of lists are not supported')
    const found = isObject(item) ? 'map' : typeof item
    if (kind !== undefined && found !== kind)
      refuse(`list element types are not identical: ${lists.map(goValue).join(' ')}`)
    kind = found
  }
  return kind === 'map' ? 'map' : 'scalar'
}

/** The first place of each key's value. */
export function indexByKey(list: readonly unknown[], key: string): Map<unknown, number> {
  const places = new Map<unknown, number>()
  list.forEach((element, place) => {
    if (!isObject(element)) refuse(`value for key ${place} is not a map.`)
    const value = Object.hasOwn(element, key) ? element[key] : undefined
    if (value !== undefined && !places.has(value)) places.set(value, place)
  })
  return places
}

/**
 * Sorts what a merge gave: items that `order` names stand in its order, the others in that of `serverOrder`; an item of
 * the others goes before the first named one that it preceded on the server. `key` is '' for scalars.
 */
export function appendOrdered(
  merged: readonly unknown[],
  by: { order: readonly unknown[]; serverOrder: readonly unknown[]; key: string }
): unknown[] {
  const { key } = by
  const identity = (item: unknown) => (key === '' ? item : keyValue(isObject(item) ? item : {}, key))
  const wanted = places(by.order, identity)
  const server = places(by.serverOrder, identity)
  const named = merged.filter((item) => wanted.has(identity(item)))
  const others = merged.filter((item) => !wanted.has(identity(item)))
  named.sort((a, b) => (wanted.get(identity(a)) ?? 0) - (wanted.get(identity(b)) ?? 0))
  others.sort((a, b) => (server.get(identity(a)) ?? 0) - (server.get(identity(b)) ?? 0))
  const result: unknown[] = []
  let next = 0
  for (const item of named) {
    const place = server.get(identity(item))
    while (next < others.length && place !== undefined) {
      const other = server.get(identity(others[next]))
      if (other === undefined || other >= place) break
      result.push(others[next])
      next++
    }
    result.push(item)
  }
  return result.concat(others.slice(next))
}

function places(list: readonly unknown[], identity: (item: unknown) => unknown): Map<unknown, number> {
  const found = new Map<unknown, number>()
  list.forEach((item, place) => {
    const value = identity(item)
    if (!found.has(value)) found.set(value, place)
  })
  return found
}
