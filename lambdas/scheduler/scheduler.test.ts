import { afterEach, beforeEach, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { Client } from '../../core/client.ts'
import type { EventRecorder } from '../../core/events.ts'
import type { Change } from '../../core/feed.ts'
import type { ApiResponse, Send } from '../../core/http.ts'
import { nodes, pods } from '../../core/kinds/refs.ts'
import type { Pod } from '../../core/kinds/types.ts'
import { nodeLedgers, requestedOf } from '../../core/ledger.ts'
import type { Resource } from '../../core/object.ts'
import { ADMIN, createTestApi, type TestApi } from '../../test/test-api.ts'
import { ledgerEffect } from '../api/ledger-effect.ts'
import { type Scheduler, startScheduler } from './scheduler.ts'

let api: TestApi
let client: Client
let events: string[]
let schedulers: Scheduler[]

beforeEach(async () => {
  api = await createTestApi({ effects: [ledgerEffect] })
  client = new Client(api.api.handle, ADMIN)
  events = []
  schedulers = []
})

afterEach(async () => {
  for (const scheduler of schedulers) await scheduler.stop()
  await api.close()
})

const recorder: EventRecorder = {
  event: (about, _, reason, message) => events.push(`${(about as Resource).metadata.name} ${reason}: ${message}`),
  flush: async () => {}
}

type Feed = Parameters<typeof startScheduler>[0]['feed']

function start(through: Send = api.api.handle, feed: Feed = (listener) => api.store.onChange(listener)): Scheduler {
  const scheduler = startScheduler({
    client: new Client(through, ADMIN),
    feed,
    ports: api.ports,
    recorder
  })
  schedulers.push(scheduler)
  return scheduler
}

async function addNode(name: string, cpu = '2', extra: object = {}): Promise<void> {
  const status = { allocatable: { cpu, memory: '8Gi', pods: '110' }, capacity: { cpu, memory: '8Gi', pods: '110' } }
  await client.create(nodes, { metadata: { name, labels: { 'kubernetes.io/hostname': name } }, status, ...extra })
}

async function addPod(name: string, cpu = '1', spec: object = {}): Promise<Pod> {
  const containers = [{ name: 'c', image: 'i', resources: { requests: { cpu } } }]
  return await client.create(pods, { metadata: { name, namespace: 'default' }, spec: { containers, ...spec } })
}

/** Resolves when `holds` does; asked again at each change of the store. */
async function until<T>(holds: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const changed = Promise.withResolvers<void>()
    const off = api.store.onChange(() => changed.resolve())
    try {
      const answer = await holds()
      if (answer !== undefined && answer !== false) return answer
      await changed.promise
    } finally {
      off()
    }
  }
}

const get = (name: string) => client.get(pods, { namespace: 'default', name })
const boundTo = (name: string) => until(async () => (await get(name)).spec?.nodeName)
const reasonOf = (name: string) =>
  until(async () =>
    (await get(name)).status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'False')
  )
const ledger = async (name: string) => await client.find(nodeLedgers, { name })

test('a pod gets a node, the ledger books it, an event says so; its end makes room', async () => {
  await addNode('n1')
  start()
  await addPod('a', '1500m')
  expect(await boundTo('a')).toBe('n1')
  expect(requestedOf((await ledger('n1')) ?? { metadata: {}, pods: {} })).toEqual({ cpu: 1500 })
  expect((await get('a')).status?.conditions).toMatchObject([{ type: 'PodScheduled', status: 'True' }])
  await addPod('b', '1')
  expect(await reasonOf('b')).toMatchObject({
    reason: 'Unschedulable',
    message:
      '0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.'
  })
  expect((await get('b')).status?.phase).toBe('Pending')
  await client.patch(
    pods,
    { namespace: 'default', name: 'a' },
    { type: 'merge', subresource: 'status', body: { status: { phase: 'Succeeded' } } }
  )
  expect(await boundTo('b')).toBe('n1')
  expect(Object.keys((await ledger('n1'))?.pods ?? {})).toEqual(['default/b'])
  expect(events).toContain('a Scheduled: Successfully assigned default/a to n1')
  expect(events.some((text) => text.startsWith('b FailedScheduling: 0/1 nodes'))).toBe(true)
})

test('pods that waited before it started, and a node that comes later', async () => {
  await addPod('a')
  start()
  expect((await reasonOf('a')).message).toBe('no nodes available to schedule pods')
  await addNode('n1')
  expect(await boundTo('a')).toBe('n1')
})

test('a lifted gate, a removed taint', async () => {
  await addNode('n1', '2', { spec: { taints: [{ key: 'k', effect: 'NoSchedule' }] } })
  await addPod('gated', '1', { schedulingGates: [{ name: 'g.example.com/g' }] })
  start()
  await addPod('a')
  expect((await reasonOf('a')).message).toMatch('untolerated taint(s)')
  await client.patch(nodes, { name: 'n1' }, { type: 'merge', body: { spec: { taints: null } } })
  expect(await boundTo('a')).toBe('n1')
  expect((await get('gated')).spec?.nodeName).toBeUndefined()
  await client.patch(
    pods,
    { namespace: 'default', name: 'gated' },
    { type: 'json', body: [{ op: 'remove', path: '/spec/schedulingGates' }] }
  )
  expect(await boundTo('gated')).toBe('n1')
})

