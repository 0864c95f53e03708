/** Work on plain JSON values: private copies and comparison, without the cost of structuredClone. */

/** A deep copy. Keys named __proto__ stay plain keys. */
export function copyJson<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const out: unknown[] = new Array(value.length)
    for (let index = 0; index < value.length; index++) out[index] = copyJson(value[index] as unknown)
    return out as T
  }
  const out: Record<string, unknown> = {}
  for (const key in value) {
    const field: unknown = value[key]
    if (field === undefined) continue
    if (key === '__proto__') Object.defineProperty(out, key, { value: copyJson(field), ...PLAIN })
    else out[key] = typeof field === 'object' && field !== null ? copyJson(field) : field
  }
  return out as T
}

const PLAIN = { enumerable: true, configurable: true, writable: true }

/** Equal as JSON: the order of keys and fields that are undefined do not matter. */
export function sameJson(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false
    for (let index = 0; index < a.length; index++) if (!sameJson(a[index], b[index])) return false
    return true
  }
  if (Array.isArray(b)) return false
  return sameFields(a as Record<string, unknown>, b as Record<string, unknown>)
}

function sameFields(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  let left = 0
  for (const key in a) {
    if (a[key] === undefined) continue
    left++
    if (!Object.hasOwn(b, key) || !sameJson(a[key], b[key])) return false
  }
  for (const key in b) if (b[key] !== undefined) left--
  return left === 0
}
