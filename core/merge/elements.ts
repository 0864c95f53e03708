/** Elements of associative lists: how they are told apart. */
import { isObject } from '../json.ts'
import { keyElement, valueElement } from './field-set.ts'
import type { ListType } from './types.ts'

/** Why a value cannot be what its type says. `path` grows while the failure travels up. */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** Texts that are their own JSON. */
const PLAIN = /^[\w ./:@+-]*$/

/** An element's path element, or why it has none. */
export function elementOf(type: ListType, item: unknown): string | { readonly error: string } {
  return type.relationship === 'map' ? keyedElement(type, item) : setElement(item)
}

function keyedElement(type: ListType, item: unknown): string | { readonly error: string } {
  if (item === null || item === undefined) return { error: 'associative list with keys may not have a null element' }
  if (!isObject(item)) return { error: 'associative list with keys may not have non-map elements' }
  const [only] = type.keys
  if (type.keys.length === 1 && only !== undefined) {
    const value = item[only]
    if (typeof value === 'string' && PLAIN.test(value)) return `k:{"${only}":"${value}"}`
  }
  const fields: [string, unknown][] = []
  for (const key of type.keys) {
    const value = Object.hasOwn(item, key) ? item[key] : type.element.type.map?.field(key)?.default
    if (value !== undefined) fields.push([key, value])
  }
  if (fields.length === 0 && type.keys.length > 0) {
    const keys = `["${type.keys.join('" "')}"]`
    return {
      error: `associative list with keys has an element that omits all key fields ${keys} (and doesn't have default values for any key fields)`
    }
  }
  return keyElement(fields.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function setElement(item: unknown): string | { readonly error: string } {
  if (item === null || item === undefined) {
    return { error: "associative list without keys has an element that's an explicit null" }
  }
  if (Array.isArray(item)) return { error: 'not supported: associative list with lists as elements' }
  if (typeof item === 'object') return { error: "associative list without keys has an element that's a map type" }
  return valueElement(item)
}
