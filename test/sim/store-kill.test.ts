import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import type { Backend } from '../../store/backend.ts'
import { LmdbBackend } from '../../store/backends/lmdb.ts'
import { Store } from '../../store/store.ts'
import { seeded } from '../contract/store-clock.ts'
import { temporaryFolder } from '../contract/store-folders.ts'

const ROUNDS = 15
const WRITER = join(import.meta.dirname, 'store-writer.ts')
const RESOURCES = ['pods', 'nodes']
const ports = systemPorts(silentLog)

interface Acknowledged {
  readonly resource: string
  readonly key: string
  readonly version: number
  /** What the object said; "-": it was deleted. */
  readonly mark: string
}

/** Lets the writer work for `ms` after its first acknowledgement and kills it. */
async function killAfter(folder: string, seed: number, ms: number): Promise<readonly Acknowledged[]> {
  const child = spawn(process.execPath, ['--no-warnings', WRITER, folder, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const acknowledged: Acknowledged[] = []
  const lines = createInterface({ input: child.stdout })
  let _timer: NodeJS.Timeout | undefined
  lines.on('line', (line) => {
    const [resource = '', key = '', version = '', mark = ''] = line.split(' ')
    if (line !== 'ready') acknowledged.push({ resource, key, version: Number(version), mark })
    _timer ??= setTimeout(() => child.kill('SIGKILL'), ms)
  })
  await Promise.all([once(child, 'exit'), once(lines, 'close')])
  expect(child.signalCode).toBe('SIGKILL')
  return acknowledged
}

async function logOf(
  backend: Backend,
  resource: string
): Promise<Map<number, { type: string; key: string; mark: string }>> {
  const records = new Map<number, { type: string; key: string; mark: string }>()
  for (const { version, type, key, bytes } of await backend.readLog(resource, 0, 1e6)) {
    const mark = type === 'put' ? (JSON.parse(Buffer.from(bytes ?? []).toString()) as { mark: string }).mark : '-'
    records.set(version, { type, key, mark })
  }
  return records
}

test(`a store killed ${ROUNDS} times under load keeps every acknowledged write, and watches go on`, async () => {
  const random = seeded(20261123)
  const folder = temporaryFolder()
  const all: Acknowledged[] = []
  const positions = new Map(RESOURCES.map((resource) => [resource, 0]))
  const watched = new Map(RESOURCES.map((resource) => [resource, [] as string[]]))
  for (let round = 1; round <= ROUNDS; round++) {
    all.push(...(await killAfter(folder, round, random() * random() * 1_500)))
    const backend = await LmdbBackend.open({ path: folder, ports })
    const store = new Store({ backend, ports })
    for (const resource of RESOURCES) {
      const log = await logOf(backend, resource)
      const { version } = await store.list(resource)
      expect([...log.keys()]).toEqual(Array.from({ length: version - 1 }, (_, i) => i + 2))
      for (const one of all) {
        if (one.resource === resource)
          expect({ ...one, ...log.get(one.version), type: '' }).toEqual({ ...one, type: '' })
      }
      const state = new Map<string, string>()
      for (const { type, key, mark } of log.values()) {
        if (type === 'put') state.set(key, mark)
        else state.delete(key)
      }
      const { entries } = await store.list(resource)
      expect(entries.map(({ key, value }) => `${key} ${value.mark}`)).toEqual(
        [...state].map(([key, mark]) => `${key} ${mark}`).sort()
      )
      // A watch that broke off in the last round goes on where it was.
      const stop = new AbortController()
      const watch = store.watch(resource, { from: positions.get(resource) ?? 0, signal: stop.signal })
      const seen = watched.get(resource) ?? []
      if (watch.position < version) {
        for await (const events of watch) {
          seen.push(
            ...events.map((event) => `${event.version} ${event.type === 'deleted' ? '-' : event.entry.value.mark}`)
          )
          if (watch.position >= version) stop.abort()
        }
      }
      positions.set(resource, watch.position)
      const expected = [...log]
        .filter(([, { type }]) => type !== 'fence')
        .map(([number, { mark }]) => `${number} ${mark}`)
      expect(seen).toEqual(expected)
    }
    await store.close()
  }
  expect(all.length).toBeGreaterThan(1_000)
}, 60_000)
