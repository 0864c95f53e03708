/** What changed from one object to another, and which fields an object names, as sets of fields. */
import { isObject, type JsonObject, sameJson } from '../json.ts'
import { elementOf } from './elements.ts'
import { asMember, type Draft, EMPTY, type FieldSet, fieldElement, isEmptySet, LEAF, ordered } from './field-set.ts'
import type { Field, ListType, MapType, Type } from './types.ts'

export interface Comparison {
  /** Added or modified. */
  readonly changed: FieldSet
  readonly removed: FieldSet
}

/** Fields that nobody owns (stripMetaManager), under "metadata"; they need not be compared. */
const UNOWNED = new Set([
  'name',
  'namespace',
  'creationTimestamp',
  'selfLink',
  'uid',
  'clusterName',
  'generation',
  'managedFields',
  'resourceVersion'
])
export const UNOWNED_FIELDS: FieldSet = {
  'f:apiVersion': LEAF,
  'f:kind': LEAF,
  'f:metadata': { '.': LEAF, ...Object.fromEntries([...UNOWNED].map((name) => [fieldElement(name), LEAF])) }
}

/**
 * Compares two objects of a type, without their `ignored` top-level fields and what nobody owns. Fields that the Go type
 * always has count as present, and list elements that stand twice as one.
 */
export function compareObjects(
  type: Type,
  from: JsonObject,
  { to, ignored }: { to: JsonObject; ignored?: ReadonlySet<string> | undefined }
): Comparison {
  const walk = new Walk()
  const changed: Draft = {}
  const removed: Draft = {}
  const { map } = type
  if (map === undefined) return { changed, removed }
  const visit = (name: string) => {
    if (ignored?.has(name) === true || name === 'apiVersion' || name === 'kind') return
    const implied = map.implied.get(name)
    const element = fieldElement(name)
    const field = map.field(name) ?? map.element
    if (field === undefined) return
    const left = from[name] === undefined ? implied : from[name]
    const right = to[name] === undefined ? implied : to[name]
    if (name === 'metadata') walk.metadata(field.type.map, left, right)
    else walk.values(field.type, left, right)
    if (walk.changed !== undefined) changed[element] = walk.changed
    if (walk.removed !== undefined) removed[element] = walk.removed
  }
  for (const name in to) visit(name)
  for (const name in from) if (!(name in to)) visit(name)
  return { changed: ordered(changed), removed: ordered(removed) }
}

type Atom = 'scalar' | 'list' | 'map'

/** Which of the type's forms the value has; of those that it may have, where the value does not tell. */
function atomOf(type: Type, value: unknown): Atom {
  if (value !== undefined && value !== null) {
    if (Array.isArray(value)) {
      if (type.list !== undefined) return 'list'
    } else if (typeof value === 'object') {
      if (type.map !== undefined) return 'map'
    } else if (type.scalar !== undefined) return 'scalar'
  }
  return type.map !== undefined ? 'map' : type.scalar !== undefined ? 'scalar' : 'list'
}

/** Whether there is anything below at least one of the two. */
function isFilled(left: unknown, right: unknown): boolean {
  return hasContent(left) || hasContent(right)
}

function hasContent(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  for (const _ in value) return true
  return false
}

/** One walk; the results of the last step stand in its two fields, undefined for none. */
class Walk {
  changed: FieldSet | undefined
  removed: FieldSet | undefined

  values(type: Type, left: unknown, right: unknown): void {
    const from = atomOf(type, left)
    const to = atomOf(type, right)
    const atom = right === undefined ? from : to
    const { list, map } = type
    if (left === right) this.nothing()
    else if (left !== undefined && right !== undefined && from !== to) this.otherForm(type, right, to)
    else if (atom === 'list' && list !== undefined && list.relationship !== 'atomic' && isFilled(left, right)) {
      this.lists(list, left, right)
    } else if (atom === 'map' && map !== undefined && !map.atomic && isFilled(left, right)) {
      this.maps(map, left, right)
    } else this.leaf(left, right)
  }

  metadata(map: MapType | undefined, left: unknown, right: unknown): void {
    if (map === undefined) this.leaf(left, right)
    else this.maps(map, isObject(left) ? left : {}, isObject(right) ? right : {}, UNOWNED)
  }

  private nothing(): void {
    this.changed = undefined
    this.removed = undefined
  }

  private leaf(left: unknown, right: unknown): void {
    this.nothing()
    if (left === undefined) this.changed = LEAF
    else if (right === undefined) this.removed = LEAF
    else if (!sameJson(left, right)) this.changed = LEAF
  }

  /** A map where a list or scalar was, or the other way: the field itself and all that is new below it. */
  private otherForm(type: Type, right: unknown, to: Atom): void {
    this.nothing()
    if (to === 'scalar') {
      this.changed = LEAF
      return
    }
    this.values(type, undefined, right)
    this.changed = asMember(this.changed ?? LEAF)
    this.removed = undefined
  }

