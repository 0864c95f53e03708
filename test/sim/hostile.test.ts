import { type ClientHttp2Session, connect as connectHttp2 } from 'node:http2'
import { connect, type TLSSocket } from 'node:tls'
import type { Log } from '../../core/ports.ts'
import { silentLog } from '../../core/system-ports.ts'
import { type ServedApi, serveApi } from '../served-api.ts'

// What a server on a network meets: garbage, haste and patience. It answers with a 4xx, never falls over, never grows.

const REQUESTS = 10_000
const WORKERS = 32
const WATCHES = 1_000
/** Megabytes that 10,000 hostile requests may leave behind: the heap's own slack, not a request's content. */
const MOST_GROWTH = 400

let served: ServedApi
const failures: unknown[] = []

beforeAll(async () => {
  const log: Log = { ...silentLog, error: (fields) => failures.push(fields) }
  served = await serveApi({ log, limits: { idleMs: 1_500, bodyMs: 1_000 } })
})

afterAll(async () => {
  await served.close()
})

/** A small generator of pseudo-random numbers, so that a failing run can be played again. */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const next = random(20_260_101)
const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T
const garbage = (length: number) =>
  Array.from({ length }, () => String.fromCharCode(32 + Math.floor(next() * 200))).join('')
const deep = (depth: number) => `${'{"a":['.repeat(depth)}1${']}'.repeat(depth)}`

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD', 'TRACE', 'BREW']
const CORE = '/api/v1/namespaces/default'
const PATHS = [
  `${CORE}/configmaps`,
  `${CORE}/configmaps/a`,
  `${CORE}/pods`,
  `${CORE}/pods/a/status`,
  `${CORE}/pods/a/binding`,
  `${CORE}/pods/a/eviction`,
  `${CORE}/pods/__proto__`,
  `${CORE}/services`,
  `${CORE}/serviceaccounts/default/token`,
  '/api/v1/nodes',
  '/api/v1/namespaces/constructor/pods',
  '/apis/apps/v1/namespaces/default/deployments',
  '/apis/apps/v1/namespaces/default/deployments/a/scale',
  '/apis/apps/v1/namespaces/default/replicasets/a/toString',
  '/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles',
  '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
  '/apis/coordination.k8s.io/v1/namespaces/default/leases',
  '/apis/__proto__/v1/things',
  '/api/v1/hasOwnProperty',
  '/apis',
  '/openapi/v3',
  '/openapi/v3/apis/__proto__/v1',
  '/openapi/v2',
  '/version/%zz',
  '/%E0%A4%A/api',
  '/api/v1/namespaces//pods',
  `/api/v1/namespaces/${'x'.repeat(3000)}/pods`,
  '//api/v1/pods',
  '/api/v1/pods/../../secrets'
]
const QUERIES = [
  '',
  'limit=x',
  'limit=-5',
  'limit=99999999999999999999',
  'labelSelector=%3D%3D%3D',
  `labelSelector=${'a%2C'.repeat(500)}`,
  'fieldSelector=a%3Db',
  'resourceVersion=abc',
  'resourceVersion=-1',
  'continue=garbage',
  'continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ',
  'dryRun=Some',
  'fieldValidation=Very',
  'wherryIndex=__proto__%3Dx',
  'wherryIndex=nope',
  'watch=1&timeoutSeconds=1&resourceVersion=999999999',
  'timeoutSeconds=1e9',
  'gracePeriodSeconds=soon',
  'propagationPolicy=Sideways',
  '__proto__=1&constructor=2',
  '%=&=%&&&',
  'pretty=true',
  'resourceVersionMatch=Exact',
  'sendInitialEvents=true'
]
const TYPES = [
  'application/json',
  'application/yaml',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
  'application/vnd.kubernetes.protobuf',
  'text/plain',
  'multipart/form-data; boundary=x',
  ';;;;',
  ''
]
const ACCEPTS = [
  '*/*',
  'application/json',
  'application/json;as=Table;v=v1;g=meta.k8s.io',
  'application/json;as=__proto__;v=v1;g=meta.k8s.io',
  'application/yaml',
  'text/html',
  ',,;q=,',
  'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
]
const BODIES: readonly (() => string)[] = [
  () => '',
  () => '{',
  () => '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":',
  () => garbage(200),
  () => '[]',
  () => '"text"',
  () => 'null',
  () => '123',
  () => deep(200),
  () => deep(5_000),
  () => `${'['.repeat(200_000)}`,
  () => '{"metadata":{"__proto__":{"name":"x"},"constructor":{"prototype":{}}},"__proto__":{"polluted":true}}',
  () => '{"metadata":{"name":"a","labels":{"__proto__":"x"}},"data":{"__proto__":"y","constructor":"z"}}',
  () => '{"kind":5,"apiVersion":[]}',
  () => '{"kind":"__proto__","apiVersion":"constructor/v1","metadata":{}}',
  () => '{"metadata":"none"}',
  () => '{"metadata":{"name":5,"labels":[],"ownerReferences":[{}],"finalizers":[null,1]}}',
  () =>
    '{"metadata":{"name":"a"},"spec":{"containers":[{"name":"c","image":"i","resources":{"limits":{"cpu":"1e999"}}}]}}',
  () => '{"metadata":{"name":"a"},"spec":{"containers":{},"volumes":7,"replicas":1e400}}',
  () => '{"metadata":{"generateName":"g-"},"data":{"k":"v"}}',
  () => '[{"op":"add","path":"/__proto__/x","value":1},{"op":"move","from":"/a","path":"/a/b"},{"op":"copy"}]',
  () => '[{"op":"remove","path":""},{"op":"test","path":"/metadata","value":null}]',
  () => '{"$patch":"delete"}',
  () =>
    '{"metadata":{"$deleteFromPrimitiveList/finalizers":[1]},"spec":{"containers":[{"$patch":"merge"},{"$retainKeys":5}]}}',
  () => `{"data":{"k":"${'x'.repeat(100_000)}"}}`,
  () => `a: &a [x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nd: [${'*c,'.repeat(50)}]`,
  () => 'k8s\u0000\u00ff\u00ff\u00ff\u00ff',
  () => '\ud800 \u0000 \u2028'
]

