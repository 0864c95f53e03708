import { configMaps, events, nodes, pods, secrets } from '../../../core/kinds/refs.ts'
import type { Pod, PodSpec } from '../../../core/kinds/types.ts'
import { type InProcess, startInProcess } from '../../../test/in-process.ts'
import { scheduleAll } from '../../../test/scheduling.ts'
import { type FakeTasks, fakeTasks } from '../fargate/fake-tasks.ts'

const namespace = 'default'
let cluster: InProcess
let tasks: FakeTasks

beforeEach(async () => {
  tasks = fakeTasks({ clock: { now: () => cluster.ports.clock.now(), after: () => ({ cancel: () => {} }) } })
  cluster = await startInProcess({ fargate: { tasks } })
  await cluster.settled()
})
afterEach(() => cluster.stop())

/** Bound to the node that stands for Fargate, by its selector alone. */
async function run(name: string, spec: Partial<PodSpec> = {}): Promise<Pod> {
  const pod: Pod = {
    metadata: { name, namespace },
    spec: {
      nodeSelector: { 'wherry.dev/compute': 'fargate' },
      automountServiceAccountToken: false,
      containers: [{ name: 'c', image: 'i' }],
      ...spec
    }
  }
  await cluster.admin.create(pods, pod)
  const body = { apiVersion: 'v1', kind: 'Binding', metadata: { name }, target: { kind: 'Node', name: 'fargate' } }
  await cluster.admin.createSubresource(pods, { namespace, name, subresource: 'binding' }, body)
  await cluster.settled()
  return await get(name)
}

const get = async (name: string) => await cluster.admin.get(pods, { namespace, name })
const uid = ({ metadata }: Pod) => metadata.uid ?? ''
const start = async (pod: Pod) => {
  const containers = [{ name: 'c', state: 'running' as const, id: 'ecs://1' }]
  tasks.change(uid(pod), { state: 'running', ip: '10.9.0.7', startedAt: cluster.ports.clock.now(), containers })
  await cluster.pass(6_000)
}
const eventsOf = async (name: string) =>
  (await cluster.admin.list(events, { namespace })).items
    .filter(({ involvedObject }) => involvedObject.name === name)
    .map(({ reason, message }) => `${reason}: ${message}`)

test('the node is there, ready, kept apart by its taint, and stays so without an agent', async () => {
  const ready = async () => {
    const { spec, status } = await cluster.admin.get(nodes, { name: 'fargate' })
    const condition = status?.conditions?.find(({ type }) => type === 'Ready')
    return [condition?.status, spec?.taints, spec?.podCIDR]
  }
  const expected = ['True', [{ key: 'wherry.dev/fargate', effect: 'NoSchedule' }], undefined]
  expect(await ready()).toEqual(expected)
  await cluster.pass(3_600_000, 60_000)
  expect(await ready()).toEqual(expected)
  await cluster.admin.delete(nodes, { name: 'fargate' })
  await cluster.settled()
  expect(await ready()).toEqual(expected)
})

test('whoever selects it tolerates its taint; others are kept away', async () => {
  const pod = await run('a')
  expect(pod.spec?.tolerations).toContainEqual({ key: 'wherry.dev/fargate', operator: 'Exists', effect: 'NoSchedule' })
  await cluster.admin.create(pods, {
    metadata: { name: 'b', namespace },
    spec: { containers: [{ name: 'c', image: 'i' }] }
  })
  await scheduleAll(cluster.admin, cluster.ports)
  expect((await get('b')).spec?.nodeName ?? '').toBe('')
  expect((await get('b')).spec?.tolerations).not.toContainEqual(expect.objectContaining({ key: 'wherry.dev/fargate' }))
})

test('a pod runs as a task and ends with it', async () => {
  const pod = await run('a', { restartPolicy: 'Never' })
  expect(tasks.ran).toMatchObject([{ pod: uid(pod), key: 'default/a', attempt: 0 }])
  expect((await get('a')).status).toMatchObject({ phase: 'Pending' })
  await start(pod)
  const running = (await get('a')).status
  expect(running).toMatchObject({ phase: 'Running', podIP: '10.9.0.7', containerStatuses: [{ ready: true }] })
  tasks.exit(uid(pod), 3)
  await cluster.pass(61_000)
  const ended = (await get('a')).status
  expect(ended).toMatchObject({
    phase: 'Failed',
    containerStatuses: [{ state: { terminated: { exitCode: 3, reason: 'Error' } } }]
  })
  await cluster.admin.delete(pods, { namespace, name: 'a' })
  await cluster.settled()
  expect(await cluster.admin.find(pods, { namespace, name: 'a' })).toBeUndefined()
  expect(tasks.forgotten).toContain(uid(pod))
})

