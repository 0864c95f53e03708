import { isReason } from '../../core/errors.ts'
import type { Backend } from '../../store/backend.ts'
import type { StoreEvent } from '../../store/store.ts'
import { Store } from '../../store/store.ts'
import { ManualClock, manualPorts, passing } from '../contract/store-clock.ts'
import { type Call, intercept } from '../contract/store-faults.ts'

export const RETENTION_MS = 10 * 60_000

/** DynamoDB expires records by their age alone: nobody may take one that expired for one that is still to come. */
export function expiry(open: (clock: ManualClock) => Promise<() => Backend>): void {
  test.each([
    { name: 'two processes write in turns, often', pause: 0.02, lives: true },
    { name: 'two processes write in turns, now and then', pause: 0.3, lives: true },
    { name: 'two processes write in turns, seldom', pause: 0.7, lives: true },
    { name: 'two processes write in turns, very seldom', pause: 3, lives: true },
    { name: 'a new process comes for each write, often', pause: 0.02, lives: false },
    { name: 'a new process comes for each write, now and then', pause: 0.3, lives: false },
    { name: 'a new process comes for each write, seldom', pause: 0.7, lives: false }
  ])(
    '$name: a watch misses nothing or is told that it expired',
    async ({ pause, lives }) => {
      const clock = new ManualClock()
      const connect = await open(clock)
      const processes: { store: Store; backend: Backend; frozen: boolean }[] = []
      const start = (): Store => {
        const inner = connect()
        const handle = async ({ proceed }: Call) => await (self.frozen ? new Promise(() => {}) : clock.hold(proceed))
        const store = new Store({
          backend: intercept(inner, handle),
          ports: manualPorts(clock),
          retentionMs: RETENTION_MS
        })
        const self = { store, backend: inner, frozen: false }
        processes.push(self)
        return store
      }
      const stores = [start(), start()]
      const versions: number[] = []
      for (let i = 0; i < 12; i++) {
        const object = { kind: 'Thing', apiVersion: 'v1', metadata: { name: `${i}` } }
        const write = { resource: 'things', key: `${i}`, expected: 0, object }
        const store = lives ? (stores[i % stores.length] as Store) : start()
        const result = await passing(clock, store.commit([write]))
        if (result.ok) versions.push(...result.entries.map(({ version }) => version))
        await passing(clock, new Promise<void>((resolve) => clock.after(10, resolve)))
        // As a function that is called no more: its timers do nothing.
        if (!lives) for (const process of processes) if (!stores.includes(process.store)) process.frozen = true
        clock.advance(RETENTION_MS * pause)
      }
      expect(versions).toEqual(Array.from({ length: 12 }, (_, i) => i + 2))
      const seen: string[] = []
      for (const store of stores) {
        const { entries, version } = await passing(clock, store.list('things'))
        expect([entries.length, version]).toEqual([12, 13])
        for (let from = 1; from < 13; from++) seen.push(await watched(store, clock, from))
      }
      expect(seen.filter((what) => what !== 'expired' && what !== 'all')).toEqual([])
      const kept = Math.min(12, Math.floor(1 / pause))
      if (kept < 12) expect(seen[0]).toBe('expired')
      if (kept > 0) expect(seen[12 - kept]).toBe('all')
      for (const store of stores) await store.close()
      for (const { backend, frozen } of processes) if (frozen) await backend.close()
    },
    60_000
  )
}

async function watched(store: Store, clock: ManualClock, from: number): Promise<string> {
  const stop = new AbortController()
  const seen: StoreEvent[] = []
  const read = async () => {
    for await (const events of store.watch('things', { from, signal: stop.signal })) {
      seen.push(...events)
      if (seen.at(-1)?.version === 13) stop.abort()
    }
  }
  try {
    await passing(clock, read())
  } catch (error) {
    if (isReason(error, 'Expired')) return 'expired'
    throw error
  }
  const versions = seen.map(({ version }) => version)
  return versions.join() === Array.from({ length: 13 - from }, (_, i) => from + 1 + i).join() ? 'all' : versions.join()
}
