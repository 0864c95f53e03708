import { beforeEach, describe, expect, test } from '@jest/globals'
import type { ClusterRole, ClusterRoleBinding, EndpointSlice, Service } from '../../core/kinds/types.ts'
import type { KubeObject } from '../../core/object.ts'
import type { Store } from '../../store/store.ts'
import { put, remove, type TestPorts, testPorts, testStore, user } from '../../test/api-fixture.ts'
import { DEFAULT_ADDRESSES } from './addresses.ts'
import { createAuthorizer } from './authz.ts'
import { bootstrap, kubernetesAddress } from './bootstrap.ts'
import { clusterRoleBindings, clusterRoles, roleBindings, roles } from './bootstrap-roles.ts'

const GROUP = 'rbac.authorization.k8s.io'
let ports: TestPorts
let store: Store

beforeEach(async () => {
  ports = testPorts()
  store = testStore(ports)
  await start()
})

const start = (address = '192.168.7.7', port = 6443) =>
  bootstrap({ store, ports, addresses: DEFAULT_ADDRESSES, endpoint: { address, port } })
const names = async (resource: string) => (await store.list(resource)).entries.map((entry) => entry.key)
async function find<T>(resource: string, key: string): Promise<T> {
  return (await store.get(resource, key))?.value as unknown as T
}
const versions = async () =>
  await Promise.all(
    ['namespaces', `${GROUP}/clusterroles`, `${GROUP}/clusterrolebindings`, 'services', 'endpoints'].map((resource) =>
      store.version(resource)
    )
  )

describe('a first start', () => {
  test('makes what a cluster has', async () => {
    expect(await names('namespaces')).toEqual(['default', 'kube-node-lease', 'kube-public', 'kube-system'])
    expect(await names('scheduling.k8s.io/priorityclasses')).toEqual([
      'system-cluster-critical',
      'system-node-critical'
    ])
    expect(await names(`${GROUP}/clusterroles`)).toEqual(
      expect.arrayContaining(['admin', 'cluster-admin', 'edit', 'view'])
    )
    expect(await names('internal.wherry.dev/addresses')).toEqual(['ip-10.96.0.1'])
    const namespace = await find<KubeObject>('namespaces', 'default')
    expect(namespace).toMatchObject({
      kind: 'Namespace',
      apiVersion: 'v1',
      metadata: { labels: { 'kubernetes.io/metadata.name': 'default' }, creationTimestamp: '2026-05-01T12:00:00Z' },
      spec: { finalizers: ['kubernetes'] },
      status: { phase: 'Active' }
    })
  })

  test('every object has a uid of its own', async () => {
    const uids: (string | undefined)[] = []
    for (const resource of ['namespaces', `${GROUP}/clusterroles`, `${GROUP}/clusterrolebindings`])
      for (const { value } of (await store.list(resource)).entries) uids.push(value.metadata.uid)
    expect(new Set(uids).size).toBe(uids.length)
    expect(uids).not.toContain(undefined)
  })

  test('every binding has its role, and every role its bound form', () => {
    for (const name of Object.keys(clusterRoleBindings)) expect(Object.keys(clusterRoles)).toContain(name)
    for (const [key, { role }] of Object.entries(roleBindings))
      expect(Object.keys(roles)).toContain(`${key.split('/')[0]}/${role}`)
  })

  test('admin holds edit, edit holds view', async () => {
    const rules = async (name: string) => (await find<ClusterRole>(`${GROUP}/clusterroles`, name)).rules ?? []
    const view = await rules('view')
    const edit = await rules('edit')
    const admin = await rules('admin')
    expect(view.length).toBeGreaterThan(5)
    expect(edit).toEqual(expect.arrayContaining(view))
    expect(admin).toEqual(expect.arrayContaining(edit))
    expect(edit.length).toBeGreaterThan(view.length)
    expect(admin.length).toBeGreaterThan(edit.length)
  })

  test.each<[string, string, string, boolean]>([
    ['system:unauthenticated', 'get /version', '', true],
    ['system:unauthenticated', 'get /api', '', false],
    ['system:authenticated', 'get /apis/apps/v1', '', true],
    ['system:authenticated', 'create selfsubjectaccessreviews', 'authorization.k8s.io', true],
    ['system:authenticated', 'list pods', '', false]
  ])('%s may %s of %s: %s', async (group, question, apiGroup, allowed) => {
    const authorizer = await createAuthorizer(store)
    const [verb = '', what = ''] = question.split(' ')
    const attributes = what.startsWith('/')
      ? { path: what }
      : { resource: { group: apiGroup, version: 'v1', resource: what } }
    const who = { username: 'somebody', groups: [group] }
    expect((await authorizer.authorize({ user: who, verb, ...attributes })).allowed).toBe(allowed)
  })

  test('controllers have their rights through their accounts', async () => {
    const authorizer = await createAuthorizer(store)
    const resource = { group: '', version: 'v1', resource: 'pods', namespace: 'x' }
    const may = async (name: string, verb: string) =>
      (await authorizer.authorize({ user: user(`system:serviceaccount:kube-system:${name}`), verb, resource })).allowed
    expect(await may('replicaset-controller', 'create')).toBe(true)
    expect(await may('deployment-controller', 'create')).toBe(false)
    expect(await may('namespace-controller', 'deletecollection')).toBe(true)
  })

  test('the service of the API has its endpoint', async () => {
    expect(kubernetesAddress(DEFAULT_ADDRESSES)).toBe('10.96.0.1')
    const service = await find<Service>('services', 'default/kubernetes')
    expect(service.spec).toMatchObject({
      clusterIP: '10.96.0.1',
      ports: [{ port: 443, targetPort: 6443, name: 'https' }]
    })
    const slice = await find<EndpointSlice>('discovery.k8s.io/endpointslices', 'default/kubernetes')
    expect(slice).toMatchObject({
      addressType: 'IPv4',
      endpoints: [{ addresses: ['192.168.7.7'], conditions: { ready: true } }],
      ports: [{ name: 'https', port: 6443, protocol: 'TCP' }]
    })
  })
})

