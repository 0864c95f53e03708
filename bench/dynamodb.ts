/**
 * 32 writers of one resource on each emulator, beside the emulator's own rate for the same two calls (counter, then a
 * transaction of two items): in one process, and in as many as there are writers, which hear of each other only through
 * the table. Run: node bench/dynamodb.ts [writers] [commits]
 */
import { type DynamoDBClient, TransactWriteItemsCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb'
import type { KubeObject } from '../core/object.ts'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { pack } from '../store/backends/compression.ts'
import { DynamoBackend } from '../store/backends/dynamodb.ts'
import { Store } from '../store/store.ts'
import { type EmulatorName, startEmulator } from '../test/aws/emulator.ts'
import { createTable, emulatorClient } from '../test/aws/table.ts'
import { print } from './figures.ts'

const writers = Number(process.argv[2] ?? 32)
const commits = Number(process.argv[3] ?? 1_600)
const ports = systemPorts(silentLog)

function pod(name: string): KubeObject {
  const containers = [{ name: 'web', image: 'example.org/web:1', env: [{ name: 'NAME', value: name }] }]
  return { kind: 'Pod', apiVersion: 'v1', metadata: { name, namespace: 'default', uid: name }, spec: { containers } }
}

interface Rate {
  readonly perSecond: number
  readonly each: readonly number[]
  readonly delays: readonly number[]
  /** DynamoDB's calls by name, for one write. */
  readonly calls: Readonly<Record<string, number>>
}

const calls = new Map<string, number>()

/** Counts what the client sends. */
function counting(client: DynamoDBClient): DynamoDBClient {
  client.middlewareStack.add(
    (next, { commandName = '' }) =>
      async (args) => {
        calls.set(commandName, (calls.get(commandName) ?? 0) + 1)
        return await next(args)
      },
    { step: 'finalizeRequest', priority: 'low' }
  )
  return client
}

/** Every writer writes as fast as it can until all together have made `commits`. */
async function measure(write: (writer: number, i: number) => Promise<unknown>): Promise<Rate> {
  const each = Array.from({ length: writers }, () => 0)
  const delays: number[] = []
  let next = 0
  calls.clear()
  const start = performance.now()
  const work = each.map(async (_, writer) => {
    while (next < commits) {
      const begun = performance.now()
      await write(writer, next++)
      delays.push(performance.now() - begun)
      each[writer] = (each[writer] ?? 0) + 1
    }
  })
  await Promise.all(work)
  const perSecond = commits / ((performance.now() - start) / 1000)
  const counted = [...calls].map(
    ([name, count]) => [name.replace(/(Item|Items)?Command$/, ''), count / commits] as const
  )
  return { perSecond, each, delays, calls: Object.fromEntries(counted) }
}

async function bare(endpoint: string, table: string): Promise<Rate> {
  const client = counting(emulatorClient(endpoint))
  const rate = await measure(async (_, i) => {
    const Key = { p: { S: 'counter' }, s: { S: 'counter' } }
    const update = { UpdateExpression: 'ADD n :c', ExpressionAttributeValues: { ':c': { N: '1' } } }
    const options = { TableName: table, ReturnValues: 'UPDATED_NEW' as const }
    const { Attributes } = await client.send(new UpdateItemCommand({ ...options, Key, ...update }))
    const n = Attributes?.n?.N ?? ''
    const body = { v: { N: n }, b: { B: pack(Buffer.from(JSON.stringify(pod(`pod-${i}`)))) } }
    const put = (p: string, s: string) => ({
      Put: {
        TableName: table,
        Item: { p: { S: p }, s: { S: s }, ...body },
        ConditionExpression: 'attribute_not_exists(p)'
      }
    })
    await client.send(new TransactWriteItemsCommand({ TransactItems: [put('o', `pod-${i}`), put('l', n)] }))
  })
  client.destroy()
  return rate
}

async function stored(endpoint: string, table: string, processes: number): Promise<Rate> {
  const stores = Array.from({ length: processes }, () => {
    const backend = new DynamoBackend({ client: counting(emulatorClient(endpoint)), table, ports })
    return new Store({ backend, ports })
  })
  const rate = await measure(async (writer, i) => {
    const key = `default/pod-${i}`
    const write = { resource: 'pods', key, expected: 0, object: pod(`pod-${i}`) }
    const result = await (stores[writer % processes] as Store).commit([write])
    if (!result.ok) throw new Error(`the commit of ${key} was refused`)
  })
  for (const store of stores) await store.close()
  return rate
}

function median(values: readonly number[], part = 0.5): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(part * (sorted.length - 1))] ?? Number.NaN
}

const ROUNDS = 3
const CASES = [
  { name: 'a store in one process', processes: 1 },
  { name: 'stores in 4 processes', processes: 4 },
  { name: `stores in ${writers} processes`, processes: writers }
]

/** Each case right between two measures of the emulator alone, several times: its rate depends on who else is busy. */
for (const name of ['ministack', 'DynamoDB Local'] satisfies EmulatorName[]) {
  const emulator = await startEmulator(name)
  let tables = 0
  const table = async () => {
    const fresh = `bench-${++tables}`
    await createTable(emulator.endpoint, fresh)
    return fresh
  }
  try {
    const { endpoint } = emulator
    await bare(endpoint, await table())
    for (const { name: what, processes } of CASES) {
      const rates: Rate[] = []
      const ratios: number[] = []
      let before = await bare(endpoint, await table())
      for (let round = 0; round < ROUNDS; round++) {
        const rate = await stored(endpoint, await table(), processes)
        const after = await bare(endpoint, await table())
        rates.push(rate)
        ratios.push((2 * rate.perSecond) / (before.perSecond + after.perSecond))
        before = after
      }
      const each = rates.flatMap((rate) => rate.each)
      const delays = rates.flatMap((rate) => rate.delays)
      const sent = Object.entries(rates[0]?.calls ?? {}).map(([call, count]) => `${call} ${count.toFixed(2)}`)
      print(
        `${name}: ${what}`,
        `${median(rates.map(({ perSecond }) => perSecond)).toFixed(0)}/s, ${median(ratios).toFixed(2)} of its own; ` +
          `each writer ${Math.min(...each)} to ${Math.max(...each)}; ms: ${median(delays).toFixed(0)}, ` +
          `longest ${Math.max(...delays).toFixed(0)}; ${sent.join(', ')}`
      )
    }
  } finally {
    await emulator.stop()
  }
}
