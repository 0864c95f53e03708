import { beforeEach, describe, expect, test } from '@jest/globals'
import type { PolicyRule, RbacSubject } from '../../core/kinds/types.ts'
import type { KubeObject } from '../../core/object.ts'
import type { Store } from '../../store/store.ts'
import { node1, put, remove, testPorts, testStore, user } from '../../test/api-fixture.ts'
import { createAuthorizer, forbidden, type RbacAuthorizer } from './authz.ts'
import type { Attributes } from './types.ts'

const GROUP = 'rbac.authorization.k8s.io'
let store: Store
let rbac: RbacAuthorizer

beforeEach(async () => {
  store = testStore(testPorts())
  rbac = await createAuthorizer(store)
})

const role = (key: string, ...rules: PolicyRule[]) => {
  const [namespace, name] = key.includes('/') ? key.split('/') : [undefined, key]
  const metadata = namespace === undefined ? { name: name ?? '' } : { name: name ?? '', namespace }
  return put(store, `${GROUP}/${namespace === undefined ? 'clusterroles' : 'roles'}`, { metadata, rules } as KubeObject)
}
const bind = (key: string, ref: string, ...subjects: RbacSubject[]) => {
  const [namespace, name] = key.includes('/') ? key.split('/') : [undefined, key]
  const metadata = namespace === undefined ? { name: name ?? '' } : { name: name ?? '', namespace }
  const [kind = '', refName = ''] = ref.split(' ')
  const resource = `${GROUP}/${namespace === undefined ? 'clusterrolebindings' : 'rolebindings'}`
  return put(store, resource, { metadata, roleRef: { apiGroup: GROUP, kind, name: refName }, subjects } as KubeObject)
}
const jo: RbacSubject = { kind: 'User', apiGroup: GROUP, name: 'jo' }

/** "get pods/log x in ns of apps", "get /healthz" */
function asked(who: Attributes['user'], question: string): Attributes {
  const {
    verb = '',
    path,
    resource = '',
    subresource,
    name,
    namespace,
    group
  } = /^(?<verb>\S+) (?:(?<path>\/\S*)|(?<resource>[^\s/]+)(?:\/(?<subresource>\S+))?(?: (?!in |of )(?<name>\S+))?(?: in (?<namespace>\S+))?(?: of (?<group>\S+))?)$/.exec(
    question
  )?.groups ?? {}
  if (path !== undefined) return { user: who, verb, path }
  return {
    user: who,
    verb,
    resource: {
      group: group ?? '',
      version: 'v1',
      resource,
      ...(subresource === undefined ? {} : { subresource }),
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace })
    }
  }
}
const may = async (question: string, who = user('jo')) => await rbac.authorize(asked(who, question))

