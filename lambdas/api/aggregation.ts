/** ClusterRoles that are made of others: their rules follow, in the transaction of the change itself. */
import type { ClusterRole } from '../../core/kinds/types.ts'
import type { KubeObject } from '../../core/object.ts'
import type { Entry, StoreApi, Write } from '../../store/store.ts'
import { aggregate } from './authz-rules.ts'
import type { AdmissionPlugin, Effect } from './types.ts'

const CLUSTER_ROLES = 'rbac.authorization.k8s.io/clusterroles'

/** An aggregated role's own rules are never what its author wrote. */
export const clusterRoleAggregation: AdmissionPlugin = {
  name: 'ClusterRoleAggregation',
  async mutate({ kind, object, store }) {
    if (kind.storage !== CLUSTER_ROLES || object === undefined) return
    const rules = aggregate(object as unknown as ClusterRole, await allRoles(store))
    if (rules !== undefined) object.rules = rules
  }
}

/** Rewrites every aggregated role whose rules the change alters. */
export const aggregationEffect: Effect = async ({ kind, key, next }, store) => {
  if (kind.storage !== CLUSTER_ROLES) return []
  const entries = new Map<string, Entry>()
  const roles = new Map<string, ClusterRole>()
  for (const entry of (await store.list(CLUSTER_ROLES)).entries) {
    entries.set(entry.key, entry)
    roles.set(entry.key, entry.value as unknown as ClusterRole)
  }
  if (next === undefined) roles.delete(key)
  else roles.set(key, next as unknown as ClusterRole)
  const writes: Write[] = []
  for (const role of settle(roles)) {
    const { name = '' } = role.metadata
    const entry = entries.get(name)
    if (name === key || entry === undefined) continue
    writes.push({
      resource: CLUSTER_ROLES,
      key: name,
      expected: entry.version,
      object: role as unknown as KubeObject
    })
  }
  return writes
}

/** Roles whose rules had to change, until those that aggregate aggregated ones hold everything too. Changes `roles`. */
export function settle(roles: Map<string, ClusterRole>): readonly ClusterRole[] {
  const changed = new Map<string, ClusterRole>()
  // Each round settles one more level; a cycle settles too, since rules are only ever united.
  for (let round = 0; round <= roles.size; round++) {
    let quiet = true
    for (const [name, role] of roles) {
      const rules = aggregate(role, [...roles.values()])
      if (rules === undefined || JSON.stringify(rules) === JSON.stringify(role.rules)) continue
      const next = { ...role, metadata: { ...role.metadata }, rules }
      roles.set(name, next)
      changed.set(name, next)
      quiet = false
    }
    if (quiet) break
  }
  return [...changed.values()]
}

async function allRoles(store: StoreApi): Promise<readonly ClusterRole[]> {
  return (await store.list(CLUSTER_ROLES)).entries.map((entry) => entry.value as unknown as ClusterRole)
}
