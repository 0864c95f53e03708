import { createServer, type Server } from 'node:http'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals'
import { createTestApi, type TestApi } from '../../../test/test-api.ts'
import { proxyHandler } from './proxy.ts'

let server: Server
let port: number
let api: TestApi

beforeAll(async () => {
  server = createServer((request, response) => {
    if (request.url?.startsWith('/away') === true)
      return void response.writeHead(302, { location: '/back?x=1#y' }).end()
    if (request.url === '/out') return void response.writeHead(302, { location: 'https://example.com/' }).end()
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString()
    })
    request.on('end', () => {
      const { method, url, headers } = request
      response.writeHead(method === 'POST' ? 201 : 200, { 'x-own': 'yes', 'access-control-allow-origin': '*' })
      response.write('{')
      response.end(JSON.stringify({ method, url, headers, body }).slice(1))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as { port: number }).port
})
afterAll(() => new Promise((resolve) => server.close(resolve)))

const NS = '/api/v1/namespaces/default'
const kubelet = { connection: () => Promise.reject(new Error('no agent')) }

beforeEach(async () => {
  api = await createTestApi({ subresources: { proxy: proxyHandler({ kubelet, mayReach: (ip) => ip !== '' }) } })
  const metadata = { name: 'web' }
  const containers = [{ name: 'c', image: 'x', ports: [{ containerPort: port }] }]
  await api.ask('POST', `${NS}/pods`, { body: { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers } } })
  await api.ask('PATCH', `${NS}/pods/web/status`, {
    body: JSON.stringify({ status: { podIP: '127.0.0.1', podIPs: [{ ip: '127.0.0.1' }] } }),
    headers: { 'content-type': 'application/merge-patch+json' }
  })
  const ports = [{ name: 'http', port: 80, targetPort: port }]
  const spec = { clusterIP: 'None', ports }
  await api.ask('POST', `${NS}/services`, {
    body: { apiVersion: 'v1', kind: 'Service', metadata: { name: 's' }, spec }
  })
  await api.ask('POST', `${NS}/services`, {
    body: { apiVersion: 'v1', kind: 'Service', metadata: { name: 'empty' }, spec }
  })
  const subsets = [{ addresses: [{ ip: '127.0.0.1' }], ports: [{ name: 'http', port }] }]
  // The API takes no loopback addresses.
  const endpoints = (name: string, of: object[]) => {
    const object = { apiVersion: 'v1', kind: 'Endpoints', metadata: { name, namespace: 'default' }, subsets: of }
    return { resource: 'endpoints', key: `default/${name}`, expected: 0, object }
  }
  await api.store.commit([endpoints('s', subsets), endpoints('empty', [])])
})
afterEach(() => api.close())

async function through(method: 'GET' | 'POST', path: string, body?: string) {
  const headers = { authorization: 'Bearer secret', 'x-mine': 'a', connection: 'close' }
  const { response } = await api.ask(method, NS + path, { headers, ...(body === undefined ? {} : { body }) })
  if (!('stream' in response.body)) return { status: response.status, headers: response.headers, seen: response.body }
  const parts: Uint8Array[] = []
  for await (const part of response.body.stream) parts.push(part)
  const text = Buffer.concat(parts).toString()
  return { status: response.status, headers: response.headers, seen: text === '' ? '' : JSON.parse(text) }
}

test.each([
  ['a pod by its first port', '/pods/web/proxy/a%20b/c?x=1', '/a%20b/c?x=1'],
  ['a service by the name of its port', '/services/s:http/proxy/', '/'],
  ['a service by the number of its port', '/services/s:80/proxy/x/', '/x/'],
  ['a service with a scheme', '/services/http:s:http/proxy/proxy/y', '/proxy/y']
])('%s', async (_, path, url) => {
  const { status, headers, seen } = await through('GET', path)
  expect([status, seen.method, seen.url]).toEqual([200, 'GET', url])
  expect(seen.headers).toMatchObject({ 'x-mine': 'a', 'x-forwarded-uri': (NS + path).split('?')[0] })
  expect(seen.headers.authorization).toBeUndefined()
  expect(headers['x-own']).toBe('yes')
  expect(headers['access-control-allow-origin']).toBeUndefined()
})

test('a body goes with any method', async () => {
  const { status, seen } = await through('POST', `/pods/web:${port}/proxy/x`, 'hello')
  expect([status, seen.method, seen.body, seen.headers['content-length']]).toEqual([201, 'POST', 'hello', '5'])
})

test('redirects stay within the proxy, or lead out', async () => {
  const path = '/pods/web/proxy'
  expect((await through('GET', `${path}/away`)).headers.location).toBe(`${NS}${path}/back?x=1#y`)
  expect((await through('GET', `${path}/out`)).headers.location).toBe('https://example.com/')
  const root = await through('GET', `${path}?a=b`)
  expect([root.status, root.headers.location]).toEqual([301, `${NS}${path}/?a=b`])
})

test.each([
  ['/pods/none/proxy/', 404, 'pods "none" not found'],
  ['/services/none/proxy/', 404, 'endpoints "none" not found'],
  ['/services/s:81/proxy/', 503, 'no service port 81 found for service "s"'],
  ['/services/s:other/proxy/', 503, 'no endpoints available for service "s:other"'],
  ['/services/empty/proxy/', 503, 'no endpoints available for service "empty"'],
  ['/services/ftp:s:http/proxy/', 400, 'invalid service request "ftp:s:http"'],
  ['/pods/web:1/proxy/', 503, 'error trying to reach service: dial tcp 127.0.0.1:1: connect: connection refused']
])('%s is refused', async (path, status, message) => {
  const { body, ...answer } = await api.ask('GET', NS + path)
  expect([answer.status, body.message]).toEqual([status, message])
})

test('the machine itself is not reached', async () => {
  await api.close()
  api = await createTestApi({ subresources: { proxy: proxyHandler({ kubelet }) } })
  const containers = [{ name: 'c', image: 'x' }]
  await api.ask('POST', `${NS}/pods`, {
    body: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web' }, spec: { containers } }
  })
  for (const podIP of ['127.0.0.1', '169.254.169.254', '::1', '0.0.0.0']) {
    await api.ask('PATCH', `${NS}/pods/web/status`, {
      body: JSON.stringify({ status: { podIP, podIPs: [{ ip: podIP }] } }),
      headers: { 'content-type': 'application/merge-patch+json' }
    })
    const { status, body } = await api.ask('GET', `${NS}/pods/web/proxy/`)
    expect([status, body.message]).toEqual([400, 'address not allowed'])
  }
})
