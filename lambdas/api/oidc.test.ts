import { writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import type { UserInfo } from '../../core/http.ts'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { createAuthority, issueCertificate } from './certificates.ts'
import { type OidcSettings, oidcVerifier } from './oidc.ts'

const ports = systemPorts(silentLog)
let server: Server
let issuerUrl: string
let caFile: string
let keys: { id: string; privateKey: CryptoKey; jwk: JWK }[]
let reads = 0

async function newKey(id: string): Promise<{ id: string; privateKey: CryptoKey; jwk: JWK }> {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { extractable: true })
  return { id, privateKey, jwk: { ...(await exportJWK(publicKey)), kid: id, alg: 'RS256' } }
}

beforeAll(async () => {
  const now = ports.clock.now()
  const span = { notBefore: now - 60_000, notAfter: now + 3_600_000, ids: ports.ids }
  const authority = await createAuthority({ commonName: 'issuer CA', ...span })
  const own = await issueCertificate(authority, { commonName: 'issuer', hosts: ['127.0.0.1'], ...span })
  caFile = join(tmpdir(), `wherry-oidc-${process.pid}.crt`)
  await writeFile(caFile, authority.certificate)
  keys = [await newKey('one')]
  server = createServer({ key: own.key, cert: own.certificate }, (request, response) => {
    if (request.url?.endsWith('/keys') === true) reads++
    const answers: Record<string, unknown> = {
      '/.well-known/openid-configuration': { issuer: issuerUrl, jwks_uri: `${issuerUrl}/keys` },
      '/keys': { keys: keys.map(({ jwk }) => jwk) }
    }
    response.end(JSON.stringify(answers[request.url ?? ''] ?? {}))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  issuerUrl = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => new Promise((resolve) => server.close(resolve)))

interface More {
  readonly key?: number
  readonly audience?: string
  /** Seconds from now. */
  readonly ends?: number
}

async function tokenOf(claims: Record<string, unknown>, more: More = {}): Promise<string> {
  const { id = '', privateKey } = keys[more.key ?? 0] ?? {}
  return await new SignJWT({ sub: 'u1', ...claims })
    .setProtectedHeader({ alg: 'RS256', kid: id })
    .setIssuer(issuerUrl)
    .setAudience(more.audience ?? 'wherry')
    .setExpirationTime(Math.floor(ports.clock.now() / 1000) + (more.ends ?? 600))
    .sign(privateKey as CryptoKey)
}

const verify = async (token: string, settings: Partial<OidcSettings> = {}): Promise<UserInfo | undefined> =>
  await oidcVerifier({ issuerUrl, clientId: 'wherry', caFile, ...settings }, ports).verify(token)

type Row = readonly [string, Record<string, unknown>, Partial<OidcSettings>, () => UserInfo | undefined]

describe('claims', () => {
  const rows: readonly Row[] = [
    ['the subject, under the issuer', {}, {}, () => ({ username: `${issuerUrl}#u1`, groups: [] })],
    ['no prefix', {}, { usernamePrefix: '-' }, () => ({ username: 'u1', groups: [] })],
    [
      'another claim and groups',
      { name: 'jane', roles: ['a', 'b'] },
      { usernameClaim: 'name', usernamePrefix: 'oidc:', groupsClaim: 'roles', groupsPrefix: 'g:' },
      () => ({ username: 'oidc:jane', groups: ['g:a', 'g:b'] })
    ],
    [
      'one group as text',
      { roles: 'a' },
      { usernamePrefix: '-', groupsClaim: 'roles' },
      () => ({ username: 'u1', groups: ['a'] })
    ],
    ['a mail address', { email: 'a@b.c' }, { usernameClaim: 'email' }, () => ({ username: 'a@b.c', groups: [] })],
    [
      'one that is not verified',
      { email: 'a@b.c', email_verified: false },
      { usernameClaim: 'email' },
      () => undefined
    ],
    ['a missing claim', {}, { usernameClaim: 'name' }, () => undefined],
    ['groups that are none', { roles: 5 }, { groupsClaim: 'roles' }, () => undefined],
    [
      'a required claim',
      { team: 'x' },
      { usernamePrefix: '-', requiredClaims: { team: 'x' } },
      () => ({ username: 'u1', groups: [] })
    ],
    ['a required claim that differs', { team: 'y' }, { requiredClaims: { team: 'x' } }, () => undefined]
  ]
  test.each(rows)('%s', async (_what, claims, settings, wanted) => {
    expect(await verify(await tokenOf(claims), settings)).toEqual(wanted())
  })
})

test('tokens for others, expired ones and forged ones are nobody', async () => {
  expect(await verify(await tokenOf({}, { audience: 'other' }))).toBeUndefined()
  expect(await verify(await tokenOf({}, { ends: -600 }))).toBeUndefined()
  const [head, body] = (await tokenOf({})).split('.')
  expect(await verify(`${head}.${body}.AAAA`)).toBeUndefined()
})

test('an issuer that changes its keys is asked again, and not for every wrong token', async () => {
  let now = ports.clock.now()
  const clock = { ...ports.clock, now: () => now }
  const verifier = oidcVerifier({ issuerUrl, clientId: 'wherry', caFile, usernamePrefix: '-' }, { ...ports, clock })
  expect((await verifier.verify(await tokenOf({})))?.username).toBe('u1')
  keys.push(await newKey('two'))
  const before = reads
  const token = await tokenOf({}, { key: 1 })
  expect(await verifier.verify(token)).toBeUndefined()
  expect(reads).toBe(before)
  now += 11_000
  expect((await verifier.verify(token))?.username).toBe('u1')
  expect(reads).toBe(before + 1)
})

test('an issuer that cannot be trusted is an error, not a wrong token', async () => {
  const settings = { issuerUrl, clientId: 'wherry' }
  await expect(oidcVerifier(settings, ports).verify(await tokenOf({}))).rejects.toThrow(/certificate/)
})
