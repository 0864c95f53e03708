import { Client } from '../../../core/client.ts'
import { createEventRecorder } from '../../../core/events.ts'
import { type Fleet, fleets } from '../../../core/fleet.ts'
import type { Send } from '../../../core/http.ts'
import { deployments, events, nodes, pods } from '../../../core/kinds/refs.ts'
import type { Pod } from '../../../core/kinds/types.ts'
import { type InProcess, startInProcess } from '../../../test/in-process.ts'
import { join, scheduleAll } from '../../../test/scheduling.ts'
import { type FakeInstances, fakeInstances } from '../nodes/fake-instances.ts'
import type { Instances } from '../nodes/instances.ts'
import type { NodeSettings } from '../nodes/offers.ts'
import { nodeProvisioner } from './node-provisioner.ts'

const settings: NodeSettings = { arch: 'arm64', zones: ['z-1a', 'z-1b'], maxNodes: 6 }
const MINUTE = 60_000
const namespace = 'default'

let cluster: InProcess
let instances: FakeInstances

beforeEach(async () => {
  instances = fakeInstances({ clock: { now: () => cluster.ports.clock.now(), after: () => ({ cancel: () => {} }) } })
  cluster = await startInProcess({ provisioning: { instances, settings }, nodeMonitorGraceMs: 1e9 })
  await cluster.settled()
})
afterEach(() => cluster.stop())

function podOf(name: string, memory = '64Mi'): Pod {
  const requests = { cpu: '100m', memory }
  return { metadata: { name, namespace }, spec: { containers: [{ name: 'c', image: 'i', resources: { requests } }] } }
}

async function schedule() {
  await scheduleAll(cluster.admin, cluster.ports)
  await cluster.settled()
}

/** Every instance that has no node yet becomes one. */
async function joinAll() {
  const known = new Set((await cluster.admin.list(nodes)).items.map(({ metadata }) => metadata.name))
  for (const { id, type, zone, state } of await instances.list()) {
    if (known.has(id) || state === 'gone') continue
    await join(cluster.admin, cluster.ports, { name: id, type, zone, cpu: '2', memory: '3600Mi' })
  }
  await cluster.settled()
}

const nodeNames = async () => (await cluster.admin.list(nodes)).items.map(({ metadata }) => metadata.name)
const live = async () => (await instances.list()).filter(({ state }) => state !== 'gone').length
const eventsOf = async (name: string) =>
  (await cluster.admin.list(events, { namespace })).items
    .filter(({ involvedObject }) => involvedObject.name === name)
    .map(({ reason, message }) => `${reason}: ${message}`)

test('a cluster starts with no node, makes the ones that a Deployment needs, and returns to none', async () => {
  const labels = { app: 'web' }
  const { spec } = podOf('web', '300Mi')
  await cluster.admin.create(deployments, {
    metadata: { name: 'web', namespace },
    spec: { replicas: 10, selector: { matchLabels: labels }, template: { metadata: { labels }, spec } }
  })
  await cluster.settled()
  expect(instances.launched).toEqual([])
  await schedule()
  expect(instances.launched.map(({ type }) => type)).toEqual(['t4g.medium'])
  const [one] = (await cluster.admin.list(pods, { namespace })).items
  expect(await eventsOf(one?.metadata.name ?? '')).toContain(
    'LaunchingInstance: Launching an instance of t4g.medium in z-1a'
  )
  await joinAll()
  await schedule()
  const placed = (await cluster.admin.list(pods, { namespace })).items.map(({ spec }) => spec?.nodeName)
  expect(new Set(placed)).toEqual(new Set(['i-00000000000000001']))
  await cluster.pass(30 * MINUTE, MINUTE)
  expect(await live()).toBe(1)

  await cluster.admin.delete(deployments, { namespace, name: 'web' })
  await cluster.settled()
  for (const { metadata } of (await cluster.admin.list(pods, { namespace })).items)
    await cluster.admin.delete(pods, { namespace, name: metadata.name ?? '' }, { gracePeriodSeconds: 0 })
  await cluster.pass(4 * MINUTE, MINUTE)
  expect(await live()).toBe(1)
  await cluster.pass(3 * MINUTE, 10_000)
  expect([await live(), await nodeNames()]).toEqual([0, []])
  await cluster.pass(10 * MINUTE, MINUTE)
  expect(instances.launched).toHaveLength(1)
  expect(instances.terminated).toEqual(['i-00000000000000001'])
  const { launches, leaving, empty } = await cluster.admin.get(fleets, { name: 'nodes' })
  expect([launches, leaving, empty ?? {}]).toEqual([[], [], {}])
})

test('two that run at once launch once', async () => {
  const beside = cluster.startBeside()
  for (const name of ['a', 'b', 'c']) await cluster.admin.create(pods, podOf(name))
  await schedule()
  await beside.idle()
  await cluster.pass(MINUTE, 10_000)
  expect(instances.launched).toHaveLength(1)
  await beside.stop()
})

