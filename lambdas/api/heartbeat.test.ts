import type { KubeObject } from '../../core/object.ts'
import { MemoryBackend } from '../../store/backends/memory.ts'
import { Store } from '../../store/store.ts'
import { fakePorts } from '../../test/fake-ports.ts'
import { createTestApi, type TestApi } from '../../test/test-api.ts'

const PATH = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases'
const RESOURCE = 'coordination.k8s.io/leases'

let test_: TestApi
let lease: KubeObject

/** A store that others write to as well: only such a one has heartbeats. */
async function start(exclusive: boolean, namespace = 'kube-node-lease'): Promise<void> {
  const ports = fakePorts()
  const store = new Store({ backend: new MemoryBackend({ exclusive }), ports })
  test_ = await createTestApi({ store, ports })
  await test_.ask('POST', '/api/v1/namespaces', { body: { metadata: { name: namespace } } })
  const spec = { holderIdentity: 'n', leaseDurationSeconds: 40, renewTime: '2026-01-01T00:00:00.000000Z' }
  const made = await test_.ask('POST', PATH.replace('kube-node-lease', namespace), {
    body: { metadata: { name: 'n' }, spec }
  })
  lease = made.body
}

afterEach(async () => await test_.close())

const renewed = (time: string, more: object = {}): KubeObject => ({
  ...lease,
  spec: { ...(lease.spec as object), renewTime: time, ...more }
})
const TIME = '2026-01-01T00:00:10.000000Z'

test('a renewed lease keeps its version, is read as renewed, and uses no number', async () => {
  await start(false)
  const before = await test_.store.version(RESOURCE)
  for (const time of [TIME, '2026-01-01T00:00:20.000000Z']) {
    const answer = await test_.ask('PUT', `${PATH}/n`, { body: renewed(time) })
    expect([answer.status, answer.body.spec.renewTime]).toEqual([200, time])
    expect(answer.body.metadata.resourceVersion).toBe(lease.metadata.resourceVersion)
  }
  const read = await test_.ask('GET', `${PATH}/n`)
  expect(read.body.spec.renewTime).toBe('2026-01-01T00:00:20.000000Z')
  const list = await test_.ask('GET', PATH)
  expect(list.body.items[0].spec.renewTime).toBe('2026-01-01T00:00:20.000000Z')
  expect(await test_.store.version(RESOURCE)).toBe(before)
})

test('a patch of the time alone is a heartbeat, too', async () => {
  await start(false)
  const headers = { 'content-type': 'application/merge-patch+json' }
  const answer = await test_.ask('PATCH', `${PATH}/n`, { headers, body: { spec: { renewTime: TIME } } })
  expect([answer.status, answer.body.spec.renewTime]).toEqual([200, TIME])
  expect(answer.body.metadata.resourceVersion).toBe(lease.metadata.resourceVersion)
})

test.each<[string, () => KubeObject]>([
  ['another holder', () => renewed(TIME, { holderIdentity: 'm' })],
  ['another duration', () => renewed(TIME, { leaseDurationSeconds: 60 })],
  ['a label', () => ({ ...renewed(TIME), metadata: { ...lease.metadata, labels: { a: 'b' } } })],
  ['no time', () => renewed(TIME, { renewTime: undefined })]
])('%s is an ordinary change', async (_, body) => {
  await start(false)
  const answer = await test_.ask('PUT', `${PATH}/n`, { body: body() })
  expect(answer.status).toBe(200)
  expect(Number(answer.body.metadata.resourceVersion)).toBe(Number(lease.metadata.resourceVersion) + 1)
})

test('an older version is refused as ever', async () => {
  await start(false)
  await test_.ask('PUT', `${PATH}/n`, { body: renewed(TIME, { leaseDurationSeconds: 60 }) })
  const answer = await test_.ask('PUT', `${PATH}/n`, { body: renewed(TIME) })
  expect([answer.status, answer.body.reason]).toEqual([409, 'Conflict'])
})

test.each([
  ['where one process has the store for itself', true, 'kube-node-lease'],
  ['of a leader', false, 'kube-system']
])('a lease %s is committed', async (_, exclusive, namespace) => {
  await start(exclusive, namespace)
  const answer = await test_.ask('PUT', `${PATH.replace('kube-node-lease', namespace)}/n`, { body: renewed(TIME) })
  expect(Number(answer.body.metadata.resourceVersion)).toBe(Number(lease.metadata.resourceVersion) + 1)
})
