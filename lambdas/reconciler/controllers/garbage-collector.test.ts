import { clusterRoles, configMaps, deployments, pods, replicaSets, secrets } from '../../../core/kinds/refs.ts'
import type { ConfigMap, OwnerReference, Pod } from '../../../core/kinds/types.ts'
import type { Resource } from '../../../core/object.ts'
import { type InProcess, startInProcess } from '../../../test/in-process.ts'

let cluster: InProcess

beforeEach(async () => {
  cluster = await startInProcess()
  await cluster.settled()
})
afterEach(() => cluster.stop())

const namespace = 'default'

function ownedBy(kind: string, owner: Resource, more: Partial<OwnerReference> = {}): OwnerReference {
  const { name = '', uid = '' } = owner.metadata
  return { apiVersion: 'v1', kind, name, uid, ...more }
}

/** A ConfigMap whose owners are ConfigMaps, unless said otherwise. */
async function make(name: string, owners: readonly OwnerReference[] = []): Promise<ConfigMap> {
  return await cluster.admin.create(configMaps, { metadata: { name, namespace, ownerReferences: [...owners] } })
}

async function names(): Promise<string[]> {
  await cluster.settled()
  const { items } = await cluster.admin.list(configMaps, { namespace })
  return items.map(({ metadata }) => metadata.name ?? '').filter((name) => name !== 'kube-root-ca.crt')
}

async function remove(name: string, propagationPolicy?: string) {
  await cluster.admin.delete(
    configMaps,
    { namespace, name },
    propagationPolicy === undefined ? {} : { propagationPolicy }
  )
}

test('background: a tree follows its root', async () => {
  const root = await make('root')
  const [left] = [await make('left', [ownedBy('ConfigMap', root)]), await make('right', [ownedBy('ConfigMap', root)])]
  await make('leaf', [ownedBy('ConfigMap', left)])
  await make('other')
  expect(await names()).toEqual(['leaf', 'left', 'other', 'right', 'root'])
  await remove('root')
  expect(await names()).toEqual(['other'])
})

test('foreground: the root stays until what blocks it is gone', async () => {
  const root = await make('root')
  const child = await make('child', [ownedBy('ConfigMap', root, { blockOwnerDeletion: true })])
  const leaf = await make('leaf', [ownedBy('ConfigMap', child, { blockOwnerDeletion: true })])
  const hold = { metadata: { finalizers: ['example.com/hold'] } }
  await cluster.admin.patch(configMaps, { namespace, name: 'leaf' }, { type: 'merge', body: hold })
  await remove('root', 'Foreground')
  expect(await names()).toEqual(['child', 'leaf', 'root'])
  const rootNow = await cluster.admin.get(configMaps, { namespace, name: 'root' })
  expect(rootNow.metadata.finalizers).toEqual(['foregroundDeletion'])
  expect((await cluster.admin.get(configMaps, { namespace, name: 'child' })).metadata.finalizers).toEqual([
    'foregroundDeletion'
  ])
  const release = { metadata: { finalizers: null } }
  await cluster.admin.patch(configMaps, { namespace, name: leaf.metadata.name ?? '' }, { type: 'merge', body: release })
  expect(await names()).toEqual([])
})

test('foreground: a dependent that does not block is deleted, but not waited for', async () => {
  const root = await make('root')
  await make('child', [ownedBy('ConfigMap', root)])
  const hold = { metadata: { finalizers: ['example.com/hold'] } }
  await cluster.admin.patch(configMaps, { namespace, name: 'child' }, { type: 'merge', body: hold })
  await remove('root', 'Foreground')
  expect(await names()).toEqual(['child'])
  const child = await cluster.admin.get(configMaps, { namespace, name: 'child' })
  expect(child.metadata.deletionTimestamp).toBeDefined()
})

test('foreground: a circle comes apart', async () => {
  const first = await make('first')
  const second = await make('second', [ownedBy('ConfigMap', first, { blockOwnerDeletion: true })])
  const body = { metadata: { ownerReferences: [ownedBy('ConfigMap', second, { blockOwnerDeletion: true })] } }
  await cluster.admin.patch(configMaps, { namespace, name: 'first' }, { type: 'merge', body })
  await remove('first', 'Foreground')
  expect(await names()).toEqual([])
})

