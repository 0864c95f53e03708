import type { KubeObject } from '../object.ts'
import { controllerOf } from '../object.ts'
import columnTable from './columns.json' with { type: 'json' }
import type { Column, Kind, Rules, Subresource } from './kind.ts'
import resourceList from './resources.json' with { type: 'json' }

interface ResourceFact {
  readonly group: string
  readonly version: string
  readonly resource: string
  readonly kind: string
  readonly namespaced: boolean
  readonly singular: string
  readonly verbs: readonly string[]
  readonly shortNames?: readonly string[]
  readonly categories?: readonly string[]
  readonly subresources?: readonly Subresource[]
}

const facts = new Map((resourceList as readonly ResourceFact[]).map((fact) => [keyOf(fact), fact]))
const columns = columnTable as unknown as Readonly<
  Record<string, readonly (readonly [string, string, string, number])[]>
>

/** Columns of a kind that declares none, as the API server prints any object. */
const DEFAULT_COLUMNS: readonly Column[] = [
  { name: 'Name', type: 'string', format: 'name', priority: 0, description: '' },
  { name: 'Created At', type: 'date', format: '', priority: 0, description: '' }
]

/** Subresources whose objects are of another group than their resource. */
const FOREIGN: Readonly<Record<string, { readonly group: string; readonly version: string }>> = {
  Scale: { group: 'autoscaling', version: 'v1' },
  Eviction: { group: 'policy', version: 'v1' },
  TokenRequest: { group: 'authentication.k8s.io', version: 'v1' }
}

/**
 * One row of the table. Names, scope, verbs and subresources come from resources.json, columns from columns.json (both
 * read off a real API server); spread the row to override any of them. Every kind gets the indexes that the garbage collector
 * and the controllers read: "controller" (the uid of the controlling owner) and "owner" (the uid of each owner).
 */
export function row(apiVersion: string, resource: string, rules: Rules = {}): Kind {
  const fact = facts.get(`${apiVersion}/${resource}`)
  if (fact === undefined) throw new Error(`resources.json has no ${apiVersion}/${resource}`)
  return {
    group: fact.group,
    version: fact.version,
    resource: fact.resource,
    kind: fact.kind,
    listKind: `${fact.kind}List`,
    singular: fact.singular,
    namespaced: fact.namespaced,
    shortNames: fact.shortNames ?? [],
    categories: fact.categories ?? [],
    verbs: fact.verbs,
    subresources: (fact.subresources ?? []).map((one) => ({ ...one, ...FOREIGN[one.kind] })),
    storage: fact.group === '' ? fact.resource : `${fact.group}/${fact.resource}`,
    schema: schemaName(fact),
    columns: columnsOf(`${apiVersion}/${resource}`),
    rules: { ...rules, indexes: { ...rules.indexes, ...OWNER_INDEXES } }
  }
}

export const OWNER_INDEXES: Readonly<Record<string, (object: KubeObject) => readonly string[]>> = {
  controller: (object) => {
    const owner = object.metadata.ownerReferences === undefined ? undefined : controllerOf(object)
    return owner === undefined ? [] : [owner.uid]
  },
  owner: (object) => object.metadata.ownerReferences?.map((owner) => owner.uid) ?? []
}

function keyOf(fact: { group: string; version: string; resource: string }): string {
  return `${fact.group === '' ? '' : `${fact.group}/`}${fact.version}/${fact.resource}`
}

/** "io.k8s.api.apps.v1.Deployment": the published schemas follow the group's first word. */
function schemaName(fact: { group: string; version: string; kind: string }): string {
  const group = fact.group === '' ? 'core' : fact.group.slice(0, Math.max(fact.group.indexOf('.'), 0)) || fact.group
  return `io.k8s.api.${group}.${fact.version}.${fact.kind}`
}

function columnsOf(key: string): readonly Column[] {
  const known = columns[key]
  if (known === undefined) return DEFAULT_COLUMNS
  return known.map(([name, type, format, priority]) => {
    return { name, type: type as Column['type'], format, priority, description: '' }
  })
}
