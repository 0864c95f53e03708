/**
 * The embedded store alone: commits of pods (object, log record, two index entries, synced), reads, lists, watches.
 * Run: node bench/store.ts [writers] [commits] [bytes]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { KubeObject } from '../core/object.ts'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { LmdbBackend } from '../store/backends/lmdb.ts'
import { Store } from '../store/store.ts'

const writers = Number(process.argv[2] ?? 64)
const commits = Number(process.argv[3] ?? 40_000)
const bytes = Number(process.argv[4] ?? 3_000)
const folder = mkdtempSync(join(tmpdir(), 'wherry-bench-store-'))
const ports = systemPorts(silentLog)

const indexes = () => ({
  node: (object: KubeObject) => [String((object as { spec?: { nodeName?: string } }).spec?.nodeName ?? '')],
  controller: (object: KubeObject) => (object.metadata.ownerReferences ?? []).map(({ uid }) => uid)
})

/** Of each pod's size; the variables are shared, so that what is measured is not how they are made. */
const variables = Array.from({ length: 100 }, (_, k) => {
  const env: { name: string; value: string }[] = []
  while (JSON.stringify(env).length < bytes - 250) env.push({ name: `VARIABLE_${env.length}`, value: `${k} of pod` })
  return env
})

function pod(i: number, status: number): KubeObject {
  const metadata = { name: `pod-${i}`, namespace: 'default', uid: `${i}`, labels: { app: 'bench' } }
  const spec = { nodeName: `node-${i % 100}`, containers: [{ name: 'c', image: 'i', env: variables[i % 100] }] }
  return { kind: 'Pod', apiVersion: 'v1', metadata, spec, status: { phase: 'Pending', status } }
}

async function measure(name: string, count: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0
  const cpu = process.cpuUsage()
  const start = performance.now()
  await Promise.all(
    Array.from({ length: writers }, async () => {
      while (next < count) await work(next++)
    })
  )
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const perOne = ((user + system) / count).toFixed(0)
  console.log(`${name.padEnd(34)} ${Math.round(count / seconds)}/s, ${perOne} us of CPU each`)
}

const store = new Store({ backend: await LmdbBackend.open({ path: folder, ports }), ports, indexes })
const names = Math.min(commits, 10_000)
const at = new Map<number, number>()

const stop = new AbortController()
let seen = 0
const watching = (async () => {
  for await (const events of store.watch('pods', { from: 0, signal: stop.signal })) seen += events.length
})()

await measure(`create, then update, ${writers} writers`, commits, async (i) => {
  const name = i % names
  const object = pod(name, i)
  const result = await store.commit([
    { resource: 'pods', key: `default/pod-${name}`, expected: at.get(name) ?? 0, object }
  ])
  if (!result.ok) throw new Error(`a commit of pod-${name} was refused`)
  const { version } = result.entries[0] as { version: number }
  at.set(name, version)
})
await measure('get', 500_000, async (i) => await store.get('pods', `default/pod-${i % names}`))
await measure('list 500 of all', 2_000, async () => await store.list('pods', { limit: 500 }))
await measure(
  'list by index (100 of all)',
  2_000,
  async (i) => await store.list('pods', { index: { name: 'node', value: `node-${i % 100}` } })
)
stop.abort()
await watching
await measure('list all, as bytes', 50, async () => {
  for (const entry of (await store.list('pods')).entries) entry.bytes()
})
const rss = /RssAnon:\s+(\d+)[\s\S]*RssFile:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
const [own, mapped] = rss.slice(1).map((kb) => Math.round(Number(kb) / 1024))
console.log(`watched ${seen} events; ${names} objects of ${bytes} bytes in ${own} MB, and ${mapped} MB of mapped files`)
await store.close()

const start = performance.now()
const again = new Store({ backend: await LmdbBackend.open({ path: folder, ports }), ports, indexes })
await again.get('pods', 'default/pod-0')
console.log(`opened again and loaded ${names} objects in ${Math.round(performance.now() - start)} ms`)
await again.close()
rmSync(folder, { recursive: true })