test('values of ConfigMaps and Secrets are in its environment; while one is missing, it waits', async () => {
  await cluster.admin.create(configMaps, { metadata: { name: 'm', namespace }, data: { color: 'red', size: 'l' } })
  const env = [
    { name: 'COLOR', valueFrom: { configMapKeyRef: { name: 'm', key: 'color' } } },
    { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 's', key: 'p' } } },
    { name: 'BOTH', value: '$(COLOR)-$(PASSWORD)' }
  ]
  await run('a', { containers: [{ name: 'c', image: 'i', env, envFrom: [{ configMapRef: { name: 'm' } }] }] })
  expect(tasks.ran).toEqual([])
  expect((await get('a')).status?.containerStatuses?.[0]?.state?.waiting).toEqual({
    reason: 'CreateContainerConfigError',
    message: 'secret "s" not found'
  })
  await cluster.admin.create(secrets, { metadata: { name: 's', namespace }, stringData: { p: 'x' } } as never)
  await cluster.pass(31_000)
  expect(tasks.ran[0]?.definition.containers[0]?.environment).toEqual({
    color: 'red',
    size: 'l',
    COLOR: 'red',
    PASSWORD: 'x',
    BOTH: 'red-x'
  })
})

test('what a task cannot do fails the pod, by name', async () => {
  const pod = await run('a', {
    hostNetwork: true,
    containers: [{ name: 'c', image: 'i', livenessProbe: { exec: { command: ['x'] } } }]
  })
  expect(pod.status).toMatchObject({
    phase: 'Failed',
    reason: 'NotSupportedByFargate',
    message: 'Fargate cannot run this pod: spec.hostNetwork; spec.containers[c].livenessProbe'
  })
  expect(await eventsOf('a')).toContain(`NotSupportedByFargate: ${pod.status?.message}`)
  expect(tasks.ran).toEqual([])
})

test('what the platform refuses is tried again', async () => {
  tasks.refuse('no such role')
  const pod = await run('a')
  expect(pod.status?.containerStatuses?.[0]?.state?.waiting).toEqual({
    reason: 'CreateContainerError',
    message: 'no such role'
  })
  tasks.refuse(undefined)
  await cluster.pass(31_000)
  expect(tasks.ran).toHaveLength(1)
})

test('a pod that is deleted has its task stopped first', async () => {
  const pod = await run('a')
  await start(pod)
  await cluster.admin.delete(pods, { namespace, name: 'a' })
  await cluster.settled()
  expect((await tasks.find(uid(pod)))?.state).toBe('stopped')
  await cluster.pass(6_000)
  expect(await cluster.admin.find(pods, { namespace, name: 'a' })).toBeUndefined()
})

test('a pod that was removed by force leaves no task behind, also where nobody was told', async () => {
  const [first, second] = [await run('a'), await run('b')]
  await cluster.admin.delete(pods, { namespace, name: 'a' }, { gracePeriodSeconds: 0 })
  await cluster.settled()
  await cluster.restartControllers(async () => {
    await cluster.admin.delete(pods, { namespace, name: 'b' }, { gracePeriodSeconds: 0 })
  })
  await cluster.pass(16_000)
  expect(await tasks.running()).toEqual([])
  expect(tasks.forgotten).toEqual(expect.arrayContaining([uid(first), uid(second)]))
})

test('it runs again after its end, later and later', async () => {
  const pod = await run('a')
  await start(pod)
  tasks.exit(uid(pod), 1)
  await cluster.pass(61_000)
  const status = (await get('a')).status?.containerStatuses?.[0]
  expect([tasks.ran.map(({ attempt }) => attempt), status?.restartCount]).toEqual([[0, 1], 1])
  expect(status?.lastState?.terminated?.exitCode).toBe(1)
})

test('a task that the platform has forgotten: the pod runs again, or has failed where it must not', async () => {
  const [again, once] = [await run('a'), await run('b', { restartPolicy: 'Never' })]
  for (const pod of [again, once]) await start(pod)
  for (const pod of [again, once]) tasks.lose(uid(pod))
  await cluster.pass(61_000)
  expect(tasks.ran.filter(({ pod }) => pod === uid(again)).map(({ attempt }) => attempt)).toEqual([0, 1])
  expect((await get('b')).status).toMatchObject({ phase: 'Failed', reason: 'TaskLost' })
})

test('two that run at once run a pod once', async () => {
  const beside = cluster.startBeside()
  await run('a')
  await beside.idle()
  await cluster.pass(20_000, 5_000)
  await beside.stop()
  expect(tasks.ran).toHaveLength(1)
})
