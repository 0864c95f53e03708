import { describe, expect, test } from '@jest/globals'
import type { ClusterRole, PolicyRule } from '../../core/kinds/types.ts'
import { aggregate, describeRules, missingRules, settle } from './authz-rules.ts'

const rule = (verbs: string, groups: string, resources: string, ...resourceNames: string[]): PolicyRule => ({
  verbs: verbs.split(' '),
  apiGroups: groups.split(','),
  resources: resources.split(' '),
  ...(resourceNames.length === 0 ? {} : { resourceNames })
})
const url = (verbs: string, ...nonResourceURLs: string[]): PolicyRule => ({ verbs: verbs.split(' '), nonResourceURLs })

describe('missing rights', () => {
  test.each<[string, PolicyRule[], PolicyRule[], string[]]>([
    ['the same', [rule('get', '', 'pods')], [rule('get', '', 'pods')], []],
    ['spread over several', [rule('get', '', 'pods'), rule('list', '', 'pods')], [rule('get list', '', 'pods')], []],
    ['everything', [rule('*', '*', '*')], [rule('get', 'apps', 'deployments/scale', 'x')], []],
    [
      'a star needs a star',
      [rule('get list watch', '', 'pods')],
      [rule('*', '', 'pods')],
      ['{APIGroups:[""], Resources:["pods"], Verbs:["*"]}']
    ],
    [
      'some verbs',
      [rule('get', '', 'pods')],
      [rule('get list watch', '', 'pods')],
      ['{APIGroups:[""], Resources:["pods"], Verbs:["list" "watch"]}']
    ],
    [
      'names are less than all',
      [rule('get', '', 'secrets', 'a')],
      [rule('get', '', 'secrets')],
      ['{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}']
    ],
    ['all covers names', [rule('get', '', 'secrets')], [rule('get', '', 'secrets', 'a', 'b')], []],
    [
      'one name of two',
      [rule('get', '', 'secrets', 'a')],
      [rule('get', '', 'secrets', 'a', 'b')],
      ['{APIGroups:[""], Resources:["secrets"], ResourceNames:["b"], Verbs:["get"]}']
    ],
    ['every scale', [rule('get', 'apps', '*/scale')], [rule('get', 'apps', 'deployments/scale')], []],
    [
      'paths',
      [url('get', '/api/*')],
      [url('get', '/api/v1', '/metrics')],
      ['{NonResourceURLs:["/metrics"], Verbs:["get"]}']
    ],
    [
      'several',
      [],
      [rule('get', '', 'secrets'), rule('get', ',apps', 'pods')],
      [
        '{APIGroups:[""], Resources:["pods"], Verbs:["get"]}',
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}',
        '{APIGroups:["apps"], Resources:["pods"], Verbs:["get"]}'
      ]
    ]
  ])('%s', (_what, held, wanted, missing) => {
    expect(describeRules(missingRules(held, wanted))).toEqual(missing)
  })
})

describe('aggregation', () => {
  const role = (name: string, labels: Record<string, string>, rules: PolicyRule[], into?: string): ClusterRole => ({
    metadata: { name, labels },
    rules,
    ...(into === undefined ? {} : { aggregationRule: { clusterRoleSelectors: [{ matchLabels: { to: into } }] } })
  })
  const pods = rule('get', '', 'pods')
  const secrets = rule('get', '', 'secrets')

  test('unites what the selectors match, by name, each rule once', () => {
    const view = role('view', {}, [], 'view')
    const others = [
      role('b', { to: 'view' }, [secrets, pods]),
      role('a', { to: 'view' }, [pods]),
      role('c', {}, [pods])
    ]
    expect(aggregate(view, [view, ...others])).toEqual([pods, secrets])
    expect(aggregate(others[0] as ClusterRole, others)).toBeUndefined()
  })

  test('settles through several levels, and in a ring', () => {
    const roles = new Map(
      [
        role('admin', { to: 'ring' }, [], 'admin'),
        role('edit', { to: 'admin' }, [], 'edit'),
        role('view', { to: 'edit' }, [], 'view'),
        role('x', { to: 'view' }, [pods]),
        role('ring1', { to: 'ring' }, [], 'ring')
      ].map((entry) => [entry.metadata.name ?? '', entry])
    )
    settle(roles)
    for (const name of ['admin', 'edit', 'view', 'ring1']) expect(roles.get(name)?.rules).toEqual([pods])
  })
})
