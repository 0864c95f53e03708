import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backend } from '../../store/backend.ts'
import { LmdbBackend } from '../../store/backends/lmdb.ts'
import { MemoryBackend } from '../../store/backends/memory.ts'
import { manualPorts } from './store-clock.ts'
import { shared } from './store-faults.ts'
import { type Fixture, storeSuite } from './store-suite.ts'

const folders: string[] = []

/** A backend is one line here, and a second one for the way that many processes use it. */
const FIXTURES: Record<string, Fixture['open']> = {
  memory: async () => new MemoryBackend(),
  'memory, shared': async () => new MemoryBackend({ exclusive: false }),
  lmdb: async (clock) => await openLmdb(manualPorts(clock)),
  'lmdb, read as a shared one': async (clock) => shared(await openLmdb(manualPorts(clock)))
}

async function openLmdb(ports: ReturnType<typeof manualPorts>): Promise<Backend> {
  const path = mkdtempSync(join(tmpdir(), 'wherry-store-'))
  folders.push(path)
  return await LmdbBackend.open({ path, ports })
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

describe.each(Object.entries(FIXTURES))('the store over %s', (_, open) => {
  storeSuite({ open })
})
