import { beforeEach, describe, expect, test } from '@jest/globals'
import type { Kind } from '../../../core/kinds/kind.ts'
import { row } from '../../../core/kinds/row.ts'
import type { KubeObject } from '../../../core/object.ts'
import type { Store } from '../../../store/store.ts'
import {
  admin,
  admission,
  kinds,
  node1,
  put,
  type TestPorts,
  testPorts,
  testStore,
  user
} from '../../../test/api-fixture.ts'
import { DEFAULT_ADDRESSES } from '../addresses.ts'
import { createAuthorizer, type RbacAuthorizer } from '../authz.ts'
import type { AdmissionRequest } from '../types.ts'
import { admissionPlugins } from './registry.ts'

let ports: TestPorts
let store: Store
let authorizer: RbacAuthorizer

beforeEach(async () => {
  ports = testPorts()
  store = testStore(ports)
  authorizer = await createAuthorizer(store)
  await put(store, 'namespaces', { metadata: { name: 'ns' }, status: { phase: 'Active' } })
  await put(store, 'namespaces', { metadata: { name: 'dying' }, status: { phase: 'Terminating' } })
  await put(store, 'serviceaccounts', { metadata: { namespace: 'ns', name: 'default' } })
})

/** Runs every plugin, both phases, and returns the object. */
async function admitted(kind: Kind, given: Partial<AdmissionRequest>): Promise<KubeObject> {
  const request = admission({ store, ports, kind, ...given })
  const plugins = admissionPlugins({ ...DEFAULT_ADDRESSES, authorizer, store, ports, kinds: () => [] })
  for (const plugin of plugins) await plugin.mutate?.(request)
  for (const plugin of plugins) await plugin.complete?.(request)
  for (const plugin of plugins) await plugin.validate?.(request)
  return request.object as KubeObject
}

async function refusal(kind: Kind, given: Partial<AdmissionRequest>) {
  const error = await admitted(kind, given).then(
    () => ({ message: 'admitted', details: undefined, reason: '' }),
    (thrown: Error & { details: unknown; reason: string }) => thrown
  )
  return { reason: error.reason, message: error.message, details: error.details }
}

const named = (name: string, more: object = {}): KubeObject => ({ metadata: { name }, ...more })
const pod = (spec: object = {}, metadata: object = {}): KubeObject => ({
  metadata: { name: 'p', namespace: 'ns', ...metadata },
  spec: { containers: [{ name: 'c' }], ...spec }
})

describe('NamespaceLifecycle', () => {
  test.each([
    [
      'a missing namespace',
      kinds.configMaps,
      { namespace: 'none', object: named('a') },
      {
        reason: 'NotFound',
        message: 'namespaces "none" not found',
        details: { name: 'none', kind: 'namespaces' }
      }
    ],
    [
      'a dying namespace',
      kinds.configMaps,
      { namespace: 'dying', object: named('a') },
      {
        reason: 'Forbidden',
        message:
          'configmaps "a" is forbidden: unable to create new content in namespace dying because it is being terminated',
        details: {
          name: 'a',
          kind: 'configmaps',
          causes: [
            {
              reason: 'NamespaceTerminating',
              message: 'namespace dying is being terminated',
              field: 'metadata.namespace'
            }
          ]
        }
      }
    ],
    ...['default', 'kube-system', 'kube-public'].map(
      (name) =>
        [
          `the deletion of ${name}`,
          kinds.namespaces,
          { operation: 'DELETE', name, old: named(name) } as const,
          {
            reason: 'Forbidden',
            message: `namespaces "${name}" is forbidden: this namespace may not be deleted`,
            details: { name, kind: 'namespaces' }
          }
        ] as const
    )
  ] as const)('refuses %s', async (_what, kind, given, expected) => {
    expect(await refusal(kind, given)).toEqual(expected)
  })

  test.each([
    [
      'an update in a dying namespace',
      kinds.configMaps,
      { operation: 'UPDATE', namespace: 'dying', object: named('a'), old: named('a') }
    ],
    ['a deletion in a dying namespace', kinds.configMaps, { operation: 'DELETE', namespace: 'dying', old: named('a') }],
    [
      'the deletion of another namespace',
      kinds.namespaces,
      { operation: 'DELETE', name: 'kube-node-lease', old: named('kube-node-lease') }
    ],
    [
      'a subresource in a dying namespace',
      kinds.pods,
      { subresource: 'eviction', namespace: 'dying', name: 'p', object: named('p') }
    ]
  ] as const)('allows %s', async (_what, kind, given) => {
    expect((await refusal(kind, given)).message).toBe('admitted')
  })

  test.each(['CREATE', 'UPDATE'] as const)('names a namespace in its label on %s', async (operation) => {
    const object = { metadata: { name: 'x', labels: { a: 'b', 'kubernetes.io/metadata.name': 'lie' } } }
    const result = await admitted(kinds.namespaces, { operation, object, old: named('x') })
    expect(result.metadata.labels).toEqual({ a: 'b', 'kubernetes.io/metadata.name': 'x' })
  })
})

