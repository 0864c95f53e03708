import fc from 'fast-check'
import type { Backend, LogRecord, TransactionItem } from '../../store/backend.ts'

export const KEYS = ['a/1', 'a/2', 'a/3', 'b/1', 'b/10', 'c']

/** One call of the contract with arguments that may or may not fit. */
export const call = fc.oneof(
  fc.record({ call: fc.constant('reserve' as const), count: fc.integer({ min: 1, max: 3 }) }),
  fc.record({ call: fc.constant('fence' as const), version: fc.integer({ min: 1, max: 30 }) }),
  fc.record({ call: fc.constant('advance' as const), version: fc.integer({ min: 0, max: 30 }) }),
  fc.record({
    call: fc.constant('refresh' as const),
    key: fc.constantFrom(...KEYS),
    expected: fc.constantFrom<'right' | 1 | 2>('right', 'right', 1, 2)
  }),
  fc.record({ call: fc.constant('trim' as const), before: fc.integer({ min: 0, max: 40 }) }),
  fc.record({
    call: fc.constant('commit' as const),
    items: fc.uniqueArray(
      fc.record({
        key: fc.constantFrom(...KEYS),
        version: fc.integer({ min: 1, max: 30 }),
        expected: fc.constantFrom<'right' | 0 | 1 | 2>('right', 'right', 'right', 0, 1, 2),
        remove: fc.boolean(),
        term: fc.constantFrom('color=red', 'color=blue')
      }),
      { minLength: 1, maxLength: 3, selector: ({ key }) => key }
    )
  })
)

export type BackendCall = typeof call extends fc.Arbitrary<infer T> ? T : never

export async function make(backend: Backend, step: BackendCall, at: number): Promise<unknown> {
  if (step.call === 'reserve') return await backend.reserve('r', step.count, 0)
  if (step.call === 'advance') return await backend.advance('r', step.version)
  if (step.call === 'trim') return await backend.trim('r', step.before, 1_000)
  if (step.call === 'refresh') return await refresh(backend, step, at)
  const { frontier } = await backend.counter('r')
  if (step.call === 'fence') {
    return step.version <= frontier ? 'skipped: resolved' : await backend.fence('r', step.version, at)
  }
  if (step.items.some(({ version }) => version <= frontier)) return 'skipped: resolved'
  const numbers = new Set(step.items.map(({ version }) => version))
  if (numbers.size < step.items.length) return 'skipped: a number of two items'
  const items: TransactionItem[] = []
  for (const { key, version, expected, remove, term } of step.items) {
    const held = await backend.get('r', key)
    const right = held?.bytes === undefined ? 0 : held.version
    const replaced = expected === 'right' ? right : expected
    if (remove && replaced === 0) return 'skipped: a deletion of nothing'
    const bytes = Buffer.from(JSON.stringify({ key, version }))
    const record: LogRecord = {
      version,
      type: remove ? 'delete' : 'put',
      key,
      replaced,
      at,
      bytes,
      previous: undefined
    }
    const removed = replaced === 0 ? [] : ['color=red', 'color=blue'].filter((other) => remove || other !== term)
    items.push({ resource: 'r', expected: replaced, record, added: remove ? [] : [term], removed })
  }
  return await backend.commit(items)
}

async function refresh(
  backend: Backend,
  { key, expected }: { key: string; expected: 'right' | 1 | 2 },
  at: number
): Promise<unknown> {
  if (backend.refresh === undefined) return 'skipped: it has none'
  const held = await backend.get('r', key)
  const version = expected === 'right' ? (held?.version ?? 1) : expected
  return await backend.refresh('r', key, { version, bytes: Buffer.from(JSON.stringify({ key, version, at })) })
}

/** Everything that the contract lets one see. */
export async function insides(backend: Backend): Promise<unknown> {
  const query = { prefix: '', after: '', limit: 100 }
  const log = await backend.readLog('r', 0, 1_000)
  return plain([
    log,
    await backend.readLog('r', 7, 2),
    await backend.getMany('r', [...KEYS, 'none']),
    (await backend.listObjects('r', query)).objects,
    (await backend.listObjects('r', { prefix: 'a/', after: 'a/1', limit: 5 })).objects,
    (await backend.listIndex('r', 'color=red', query)).keys,
    (await backend.listIndex('r', 'color=blue', { ...query, prefix: 'b/' })).keys,
    await backend.count('r', 'a/', 'a/1'),
    await backend.readRecords('r', [3, 1, 9])
  ])
}

/** Bytes as text, so that it does not matter in what kind of array they are. */
export function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, inner) => (inner?.type === 'Buffer' ? Buffer.from(inner.data).toString() : inner)) ??
      'null'
  )
}
