import { deployments, events, pods, replicaSets } from '../../../core/kinds/refs.ts'
import type { Deployment, Pod } from '../../../core/kinds/types.ts'
import { type InProcess, startInProcess } from '../../../test/in-process.ts'

// Deployments and ReplicaSets together, on the API in process. There is no node agent: the tests say what pods do.

let cluster: InProcess

beforeEach(async () => {
  cluster = await startInProcess()
  await cluster.settled()
})
afterEach(() => cluster.stop())

function web(image: string, replicas = 3): Deployment {
  return {
    metadata: { name: 'web', namespace: 'default' },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image }] } }
    }
  }
}

async function podsNow(): Promise<readonly Pod[]> {
  return (await cluster.admin.list(pods, { namespace: 'default' })).items
}

async function sets() {
  const { items } = await cluster.admin.list(replicaSets, { namespace: 'default' })
  return Object.fromEntries(
    items.map(({ spec, status }) => [
      spec?.template?.spec?.containers[0]?.image,
      [spec?.replicas, status?.readyReplicas ?? 0]
    ])
  )
}

async function deployment() {
  return await cluster.admin.get(deployments, { namespace: 'default', name: 'web' })
}

async function change(body: unknown) {
  await cluster.admin.patch(deployments, { namespace: 'default', name: 'web' }, { type: 'merge', body })
  await cluster.settled()
}

/** Every pod that is not yet, becomes ready; then whatever follows, until nothing does. */
async function everyPodReady(): Promise<void> {
  for (let round = 0; round < 50; round += 1) {
    const waiting = (await podsNow()).filter(({ status }) => status?.phase !== 'Running')
    if (waiting.length === 0) return
    for (const pod of waiting) await ready(pod)
    await cluster.settled()
  }
  throw new Error('pods keep coming')
}

async function ready(pod: Pod): Promise<void> {
  const time = new Date(cluster.ports.clock.now()).toISOString()
  const status = {
    phase: 'Running',
    podIP: '10.1.0.1',
    conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: time }]
  }
  const name = pod.metadata.name ?? ''
  await cluster.admin.patch(
    pods,
    { namespace: 'default', name },
    { type: 'merge', subresource: 'status', body: { status } }
  )
}

async function told(): Promise<string[]> {
  const { items } = await cluster.admin.list(events, { namespace: 'default' })
  return items.filter(({ involvedObject }) => involvedObject.kind === 'Deployment').map(({ message = '' }) => message)
}

test('a deployment makes a set, the set its pods, and both tell of them', async () => {
  await cluster.admin.create(deployments, web('a'))
  await cluster.settled()
  const first = await deployment()
  expect(first.status).toMatchObject({
    observedGeneration: 1,
    replicas: 3,
    updatedReplicas: 3,
    unavailableReplicas: 3,
    conditions: [
      { type: 'Available', status: 'False' },
      { type: 'Progressing', reason: 'ReplicaSetUpdated' }
    ]
  })
  expect(first.metadata.annotations).toEqual({ 'deployment.kubernetes.io/revision': '1' })
  await everyPodReady()
  const done = await deployment()
  expect(done.status).toMatchObject({
    readyReplicas: 3,
    availableReplicas: 3,
    conditions: [
      { type: 'Available', status: 'True' },
      { type: 'Progressing', reason: 'NewReplicaSetAvailable' }
    ]
  })
  const [set] = (await cluster.admin.list(replicaSets, { namespace: 'default' })).items
  expect(set?.status).toEqual({
    replicas: 3,
    fullyLabeledReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    terminatingReplicas: 0,
    observedGeneration: 1
  })
  const [pod] = await podsNow()
  const hash = set?.metadata.labels?.['pod-template-hash']
  expect(set?.metadata.name).toBe(`web-${hash}`)
  expect(pod?.metadata).toMatchObject({
    labels: { app: 'web', 'pod-template-hash': hash },
    ownerReferences: [{ kind: 'ReplicaSet', name: `web-${hash}`, controller: true, blockOwnerDeletion: true }]
  })
  expect(pod?.metadata.name).toMatch(new RegExp(`^web-${hash}-[a-z0-9]{5}$`))
  expect(await told()).toEqual([`Scaled up replica set web-${hash} from 0 to 3`])
  expect(cluster.reconciler.failing()).toEqual([])
})

