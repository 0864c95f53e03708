import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import type { ApiRequest, ApiResponse, Send } from '../../core/http.ts'
import { nodes, pods } from '../../core/kinds/refs.ts'
import type { Pod } from '../../core/kinds/types.ts'
import { sleep } from '../../core/ports.ts'
import type { Cloud } from '../../lambdas/cloud/cloud.ts'
import { type CloudSite, cloudSite } from '../../test/cloud-fixture.ts'
import { type FakePorts, fakePorts } from '../../test/fake-ports.ts'
import type { NodeAnswer } from '../answers.ts'
import type { RelayRing } from './queue.ts'
import { Relays } from './relay.ts'

const LOG = '/containerLogs/default/web/c'
const NODE = { username: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] }

let ports: FakePorts
let site: CloudSite
let cloud: Cloud
let asked: { path: string; signal: AbortSignal }[]
let posts: string[]
let end: AbortController
/** What becomes of a post before it arrives; undefined: it arrives. */
let fault: (post: number) => number | undefined

beforeEach(async () => {
  ports = fakePorts()
  site = cloudSite()
  cloud = await site.open({ ports })
  end = new AbortController()
  asked = []
  posts = []
  fault = () => undefined
  const admin = cloud.client('root', 'system:masters')
  await admin.create(nodes, { metadata: { name: 'n1', annotations: { 'wherry.dev/queue-url': 'q' } } })
  const account = { kind: 'ServiceAccount', apiVersion: 'v1', metadata: { name: 'web', namespace: 'default' } }
  await cloud.store.commit([{ resource: 'serviceaccounts', key: 'default/web', expected: 0, object: account }])
  const spec = { nodeName: 'n1', serviceAccountName: 'web', automountServiceAccountToken: false }
  const metadata = { name: 'web', namespace: 'default' }
  await admin.create(pods, { metadata, spec: { ...spec, containers: [{ name: 'c', image: 'i' }] } } as Pod)
})
afterEach(async () => {
  end.abort()
  await site.close()
})

/** The node's way to the API. */
const send: Send = async (request: ApiRequest): Promise<ApiResponse> => {
  const code = fault(posts.length)
  posts.push(`${request.query}${code === undefined ? '' : ` -> ${code}`}`)
  if (code !== undefined) return { status: code, headers: {}, body: { text: '' } }
  return await cloud.api.handle({ ...request, user: NODE })
}

function relays(answer: (path: string, signal: AbortSignal) => Promise<NodeAnswer>): Relays {
  return new Relays({
    send,
    ports,
    signal: end.signal,
    answer: (path, signal) => {
      asked.push({ path, signal })
      return answer(path, signal)
    }
  })
}

/** Rings what is in the queue, as often as it is there. */
async function deliver(to: Relays): Promise<void> {
  for (let i = 0; i < 100 && site.rung.length === 0; i++) await ports.advance(0)
  for (const { message } of site.rung) to.ring((message as { relay: RelayRing }).relay)
}

async function passing<T>(promise: Promise<T>): Promise<T> {
  let over = false
  const done = () => {
    over = true
  }
  promise.then(done, done)
  for (let i = 0; i < 2_000 && !over; i++) await ports.advance(50)
  return await promise
}

const read = (query: string, signal?: AbortSignal) =>
  cloud.api.handle({
    method: 'GET',
    path: '/api/v1/namespaces/default/pods/web/log',
    query: new URLSearchParams(query),
    headers: {},
    user: { username: 'root', groups: ['system:masters'] },
    ...(signal === undefined ? {} : { signal })
  })

function streamOf(response: ApiResponse): AsyncIterable<Uint8Array> {
  if (!('stream' in response.body)) throw new Error(`no stream: ${response.status}`)
  return response.body.stream
}

async function textOf(response: ApiResponse): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of streamOf(response)) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

const ok = (body: AsyncIterable<Uint8Array>): NodeAnswer => ({ status: 200, type: 'text/plain', body })
async function* said(...parts: (string | number)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts)
    if (typeof part === 'number') await sleep(ports.clock, part)
    else yield Buffer.from(part)
}

