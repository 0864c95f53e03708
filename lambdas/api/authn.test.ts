import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { SignJWT } from 'jose'
import type { Store } from '../../store/store.ts'
import { NOW, put, remove, type TestPorts, testPorts, testStore } from '../../test/api-fixture.ts'
import { createAuthenticator, type TokenAuthenticator } from './authn.ts'
import { signingKeyOf } from './keys.ts'
import { mintUserToken, SERVICE_ACCOUNT_ISSUER, type ServiceAccountClaims, signServiceAccountToken } from './tokens.ts'

const newKey = () =>
  signingKeyOf(
    generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  )
const keys = { serviceAccount: newKey(), userToken: createSecretKey(Buffer.alloc(32, 7)) }
const other = { serviceAccount: newKey(), userToken: createSecretKey(Buffer.alloc(32, 8)) }

let ports: TestPorts
let store: Store
let authenticator: TokenAuthenticator
const claims: ServiceAccountClaims = {
  namespace: 'ns',
  serviceaccount: { name: 'sa', uid: 'sa-1' },
  pod: { name: 'p', uid: 'pod-1' },
  node: { name: 'n1', uid: 'node-1' }
}

beforeEach(async () => {
  ports = testPorts()
  store = testStore(ports)
  authenticator = createAuthenticator({ keys, store, ports })
  await put(store, 'serviceaccounts', { metadata: { namespace: 'ns', name: 'sa', uid: 'sa-1' } })
  await put(store, 'pods', { metadata: { namespace: 'ns', name: 'p', uid: 'pod-1' } })
})

const accountToken = async (audiences = [SERVICE_ACCOUNT_ISSUER], key = keys.serviceAccount) =>
  (await signServiceAccountToken(key, { claims, audiences, expiresSeconds: 600, ports })).token

const ask = (authorization?: string, certificate?: { commonName: string; organizations: string[] }) =>
  authenticator.authenticate(
    {
      method: 'GET',
      path: '/',
      query: new URLSearchParams(),
      headers: authorization === undefined ? {} : { authorization }
    },
    certificate === undefined ? {} : { certificate }
  )

describe('authentication', () => {
  test('a client certificate names its user and groups', async () => {
    expect(await ask(undefined, { commonName: 'system:node:n1', organizations: ['system:nodes'] })).toEqual({
      username: 'system:node:n1',
      groups: ['system:nodes', 'system:authenticated']
    })
  })

  test.each([[undefined], ['Basic abc'], ['Bearer'], ['']])('%p counts as no credentials', async (header) => {
    expect(await ask(header)).toBeUndefined()
  })

  test('a user token names its user; none is the same as the cluster gives to accounts', async () => {
    const token = await mintUserToken(keys.userToken, { user: 'admin', groups: ['system:masters'], ports })
    expect(await ask(`bearer ${token}`)).toEqual({
      username: 'admin',
      groups: ['system:masters', 'system:authenticated']
    })
  })

  test('a service account token', async () => {
    expect(await ask(`Bearer ${await accountToken()}`)).toEqual({
      username: 'system:serviceaccount:ns:sa',
      uid: 'sa-1',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:ns', 'system:authenticated'],
      extra: {
        'authentication.kubernetes.io/credential-id': [expect.stringMatching(/^JTI=[0-9a-f-]{36}$/)],
        'authentication.kubernetes.io/node-name': ['n1'],
        'authentication.kubernetes.io/node-uid': ['node-1'],
        'authentication.kubernetes.io/pod-name': ['p'],
        'authentication.kubernetes.io/pod-uid': ['pod-1']
      }
    })
  })

  const hs256 = async (issuer: string, key: Uint8Array) =>
    await new SignJWT({ groups: ['system:masters'], 'kubernetes.io': claims })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(issuer)
      .setAudience(issuer)
      .setSubject('system:serviceaccount:ns:sa')
      .setExpirationTime(NOW / 1000 + 600)
      .sign(key)

  test.each<[string, () => Promise<string>]>([
    ['no token at all', async () => 'garbage'],
    ['three parts of nonsense', async () => 'a.b.c'],
    ['a JSON payload that is no object', async () => `a.${Buffer.from('"x"').toString('base64url')}.c`],
    ["another cluster's user token", () => mintUserToken(other.userToken, { user: 'x', groups: [], ports })],
    ["another cluster's account token", () => accountToken(undefined, other.serviceAccount)],
    ['another audience', () => accountToken(['vault'])],
    [
      'the public key used as a secret',
      () =>
        hs256(
          SERVICE_ACCOUNT_ISSUER,
          Buffer.from(keys.serviceAccount.publicKey.export({ type: 'spki', format: 'pem' }))
        )
    ],
    ['an unknown issuer', () => hs256('https://elsewhere', Buffer.alloc(32, 7))],
    [
      'no signature',
      async () => {
        const [header = '', payload] = (await accountToken()).split('.')
        expect(header).not.toBe('')
        return `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`
      }
    ],
    [
      'another payload',
      async () => {
        const [header, payload = '', signature] = (await accountToken()).split('.')
        const changed = Buffer.from(payload, 'base64url')
          .toString()
          .replaceAll('"sa"', '"admin"')
          .replaceAll(':sa', ':admin')
        return `${header}.${Buffer.from(changed).toString('base64url')}.${signature}`
      }
    ]
  ])('refuses %s', async (_what, make) => {
    const token = await make()
    await expect(ask(`Bearer ${token}`)).rejects.toMatchObject({
      reason: 'Unauthorized',
      code: 401,
      message: 'Unauthorized',
      details: undefined
    })
  })

  test('a token ends at its time, also when it was seen before', async () => {
    const token = await accountToken()
    await ask(`Bearer ${token}`)
    ports.advance(601_000)
    await expect(ask(`Bearer ${token}`)).rejects.toThrow('Unauthorized')
    const user = await mintUserToken(keys.userToken, { user: 'u', groups: [], expiresSeconds: 5, ports })
    await ask(`Bearer ${user}`)
    ports.advance(6_000)
    await expect(ask(`Bearer ${user}`)).rejects.toThrow('Unauthorized')
  })

  test.each([
    ['its account is deleted', () => remove(store, 'serviceaccounts', 'ns/sa')],
    [
      'its account is another one of the name',
      () => put(store, 'serviceaccounts', { metadata: { namespace: 'ns', name: 'sa', uid: 'sa-2' } })
    ],
    ['its pod is deleted', () => remove(store, 'pods', 'ns/p')],
    [
      'its pod is another one of the name',
      () => put(store, 'pods', { metadata: { namespace: 'ns', name: 'p', uid: 'pod-2' } })
    ]
  ])('a known token is refused once %s', async (_what, change) => {
    const token = await accountToken()
    await ask(`Bearer ${token}`)
    await change()
    await expect(ask(`Bearer ${token}`)).rejects.toThrow('Unauthorized')
  })

  test('a review says for which audiences a token is good, after another review too', async () => {
    const token = await accountToken(['vault', 'db'])
    const audiences = async (...wanted: string[]) => (await authenticator.reviewToken(token, wanted))?.audiences
    expect(await audiences('db', 'web')).toEqual(['db'])
    expect(await audiences('web')).toBeUndefined()
    expect(await audiences()).toBeUndefined()
    expect(await audiences('vault', 'db')).toEqual(['vault', 'db'])
  })
})
