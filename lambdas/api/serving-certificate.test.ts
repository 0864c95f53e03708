import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { ApiResponse } from '../../core/http.ts'
import { type CloudSite, cloudSite } from '../../test/cloud-fixture.ts'
import type { Cloud } from '../cloud/cloud.ts'

let site: CloudSite
let cloud: Cloud
beforeEach(async () => {
  site = cloudSite()
  cloud = await site.open()
})
afterEach(() => site.close())

const NODE = { username: 'system:node:i-1', groups: ['system:nodes', 'system:authenticated'] }
const keyOf = (namedCurve = 'P-256') => generateKeyPairSync('ec', { namedCurve })
const spki = (pair: ReturnType<typeof keyOf>) => pair.publicKey.export({ type: 'spki', format: 'pem' }).toString()

const ask = (body: unknown, user: { username: string; groups: string[] } = NODE): Promise<ApiResponse> =>
  cloud.api.handle({
    method: 'POST',
    path: '/wherry/v1/serving-certificate',
    query: new URLSearchParams(),
    headers: {},
    body: { bytes: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)) },
    user
  })
const contentsOf = ({ body }: ApiResponse) => ('payload' in body ? body.payload.value : {}) as Record<string, string>

test('a node gets a certificate for its key: for the API server’s names and no others, to serve and nothing else', async () => {
  const pair = keyOf()
  const answer = await ask({ publicKey: spki(pair), hosts: ['evil.example'] })
  expect(answer.status).toBe(200)
  const certificate = new X509Certificate(contentsOf(answer).certificate ?? '')
  expect(certificate.verify(new X509Certificate(cloud.keys.authority).publicKey)).toBe(true)
  expect(certificate.checkPrivateKey(pair.privateKey)).toBe(true)
  expect(certificate.subjectAltName?.split(', ')).toEqual([
    'DNS:kubernetes',
    'DNS:kubernetes.default',
    'DNS:kubernetes.default.svc',
    'DNS:kubernetes.default.svc.cluster.local',
    'IP Address:10.96.0.1'
  ])
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
  expect(certificate.ca).toBe(false)
  const days = (Date.parse(certificate.validTo) - Date.now()) / 86_400_000
  expect(days).toBeGreaterThan(29)
  expect(days).toBeLessThan(31)
})

test.each([
  ['nobody', 'system:anonymous', ['system:unauthenticated']],
  ['a pod', 'system:serviceaccount:default:default', ['system:serviceaccounts', 'system:authenticated']]
])('%s gets none', async (_, username, groups) => {
  expect((await ask({ publicKey: spki(keyOf()) }, { username, groups })).status).toBe(403)
})

test.each([
  ['nothing', {}],
  ['no JSON', '{'],
  ['no object', 'null'],
  ['no key', { publicKey: 'x' }],
  ['another curve', { publicKey: spki(keyOf('P-384')) }],
  ['a number', { publicKey: 7 }],
  ['too much', { publicKey: 'x'.repeat(5_000) }]
])('%s is refused', async (_, body) => {
  const answer = await ask(body)
  expect([answer.status, contentsOf(answer).reason]).toEqual([400, 'BadRequest'])
})
