import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type RequestOptions, request } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { createAuthority, issueCertificate, type KeyPair } from '../../lambdas/api/certificates.ts'
import { startApiProxy } from './api-proxy.ts'

const ports = systemPorts(silentLog)
const end = new AbortController()
let upstream: Server
let authority: KeyPair
let port: number
/** What the API does with the next request. */
let serve: (request: IncomingMessage, response: ServerResponse) => void = () => {}

beforeAll(async () => {
  const valid = { notBefore: Date.now() - 60_000, notAfter: Date.now() + 86_400_000, ids: ports.ids }
  authority = await createAuthority({ commonName: 'kubernetes', ...valid })
  upstream = createServer((asked, answer) => serve(asked, answer))
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  let attempts = 0
  port = await startApiProxy({
    url: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}/prod/`,
    listen: { address: '127.0.0.1', port: 0 },
    certificate: async () => {
      if (attempts++ === 0) throw new Error('the API is away')
      const hosts = ['kubernetes.default.svc', '10.96.0.1']
      return {
        ...(await issueCertificate(authority, { commonName: 'kube-apiserver', hosts, ...valid })),
        notAfter: valid.notAfter
      }
    },
    ports: { ...ports, clock: { ...ports.clock, after: (ms, run) => ports.clock.after(Math.min(ms, 10), run) } },
    signal: end.signal
  })
})
afterAll(async () => {
  end.abort()
  await new Promise((resolve) => {
    upstream.close(resolve)
    upstream.closeAllConnections()
  })
})

/** As a pod: by the service's name and the cluster's authority. */
const ask = (options: RequestOptions) =>
  request({ host: '127.0.0.1', port, servername: 'kubernetes.default.svc', ca: authority.certificate, ...options })
const answered = (sent: ReturnType<typeof ask>) =>
  new Promise<IncomingMessage>((resolve, reject) => sent.once('response', resolve).once('error', reject))
const textOf = async (message: IncomingMessage) => {
  let text = ''
  for await (const chunk of message) text += chunk
  return text
}

describe('the way of pods to the API', () => {
  test('path, query, method, headers, token and body arrive as they were; so does the answer', async () => {
    serve = async (asked, answer) => {
      const { method, url, headers } = asked
      const seen = { method, url, token: headers.authorization, accept: headers.accept, body: await textOf(asked) }
      answer.writeHead(201, { 'content-type': 'application/json', 'x-other': 'kept' }).end(JSON.stringify(seen))
    }
    const headers = { authorization: 'Bearer of-the-pod', accept: 'application/vnd.kubernetes.protobuf' }
    const sent = ask({ method: 'PUT', path: '/api/v1/pods?limit=5&continue=a%2Fb', headers })
    sent.end('hello')
    const answer = await answered(sent)
    expect([answer.statusCode, answer.headers['x-other']]).toEqual([201, 'kept'])
    expect(JSON.parse(await textOf(answer))).toEqual({
      method: 'PUT',
      url: '/prod/api/v1/pods?limit=5&continue=a%2Fb',
      token: 'Bearer of-the-pod',
      accept: 'application/vnd.kubernetes.protobuf',
      body: 'hello'
    })
  })

  test('streams both ways: each side has what the other sent before it has ended', async () => {
    serve = (asked, answer) => {
      answer.writeHead(200)
      asked.on('data', (chunk) => answer.write(`heard ${chunk}`))
      asked.on('end', () => answer.end('end'))
    }
    const sent = ask({ method: 'POST', path: '/' })
    sent.write('one')
    const answer = await answered(sent)
    const next = () => new Promise<string>((resolve) => answer.once('data', (chunk) => resolve(String(chunk))))
    expect(await next()).toBe('heard one')
    sent.write('two')
    expect(await next()).toBe('heard two')
    sent.end()
    expect(await next()).toBe('end')
  })

  test('a pod that goes ends the request; an answer that is cut off is not taken for whole', async () => {
    const gone = new Promise<void>((resolve) => {
      serve = (_, answer) => {
        answer.writeHead(200)
        answer.write('begin')
        answer.once('close', resolve)
      }
    })
    const sent = ask({ path: '/watch' })
    sent.end()
    sent.on('error', () => {})
    await answered(sent)
    sent.destroy()
    await gone
    serve = (_, answer) => {
      answer.writeHead(200, { 'content-length': '100' })
      answer.write('half', () => answer.destroy())
    }
    const other = ask({ path: '/' })
    other.end()
    await expect(answered(other).then(textOf)).rejects.toThrow()
  })

  test('without the cluster’s authority nobody is fooled, and an API that is away is a Status', async () => {
    const stranger = ask({ path: '/', ca: [] })
    stranger.end()
    await expect(answered(stranger)).rejects.toThrow(/certificate|signature/)
    serve = (asked) => asked.socket.destroy()
    const sent = ask({ path: '/api' })
    sent.end()
    const answer = await answered(sent)
    expect(answer.statusCode).toBe(503)
    expect(JSON.parse(await textOf(answer))).toMatchObject({ kind: 'Status', reason: 'ServiceUnavailable' })
  })
})
