/**
 * Writes to the store in the folder of its first argument as fast as it can, until it is killed. Tells each write on
 * standard output once it is acknowledged, "KEY VERSION SERIAL" or "KEY VERSION -" for a deletion, and beginnings as
 * "? KEY SERIAL". Arguments: FOLDER SEED.
 */
import { writeSync } from 'node:fs'
import type { KubeObject } from '../../core/object.ts'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { LmdbBackend } from '../../store/backends/lmdb.ts'
import { Store } from '../../store/store.ts'
import { seeded } from '../contract/store-clock.ts'

const [folder = '', seed = '1'] = process.argv.slice(2)
const random = seeded(Number(seed))
const ports = systemPorts(silentLog)
const indexes = () => ({ color: (object: KubeObject) => [String(object.color)] })
const store = new Store({ backend: await LmdbBackend.open({ path: folder, ports }), ports, indexes })
const fill = 'x'.repeat(1_500)
let serial = 0

async function write(writer: number): Promise<void> {
  const keys = [`w${writer}/${Math.floor(random() * 20)}`]
  // The second is written in the same transaction, in another resource.
  const resources = random() < 0.3 ? ['pods', 'nodes'] : ['pods']
  const remove = random() < 0.2
  const writes = []
  for (const resource of resources) {
    const [key = ''] = keys
    const expected = (await store.get(resource, key))?.version ?? 0
    const mark = `${seed}.${++serial}`
    const object = { kind: 'T', apiVersion: 'v1', metadata: { name: key }, mark, color: serial % 3, fill }
    if (!(remove && expected === 0)) writes.push({ resource, key, expected, object: remove ? undefined : object })
  }
  const result = await store.commit(writes)
  if (!result.ok) throw new Error('refused')
  for (const { resource, key, version, value } of result.entries) {
    writeSync(1, `${resource} ${key} ${version} ${remove ? '-' : value.mark}\n`)
  }
}

writeSync(1, 'ready\n')
await Promise.all(
  Array.from({ length: 16 }, async (_, writer) => {
    for (;;) await write(writer)
  })
)
