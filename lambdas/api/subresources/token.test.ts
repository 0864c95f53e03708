import { generateKeyPairSync } from 'node:crypto'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { decodeJwt } from 'jose'
import type { Store } from '../../../store/store.ts'
import {
  admin,
  context,
  kinds,
  NOW,
  node1,
  put,
  resourceRequest,
  type TestPorts,
  testPorts,
  testStore
} from '../../../test/api-fixture.ts'
import { DEFAULT_ADDRESSES } from '../addresses.ts'
import { admissionPlugins } from '../admission/registry.ts'
import { createAuthorizer } from '../authz.ts'
import { signingKeyOf } from '../keys.ts'
import { tokenHandler } from './token.ts'

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const key = signingKeyOf(pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
const ISSUER = 'https://kubernetes.default.svc.cluster.local'
let ports: TestPorts
let store: Store

beforeEach(async () => {
  ports = testPorts()
  store = testStore(ports)
  await put(store, 'serviceaccounts', { metadata: { namespace: 'ns', name: 'sa', uid: 'sa-1' } })
  const spec = { serviceAccountName: 'sa', nodeName: 'n1' }
  await put(store, 'pods', { metadata: { namespace: 'ns', name: 'p', uid: 'pod-1' }, spec })
  await put(store, 'pods', { metadata: { namespace: 'ns', name: 'q' }, spec: { serviceAccountName: 'other' } })
  await put(store, 'nodes', { metadata: { name: 'n1', uid: 'node-1' } })
  await put(store, 'secrets', { metadata: { namespace: 'ns', name: 's', uid: 'secret-1' } })
})

async function ask(body: unknown, who = admin, name = 'sa') {
  const at = resourceRequest({ kind: kinds.serviceAccounts, subresource: 'token', name, body, user: who })
  const authorizer = await createAuthorizer(store)
  const admission = admissionPlugins({ ...DEFAULT_ADDRESSES, authorizer, store, ports, kinds: () => [] })
  const answer = await tokenHandler(key)(at, { ...context(store, ports), admission })
  if (!('payload' in answer.body)) throw new Error('no payload')
  const value = answer.body.payload.value as {
    spec: object
    metadata: object
    status: { token: string; expirationTimestamp: string }
  }
  return { status: answer.status, value, claims: decodeJwt(value.status.token) }
}
const bound = (kind: string, name: string, uid?: string) => ({
  spec: { boundObjectRef: { apiVersion: 'v1', kind, name, ...(uid === undefined ? {} : { uid }) } }
})

describe('token requests', () => {
  test('audiences and seconds', async () => {
    const { status, value, claims } = await ask({ spec: { expirationSeconds: 600, audiences: ['x'] } })
    expect(status).toBe(201)
    expect(value).toEqual({
      kind: 'TokenRequest',
      apiVersion: 'authentication.k8s.io/v1',
      metadata: { name: 'sa', namespace: 'ns', uid: expect.any(String), creationTimestamp: '2026-05-01T12:00:00Z' },
      spec: { audiences: ['x'], expirationSeconds: 600, boundObjectRef: null },
      status: { token: expect.any(String), expirationTimestamp: '2026-05-01T12:10:00Z' }
    })
    expect(claims).toMatchObject({
      iss: ISSUER,
      aud: ['x'],
      sub: 'system:serviceaccount:ns:sa',
      iat: NOW / 1000,
      exp: NOW / 1000 + 600,
      'kubernetes.io': { namespace: 'ns', serviceaccount: { name: 'sa', uid: 'sa-1' } }
    })
  })

  test('the defaults: an hour, for the API server itself', async () => {
    expect((await ask({})).value.spec).toEqual({ audiences: [ISSUER], expirationSeconds: 3600, boundObjectRef: null })
  })

  test('the token of every pod lasts a year for clients that never reload it, but says an hour', async () => {
    const { value, claims } = await ask({ spec: { expirationSeconds: 3607 } })
    expect(value.status.expirationTimestamp).toBe('2026-05-01T13:00:07Z')
    expect(claims.exp).toBe(NOW / 1000 + 365 * 24 * 3600)
    expect(claims['kubernetes.io']).toMatchObject({ warnafter: NOW / 1000 + 3607 })
    expect((await ask({ spec: { expirationSeconds: 3607, audiences: ['x'] } })).claims.exp).toBe(NOW / 1000 + 3607)
  })

  test.each([
    [bound('Pod', 'p', 'pod-1'), { pod: { name: 'p', uid: 'pod-1' }, node: { name: 'n1', uid: 'node-1' } }],
    [bound('Pod', 'p'), { pod: { name: 'p', uid: 'pod-1' } }],
    [bound('Secret', 's'), { secret: { name: 's', uid: 'secret-1' } }],
    [bound('Node', 'n1'), { node: { name: 'n1', uid: 'node-1' } }]
  ])('bound: %j', async (body, claims) => {
    expect((await ask(body)).claims['kubernetes.io']).toMatchObject(claims)
  })

  const moved =
    'the UID in the bound object reference (old) does not match the UID in record. The object might have been deleted and then recreated'

  test.each<[unknown, string]>([
    [
      { spec: { expirationSeconds: 599 } },
      'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes'
    ],
    [
      { spec: { expirationSeconds: 2 ** 32 + 1 } },
      'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds'
    ],
    [bound('Pod', 'none'), 'pods "none" not found'],
    [bound('Pod', 'p', 'old'), `Operation cannot be fulfilled on Pod "p": ${moved}`],
    [bound('Pod', 'q'), 'cannot bind token for serviceaccount "sa" to pod running with different serviceaccount name.'],
    [bound('ConfigMap', 'x'), 'cannot bind token to object of type /v1, Kind=ConfigMap'],
    [
      { metadata: { name: 'other' } },
      'TokenRequest.authentication.k8s.io "sa" is invalid: metadata.name: Invalid value: "other": must match the service account name if specified'
    ]
  ])('%j: %s', async (body, message) => {
    await expect(ask(body)).rejects.toThrow(message)
  })

  test.each([
    { spec: 'x' },
    { spec: { audiences: 'x' } },
    { spec: { expirationSeconds: 'x' } },
    { spec: { boundObjectRef: [] } }
  ])('nonsense is a bad request: %j', async (body) => {
    await expect(ask(body)).rejects.toMatchObject({ reason: 'BadRequest' })
  })

  test('an account that is not there', async () => {
    await expect(ask({}, admin, 'none')).rejects.toThrow('serviceaccounts "none" not found')
  })

  test('a node gets tokens for its own pods only', async () => {
    expect((await ask(bound('Pod', 'p', 'pod-1'), node1)).status).toBe(201)
    await expect(ask({}, node1)).rejects.toThrow('node requested token not bound to a pod')
  })
})
