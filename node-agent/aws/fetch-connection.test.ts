import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { CAUGHT_UP, Client } from '../../core/client.ts'
import { pods } from '../../core/kinds/refs.ts'
import { connectByFetch } from './fetch-connection.ts'

let server: Server
let url: string
let serve: (request: IncomingMessage, response: ServerResponse) => void = () => {}
let renewals = 0
const token = { token: async () => `t${renewals}`, renew: () => void renewals++ }
let client: Client

beforeAll(async () => {
  server = createServer((request, response) => serve(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/prod`
})
afterAll(() => new Promise((resolve) => server.close(resolve)))
beforeEach(() => {
  client = new Client(connectByFetch({ url, token }))
})

const json = (response: ServerResponse, status: number, value: unknown) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
const status = (code: number, reason: string, message: string) => ({ kind: 'Status', code, reason, message })

describe('the API behind API Gateway', () => {
  test('is asked under its path, with the token and the object', async () => {
    let seen: unknown
    serve = async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      const body = JSON.parse(Buffer.concat(chunks).toString())
      seen = { method: request.method, url: request.url, token: request.headers.authorization, body }
      json(response, 201, body)
    }
    const made = await client.create(pods, { metadata: { name: 'p', namespace: 'default' } })
    expect(made.metadata.name).toBe('p')
    expect(seen).toEqual({
      method: 'POST',
      url: '/prod/api/v1/namespaces/default/pods',
      token: `Bearer t${renewals}`,
      body: { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'p', namespace: 'default' } }
    })
  })

  test('a watch comes in lines, wherever its bytes are cut', async () => {
    const line = (type: string, metadata: object) => `${JSON.stringify({ type, object: { metadata } })}\n`
    const text =
      line('ADDED', { name: 'ä', resourceVersion: '3' }) +
      line('BOOKMARK', { resourceVersion: '4', annotations: { [CAUGHT_UP]: 'true' } })
    serve = async (_, response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      const bytes = Buffer.from(text)
      for (let at = 0; at < bytes.length; at += 41)
        await new Promise<void>((resolve) => response.write(bytes.subarray(at, at + 41), () => resolve()))
      response.end()
    }
    const events = []
    for await (const batch of client.watch(pods, { untilNow: true }, new AbortController().signal))
      events.push(...batch)
    expect(events.map(({ type, object }) => [type, object.metadata.name, object.metadata.resourceVersion])).toEqual([
      ['ADDED', 'ä', '3'],
      ['BOOKMARK', undefined, '4']
    ])
  })

  test('refusals of the API and of what stands before it', async () => {
    const refused = async (code: number, value: unknown) => {
      serve = (_, response) => void json(response, code, value)
      return await client.get(pods, { namespace: 'a', name: 'b' }).catch((error) => `${error.code} ${error.reason}`)
    }
    expect(await refused(404, status(404, 'NotFound', 'no'))).toBe('404 NotFound')
    expect(await refused(429, { message: 'Too Many Requests' })).toBe('429 TooManyRequests')
    expect(await refused(502, { message: 'Internal server error' })).toBe('503 ServiceUnavailable')
    expect(await refused(403, { message: 'Missing Authentication Token' })).toBe('503 ServiceUnavailable')
  })

  test('a token that is refused is not shown again', async () => {
    const before = renewals
    serve = (_, response) => void json(response, 401, status(401, 'Unauthorized', 'Unauthorized'))
    await expect(client.get(pods, { namespace: 'a', name: 'b' })).rejects.toMatchObject({ reason: 'Unauthorized' })
    expect(renewals).toBe(before + 1)
  })

  test('an API that is away is a 503', async () => {
    const away = new Client(connectByFetch({ url: 'http://127.0.0.1:1', token }))
    await expect(away.get(pods, { namespace: 'a', name: 'b' })).rejects.toMatchObject({
      code: 503,
      reason: 'ServiceUnavailable'
    })
  })
})
