import { MemoryBackend } from '../../store/backends/memory.ts'
import { manualPorts } from './store-clock.ts'
import { shared } from './store-faults.ts'
import { temporaryLmdb } from './store-folders.ts'
import { type Fixture, storeSuite } from './store-suite.ts'

/** A backend is one line here, and a second one for the way that many processes use it. */
const FIXTURES: Record<string, Fixture['open']> = {
  memory: async () => new MemoryBackend(),
  'memory, shared': async () => new MemoryBackend({ exclusive: false }),
  lmdb: async (clock) => await temporaryLmdb(manualPorts(clock)),
  'lmdb, read as a shared one': async (clock) => shared(await temporaryLmdb(manualPorts(clock)))
}

describe.each(Object.entries(FIXTURES))('the store over %s', (_, open) => {
  storeSuite({ open })
})
