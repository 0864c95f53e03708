/**
 * Sets of fields, as managedFields holds them (FieldsV1): a tree of path elements ("f:spec", 'k:{"name":"c"}', 'v:"x"',
 * "i:0"). The JSON is the set: nothing is translated between what is stored and what is computed with. An element
 * without anything below it, or with a ".", is itself in the set; the others only lead to such ones. The empty root is
 * the empty set. Trees are never changed, so they share their parts.
 */
import { goJson, goQuote } from '../go-text.ts'
import { isObject, type JsonObject } from '../json.ts'

export interface FieldSet {
  readonly [element: string]: FieldSet
}

/** Under construction. */
export type Draft = Record<string, FieldSet>

export const EMPTY: FieldSet = Object.freeze({})
/** A member with nothing below it. */
export const LEAF: FieldSet = EMPTY

/** The element by which a node with others below it is itself in the set. */
export const SELF = '.'

export function isEmptySet(set: FieldSet): boolean {
  for (const _ in set) return false
  return true
}

/** Whether the node, which is not the root, is itself in the set. */
export function isMember(node: FieldSet): boolean {
  return SELF in node || isEmptySet(node)
}

/** The node with itself in the set. */
export function asMember(node: FieldSet): FieldSet {
  if (isMember(node)) return node
  return { [SELF]: LEAF, ...node }
}

/** A node of what a computation left over: undefined where nothing is. */
function node(member: boolean, children: Draft, sorted: boolean): FieldSet | undefined {
  if (isEmptySet(children)) return member ? LEAF : undefined
  const tree = sorted ? children : ordered(children)
  return member ? { [SELF]: LEAF, ...tree } : tree
}

function childrenOf(set: FieldSet): FieldSet {
  if (!(SELF in set)) return set
  const { [SELF]: _, ...children } = set
  return children
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b || isEmptySet(b)) return a
  if (isEmptySet(a)) return b
  const out: Draft = {}
  for (const key in a) {
    const other = b[key]
    out[key] = other === undefined ? (a[key] as FieldSet) : unionNodes(a[key] as FieldSet, other)
  }
  let added = false
  for (const key in b) {
    if (key in out) continue
    out[key] = b[key] as FieldSet
    added = true
  }
  return added ? ordered(out) : out
}

function unionNodes(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b) return a
  const member = isMember(a) || isMember(b)
  return node(member, union(childrenOf(a), childrenOf(b)) as Draft, true) ?? LEAF
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const out: Draft = {}
  for (const key in a) {
    const other = b[key]
    if (key === SELF || other === undefined) continue
    const mine = a[key] as FieldSet
    const both = intersection(mine, other)
    const left = node(isMember(mine) && isMember(other), both as Draft, true)
    if (left !== undefined) out[key] = left
  }
  return out
}

/** Without the members of `b`; what lies below them stays, unless `b` names it too. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  return without(a, b, false)
}

/** Without the members of `b` and all that lies below them. */
export function recursiveDifference(a: FieldSet, b: FieldSet): FieldSet {
  return without(a, b, true)
}

function without(a: FieldSet, b: FieldSet, recursive: boolean): FieldSet {
  if (isEmptySet(b)) return a
  let out: Draft | undefined
  for (const key in a) {
    const other = b[key]
    if (key === SELF || other === undefined) continue
    const mine = a[key] as FieldSet
    const gone = isMember(other)
    if (gone && recursive) {
      out ??= { ...a }
      delete out[key]
      continue
    }
    const children = childrenOf(mine)
    const rest = without(children, childrenOf(other), recursive)
    const member = isMember(mine) && !gone
    if (rest === children && member === isMember(mine)) continue
    out ??= { ...a }
    const left = node(member, rest as Draft, true)
    if (left === undefined) delete out[key]
    else out[key] = left
  }
  return out ?? a
}

export function sameSets(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true
  if (isEmptySet(a) !== isEmptySet(b)) return false
  let left = 0
  for (const key in a) {
    if (key === SELF) continue
    const other = b[key]
    if (other === undefined) return false
    const mine = a[key] as FieldSet
    if (isMember(mine) !== isMember(other) || !sameSets(mine, other)) return false
    left++
  }
  for (const key in b) if (key !== SELF) left--
  return left === 0
}

/** The paths of all members: at each node first the members, then what lies below, both in order. */
export function* pathsOf(set: FieldSet, prefix = ''): Generator<string> {
  for (const key in set) if (key !== SELF && isMember(set[key] as FieldSet)) yield prefix + elementText(key)
  for (const key in set) if (key !== SELF) yield* pathsOf(set[key] as FieldSet, prefix + elementText(key))
}