interface Outcome {
  readonly what: string
  /** 0: the connection was reset instead. */
  readonly status: number
}

function ask(session: ClientHttp2Session, request: Record<string, string>, body: string): Promise<Outcome> {
  const what = `${request[':method']} ${request[':path']?.slice(0, 100)} ${request['content-type']} ${body.slice(0, 60)}`
  return new Promise((resolve) => {
    const stream = session.request(request, { endStream: body === '' })
    let status = 0
    stream.on('response', (headers) => {
      status = Number(headers[':status'])
    })
    stream.on('error', () => {})
    stream.on('close', () => resolve({ what, status }))
    stream.resume()
    if (body !== '') stream.end(body)
  })
}

const PATCHES = TYPES.filter((type) => type.includes('patch+json'))
const goodType = (method: string) => (method === 'PATCH' ? pick(PATCHES) : 'application/json')

function hostileRequest(): [Record<string, string>, string] {
  const method = next() < 0.6 ? pick(['POST', 'PUT', 'PATCH', 'DELETE']) : pick(METHODS)
  const query = next() < 0.5 ? '' : pick(QUERIES)
  const watching = query.includes('watch=')
  const path = pick(PATHS) + (query === '' ? '' : `?${query}`)
  const type = next() < 0.5 ? goodType(method) : pick(TYPES)
  const request: Record<string, string> = {
    ':method': method,
    ':path': path,
    accept: next() < 0.7 ? 'application/json' : pick(ACCEPTS),
    ...(type === '' ? {} : { 'content-type': type }),
    ...(next() < 0.9
      ? { authorization: `Bearer ${served.token}` }
      : { authorization: pick(['Bearer x.y.z', 'Basic', 'Bearer ']) })
  }
  // A watch that is not one lasts for ever; the ones of the table end by themselves.
  const body = method === 'GET' || method === 'HEAD' || watching ? '' : pick(BODIES)()
  return [request, body]
}

