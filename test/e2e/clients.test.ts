/** Clients as others wrote them, unmodified, over TLS against the API on a store that forgets quickly. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Method, UserInfo } from '../../core/http.ts'
import schemas from '../../core/kinds/schemas.json' with { type: 'json' }
import { kindTable } from '../../core/kinds/table.ts'
import { protobufOf } from '../../lambdas/api/protobuf-encode.ts'
import { MemoryBackend } from '../../store/backends/memory.ts'
import { Store } from '../../store/store.ts'
import { ClientProgram, type Seen } from '../clients/client-program.ts'
import { type CutProxy, cutProxy } from '../clients/cut-proxy.ts'
import { buildGo, lacksGo } from '../clients/go.ts'
import { describeWith } from '../requires.ts'
import { sampleOf } from '../schema-sample.ts'
import { type ServedApi, serveApi } from '../served-api.ts'
import { eventually, execute } from './cluster.ts'

const OBJECTS = 1_000
/** Milliseconds. The log is kept a quarter longer. */
const RETENTION = 2_000
const ADMIN: UserInfo = { username: 'admin', groups: ['system:masters', 'system:authenticated'] }
const CLIENT_NODE = join(import.meta.dirname, '..', 'clients', 'client-node.ts')

let served: ServedApi
let proxy: CutProxy
let folder: string
let kubeconfig: string

beforeAll(async () => {
  served = await serveApi({
    store: async (ports) =>
      new Store({
        backend: new MemoryBackend(),
        ports,
        indexes: (resource) => kindTable.findByStorage(resource)?.rules.indexes,
        retentionMs: RETENTION
      })
  })
  proxy = await cutProxy(served.port)
  folder = mkdtempSync(join(tmpdir(), 'wherry-test-clients-'))
  kubeconfig = join(folder, 'kubeconfig')
  const cluster = { server: `https://127.0.0.1:${proxy.port}`, 'insecure-skip-tls-verify': true }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user: { token: served.token } }],
    contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    'current-context': 'x'
  }
  writeFileSync(kubeconfig, JSON.stringify(config))
})

afterAll(async () => {
  await proxy.close()
  await served.close()
  rmSync(folder, { recursive: true })
})

async function ask(method: Method, target: string, value?: unknown): Promise<unknown> {
  const [path = '', query] = target.split('?')
  const patch = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json'
  const response = await served.api.handle({
    method,
    path,
    query: new URLSearchParams(query),
    headers: { 'content-type': patch },
    user: ADMIN,
    ...(value === undefined ? {} : { body: { value } })
  })
  if (!('payload' in response.body)) throw new Error(`${method} ${target}: ${response.status}`)
  if (response.status >= 300) throw new Error(JSON.stringify(response.body.payload.value))
  return response.body.payload.value
}

/** What the namespace holds: names with their data's value "v". */
async function stored(namespace: string): Promise<Readonly<Record<string, string>>> {
  const { items } = (await ask('GET', `/api/v1/namespaces/${namespace}/configmaps`)) as {
    items: { metadata: { name: string }; data: { v: string } }[]
  }
  return Object.fromEntries(items.map(({ metadata, data }) => [metadata.name, data.v]))
}

const FROM = '/api/v1/namespaces/from/configmaps'

async function each(count: number, act: (i: number) => Promise<unknown>): Promise<void> {
  for (let start = 0; start < count; start += 20) {
    await Promise.all(Array.from({ length: Math.min(20, count - start) }, (_, i) => act(start + i)))
    if (start % 200 === 0) proxy.cut()
  }
}

async function change(round: string): Promise<void> {
  await each(OBJECTS, async (i) => {
    if (i % 10 === 0) await ask('DELETE', `${FROM}/n${i}`)
    else await ask('PATCH', `${FROM}/n${i}`, { data: { v: `${round} ${i}` } })
  })
  await each(OBJECTS / 10, (i) => create(i * 10, round))
}

async function create(i: number, round: string): Promise<void> {
  await ask('POST', FROM, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `n${i}` },
    data: { v: `${round} ${i}` }
  })
}

/** Whoever watched up to now has to list again. */
async function forgotten(version: string): Promise<void> {
  await eventually('the log forgets', async () => {
    await ask('PATCH', `${FROM}/n1`, { data: { v: 'forgotten' } })
    const query = new URLSearchParams({ watch: '1', timeoutSeconds: '1', resourceVersion: version })
    const request = { method: 'GET', path: FROM, query, headers: {}, user: ADMIN } as const
    const { body } = await served.api.handle(request)
    if (!('watch' in body)) return false
    for await (const [first] of body.watch) return first?.type === 'ERROR'
    return false
  })
}

