/** Typed values: whether they fit their schema, the merge of two, and a value without some of its fields. */
import { isObject, type JsonObject, setOwn } from '../json.ts'
import { elementOf, type Problem } from './elements.ts'
import { elementText, type FieldSet, fieldElement, isEmptySet, isMember } from './field-set.ts'
import type { ListType, MapType, Scalar, Type } from './types.ts'

/** In Kubernetes' words; none where the value fits. Lists with keys may have no two elements of one key. */
export function problemsOf(type: Type, value: unknown): Problem[] {
  const problems: Problem[] = []
  check(type, value, { path: '', problems })
  return problems
}

/** As structured-merge-diff prints several of them. */
export function problemText(problems: readonly Problem[]): string {
  const lines = problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
  return lines.length === 1 ? (lines[0] as string) : ['errors:', ...lines.map((line) => `  ${line}`)].join('\n')
}

interface At {
  readonly path: string
  readonly problems: Problem[]
}

function check(type: Type, value: unknown, at: At): void {
  const { map, list, scalar } = type
  const only = scalar === undefined
  if (map !== undefined && (isObject(value) || (only && list === undefined))) {
    if (isObject(value)) checkMap(map, value, at)
    else if (value !== null && value !== undefined) note(at, `expected map, got ${shown(value)}`)
  } else if (list !== undefined && (Array.isArray(value) || only)) {
    if (Array.isArray(value)) checkList(list, value, at)
    else if (value !== null && value !== undefined) note(at, `expected list, got ${shown(value)}`)
  } else if (scalar !== undefined) {
    const wrong = wrongScalar(scalar, value)
    if (wrong !== undefined) note(at, wrong)
  }
}

function note({ path, problems }: At, message: string): void {
  problems.push({ path, message })
}

function checkMap(map: MapType, value: JsonObject, at: At): void {
  for (const name of Object.keys(value)) {
    const path = `${at.path}.${name}`
    const field = map.field(name) ?? map.element
    if (field === undefined) {
      at.problems.push({ path, message: 'field not declared in schema' })
      return
    }
    check(field.type, value[name], { ...at, path })
  }
}

function checkList(list: ListType, items: readonly unknown[], at: At): void {
  const seen = new Set<string>()
  for (const [i, item] of items.entries()) {
    let place = `[${i}]`
    if (list.relationship !== 'atomic') {
      const key = elementOf(list, item)
      if (typeof key !== 'string') {
        at.problems.push({ path: at.path, message: `element ${i}: ${key.error}` })
        return
      }
      place = elementText(key)
      if (seen.has(key)) at.problems.push({ path: at.path, message: `duplicate entries for key ${place}` })
      seen.add(key)
    }
    check(list.element.type, item, { ...at, path: at.path + place })
  }
}

function wrongScalar(scalar: Scalar, value: unknown): string | undefined {
  if (value === null || value === undefined) return undefined
  switch (scalar) {
    case 'numeric':
      return typeof value === 'number' ? undefined : `expected numeric (int or float), got ${goType(value)}`
    case 'string':
      return typeof value === 'string'
        ? undefined
        : `expected string, got &value.valueUnstructured{Value:${goSyntax(value)}}`
    case 'boolean':
      return typeof value === 'boolean' ? undefined : `expected boolean, got ${shown(value)}`
    default:
      return typeof value === 'object' ? `expected any scalar, got ${shown(value)}` : undefined
  }
}

function goType(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}'
  if (isObject(value)) return 'map[string]interface {}'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