/** What the paths name: deletions among the hostile requests may take it away, creations bring it back. */
async function createTargets(session: ClientHttp2Session): Promise<void> {
  const headers = { ':method': 'POST', authorization: `Bearer ${served.token}`, 'content-type': 'application/json' }
  const template = { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'i' }] } }
  const targets: readonly (readonly [string, object])[] = [
    [`${CORE}/serviceaccounts`, { metadata: { name: 'default' } }],
    [`${CORE}/configmaps`, { metadata: { name: 'a' }, data: { k: 'v' } }],
    [`${CORE}/pods`, { metadata: { name: 'a' }, spec: template.spec }],
    [
      '/apis/apps/v1/namespaces/default/deployments',
      { metadata: { name: 'a' }, spec: { selector: { matchLabels: { a: 'b' } }, template } }
    ]
  ]
  for (const [path, body] of targets) {
    const { status } = await ask(session, { ...headers, ':path': path }, JSON.stringify(body))
    expect([201, 409]).toContain(status)
  }
}

test('10,000 hostile requests: no 5xx, no crash, memory bounded', async () => {
  const url = `https://127.0.0.1:${served.port}`
  const sessions = Array.from({ length: 8 }, () => connectHttp2(url, { rejectUnauthorized: false }))
  const before = process.memoryUsage().rss
  const outcomes = new Map<number, number>()
  const wrong: string[] = []
  let left = REQUESTS
  const worker = async (index: number) => {
    while (left-- > 0) {
      if (left % 500 === 0) await createTargets(sessions[0] as ClientHttp2Session)
      const [request, body] = hostileRequest()
      const { what, status } = await ask(sessions[index % sessions.length] as ClientHttp2Session, request, body)
      outcomes.set(status, (outcomes.get(status) ?? 0) + 1)
      // kube-apiserver answers a creation that names a version with a bare 500; nothing here does.
      if (status >= 500 && status !== 504) wrong.push(`${status} ${what}`)
      if (status === 0) wrong.push(`reset ${what}`)
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, (_, index) => worker(index)))
  for (const session of sessions) session.destroy()
  process.stdout.write(`hostile: ${JSON.stringify(Object.fromEntries([...outcomes].sort()))}\n`)
  expect(wrong.slice(0, 10)).toEqual([])
  expect(failures).toEqual([])
  expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(MOST_GROWTH)
  expect(await healthy()).toBe(200)
}, 90_000)

async function healthy(): Promise<number> {
  const session = connectHttp2(`https://127.0.0.1:${served.port}`, { rejectUnauthorized: false })
  const { status } = await ask(
    session,
    { ':method': 'GET', ':path': '/readyz', authorization: `Bearer ${served.token}` },
    ''
  )
  session.destroy()
  return status
}

test('bodies over 3 MiB are refused over both versions of HTTP', async () => {
  const big = `{"metadata":{"name":"big"},"data":{"k":"${'x'.repeat(4 * 2 ** 20)}"}}`
  const session = connectHttp2(`https://127.0.0.1:${served.port}`, { rejectUnauthorized: false })
  const request = {
    ':method': 'POST',
    ':path': `${CORE}/configmaps`,
    'content-type': 'application/json',
    authorization: `Bearer ${served.token}`
  }
  expect((await ask(session, request, big)).status).toBe(413)
  expect((await ask(session, { ...request, 'content-length': String(big.length) }, big)).status).toBe(413)
  session.destroy()
  const head = `POST ${CORE}/configmaps HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nauthorization: Bearer ${served.token}\r\n`
  const answer = await raw(`${head}content-length: ${big.length}\r\nconnection: close\r\n\r\n${big}`)
  expect(answer).toContain('413 ')
  expect(answer).toContain('Request entity too large: limit is 3145728')
}, 20_000)