describe('RBAC', () => {
  test.each<[PolicyRule, string, boolean]>([
    [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }, 'get pods a in ns', true],
    [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }, 'list pods in ns', false],
    [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }, 'get pods/log a in ns', false],
    [{ verbs: ['get'], apiGroups: [''], resources: ['pods/log'] }, 'get pods/log a in ns', true],
    [{ verbs: ['get'], apiGroups: [''], resources: ['pods/log'] }, 'get pods a in ns', false],
    [{ verbs: ['get'], apiGroups: ['apps'], resources: ['pods'] }, 'get pods a in ns', false],
    [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, 'patch deployments/scale a in ns of apps', true],
    [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }, 'get /healthz', false],
    [{ verbs: ['get'], apiGroups: ['apps'], resources: ['*/scale'] }, 'get deployments/scale a in ns of apps', true],
    [{ verbs: ['get'], apiGroups: ['apps'], resources: ['*/scale'] }, 'get deployments a in ns of apps', false],
    [{ verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['a'] }, 'get secrets a in ns', true],
    [{ verbs: ['get'], apiGroups: [''], resources: ['secrets'], resourceNames: ['a'] }, 'get secrets b in ns', false],
    [{ verbs: ['list'], apiGroups: [''], resources: ['secrets'], resourceNames: ['a'] }, 'list secrets in ns', false],
    [{ verbs: ['get'], nonResourceURLs: ['/healthz'] }, 'get /healthz', true],
    [{ verbs: ['get'], nonResourceURLs: ['/healthz'] }, 'get /healthz/etcd', false],
    [{ verbs: ['get'], nonResourceURLs: ['/healthz/*'] }, 'get /healthz/etcd', true],
    [{ verbs: ['get'], nonResourceURLs: ['/healthz/*'] }, 'get /healthz', false],
    [{ verbs: ['get'], nonResourceURLs: ['/a*'] }, 'get /api/v1', true],
    [{ verbs: ['get'], nonResourceURLs: ['*'] }, 'post /x', false]
  ])('%j: %s is %s', async (rule, question, allowed) => {
    await role('r', rule)
    await bind('b', 'ClusterRole r', jo)
    expect((await may(question)).allowed).toBe(allowed)
  })

  const readPods: PolicyRule = { verbs: ['get'], apiGroups: [''], resources: ['pods'] }

  test.each<[string, RbacSubject, Attributes['user'], boolean]>([
    ['a user', jo, user('jo'), true],
    ['another user', jo, user('jane'), false],
    ['a group', { kind: 'Group', apiGroup: GROUP, name: 'dev' }, user('jane', 'dev'), true],
    ["a group of a user's name", { kind: 'Group', apiGroup: GROUP, name: 'jo' }, user('jo'), false],
    [
      'a service account',
      { kind: 'ServiceAccount', namespace: 'x', name: 'sa' },
      user('system:serviceaccount:x:sa'),
      true
    ],
    [
      'one of another namespace',
      { kind: 'ServiceAccount', namespace: 'y', name: 'sa' },
      user('system:serviceaccount:x:sa'),
      false
    ]
  ])('binds %s', async (_what, subject, who, allowed) => {
    await role('r', readPods)
    await bind('b', 'ClusterRole r', subject)
    expect((await may('get pods a in ns', who)).allowed).toBe(allowed)
  })

  test('a RoleBinding grants in its namespace only, a ClusterRole too', async () => {
    await role('ns/r', readPods)
    await role('r', { verbs: ['list'], apiGroups: [''], resources: ['pods'] })
    await bind('ns/a', 'Role r', jo)
    await bind('ns/b', 'ClusterRole r', jo)
    expect(await may('get pods a in ns')).toEqual({
      allowed: true,
      reason: 'RBAC: allowed by RoleBinding "a/ns" of Role "r" to User "jo"'
    })
    expect((await may('list pods in ns')).allowed).toBe(true)
    expect((await may('get pods a in other')).allowed).toBe(false)
    expect((await may('list pods')).allowed).toBe(false)
  })

  test('a binding without its role says so in the refusal, and works once it comes', async () => {
    await bind('b', 'ClusterRole late', jo)
    await bind('ns/b', 'Role late', jo)
    const first = await may('get pods a in ns')
    expect(first).toEqual({
      allowed: false,
      reason:
        'RBAC: [clusterrole.rbac.authorization.k8s.io "late" not found, role.rbac.authorization.k8s.io "late" not found]'
    })
    await role('ns/late', readPods)
    expect((await may('get pods a in ns')).allowed).toBe(true)
  })

  test('follows every change', async () => {
    await role('r', readPods)
    await bind('b', 'ClusterRole r', jo, { kind: 'User', apiGroup: GROUP, name: 'jane' })
    const both = async () => [(await may('get pods')).allowed, (await may('get pods', user('jane'))).allowed]
    expect(await both()).toEqual([true, true])
    await bind('b', 'ClusterRole r', jo)
    expect(await both()).toEqual([true, false])
    await role('r', { verbs: ['list'], apiGroups: [''], resources: ['pods'] })
    expect(await both()).toEqual([false, false])
    await role('r', readPods)
    await remove(store, `${GROUP}/clusterrolebindings`, 'b')
    expect(await both()).toEqual([false, false])
  })

  test('reads what was there before it', async () => {
    await role('r', readPods)
    await bind('b', 'ClusterRole r', jo)
    rbac = await createAuthorizer(store)
    expect((await may('get pods')).allowed).toBe(true)
  })

  test('system:masters may do everything without any role', async () => {
    expect(await may('delete nodes x', user('x', 'system:masters'))).toEqual({ allowed: true, reason: '' })
  })

  test.each([
    [
      'list pods in x',
      '',
      'pods is forbidden: User "jo" cannot list resource "pods" in API group "" in the namespace "x"',
      { kind: 'pods' }
    ],
    [
      'get nodes n',
      '',
      'nodes "n" is forbidden: User "jo" cannot get resource "nodes" in API group "" at the cluster scope',
      { kind: 'nodes', name: 'n' }
    ],
    [
      'patch deployments/scale d in x of apps',
      'why',
      'deployments.apps "d" is forbidden: User "jo" cannot patch resource "deployments/scale" in API group "apps" in the namespace "x": why',
      { kind: 'deployments', group: 'apps', name: 'd' }
    ],
    ['get /metrics', '', 'forbidden: User "jo" cannot get path "/metrics"', {}]
  ])("refuses %s in Kubernetes' words", (question, reason, message, details) => {
    const error = forbidden(asked(user('jo'), question), reason)
    expect({ ...error, message: error.message }).toMatchObject({ code: 403, reason: 'Forbidden', message, details })
    expect(error.details).toEqual(details)
  })
})