test('another scheduler’s pods are left alone', async () => {
  await addNode('n1')
  await addPod('other', '1', { schedulerName: 'mine' })
  start()
  await addPod('a')
  await boundTo('a')
  expect((await get('other')).spec?.nodeName).toBeUndefined()
})

test('the API refuses a binding without room, and says why', async () => {
  await addNode('n1', '1')
  await addPod('a', '1')
  await addPod('b', '1')
  const bind = (name: string) =>
    client.createSubresource(
      pods,
      { namespace: 'default', name, subresource: 'binding' },
      {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name, namespace: 'default' },
        target: { kind: 'Node', name: 'n1' }
      }
    )
  await bind('a')
  await expect(bind('b')).rejects.toMatchObject({
    reason: 'Conflict',
    code: 409,
    message: 'Operation cannot be fulfilled on pods/binding "b": node "n1" has no room: Insufficient cpu'
  })
  expect((await get('b')).spec?.nodeName).toBeUndefined()
})

/** Lets each answer wait a while, and some requests never reach the API. */
function unreliable(random: () => number): Send {
  return async (request): Promise<ApiResponse> => {
    await turns(random() * 5)
    if (random() < 0.05) {
      const status = { kind: 'Status', status: 'Failure', reason: 'ServiceUnavailable', message: 'lost', code: 503 }
      return {
        status: 503,
        headers: {},
        body: { payload: { value: status, bytes: () => Buffer.from(JSON.stringify(status)) } }
      }
    }
    const answer = await api.api.handle(request)
    await turns(random() * 5)
    return answer
  }
}

/** Each change comes some time later, some twice, in any order: schedulers see different parts of the world. */
function slow(random: () => number): Feed {
  const store = api.store
  return (listener) => {
    let open = true
    const deliver = async (change: Change) => {
      await turns(random() * 30)
      if (open) listener([change])
    }
    const off = store.onChange((changes) => {
      for (const change of changes) for (let times = random() < 0.1 ? 2 : 1; times > 0; times--) void deliver(change)
    })
    return () => {
      open = false
      off()
    }
  }
}

async function turns(count: number): Promise<void> {
  for (let left = count; left > 0; left--) await new Promise((resolve) => setImmediate(resolve))
}

function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

test('any number of schedulers at once never sell a node’s room twice', async () => {
  const history = fc.record({
    seed: fc.nat(),
    schedulers: fc.integer({ min: 2, max: 4 }),
    nodes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }),
    pods: fc.array(fc.record({ milli: fc.constantFrom(200, 500, 900, 1500), port: fc.boolean(), ends: fc.boolean() }), {
      minLength: 5,
      maxLength: 25
    })
  })
  await fc.assert(
    fc.asyncProperty(history, async (given) => {
      const own = await createTestApi({ effects: [ledgerEffect] })
      api = own
      client = new Client(own.api.handle, ADMIN)
      const random = seeded(given.seed)
      for (const [i, cores] of given.nodes.entries()) await addNode(`n${i}`, String(cores))
      let worst = 0
      const off = own.store.onChange((changes) => {
        for (const { resource, object } of changes)
          if (resource === nodeLedgers.group.concat('/', nodeLedgers.resource))
            worst = Math.max(worst, excess(object as never))
      })
      const running = Array.from({ length: given.schedulers }, () => start(unreliable(random), slow(random)))
      for (const [i, one] of given.pods.entries()) {
        await addPod(
          `p${i}`,
          `${one.milli}m`,
          one.port
            ? {
                containers: [
                  {
                    name: 'c',
                    image: 'i',
                    ports: [{ containerPort: 1, hostPort: 7000 }],
                    resources: { requests: { cpu: `${one.milli}m` } }
                  }
                ]
              }
            : {}
        )
        if (one.ends && random() < 0.5) await client.delete(pods, { namespace: 'default', name: `p${i}` })
        await new Promise((resolve) => setImmediate(resolve))
      }
      await turns(60)
      for (const scheduler of running) await scheduler.idle()
      const all = (await client.list(pods)).items
      for (const scheduler of running) await scheduler.stop()
      off()
      expect(worst).toBe(0)
      await expectLedgersMatch(all)
      await own.close()
    }),
    { numRuns: 25 }
  )
  api = await createTestApi({})
}, 60_000)

/** By how much a ledger's pods exceed its node: thousandths of a core, and pods that share a host port. */
function excess(of: Parameters<typeof requestedOf>[0]): number {
  const ports = Object.values(of.pods).filter((pod) => pod.ports !== undefined).length
  return Math.max(0, (requestedOf(of).cpu ?? 0) - (of.node?.allocatable?.cpu ?? 0)) + Math.max(0, ports - 1)
}

/** Each bound pod is in its node's ledger, and in no other; no ledger holds a pod that is not. */
async function expectLedgersMatch(all: readonly Pod[]): Promise<void> {
  const booked = (await client.list(nodeLedgers)).items.flatMap(({ metadata, pods }) =>
    Object.keys(pods).map((key) => `${metadata.name} ${key}`)
  )
  const bound = all.flatMap(({ metadata, spec }) =>
    spec?.nodeName ? [`${spec.nodeName} default/${metadata.name}`] : []
  )
  expect(booked.sort()).toEqual(bound.sort())
}