/** ".data", '[name="c"]', '[="x"]', "[0]". */
export function elementText(element: string): string {
  const text = element.slice(2)
  switch (element[0]) {
    case 'k': {
      const fields = Object.entries(JSON.parse(text) as JsonObject)
      return `[${fields.map(([name, value]) => `${name}=${valueText(value)}`).join(',')}]`
    }
    case 'v':
      return `[=${valueText(JSON.parse(text))}]`
    case 'i':
      return `[${text}]`
    default:
      return `.${text}`
  }
}

function valueText(value: unknown): string {
  return typeof value === 'string' ? goQuote(value) : JSON.stringify(value)
}

/** Names are few and come again and again: a known element need not be built and hashed anew. */
const elements = new Map<string, string>()
const MOST_ELEMENTS = 10_000

export function fieldElement(name: string): string {
  const known = elements.get(name)
  if (known !== undefined) return known
  const element = `f:${name}`
  if (elements.size >= MOST_ELEMENTS) elements.clear()
  elements.set(name, element)
  return element
}

export function valueElement(value: unknown): string {
  return `v:${goJson(value)}`
}

/** `fields`: each present key field with its value, sorted by name. */
export function keyElement(fields: readonly (readonly [string, unknown])[]): string {
  return `k:{${fields.map(([name, value]) => `${goJson(name)}:${goJson(value)}`).join(',')}}`
}

/** The same tree with its elements in order, as Kubernetes prints them. */
export function ordered(children: Draft): FieldSet {
  const keys = Object.keys(children)
  if (keys.length < 2) return children
  let inOrder = true
  for (let i = 1; i < keys.length && inOrder; i++) {
    inOrder = compareElements(keys[i - 1] as string, keys[i] as string) <= 0
  }
  if (inOrder) return children
  const out: Draft = {}
  for (const key of keys.sort(compareElements)) out[key] = children[key] as FieldSet
  return out
}

const KINDS = '.fkvi'

function compareElements(a: string, b: string): number {
  const kind = a[0] as string
  if (kind !== b[0]) return KINDS.indexOf(kind) - KINDS.indexOf(b[0] as string)
  if (kind === 'f' || kind === SELF) return a < b ? -1 : a > b ? 1 : 0
  const left: unknown = JSON.parse(a.slice(2))
  const right: unknown = JSON.parse(b.slice(2))
  if (kind !== 'k') return compareValues(left, right)
  return compareFields(Object.entries(left as JsonObject), Object.entries(right as JsonObject))
}

type KeyFields = readonly [string, unknown][]

function compareFields(a: KeyFields, b: KeyFields): number {
  for (const [i, [name, value]] of a.entries()) {
    const other = b[i]
    if (other === undefined) return 1
    if (name !== other[0]) return name < other[0] ? -1 : 1
    const order = compareValues(value, other[1])
    if (order !== 0) return order
  }
  return a.length - b.length
}

/** Numbers before strings before booleans. */
function compareValues(a: unknown, b: unknown): number {
  const [left, right] = [rank(a), rank(b)]
  if (left !== right) return left - right
  if (a === b) return 0
  return (a as string | number | boolean) < (b as string | number | boolean) ? -1 : 1
}

function rank(value: unknown): number {
  return ['number', 'string', 'boolean'].indexOf(typeof value) + (value === null ? 9 : 0)
}

/** A set that a client sent, in the form that all the rest relies on. undefined: it is none. */
export function readFields(value: unknown): FieldSet | undefined {
  if (!isObject(value)) return undefined
  const out: Draft = {}
  for (const [key, child] of Object.entries(value)) {
    if (key === SELF) {
      out[SELF] = LEAF
      continue
    }
    const element = readElement(key)
    if (element === undefined) return undefined
    if (element === '') continue
    const below = isObject(child) ? readFields(child) : LEAF
    if (below === undefined) return undefined
    out[element] = below
  }
  return ordered(out)
}

/** The element as we write it; '' for one of an unknown kind, which Kubernetes skips; undefined for what is none. */
function readElement(text: string): string | undefined {
  if (text[1] !== ':') return undefined
  const rest = text.slice(2)
  try {
    switch (text[0]) {
      case 'f':
        return text
      case 'v':
        return valueElement(JSON.parse(rest))
      case 'k': {
        const fields = JSON.parse(rest) as unknown
        if (!isObject(fields)) return undefined
        return keyElement(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)))
      }
      case 'i':
        return /^-?\d+$/.test(rest) ? `i:${Number(rest)}` : undefined
      default:
        return ''
    }
  } catch {
    return undefined
  }
}
