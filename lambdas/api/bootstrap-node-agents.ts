/** What nodes need that have one identity each (system:node:NAME) and no certificate for the service proxy beside it. */
import type { PolicyRule, RbacSubject } from '../../core/kinds/types.ts'
import { allow, allowPaths, READ } from './bootstrap-rules.ts'

const GROUP = 'rbac.authorization.k8s.io'
const NODES: RbacSubject = { apiGroup: GROUP, kind: 'Group', name: 'system:nodes' }
const IPAM: RbacSubject = { kind: 'ServiceAccount', name: 'node-ipam-controller', namespace: 'kube-system' }

/** ClusterRoles by name. */
export const nodeAgentRoles: Readonly<Record<string, readonly PolicyRule[]>> = {
  // The certificate of the node's own way to the API, and what the API asked of a node (docs/adr/0006, 0008).
  'wherry:node': [allowPaths('post', '/wherry/v1/*')],
  'wherry:node-ipam': [
    allow(`${READ} patch`, '', 'nodes'),
    allow('create get list delete', 'coordination.k8s.io', 'leases'),
    allow('create patch update', ',events.k8s.io', 'events')
  ]
}

/** ClusterRoleBindings by name. */
export const nodeAgentBindings: Readonly<Record<string, { readonly role: string; readonly subject: RbacSubject }>> = {
  'wherry:node': { role: 'wherry:node', subject: NODES },
  // Each node's agent is also its kube-proxy: services, endpoint slices, and the addresses of other nodes.
  'wherry:node-proxier': { role: 'system:node-proxier', subject: NODES },
  'wherry:node-ipam': { role: 'wherry:node-ipam', subject: IPAM }
}
