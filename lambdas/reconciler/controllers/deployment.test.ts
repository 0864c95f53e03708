import { deployments, events, nodes, pods, replicaSets, serviceAccounts } from '../../../core/kinds/refs.ts'
import type { Deployment, Pod } from '../../../core/kinds/types.ts'
import { type InProcess, startInProcess } from '../../../test/in-process.ts'
import { templateHash } from './deployment-math.ts'

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

test('Recreate waits until the last old pod has ended', async () => {
  await cluster.admin.create(nodes, { metadata: { name: 'n1' } })
  const recreate = (image: string) => {
    const wanted = web(image, 1)
    Object.assign(wanted.spec ?? {}, { strategy: { type: 'Recreate' } })
    return wanted
  }
  await cluster.admin.create(deployments, recreate('a'))
  await cluster.settled()
  const [first] = await podsNow()
  const name = first?.metadata.name ?? ''
  const target = { kind: 'Node', name: 'n1' }
  await cluster.admin.createSubresource(
    pods,
    { namespace: 'default', name, subresource: 'binding' },
    {
      metadata: { name },
      target
    }
  )
  await everyPodReady()
  await change(recreate('b'))
  expect(await sets()).toEqual({ a: [0, 0] })
  const [leaving] = await podsNow()
  expect(leaving?.metadata.deletionTimestamp).toBeDefined()
  const [set] = (await cluster.admin.list(replicaSets, { namespace: 'default' })).items
  expect(set?.status?.terminatingReplicas).toBe(1)
  expect((await deployment()).status?.terminatingReplicas).toBe(1)
  await cluster.admin.delete(pods, { namespace: 'default', name }, { gracePeriodSeconds: 0 })
  await cluster.settled()
  expect(await sets()).toEqual({ a: [0, 0], b: [1, 0] })
})

test('what keeps pods from being made is told, and tried again', async () => {
  const wanted = web('a', 2)
  Object.assign(wanted.spec?.template.spec ?? {}, { serviceAccountName: 'robot' })
  await cluster.admin.create(deployments, wanted)
  await cluster.settled()
  const failure = async () => (await deployment()).status?.conditions?.find(({ type }) => type === 'ReplicaFailure')
  expect(await failure()).toMatchObject({ status: 'True', reason: 'FailedCreate' })
  expect((await failure())?.message).toMatch(/is forbidden: error looking up service account default\/robot/)
  expect(cluster.reconciler.failing()).toMatchObject([{ controller: 'replicaset-controller' }])
  const { items } = await cluster.admin.list(events, { namespace: 'default' })
  expect(items.filter(({ reason }) => reason === 'FailedCreate')[0]).toMatchObject({
    type: 'Warning',
    source: { component: 'replicaset-controller' }
  })
  await cluster.admin.create(serviceAccounts, { metadata: { name: 'robot', namespace: 'default' } })
  await cluster.pass(10_000, 1_000)
  expect((await podsNow()).length).toBe(2)
  expect(await failure()).toBeUndefined()
})

test('another set that has the name leads to another hash', async () => {
  const made = await cluster.admin.create(deployments, web('a', 1), { dryRun: true })
  const hash = templateHash(made.spec?.template, undefined)
  await cluster.admin.create(replicaSets, {
    metadata: { name: `web-${hash}`, namespace: 'default' },
    spec: {
      replicas: 0,
      selector: { matchLabels: { app: 'other' } },
      template: { metadata: { labels: { app: 'other' } }, spec: { containers: [{ name: 'c', image: 'x' }] } }
    }
  })
  await cluster.admin.create(deployments, web('a', 1))
  await cluster.settled()
  expect((await deployment()).status).toMatchObject({ collisionCount: 1, replicas: 1 })
  expect((await podsNow()).length).toBe(1)
})

test('a set without an owner is adopted by the deployment that selects it', async () => {
  const { selector, template } = web('a').spec ?? {}
  await cluster.admin.create(replicaSets, {
    metadata: { name: 'loose', namespace: 'default', labels: { app: 'web' } },
    spec: { replicas: 3, selector: selector ?? {}, ...(template === undefined ? {} : { template }) }
  })
  await cluster.settled()
  await cluster.admin.create(deployments, web('a'))
  await cluster.settled()
  const { items } = await cluster.admin.list(replicaSets, { namespace: 'default' })
  expect(items.map(({ metadata }) => [metadata.name, metadata.ownerReferences?.[0]?.name])).toEqual([['loose', 'web']])
  expect((await deployment()).status).toMatchObject({ replicas: 3, updatedReplicas: 3 })
})

test('old sets beyond the history limit are deleted', async () => {
  await cluster.admin.create(deployments, web('a', 1))
  await change({ spec: { revisionHistoryLimit: 1 } })
  await everyPodReady()
  for (const image of ['b', 'c', 'd']) {
    await change(web(image, 1))
    await everyPodReady()
  }
  expect(await sets()).toEqual({ c: [0, 0], d: [1, 1] })
})
