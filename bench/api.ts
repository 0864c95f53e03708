/**
 * What the API server does over TLS: creates, gets and strategic status patches of pods per second with 16 clients, the
 * list of 1,000 pods, and how long after a creation 20 watchers see it. The server runs in a process of its own, with
 * RBAC and admission as in a cluster, on LMDB in a temporary folder.
 *
 *   node bench/api.ts [--store memory] [--clients 16] [--seconds 4] [--connections 16]
 *   node bench/api.ts --server https://127.0.0.1:6443 --token TOKEN     measures a server that runs already
 */
import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { kindTable } from '../core/kinds/table.ts'
import type { Ports } from '../core/ports.ts'
import { LmdbBackend } from '../store/backends/lmdb.ts'
import { Store } from '../store/store.ts'
import { serveApi } from '../test/served-api.ts'

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'lmdb' },
    clients: { type: 'string', default: '16' },
    connections: { type: 'string', default: '16' },
    seconds: { type: 'string', default: '4' },
    serve: { type: 'boolean', default: false },
    server: { type: 'string' },
    token: { type: 'string' }
  }
})
const CLIENTS = Number(values.clients)
const CONNECTIONS = Number(values.connections)
const SECONDS = Number(values.seconds)
const WATCHERS = 20
const PODS = `/api/v1/namespaces/bench-${process.pid}/pods`
const LISTED = `/api/v1/namespaces/listed-${process.pid}/pods`

async function serve(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-bench-'))
  const lmdb = async (ports: Ports) =>
    new Store({
      backend: await LmdbBackend.open({ path: folder, ports }),
      ports,
      indexes: (resource) => kindTable.findByStorage(resource)?.rules.indexes
    })
  const served = await serveApi(values.store === 'memory' ? {} : { store: lmdb })
  process.send?.({ port: served.port, token: served.token })
  process.on('disconnect', () => process.exit())
  process.on('message', (message) => {
    if (message === 'memory') return void process.send?.({ rss: process.memoryUsage().rss })
    void served.close().then(() => {
      rmSync(folder, { recursive: true })
      process.disconnect()
    })
  })
}

interface Server {
  readonly url: string
  readonly token: string
  send(message: string): void
  answer(): Promise<Record<string, number>>
}

/** The server of `--server`: whose it is and what memory it takes is not ours to say. */
function otherServer(url: string): Server {
  return { url, token: values.token ?? '', send: () => {}, answer: async () => ({}) }
}

function startServer(): Promise<Server> {
  const execArgv = process.env.PROFILE === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${process.env.PROFILE}`]
  const child = fork(import.meta.filename, ['--serve', '--store', values.store], {
    execArgv: ['--no-warnings', '--max-semi-space-size=4', ...execArgv]
  })
  return new Promise((resolve) => {
    child.once('message', (message) => {
      const { port, token } = message as { port: number; token: string }
      resolve({
        url: `https://127.0.0.1:${port}`,
        token,
        send: (text) => child.send(text),
        answer: () => new Promise((done) => child.once('message', (value) => done(value as Record<string, number>)))
      })
    })
  })
}

interface Answer {
  readonly status: number
  readonly bytes: number
}

class Client {
  private readonly sessions: ClientHttp2Session[]
  private readonly token: string
  private turn = 0

  constructor({ url, token }: Server) {
    this.token = token
    this.sessions = Array.from({ length: CONNECTIONS }, () => connect(url, { rejectUnauthorized: false }))
    for (const session of this.sessions) session.setMaxListeners(0)
  }

  open(method: string, path: string, body?: { type: string; text: string }): ClientHttp2Stream {
    const session = this.sessions[this.turn++ % this.sessions.length] as ClientHttp2Session
    const stream = session.request(
      {
        ':method': method,
        ':path': path,
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': body.type })
      },
      { endStream: body === undefined }
    )
    if (body !== undefined) stream.end(body.text)
    return stream
  }

  ask(method: string, path: string, body?: { type: string; text: string }): Promise<Answer> {
    const stream = this.open(method, path, body)
    return new Promise((resolve, reject) => {
      let status = 0
      let bytes = 0
      stream.on('response', (headers) => {
        status = Number(headers[':status'])
      })
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      stream.on('end', () => resolve({ status, bytes }))
      stream.on('error', reject)
    })
  }

  close(): void {
    for (const session of this.sessions) session.destroy()
  }
}