describe('the node authorizer', () => {
  beforeEach(async () => {
    const containers = [{ name: 'c', env: [{ name: 'E', valueFrom: { secretKeyRef: { name: 'env', key: 'k' } } }] }]
    const spec = {
      nodeName: 'n1',
      serviceAccountName: 'sa',
      containers,
      imagePullSecrets: [{ name: 'pull' }],
      volumes: [
        { name: 'v', secret: { secretName: 'vol' } },
        { name: 'w', projected: { sources: [{ configMap: { name: 'ca' } }, { secret: { name: 'proj' } }] } }
      ]
    }
    await put(store, 'pods', { metadata: { namespace: 'ns', name: 'mine' }, spec })
    await put(store, 'pods', {
      metadata: { namespace: 'ns', name: 'theirs' },
      spec: { nodeName: 'n2', serviceAccountName: 'other', containers: [], imagePullSecrets: [{ name: 'theirs' }] }
    })
  })

  const none = "no relationship found between node 'n1' and this object"

  test.each<[string, boolean | string]>([
    ['get secrets vol in ns', true],
    ['watch secrets env in ns', true],
    ['list secrets pull in ns', true],
    ['get secrets proj in ns', true],
    ['get configmaps ca in ns', true],
    ['get secrets theirs in ns', none],
    ['get secrets vol in elsewhere', none],
    ['get configmaps vol in ns', none],
    ['list secrets in ns', 'No Object name found'],
    ['list secrets', 'can only read namespaced object of this type'],
    ['update secrets vol in ns', 'can only read resources of this type'],
    ['create serviceaccounts/token sa in ns', true],
    ['create serviceaccounts/token other in ns', none],
    ['get serviceaccounts sa in ns', 'can only create tokens for individual service accounts'],
    ['get nodes n1', true],
    ['get nodes n2', "node 'n1' cannot read 'n2', only its own Node object"],
    ['list nodes', "node 'n1' cannot read all nodes, only its own Node object"],
    ['create nodes', true],
    ['patch nodes/status n1', true],
    ['delete nodes n1', false],
    ['get pods mine in ns', true],
    ['get pods theirs in ns', none],
    ['list pods', 'can only list/watch pods with spec.nodeName field selector'],
    ['patch pods/status mine in ns', true],
    ['update pods mine in ns', false],
    ['create pods/exec mine in ns', false],
    ['update leases n1 in kube-node-lease of coordination.k8s.io', true],
    [
      'update leases n2 in kube-node-lease of coordination.k8s.io',
      'can only access node lease with the same name as the requesting node'
    ],
    ['get leases n1 in ns of coordination.k8s.io', 'can only access leases in the "kube-node-lease" system namespace'],
    [
      'list leases in kube-node-lease of coordination.k8s.io',
      'can only get, create, update, patch, or delete a node lease'
    ],
    ['watch services', true],
    ['watch endpointslices of discovery.k8s.io', true],
    ['create events in ns', true],
    ['list deployments of apps', false]
  ])('%s: %s', async (question, answer) => {
    const decision = await may(question, node1)
    expect(decision).toEqual({ allowed: answer === true, reason: typeof answer === 'string' ? answer : '' })
  })

  test.each([
    [{ fieldSelector: 'spec.nodeName=n1' }, true],
    [{ fieldSelector: 'status.phase!=Failed,spec.nodeName==n1' }, true],
    [{ fieldSelector: 'spec.nodeName!=n1' }, false],
    [{ fieldSelector: 'spec.nodeName=n2' }, false],
    [{ index: 'node=n1' }, true],
    [{ index: 'node=n2' }, false]
  ])('lists pods by %j: %s', async (query, allowed) => {
    const resource = { group: '', version: 'v1', resource: 'pods', ...query }
    expect((await rbac.authorize({ user: node1, verb: 'watch', resource })).allowed).toBe(allowed)
  })

  test('lists itself by name', async () => {
    const resource = { group: '', version: 'v1', resource: 'nodes', fieldSelector: 'metadata.name=n1' }
    expect((await rbac.authorize({ user: node1, verb: 'list', resource })).allowed).toBe(true)
  })

  test('the name alone makes no node', async () => {
    expect((await may('get secrets vol in ns', user('system:node:n1'))).allowed).toBe(false)
  })
})
