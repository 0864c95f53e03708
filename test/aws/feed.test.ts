import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient
} from '@aws-sdk/client-sqs'
import { jest } from '@jest/globals'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import type { TimersFor } from '../../core/timers.ts'
import { deadLetterBody } from '../../lambdas/reconciler/dead-letters.ts'
import { QueueTimers } from '../../lambdas/reconciler/queue-timers.ts'
import { readDeadLetters, sqsBell, sqsQueue } from '../../lambdas/reconciler/sqs.ts'
import { dynamoLeases } from '../../store/backends/dynamodb-leases.ts'
import { ManualClock } from '../contract/store-clock.ts'
import { timersSuite } from '../contract/timers-suite.ts'
import { describeWith } from '../requires.ts'
import { playRollout } from '../sim/rollout.ts'
import { type Emulator, lacksForEmulator, startEmulator } from './emulator.ts'
import { clockPorts, connect, createTable, emulatorClient } from './table.ts'

const SEEDS = Number(process.env.SIM_SEEDS ?? 2)

jest.setTimeout(120_000)

describeWith(lacksForEmulator('ministack'), 'functions on ministack', () => {
  let emulator: Emulator
  let sqs: SQSClient
  let names = 0
  const end = new AbortController()

  beforeAll(async () => {
    emulator = await startEmulator('ministack')
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
    sqs = new SQSClient({ endpoint: emulator.endpoint, region: 'us-east-1', credentials })
  }, 240_000)
  afterAll(async () => {
    end.abort()
    sqs?.destroy()
    await emulator?.stop()
  })

  const newQueue = async () => {
    const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: `queue-${++names}` }))
    return QueueUrl
  }
  const newTable = async () => {
    const table = `feed-${++names}`
    await createTable(emulator.endpoint, table)
    return { endpoint: emulator.endpoint, table }
  }
  const receive = async (url: string) => {
    const command = new ReceiveMessageCommand({ QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 })
    const { Messages = [] } = await sqs.send(command, { abortSignal: end.signal })
    return Messages
  }

  describe('timers through SQS', () => {
    timersSuite(async () => {
      const { clock, log } = systemPorts(silentLog)
      const url = await newQueue()
      const queue = sqsQueue(sqs, url)
      const loops = new Map<string, Parameters<TimersFor>[1]>()
      const invocation = () => {
        const timers = new QueueTimers({ clock, log, queue, longestSeconds: 2 })
        for (const [name, deliver] of loops) timers.forLoop(name, deliver)
        return timers
      }
      const poll = async () => {
        while (!end.signal.aborted) {
          for (const { Body = '', ReceiptHandle } of await receive(url)) {
            const timers = invocation()
            timers.receive(Body)
            await timers.flush()
            await sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle }))
          }
        }
      }
      // It ends with the suite, whatever it is waiting for then.
      poll().catch(() => {})
      const timers: TimersFor = (name, deliver) => {
        loops.set(name, deliver)
        const pending: Promise<void>[] = []
        return {
          set: (key, delayMs, failures) => {
            const one = invocation()
            one.forLoop(name, deliver).set(key, delayMs, failures)
            pending.push(one.flush())
          },
          stop: () => void loops.delete(name)
        }
      }
      return {
        timers,
        now: () => clock.now(),
        pass: (ms) => wait(ms),
        reach: async (done) => {
          while (!done() && !end.signal.aborted) await wait(20)
        }
      }
    })
  })

  test('what is in the dead-letter queue can be looked at again and again', async () => {
    const url = await newQueue()
    const dead = { controller: 'c', key: 'default/a', failures: 18, error: 'Error: never', at: 5 }
    await sqsQueue(sqs, url).send([{ body: deadLetterBody(dead), delaySeconds: 0 }])
    await sqs.send(new SendMessageCommand({ QueueUrl: url, MessageBody: '{"controller":"c","key":"b","failures":2}' }))
    const arn = 'arn:aws:lambda:us-east-1:1:function:wherry-test-reconciler'
    const requestContext = { functionArn: arn, condition: 'RetryAttemptsExhausted' }
    const failed = { requestContext, DDBStreamBatchInfo: { batchSize: 3 } }
    await sqs.send(new SendMessageCommand({ QueueUrl: url, MessageBody: JSON.stringify(failed) }))
    const byKind = async () => {
      const letters = await readDeadLetters(sqs, url)
      return letters.toSorted((a, b) => (a.kind < b.kind ? -1 : 1))
    }
    const expected = [
      { kind: 'key', ...dead },
      { kind: 'stream', function: 'wherry-test-reconciler', records: 3, error: 'RetryAttemptsExhausted' },
      { kind: 'timer', controller: 'c', key: 'b', failures: 2 }
    ]
    expect(await byKind()).toEqual(expected)
    let again = await byKind()
    while (again.length < 3) again = await byKind()
    expect(again).toEqual(expected)
  })

  test('a bell rings a node’s queue; that of a node that has gone is no failure', async () => {
    const url = await newQueue()
    await sqsBell(sqs).ring(url, { resources: ['pods', 'services'] })
    const [message] = await receive(url)
    expect(JSON.parse(message?.Body ?? '')).toEqual({ resources: ['pods', 'services'] })
    await sqsBell(sqs).ring(`${url}-gone`, { resources: ['pods'] })
  })

  test('a lease is one holder’s, until it is given back or its time is over', async () => {
    const clock = new ManualClock()
    const { table, endpoint } = await newTable()
    const client = emulatorClient(endpoint)
    const leases = dynamoLeases({ client, table, ports: clockPorts(clock) })
    const [a, b] = [randomUUID(), randomUUID()]
    const take = (holder: string, name = 'replicaset-controller default/web') =>
      leases.take(name, { holder, ttlMs: 10_000 })
    expect([await take(a), await take(b), await take(a), await take(b, 'x'.repeat(2_000))]).toEqual([
      true,
      false,
      true,
      true
    ])
    clock.advance(9_999)
    expect(await take(b)).toBe(false)
    clock.advance(1)
    expect(await take(b)).toBe(true)
    await leases.give('replicaset-controller default/web', a)
    expect(await take(a)).toBe(false)
    await leases.give('replicaset-controller default/web', b)
    expect(await take(a)).toBe(true)
    await leases.give('never taken', a)
    const racing = await Promise.all(Array.from({ length: 8 }, (_, i) => take(`holder ${i}`, 'contended')))
    expect(racing.filter(Boolean)).toHaveLength(1)
    client.destroy()
  })

  test('a Deployment lives through functions that throw and die at calls of a real table', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const { table, endpoint } = await newTable()
      const client = emulatorClient(endpoint)
      const outcome = await playRollout(seed, {
        rate: 0.003,
        budget: 8,
        on: (clock) => {
          const ports = clockPorts(clock)
          return { backend: connect({ endpoint, table, ports }), leases: dynamoLeases({ client, table, ports }) }
        }
      })
      expect([seed, outcome.problems]).toEqual([seed, []])
      expect(outcome.faults.length).toBeGreaterThan(0)
      client.destroy()
    }
  }, 600_000)
})
