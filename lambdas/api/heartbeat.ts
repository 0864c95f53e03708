/** Heartbeats: a node's lease that is only renewed is no change that anybody waits for. */
import type { Kind } from '../../core/kinds/kind.ts'
import type { Lease } from '../../core/kinds/types.ts'
import { sameButTimes } from '../../core/merge/managers.ts'
import type { KubeObject } from '../../core/object.ts'
import { sameJson } from './copy.ts'

const LEASES = 'coordination.k8s.io/leases'
/** Where node agents renew their leases; leaders' leases lie elsewhere, and are watched. */
const NODE_LEASES = 'kube-node-lease/'

/** Whether the change does nothing but renew the lease of a node. */
export function isHeartbeat(kind: Kind, key: string, change: { old: KubeObject; next: KubeObject }): boolean {
  if (kind.storage !== LEASES || !key.startsWith(NODE_LEASES)) return false
  const { old, next } = change
  const [before, after] = [old as Lease, next as Lease]
  if (before.spec?.renewTime === undefined || after.spec?.renewTime === undefined) return false
  const { managedFields: wasManaged = [], ...oldMetadata } = old.metadata
  const { managedFields = [], ...metadata } = next.metadata
  if (!sameButTimes(managedFields, wasManaged)) return false
  const bare = ({ resourceVersion: _, ...rest }: KubeObject['metadata']) => rest
  return (
    sameJson(bare(metadata), bare(oldMetadata)) &&
    sameJson({ ...after.spec, renewTime: undefined }, { ...before.spec, renewTime: undefined }) &&
    sameJson({ ...next, metadata: undefined, spec: undefined }, { ...old, metadata: undefined, spec: undefined })
  )
}
