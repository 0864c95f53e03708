import type { Answer } from '../../test/test-api.ts'
import { type allowAll, createTestApi, type TestApi } from '../../test/test-api.ts'

const MAPS = '/api/v1/namespaces/default/configmaps'
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments'
const headers = { 'content-type': 'application/apply-patch+yaml' }
const cm = (data: object, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'a', ...metadata },
  data
})
const deployment = (spec: object) => ({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'a' }, spec })
const DEPLOYMENT = deployment({
  replicas: 1,
  selector: { matchLabels: { a: 'b' } },
  template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'x' }] } }
})
const scale = (replicas: number) => ({
  apiVersion: 'autoscaling/v1',
  kind: 'Scale',
  metadata: { name: 'a' },
  spec: { replicas }
})
let t: TestApi

beforeEach(async () => {
  t = await createTestApi()
})

afterEach(async () => {
  await t.close()
})

const apply = (path: string, body: unknown): Promise<Answer> =>
  t.ask('PATCH', path, { body: typeof body === 'string' ? body : JSON.stringify(body), headers })

test.each<[string, { path?: string; body: unknown; status: number; message: string }]>([
  [
    'nobody',
    {
      path: `${MAPS}/a`,
      body: cm({}),
      status: 422,
      message: 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    }
  ],
  [
    'another kind',
    { body: { ...cm({}), kind: 'Secret' }, status: 400, message: 'invalid object type: /v1, Kind=Secret' }
  ],
  ['entries', { body: cm({}, { managedFields: [] }), status: 400, message: 'metadata.managedFields must be nil' }],
  [
    'a field that is none',
    {
      body: { ...cm({}), more: 1 },
      status: 400,
      message: 'failed to create typed patch object (/a; /v1, Kind=ConfigMap): .more: field not declared in schema'
    }
  ],
  [
    'a name that is another',
    {
      body: cm({}, { name: 'b' }),
      status: 400,
      message: 'the name of the object (b) does not match the name on the URL (a)'
    }
  ],
  [
    'no name',
    {
      body: { ...cm({}), metadata: {} },
      status: 400,
      message: 'the name of the object (a based on URL) was undeterminable: name must be provided'
    }
  ],
  [
    'no YAML',
    {
      body: '{"a":',
      status: 400,
      message: 'error decoding YAML: error converting YAML to JSON: yaml: line 1: did not find expected node content'
    }
  ],
  [
    'a list',
    {
      body: '- a',
      status: 400,
      message:
        'error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}'
    }
  ],
  [
    'keys that come twice, when asked to be strict',
    {
      path: `${MAPS}/a?fieldManager=me&fieldValidation=Strict`,
      body: 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  x: "1"\n  x: "2"\n',
      status: 400,
      message:
        'error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 6: key "x" already set in map'
    }
  ],
  [
    'the status of what is not there',
    {
      path: `${DEPLOYMENTS}/a/status?fieldManager=me`,
      body: deployment({}),
      status: 404,
      message: 'deployments.apps "a" not found'
    }
  ],
  [
    'the scale of what is not there',
    {
      path: `${DEPLOYMENTS}/a/scale?fieldManager=me`,
      body: scale(1),
      status: 404,
      message: 'deployments.apps "a" not found'
    }
  ]
])('refuses %s', async (_, { path = `${MAPS}/a?fieldManager=me`, body, status, message }) => {
  const answer = await apply(path, body)
  expect([answer.status, answer.body.message]).toEqual([status, message])
})

test('creates what is missing, and then changes it', async () => {
  const first = await apply(`${MAPS}/a?fieldManager=me`, cm({ x: '1' }))
  expect(first.status).toBe(201)
  const second = await apply(`${MAPS}/a?fieldManager=me`, cm({ y: '1' }))
  expect(second.status).toBe(200)
  expect(second.body.data).toEqual({ y: '1' })
  const same = await apply(`${MAPS}/a?fieldManager=me`, cm({ y: '1' }))
  expect(same.body.metadata.resourceVersion).toBe(second.body.metadata.resourceVersion)
})

test('duplicate keys are warned of with their lines', async () => {
  const answer = await apply(`${MAPS}/a?fieldManager=me`, JSON.stringify(cm({ x: '1' })).replace('"x"', '"x":"0","x"'))
  expect(answer.headers.warning).toBe('299 - "line 1: key \\"x\\" already set in map"')
  expect(answer.body.data).toEqual({ x: '1' })
})

test('who may patch may not create', async () => {
  await t.close()
  const authorizer = {
    authorize: async (of: Parameters<typeof allowAll.authorize>[0]) => ({
      allowed: of.verb !== 'create' || of.resource?.resource === 'namespaces',
      reason: ''
    })
  }
  t = await createTestApi({ authorizer })
  const answer = await apply(`${MAPS}/a?fieldManager=me`, cm({ x: '1' }))
  expect(answer.status).toBe(403)
  expect((await t.ask('GET', `${MAPS}/a`)).status).toBe(404)
})

test('of two that create at once, one creates and the other adds', async () => {
  const answers = await Promise.all([
    apply(`${MAPS}/a?fieldManager=one`, cm({ x: '1' })),
    apply(`${MAPS}/a?fieldManager=two`, cm({ y: '1' }))
  ])
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 201])
  expect((await t.ask('GET', `${MAPS}/a`)).body.data).toEqual({ x: '1', y: '1' })
})

test('a dry run changes nothing', async () => {
  const answer = await apply(`${MAPS}/a?fieldManager=me&dryRun=All`, cm({ x: '1' }))
  expect(answer.status).toBe(201)
  expect((await t.ask('GET', `${MAPS}/a`)).status).toBe(404)
})

test('the scale is a way of its own', async () => {
  await apply(`${DEPLOYMENTS}/a?fieldManager=me`, DEPLOYMENT)
  const refused = await apply(`${DEPLOYMENTS}/a/scale?fieldManager=hpa`, scale(3))
  expect(refused.body.message).toBe('Apply failed with 1 conflict: conflict with "me": .spec.replicas')
  expect((await apply(`${DEPLOYMENTS}/a/scale?fieldManager=hpa&force=true`, scale(3))).status).toBe(200)
  const back = await apply(`${DEPLOYMENTS}/a?fieldManager=me`, DEPLOYMENT)
  expect(back.body.message).toBe(
    'Apply failed with 1 conflict: conflict with "hpa" with subresource "scale": .spec.replicas'
  )
})
