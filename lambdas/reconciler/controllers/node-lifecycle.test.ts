import { events, leases, nodes, pods } from '../../../core/kinds/refs.ts'
import type { Node, Pod, Toleration } from '../../../core/kinds/types.ts'
import { type InProcess, startInProcess } from '../../../test/in-process.ts'
import type { ControllerContext } from '../controller.ts'
import { nodeLifecycleController } from './node-lifecycle.ts'

let cluster: InProcess

beforeEach(async () => {
  cluster = await startInProcess()
  await cluster.settled()
})
afterEach(() => cluster.stop())

const namespace = 'default'

function now(): string {
  return new Date(cluster.ports.clock.now()).toISOString()
}

async function join(name: string, leaseDurationSeconds = 40) {
  await cluster.admin.create(nodes, { metadata: { name } })
  await cluster.admin.create(leases, {
    metadata: { name, namespace: 'kube-node-lease' },
    spec: { holderIdentity: name, leaseDurationSeconds, renewTime: now().replace('Z', '000Z') }
  })
  await report(name)
}

async function report(name: string) {
  const types = ['MemoryPressure', 'DiskPressure', 'PIDPressure']
  const conditions = [
    ...types.map((type) => ({ type, status: 'False', lastHeartbeatTime: now(), lastTransitionTime: now() })),
    { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: now(), lastTransitionTime: now() }
  ]
  await cluster.admin.patch(nodes, { name }, { type: 'merge', subresource: 'status', body: { status: { conditions } } })
  await cluster.settled()
}

async function renew(name: string) {
  const body = { spec: { renewTime: now().replace('Z', '000Z') } }
  await cluster.admin.patch(leases, { namespace: 'kube-node-lease', name }, { type: 'merge', body })
}

async function runPod(name: string, nodeName: string, tolerations: Toleration[] = []) {
  const pod: Pod = {
    metadata: { name, namespace },
    spec: { nodeName, tolerations, containers: [{ name: 'c', image: 'i' }] }
  }
  await cluster.admin.create(pods, pod)
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: now() }] }
  await cluster.admin.patch(pods, { namespace, name }, { type: 'merge', subresource: 'status', body: { status } })
}

/** Time passes in steps of ten seconds; those named keep renewing their leases. */
async function pass(seconds: number, ...alive: string[]) {
  for (let left = seconds; left > 0; left -= 10) {
    await cluster.pass(10_000)
    for (const name of alive) await renew(name)
  }
  await cluster.settled()
}

async function node(name: string): Promise<Node> {
  return await cluster.admin.get(nodes, { name })
}

