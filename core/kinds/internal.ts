import type { Kind } from './kind.ts'

/**
 * What Wherry keeps for itself: how much of each node is taken, changed in the transaction that takes it; and what is
 * under way with instances that become nodes or were some (core/fleet.ts).
 */
export const internalKinds: readonly Kind[] = [
  internal('nodeledger', 'NodeLedger', ['get', 'list', 'watch']),
  internal('fleet', 'Fleet', ['get', 'list', 'watch', 'create', 'update', 'delete'])
]

function internal(singular: string, kind: string, verbs: readonly string[]): Kind {
  return {
    group: 'internal.wherry.dev',
    version: 'v1',
    resource: `${singular}s`,
    kind,
    listKind: `${kind}List`,
    singular,
    namespaced: false,
    shortNames: [],
    categories: [],
    verbs,
    subresources: [],
    storage: `internal.wherry.dev/${singular}s`,
    schema: '',
    columns: [
      { name: 'Name', type: 'string', format: 'name', priority: 0, description: '' },
      { name: 'Created At', type: 'date', format: '', priority: 0, description: '' }
    ],
    rules: {},
    hidden: true
  }
}
