import { Client } from '../../core/client.ts'
import type { Change } from '../../core/feed.ts'
import { events, nodes, pods } from '../../core/kinds/refs.ts'
import type { Pod } from '../../core/kinds/types.ts'
import { ADMIN, createTestApi, type TestApi } from '../../test/test-api.ts'
import { ledgerEffect } from '../api/ledger-effect.ts'
import { createSchedulerFunction, type SchedulerFunction } from './function.ts'

let api: TestApi
let client: Client
/** Every number of the log that the function was not told of yet. */
let untold: { resource: string; version: number }[]
let asked: string[]

beforeEach(async () => {
  api = await createTestApi({ effects: [ledgerEffect] })
  client = new Client(api.api.handle, ADMIN)
  untold = []
  asked = []
  api.store.onChange((changes) => {
    for (const { resource, version = 0 } of changes) untold.push({ resource, version })
  })
})
afterEach(() => api.close())

/** Another process each time. */
function scheduler(changes = (resource: string, versions: readonly number[]) => api.store.changes(resource, versions)) {
  const send = new Client(async (request) => {
    asked.push(`${request.method} ${request.path}`)
    return await api.api.handle(request)
  }, ADMIN)
  return createSchedulerFunction({ client: send, ports: api.ports, changes })
}

const invocation = { remainingMs: () => 60_000 }

async function tell(made: SchedulerFunction = scheduler()): Promise<void> {
  await made.stream(untold.splice(0), invocation)
}

async function addNode(name: string, cpu: string): Promise<void> {
  const amounts = { cpu, memory: '8Gi', pods: '110' }
  await client.create(nodes, { metadata: { name }, status: { allocatable: amounts, capacity: amounts } })
}

async function addPod(name: string, cpu = '1'): Promise<void> {
  const containers = [{ name: 'c', image: 'i', resources: { requests: { cpu } } }]
  await client.create(pods, { metadata: { name, namespace: 'default' }, spec: { containers } })
}

const nodeOf = async (name: string) => (await client.get(pods, { namespace: 'default', name })).spec?.nodeName

test('pods of a change get their nodes; one that waits gets its own in the invocation that hears of room', async () => {
  await addNode('n1', '2')
  await addPod('a')
  await addPod('b', '1500m')
  await tell()
  expect([await nodeOf('a'), await nodeOf('b')]).toEqual(['n1', undefined])
  await addNode('n2', '2')
  await tell()
  expect(await nodeOf('b')).toBe('n2')
  await addPod('c', '1500m')
  await tell()
  expect(await nodeOf('c')).toBeUndefined()
  await client.delete(pods, { namespace: 'default', name: 'b' }, { gracePeriodSeconds: 0 })
  await tell()
  expect(await nodeOf('c')).toBe('n2')
})

test('what helps nobody makes no request; twice told and out of order is no harm', async () => {
  await addNode('n1', '4')
  await addPod('a')
  const all = [...untold].reverse()
  await tell()
  const made = scheduler()
  await made.stream([...all, ...all], invocation)
  expect(await nodeOf('a')).toBe('n1')
  untold.length = 0
  const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
  await client.patch(
    pods,
    { namespace: 'default', name: 'a' },
    { type: 'merge', subresource: 'status', body: { status } }
  )
  asked.length = 0
  await tell()
  expect(asked).toEqual([])
})

test('a pod that waits is told why once, however many look', async () => {
  await addPod('a')
  for (let i = 0; i < 3; i++) await scheduler().tick(invocation)
  const { items } = await client.list(events, { namespace: 'default' })
  expect(items.map(({ reason, count }) => [reason, count])).toEqual([['FailedScheduling', 1]])
  const pod = await client.get(pods, { namespace: 'default', name: 'a' })
  expect(pod.status?.conditions).toMatchObject([
    { type: 'PodScheduled', message: 'no nodes available to schedule pods' }
  ])
})

test('a record that cannot be read, a pod that cannot be judged or bound: the others get their nodes', async () => {
  await addNode('n1', '4')
  for (const name of ['a', 'b', 'c']) await addPod(name)
  const broken = new Client(async (request) => {
    if (request.path.endsWith('/pods/b/binding')) throw new Error('never')
    const answer = await api.api.handle(request)
    const list = 'payload' in answer.body ? (answer.body.payload.value as { items?: Pod[] }) : {}
    if (request.query.has('wherryIndex'))
      for (const pod of list.items ?? []) if (pod.metadata.name === 'c') Object.assign(pod, { spec: { containers: 5 } })
    return answer
  }, ADMIN)
  const lost = async (): Promise<readonly Change[]> => {
    throw new Error('a chunk is lost')
  }
  await createSchedulerFunction({ client: broken, ports: api.ports, changes: lost }).stream(untold, invocation)
  expect([await nodeOf('a'), await nodeOf('b')]).toEqual(['n1', undefined])
}, 30_000)

test('where no ledger can be read the batch has failed', async () => {
  await addPod('a')
  const broken = new Client(async (request) => {
    if (request.path.includes('nodeledgers')) throw new Error('never')
    return await api.api.handle(request)
  }, ADMIN)
  const made = createSchedulerFunction({
    client: broken,
    ports: api.ports,
    changes: (resource, versions) => api.store.changes(resource, versions)
  })
  await expect(tell(made)).rejects.toThrow('not all pods could be tried')
}, 30_000)
