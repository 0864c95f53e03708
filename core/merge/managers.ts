/** Who owns which fields: the entries of metadata.managedFields, and what an update makes of them. */

import { isObject, type JsonObject, sameJson } from '../json.ts'
import type { ManagedFieldsEntry } from '../kinds/types.ts'
import { timestamp } from '../ports.ts'
import { type Comparison, compareObjects, UNOWNED_FIELDS } from './compare.ts'
import {
  difference,
  EMPTY,
  type FieldSet,
  fieldElement,
  isEmptySet,
  LEAF,
  readFields,
  recursiveDifference,
  union
} from './field-set.ts'
import type { Type } from './types.ts'

export type Entries = readonly ManagedFieldsEntry[]

/** Fields that a way of writing cannot change, and so never owns: "status" of the object itself, "spec" of its status. */
export interface Ignored {
  /** Whole top-level fields, which need not even be compared. */
  readonly top: ReadonlySet<string>
  /** Leaves out what the way cannot change. */
  readonly filter: (set: FieldSet) => FieldSet
}

/** Who writes, and along which way. */
export interface Writer {
  readonly manager: string
  readonly apiVersion: string
  /** '' for the object itself. */
  readonly subresource: string
  readonly ignored: Ignored
  /** Milliseconds since 1970. */
  readonly now: number
  /** Whether an entry's version is one that the object can still be had in; entries of others are dropped. */
  readonly isServed: (apiVersion: string) => boolean
}

export const NOTHING_IGNORED: Ignored = { top: new Set(), filter: (set) => set }

/** `paths`: as in ["spec", "metadata.labels"]. */
export function ignoring(...paths: string[]): Ignored {
  const top = new Set(paths.filter((path) => !path.includes('.')))
  const set = paths.map(setOfPath).reduce(union, EMPTY)
  return { top, filter: (given) => recursiveDifference(given, set) }
}

function setOfPath(path: string): FieldSet {
  return path.split('.').reduceRight((below: FieldSet, name) => ({ [fieldElement(name)]: below }), LEAF)
}

export function setOfEntry(entry: ManagedFieldsEntry): FieldSet {
  return (entry.fieldsV1 ?? EMPTY) as FieldSet
}

export function isSameManager(a: ManagedFieldsEntry, b: ManagedFieldsEntry): boolean {
  return (
    a.manager === b.manager &&
    a.operation === b.operation &&
    (a.subresource ?? '') === (b.subresource ?? '') &&
    (a.operation === 'Apply' || a.apiVersion === b.apiVersion)
  )
}

export function entryOf(writer: Writer, operation: 'Apply' | 'Update'): ManagedFieldsEntry {
  return {
    manager: writer.manager === '' ? 'unknown' : writer.manager,
    operation,
    apiVersion: writer.apiVersion,
    fieldsType: 'FieldsV1',
    ...(writer.subresource === '' ? {} : { subresource: writer.subresource })
  }
}

/** The entry with another set, its fields in the order of Kubernetes. */
export function withSet(entry: ManagedFieldsEntry, set: FieldSet, time = entry.time): ManagedFieldsEntry {
  const { manager, operation, apiVersion, subresource } = entry
  return {
    manager,
    operation,
    apiVersion,
    ...(time === undefined ? {} : { time }),
    fieldsType: 'FieldsV1',
    fieldsV1: set as JsonObject,
    ...(subresource === undefined ? {} : { subresource })
  }
}

/** What a writer of the object's own wrote to metadata.managedFields: a list of entries, or a wish. */
export type Sent = { readonly entries: Entries } | 'reset' | 'nothing'

/** `value`: as it came. An empty list or one empty entry asks to forget everything; what is wrong counts as nothing. */
export function sentEntries(value: unknown): Sent {
  if (!Array.isArray(value)) return 'nothing'
  if (value.length === 0) return 'reset'
  if (value.length === 1 && isObject(value[0]) && Object.keys(value[0]).length === 0) return 'reset'
  const entries: ManagedFieldsEntry[] = []
  for (const one of value as ManagedFieldsEntry[]) {
    const { operation, apiVersion, fieldsType, fieldsV1 } = one
    if (operation !== 'Apply' && operation !== 'Update') return 'nothing'
    if ((apiVersion ?? '') === '' || fieldsType !== 'FieldsV1') return 'nothing'
    const set = fieldsV1 === undefined ? EMPTY : readFields(fieldsV1)
    if (set === undefined) return 'nothing'
    entries.push(withSet({ ...one, manager: one.manager ?? '' }, set))
  }
  return { entries: entries.filter((one, i) => !entries.slice(i + 1).some((later) => isSameManager(one, later))) }
}

/** The entries that a write begins with: a client that sends some replaces the stored ones. */
export function startingEntries(stored: Entries, sent: unknown): Entries {
  if (sent === undefined || sameJson(sent, stored)) return stored
  const read = sentEntries(sent)
  if (read === 'reset') return []
  return read === 'nothing' ? stored : read.entries
}

