import type { Backend, TransactionItem } from '../../store/backend.ts'
import { MemoryBackend } from '../../store/backends/memory.ts'
import { type Call, intercept, shared } from './store-faults.ts'
import { temporaryLmdb } from './store-folders.ts'
import { History } from './store-history.ts'
import { FAULTS } from './store-simulation.ts'

const SEEDS = Number(process.env.STORE_SEEDS ?? 300)

async function problemsOf(seed: number, backend: Backend, truth: Backend = backend): Promise<string | undefined> {
  const problems = await new History({ seed, faults: FAULTS, backend, truth }).run()
  return problems.length === 0 ? undefined : `seed ${seed}: ${problems[0]}`
}

describe('concurrent histories with dying and stalling writers', () => {
  test.each([
    { name: 'one process after another', exclusive: true },
    { name: 'many processes', exclusive: false }
  ])(
    'over memory, $name',
    async ({ exclusive }) => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        expect(await problemsOf(seed, new MemoryBackend({ exclusive }))).toBeUndefined()
      }
    },
    120_000
  )

  test.each([{ exclusive: true }, { exclusive: false }])(
    'over lmdb, %j',
    async ({ exclusive }) => {
      for (let seed = 1; seed <= SEEDS / 15; seed++) {
        const backend = await temporaryLmdb()
        try {
          expect(await problemsOf(seed, exclusive ? backend : shared(backend))).toBeUndefined()
        } finally {
          await backend.close()
        }
      }
    },
    120_000
  )
})

/** Backends that break one rule of the contract each. */
const MUTANTS: Record<string, { found: RegExp; handle: (call: Call, inner: MemoryBackend) => Promise<unknown> }> = {
  'a fence that is not written': {
    found: /waits for what does not come/,
    handle: async ({ method, proceed }) => (method === 'fence' ? true : await proceed())
  },
  'a commit into a fenced number': {
    found: /a watch of .* saw/,
    handle: async ({ method, args, proceed }, inner) => {
      if (method === 'commit') for (const item of itemsOf(args)) unfence(inner, item)
      return await proceed()
    }
  },
  'a commit that expects whatever is there': {
    found: /replaced \d+, not \d+/,
    handle: async ({ method, args, proceed }, inner) => {
      if (method !== 'commit') return await proceed()
      const items = itemsOf(args).map(async (item) => {
        const current = await inner.get(item.resource, item.record.key)
        return { ...item, expected: current?.bytes === undefined ? 0 : current.version }
      })
      return await proceed([await Promise.all(items)])
    }
  },
  'a transaction that takes place in parts': {
    found: /is not in the log/,
    handle: async ({ method, args, proceed }, inner) => {
      if (method !== 'commit') return await proceed()
      let result = await inner.commit(itemsOf(args).slice(0, 1))
      for (const item of itemsOf(args).slice(1)) if (result.ok) result = await inner.commit([item])
      return result
    }
  },
  'a deletion without a tombstone': {
    found: /replaced \d+, not \d+/,
    handle: async ({ method, args, proceed }, inner) => {
      if (method === 'commit') for (const { resource, record } of itemsOf(args)) bury(inner, resource, record.key)
      return await proceed()
    }
  },
  'a checkpoint that runs ahead': {
    found: /acknowledged over a gap/,
    handle: async ({ method, proceed }) => {
      const result = await proceed()
      if (method !== 'counter') return result
      const { reserved } = result as { reserved: number }
      return { reserved, frontier: reserved }
    }
  },
  'a counter that lags': {
    found: /too early/,
    handle: async ({ method, proceed }) => {
      const result = await proceed()
      if (method !== 'counter') return result
      const { frontier } = result as { frontier: number }
      return { reserved: frontier, frontier }
    }
  },
  'a log that forgets records at times': {
    found: /waits for what does not come|too old resource version/,
    handle: async ({ method, proceed }) => {
      const result = await proceed()
      return method === 'readLog'
        ? (result as { version: number }[]).filter(({ version }) => version % 5 !== 0)
        : result
    }
  },
  'a number handed out twice': {
    found: /is not in the log/,
    handle: async ({ method, proceed }) => {
      const result = await proceed()
      return method === 'reserve' && (result as number) % 4 === 0 ? (result as number) - 1 : result
    }
  },
  'an index that is not kept': {
    found: /is no snapshot/,
    handle: async ({ method, args, proceed }) =>
      method === 'commit'
        ? await proceed([itemsOf(args).map((item) => ({ ...item, removed: [], added: [] }))])
        : await proceed()
  }
}

function itemsOf(args: readonly unknown[]): readonly TransactionItem[] {
  return args[0] as readonly TransactionItem[]
}

interface Insides {
  readonly all: Map<string, { log: Map<number, { type: string }>; dead: Map<string, unknown> }>
}

function unfence(inner: MemoryBackend, { resource, record }: TransactionItem): void {
  const { log } = (inner as unknown as Insides).all.get(resource) ?? { log: new Map() }
  if (log.get(record.version)?.type === 'fence') log.delete(record.version)
}

function bury(inner: MemoryBackend, resource: string, key: string): void {
  ;(inner as unknown as Insides).all.get(resource)?.dead.delete(key)
}

test.each(Object.entries(MUTANTS))(
  'the check finds %s',
  async (_, { found, handle }) => {
    const problems: string[] = []
    for (let seed = 1; seed <= 400; seed++) {
      const inner = new MemoryBackend({ exclusive: false })
      const mutant = intercept(inner, async (call) => await handle(call, inner))
      const problem = await problemsOf(seed, mutant, inner).catch((error: Error) => error.message)
      if (problem === undefined) continue
      if (found.test(problem)) return
      problems.push(problem)
    }
    throw new Error(`no history was wrong as it should be: ${problems[0]}`)
  },
  60_000
)