/** Speaks HTTP/1.1 by hand; resolves with all that came until the server closed the connection. */
function raw(text: string, options: { readonly halfClose?: boolean } = {}): Promise<string> {
  return new Promise((resolve) => {
    const socket: TLSSocket = connect(
      { host: '127.0.0.1', port: served.port, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] },
      () => {
        socket.write(text)
        if (options.halfClose === true) socket.end()
      }
    )
    let answer = ''
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer))
  })
}

const AUTH = () => `host: x\r\nauthorization: Bearer ${served.token}\r\n`

test.each<[string, () => string, RegExp]>([
  ['no HTTP at all', () => 'EHLO there\r\n\r\n', /^HTTP\/1\.1 400 /],
  [
    'two lengths',
    () => `POST / HTTP/1.1\r\n${AUTH()}content-length: 1\r\ncontent-length: 2\r\n\r\nxx`,
    /^HTTP\/1\.1 400 /
  ],
  [
    'a length and chunks at once',
    () => `POST / HTTP/1.1\r\n${AUTH()}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
    /^HTTP\/1\.1 400 /
  ],
  [
    'headers that never end',
    () => `GET / HTTP/1.1\r\n${AUTH()}x: ${'y'.repeat(100_000)}\r\n\r\n`,
    /^(HTTP\/1\.1 431 |$)/
  ],
  [
    'a body that never comes',
    () => `POST ${CORE}/configmaps HTTP/1.1\r\n${AUTH()}content-length: 100\r\n\r\n{"a`,
    /^$/
  ],
  ['a request that stops in its headers', () => 'GET /api HTTP/1.1\r\nhost:', /^$/],
  ['silence', () => '', /^$/]
])(
  'the server parts from a client that sends %s',
  async (_what, text, expected) => {
    expect(await raw(text())).toMatch(expected)
  },
  10_000
)

test('a client that has said its last word still gets its answer', async () => {
  const text = `GET /version HTTP/1.1\r\n${AUTH()}connection: close\r\n\r\n`
  expect(await raw(text, { halfClose: true })).toMatch(/^HTTP\/1\.1 200 /)
}, 10_000)

test('1,000 idle watches cost almost nothing, and each hears of a change', async () => {
  const sessions = Array.from({ length: 4 }, () =>
    connectHttp2(`https://127.0.0.1:${served.port}`, { rejectUnauthorized: false })
  )
  const headers = { ':path': '/api/v1/secrets?watch=1&resourceVersion=0', authorization: `Bearer ${served.token}` }
  const before = process.memoryUsage().rss
  let heard = 0
  const streams = Array.from({ length: WATCHES }, (_, index) => {
    const stream = (sessions[index % sessions.length] as ClientHttp2Session).request(headers)
    const open = new Promise((resolve) => stream.once('response', resolve))
    const change = new Promise<void>((resolve) =>
      stream.on('data', (chunk: Buffer) => {
        if (!chunk.includes('"name":"news"')) return
        heard++
        resolve()
      })
    )
    return { stream, open, change }
  })
  await Promise.all(streams.map(({ open }) => open))
  // The client's half is in the same process: both together.
  expect((process.memoryUsage().rss - before) / 2 ** 20).toBeLessThan(150)
  const cpu = process.cpuUsage()
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  const { user, system } = process.cpuUsage(cpu)
  expect((user + system) / 1e6).toBeLessThan(0.5)
  const session = sessions[0] as ClientHttp2Session
  const post = { ':method': 'POST', ':path': `${CORE}/secrets`, authorization: headers.authorization }
  expect(
    (await ask(session, { ...post, 'content-type': 'application/json' }, '{"metadata":{"name":"news"}}')).status
  ).toBe(201)
  await Promise.all(streams.map(({ change }) => change))
  expect(heard).toBe(WATCHES)
  for (const one of sessions) one.destroy()
}, 60_000)