async function agreed(program: ClientProgram, expected: () => Promise<Seen>): Promise<void> {
  let last = ''
  await eventually(
    'the client knows what is stored',
    async () => {
      const want = await expected()
      const got = await program.seen()
      last = JSON.stringify(Object.fromEntries(Object.entries(got).map(([name, of]) => [name, Object.keys(of).length])))
      return Object.entries(want).every(([name, of]) => equal(of, got[name] ?? {}))
    },
    120_000
  ).catch((error: unknown) => {
    throw new Error(`${String(error)}: it has ${last}`)
  })
}

function equal(a: Readonly<Record<string, string>>, b: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => a[name] === b[name])
}

/** Creates, changes and deletes 1,000 objects while connections break, then lets the client come back too late. */
async function play(program: ClientProgram, expected: () => Promise<Seen>): Promise<void> {
  await each(OBJECTS, (i) => create(i, 'new'))
  await agreed(program, expected)
  await change('changed')
  await agreed(program, expected)
  const { metadata } = (await ask('GET', FROM)) as { metadata: { resourceVersion: string } }
  proxy.hold()
  await change('unseen')
  await forgotten(metadata.resourceVersion)
  proxy.release()
  await agreed(program, expected)
  await change('last')
  await agreed(program, expected)
}

async function emptied(): Promise<void> {
  for (const name of ['from', 'to']) {
    await ask('POST', '/api/v1/namespaces', { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }).catch(() => {})
    await ask('DELETE', `/api/v1/namespaces/${name}/configmaps`)
  }
}

/** Objects of every kind with every field set, in both forms. */
function bodies(): string {
  type Gvk = { group: string; version: string; kind: string }
  const all = schemas as unknown as Record<string, { 'x-kubernetes-group-version-kind'?: Gvk[] }>
  const lines = Object.entries(all).flatMap(([name, schema]) => {
    const [gvk] = schema['x-kubernetes-group-version-kind'] ?? []
    // Not one kind, but one of each group.
    if (gvk === undefined || /\.(WatchEvent|DeleteOptions)$/.test(name)) return []
    const apiVersion = gvk.group === '' ? gvk.version : `${gvk.group}/${gvk.version}`
    const json = { ...(sampleOf(name, 1) as object), apiVersion, kind: gvk.kind }
    const protobuf = protobufOf({ value: json, bytes: () => new Uint8Array() })
    return protobuf === undefined ? [] : [JSON.stringify({ json, protobuf: Buffer.from(protobuf).toString('base64') })]
  })
  expect(lines.length).toBeGreaterThan(130)
  return `${lines.join('\n')}\n`
}

test('an informer of client-node misses no change of 1,000 objects', async () => {
  await emptied()
  const program = new ClientProgram(process.execPath, ['--no-warnings', CLIENT_NODE, kubeconfig])
  try {
    await play(program, async () => {
      const all = await stored('from')
      return { cache: all, informer: all }
    })
  } finally {
    await program.stop()
  }
}, 300_000)

describeWith(lacksGo(), "client-go's clients", () => {
  test("a controller of controller-runtime and a typed client's informer miss no change of 1,000 objects", async () => {
    const path = buildGo('controller')
    await emptied()
    const program = new ClientProgram(path, ['-kubeconfig', kubeconfig])
    try {
      await play(program, async () => {
        const all = await stored('from')
        return { cache: all, informer: all }
      })
      await eventually(
        'the copies are as their sources',
        async () => equal(await stored('from'), await stored('to')),
        120_000
      )
    } finally {
      await program.stop()
      rmSync(dirname(path), { recursive: true })
    }
  }, 900_000)

  test('objects, lists, failures and watches are the same in protobuf and in JSON', async () => {
    const path = buildGo('typed')
    const how = { input: bodies(), timeoutMs: 120_000 }
    const { code, stdout, stderr } = await execute(path, ['-kubeconfig', kubeconfig], how)
    rmSync(dirname(path), { recursive: true })
    expect(`${stdout}${code === 0 ? '' : stderr}`).toMatch(/^compared \d+ bodies\n$/)
  }, 900_000)
})
