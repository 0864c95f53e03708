import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { LmdbBackend } from '../../store/backends/lmdb.ts'
import { Store } from '../../store/store.ts'
import { temporaryFolder } from '../contract/store-folders.ts'

const FILL = join(import.meta.dirname, 'store-fill.ts')
const ports = systemPorts(silentLog)

test('a full disk fails writes by name, loses nothing, and is forgotten when there is room again', async () => {
  const folder = temporaryFolder()
  // ulimit counts in KiB: the file cannot grow beyond 4 MiB.
  const command = `ulimit -f 4096; exec '${process.execPath}' --no-warnings '${FILL}' '${folder}'`
  const { stdout } = await promisify(execFile)('bash', ['-c', command])
  const told = JSON.parse(stdout) as { acknowledged: string[]; listed: string[]; messages: string[] }
  expect(told.messages).toEqual([`${folder} could not be written`])
  expect(told.acknowledged.length).toBeGreaterThan(50)
  expect(told.listed).toEqual(told.acknowledged)

  const store = new Store({ backend: await LmdbBackend.open({ path: folder, ports }), ports })
  expect((await store.list('pods')).entries.map(({ key }) => key)).toEqual(told.acknowledged)
  const object = { kind: 'T', apiVersion: 'v1', metadata: { name: 'after' } }
  expect((await store.commit([{ resource: 'pods', key: 'after', expected: 0, object }])).ok).toBe(true)
  await store.close()
}, 30_000)
