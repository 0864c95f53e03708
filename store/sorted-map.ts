/**
 * A map whose keys can be walked in order. New and removed keys are merged into the order only when it is next asked
 * for, so that a burst of writes costs one linear merge.
 */
export class SortedMap<V> {
  private readonly map = new Map<string, V>()
  private keys: string[] = []
  /** In the map, not yet in `keys`. */
  private readonly added = new Set<string>()
  /** In `keys`, no longer in the map. */
  private readonly gone = new Set<string>()

  get size(): number {
    return this.map.size
  }

  get(key: string): V | undefined {
    return this.map.get(key)
  }

  has(key: string): boolean {
    return this.map.has(key)
  }

  values(): IterableIterator<V> {
    return this.map.values()
  }

  set(key: string, value: V): this {
    if (!this.map.has(key) && !this.gone.delete(key)) this.added.add(key)
    this.map.set(key, value)
    return this
  }

  delete(key: string): void {
    if (this.map.delete(key) && !this.added.delete(key)) this.gone.add(key)
  }

  /** All keys in order. Not to be changed, and good only until the next write. */
  sorted(): readonly string[] {
    if (this.gone.size > 0) {
      this.keys = this.keys.filter((key) => !this.gone.has(key))
      this.gone.clear()
    }
    if (this.added.size > 0) {
      this.keys = merge(this.keys, [...this.added].sort())
      this.added.clear()
    }
    return this.keys
  }

  /** Where in `sorted()` the keys that begin with `prefix` and come after `after` begin and end. */
  range(prefix: string, after: string): { readonly keys: readonly string[]; readonly start: number; end: number } {
    const keys = this.sorted()
    const start = after < prefix ? firstIndex(keys, (key) => key >= prefix) : firstIndex(keys, (key) => key > after)
    const end = prefix === '' ? keys.length : firstIndex(keys, (key) => key > prefix && !key.startsWith(prefix))
    return { keys, start, end: Math.max(start, end) }
  }
}

/** The first index whose key satisfies `test`, which holds for a tail of the sorted keys. */
function firstIndex(keys: readonly string[], test: (key: string) => boolean): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (test(keys[middle] as string)) high = middle
    else low = middle + 1
  }
  return low
}

function merge(left: readonly string[], right: readonly string[]): string[] {
  const last = left.at(-1)
  if (last === undefined || last < (right[0] as string)) return [...left, ...right]
  const merged: string[] = []
  let i = 0
  for (const key of right) {
    while (i < left.length && (left[i] as string) < key) merged.push(left[i++] as string)
    merged.push(key)
  }
  while (i < left.length) merged.push(left[i++] as string)
  return merged
}
