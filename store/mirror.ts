import type { KubeObject } from '../core/object.ts'
import type { StoredEntry } from './entry.ts'
import { SortedMap } from './sorted-map.ts'

/** The declared indexes of one resource: name -> the values that an object is found under. */
export type Indexes = Readonly<Record<string, (object: KubeObject) => readonly string[]>>

const NONE: readonly string[] = []

/** The index terms of an object, "name=value". The object is asked for only where there is an index. */
export function termsOf(indexes: Indexes, object: () => KubeObject): readonly string[] {
  let terms: string[] | undefined
  let parsed: KubeObject | undefined
  for (const name in indexes) {
    parsed ??= object()
    terms ??= []
    for (const value of (indexes[name] as Indexes[string])(parsed)) terms.push(`${name}=${value}`)
  }
  return terms ?? NONE
}

/** The live objects of one resource as they are at the frontier, for a process that is the only writer. */
export class Mirror {
  readonly objects = new SortedMap<StoredEntry>()
  private readonly under = new Map<string, Set<string>>()
  private readonly terms = new Map<string, readonly string[]>()
  private readonly indexed: Indexes

  constructor(indexes: Indexes) {
    this.indexed = indexes
  }

  put(entry: StoredEntry): void {
    const { key } = entry
    this.forget(key)
    this.objects.set(key, entry)
    const terms = termsOf(this.indexed, () => entry.glance())
    if (terms.length === 0) return
    this.terms.set(key, terms)
    for (const term of terms) {
      const keys = this.under.get(term)
      if (keys === undefined) this.under.set(term, new Set([key]))
      else keys.add(key)
    }
  }

  delete(key: string): void {
    this.forget(key)
    this.objects.delete(key)
  }

  /** The keys under an index term that begin with `prefix` and come after `after`, in order. */
  keysUnder(term: string, prefix: string, after: string): string[] {
    const keys: string[] = []
    for (const key of this.under.get(term) ?? []) if (key > after && key.startsWith(prefix)) keys.push(key)
    return keys.sort()
  }

  private forget(key: string): void {
    const terms = this.terms.get(key)
    if (terms === undefined) return
    this.terms.delete(key)
    for (const term of terms) {
      const keys = this.under.get(term)
      keys?.delete(key)
      if (keys?.size === 0) this.under.delete(term)
    }
  }
}
