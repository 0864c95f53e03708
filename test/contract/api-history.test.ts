import type { Backend } from '../../store/backend.ts'
import { MemoryBackend } from '../../store/backends/memory.ts'
import { ApiHistory } from './api-history.ts'
import { type Call, intercept } from './store-faults.ts'
import { Simulation } from './store-simulation.ts'

const SEEDS = Number(process.env.API_SEEDS ?? 25)
const FAULTS = { death: 0.04, stall: 0.08, lostAnswer: 0.05, anyCall: 0.004, maxSteps: 200_000 }

function history(seed: number, change: (backend: Backend) => Backend = (backend) => backend): ApiHistory {
  const truth = new MemoryBackend({ exclusive: false })
  const stage = new Simulation(seed, change(truth), FAULTS)
  return new ApiHistory({ stage, truth, writes: 10, remainingMs: [3_500, 40_000] })
}

test('clients of functions that die, stall and run out of time see one order', async () => {
  const sums: Record<string, number> = {}
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { problems, happened } = await history(seed).run()
    expect([seed, problems]).toEqual([seed, []])
    for (const [what, count] of Object.entries(happened)) sums[what] = (sums[what] ?? 0) + count
  }
  process.stdout.write(`histories over the API: ${JSON.stringify(sums)}\n`)
  for (const what of ['acknowledged', 'reads', 'lists', 'events', 'deaths']) expect(sums[what]).toBeGreaterThan(SEEDS)
}, 120_000)

/** Tables that break a promise each: the check finds it. */
test.each<[string, RegExp, (call: Call) => Promise<unknown>]>([
  [
    'a commit that is acknowledged and lost',
    /^acknowledged and lost/,
    async ({ method, args, proceed }) => {
      const [items] = args as [{ resource: string; record: { version: number } }[]]
      const lost =
        method === 'commit' &&
        items.some(({ resource, record }) => resource === 'configmaps' && record.version % 5 === 0)
      return lost ? { ok: true } : await proceed()
    }
  ],
  [
    'a read of an old version',
    /^read \w@\d+, after \d+ was acknowledged/,
    async ({ method, args, proceed }) => {
      if (method !== 'get' || args[0] !== 'configmaps') return await proceed()
      // An old version, as a weak read gives it.
      const found = (await proceed()) as { version: number; key: string } | undefined
      const known = stale.get(found?.key ?? '') ?? found
      if (found !== undefined) stale.set(found.key, found)
      return known
    }
  ]
])(
  'finds %s',
  async (_, expected, handle) => {
    stale.clear()
    const found: string[] = []
    for (let seed = 1; seed <= 12 && !found.some((problem) => expected.test(problem)); seed++) {
      try {
        found.push(...(await history(seed, (backend) => intercept(backend, handle)).run()).problems)
      } catch (error) {
        found.push((error as Error).message)
      }
    }
    expect(found.some((problem) => expected.test(problem))).toBe(true)
  },
  120_000
)

const stale = new Map<string, unknown>()