describe('ServiceAccount', () => {
  const spec = (object: KubeObject) => object.spec as Record<string, unknown>
  const mount = (name: string) => ({ mountPath: '/var/run/secrets/kubernetes.io/serviceaccount', name, readOnly: true })

  test('mounts the token of the default account into every container', async () => {
    const own = { mountPath: '/data', name: 'v' }
    const result = spec(
      await admitted(kinds.pods, {
        object: pod({
          initContainers: [{ name: 'i' }],
          containers: [{ name: 'c', volumeMounts: [own] }],
          volumes: [{ name: 'v' }]
        })
      })
    )
    const [, volume] = result.volumes as { name: string }[]
    expect(volume?.name).toMatch(/^kube-api-access-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
    expect(result).toMatchObject({
      serviceAccountName: 'default',
      serviceAccount: 'default',
      initContainers: [{ name: 'i', volumeMounts: [mount(volume?.name ?? '')] }],
      containers: [{ name: 'c', volumeMounts: [own, mount(volume?.name ?? '')] }]
    })
    expect(volume).toEqual({
      name: volume?.name,
      projected: {
        defaultMode: 420,
        sources: [
          { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
          { configMap: { items: [{ key: 'ca.crt', path: 'ca.crt' }], name: 'kube-root-ca.crt' } },
          {
            downwardAPI: {
              items: [{ fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' }, path: 'namespace' }]
            }
          }
        ]
      }
    })
  })

  test.each([
    ['the pod says no', { automountServiceAccountToken: false }, undefined, false],
    ['the account says no', {}, false, false],
    ['the pod overrules its account', { automountServiceAccountToken: true }, false, true]
  ])('%s', async (_what, given, ofAccount, mounted) => {
    const account = { metadata: { namespace: 'ns', name: 'default' }, automountServiceAccountToken: ofAccount }
    await put(store, 'serviceaccounts', account)
    const result = spec(await admitted(kinds.pods, { object: pod(given) }))
    expect(result.volumes !== undefined).toBe(mounted)
  })

  test('a container that mounts something there keeps that', async () => {
    const own = mount('mine')
    const result = spec(
      await admitted(kinds.pods, { object: pod({ containers: [{ name: 'c', volumeMounts: [own] }] }) })
    )
    expect(result).toMatchObject({ containers: [{ volumeMounts: [own] }] })
    expect(result.volumes).toBeUndefined()
  })

  test('a copied pod keeps its token volume', async () => {
    const volume = { name: 'kube-api-access-abcde', projected: { sources: [] } }
    const result = spec(await admitted(kinds.pods, { object: pod({ volumes: [volume] }) }))
    expect(result).toMatchObject({
      volumes: [volume],
      containers: [{ volumeMounts: [mount('kube-api-access-abcde')] }]
    })
  })

  test('takes pull secrets from the account, unless the pod has its own', async () => {
    const account = { metadata: { namespace: 'ns', name: 'default' }, imagePullSecrets: [{ name: 'reg' }] }
    await put(store, 'serviceaccounts', account)
    expect(spec(await admitted(kinds.pods, { object: pod() })).imagePullSecrets).toEqual([{ name: 'reg' }])
    const own = { imagePullSecrets: [{ name: 'own' }] }
    expect(spec(await admitted(kinds.pods, { object: pod(own) })).imagePullSecrets).toEqual([{ name: 'own' }])
  })

  test('refuses an account that is not there', async () => {
    expect(await refusal(kinds.pods, { object: pod({ serviceAccountName: 'nobody' }) })).toEqual({
      reason: 'Forbidden',
      message: 'pods "p" is forbidden: error looking up service account ns/nobody: serviceaccount "nobody" not found',
      details: { name: 'p', kind: 'pods' }
    })
  })

  test('waits for the default account of a new namespace, but not for ever', async () => {
    await put(store, 'namespaces', { metadata: { name: 'new' }, status: { phase: 'Active' } })
    const waiting = admitted(kinds.pods, { namespace: 'new', object: pod() })
    await put(store, 'serviceaccounts', { metadata: { namespace: 'new', name: 'default' } })
    expect(spec(await waiting).serviceAccountName).toBe('default')

    await put(store, 'namespaces', { metadata: { name: 'never' }, status: { phase: 'Active' } })
    const late = refusal(kinds.pods, { namespace: 'never', object: pod() })
    const ticking = setInterval(() => ports.advance(500), 1)
    expect((await late).message).toContain('serviceaccount "default" not found')
    clearInterval(ticking)
  })

  test.each([
    [{ serviceAccountName: 'default' }, 'a mirror pod may not reference service accounts'],
    [{ volumes: [{ name: 'v', secret: { secretName: 's' } }] }, 'a mirror pod may not reference secrets'],
    [{}, 'admitted']
  ])('a mirror pod with %j: %s', async (given, message) => {
    const metadata = { annotations: { 'kubernetes.io/config.mirror': 'x' } }
    const answer = (await refusal(kinds.pods, { object: pod(given, metadata) })).message
    expect(answer).toBe(message === 'admitted' ? message : `pods "p" is forbidden: ${message}`)
  })
})

describe('tolerations and taints', () => {
  const toleration = (key: string, more: object = {}) => ({ key, operator: 'Exists', effect: 'NoExecute', ...more })
  const notReady = 'node.kubernetes.io/not-ready'
  const unreachable = 'node.kubernetes.io/unreachable'
  const defaults = [
    toleration(notReady, { tolerationSeconds: 300 }),
    toleration(unreachable, { tolerationSeconds: 300 })
  ]

  test.each([
    [undefined, defaults],
    [[toleration('x')], [toleration('x'), ...defaults]],
    [[toleration(notReady)], [toleration(notReady), defaults[1]]],
    [[{ operator: 'Exists' }], [{ operator: 'Exists' }]],
    [
      [toleration(unreachable, { effect: 'NoSchedule' })],
      [toleration(unreachable, { effect: 'NoSchedule' }), ...defaults]
    ]
  ])('%j becomes %j', async (given, expected) => {
    const result = await admitted(kinds.pods, { object: pod(given === undefined ? {} : { tolerations: given }) })
    expect((result.spec as { tolerations: unknown }).tolerations).toEqual(expected)
  })

  test('a new node takes no pods yet', async () => {
    const taint = { key: notReady, effect: 'NoSchedule' }
    const taints = async (spec?: object) =>
      (
        (await admitted(kinds.nodes, { object: named('n1', spec === undefined ? {} : { spec }) })).spec as {
          taints: unknown
        }
      ).taints
    expect(await taints()).toEqual([taint])
    expect(await taints({ taints: [{ key: 'a', effect: 'NoExecute' }] })).toEqual([
      { key: 'a', effect: 'NoExecute' },
      taint
    ])
    expect(await taints({ taints: [taint] })).toEqual([taint])
  })
})

describe('Priority', () => {
  const classes = 'scheduling.k8s.io/priorityclasses'
  beforeEach(() => put(store, classes, named('high', { value: 1000, preemptionPolicy: 'Never' })))

  test.each([
    [{}, { priority: 0, preemptionPolicy: 'PreemptLowerPriority' }],
    [{ priority: 0 }, { priority: 0, preemptionPolicy: 'PreemptLowerPriority' }],
    [{ priorityClassName: 'high' }, { priority: 1000, preemptionPolicy: 'Never', priorityClassName: 'high' }],
    [
      { priorityClassName: 'high', priority: 1000 },
      { priority: 1000, preemptionPolicy: 'Never' }
    ]
  ])('%j gives %j', async (given, expected) => {
    expect((await admitted(kinds.pods, { object: pod(given) })).spec).toMatchObject(expected)
  })

  test.each([
    [{ priorityClassName: 'none-such' }, 'no PriorityClass with name none-such was found'],
    [
      { priority: 5 },
      'the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name'
    ],
    [
      { priorityClassName: 'high', preemptionPolicy: 'PreemptLowerPriority' },
      'the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod spec; priority admission controller computed Never from the given PriorityClass name'
    ]
  ])('%j: %s', async (given, why) => {
    expect((await refusal(kinds.pods, { object: pod(given) })).message).toBe(`pods "p" is forbidden: ${why}`)
  })

  test('a global default holds from its creation on, and there is one only', async () => {
    const priority = async () => (await admitted(kinds.pods, { object: pod() })).spec
    expect(await priority()).toMatchObject({ priority: 0 })
    await put(store, classes, named('usual', { value: 7, globalDefault: true }))
    expect(await priority()).toMatchObject({ priority: 7, priorityClassName: 'usual' })
    const second = named('other', { value: 8, globalDefault: true })
    expect((await refusal(kinds.priorityClasses, { object: second })).message).toBe(
      'priorityclasses.scheduling.k8s.io "other" is forbidden: PriorityClass usual is already marked as default. Only one default can exist'
    )
    const same = named('usual', { value: 7, globalDefault: true })
    expect((await refusal(kinds.priorityClasses, { operation: 'UPDATE', object: same, old: same })).message).toBe(
      'admitted'
    )
  })
  test("the system's own classes stay", async () => {
    const deletion = (name: string) => refusal(kinds.priorityClasses, { operation: 'DELETE', name, object: undefined })
    expect((await deletion('system-node-critical')).message).toBe(
      'priorityclasses.scheduling.k8s.io "system-node-critical" is forbidden: this is a system priority class and cannot be deleted'
    )
    expect((await deletion('high')).message).toBe('admitted')
  })
})

describe('NodeRestriction', () => {
  const mine = pod({ nodeName: 'n1' }, { name: 'mine', uid: 'u1' })
  const theirs = pod({ nodeName: 'n2' }, { name: 'theirs', uid: 'u2' })
  beforeEach(async () => {
    await put(store, 'pods', mine)
    await put(store, 'pods', theirs)
    await put(store, 'nodes', { metadata: { name: 'n1', uid: 'node-1' } })
  })
  const labelled = (labels: Record<string, string>, spec: object = {}) => ({ metadata: { name: 'n1', labels }, spec })
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'node-1', controller: true }
  const mirror = (metadata: object = {}, spec: object = {}) =>
    pod(
      { nodeName: 'n1', ...spec },
      { annotations: { 'kubernetes.io/config.mirror': 'x' }, ownerReferences: [owner], ...metadata }
    )
  const token = (boundObjectRef?: object) =>
    ({ metadata: { name: 'sa' }, spec: { boundObjectRef } }) as unknown as KubeObject
  const boundTo = (name: string, uid?: string) => ({ apiVersion: 'v1', kind: 'Pod', name, uid })

  test.each<[string, Kind, Partial<AdmissionRequest>, string]>([
    [
      'another node',
      kinds.nodes,
      { object: named('n2') },
      'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"'
    ],
    ['itself', kinds.nodes, { object: named('n1') }, 'admitted'],
    [
      'a known label',
      kinds.nodes,
      { object: labelled({ 'kubernetes.io/hostname': 'n1', 'node.kubernetes.io/x': 'y', 'example.com/a': 'b' }) },
      'admitted'
    ],
    [
      'restricted labels',
      kinds.nodes,
      { object: labelled({ 'x.node-restriction.kubernetes.io/b': '1', 'kubernetes.io/role': 'a' }) },
      'nodes "n1" is forbidden: node "n1" is not allowed to set the following labels: kubernetes.io/role, x.node-restriction.kubernetes.io/b'
    ],
    [
      'a changed label',
      kinds.nodes,
      { operation: 'UPDATE', object: labelled({}), old: labelled({ 'k8s.io/a': 'b' }) },
      'nodes "n1" is forbidden: is not allowed to modify labels: k8s.io/a'
    ],
    [
      'taints',
      kinds.nodes,
      {
        operation: 'UPDATE',
        object: labelled({}),
        old: labelled({}, { taints: [{ key: 'a', effect: 'NoSchedule' }] })
      },
      'nodes "n1" is forbidden: node "n1" is not allowed to modify taints'
    ],
    [
      'its status',
      kinds.nodes,
      { operation: 'UPDATE', subresource: 'status', object: labelled({}), old: labelled({}) },
      'admitted'
    ],
    [
      'its lease',
      kinds.leases,
      { namespace: 'kube-node-lease', object: named('n1') },
      'namespaces "kube-node-lease" not found'
    ],
    [
      'another lease',
      kinds.leases,
      { namespace: 'kube-node-lease', operation: 'UPDATE', object: named('n2'), old: named('n2') },
      'leases.coordination.k8s.io "n2" is forbidden: can only access node lease with the same name as the requesting node'
    ],
    [
      'a lease elsewhere',
      kinds.leases,
      { operation: 'UPDATE', object: named('n1'), old: named('n1') },
      'leases.coordination.k8s.io "n1" is forbidden: can only access leases in the "kube-node-lease" system namespace'
    ],
    [
      'the status of its pod',
      kinds.pods,
      { operation: 'UPDATE', subresource: 'status', object: mine, old: mine },
      'admitted'
    ],
    [
      'the status of another pod',
      kinds.pods,
      { operation: 'UPDATE', subresource: 'status', object: theirs, old: theirs },
      'pods "theirs" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself'
    ],
    [
      'labels through status',
      kinds.pods,
      {
        operation: 'UPDATE',
        subresource: 'status',
        object: pod({ nodeName: 'n1' }, { name: 'mine', labels: { a: 'b' } }),
        old: mine
      },
      'pods "mine" is forbidden: node "n1" cannot update labels through pod status'
    ],
    [
      'a pod',
      kinds.pods,
      { operation: 'UPDATE', object: mine, old: mine },
      'pods "mine" is forbidden: unexpected operation "UPDATE", node "n1" can only create and delete mirror pods'
    ],
    ['the deletion of its pod', kinds.pods, { operation: 'DELETE', old: mine }, 'admitted'],
    [
      'the deletion of another pod',
      kinds.pods,
      { operation: 'DELETE', old: theirs },
      'pods "theirs" is forbidden: node "n1" can only delete pods with spec.nodeName set to itself'
    ],
    [
      'the eviction of another pod',
      kinds.pods,
      { subresource: 'eviction', name: 'theirs', object: named('theirs') },
      'pods "theirs" is forbidden: node n1 can only evict pods with spec.nodeName set to itself'
    ],
    [
      'an exec',
      kinds.pods,
      { subresource: 'exec', operation: 'CONNECT', name: 'mine' },
      'pods "mine" is forbidden: unexpected pod subresource "exec", only \'status\' and \'eviction\' are allowed'
    ],
    ['a mirror pod', kinds.pods, { object: mirror() }, 'admitted'],
    [
      'an ordinary pod',
      kinds.pods,
      { object: pod({ nodeName: 'n1' }) },
      'pods "p" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods'
    ],
    [
      'a mirror pod elsewhere',
      kinds.pods,
      { object: mirror({}, { nodeName: 'n2' }) },
      'pods "p" is forbidden: node "n1" can only create pods with spec.nodeName set to itself'
    ],
    [
      'a mirror pod of nobody',
      kinds.pods,
      { object: mirror({ ownerReferences: [] }) },
      'pods "p" is forbidden: node "n1" can only create pods with an owner reference set to itself'
    ],
    [
      'a mirror pod of a former node',
      kinds.pods,
      { object: mirror({ ownerReferences: [{ ...owner, uid: 'old' }] }) },
      'pods "p" is forbidden: node n1 UID mismatch: expected old got node-1'
    ],
    [
      'a token for its pod',
      kinds.serviceAccounts,
      { subresource: 'token', name: 'sa', object: token(boundTo('mine', 'u1')) },
      'admitted'
    ],
    [
      'a token for nothing',
      kinds.serviceAccounts,
      { subresource: 'token', name: 'sa', object: token() },
      'serviceaccounts "sa" is forbidden: node requested token not bound to a pod'
    ],
    [
      'a token without uid',
      kinds.serviceAccounts,
      { subresource: 'token', name: 'sa', object: token(boundTo('mine')) },
      'serviceaccounts "sa" is forbidden: node requested token with a pod binding without a uid'
    ],
    [
      "a token for another node's pod",
      kinds.serviceAccounts,
      { subresource: 'token', name: 'sa', object: token(boundTo('theirs', 'u2')) },
      'serviceaccounts "sa" is forbidden: node requested token bound to a pod scheduled on a different node'
    ],
    [
      'a token for a pod that is gone',
      kinds.serviceAccounts,
      { subresource: 'token', name: 'sa', object: token(boundTo('gone', 'u3')) },
      'pods "gone" not found'
    ],
    ['other things', kinds.configMaps, { object: named('x') }, 'admitted']
  ])('a node and %s', async (_what, kind, given, message) => {
    expect((await refusal(kind, { ...given, user: node1 })).message).toBe(message)
  })

  test('nobody else is restricted', async () => {
    expect((await refusal(kinds.nodes, { object: labelled({ 'kubernetes.io/role': 'a' }), user: admin })).message).toBe(
      'admitted'
    )
  })
})

describe('RBAC escalation', () => {
  const GROUP = 'rbac.authorization.k8s.io'
  const readSecrets = { verbs: ['get'], apiGroups: [''], resources: ['secrets'] }
  const readPods = { verbs: ['get', 'list'], apiGroups: [''], resources: ['pods'] }
  const grant = async (name: string, ...rules: object[]) => {
    await put(store, `${GROUP}/roles`, { metadata: { namespace: 'ns', name }, rules })
    await put(store, `${GROUP}/rolebindings`, {
      metadata: { namespace: 'ns', name },
      roleRef: { apiGroup: GROUP, kind: 'Role', name },
      subjects: [{ kind: 'User', apiGroup: GROUP, name: 'mallory' }]
    } as KubeObject)
  }
  const mallory = user('mallory')
  const roleOf = (...rules: object[]): KubeObject => ({ metadata: { name: 'x' }, rules })
  const binding = (kind: string, name: string): KubeObject =>
    ({ metadata: { name: 'x' }, roleRef: { apiGroup: GROUP, kind, name }, subjects: [] }) as KubeObject

  beforeEach(() => grant('own', readPods))

  test.each<[string, Kind, Partial<AdmissionRequest>, string]>([
    ['what one holds', kinds.roles, { object: roleOf({ ...readPods, verbs: ['get'] }) }, 'admitted'],
    [
      'what one does not hold',
      kinds.roles,
      { object: roleOf(readSecrets, readPods) },
      'roles.rbac.authorization.k8s.io "x" is forbidden: user "mallory" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
    ],
    [
      'nothing new',
      kinds.roles,
      {
        operation: 'UPDATE',
        old: roleOf(readSecrets),
        object: { ...roleOf(readSecrets), metadata: { name: 'x', labels: { a: 'b' } } }
      },
      'admitted'
    ],
    [
      'something new',
      kinds.roles,
      { operation: 'UPDATE', old: roleOf(readPods), object: roleOf(readSecrets) },
      'roles.rbac.authorization.k8s.io "x" is forbidden: user "mallory" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
    ],
    [
      'cluster-wide what one holds in a namespace',
      kinds.clusterRoles,
      { object: roleOf(readPods) },
      'clusterroles.rbac.authorization.k8s.io "x" is forbidden: user "mallory" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}'
    ],
    [
      'an aggregation',
      kinds.clusterRoles,
      { object: { ...roleOf(), aggregationRule: { clusterRoleSelectors: [{}] } } },
      'clusterroles.rbac.authorization.k8s.io "x" is forbidden: must have cluster-admin privileges to use an aggregationRule'
    ],
    ['a role that one holds', kinds.roleBindings, { object: binding('Role', 'own') }, 'admitted'],
    [
      'a role that is not there',
      kinds.roleBindings,
      { object: binding('ClusterRole', 'none') },
      'clusterrole.rbac.authorization.k8s.io "none" not found'
    ]
  ])('granting %s', async (_what, kind, given, message) => {
    expect((await refusal(kind, { ...given, user: mallory })).message).toBe(message)
  })

  test('the verbs escalate and bind lift it', async () => {
    await put(store, `${GROUP}/clusterroles`, { metadata: { name: 'big' }, rules: [readSecrets] })
    const bound = { object: binding('ClusterRole', 'big'), user: mallory }
    expect((await refusal(kinds.roleBindings, bound)).message).toContain('attempting to grant')
    await grant('binder', { verbs: ['bind'], apiGroups: [GROUP], resources: ['clusterroles'], resourceNames: ['big'] })
    expect((await refusal(kinds.roleBindings, bound)).message).toBe('admitted')
    await grant('escalator', { verbs: ['escalate'], apiGroups: [GROUP], resources: ['roles'] })
    expect((await refusal(kinds.roles, { object: roleOf(readSecrets), user: mallory })).message).toBe('admitted')
  })

  test('the garbage collector gets through', async () => {
    const old = binding('ClusterRole', 'none')
    old.metadata.finalizers = ['foregroundDeletion']
    const request = { operation: 'UPDATE', old, object: binding('ClusterRole', 'none'), user: mallory } as const
    expect((await refusal(kinds.roleBindings, request)).message).toBe('admitted')
  })

  test('system:masters grants anything', async () => {
    expect((await refusal(kinds.roles, { object: roleOf(readSecrets), user: admin })).message).toBe('admitted')
  })
})

test.each([
  ['a binding without a target', kinds.pods, { subresource: 'binding', name: 'p', object: named('p') }],
  ['a pod without a spec', kinds.pods, { object: named('p') }],
  ['a service without a spec', kinds.services, { object: named('s') }],
  [
    'a request for a certificate without a spec',
    row('certificates.k8s.io/v1', 'certificatesigningrequests'),
    { object: named('c') }
  ],
  ['a deployment without a spec', row('apps/v1', 'deployments'), { object: named('d') }],
  ['a cron job without a spec', row('batch/v1', 'cronjobs'), { object: named('c') }],
  ['a claim without a spec', row('v1', 'persistentvolumeclaims'), { object: named('c') }],
  ['an ingress without a spec', row('networking.k8s.io/v1', 'ingresses'), { object: named('i') }]
])('%s is left to validation', async (_what, kind, given) => {
  await put(store, 'namespaces', {
    metadata: { name: 'ns', labels: { 'pod-security.kubernetes.io/warn': 'restricted' } },
    status: { phase: 'Active' }
  })
  const request = admission({ store, ports, kind, ...given })
  const plugins = admissionPlugins({ ...DEFAULT_ADDRESSES, authorizer, store, ports, kinds: () => [] })
  for (const plugin of plugins) await plugin.mutate?.(request)
  for (const plugin of plugins) await plugin.complete?.(request)
  expect(request.object?.metadata.name).toBe(given.object.metadata.name)
})
