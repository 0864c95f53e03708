import { CreateQueueCommand, DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs'
import { jest } from '@jest/globals'
import type { Context, DynamoDBRecord } from 'aws-lambda'
import { deployments, nodes, pods } from '../../core/kinds/refs.ts'
import { LEDGERS } from '../../core/ledger.ts'
import { QUEUE_URL } from '../../lambdas/reconciler/doorbell.ts'
import { logKey } from '../../store/backends/dynamodb-items.ts'
import { describeWith } from '../requires.ts'
import { type Emulator, lacksForEmulator, startEmulator } from './emulator.ts'
import { createTable } from './table.ts'

jest.setTimeout(180_000)

const RESOURCES = ['apps/deployments', 'apps/replicasets', 'pods', 'nodes', LEDGERS]

describeWith(lacksForEmulator('ministack'), 'the entry files on ministack', () => {
  let emulator: Emulator
  let sqs: SQSClient
  const before = { ...process.env }

  beforeAll(async () => {
    emulator = await startEmulator('ministack')
    Object.assign(process.env, {
      AWS_ENDPOINT_URL: emulator.endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
      WHERRY_CLUSTER: 'test',
      WHERRY_TABLE: 'wherry-test',
      WHERRY_LOG_LEVEL: 'error'
    })
    sqs = new SQSClient({})
    process.env.WHERRY_TIMERS_URL = await queue('timers')
    process.env.WHERRY_DEAD_URL = await queue('dead')
    await createTable(emulator.endpoint, 'wherry-test')
  }, 240_000)
  afterAll(async () => {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name]
    Object.assign(process.env, before)
    sqs?.destroy()
    await emulator?.stop()
  })

  const queue = async (name: string) => {
    const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: `wherry-test-${name}` }))
    return QueueUrl
  }
  const receive = async (url = '') => {
    const command = new ReceiveMessageCommand({
      QueueUrl: url,
      MaxNumberOfMessages: 10,
      MessageSystemAttributeNames: ['ApproximateReceiveCount']
    })
    return (await sqs.send(command)).Messages ?? []
  }
  const context = { getRemainingTimeInMillis: () => 60_000 } as Context

  test('changes, timers and ticks as Lambda gives them bring a Deployment to its pods, bound and rung', async () => {
    const { warmCloud } = await import('../../lambdas/cloud/cloud.ts')
    const reconciler = (await import('../../lambdas/reconciler/handler.ts')).handler
    const scheduler = (await import('../../lambdas/scheduler/handler.ts')).handler
    const cloud = await warmCloud()
    const admin = cloud.client('admin', 'system:masters')
    const bell = await queue('node-n1')
    await admin.create(nodes, { metadata: { name: 'n1', annotations: { [QUEUE_URL]: bell } } })
    const amounts = { cpu: '4', memory: '8Gi', pods: '110' }
    const status = { allocatable: amounts, capacity: amounts, conditions: [{ type: 'Ready', status: 'True' }] }
    await admin.patch(nodes, { name: 'n1' }, { type: 'merge', subresource: 'status', body: { status } })
    const labels = { app: 'web' }
    const container = { name: 'c', image: 'i', resources: { requests: { cpu: '1' } } }
    await admin.create(deployments, {
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } }
      }
    })
    const told = new Map<string, number>()
    /** What the table's stream would deliver: the new records of the log. */
    const records = async (): Promise<DynamoDBRecord[]> => {
      const found: DynamoDBRecord[] = []
      for (const resource of RESOURCES) {
        for (const { version } of await cloud.backend.readLog(resource, told.get(resource) ?? 1, 100)) {
          told.set(resource, version)
          found.push({ eventName: 'INSERT', dynamodb: { Keys: { ...logKey(resource, version) } } })
        }
      }
      return found
    }
    await reconciler({ wherry: 'tick' }, context)
    const bound = async () => {
      const { items } = await admin.list(pods, { namespace: 'default' })
      return items.filter(({ spec }) => spec?.nodeName === 'n1').length
    }
    while ((await bound()) < 2) {
      const Records = await records()
      const answers = [await reconciler({ Records }, context), await scheduler({ Records }, context)]
      expect(answers).toEqual([{ batchItemFailures: [] }, { batchItemFailures: [] }])
      for (const { Body = '', ReceiptHandle, Attributes = {} } of await receive(process.env.WHERRY_TIMERS_URL)) {
        const record = { body: Body, attributes: Attributes }
        await reconciler({ Records: [record] } as unknown as Parameters<typeof reconciler>[0], context)
        const QueueUrl = process.env.WHERRY_TIMERS_URL
        await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))
      }
    }
    await reconciler({ Records: await records() }, context)
    const rung = (await receive(bell)).flatMap(
      ({ Body = '{}' }) => (JSON.parse(Body) as { resources: string[] }).resources
    )
    expect([rung.includes('pods'), await receive(process.env.WHERRY_DEAD_URL)]).toEqual([true, []])
    await cloud.close()
  })
})
