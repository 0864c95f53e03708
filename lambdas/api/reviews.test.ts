import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { beforeEach, describe, expect, test } from '@jest/globals'
import type { UserInfo } from '../../core/http.ts'
import type { KubeObject } from '../../core/object.ts'
import type { Store } from '../../store/store.ts'
import {
  admin,
  context,
  node1,
  put,
  resourceRequest,
  type TestPorts,
  testPorts,
  testStore,
  user
} from '../../test/api-fixture.ts'
import { createAuthenticator } from './authn.ts'
import { createAuthorizer } from './authz.ts'
import { signingKeyOf } from './keys.ts'
import { openIdPaths } from './openid.ts'
import { type VirtualKind, virtualKinds } from './reviews.ts'
import { mintUserToken } from './tokens.ts'

const GROUP = 'rbac.authorization.k8s.io'
const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keys = {
  serviceAccount: signingKeyOf(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()),
  userToken: createSecretKey(Buffer.alloc(32, 7))
}
let ports: TestPorts
let store: Store
let virtual: readonly VirtualKind[]

beforeEach(async () => {
  ports = testPorts()
  store = testStore(ports)
  const authorizer = await createAuthorizer(store)
  virtual = virtualKinds({ authorizer, authenticator: createAuthenticator({ keys, store, ports }) })
  await put(store, `${GROUP}/roles`, {
    metadata: { namespace: 'ns', name: 'r' },
    rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['a'] }]
  })
  await put(store, `${GROUP}/clusterroles`, {
    metadata: { name: 'c' },
    rules: [{ verbs: ['get'], nonResourceURLs: ['/x'] }]
  })
  const subjects = [{ kind: 'User', apiGroup: GROUP, name: 'jo' }]
  const ref = (kind: string, name: string) => ({ apiGroup: GROUP, kind, name })
  await put(store, `${GROUP}/rolebindings`, {
    metadata: { namespace: 'ns', name: 'b' },
    roleRef: ref('Role', 'r'),
    subjects
  } as KubeObject)
  await put(store, `${GROUP}/clusterrolebindings`, {
    metadata: { name: 'b' },
    roleRef: ref('ClusterRole', 'c'),
    subjects
  } as KubeObject)
})

async function review(resource: string, body: unknown, who: UserInfo = admin, namespace = 'ns') {
  const found = virtual.find(({ kind }) => kind.resource === resource)
  if (found === undefined) throw new Error(`no ${resource}`)
  const { kind } = found
  const at = resourceRequest({ kind, body, user: who, namespace: kind.namespaced ? namespace : undefined })
  const answer = await found.handler(at, context(store, ports))
  expect(answer.status).toBe(201)
  if (!('payload' in answer.body)) throw new Error('no payload')
  return answer.body.payload.value as {
    kind: string
    apiVersion: string
    spec?: unknown
    status: Record<string, unknown>
  }
}
const status = async (...given: Parameters<typeof review>) => (await review(...given)).status
const failure = (...given: Parameters<typeof review>) =>
  review(...given).then(
    () => 'answered',
    (error: Error) => error.message
  )

