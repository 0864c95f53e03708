/**
 * Writes to the store in FOLDER until the disk refuses, goes on for a while, and tells as JSON what was acknowledged,
 * how many writes failed and in what words, and what the store then lists. Run under a limit on the size of files.
 */
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { LmdbBackend } from '../../store/backends/lmdb.ts'
import { Store } from '../../store/store.ts'

const [folder = ''] = process.argv.slice(2)
const ports = systemPorts(silentLog)
// The timers of the real ports do not keep a process alive that has nothing else to wait for.
const alive = setInterval(() => {}, 1_000)
const store = new Store({ backend: await LmdbBackend.open({ path: folder, ports }), ports })
const acknowledged: string[] = []
const messages = new Set<string>()
const fill = 'x'.repeat(5_000)
for (let failed = 0, round = 0; failed < 60; round++) {
  const writes = Array.from({ length: 20 }, async (_, i) => {
    const key = `${round}.${i}`
    const object = { kind: 'T', apiVersion: 'v1', metadata: { name: key }, fill }
    try {
      const result = await store.commit([{ resource: 'pods', key, expected: 0, object }])
      if (result.ok) acknowledged.push(key)
    } catch (error) {
      failed++
      messages.add((error as Error).message)
    }
  })
  await Promise.all(writes)
}
const listed = (await store.list('pods')).entries.map(({ key }) => key)
console.log(JSON.stringify({ acknowledged: acknowledged.sort(), listed, messages: [...messages] }))
clearInterval(alive)
process.exit()