/** As `%#v` prints it. */
function goSyntax(value: unknown): string {
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`
  if (isObject(value)) {
    const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
    return `map[string]interface {}{${fields.map(([name, one]) => `${JSON.stringify(name)}:${goSyntax(one)}`).join(', ')}}`
  }
  return value === null ? 'interface {}(nil)' : JSON.stringify(value)
}

/** As `%v` prints a value there: &{...} around Go's own form. */
function shown(value: unknown): string {
  return `&{${bare(value)}}`
}

function bare(value: unknown): string {
  if (value === null || value === undefined) return '<nil>'
  if (Array.isArray(value)) return `[${value.map(bare).join(' ')}]`
  if (!isObject(value)) return String(value)
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return `map[${fields.map(([name, one]) => `${name}:${bare(one)}`).join(' ')}]`
}

const isAbsent = (value: unknown): boolean => value === undefined

/** `left` with what `right` says. The result shares with both. Both must fit the type. */
export function mergeValues(type: Type, left: unknown, right: unknown): unknown {
  if (isAbsent(right)) return left
  if (isAbsent(left) && type.list === undefined && type.map === undefined) return right
  if (type.map !== undefined && isObject(right)) return mergeMaps(type.map, left, right)
  if (type.list !== undefined && Array.isArray(right)) return mergeLists(type.list, left, right)
  // null in a granular place says nothing of what is there.
  if (right === null && ((type.map?.atomic === false && isFilledMap(left)) || isFilledList(type.list, left)))
    return left
  return right
}

const isFilledMap = (value: unknown): boolean => isObject(value) && Object.keys(value).length > 0
const isFilledList = (list: ListType | undefined, value: unknown): boolean =>
  list !== undefined && list.relationship !== 'atomic' && Array.isArray(value) && value.length > 0

function mergeMaps(map: MapType, left: unknown, right: JsonObject): unknown {
  if (map.atomic || !isFilledMap(left)) {
    // An atomic map, or nothing to keep.
    return right
  }
  const out: JsonObject = { ...(left as JsonObject) }
  for (const name of Object.keys(right)) {
    const field = map.field(name) ?? map.element
    const before = Object.hasOwn(out, name) ? out[name] : undefined
    setOwn(out, name, field === undefined ? right[name] : mergeValues(field.type, before, right[name]))
  }
  return out
}

/** Elements of the right keep their order; those of the left stay where they were between the ones that both have. */
function mergeLists(list: ListType, left: unknown, right: readonly unknown[]): unknown {
  if (list.relationship === 'atomic' || !Array.isArray(left) || left.length === 0) return right
  const theirs = keyed(list, right)
  const ours = keyed(list, left as unknown[])
  const mine = new Map<string, unknown>()
  // An element that stands twice is no element to merge with.
  for (const [key, item] of ours) mine.set(key, mine.has(key) ? undefined : item)
  const named = new Map(theirs)
  const shared = theirs.map(([key]) => key).filter((key) => mine.has(key))
  const merged = new Set<string>()
  const out: unknown[] = []
  const take = (key: string) => {
    merged.add(key)
    out.push(mergeValues(list.element.type, mine.get(key), named.get(key)))
    if (shared[0] === key) shared.shift()
  }
  let l = 0
  let r = 0
  while (l < ours.length || r < theirs.length) {
    const [key, item] = ours[l] ?? []
    const next = theirs[r]?.[0]
    if (key !== undefined && next !== undefined) {
      if (key === next) {
        take(key)
        l++
        r++
        continue
      }
      if (named.has(key) && shared[0] !== undefined && shared[0] !== key) {
        l++
        continue
      }
    }
    if (key !== undefined) {
      if (!named.has(key)) {
        out.push(item)
        l++
        continue
      }
      if (merged.has(key)) l++
    }
    if (next !== undefined) {
      take(next)
      r++
    }
  }
  return out
}

function keyed(list: ListType, items: readonly unknown[]): (readonly [string, unknown])[] {
  const out: [string, unknown][] = []
  for (const item of items) {
    const key = elementOf(list, item)
    if (typeof key === 'string') out.push([key, item])
  }
  return out
}

/**
 * The value without the members of `set`, whole elements and fields included; undefined where nothing is left. What
 * the set does not touch is shared.
 */
export function withoutFields(type: Type, value: unknown, set: FieldSet): unknown {
  if (isEmptySet(set)) return value
  if (type.map !== undefined && isObject(value)) return type.map.atomic ? undefined : withoutNamed(type.map, value, set)
  if (type.list !== undefined && Array.isArray(value)) {
    return type.list.relationship === 'atomic' ? undefined : withoutElements(type.list, value, set)
  }
  return type.scalar === undefined ? undefined : value
}

function withoutNamed(map: MapType, value: JsonObject, set: FieldSet): unknown {
  const out: JsonObject = {}
  for (const name of Object.keys(value)) {
    const below = set[fieldElement(name)]
    if (below !== undefined && isMember(below)) continue
    const field = map.field(name) ?? map.element
    const kept =
      below === undefined || field === undefined ? value[name] : withoutFields(field.type, value[name], below)
    // What became empty is null in Kubernetes, and so no more.
    setOwn(out, name, kept === undefined ? null : kept)
  }
  return isEmptySet(out as FieldSet) ? undefined : out
}

function withoutElements(list: ListType, items: readonly unknown[], set: FieldSet): unknown {
  const out: unknown[] = []
  for (const item of items) {
    const key = elementOf(list, item)
    const below = typeof key === 'string' ? set[key] : undefined
    if (below !== undefined && isMember(below)) continue
    out.push(below === undefined ? item : withoutFields(list.element.type, item, below))
  }
  return out.length === 0 ? undefined : out
}
