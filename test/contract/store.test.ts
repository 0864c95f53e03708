import type { Backend } from '../../store/backend.ts'
import { MemoryBackend } from '../../store/backends/memory.ts'
import { SealedBackend } from '../../store/backends/sealed.ts'
import { manualPorts } from './store-clock.ts'
import { shared } from './store-faults.ts'
import { temporaryLmdb } from './store-folders.ts'
import { type Fixture, storeSuite } from './store-suite.ts'

const sealed = (inner: Backend) =>
  new SealedBackend(inner, { keys: [{ id: 'k', key: Buffer.alloc(32, 7) }], seals: () => true })

/** A backend is one line here, and a second one for the way that many processes use it. */
const FIXTURES: Record<string, Fixture['open']> = {
  memory: async () => new MemoryBackend(),
  'memory, shared': async () => new MemoryBackend({ exclusive: false }),
  'memory, all of it sealed': async () => sealed(new MemoryBackend()),
  'memory, shared and sealed': async () => sealed(new MemoryBackend({ exclusive: false })),
  lmdb: async (clock) => await temporaryLmdb(manualPorts(clock)),
  'lmdb, read as a shared one': async (clock) => shared(await temporaryLmdb(manualPorts(clock)))
}

describe.each(Object.entries(FIXTURES))('the store over %s', (_, open) => {
  storeSuite({ open })
})
