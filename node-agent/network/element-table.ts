import type { Element } from './service-elements.ts'

/** Set name -> element key -> data. */
export type Elements = ReadonlyMap<string, ReadonlyMap<string, string>>

export interface Delta {
  readonly removed: readonly Element[]
  readonly added: readonly Element[]
}

interface Claim {
  readonly owner: string
  readonly data: string
}

/**
 * All elements of the proxy's sets, each claimed by one or more owners (two services may name one external address: the
 * first one has it until it goes). Knows what changed since the last `take`, so that the cost of a change is that of
 * the owner that changed.
 */
export class ElementTable {
  private readonly claims = new Map<string, Map<string, Claim[]>>()
  private readonly owned = new Map<string, readonly Element[]>()
  private readonly taken = new Map<string, Map<string, string>>()
  private readonly dirty = new Map<string, Set<string>>()

  /** Everything that the owner claims from now on; nothing takes the owner away. Returns what it claimed before. */
  replace(owner: string, elements: readonly Element[]): readonly Element[] {
    const before = this.owned.get(owner) ?? []
    const unique = distinct(elements)
    for (const { set, key } of before) {
      const claims = this.claims.get(set)?.get(key) ?? []
      const rest = claims.filter((claim) => claim.owner !== owner)
      if (rest.length === 0) this.claims.get(set)?.delete(key)
      else this.claims.get(set)?.set(key, rest)
      nested(this.dirty, set, () => new Set()).add(key)
    }
    for (const { set, key, data } of unique) {
      const keys = nested(this.claims, set, () => new Map<string, Claim[]>())
      keys.set(key, [...(keys.get(key) ?? []), { owner, data }])
      nested(this.dirty, set, () => new Set()).add(key)
    }
    if (unique.length === 0) this.owned.delete(owner)
    else this.owned.set(owner, unique)
    return before
  }

  /** The difference to what was taken last. */
  take(): Delta {
    const removed: Element[] = []
    const added: Element[] = []
    for (const [set, keys] of this.dirty)
      for (const key of keys) {
        const before = this.taken.get(set)?.get(key)
        const now = this.claims.get(set)?.get(key)?.[0]?.data
        if (before === now) continue
        if (before !== undefined) removed.push({ set, key, data: before })
        if (now === undefined) this.taken.get(set)?.delete(key)
        else {
          added.push({ set, key, data: now })
          nested(this.taken, set, () => new Map<string, string>()).set(key, now)
        }
      }
    this.dirty.clear()
    return { removed, added }
  }

  /** Everything, as of the last `take`. */
  all(): Elements {
    return this.taken
  }

  owners(): Iterable<string> {
    return this.owned.keys()
  }
}

function distinct(elements: readonly Element[]): readonly Element[] {
  const seen = new Set<string>()
  return elements.filter(({ set, key }) => {
    const id = `${set} ${key}`
    if (seen.has(id)) return false
    seen.add(id)
    return true
  })
}

function nested<V>(map: Map<string, V>, key: string, make: () => V): V {
  const found = map.get(key)
  if (found !== undefined) return found
  const made = make()
  map.set(key, made)
  return made
}