test('an instance that never joins is replaced', async () => {
  await cluster.admin.create(pods, podOf('a'))
  await schedule()
  await cluster.pass(5 * MINUTE + 1_000, 10_000)
  expect(instances.terminated).toEqual(['i-00000000000000001'])
  await cluster.pass(MINUTE, 10_000)
  expect(instances.launched).toHaveLength(2)
  expect(await live()).toBe(1)
})

test('another type is launched where the platform has none of the first', async () => {
  instances.lacking.add('t4g.nano')
  await cluster.admin.create(pods, podOf('a'))
  await schedule()
  expect(instances.launched.map(({ type }) => type)).toEqual(['t4g.micro'])
})

test('a pod that no instance would take is told so, and nothing is launched', async () => {
  await cluster.admin.create(pods, podOf('a', '900Gi'))
  await schedule()
  await cluster.pass(10 * MINUTE, MINUTE)
  expect(instances.launched).toEqual([])
  const told = await eventsOf('a')
  expect(told).toEqual(['NoInstanceForPod: 0/62 instance types and zones would do: 62 Insufficient memory'])
})

test('a node whose instance ended outside goes, and its pods are made room for elsewhere', async () => {
  await cluster.admin.create(pods, podOf('a'))
  await schedule()
  await joinAll()
  await schedule()
  await instances.terminate('i-00000000000000001')
  const body = { spec: { taints: [{ key: 'x', effect: 'NoSchedule' }] } }
  await cluster.admin.patch(nodes, { name: 'i-00000000000000001' }, { type: 'merge', body })
  await cluster.settled()
  expect(await nodeNames()).toEqual([])
})

/** A reconciler that dies at a call, chosen by the seed: before it took place, or after. */
class Killed extends Error {}

function killing(seed: number) {
  let state = seed
  const next = () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
    return state / 2_147_483_648
  }
  const around = async <T>(call: () => Promise<T>): Promise<T> => {
    const dies = next()
    if (dies < 0.15) throw new Killed('before a call')
    const result = await call()
    if (dies > 0.85) throw new Killed('after a call')
    return result
  }
  const of = (inner: Instances): Instances => ({
    launch: (request) => around(() => inner.launch(request)),
    list: () => around(() => inner.list()),
    states: (ids) => around(() => inner.states(ids)),
    terminate: (id) => around(() => inner.terminate(id))
  })
  return { around, of, next }
}

/** Runs without memory, as functions do: each may die at any call, two may run at once. */
async function runs(seed: number, count: number) {
  const { ports, api } = cluster
  const { around, of, next } = killing(seed)
  const send: Send = (request) => around(() => api(request))
  const run = async () => {
    const client = new Client(send, { username: 'p', groups: ['system:masters', 'system:authenticated'] })
    const recorder = createEventRecorder({ client: cluster.admin, component: 'node-provisioner', ports })
    const context = { client, reader: client, events: recorder, ports, config: { caCertificate: '', kinds: () => [] } }
    const controller = nodeProvisioner({ instances: of(instances), settings })
    await controller.reconcile('nodes', { ...context, enqueue: () => {} }).catch((error: Error) => {
      const expected =
        error instanceof Killed || ['Conflict', 'AlreadyExists'].includes((error as { reason?: string }).reason ?? '')
      if (!expected) throw error
    })
  }
  for (let i = 0; i < count; i++) await (next() < 0.3 ? Promise.all([run(), run()]) : run())
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])('killed at any call, nothing is doubled or lost (seed %i)', async (seed) => {
  await cluster.reconciler.stop()
  for (const name of ['a', 'b', 'c']) await cluster.admin.create(pods, podOf(name))
  await scheduleAll(cluster.admin, cluster.ports)
  await runs(seed, 40)
  expect(instances.launched).toHaveLength(1)
  await joinNow()
  await scheduleAll(cluster.admin, cluster.ports)
  await runs(seed + 100, 10)
  const waiting = (await cluster.admin.list(pods, { fieldSelector: 'spec.nodeName=' })).items
  expect([waiting, instances.launched.length]).toEqual([[], 1])
  for (const name of ['a', 'b', 'c']) await cluster.admin.delete(pods, { namespace, name }, { gracePeriodSeconds: 0 })
  for (let minute = 0; minute < 8; minute++) {
    await runs(seed * 1_000 + minute, 12)
    await cluster.ports.advance(MINUTE)
  }
  await runs(seed + 200, 40)
  const fleet: Fleet = await cluster.admin.get(fleets, { name: 'nodes' })
  expect([await live(), await nodeNames(), fleet.launches, fleet.leaving]).toEqual([0, [], [], []])
  expect(instances.launched).toHaveLength(1)
})

async function joinNow() {
  for (const { id, type, zone } of await instances.list())
    await join(cluster.admin, cluster.ports, { name: id, type, zone, memory: '3600Mi' })
}
