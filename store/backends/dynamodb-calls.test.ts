import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { Calls } from './dynamodb-calls.ts'

interface Sent {
  readonly input: Record<string, unknown>
}

/** A client that answers in turn; the last answer is given for ever. */
function calls(answers: readonly unknown[]): { calls: Calls; sent: Sent[]; pauses: number[] } {
  const sent: Sent[] = []
  const pauses: number[] = []
  const send = async (command: Sent) => {
    sent.push(command)
    const answer = answers[Math.min(sent.length, answers.length) - 1]
    if (answer instanceof Error) throw answer
    return answer
  }
  const real = systemPorts(silentLog)
  const after = (ms: number, run: () => void) => {
    pauses.push(ms)
    queueMicrotask(run)
    return { cancel: () => {} }
  }
  const ports = { ...real, random: { next: () => 0.5 }, clock: { now: () => 0, after } }
  return { calls: new Calls({ send } as unknown as DynamoDBClient, 't', ports), sent, pauses }
}

function failure(name: string, ...codes: string[]): Error {
  const CancellationReasons = codes.map((Code) => ({ Code }))
  return Object.assign(new Error(name), { name, ...(codes.length > 0 ? { CancellationReasons } : {}) })
}

const key = (s: string) => ({ p: { S: 'p' }, s: { S: s } })
const CANCELLED = 'TransactionCanceledException'

test.each([
  { name: 'throttling', error: failure('ThrottlingException') },
  { name: 'exhausted throughput', error: failure('ProvisionedThroughputExceededException') },
  { name: 'a transaction under way', error: failure('TransactionConflictException') },
  { name: 'a cancellation for a conflict', error: failure(CANCELLED, 'None', 'TransactionConflict') },
  { name: 'a cancellation for throttling', error: failure(CANCELLED, 'ThrottlingError', 'None') }
])('tries again after $name, with longer pauses and a token of its own', async ({ error }) => {
  const { calls: tried, sent, pauses } = calls([error, error, error, {}])
  expect(await tried.transact([])).toBeUndefined()
  expect(pauses).toEqual([10, 20, 40])
  expect(new Set(sent.map(({ input }) => input.ClientRequestToken)).size).toBe(4)
})

test('gives up with a failure that tells clients to come back', async () => {
  const { calls: tried, sent } = calls([failure('ThrottlingException')])
  await expect(tried.get(key('a'))).rejects.toMatchObject({ code: 429, details: { retryAfterSeconds: 1 } })
  expect(sent).toHaveLength(8)
})

test('tells why conditions failed, also beside a conflict, and passes other failures on', async () => {
  const refused = calls([failure(CANCELLED, 'ConditionalCheckFailed', 'TransactionConflict')])
  expect(await refused.calls.transact([])).toEqual([
    { Code: 'ConditionalCheckFailed' },
    { Code: 'TransactionConflict' }
  ])
  for (const error of [
    failure('ValidationException'),
    failure(CANCELLED, 'ValidationError'),
    failure('TimeoutError')
  ]) {
    const { calls: tried, sent } = calls([error])
    await expect(tried.transact([])).rejects.toBe(error)
    expect(sent).toHaveLength(1)
  }
})

test('asks again for what did not come, and gives up when nothing comes', async () => {
  const answer = (found: string[], left: string[]) => ({
    Responses: { t: found.map(key) },
    UnprocessedKeys: left.length === 0 ? {} : { t: { Keys: left.map(key) } }
  })
  const slow = calls([answer(['b'], ['a']), answer([], ['a']), answer(['a'], [])])
  expect(await slow.calls.getMany(['a', 'b'].map(key))).toEqual(['a', 'b'].map(key))
  expect(slow.pauses).toEqual([10])
  const stuck = calls([answer([], ['a'])])
  await expect(stuck.calls.getMany([key('a')])).rejects.toMatchObject({ code: 429 })
})
