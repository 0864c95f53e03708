import fc from 'fast-check'
import type { KubeObject } from '../../core/object.ts'
import type { Backend } from '../../store/backend.ts'
import { MemoryBackend } from '../../store/backends/memory.ts'
import { SortedMap } from '../../store/sorted-map.ts'
import type { StoreEvent } from '../../store/store.ts'
import { Store } from '../../store/store.ts'
import { call, insides, KEYS, make, plain } from './store-calls.ts'
import { ManualClock, manualPorts, passing } from './store-clock.ts'
import { temporaryLmdb } from './store-folders.ts'

/** A change of one key, right or against a version that is not there, or a look at the past. */
interface Action {
  readonly do: 'put' | 'delete' | 'stale'
  readonly key: string
  readonly color: string
}

const action = fc.record<Action>({
  do: fc.constantFrom('put', 'put', 'delete', 'stale'),
  key: fc.constantFrom(...KEYS),
  color: fc.constantFrom('red', 'blue')
})
const looks = fc.array(
  fc.record({
    at: fc.nat(),
    limit: fc.integer({ min: 1, max: 4 }),
    prefix: fc.constantFrom('', 'a/', 'b/1'),
    color: fc.constantFrom(undefined, 'red')
  }),
  { maxLength: 6 }
)

/** Key -> [version, color], as it was at each version: what the store has to know. */
type Snapshot = ReadonlyMap<string, readonly [number, string]>

async function play(store: Store, clock: ManualClock, actions: readonly Action[]): Promise<readonly Snapshot[]> {
  const snapshots: Snapshot[] = [new Map(), new Map()]
  const state = new Map<string, readonly [number, string]>()
  for (const [i, { do: what, key, color }] of actions.entries()) {
    const current = state.get(key)?.[0] ?? 0
    const object = what === 'delete' ? undefined : { kind: 'T', apiVersion: 'v1', metadata: { name: key }, color }
    const expected = what === 'stale' ? current + 1 + (i % 3) : current
    if (what === 'delete' && current === 0) continue
    const result = await passing(clock, store.commit([{ resource: 'things', key, expected, object }]))
    if (result.ok !== (what !== 'stale')) throw new Error(`${what} of ${key} at ${current}: ${result.ok}`)
    if (!result.ok) {
      expect(result.current?.version ?? 0).toBe(current)
      continue
    }
    const version = result.entries[0]?.version ?? 0
    if (object === undefined) state.delete(key)
    else state.set(key, [version, color])
    while (snapshots.length < version) snapshots.push(snapshots.at(-1) as Snapshot)
    snapshots.push(new Map(state))
  }
  return snapshots
}

function stateAt(
  snapshots: readonly Snapshot[],
  at: number,
  of: { prefix: string; color?: string | undefined }
): string[] {
  return [...(snapshots[at] as Snapshot)]
    .filter(([key, [, color]]) => key.startsWith(of.prefix) && (of.color === undefined || of.color === color))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, [version, color]]) => `${key}@${version} ${color}`)
}

const indexes = () => ({ color: (object: KubeObject) => [String(object.color)] })

const BACKENDS: Record<string, () => Promise<Backend>> = {
  memory: async () => new MemoryBackend(),
  'memory, shared': async () => new MemoryBackend({ exclusive: false }),
  lmdb: temporaryLmdb
}

describe.each(Object.entries(BACKENDS))('over %s', (name, open) => {
  const numRuns = name === 'lmdb' ? 25 : 150

  test('every version can be listed page by page and watched from, and is what it was', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 1, maxLength: 40 }), looks, async (actions, looked) => {
        const clock = new ManualClock()
        const store = new Store({ backend: await open(), ports: manualPorts(clock), indexes })
        try {
          const snapshots = await play(store, clock, actions)
          const newest = snapshots.length - 1
          for (const { at, limit, prefix, color } of newest === 1 ? [] : looked) {
            const exact = 1 + (at % newest)
            const got: string[] = []
            let token: string | undefined
            do {
              const index = color === undefined ? {} : { index: { name: 'color', value: color } }
              const from = token === undefined ? { exact } : { continue: token }
              const page = await passing(clock, store.list('things', { prefix, limit, ...index, ...from }))
              got.push(...page.entries.map(({ key, version, value }) => `${key}@${version} ${value.color}`))
              token = page.continue
              if (page.remaining !== undefined && name !== 'memory, shared') {
                expect(got.length + page.remaining).toBe(stateAt(snapshots, exact, { prefix }).length)
              }
            } while (token !== undefined)
            expect(got).toEqual(stateAt(snapshots, exact, { prefix, color }))
            await replay({ store, clock, snapshots, from: exact })
          }
        } finally {
          await store.close()
        }
      }),
      { numRuns }
    )
  }, 120_000)
})

/** The state at `from` and the events after it make the newest state. */
async function replay(of: {
  store: Store
  clock: ManualClock
  snapshots: readonly Snapshot[]
  from: number
}): Promise<void> {
  const { store, clock, snapshots, from } = of
  const newest = snapshots.length - 1
  const state = new Map(snapshots[from] as Snapshot)
  const stop = new AbortController()
  const watch = store.watch('things', { from, signal: stop.signal })
  const apply = ({ type, entry, version }: StoreEvent) => {
    if (type === 'deleted') state.delete(entry.key)
    else state.set(entry.key, [version, String(entry.value.color)])
    expect([...state].sort()).toEqual([...(snapshots[version] as Snapshot)].sort())
  }
  const read = async () => {
    if (from === newest) return
    for await (const events of watch) {
      for (const event of events) apply(event)
      if (watch.position >= newest) stop.abort()
    }
  }
  await passing(clock, read())
  expect([...state].sort()).toEqual([...(snapshots[newest] as Snapshot)].sort())
}

test('lmdb answers every call as the reference does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(call, { maxLength: 40 }), async (steps) => {
      const memory: Backend = new MemoryBackend()
      const lmdb: Backend = await temporaryLmdb()
      try {
        await Promise.all([memory.reserve('r', 30, 0), lmdb.reserve('r', 30, 0)])
        for (const [at, step] of steps.entries()) {
          // One process alone has no use for it, and LMDB has none.
          if (step.call === 'refresh') continue
          const results = [await make(memory, step, at), await make(lmdb, step, at)]
          expect(plain(results[1])).toEqual(plain(results[0]))
        }
        expect(await insides(lmdb)).toEqual(await insides(memory))
      } finally {
        await lmdb.close()
      }
    }),
    { numRuns: 60 }
  )
}, 120_000)

test('a sorted map has its keys in order after any changes', () => {
  const change = fc.tuple(fc.boolean(), fc.constantFrom('a', 'ab', 'abc', 'b', 'b/1', 'b/2', 'c'), fc.boolean())
  fc.assert(
    fc.property(fc.array(change), (changes) => {
      const map = new SortedMap<number>()
      const model = new Map<string, number>()
      for (const [i, [put, key, look]] of changes.entries()) {
        if (put) map.set(key, model.set(key, i).get(key) ?? 0)
        else if (model.delete(key)) map.delete(key)
        if (look) expect(map.sorted()).toEqual([...model.keys()].sort())
      }
      expect(map.sorted()).toEqual([...model.keys()].sort())
      const { keys, start, end } = map.range('b', 'b')
      expect(keys.slice(start, end)).toEqual([...model.keys()].filter((key) => key.startsWith('b') && key > 'b').sort())
      expect(map.size).toBe(model.size)
    })
  )
})