  private maps(map: MapType, left: unknown, right: unknown, skipped?: ReadonlySet<string>): void {
    const from = isObject(left) ? left : undefined
    const to = isObject(right) ? right : undefined
    const { implied } = map
    let changed: Draft | undefined
    let removed: Draft | undefined
    const visit = (name: string, a: unknown, b: unknown) => {
      const field: Field | undefined = map.field(name) ?? map.element
      if (field === undefined || skipped?.has(name) === true) return
      this.values(field.type, a, b)
      if (this.changed !== undefined) {
        changed ??= {}
        changed[fieldElement(name)] = this.changed
      }
      if (this.removed !== undefined) {
        removed ??= {}
        removed[fieldElement(name)] = this.removed
      }
    }
    for (const name in to) {
      const value = to[name]
      const before = from === undefined || !Object.hasOwn(from, name) ? undefined : from[name]
      if (value === before || value === undefined) continue
      visit(name, before === undefined && from !== undefined ? implied.get(name) : before, value)
    }
    for (const name in from) {
      if (from[name] === undefined || (to !== undefined && Object.hasOwn(to, name) && to[name] !== undefined)) continue
      visit(name, from[name], to === undefined ? undefined : implied.get(name))
    }
    // Where only one side is there, so are only its implied fields.
    if (implied.size > 0 && (from === undefined) !== (to === undefined)) {
      const there = from ?? to ?? {}
      for (const [name, value] of implied) {
        if (there[name] === undefined) visit(name, from === undefined ? undefined : value, to && value)
      }
    }
    this.finish({ changed, removed }, left, right)
  }

  private lists(list: ListType, left: unknown, right: unknown): void {
    // Most lists of most updates are as they were, and that is seen much faster than who owns each element.
    if (sameJson(left, right)) {
      this.nothing()
      return
    }
    const from = indexed(list, left)
    const to = indexed(list, right)
    const { element } = list
    let changed: Draft | undefined
    let removed: Draft | undefined
    const note = (key: string, result: { changed?: FieldSet | undefined; removed?: FieldSet | undefined }) => {
      if (result.changed !== undefined) {
        changed ??= {}
        changed[key] = result.changed
      }
      if (result.removed !== undefined) {
        removed ??= {}
        removed[key] = result.removed
      }
    }
    const visit = (key: string, a: readonly unknown[], b: readonly unknown[]) => {
      if (a.length <= 1 && b.length <= 1) {
        this.values(element.type, a[0], b[0])
        return note(key, this)
      }
      if (a.length >= 2 && b.length >= 2) return note(key, sameJson(a, b) ? {} : { changed: LEAF })
      // One there, several here, or the other way: the one element changed into the several.
      if (a.length >= 2) {
        if (b.length === 1) this.values(element.type, undefined, b[0])
        return note(key, { changed: b.length === 1 ? this.changed : undefined, removed: LEAF })
      }
      if (a.length === 1) this.values(element.type, a[0], undefined)
      note(key, { changed: LEAF, removed: a.length === 1 ? this.removed : undefined })
    }
    for (const [key, items] of to) visit(key, from.get(key) ?? [], items)
    for (const [key, items] of from) if (!to.has(key)) visit(key, items, [])
    this.finish({ changed, removed }, left, right)
  }

  /** What was found below; where the value itself came or went, it is in the set too. */
  private finish(
    { changed, removed }: { changed: Draft | undefined; removed: Draft | undefined },
    left: unknown,
    right: unknown
  ): void {
    this.changed = changed === undefined ? undefined : ordered(changed)
    this.removed = removed === undefined ? undefined : ordered(removed)
    if (left === undefined) this.changed = asMember(this.changed ?? LEAF)
    else if (right === undefined) this.removed = asMember(this.removed ?? LEAF)
  }
}

function indexed(list: ListType, value: unknown): ReadonlyMap<string, readonly unknown[]> {
  const found = new Map<string, unknown[]>()
  if (!Array.isArray(value)) return found
  for (const item of value as unknown[]) {
    const key = elementOf(list, item)
    if (typeof key !== 'string') continue
    const known = found.get(key)
    if (known === undefined) found.set(key, [item])
    else known.push(item)
  }
  return found
}

/** The fields that a configuration names: what its applier owns. */
export function fieldsOf(type: Type, value: JsonObject): FieldSet {
  return setOf(type, value) ?? EMPTY
}

/** undefined: nothing below is in the set. */
function setOf(type: Type, value: unknown): FieldSet | undefined {
  const atom = atomOf(type, value)
  if (atom === 'scalar') return LEAF
  if (atom === 'list') return setOfList(type.list as ListType, value)
  const map = type.map as MapType
  if (map.atomic) return LEAF
  if (!isObject(value)) return undefined
  const out: Draft = {}
  for (const name of Object.keys(value)) {
    const field = map.field(name)
    const known = field ?? map.element
    const child = value[name]
    if (known === undefined || child === undefined) continue
    let set = setOf(known.type, child)
    const itself = field === undefined || child === null || (isObject(child) && !hasContent(child))
    if (itself) set = asMember(set ?? LEAF)
    if (set !== undefined) out[fieldElement(name)] = set
  }
  return isEmptySet(out) ? undefined : ordered(out)
}

function setOfList(list: ListType, value: unknown): FieldSet | undefined {
  if (list.relationship === 'atomic') return LEAF
  if (!Array.isArray(value)) return undefined
  const out: Draft = {}
  for (const [key, items] of indexed(list, value)) {
    const [item] = items
    out[key] = items.length > 1 ? LEAF : asMember(setOf(list.element.type, item) ?? LEAF)
  }
  return isEmptySet(out) ? undefined : ordered(out)
}