test('a new image rolls through, and back with the former revision kept', async () => {
  await cluster.admin.create(deployments, web('a'))
  await cluster.settled()
  await everyPodReady()
  await change(web('b'))
  expect(await sets()).toEqual({ a: [3, 3], b: [1, 0] })
  await everyPodReady()
  expect(await sets()).toEqual({ a: [0, 0], b: [3, 3] })
  expect((await deployment()).metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('2')
  await change(web('a'))
  await everyPodReady()
  expect(await sets()).toEqual({ a: [3, 3], b: [0, 0] })
  expect((await deployment()).metadata.annotations?.['deployment.kubernetes.io/revision']).toBe('3')
  const [, ...rest] = await told()
  expect(rest.map((text) => text.replace(/web-\w+/, 'web'))).toContain('Scaled up replica set web from 0 to 1')
  expect((await podsNow()).length).toBe(3)
})

test('scaled up and down; the youngest go', async () => {
  await cluster.admin.create(deployments, web('a', 2))
  await cluster.settled()
  await everyPodReady()
  const old = (await podsNow()).map(({ metadata }) => metadata.name)
  await cluster.pass(3_600_000)
  await change({ spec: { replicas: 5 } })
  await everyPodReady()
  await change({ spec: { replicas: 2 } })
  expect((await podsNow()).map(({ metadata }) => metadata.name)).toEqual(old)
})

test('a deleted pod is replaced; a pod that lost its label is let go and replaced; an orphan is adopted', async () => {
  await cluster.admin.create(deployments, web('a', 2))
  await cluster.settled()
  const [first, second] = await podsNow()
  await cluster.admin.delete(pods, { namespace: 'default', name: first?.metadata.name ?? '' })
  await cluster.settled()
  expect((await podsNow()).length).toBe(2)
  const name = second?.metadata.name ?? ''
  const relabel = (labels: Record<string, string | null>) =>
    cluster.admin.patch(pods, { namespace: 'default', name }, { type: 'merge', body: { metadata: { labels } } })
  await relabel({ app: 'debug' })
  await cluster.settled()
  expect((await podsNow()).length).toBe(3)
  expect((await cluster.admin.get(pods, { namespace: 'default', name })).metadata.ownerReferences ?? []).toEqual([])
  await relabel({ app: 'web' })
  await cluster.settled()
  expect((await podsNow()).length).toBe(2)
  for (const pod of await podsNow()) expect(pod.metadata.ownerReferences?.[0]?.kind).toBe('ReplicaSet')
})

test('a deployment that makes no progress within its deadline says so', async () => {
  await cluster.admin.create(deployments, web('a', 1))
  await cluster.settled()
  await cluster.pass(599_000)
  const progressing = async () => (await deployment()).status?.conditions?.find(({ type }) => type === 'Progressing')
  expect((await progressing())?.reason).toBe('ReplicaSetUpdated')
  await cluster.pass(3_000)
  expect(await progressing()).toMatchObject({ status: 'False', reason: 'ProgressDeadlineExceeded' })
})

test('pods count as available only after minReadySeconds', async () => {
  await cluster.admin.create(deployments, web('a', 1))
  await change({ spec: { minReadySeconds: 30 } })
  await everyPodReady()
  expect((await deployment()).status).toMatchObject({ readyReplicas: 1, unavailableReplicas: 1 })
  await cluster.pass(29_000)
  expect((await deployment()).status?.availableReplicas).toBeUndefined()
  await cluster.pass(2_000)
  expect((await deployment()).status).toMatchObject({ availableReplicas: 1 })
})

test('paused, a new image waits; resumed, it rolls', async () => {
  await cluster.admin.create(deployments, web('a'))
  await cluster.settled()
  await everyPodReady()
  await change({ spec: { ...web('b').spec, paused: true } })
  expect(await sets()).toEqual({ a: [3, 3] })
  expect((await deployment()).status?.conditions).toContainEqual(
    expect.objectContaining({ type: 'Progressing', status: 'Unknown', reason: 'DeploymentPaused' })
  )
  await change({ spec: { paused: false } })
  await everyPodReady()
  expect(await sets()).toEqual({ a: [0, 0], b: [3, 3] })
})

test('deleted, it takes its sets and their pods along', async () => {
  await cluster.admin.create(deployments, web('a'))
  await cluster.settled()
  await cluster.admin.delete(deployments, { namespace: 'default', name: 'web' })
  await cluster.settled()
  expect((await cluster.admin.list(replicaSets, { namespace: 'default' })).items).toEqual([])
  expect(await podsNow()).toEqual([])
})

test('a thousand pods come in one go, and their status in few writes', async () => {
  const before = cluster.changes.length
  await cluster.admin.create(deployments, web('a', 1000))
  await cluster.settled()
  expect((await podsNow()).length).toBe(1000)
  await cluster.pass(2000, 100)
  expect((await deployment()).status?.replicas).toBe(1000)
  const writes = cluster.changes.slice(before).filter(({ resource, type }) => resource !== 'pods' && type === 'updated')
  expect(writes.length).toBeLessThan(40)
})
