/** The node's queue in SQS, under the instance's role. */
import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  QueueDoesNotExist,
  ReceiveMessageCommand,
  type SQSClient
} from '@aws-sdk/client-sqs'
import type { Queue, QueueMessage } from './queue.ts'

/** Seconds: the longest that SQS has. An idle node asks 130,000 times a month, of a million that are free. */
const LONG_POLL = 20
const BATCH = 10
/** Seconds. Whoever was away for longer asks for everything anyway (core/reflector.ts). */
const RETENTION = 300
/** Seconds. What was received and not removed comes again after that. */
const VISIBILITY = 30

/** The node role's rights are to queues with the tag of the instance that asks (infra/nodes.ts). */
const INSTANCE_TAG = 'wherry.dev/instance'
/** Of everything that belongs to a cluster. */
const CLUSTER_TAG = 'wherry.dev/cluster'

export function queueTags(cluster: string, instanceArn: string): Record<string, string> {
  return { [INSTANCE_TAG]: instanceArn, [CLUSTER_TAG]: cluster }
}

export function queueName(cluster: string, node: string): string {
  return `wherry-${cluster}-node-${node}`
}

export interface QueueMake {
  readonly name: string
  readonly tags: Readonly<Record<string, string>>
}

/** Makes the queue, or takes the one of that name. One that somebody deletes is made anew by the next `receive`. */
export async function openQueue(client: SQSClient, make: QueueMake): Promise<Queue> {
  const url = await create(client, make)
  return {
    url,
    async receive(signal) {
      const command = new ReceiveMessageCommand({
        QueueUrl: url,
        MaxNumberOfMessages: BATCH,
        WaitTimeSeconds: LONG_POLL
      })
      try {
        const { Messages = [] } = await client.send(command, { abortSignal: signal })
        return Messages.map(({ MessageId = '', ReceiptHandle = '', Body = '' }) => ({
          id: MessageId,
          handle: ReceiptHandle,
          body: Body
        }))
      } catch (error) {
        if (error instanceof QueueDoesNotExist) await create(client, make)
        throw error
      }
    },
    async remove(messages) {
      await client.send(new DeleteMessageBatchCommand({ QueueUrl: url, Entries: entriesOf(messages) }))
    }
  }
}

async function create(client: SQSClient, { name, tags }: QueueMake): Promise<string> {
  const { QueueUrl } = await client.send(
    new CreateQueueCommand({
      QueueName: name,
      tags,
      Attributes: { MessageRetentionPeriod: String(RETENTION), VisibilityTimeout: String(VISIBILITY) }
    })
  )
  if (QueueUrl === undefined) throw new Error(`SQS made the queue ${name} without a URL`)
  return QueueUrl
}

function entriesOf(messages: readonly QueueMessage[]) {
  return messages.map(({ handle }, index) => ({ Id: String(index), ReceiptHandle: handle }))
}