describe('reviews', () => {
  test('every one of them is in discovery as Kubernetes lists it', () => {
    expect(virtual.map(({ kind }) => [kind.resource, kind.kind, kind.namespaced, kind.verbs])).toEqual([
      ['selfsubjectreviews', 'SelfSubjectReview', false, ['create']],
      ['tokenreviews', 'TokenReview', false, ['create']],
      ['localsubjectaccessreviews', 'LocalSubjectAccessReview', true, ['create']],
      ['selfsubjectaccessreviews', 'SelfSubjectAccessReview', false, ['create']],
      ['selfsubjectrulesreviews', 'SelfSubjectRulesReview', false, ['create']],
      ['subjectaccessreviews', 'SubjectAccessReview', false, ['create']]
    ])
  })

  test('who am I', async () => {
    const jo = { ...user('jo', 'dev'), extra: { k: ['v'] } }
    expect(await review('selfsubjectreviews', {}, jo)).toEqual({
      kind: 'SelfSubjectReview',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { creationTimestamp: '2026-05-01T12:00:00Z' },
      status: { userInfo: { username: 'jo', groups: ['dev', 'system:authenticated'], extra: { k: ['v'] } } }
    })
  })

  const pods = { verb: 'get', resource: 'pods', namespace: 'ns' }

  test.each<[string, object, UserInfo, object]>([
    [
      'selfsubjectaccessreviews',
      { resourceAttributes: { ...pods, name: 'a' } },
      user('jo'),
      { allowed: true, reason: 'RBAC: allowed by RoleBinding "b/ns" of Role "r" to User "jo"' }
    ],
    ['selfsubjectaccessreviews', { resourceAttributes: { ...pods, name: 'b' } }, user('jo'), { allowed: false }],
    [
      'selfsubjectaccessreviews',
      { nonResourceAttributes: { verb: 'get', path: '/x' } },
      user('jo'),
      { allowed: true, reason: expect.any(String) }
    ],
    [
      'subjectaccessreviews',
      { user: 'jo', resourceAttributes: { ...pods, name: 'a' } },
      admin,
      { allowed: true, reason: expect.any(String) }
    ],
    [
      'subjectaccessreviews',
      { user: 'x', groups: ['system:masters'], resourceAttributes: pods },
      admin,
      { allowed: true }
    ],
    ['localsubjectaccessreviews', { user: 'jo', resourceAttributes: pods }, admin, { allowed: false }],
    [
      'subjectaccessreviews',
      {
        user: 'system:node:n1',
        groups: ['system:nodes'],
        resourceAttributes: {
          verb: 'list',
          resource: 'pods',
          fieldSelector: { requirements: [{ key: 'spec.nodeName', operator: 'In', values: ['n1'] }] }
        }
      },
      admin,
      { allowed: true }
    ]
  ])('%s of %j', async (resource, spec, who, expected) => {
    expect(await status(resource, { spec }, who)).toEqual(expected)
  })

  test.each<[string, unknown, string]>([
    [
      'subjectaccessreviews',
      { spec: { user: 'jo' } },
      '.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified'
    ],
    [
      'subjectaccessreviews',
      { spec: { resourceAttributes: pods } },
      '.authorization.k8s.io "" is invalid: spec.user: Invalid value: "": at least one of user or group must be specified'
    ],
    [
      'selfsubjectaccessreviews',
      {},
      '.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified'
    ],
    [
      'localsubjectaccessreviews',
      { spec: { user: 'jo', resourceAttributes: { ...pods, namespace: 'other' } } },
      '.authorization.k8s.io "" is invalid: spec.resourceAttributes.namespace: Invalid value: "other": must match metadata.namespace'
    ],
    [
      'selfsubjectaccessreviews',
      { metadata: { name: 'x' }, spec: { resourceAttributes: pods, nonResourceAttributes: { path: '/x' } } },
      '.authorization.k8s.io "" is invalid: [spec.nonResourceAttributes: Invalid value: {"Path":"/x","Verb":""}: cannot be specified in combination with resourceAttributes, metadata: Invalid value: {"name":"x"}: must be empty]'
    ],
    ['selfsubjectrulesreviews', { spec: {} }, 'no namespace on request'],
    ['tokenreviews', { spec: {} }, 'token is required for TokenReview in authentication']
  ])('%s of %j: %s', async (resource, body, message) => {
    expect(await failure(resource, body)).toBe(message)
  })

  test.each([
    { spec: 'x' },
    { spec: { user: 7 } },
    { spec: { groups: 'x' } },
    [],
    'text',
    { spec: { resourceAttributes: [] } }
  ])('nonsense is a bad request: %j', async (body) => {
    await expect(review('subjectaccessreviews', body)).rejects.toMatchObject({ reason: 'BadRequest' })
  })

  test('all that I may do', async () => {
    const spec = { spec: { namespace: 'ns' } }
    expect(await status('selfsubjectrulesreviews', spec, user('jo'))).toEqual({
      resourceRules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['a'] }],
      nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/x'] }],
      incomplete: false
    })
    expect(await status('selfsubjectrulesreviews', spec, admin)).toEqual({
      resourceRules: [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'] }],
      nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
      incomplete: false
    })
    expect(await status('selfsubjectrulesreviews', spec, node1)).toMatchObject({
      incomplete: true,
      evaluationError: 'node authorizer does not support user rule resolution'
    })
  })

  test('whose token is it', async () => {
    const token = await mintUserToken(keys.userToken, { user: 'jo', groups: ['dev'], ports })
    expect(await status('tokenreviews', { spec: { token } })).toEqual({
      authenticated: true,
      user: { username: 'jo', groups: ['dev', 'system:authenticated'] },
      audiences: ['https://kubernetes.default.svc.cluster.local']
    })
    expect(await status('tokenreviews', { spec: { token: 'x' } })).toMatchObject({
      user: {},
      error: expect.any(String)
    })
  })
})

test('the keys are published for others to verify tokens', () => {
  const paths = openIdPaths(keys.serviceAccount)
  const json = (path: string) => {
    const body = paths[path]?.().body
    return body !== undefined && 'text' in body ? JSON.parse(body.text) : undefined
  }
  expect(json('/openid/v1/jwks')).toEqual({
    keys: [
      {
        use: 'sig',
        kty: 'EC',
        kid: keys.serviceAccount.id,
        crv: 'P-256',
        alg: 'ES256',
        x: expect.any(String),
        y: expect.any(String)
      }
    ]
  })
  expect(json('/.well-known/openid-configuration')).toMatchObject({
    issuer: 'https://kubernetes.default.svc.cluster.local',
    id_token_signing_alg_values_supported: ['ES256']
  })
})
