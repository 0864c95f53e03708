import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { type TestPorts, testPorts } from '../../test/api-fixture.ts'
import { loadOrCreateKeys, openKeys } from './keys.ts'
import { verifyUserToken } from './tokens.ts'

const DAY = 24 * 3600 * 1000
let dir: string
let ports: TestPorts

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'wherry-keys-'))
  ports = testPorts()
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

const load = (...hosts: string[]) => loadOrCreateKeys(dir, { hosts, ports })

describe('keys', () => {
  test('a first start makes everything, readable by the owner only', async () => {
    const keys = await load('node.example', '10.96.0.1', 'fd00::1')
    expect(readdirSync(dir).sort()).toEqual([
      'admin.crt',
      'admin.key',
      'apiserver-kubelet-client.crt',
      'apiserver-kubelet-client.key',
      'apiserver.crt',
      'apiserver.key',
      'ca.crt',
      'ca.key',
      'sa.key',
      'sa.pub',
      'user-token.key'
    ])
    for (const file of readdirSync(dir)) expect(statSync(join(dir, file)).mode & 0o777).toBe(0o600)
    const server = new X509Certificate(keys.server.certificate)
    expect(server.verify(new X509Certificate(keys.authority).publicKey)).toBe(true)
    for (const host of ['localhost', 'kubernetes.default.svc.cluster.local', 'node.example'])
      expect(server.checkHost(host)).toBe(host)
    for (const ip of ['127.0.0.1', '::1', '10.96.0.1', 'fd00::1']) expect(server.checkIP(ip)).toBe(ip)
    expect(new X509Certificate(keys.admin.certificate).subject).toBe('O=system:masters\nCN=kubernetes-admin')
  })

  test('a later start reads what is there', async () => {
    const first = await load('a.example')
    const second = await load('a.example')
    for (const part of ['server', 'admin', 'kubeletClient'] as const) expect(second[part]).toEqual(first[part])
    expect(second.authority).toBe(first.authority)
    expect(second.serviceAccount.id).toBe(first.serviceAccount.id)
  })

  test.each([
    ['a name that is not in it', () => load('a.example', 'b.example'), { server: true, admin: false, ca: false }],
    ['less than 30 days left', () => later(336), { server: true, admin: true, ca: false }],
    ['the CA about to expire', () => later(3621), { server: true, admin: true, ca: true }],
    ['a certificate of another key', () => swapKeys(), { server: true, admin: false, ca: false }]
  ])('renews for %s', async (_why, again, renewed) => {
    const before = await load('a.example')
    const after = await again()
    expect({
      server: after.server.certificate !== before.server.certificate,
      admin: after.admin.certificate !== before.admin.certificate,
      ca: after.authority !== before.authority
    }).toEqual(renewed)
    // What the old CA signed stays good under a renewed one: it keeps its key.
    expect(new X509Certificate(before.admin.certificate).verify(new X509Certificate(after.authority).publicKey)).toBe(
      true
    )
  })

  async function later(days: number) {
    ports.advance(days * DAY)
    return await load('a.example')
  }

  async function swapKeys() {
    writeFileSync(join(dir, 'apiserver.key'), readFileSync(join(dir, 'admin.key')))
    return await load('a.example')
  }

  test('issues node certificates', async () => {
    const keys = await load()
    const name = { commonName: 'system:node:n1', organizations: ['system:nodes'] }
    const client = new X509Certificate((await keys.issueClientCertificate(name)).certificate)
    expect(client.subject).toBe('O=system:nodes\nCN=system:node:n1')
    expect(client.subjectAltName).toBeUndefined()
    const server = new X509Certificate(
      (await keys.issueServingCertificate({ ...name, hosts: ['10.0.0.7'] })).certificate
    )
    expect(server.checkIP('10.0.0.7')).toBe('10.0.0.7')
    expect(client.serialNumber).not.toBe(server.serialNumber)
  })

  test('the command line mints tokens from the folder alone', async () => {
    const keys = await load()
    const mint = await openKeys(dir, ports)
    const token = await mint.mintUserToken({ user: 'jo', groups: ['dev'], expiresSeconds: 60 })
    const verify = (now: number) => verifyUserToken(token, keys.userToken, now)
    expect(await verify(ports.clock.now())).toEqual({
      user: { username: 'jo', groups: ['dev'] },
      expires: ports.clock.now() + 60_000
    })
    expect(await verify(ports.clock.now() + 61_000)).toBeUndefined()
    await expect(openKeys(join(dir, 'none'), ports)).rejects.toThrow('ENOENT')
  })
})
