import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { apiVersionOf } from './kind.ts'
import * as refs from './refs.ts'
import { row } from './row.ts'
import { schemaOf } from './schemas.ts'
import { createKindTable, kindTable } from './table.ts'

const facts = JSON.parse(readFileSync(new URL('./resources.json', import.meta.url), 'utf8')) as {
  group: string
  version: string
  resource: string
  kind: string
}[]

describe('the table', () => {
  test('finds rows by resource, by kind and by storage', () => {
    const deployments = kindTable.find('apps', 'v1', 'deployments')
    expect(deployments).toMatchObject({
      kind: 'Deployment',
      storage: 'apps/deployments',
      shortNames: ['deploy'],
      categories: ['all']
    })
    expect(kindTable.findByKind('apps', 'v1', 'Deployment')).toBe(deployments)
    expect(kindTable.findByStorage('apps/deployments')).toBe(deployments)
    expect(kindTable.find('apps', 'v2', 'deployments')).toBeUndefined()
    expect(kindTable.find('constructor', 'v1', 'deployments')).toBeUndefined()
  })

  test('has every resource that a client of ours asks for, with a schema', () => {
    for (const ref of Object.values(refs)) {
      const kind = kindTable.find(ref.group, ref.version, ref.resource)
      expect(kind).toMatchObject({ kind: ref.kind, namespaced: ref.namespaced })
      expect(schemaOf(kind?.schema ?? '').properties).toHaveProperty('metadata')
    }
  })

  test('lists groups as Kubernetes does, without hidden ones', () => {
    const names = kindTable.groups.map(({ name }) => name)
    expect(names[0]).toBe('')
    expect(names.indexOf('apps')).toBeLessThan(names.indexOf('rbac.authorization.k8s.io'))
    expect(names).not.toContain('internal.wherry.dev')
    expect(kindTable.find('internal.wherry.dev', 'v1', 'nodeledgers')).toMatchObject({
      hidden: true,
      schema: '',
      namespaced: false
    })
  })

  test('sorts versions: stable first, then newer first', () => {
    const versions = ['v1beta1', 'v2', 'v1', 'v1alpha3', 'v1beta2', 'x1']
    const rows = versions.map((version) => ({ ...row('v1', 'pods'), group: 'z.example.com', version }))
    expect(createKindTable(rows).groups).toEqual([
      { name: 'z.example.com', versions: ['v2', 'v1', 'v1beta2', 'v1beta1', 'v1alpha3', 'x1'] }
    ])
  })

  test('resources of a version come in order', () => {
    const names = kindTable.ofVersion('v1').map(({ resource }) => resource)
    expect(names).toEqual(names.toSorted())
    expect(names).toContain('pods')
  })
})

describe('rows', () => {
  test('every resource of the facts makes a row', () => {
    for (const fact of facts) {
      const kind = row(apiVersionOf(fact), fact.resource)
      expect(kind.listKind).toBe(`${fact.kind}List`)
      expect(kind.columns[0]?.name).toMatch(/^(Name|Last Seen)$/)
    }
  })

  test('an unknown resource is a bug', () => {
    expect(() => row('v1', 'boats')).toThrow('resources.json has no v1/boats')
  })

  test('every kind is found by its controller and by each owner', () => {
    const { indexes } = row('v1', 'pods', { indexes: { node: () => ['n'] } }).rules
    const owner = { apiVersion: 'v1', kind: 'A', name: 'a' }
    const owned = {
      metadata: {
        ownerReferences: [
          { ...owner, uid: '1' },
          { ...owner, uid: '2', controller: true }
        ]
      }
    }
    expect(indexes?.controller?.(owned)).toEqual(['2'])
    expect(indexes?.owner?.(owned)).toEqual(['1', '2'])
    expect(indexes?.node?.(owned)).toEqual(['n'])
    expect(indexes?.controller?.({ metadata: {} })).toEqual([])
  })
})
