/** A namespace that comes with its service account, where the controller that makes it may be seconds away. */
import { type Ports, timestamp } from '../../core/ports.ts'
import type { Effect } from './types.ts'

/**
 * Makes NAMESPACE/default in the namespace's own transaction. Every pod needs the account: Kubernetes lets the first
 * ones wait for a second until its controller was there, which a function woken by a stream cannot promise.
 */
export function defaultAccount({ clock, ids }: Ports): Effect {
  return async ({ kind, key: namespace, old, next }, store) => {
    if (kind.storage !== 'namespaces' || old !== undefined || next === undefined) return []
    const key = `${namespace}/default`
    if ((await store.get('serviceaccounts', key)) !== undefined) return []
    const metadata = { name: 'default', namespace, uid: ids.uid(), creationTimestamp: timestamp(clock.now()) }
    const object = { kind: 'ServiceAccount', apiVersion: 'v1', metadata }
    return [{ resource: 'serviceaccounts', key, expected: 0, object }]
  }
}
