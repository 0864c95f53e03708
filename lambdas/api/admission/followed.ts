/** What is derived from all objects of some resources, kept until one of them changes. */
import type { Entry, StoreApi } from '../../../store/store.ts'

export interface Followed<T> {
  /** At once where nothing has changed since: on every request. */
  current(): T | Promise<T>
}

/** `derive` is given the objects of each resource, by key. The store is listened to from the first call on. */
export function followed<T>(
  store: StoreApi,
  resources: readonly string[],
  derive: (entries: readonly (readonly Entry[])[]) => T
): Followed<T> {
  let known: { readonly value: T } | undefined
  let loading: Promise<T> | undefined
  let changes = 0
  let listens = false
  const load = async (): Promise<T> => {
    for (;;) {
      const before = changes
      const lists = await Promise.all(resources.map((resource) => store.list(resource)))
      const value = derive(lists.map(({ entries }) => entries))
      if (before !== changes) continue
      known = { value }
      return value
    }
  }
  return {
    current() {
      if (known !== undefined) return known.value
      if (!listens) {
        listens = true
        store.onChange((news) => {
          if (!news.some(({ resource }) => resources.includes(resource))) return
          changes++
          known = undefined
        })
      }
      loading ??= load().finally(() => {
        loading = undefined
      })
      return loading
    }
  }
}