/** Asks again and again from all clients for some seconds; prints and returns how many were answered in each. */
async function rate(name: string, one: (turn: number) => Promise<Answer>): Promise<number> {
  const begun = performance.now()
  const until = begun + SECONDS * 1000
  let done = 0
  let turn = 0
  const worker = async () => {
    while (performance.now() < until) {
      const { status } = await one(turn++)
      if (status >= 300) throw new Error(`${name}: status ${status}`)
      done++
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, worker))
  const perSecond = done / ((performance.now() - begun) / 1000)
  process.stdout.write(`${name.padEnd(44)} ${perSecond.toFixed(0).padStart(7)} /s\n`)
  return done
}

function pod(name: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: 'web' } },
    spec: {
      schedulerName: 'none',
      containers: [
        {
          name: 'c',
          image: 'registry.example/web:1',
          ports: [{ containerPort: 80 }],
          resources: { requests: { cpu: '10m', memory: '16Mi' } },
          env: [{ name: 'A', value: 'b' }]
        }
      ]
    }
  })
}

const JSON_TYPE = 'application/json'
const STRATEGIC = 'application/strategic-merge-patch+json'

function statusPatch(turn: number): string {
  const time = new Date(1.77e12 + turn * 1000).toISOString().replace('.000', '')
  return JSON.stringify({
    status: {
      phase: 'Running',
      podIP: `10.1.${turn % 200}.${turn % 250}`,
      startTime: time,
      conditions: [{ type: 'Ready', status: turn % 2 === 0 ? 'True' : 'False', lastTransitionTime: time }]
    }
  })
}

async function measure(): Promise<void> {
  const server = values.server === undefined ? await startServer() : otherServer(values.server)
  const client = new Client(server)
  const post = (path: string, text: string) => client.ask('POST', path, { type: JSON_TYPE, text })
  for (const name of [`bench-${process.pid}`, `listed-${process.pid}`]) {
    await post('/api/v1/namespaces', `{"metadata":{"name":"${name}"}}`)
    await post(`/api/v1/namespaces/${name}/serviceaccounts`, '{"metadata":{"name":"default"}}')
  }
  await memory(server, 'memory before')
  for (let turn = 0; turn < 1000; turn++) await post(LISTED, pod(`l${turn}`))
  await memory(server, 'memory with 1,000 pods')
  process.stdout.write(
    `${CLIENTS} clients over ${CONNECTIONS} connections, ${values.server ?? `store ${values.store}`}\n`
  )
  const created = await rate('create pods', (turn) => post(PODS, pod(`p${turn}`)))
  await rate('get a pod', (turn) => client.ask('GET', `${PODS}/p${turn % created}`))
  await rate('strategic patch of a pod status', (turn) =>
    client.ask('PATCH', `${PODS}/p${turn % created}/status`, { type: STRATEGIC, text: statusPatch(turn) })
  )
  await rate('list 1,000 pods', () => client.ask('GET', LISTED))
  await watchDelay(client)
  await memory(server, 'memory at the end')
  client.close()
  server.send('close')
}

async function memory(server: Server, name: string): Promise<void> {
  const answer = server.answer()
  server.send('memory')
  const { rss } = await answer
  if (rss === undefined) return
  process.stdout.write(`${name.padEnd(44)} ${(rss / 2 ** 20).toFixed(0).padStart(7)} MB\n`)
}

/** From sending a creation to each watcher's line. */
async function watchDelay(client: Client): Promise<void> {
  const sent = new Map<string, number>()
  const delays: number[] = []
  const streams = Array.from({ length: WATCHERS }, () => client.open('GET', '/api/v1/configmaps?watch=1'))
  for (const stream of streams) {
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      const now = performance.now()
      for (const [, name = ''] of text.matchAll(/"name":"(w\d+)"/g)) delays.push(now - (sent.get(name) ?? now))
    })
  }
  await new Promise((resolve) => setTimeout(resolve, 200))
  for (let turn = 0; turn < 300; turn++) {
    sent.set(`w${turn}`, performance.now())
    const text = JSON.stringify({ metadata: { name: `w${turn}` }, data: { k: 'v'.repeat(500) } })
    await client.ask('POST', `/api/v1/namespaces/bench-${process.pid}/configmaps`, { type: JSON_TYPE, text })
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await new Promise((resolve) => setTimeout(resolve, 200))
  delays.sort((a, b) => a - b)
  const at = (part: number) => (delays[Math.floor(delays.length * part)] ?? 0).toFixed(1)
  process.stdout.write(
    `watch delay at ${WATCHERS} watchers, median / p99        ${at(0.5)} / ${at(0.99)} ms (${delays.length} events)\n`
  )
  for (const stream of streams) stream.close()
}

if (values.serve) await serve()
else await measure()
