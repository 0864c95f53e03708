import type { KubeObject } from './object.ts'

/**
 * The doorbell: this object changed. At least once, and not the source of truth: a consumer derives keys from it and
 * reads current state. `previous` lets it find the keys that the object concerned before.
 */
export interface Change {
  /** The store's resource: "pods", "apps/deployments". */
  readonly resource: string
  /** "namespace/name" or "name". */
  readonly key: string
  readonly type: 'created' | 'updated' | 'deleted'
  /** The new object; of a deletion, the last one. */
  readonly object: KubeObject
  /** What it replaced; absent for a creation. */
  readonly previous?: KubeObject
  /** Its number in the resource's sequence, by which the store can tell it again. */
  readonly version?: number
}