async function taints(name: string): Promise<string[]> {
  return ((await node(name)).spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`)
}

async function ready(name: string) {
  return (await node(name)).status?.conditions?.find(({ type }) => type === 'Ready')
}

test('a node that reports loses the taints of its beginning and stays ready while it renews its lease', async () => {
  await join('n1')
  expect(await taints('n1')).toEqual([])
  await pass(300, 'n1')
  expect(await ready('n1')).toMatchObject({ status: 'True' })
})

test('a lost node: conditions, taints, pods and events; then it comes back', async () => {
  await join('n1')
  await join('n2')
  await runPod('a', 'n1')
  await pass(30, 'n2')
  expect(await ready('n1')).toMatchObject({ status: 'True' })
  await pass(20, 'n2')
  expect(await ready('n1')).toMatchObject({
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.'
  })
  expect(await ready('n2')).toMatchObject({ status: 'True' })
  expect(await taints('n1')).toEqual([
    'node.kubernetes.io/unreachable:NoSchedule',
    'node.kubernetes.io/unreachable:NoExecute'
  ])
  const pod = await cluster.admin.get(pods, { namespace, name: 'a' })
  expect(pod.status?.conditions?.find(({ type }) => type === 'Ready')?.status).toBe('False')
  const { items } = await cluster.admin.list(events, { namespace })
  const told = items.map(({ reason, message }) => [reason, message])
  expect(items.find(({ message }) => message === 'Node is not ready')?.involvedObject).toMatchObject({
    apiVersion: 'v1',
    kind: 'Pod',
    name: 'a'
  })
  expect(told).toContainEqual(['NodeNotReady', 'Node n1 status is now: NodeNotReady'])
  expect(told).toContainEqual(['NodeNotReady', 'Node is not ready'])
  await renew('n1')
  await report('n1')
  expect(await taints('n1')).toEqual([])
})

test('pods of a lost node are evicted when their toleration ends', async () => {
  await join('n1')
  await join('n2')
  const key = 'node.kubernetes.io/unreachable'
  await runPod('usual', 'n1')
  await runPod('soon', 'n1', [{ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 20 }])
  await runPod('never', 'n1', [{ key, operator: 'Exists', effect: 'NoExecute' }])
  const leaving = async () => {
    const { items } = await cluster.admin.list(pods, { namespace })
    return items.filter(({ metadata }) => metadata.deletionTimestamp !== undefined).map(({ metadata }) => metadata.name)
  }
  await pass(50, 'n2')
  expect(await leaving()).toEqual([])
  await pass(30, 'n2')
  expect(await leaving()).toEqual(['soon'])
  // Admission gave the usual pod 300 seconds.
  await pass(300, 'n2')
  expect((await leaving()).toSorted()).toEqual(['soon', 'usual'])
  const pod = await cluster.admin.get(pods, { namespace, name: 'usual' })
  expect(pod.status?.conditions).toContainEqual(
    expect.objectContaining({ type: 'DisruptionTarget', status: 'True', reason: 'DeletionByTaintManager' })
  )
})

test('when every node is lost, none is emptied; when one comes back, the others are', async () => {
  await join('n1')
  await join('n2')
  await pass(60)
  expect(await taints('n1')).toEqual(['node.kubernetes.io/unreachable:NoSchedule'])
  await renew('n2')
  await report('n2')
  await pass(10, 'n2')
  expect(await taints('n1')).toEqual([
    'node.kubernetes.io/unreachable:NoSchedule',
    'node.kubernetes.io/unreachable:NoExecute'
  ])
})

test('a taint that a user sets evicts at once who does not tolerate it', async () => {
  await join('n1')
  await runPod('a', 'n1')
  await runPod('b', 'n1', [{ key: 'broken', operator: 'Exists' }])
  const body = { spec: { taints: [{ key: 'broken', effect: 'NoExecute' }] } }
  await cluster.admin.patch(nodes, { name: 'n1' }, { type: 'merge', body })
  await cluster.settled()
  const { items } = await cluster.admin.list(pods, { namespace })
  expect(
    items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map((one) => one.metadata.name)
  ).toEqual(['b'])
})

test('a pod that tolerates a taint for a time is evicted after it, whoever controls then', async () => {
  await join('n1', 1_000)
  await runPod('a', 'n1', [{ key: 'broken', operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 60 }])
  const body = { spec: { taints: [{ key: 'broken', effect: 'NoExecute' }] } }
  await cluster.admin.patch(nodes, { name: 'n1' }, { type: 'merge', body })
  await cluster.settled()
  expect((await node('n1')).spec?.taints?.[0]?.timeAdded).toBe(now().replace('.000Z', 'Z'))
  const leaves = async () => (await cluster.admin.get(pods, { namespace, name: 'a' })).metadata.deletionTimestamp
  await pass(40)
  await cluster.restartControllers(async () => {})
  await pass(10)
  expect(await leaves()).toBeUndefined()
  await pass(20)
  expect(await leaves()).toBeDefined()
})

test('each minute the nodes that fell silent are named, until it has been said of them', async () => {
  await join('n1')
  await join('n2')
  const { clock } = cluster.ports
  const controller = nodeLifecycleController()
  const silent = async (afterMs: number) => {
    const ports = { ...cluster.ports, clock: { ...clock, now: () => clock.now() + afterMs } }
    const config = { nodesHeardSince: 0 }
    return await controller.everyMinute?.({ client: cluster.admin, ports, config } as unknown as ControllerContext)
  }
  expect(await silent(39_000)).toEqual([])
  expect(await silent(41_000)).toEqual(['n1', 'n2'])
  await pass(60, 'n1')
  expect(await silent(0)).toEqual([])
  expect(await silent(41_000)).toEqual(['n1'])
})

test('a cordoned node is tainted, an uncordoned one no longer', async () => {
  await join('n1')
  const cordon = async (unschedulable: boolean) => {
    await cluster.admin.patch(nodes, { name: 'n1' }, { type: 'merge', body: { spec: { unschedulable } } })
    await cluster.settled()
    return await taints('n1')
  }
  expect(await cordon(true)).toEqual(['node.kubernetes.io/unschedulable:NoSchedule'])
  expect(await cordon(false)).toEqual([])
})

test('pods of a deleted node are deleted after a while, leaving ones too', async () => {
  await join('n1')
  await runPod('a', 'n1')
  await runPod('b', 'n1')
  await cluster.admin.delete(pods, { namespace, name: 'b' })
  await cluster.admin.delete(nodes, { name: 'n1' })
  await pass(30)
  expect((await cluster.admin.list(pods, { namespace })).items.length).toBe(2)
  await pass(20)
  expect((await cluster.admin.list(pods, { namespace })).items).toEqual([])
})

test('a pod that names a node which never comes is deleted; one whose node comes in time is not', async () => {
  await join('n1')
  await runPod('a', 'n2')
  await runPod('b', 'n3')
  await pass(30, 'n1')
  await join('n3')
  await pass(60, 'n1', 'n3')
  expect((await cluster.admin.list(pods, { namespace })).items.map(({ metadata }) => metadata.name)).toEqual(['b'])
})

test('leaving pods of a node that is declared out of service go at once', async () => {
  await join('n1')
  await join('n2')
  await runPod('a', 'n1', [{ operator: 'Exists' }])
  await runPod('b', 'n1', [{ operator: 'Exists' }])
  await pass(60, 'n2')
  await cluster.admin.delete(pods, { namespace, name: 'a' })
  const taint = { key: 'node.kubernetes.io/out-of-service', value: 'nodeshutdown', effect: 'NoExecute' }
  const taints = [...((await node('n1')).spec?.taints ?? []), taint]
  await cluster.admin.patch(nodes, { name: 'n1' }, { type: 'merge', body: { spec: { taints } } })
  await cluster.settled()
  expect((await cluster.admin.list(pods, { namespace })).items.map(({ metadata }) => metadata.name)).toEqual(['b'])
})

test('beyond the threshold finished pods go, oldest first', async () => {
  await cluster.stop()
  cluster = await startInProcess({ terminatedPodThreshold: 2 })
  await join('n1')
  for (const name of ['a', 'b', 'c']) {
    await runPod(name, 'n1')
    const body = { status: { phase: 'Succeeded' } }
    await cluster.admin.patch(pods, { namespace, name }, { type: 'merge', subresource: 'status', body })
    await cluster.pass(1_000)
  }
  await pass(30, 'n1')
  const { items } = await cluster.admin.list(pods, { namespace })
  expect(
    items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map((one) => one.metadata.name)
  ).toEqual(['b', 'c'])
})

test('a node that promised less often to be heard from is waited for longer', async () => {
  await join('n1', 100)
  await join('n2', 100)
  await pass(90, 'n2')
  expect(await ready('n1')).toMatchObject({ status: 'True' })
  await pass(20, 'n2')
  expect(await ready('n1')).toMatchObject({ status: 'Unknown' })
})
