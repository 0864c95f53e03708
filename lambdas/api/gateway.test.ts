import type { Readable } from 'node:stream'
import { gunzipSync } from 'node:zlib'
import type { ApiResponse } from '../../core/http.ts'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { type FakePorts, fakePorts } from '../../test/fake-ports.ts'
import { restEvent } from '../../test/gateway-events.ts'
import { createTestApi, type TestApi } from '../../test/test-api.ts'
import { createGateway, type Gateway, type WholeAnswer } from './gateway.ts'

const GZIP = { 'accept-encoding': ['gzip'] }

function bytesOf({ body, isBase64Encoded, headers }: WholeAnswer): Buffer {
  const bytes = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8')
  return headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes
}

function lines(
  text: string
): { type: string; object: { kind: string; metadata: Record<string, string>; code?: number } }[] {
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
}

describe('the API behind API Gateway', () => {
  let ports: FakePorts
  let api: TestApi
  let gateway: Gateway

  beforeEach(async () => {
    ports = fakePorts()
    api = await createTestApi({ ports })
    gateway = createGateway({ open: async () => api.api, ports })
  })
  afterEach(() => api.close())

  const create = async (name: string, data: Record<string, string> = {}) => {
    const body = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name }, data }
    expect((await api.ask('POST', '/api/v1/namespaces/default/configmaps', { body })).status).toBe(201)
  }
  /** Lets time pass in small steps until it is answered; how long that took, in milliseconds. */
  const passing = async <T>(promise: Promise<T>): Promise<{ answer: T; ms: number }> => {
    let over = false
    const done = () => {
      over = true
    }
    promise.then(done, done)
    const start = ports.clock.now()
    for (let i = 0; i < 4_000 && !over; i++) await ports.advance(i < 20 ? 0 : 100)
    return { answer: await promise, ms: ports.clock.now() - start }
  }
  const whole = async (target: string, headers: Record<string, string[]> = {}, remainingMs = 60_000) =>
    await passing(gateway.whole(restEvent('GET', target, { headers }), remainingMs))
  const WATCH = '/api/v1/namespaces/default/configmaps?watch=true'

  test('answers with text, and with bytes as base64', async () => {
    const { answer } = await whole('/api/v1/namespaces/default')
    expect(answer).toMatchObject({ statusCode: 200, isBase64Encoded: false })
    expect(answer.headers).toMatchObject({ 'content-type': 'application/json', 'cache-control': 'no-cache, private' })
    expect(JSON.parse(answer.body)).toMatchObject({ kind: 'Namespace', metadata: { name: 'default' } })
    const accept = ['application/com.github.proto-openapi.spec.v2@v1.0+protobuf']
    const { answer: binary } = await whole('/openapi/v2', { accept })
    expect(binary).toMatchObject({ statusCode: 200, isBase64Encoded: true })
    expect(bytesOf(binary).length).toBeGreaterThan(100_000)
  })

  test('a failure is a Status, and a HEAD has no body', async () => {
    const { answer } = await whole('/api/v1/namespaces/nowhere')
    expect([answer.statusCode, JSON.parse(answer.body).reason]).toEqual([404, 'NotFound'])
    const head = await passing(gateway.whole(restEvent('HEAD', '/version'), 60_000))
    expect(head.answer).toMatchObject({ statusCode: 200, body: '' })
    const large = restEvent('POST', '/api/v1/namespaces', { body: 'x'.repeat(3 * 1024 * 1024 + 1) })
    const refused = await passing(gateway.whole(large, 60_000))
    expect([refused.answer.statusCode, JSON.parse(refused.answer.body).message]).toEqual([
      413,
      'Request entity too large: limit is 3145728'
    ])
  })

  test('a large list is packed for who takes gzip, and refused clearly where it does not fit', async () => {
    for (let i = 0; i < 8; i++) await create(`c${i}`, { text: 'abcdefgh'.repeat(90_000) })
    // Packing takes real time.
    const real = createGateway({ open: async () => api.api, ports: systemPorts(silentLog) })
    const answer = await real.whole(restEvent('GET', '/api/v1/configmaps', { headers: GZIP }), 60_000)
    expect(answer).toMatchObject({ statusCode: 200, isBase64Encoded: true })
    expect(answer.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' })
    expect(JSON.parse(bytesOf(answer).toString()).items).toHaveLength(8)
    const { answer: plain } = await whole('/api/v1/configmaps')
    expect([plain.statusCode, JSON.parse(plain.body).reason]).toEqual([413, 'RequestEntityTooLarge'])
    expect(JSON.parse(plain.body).message).toContain('ask for it in pages (limit)')
    const { answer: page } = await whole('/api/v1/configmaps?limit=4')
    expect(JSON.parse(bytesOf(page).toString()).items).toHaveLength(4)
    expect(Buffer.byteLength(JSON.stringify(page))).toBeLessThan(6 * 1024 * 1024)
  })

  test('what has many quotes still fits into an answer of Lambda', async () => {
    await create('quotes', { text: '"'.repeat(500_000) })
    await create('more', { text: '"\n'.repeat(250_000) })
    const { answer } = await whole('/api/v1/configmaps')
    expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThan(6 * 1024 * 1024)
    expect(JSON.parse(bytesOf(answer).toString()).items).toHaveLength(2)
  })

  describe('a watch that is answered whole', () => {
    test('ends at once with what there is, and a bookmark to go on from', async () => {
      await create('a')
      const { answer, ms } = await whole(`${WATCH}&resourceVersion=1&allowWatchBookmarks=true`)
      const [added, bookmark, ...rest] = lines(bytesOf(answer).toString())
      expect(ms).toBeLessThan(1_000)
      expect([added?.type, added?.object.metadata.name, bookmark?.type, rest]).toEqual(['ADDED', 'a', 'BOOKMARK', []])
      expect(bookmark?.object.metadata.resourceVersion).toBe(added?.object.metadata.resourceVersion)
    })

    test('without bookmarks it ends with the last event', async () => {
      await create('a')
      const { answer } = await whole(`${WATCH}&resourceVersion=1`)
      expect(lines(bytesOf(answer).toString()).map(({ type }) => type)).toEqual(['ADDED'])
    })

    test('waits for an event, then ends', async () => {
      await create('a')
      const list = JSON.parse(bytesOf((await whole('/api/v1/configmaps')).answer).toString())
      const version = list.metadata.resourceVersion
      const watching = gateway.whole(
        restEvent('GET', `${WATCH}&resourceVersion=${version}&allowWatchBookmarks=true`),
        60_000
      )
      await ports.advance(5_000)
      await create('b')
      const { answer, ms } = await passing(watching)
      expect(ms).toBeLessThan(1_000)
      const seen = lines(bytesOf(answer).toString()).map(({ type, object }) => [type, object.metadata.name])
      expect(seen).toEqual([
        ['ADDED', 'b'],
        ['BOOKMARK', undefined]
      ])
    })

    test.each([
      ['20 s', 60_000, 20_000],
      ["the function's time less some seconds", 10_000, 7_000]
    ])('without events it ends cleanly after %s', async (_, remainingMs, expected) => {
      await create('a')
      const { answer, ms } = await whole(`${WATCH}&resourceVersion=2&allowWatchBookmarks=true`, {}, remainingMs)
      expect([answer.statusCode, Math.abs(ms - expected) <= 200]).toEqual([200, true])
      const [bookmark, ...rest] = lines(bytesOf(answer).toString())
      expect([bookmark?.type, bookmark?.object.metadata.resourceVersion, rest]).toEqual(['BOOKMARK', '2', []])
    })

    test('tells the state it was asked for, the end of it, and one bookmark more', async () => {
      await create('a')
      const query = 'allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan'
      const { answer, ms } = await whole(`${WATCH}&${query}`)
      const seen = lines(bytesOf(answer).toString())
      expect(ms).toBeLessThan(1_000)
      expect(seen.map(({ type }) => type)).toEqual(['ADDED', 'BOOKMARK', 'BOOKMARK'])
      expect(seen[1]?.object.metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' })
    })

    test('what is too much for one answer goes on where it ended', async () => {
      for (let i = 0; i < 8; i++) await create(`c${i}`, { text: 'x'.repeat(900_000) })
      const seen: (string | undefined)[] = []
      for (let version = '1'; seen.length < 8; ) {
        const { answer } = await whole(`${WATCH}&resourceVersion=${version}&allowWatchBookmarks=true`)
        expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThan(6 * 1024 * 1024)
        for (const { type, object } of lines(bytesOf(answer).toString())) {
          if (type !== 'BOOKMARK') seen.push(object.metadata.name)
          version = object.metadata.resourceVersion ?? ''
        }
      }
      expect(seen).toEqual(['c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7'])
    })

    test("a slow start is a part of the function's time", async () => {
      const slow = createGateway({
        open: async () => {
          await new Promise<void>((resolve) => ports.clock.after(4_000, resolve))
          return api.api
        },
        ports
      })
      const target = `${WATCH}&resourceVersion=1&allowWatchBookmarks=true`
      const { answer, ms } = await passing(slow.whole(restEvent('GET', target), 10_000))
      expect([answer.statusCode, ms >= 4_000, ms <= 7_200]).toEqual([200, true, true])
    })

    test('a state that does not fit is refused, not cut', async () => {
      for (let i = 0; i < 8; i++) await create(`c${i}`, { text: 'x'.repeat(900_000) })
      const { answer } = await whole(WATCH)
      expect(lines(bytesOf(answer).toString())).toMatchObject([{ type: 'ERROR', object: { code: 413 } }])
    })
  })

  test('what does not come in time is a Timeout of Kubernetes, not of the gateway', async () => {
    let asked: AbortSignal | undefined
    const slow = createGateway({
      open: async () => ({
        serve: async ({ signal }) => {
          asked = signal
          return await new Promise<ApiResponse>(() => {})
        }
      }),
      ports
    })
    const { answer, ms } = await passing(slow.whole(restEvent('GET', '/api/v1/pods'), 900_000))
    expect([answer.statusCode, ms <= 28_000, asked?.aborted]).toEqual([504, true, true])
    expect(JSON.parse(answer.body)).toMatchObject({ kind: 'Status', reason: 'Timeout', code: 504 })
    const { answer: sooner, ms: soonerMs } = await passing(slow.whole(restEvent('GET', '/api/v1/pods'), 5_000))
    expect([sooner.statusCode, soonerMs <= 4_000]).toEqual([504, true])
    const { answer: streamed } = await passing(slow.stream(restEvent('GET', '/api/v1/pods'), 900_000))
    expect(streamed.statusCode).toBe(504)
  })

  test('a control plane that cannot be opened is a failure of that request, and the next one tries again', async () => {
    let tries = 0
    const failing = createGateway({
      open: async () => {
        if (tries++ === 0) throw new Error('no table')
        return api.api
      },
      ports
    })
    const first = await passing(failing.whole(restEvent('GET', '/version'), 60_000))
    expect([first.answer.statusCode, JSON.parse(first.answer.body).reason]).toEqual([500, 'InternalError'])
    expect((await passing(failing.whole(restEvent('GET', '/version'), 60_000))).answer.statusCode).toBe(200)
  })

  describe('answers that are passed on as they come', () => {
    const read = async (body: string | Readable, until = 1): Promise<string> => {
      if (typeof body === 'string') return body
      let text = ''
      for await (const chunk of body) {
        text += chunk
        if (text.split('\n').length > until) break
      }
      return text
    }

    test('one object', async () => {
      const answer = await gateway.stream(restEvent('GET', '/api/v1/namespaces/default'), 60_000)
      expect([answer.statusCode, JSON.parse(await read(answer.body, 99)).kind]).toEqual([200, 'Namespace'])
      const head = await gateway.stream(restEvent('HEAD', '/version'), 60_000)
      expect(head).toMatchObject({ statusCode: 200, body: '' })
    })

    test('a watch: each event when it happens; it ends when its reader leaves', async () => {
      await create('a')
      const { body } = await gateway.stream(restEvent('GET', WATCH), 60_000)
      const reading = read(body, 2)
      await ports.advance(1_000)
      await create('b')
      expect(lines(await reading).map(({ object }) => object.metadata.name)).toEqual(['a', 'b'])
      await ports.advance(10)
      expect([(body as Readable).destroyed, ports.timers()]).toEqual([true, 1])
    })

    test("a watch ends with a bookmark before the function's time is over", async () => {
      const version = (await api.store.version('configmaps')).toString()
      const target = `${WATCH}&resourceVersion=${version}&allowWatchBookmarks=true`
      const { body } = await gateway.stream(restEvent('GET', target), 30_000)
      const { answer, ms } = await passing(read(body, 99))
      expect(ms).toBeLessThanOrEqual(26_000)
      expect(lines(answer).at(-1)).toMatchObject({
        type: 'BOOKMARK',
        object: { metadata: { resourceVersion: version } }
      })
    })
  })
})
