import { clusterRoles, configMaps, deployments, namespaces, pods, serviceAccounts } from '../../../core/kinds/refs.ts'
import { type InProcess, startInProcess } from '../../../test/in-process.ts'
import { planConditions } from './namespace-plan.ts'

let cluster: InProcess

beforeEach(async () => {
  cluster = await startInProcess()
  await cluster.settled()
})
afterEach(() => cluster.stop())

const shop = { metadata: { name: 'shop' } }

test('a new namespace gets its default account and the CA', async () => {
  await cluster.admin.create(namespaces, shop)
  await cluster.settled()
  const accounts = await cluster.admin.list(serviceAccounts, { namespace: 'shop' })
  expect(accounts.items.map(({ metadata }) => metadata.name)).toEqual(['default'])
  const ca = await cluster.admin.get(configMaps, { namespace: 'shop', name: 'kube-root-ca.crt' })
  expect(ca.data).toEqual({ 'ca.crt': 'the CA' })
  expect(ca.metadata.annotations?.['kubernetes.io/description']).toMatch(/^Contains a CA bundle that can be used/)
})

test('both come back, whoever deletes or changes them', async () => {
  await cluster.admin.delete(serviceAccounts, { namespace: 'default', name: 'default' })
  const at = { namespace: 'default', name: 'kube-root-ca.crt' }
  await cluster.admin.patch(configMaps, at, { type: 'merge', body: { data: { 'ca.crt': 'forged', more: 'x' } } })
  await cluster.settled()
  expect(await cluster.admin.find(serviceAccounts, { namespace: 'default', name: 'default' })).toBeDefined()
  expect((await cluster.admin.get(configMaps, at)).data).toEqual({ 'ca.crt': 'the CA' })
  await cluster.admin.delete(configMaps, at)
  await cluster.settled()
  expect((await cluster.admin.get(configMaps, at)).data).toEqual({ 'ca.crt': 'the CA' })
})

test('a deleted namespace goes with all that is in it, pods first', async () => {
  await cluster.admin.create(namespaces, shop)
  await cluster.settled()
  await cluster.admin.create(configMaps, { metadata: { name: 'a', namespace: 'shop' } })
  await cluster.admin.create(deployments, {
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
    }
  })
  await cluster.settled()
  const before = cluster.changes.length
  await cluster.admin.delete(namespaces, { name: 'shop' })
  await cluster.pass(20_000, 1_000)
  expect(await cluster.admin.find(namespaces, { name: 'shop' })).toBeUndefined()
  const gone = cluster.changes
    .slice(before)
    .filter(({ type, object, key }) => type === 'deleted' && (object.metadata.namespace === 'shop' || key === 'shop'))
    .map(({ resource }) => resource)
  expect(gone.at(-1)).toBe('namespaces')
  expect(gone.indexOf('configmaps')).toBeGreaterThan(gone.lastIndexOf('pods'))
  expect(gone.filter((resource) => resource === 'pods').length).toBeGreaterThanOrEqual(3)
  const left = []
  for (const kind of [configMaps, pods, deployments, serviceAccounts])
    left.push(...(await cluster.admin.list(kind, { namespace: 'shop' })).items)
  expect(left).toEqual([])
  expect(cluster.reconciler.failing()).toEqual([])
})

test('what a finalizer holds, holds the namespace, and its conditions say so', async () => {
  await cluster.admin.create(namespaces, shop)
  await cluster.settled()
  const finalizers = ['example.com/hold']
  await cluster.admin.create(configMaps, { metadata: { name: 'a', namespace: 'shop', finalizers } })
  await cluster.admin.delete(namespaces, { name: 'shop' })
  await cluster.settled()
  const held = await cluster.admin.get(namespaces, { name: 'shop' })
  expect(held.status?.phase).toBe('Terminating')
  const told = held.status?.conditions?.map(({ type, status, reason, message }) => [type, status, reason, message])
  expect(told).toEqual([
    ['NamespaceDeletionDiscoveryFailure', 'False', 'ResourcesDiscovered', 'All resources successfully discovered'],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      'False',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed'
    ],
    [
      'NamespaceDeletionContentFailure',
      'False',
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization'
    ],
    [
      'NamespaceContentRemaining',
      'True',
      'SomeResourcesRemain',
      'Some resources are remaining: configmaps. has 1 resource instances'
    ],
    [
      'NamespaceFinalizersRemaining',
      'True',
      'SomeFinalizersRemain',
      'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances'
    ]
  ])
  const body = { metadata: { finalizers: null } }
  await cluster.admin.patch(configMaps, { namespace: 'shop', name: 'a' }, { type: 'merge', body })
  await cluster.settled()
  expect(await cluster.admin.find(namespaces, { name: 'shop' })).toBeUndefined()
})

test('times of conditions change only with their status', () => {
  const view = { remaining: [], errors: [], discoveryError: undefined, now: 0 }
  const first = planConditions([], view)
  expect(planConditions(first, { ...view, now: 5000 })).toEqual(first)
  const failed = planConditions(first, { ...view, errors: ['b', 'a'], now: 5000 })
  expect(failed.find(({ type }) => type === 'NamespaceDeletionContentFailure')).toEqual({
    type: 'NamespaceDeletionContentFailure',
    status: 'True',
    reason: 'ContentDeletionFailed',
    message: 'Failed to delete all resource types, 2 remaining: a, b',
    lastTransitionTime: '1970-01-01T00:00:05Z'
  })
})

test('a role with an aggregation rule has the rules of those that it selects, and follows them', async () => {
  const rule = (verb: string) => ({ apiGroups: [''], resources: ['pods'], verbs: [verb] })
  const labels = { aggregate: 'yes' }
  await cluster.admin.create(clusterRoles, {
    metadata: { name: 'sum' },
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: labels }] },
    rules: []
  })
  await cluster.admin.create(clusterRoles, { metadata: { name: 'b', labels }, rules: [rule('get'), rule('list')] })
  await cluster.admin.create(clusterRoles, { metadata: { name: 'a', labels }, rules: [rule('watch'), rule('get')] })
  await cluster.admin.create(clusterRoles, { metadata: { name: 'c' }, rules: [rule('delete')] })
  await cluster.settled()
  const verbs = async () =>
    (await cluster.admin.get(clusterRoles, { name: 'sum' })).rules?.map(({ verbs }) => verbs.join())
  expect(await verbs()).toEqual(['watch', 'get', 'list'])
  await cluster.admin.delete(clusterRoles, { name: 'a' })
  await cluster.settled()
  expect(await verbs()).toEqual(['get', 'list'])
})