describe('a later start', () => {
  test('writes nothing', async () => {
    const before = await versions()
    await start()
    expect(await versions()).toEqual(before)
  })

  test('follows the address of the server', async () => {
    const uid = (await find<Service>('services', 'default/kubernetes')).metadata.uid
    await start('192.168.7.8', 7443)
    expect(await find('endpoints', 'default/kubernetes')).toMatchObject({
      subsets: [{ addresses: [{ ip: '192.168.7.8' }], ports: [{ port: 7443 }] }]
    })
    expect(await find('discovery.k8s.io/endpointslices', 'default/kubernetes')).toMatchObject({
      metadata: { generation: 2 }
    })
    const service = await find<Service>('services', 'default/kubernetes')
    expect(service).toMatchObject({ metadata: { uid }, spec: { ports: [{ targetPort: 7443 }] } })
  })

  const role = () => find<ClusterRole>(`${GROUP}/clusterroles`, 'system:discovery')
  const change = async (more: object) =>
    put(store, `${GROUP}/clusterroles`, { ...(await role()), ...more } as KubeObject)
  const own = { verbs: ['get'], nonResourceURLs: ['/mine'] }

  test('adds what was taken away and keeps what was added', async () => {
    const [before] = (await role()).rules ?? []
    await change({ rules: [own] })
    await remove(store, 'namespaces', 'kube-public')
    await start()
    const paths = ((await role()).rules ?? []).flatMap(({ nonResourceURLs }) => nonResourceURLs ?? [])
    expect(paths.sort()).toEqual(['/mine', ...(before?.nonResourceURLs ?? [])].sort())
    expect(await names('namespaces')).toContain('kube-public')
    const again = await versions()
    await start()
    expect(await versions()).toEqual(again)
  })

  test('leaves a role alone that does not want to be kept up to date', async () => {
    const { metadata } = await role()
    const annotations = { 'rbac.authorization.kubernetes.io/autoupdate': 'false' }
    await change({ metadata: { ...metadata, annotations }, rules: [own] })
    await start()
    expect((await role()).rules).toEqual([own])
  })

  test('adds missing subjects, keeps others', async () => {
    const resource = `${GROUP}/clusterrolebindings`
    const binding = await find<ClusterRoleBinding>(resource, 'cluster-admin')
    const jo = { kind: 'User', apiGroup: GROUP, name: 'jo' }
    await put(store, resource, { ...binding, subjects: [jo] } as unknown as KubeObject)
    await start()
    expect((await find<ClusterRoleBinding>(resource, 'cluster-admin')).subjects?.map(({ name }) => name)).toEqual([
      'jo',
      'system:masters'
    ])
  })

  test('two servers that start at once agree', async () => {
    const fresh = testStore(ports)
    const options = { store: fresh, ports, addresses: DEFAULT_ADDRESSES, endpoint: { address: '10.0.0.1', port: 6443 } }
    await Promise.all([bootstrap(options), bootstrap(options)])
    expect((await fresh.list(`${GROUP}/clusterroles`)).entries.length).toBe(Object.keys(clusterRoles).length)
  })
})

test('where nodes have one identity each, it reads what kube-proxy reads, and posts to paths of its own', async () => {
  const node = { ...user('system:node:i-1', 'system:nodes') }
  const ask = async (verb: string, resource: string, group = '') =>
    (
      await (
        await createAuthorizer(store)
      ).authorize({ user: node, verb, resource: { group, version: 'v1', resource } })
    ).allowed
  const post = async (path: string) =>
    (await (await createAuthorizer(store)).authorize({ user: node, verb: 'post', path })).allowed
  const asked = async () => [await ask('list', 'nodes'), await ask('list', 'secrets'), await post('/wherry/v1/relay/x')]
  expect(await asked()).toEqual([false, false, false])
  const endpoint = { address: '192.168.7.7', port: 6443 }
  await bootstrap({ store, ports, addresses: DEFAULT_ADDRESSES, endpoint, nodeAgents: true })
  expect(await asked()).toEqual([true, false, true])
})
