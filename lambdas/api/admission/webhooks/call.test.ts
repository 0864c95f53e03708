import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { silentLog, systemPorts } from '../../../../core/system-ports.ts'
import { put, testPorts, testStore } from '../../../../test/api-fixture.ts'
import { createAuthority, issueCertificate } from '../../certificates.ts'
import { createPost, type Post } from './call.ts'

const ports = systemPorts(silentLog)
let server: Server
let port: number
let caBundle: string
let connections = 0
let asked: { host: string | undefined; path: string | undefined; body: string }[]
const store = testStore(testPorts())
let post: Post

beforeAll(async () => {
  const now = ports.clock.now()
  const span = { notBefore: now - 60_000, notAfter: now + 3_600_000, ids: ports.ids }
  const authority = await createAuthority({ commonName: 'hooks', ...span })
  const own = await issueCertificate(authority, { commonName: 'hook', hosts: ['hook.ns.svc'], ...span })
  caBundle = Buffer.from(authority.certificate).toString('base64')
  server = createServer({ key: own.key, cert: own.certificate }, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      asked.push({ host: request.headers.host, path: request.url, body: Buffer.concat(chunks).toString() })
      if (request.url?.startsWith('/never') !== true) response.end('answer')
    })
  })
  server.on('secureConnection', () => void connections++)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
  const spec = { clusterIP: '127.0.0.1', ports: [{ port }] }
  await put(store, 'services', { metadata: { namespace: 'ns', name: 'hook' }, spec })
  await put(store, 'services', { metadata: { namespace: 'ns', name: 'other' }, spec })
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})
beforeEach(() => {
  asked = []
  connections = 0
  post = createPost({ store, ports })
})

const service = (name: string, path?: string) => {
  return { service: { namespace: 'ns', name, port, ...(path === undefined ? {} : { path }) }, caBundle }
}

test('a service is called at its cluster address under its own name, over a connection that is kept', async () => {
  for (const body of ['1', '2', '3'])
    expect(await post({ client: service('hook', '/check'), timeoutSeconds: 7, body })).toMatchObject({
      status: 200,
      body: 'answer'
    })
  expect(asked).toEqual(
    ['1', '2', '3'].map((body) => ({ host: `hook.ns.svc:${port}`, path: '/check?timeout=7s', body }))
  )
  expect(connections).toBe(1)
})

test('a certificate for another service is not taken', async () => {
  await expect(post({ client: service('other'), timeoutSeconds: 7, body: '' })).rejects.toThrow(
    `Post "https://other.ns.svc:${port}/?timeout=7s": tls: failed to verify certificate: x509: certificate is valid for hook.ns.svc, not other.ns.svc`
  )
})

test('who does not answer in time is not waited for', async () => {
  const slow = testPorts()
  const pending = createPost({ store, ports: slow })({ client: service('hook', '/never'), timeoutSeconds: 7, body: '' })
  const settled = pending.catch((error: Error) => error.message)
  while (asked.length === 0) await new Promise((resolve) => setImmediate(resolve))
  slow.advance(7000)
  expect(await settled).toBe(`Post "https://hook.ns.svc:${port}/never?timeout=7s": context deadline exceeded`)
})
