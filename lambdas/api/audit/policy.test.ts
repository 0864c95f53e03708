import { expect, test } from '@jest/globals'
import type { Attributes } from '../types.ts'
import { auditPolicy, decide } from './policy.ts'

const user = { username: 'jane', groups: ['devs', 'system:authenticated'] }
const resource = (more: Partial<NonNullable<Attributes['resource']>> = {}) => ({
  group: '',
  version: 'v1',
  resource: 'pods',
  namespace: 'default',
  ...more
})
const asked = (more: Partial<Attributes> = {}): Attributes => ({ user, verb: 'get', resource: resource(), ...more })
const path: Attributes = { user, verb: 'get', path: '/healthz/ping' }

test.each([
  ['everything', {}, asked(), true],
  ['a user', { users: ['jane'] }, asked(), true],
  ['another user', { users: ['joe'] }, asked(), false],
  ['a group', { userGroups: ['devs'] }, asked(), true],
  ['a verb', { verbs: ['list'] }, asked(), false],
  ['a namespace', { namespaces: ['default'] }, asked(), true],
  ['no namespace', { namespaces: [''] }, asked({ resource: resource({ namespace: '' }) }), true],
  ['a namespace and a path', { namespaces: ['default'] }, path, false],
  ['a group of resources', { resources: [{ group: '' }] }, asked(), true],
  ['another group', { resources: [{ group: 'apps' }] }, asked(), false],
  ['a resource', { resources: [{ group: '', resources: ['pods'] }] }, asked(), true],
  [
    'not its subresource',
    { resources: [{ resources: ['pods'] }] },
    asked({ resource: resource({ subresource: 'log' }) }),
    false
  ],
  [
    'its subresources',
    { resources: [{ resources: ['pods/*'] }] },
    asked({ resource: resource({ subresource: 'log' }) }),
    true
  ],
  [
    'a subresource of any',
    { resources: [{ resources: ['*/log'] }] },
    asked({ resource: resource({ subresource: 'log' }) }),
    true
  ],
  [
    'a name',
    { resources: [{ resources: ['pods'], resourceNames: ['a'] }] },
    asked({ resource: resource({ name: 'a' }) }),
    true
  ],
  [
    'another name',
    { resources: [{ resources: ['pods'], resourceNames: ['a'] }] },
    asked({ resource: resource({ name: 'b' }) }),
    false
  ],
  ['a path', { nonResourceURLs: ['/healthz*'] }, path, true],
  ['another path', { nonResourceURLs: ['/healthz'] }, path, false],
  ['a path and a resource', { nonResourceURLs: ['*'] }, asked(), false]
])('%s', (_what, rule, attributes, wanted) => {
  const decision = decide({ rules: [{ level: 'Request', ...rule }] }, attributes)
  expect(decision.level).toBe(wanted ? 'Request' : 'None')
})

test('the first rule that matches counts; stages are left out by it and by the policy', () => {
  const policy = auditPolicy({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    omitManagedFields: true,
    rules: [
      { level: 'None', users: ['joe'] },
      { level: 'Metadata', omitStages: ['Panic'], omitManagedFields: false },
      { level: 'Request' }
    ]
  })
  const { level, omitted, omitManagedFields } = decide(policy, asked())
  expect([level, [...omitted], omitManagedFields]).toEqual(['Metadata', ['RequestReceived', 'Panic'], false])
})

test.each([
  [
    'no policy',
    { kind: 'Policy', apiVersion: 'v1', rules: [{ level: 'None' }] },
    'expected kind Policy of audit.k8s.io/v1, found Policy of v1'
  ],
  ['no rules', { kind: 'Policy', apiVersion: 'audit.k8s.io/v1', rules: [] }, 'loaded illegal policy with 0 rules'],
  [
    'a wrong level',
    { kind: 'Policy', apiVersion: 'audit.k8s.io/v1', rules: [{ level: 'All' }] },
    'rules[0].level: Unsupported value: "All": supported values: "None", "Metadata", "Request", "RequestResponse"'
  ],
  [
    'a wrong stage',
    { kind: 'Policy', apiVersion: 'audit.k8s.io/v1', omitStages: ['X'], rules: [{ level: 'None' }] },
    'omitStages: Unsupported value: "X": supported values: "RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"'
  ]
])('%s is refused', (_what, value, message) => {
  expect(() => auditPolicy(value)).toThrow(message)
})
