import type { Kind } from './kind.ts'

/** What Wherry keeps for itself: how much of each node is taken, changed in the transaction that takes it. */
export const internalKinds: readonly Kind[] = [
  {
    group: 'internal.wherry.dev',
    version: 'v1',
    resource: 'nodeledgers',
    kind: 'NodeLedger',
    listKind: 'NodeLedgerList',
    singular: 'nodeledger',
    namespaced: false,
    shortNames: [],
    categories: [],
    verbs: ['get', 'list', 'watch'],
    subresources: [],
    storage: 'internal.wherry.dev/nodeledgers',
    schema: '',
    columns: [
      { name: 'Name', type: 'string', format: 'name', priority: 0, description: '' },
      { name: 'Created At', type: 'date', format: '', priority: 0, description: '' }
    ],
    rules: {},
    hidden: true
  }
]