test('orphan: dependents stay and forget their owner', async () => {
  const root = await make('root')
  await make('child', [ownedBy('ConfigMap', root)])
  await remove('root', 'Orphan')
  expect(await names()).toEqual(['child'])
  const child = await cluster.admin.get(configMaps, { namespace, name: 'child' })
  expect(child.metadata.ownerReferences ?? []).toEqual([])
})

test('with another owner left, only the lost one is forgotten', async () => {
  const [one, two] = [await make('one'), await make('two')]
  await make('child', [ownedBy('ConfigMap', one), ownedBy('ConfigMap', two)])
  await remove('one')
  expect(await names()).toEqual(['child', 'two'])
  const child = await cluster.admin.get(configMaps, { namespace, name: 'child' })
  expect(child.metadata.ownerReferences?.map(({ name }) => name)).toEqual(['two'])
  await remove('two')
  expect(await names()).toEqual([])
})

test('owners that never were, or of another uid, do not keep anything', async () => {
  const root = await make('root')
  await make('wrong-uid', [{ ...ownedBy('ConfigMap', root), uid: 'another' }])
  await make('wrong-name', [{ ...ownedBy('ConfigMap', root), name: 'nobody' }])
  await make('unknown-kind', [{ apiVersion: 'example.com/v1', kind: 'Boat', name: 'b', uid: 'b' }])
  expect(await names()).toEqual(['root', 'unknown-kind'])
})

test('a cluster-scoped owner takes its namespaced dependents along', async () => {
  const role = await cluster.admin.create(clusterRoles, { metadata: { name: 'owner' }, rules: [] })
  const owner = { ...ownedBy('ClusterRole', role), apiVersion: 'rbac.authorization.k8s.io/v1' }
  await make('child', [owner])
  expect(await names()).toEqual(['child'])
  await cluster.admin.delete(clusterRoles, { name: 'owner' })
  expect(await names()).toEqual([])
})

test('a cluster-scoped object with a namespaced owner is left alone, and a warning written', async () => {
  const root = await make('root')
  await cluster.admin.create(clusterRoles, {
    metadata: { name: 'child', ownerReferences: [ownedBy('ConfigMap', root)] },
    rules: []
  })
  await remove('root')
  expect(await names()).toEqual([])
  expect(await cluster.admin.find(clusterRoles, { name: 'child' })).toBeDefined()
})

test('dependents of several kinds', async () => {
  const root = await make('root')
  await cluster.admin.create(secrets, {
    metadata: { name: 's', namespace, ownerReferences: [ownedBy('ConfigMap', root)] }
  })
  await remove('root')
  await cluster.settled()
  expect((await cluster.admin.list(secrets, { namespace })).items).toEqual([])
})

test('what lost its owner while nobody looked, is found at the start', async () => {
  const root = await make('root')
  await make('child', [ownedBy('ConfigMap', root)])
  await cluster.settled()
  await cluster.restartControllers(() => remove('root'))
  expect(await names()).toEqual([])
})

test('a deployment deleted in the foreground goes last', async () => {
  await cluster.admin.create(deployments, {
    metadata: { name: 'web', namespace },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
    }
  })
  await cluster.settled()
  const before = cluster.changes.length
  await cluster.admin.delete(deployments, { namespace, name: 'web' }, { propagationPolicy: 'Foreground' })
  await cluster.settled()
  const gone = cluster.changes.slice(before).filter(({ type, resource }) => type === 'deleted' && resource !== 'events')
  expect(gone.map(({ resource }) => resource)).toEqual(['pods', 'pods', 'apps/replicasets', 'apps/deployments'])
})

test('orphaned by its deployment, a set keeps its pods', async () => {
  await cluster.admin.create(deployments, {
    metadata: { name: 'web', namespace },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
    }
  })
  await cluster.settled()
  await cluster.admin.delete(deployments, { namespace, name: 'web' }, { propagationPolicy: 'Orphan' })
  await cluster.settled()
  const [set] = (await cluster.admin.list(replicaSets, { namespace })).items
  expect(set?.metadata.ownerReferences ?? []).toEqual([])
  const left: readonly Pod[] = (await cluster.admin.list(pods, { namespace })).items
  expect(left.map(({ metadata }) => metadata.ownerReferences?.[0]?.uid)).toEqual([set?.metadata.uid, set?.metadata.uid])
})
