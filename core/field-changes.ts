/** What changed between two versions of an object, field by field, and whose each changed field is. */
import { isObject } from './json.ts'
import type { ManagedFieldsEntry } from './kinds/types.ts'
import type { KubeObject } from './object.ts'

export interface FieldChange {
  /** As in "spec.template.spec.containers[name=web].image". */
  readonly field: string
  /** Absent: the field was not there. */
  readonly from?: unknown
  /** Absent: the field is gone. */
  readonly to?: unknown
  /** Who owns the field after the change, or did before, where it is gone. Absent: nobody. */
  readonly manager?: string
  /** "Apply" or "Update". */
  readonly operation?: string
  readonly subresource?: string
}

/** A field's name, or the element of a list: its keys. */
type Step = string | Readonly<Record<string, unknown>>

/** Bookkeeping that changes with every write. */
const UNTOLD = new Set(['metadata.managedFields', 'metadata.resourceVersion', 'metadata.generation'])
/** Lists of objects with one of these, each different, are compared by it. */
const KEYS = ['name', 'type', 'uid', 'containerPort', 'port', 'key', 'ip'] as const

/** `before` and `after` are never both absent. */
export function fieldChanges(before: KubeObject | undefined, after: KubeObject | undefined): readonly FieldChange[] {
  const found: Found[] = []
  compare({ from: before ?? {}, to: after ?? {}, path: [] }, found)
  return found.map(({ path, from, to }) => {
    const entries = (to === undefined ? before : after)?.metadata.managedFields ?? []
    const owner = ownerOf(entries, path)
    return {
      field: textOf(path),
      ...(from === undefined ? {} : { from }),
      ...(to === undefined ? {} : { to }),
      ...(owner?.manager === undefined ? {} : { manager: owner.manager }),
      ...(owner?.operation === undefined ? {} : { operation: owner.operation }),
      ...(owner?.subresource === undefined || owner.subresource === '' ? {} : { subresource: owner.subresource })
    }
  })
}

interface Found {
  readonly path: readonly Step[]
  readonly from: unknown
  readonly to: unknown
}

function compare({ from, to, path }: Found, found: Found[]): void {
  if (from === to || UNTOLD.has(textOf(path))) return
  if (isObject(from) && isObject(to)) {
    for (const name of new Set([...Object.keys(from), ...Object.keys(to)])) {
      compare({ from: from[name], to: to[name], path: [...path, name] }, found)
    }
    return
  }
  if (Array.isArray(from) && Array.isArray(to)) {
    const key = KEYS.find((one) => isKey(from, one) && isKey(to, one))
    if (key !== undefined) {
      compareElements({ from, to, path }, key, found)
      return
    }
    if (JSON.stringify(from) === JSON.stringify(to)) return
  }
  // A field that came or went with others below it is told field by field, so that each has its owner.
  const [before, after] = [from ?? emptied(to), to ?? emptied(from)]
  if (isObject(before) && isObject(after) && (from === undefined || to === undefined)) {
    const size = Object.keys(before).length + Object.keys(after).length
    if (size > 0) {
      compare({ from: before, to: after, path }, found)
      return
    }
  }
  found.push({ path, from, to })
}

function emptied(value: unknown): unknown {
  return isObject(value) ? {} : undefined
}

function isKey(list: readonly unknown[], key: string): boolean {
  const values = new Set<unknown>()
  for (const element of list) {
    if (!isObject(element) || element[key] === undefined || values.has(element[key])) return false
    values.add(element[key])
  }
  return true
}

function compareElements(
  { from, to, path }: { from: readonly unknown[]; to: readonly unknown[]; path: readonly Step[] },
  key: string,
  found: Found[]
): void {
  const byKey = (list: readonly unknown[]) =>
    new Map(list.map((element) => [(element as Record<string, unknown>)[key], element as Record<string, unknown>]))
  const [before, after] = [byKey(from), byKey(to)]
  for (const value of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(value), after.get(value)]
    const step = is ?? was ?? {}
    if (was === undefined || is === undefined)
      found.push({ path: [...path, { ...step, [CHOSEN]: key }], from: was, to: is })
    else compare({ from: was, to: is, path: [...path, { ...step, [CHOSEN]: key }] }, found)
  }
}

/** Which of an element's fields its path names it by. */
const CHOSEN = Symbol('key')

function textOf(path: readonly Step[]): string {
  let text = ''
  for (const step of path) {
    if (typeof step !== 'string') {
      const key = (step as { readonly [CHOSEN]?: string })[CHOSEN] ?? ''
      text += `[${key}=${String(step[key])}]`
    } else if (/^[\w-]+$/.test(step)) text += text === '' ? step : `.${step}`
    else text += `['${step}']`
  }
  return text
}

/** Of several owners the one that wrote last. */
function ownerOf(entries: readonly ManagedFieldsEntry[], path: readonly Step[]): ManagedFieldsEntry | undefined {
  let owner: ManagedFieldsEntry | undefined
  for (const entry of entries) {
    if (!owns(entry.fieldsV1 as Fields | undefined, path)) continue
    if (owner === undefined || (entry.time ?? '') > (owner.time ?? '')) owner = entry
  }
  return owner
}

interface Fields {
  readonly [element: string]: Fields
}

function owns(fields: Fields | undefined, path: readonly Step[]): boolean {
  if (fields === undefined) return false
  let at = fields
  for (const step of path) {
    const below = typeof step === 'string' ? at[`f:${step}`] : elementOf(at, step)
    if (below === undefined) return at !== fields && isLeaf(at)
    at = below
  }
  return at !== fields
}

/** Nothing is owned below it one by one: an atomic field, owned whole. */
function isLeaf(fields: Fields): boolean {
  return Object.keys(fields).every((key) => key === '.')
}

function elementOf(fields: Fields, element: Readonly<Record<string, unknown>>): Fields | undefined {
  for (const [key, below] of Object.entries(fields)) {
    if (!key.startsWith('k:')) continue
    const keys = JSON.parse(key.slice(2)) as Record<string, unknown>
    if (Object.entries(keys).every(([name, value]) => element[name] === value)) return below
  }
  return undefined
}