describe('a log that the API rings for', () => {
  test('goes in one piece where it is short, with its query', async () => {
    const reading = read('tailLines=2&timestamps=true')
    await deliver(relays(async () => ok(said('one\n', 'two\n'))))
    expect(await passing(reading.then(textOf))).toBe('one\ntwo\n')
    expect(asked.map(({ path }) => path)).toEqual([`${LOG}?timestamps=true&tailLines=2`])
    expect(posts).toEqual(['piece=0&status=200&end=true'])
  })

  test('goes on while it is followed: what comes within a moment goes together', async () => {
    const reading = read('follow=true')
    await deliver(relays(async () => ok(said('a', 50, 'b', 1_000, 'c', 5_000, 'd', 100))))
    expect(await passing(reading.then(textOf))).toBe('abcd')
    expect(posts).toEqual(['piece=0&status=200', 'piece=1', 'piece=2&end=true'])
  })

  test('says that it is there before it has anything, and asks in silence whether it is still read', async () => {
    const reading = read('follow=true')
    await deliver(relays(async () => ok(said(25_000, 'late'))))
    expect(await passing(reading.then(textOf))).toBe('late')
    expect(posts).toEqual(['piece=0&status=200', 'piece=1', 'piece=2', 'piece=3&end=true'])
  })

  test('is cut into pieces of 256 KiB where it is long', async () => {
    const line = `${'x'.repeat(1_023)}\n`
    const big = [line.repeat(300), line.repeat(400), line.repeat(100)]
    const reading = read('')
    await deliver(relays(async () => ok(said(...big))))
    expect(await passing(reading.then(textOf))).toBe(big.join(''))
    expect(posts.length).toBe(4)
  })

  test('ends at the node when its reader goes', async () => {
    const reader = new AbortController()
    const reading = read('follow=true', reader.signal)
    const forever = async (_: string, signal: AbortSignal) => ok(untilAborted(signal))
    await deliver(relays(forever))
    const stream = streamOf(await passing(reading))[Symbol.asyncIterator]()
    expect(Buffer.from((await passing(stream.next())).value ?? []).toString()).toBe('begin')
    reader.abort()
    await passing(stream.next())
    for (let i = 0; i < 400 && asked[0]?.signal.aborted === false; i++) await ports.advance(100)
    expect(asked[0]?.signal.aborted).toBe(true)
  })

  test('is answered once however often it is rung, and not at all when it is too late', async () => {
    const reading = read('')
    const to = relays(async () => ok(said('once')))
    await deliver(to)
    await deliver(to)
    expect(await passing(reading.then(textOf))).toBe('once')
    to.ring({ id: 'old', path: LOG, until: ports.clock.now() - 1 })
    await ports.advance(1_000)
    expect(asked.length).toBe(1)
  })

  test('comes whole although posts fail on their way', async () => {
    fault = (post) => ({ 0: 503, 1: 429, 3: 500 })[post]
    const reading = read('follow=true')
    await deliver(relays(async () => ok(said('a', 1_000, 'b', 1_000, 'c'))))
    expect(await passing(reading.then(textOf))).toBe('abc')
    expect(posts.slice(0, 3)).toEqual(['piece=0&status=200 -> 503', 'piece=0&status=200 -> 429', 'piece=0&status=200'])
    expect(posts.slice(3, 5)).toEqual(['piece=1 -> 500', 'piece=1'])
  })

  test.each([
    [404, 'container "c" in pod "web" is not available', 404],
    [500, 'broken', 500]
  ])('is refused with the status %i and the text of the node', async (status, message, expected) => {
    const reading = read('')
    await deliver(relays(async () => ({ status, type: 'text/plain', body: said(message) })))
    const response = await passing(reading)
    expect(response.status === 400 ? 404 : response.status).toBe(expected)
    expect(posts).toEqual([`piece=0&status=${status}&end=true`])
  })

  test('a node that fails to answer says so', async () => {
    const reading = read('')
    await deliver(relays(() => Promise.reject(new Error('no such disk'))))
    const { status, body } = await passing(reading)
    expect([status, JSON.stringify('payload' in body ? body.payload.value : body)]).toEqual([
      500,
      expect.stringContaining('no such disk')
    ])
  })
})

async function* untilAborted(signal: AbortSignal): AsyncGenerator<Uint8Array> {
  yield Buffer.from('begin')
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
}
