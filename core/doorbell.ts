import type { ResourceRef } from './kinds/refs.ts'

/**
 * Says that something changed, instead of a stream that is held open for it. A ring is a hint, as in core/feed.ts: it
 * may come twice, late, or for nothing, and one may be lost; whoever hears it asks the API what is new.
 */
export interface Doorbell {
  /** `ring` is called after each change of the resource. Returns the removal. */
  listen(ref: Pick<ResourceRef<unknown>, 'group' | 'resource'>, ring: () => void): () => void
}

/** A doorbell by which one listens for many: rung with the store's names of resources ("pods", "apps/deployments"). */
export class Doorbells implements Doorbell {
  private readonly listeners = new Map<string, Set<() => void>>()

  listen({ group, resource }: Pick<ResourceRef<unknown>, 'group' | 'resource'>, ring: () => void): () => void {
    const name = group === '' ? resource : `${group}/${resource}`
    const set = this.listeners.get(name) ?? new Set()
    this.listeners.set(name, set)
    set.add(ring)
    return () => set.delete(ring)
  }

  ring(resources: Iterable<string>): void {
    for (const name of resources) for (const ring of [...(this.listeners.get(name) ?? [])]) ring()
  }

  /** As if everything had changed: after a time in which rings may have been lost. */
  ringAll(): void {
    this.ring(this.listeners.keys())
  }
}
