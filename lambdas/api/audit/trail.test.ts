import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { createTestApi, linesOf, requestOf, type TestApi } from '../../../test/test-api.ts'
import { type AuditPolicy, auditPolicy } from './policy.ts'

let lines: Record<string, unknown>[]
let server: TestApi
const start = async (policy: Omit<AuditPolicy, 'kind'>) => {
  lines = []
  const { store, ports } = await createTestApi()
  const read = auditPolicy({ apiVersion: 'audit.k8s.io/v1', kind: 'Policy', ...policy })
  const audit = { policy: read, ports, write: (line: string) => void lines.push(JSON.parse(line)) }
  server = await createTestApi({ store, ports, audit })
  lines.length = 0
}
beforeEach(() => {
  lines = []
})
afterEach(() => server.close())

const configMap = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name }, data: { k: 'v' } })
const PATH = '/api/v1/namespaces/default/configmaps'
const of = (stage: string) => lines.filter((line) => line.stage === stage)

test('a request is told of when it comes and when it is answered, with who and what', async () => {
  await start({ rules: [{ level: 'Metadata' }] })
  const headers = { 'user-agent': 'kubectl', 'audit-id': '11111111-2222-4333-8444-555555555555' }
  const answer = await server.ask('POST', `${PATH}?fieldManager=me`, { body: configMap('a'), headers })
  expect(answer.headers['audit-id']).toBe(headers['audit-id'])
  expect(lines.map(({ stage }) => stage)).toEqual(['RequestReceived', 'ResponseComplete'])
  expect(lines[1]).toEqual({
    kind: 'Event',
    apiVersion: 'audit.k8s.io/v1',
    level: 'Metadata',
    auditID: headers['audit-id'],
    stage: 'ResponseComplete',
    requestURI: `${PATH}?fieldManager=me`,
    verb: 'create',
    user: { username: 'admin', groups: ['system:masters', 'system:authenticated'] },
    userAgent: 'kubectl',
    objectRef: { resource: 'configmaps', namespace: 'default', name: 'a', apiVersion: 'v1' },
    responseStatus: { metadata: {}, code: 201 },
    requestReceivedTimestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/),
    stageTimestamp: expect.stringMatching(/Z$/),
    annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' }
  })
})

test('levels say how much of the objects is told; stages may be left out', async () => {
  await start({
    omitStages: ['RequestReceived'],
    omitManagedFields: true,
    rules: [
      { level: 'None', verbs: ['get'] },
      { level: 'Request', verbs: ['create'] },
      { level: 'RequestResponse', verbs: ['delete'] },
      { level: 'Metadata' }
    ]
  })
  await server.ask('POST', PATH, { body: configMap('a') })
  await server.ask('GET', `${PATH}/a`)
  await server.ask('DELETE', `${PATH}/a`)
  await server.ask('GET', PATH)
  expect(lines.map(({ verb, level }) => [verb, level])).toEqual([
    ['create', 'Request'],
    ['delete', 'RequestResponse'],
    ['list', 'Metadata']
  ])
  expect(lines[0]?.requestObject).toMatchObject({ kind: 'ConfigMap', data: { k: 'v' } })
  expect([lines[0]?.responseObject, lines[2]?.requestObject]).toEqual([undefined, undefined])
  expect(lines[1]?.responseObject).toMatchObject({ kind: 'Status', status: 'Success' })
})

test('a refusal is told with its reason', async () => {
  await start({ rules: [{ level: 'Metadata' }] })
  await server.ask('GET', `${PATH}/none`)
  expect(of('ResponseComplete')[0]?.responseStatus).toEqual({
    metadata: {},
    status: 'Failure',
    message: 'configmaps "none" not found',
    reason: 'NotFound',
    details: { name: 'none', kind: 'configmaps' },
    code: 404
  })
})

test('whoever acts as another is told with both', async () => {
  await start({ rules: [{ level: 'Metadata' }] })
  await server.ask('GET', PATH, { headers: { 'impersonate-user': 'jane' } })
  const [event] = of('ResponseComplete')
  expect(event?.user).toMatchObject({ username: 'admin' })
  expect(event?.impersonatedUser).toMatchObject({ username: 'jane' })
})

test('a watch is told of when it begins and when it has ended', async () => {
  await start({ rules: [{ level: 'RequestResponse' }] })
  const ended = new AbortController()
  const request = requestOf('GET', `${PATH}?watch=true&resourceVersion=0`, { signal: ended.signal })
  const response = await server.api.handle(request)
  expect(lines.map(({ stage }) => stage)).toEqual(['RequestReceived', 'ResponseStarted'])
  ended.abort()
  await linesOf(response)
  expect(lines.map(({ stage }) => stage)).toEqual(['RequestReceived', 'ResponseStarted', 'ResponseComplete'])
})