export interface Update {
  readonly type: Type
  /** What was there; of a creation, the type's zero value. */
  readonly live: JsonObject
  readonly next: JsonObject
  /** Those the write begins with. */
  readonly entries: Entries
  readonly writer: Writer
}

/** How many Update managers are remembered by name. */
const MOST_UPDATERS = 10
const ANCIENT = 'ancient-changes'

/** The entries after an update. Those without a change are the given ones. */
export function trackUpdate(update: Update): Entries {
  const { type, live, next, writer } = update
  const comparison = compare({ type, live, next, writer })
  const own = difference(comparison.changed, UNOWNED_FIELDS)
  const entries = afterChange(update.entries, comparison, { writer, keep: undefined })
  if (isEmptySet(own)) return entries === update.entries ? entries : inOrder(entries)
  const self = entryOf(writer, 'Update')
  const time = timeOf(writer)
  const before = entries.find((entry) => isSameManager(entry, self))
  const rest = before === undefined ? entries : entries.filter((entry) => entry !== before)
  const set = before === undefined ? own : union(own, setOfEntry(before))
  return inOrder(capped([...rest, withSet(self, set, time)]))
}

let lastTime = { second: -1, text: '' }

/** When the writer writes: many do so in one second. */
export function timeOf({ now }: Writer): string {
  const second = Math.floor(now / 1000)
  if (second !== lastTime.second) lastTime = { second, text: timestamp(now) }
  return lastTime.text
}

export function compare({ type, live, next, writer }: Omit<Update, 'entries'>): Comparison {
  const { top, filter } = writer.ignored
  const { changed, removed } = compareObjects(type, live, { to: next, ignored: top })
  return { changed: filter(changed), removed: filter(removed) }
}

/** What others lose: the fields that changed or went. `keep`: an entry that is not judged. */
export function afterChange(
  entries: Entries,
  { changed, removed }: Comparison,
  { writer, keep }: { writer: Writer; keep: ManagedFieldsEntry | undefined }
): Entries {
  if (isEmptySet(changed) && isEmptySet(removed) && entries.every((entry) => isKept(entry, writer))) return entries
  const gone = union(changed, removed)
  const out: ManagedFieldsEntry[] = []
  let same = true
  for (const entry of entries) {
    if (entry === keep) {
      out.push(entry)
      continue
    }
    const set = setOfEntry(entry)
    const left = isKept(entry, writer) ? difference(set, gone) : EMPTY
    if (left !== set) same = false
    if (!isEmptySet(left)) out.push(left === set ? entry : withSet(entry, left))
  }
  return same && out.length === entries.length ? entries : out
}

function isKept(entry: ManagedFieldsEntry, writer: Writer): boolean {
  return writer.isServed(entry.apiVersion ?? '') && !isEmptySet(setOfEntry(entry))
}

/** As Kubernetes sorts them. Times are in one form, so their texts sort as they do. */
export function inOrder(entries: Entries): Entries {
  if (entries.length < 2) return entries
  return entries.toSorted(
    (a, b) =>
      compareText(a.operation, b.operation) ||
      compareText(a.time, b.time) ||
      compareText(a.manager, b.manager) ||
      compareText(a.apiVersion, b.apiVersion) ||
      compareText(a.subresource, b.subresource)
  )
}

function compareText(a = '', b = ''): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Of too many Update managers, the oldest of each version become one. */
function capped(entries: Entries): Entries {
  const updaters = entries.filter(({ operation }) => operation === 'Update')
  let left = updaters.length
  if (left <= MOST_UPDATERS) return entries
  updaters.sort((a, b) => compareText(a.time, b.time) || compareText(a.manager, b.manager))
  const kept = new Set(entries)
  const firsts = new Map<string, ManagedFieldsEntry>()
  for (const entry of updaters) {
    if (left <= MOST_UPDATERS) break
    const version = entry.apiVersion ?? ''
    const first = firsts.get(version)
    if (first === undefined) {
      firsts.set(version, entry)
      continue
    }
    const bucket: ManagedFieldsEntry = { manager: ANCIENT, operation: 'Update', apiVersion: version }
    const known = [...kept].find((one) => isSameManager(one, bucket)) ?? first
    kept.delete(known)
    kept.delete(entry)
    kept.add(withSet(bucket, union(setOfEntry(entry), setOfEntry(known)), entry.time))
    left--
  }
  return [...kept]
}

/** Equal but for their times: then a write that changes nothing else changes nothing. */
export function sameButTimes(a: Entries, b: Entries): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  return a.every((entry, i) => {
    const other = b[i] as ManagedFieldsEntry
    return (
      isSameManager(entry, other) && entry.apiVersion === other.apiVersion && sameJson(entry.fieldsV1, other.fieldsV1)
    )
  })
}
