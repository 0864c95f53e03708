import type { CancellationReason } from '@aws-sdk/client-dynamodb'
import type { TransactionItem } from '../backend.ts'
import { judge, planTransaction } from './dynamodb-transaction.ts'

function item(key: string, version: number, more: Partial<TransactionItem> & { bytes?: Uint8Array } = {}) {
  const { bytes = Buffer.from('{}'), ...rest } = more
  const record = { version, type: 'put' as const, key, replaced: 0, at: 5_000, bytes, previous: undefined }
  return { resource: 'pods', expected: 0, record, added: [], removed: [], ...rest } satisfies TransactionItem
}

const NONE: CancellationReason = { Code: 'None' }
const failed = (Item?: CancellationReason['Item']): CancellationReason => ({
  Code: 'ConditionalCheckFailed',
  ...(Item === undefined ? {} : { Item })
})
const live = (v: number, chunks?: number) => ({
  v: { N: `${v}` },
  ...(chunks === undefined ? { b: { B: Buffer.from('x') } } : { c: { N: `${chunks}` } })
})
const dead = (v: number) => ({ v: { N: `${v}` }, d: { BOOL: true } })

describe('why a transaction was cancelled', () => {
  const fresh = item('a', 9)
  const update = item('b', 9, { expected: 5 })
  test.each<{ name: string; items: TransactionItem[]; reasons: CancellationReason[]; verdict: unknown }>([
    {
      name: 'the key exists',
      items: [fresh],
      reasons: [failed(live(3)), NONE],
      verdict: { reason: 'object', item: 0, held: live(3) }
    },
    {
      name: 'a younger tombstone is in the way',
      items: [fresh],
      reasons: [failed(dead(11)), NONE],
      verdict: { reason: 'number', item: 0, held: dead(11) }
    },
    {
      name: 'another version is there',
      items: [update],
      reasons: [failed(live(6)), NONE],
      verdict: { reason: 'object', item: 0, held: live(6) }
    },
    {
      name: 'it was deleted',
      items: [update],
      reasons: [failed(dead(7)), NONE],
      verdict: { reason: 'object', item: 0, held: dead(7) }
    },
    {
      name: 'nothing is there',
      items: [update],
      reasons: [failed(), NONE],
      verdict: { reason: 'object', item: 0, held: undefined }
    },
    {
      name: 'the number is fenced',
      items: [fresh],
      reasons: [NONE, failed()],
      verdict: { reason: 'number', item: 0, held: undefined }
    },
    {
      name: 'the second is fenced',
      items: [fresh, update],
      reasons: [NONE, NONE, NONE, failed()],
      verdict: { reason: 'number', item: 1, held: undefined }
    },
    {
      name: 'both: the object is told',
      items: [fresh, update],
      reasons: [NONE, failed(), failed(live(6)), NONE],
      verdict: { reason: 'object', item: 1, held: live(6) }
    },
    {
      name: 'the object has chunks',
      items: [update],
      reasons: [failed(live(5, 3)), NONE],
      verdict: 'plan again'
    }
  ])('$name', ({ items, reasons, verdict }) => {
    expect(judge(items, reasons, new Map())).toEqual(verdict)
  })

  test('the chunks that were found are in the next plan', () => {
    const chunks = new Map<TransactionItem, number>()
    judge([update], [failed(live(5, 2)), NONE], chunks)
    const writes = planTransaction([update], { table: 't', keptMs: 1_000, chunks })
    expect(writes.slice(2).map((write) => [write.Update?.Key?.s?.S, write.Update?.ExpressionAttributeValues])).toEqual([
      ['0000000000000005#0', { ':x': { N: '6' } }],
      ['0000000000000005#1', { ':x': { N: '6' } }]
    ])
  })
})

describe('the writes of a transaction', () => {
  const plan = (items: readonly TransactionItem[]) =>
    planTransaction(items, { table: 't', keptMs: 1_000, chunks: new Map() })

  test('are each object and its record first, then index entries', () => {
    const writes = plan([item('a/x', 2, { added: ['node=n1'] }), item('a/y', 3, { expected: 1, removed: ['node=n2'] })])
    const keys = writes.map(({ Put, Delete }) => Put?.Item ?? Delete?.Key).map((key) => `${key?.p?.S} ${key?.s?.S}`)
    expect(keys).toEqual([
      'pods a/x',
      'log#pods 0000000000000002',
      'pods a/y',
      'log#pods 0000000000000003',
      'index#pods#node=n1 a/x',
      'index#pods#node=n2 a/y'
    ])
    expect(writes[1]?.Put?.Item?.x).toEqual({ N: '6' })
    expect(writes[0]?.Put?.Item?.x).toBeUndefined()
  })

  test('are refused above 100 items, above 4 MiB, and with keys that DynamoDB cannot take', () => {
    const terms = Array.from({ length: 99 }, (_, i) => `t=${i}`)
    expect(() => plan([item('a', 2, { added: terms })])).toThrow('too large')
    expect(() => plan([item('k'.repeat(1025), 2)])).toThrow('at most 1024 bytes')
    expect(() => plan([item('a', 2, { added: ['t='.padEnd(3_000, 'x')] })])).toThrow('at most 2048 bytes')
  })
})
