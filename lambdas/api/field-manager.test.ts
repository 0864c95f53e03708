import type { Kind } from '../../core/kinds/kind.ts'
import { kindTable } from '../../core/kinds/table.ts'
import { context, kinds, resourceRequest, testPorts, testStore, user } from '../../test/api-fixture.ts'
import { createTestApi, type TestApi } from '../../test/test-api.ts'
import { managerOf, writerOf } from './field-manager.ts'

const requestOf = (given: { query?: string; agent?: string; username?: string }) => ({
  method: 'POST' as const,
  path: '/',
  query: new URLSearchParams(given.query ?? ''),
  headers: given.agent === undefined ? {} : { 'user-agent': given.agent },
  ...(given.username === undefined ? {} : { user: user(given.username) })
})

test.each<[string, Parameters<typeof requestOf>[0], string]>([
  ['the query', { query: 'fieldManager=me', agent: 'kubectl/1' }, 'me'],
  ['the client', { query: 'fieldManager=', agent: 'kubectl/v1.35.0 (linux/amd64)' }, 'kubectl'],
  ['a client without a version', { agent: 'curl' }, 'curl'],
  ['what can be printed of it', { agent: 'a\u0007b\u200bc d/1' }, 'abc d'],
  ['at most 128 bytes of it', { agent: `${'ä'.repeat(70)}/1` }, 'ä'.repeat(64)],
  ['an empty one', { agent: '', username: 'system:node:n1' }, ''],
  ['a node in this process', { username: 'system:node:n1' }, 'kubelet'],
  ['the scheduler', { username: 'system:kube-scheduler' }, 'kube-scheduler'],
  ['a controller', { username: 'system:serviceaccount:kube-system:job-controller' }, 'kube-controller-manager'],
  ['anybody else', { username: 'admin' }, '']
])('%s names the manager', (_, given, expected) => {
  expect(managerOf(requestOf(given))).toBe(expected)
})

test.each<[Kind, string | undefined, string, string]>([
  [kinds.pods, undefined, 'status', 'spec'],
  [kinds.pods, 'status', 'spec', 'status'],
  [kinds.configMaps, undefined, '', 'status']
])('%# what a way cannot change is ignored', (kind, subresource, ignored, kept) => {
  const ports = testPorts()
  const store = testStore(ports)
  const at = { ...resourceRequest({ kind }), subresource }
  const { top } = writerOf(at, context(store, ports)).ignored
  expect([...top].join()).toBe(ignored)
  expect(top.has(kept)).toBe(false)
})

describe('managedFields', () => {
  const PODS = '/api/v1/namespaces/default/pods'
  const pod = (name: string, more: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, ...more },
    spec: { containers: [{ name: 'c', image: 'x' }] }
  })
  const owners = (object: { metadata: { managedFields?: { manager: string; subresource?: string }[] } }) =>
    object.metadata.managedFields?.map(({ manager, subresource }) => [manager, subresource ?? ''].join('/'))
  let api: TestApi

  beforeEach(async () => {
    api = await createTestApi({ kinds: kindTable.all })
  })

  afterEach(async () => {
    await api.close()
  })

  test('are those of who wrote what, through which door', async () => {
    await api.ask('POST', `${PODS}?fieldManager=maker`, { body: pod('a') })
    await api.ask('PATCH', `${PODS}/a/status?fieldManager=agent`, {
      body: { status: { message: 'm' } },
      headers: { 'content-type': 'application/merge-patch+json' }
    })
    const { body } = await api.ask('GET', `${PODS}/a`)
    expect(owners(body)).toEqual(['agent/status', 'maker/'].toSorted((a, b) => (a < b ? -1 : 1)))
    expect(body.metadata.managedFields).toContainEqual(
      expect.objectContaining({ manager: 'agent', fieldsV1: { 'f:status': { 'f:message': {} } } })
    )
  })

  test('are forgotten when a client asks so, and not kept again until somebody applies', async () => {
    await api.ask('POST', `${PODS}?fieldManager=maker`, { body: pod('a') })
    const reset = {
      body: { metadata: { managedFields: [{}] } },
      headers: { 'content-type': 'application/merge-patch+json' }
    }
    expect(owners((await api.ask('PATCH', `${PODS}/a`, reset)).body)).toBeUndefined()
    const label = { body: { metadata: { labels: { a: 'b' } } }, headers: reset.headers }
    expect(owners((await api.ask('PATCH', `${PODS}/a`, label)).body)).toBeUndefined()
  })

  test('of a status writer cannot be sent along', async () => {
    await api.ask('POST', `${PODS}?fieldManager=maker`, { body: pod('a') })
    const sent = { ...pod('a', { managedFields: [] }), status: { message: 'm' } }
    const { body } = await api.ask('PUT', `${PODS}/a/status?fieldManager=agent`, { body: sent })
    expect(owners(body)?.toSorted()).toEqual(['agent/status', 'maker/'])
  })

  test('go when the object is too large only with them', async () => {
    const data = Object.fromEntries(Array.from({ length: 25_000 }, (_, i) => [`key-number-${i}`, 'x'.repeat(18)]))
    const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'large' }, data }
    const answer = await api.ask('POST', '/api/v1/namespaces/default/configmaps', { body })
    expect(answer.status).toBe(201)
    expect(owners(answer.body)).toBeUndefined()
  })

  test('do not change when nothing else does', async () => {
    const first = await api.ask('POST', `${PODS}?fieldManager=maker`, { body: pod('a') })
    const same = await api.ask('PUT', `${PODS}/a?fieldManager=other`, { body: first.body })
    expect(same.body.metadata.resourceVersion).toBe(first.body.metadata.resourceVersion)
  })
})
