/** SQS as the reconciler uses it; what its messages mean is said elsewhere. */
import {
  QueueDoesNotExist,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient
} from '@aws-sdk/client-sqs'
import { type DeadLetter, readDeadLetter } from './dead-letters.ts'
import type { Bell } from './doorbell.ts'
import type { TimerQueue } from './queue-timers.ts'

/** SQS' limit of messages in one call. */
const BATCH = 10

/** Credentials, region and an emulator's endpoint come from the environment. */
export function sqsClient(): SQSClient {
  return new SQSClient({ maxAttempts: 4, requestHandler: { connectionTimeout: 2_000, requestTimeout: 6_000 } })
}

export function sqsQueue(client: SQSClient, url: string): TimerQueue {
  const sendBatch = async (messages: Parameters<TimerQueue['send']>[0]) => {
    const Entries = messages.map(({ body, delaySeconds }, i) => {
      return { Id: String(i), MessageBody: body, DelaySeconds: delaySeconds }
    })
    const { Failed = [] } = await client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries }))
    const [first] = Failed
    if (first !== undefined) throw new Error(`${Failed.length} messages were refused: ${first.Code} ${first.Message}`)
  }
  return {
    send: async (messages) => {
      const batches: Promise<void>[] = []
      for (let at = 0; at < messages.length; at += BATCH) batches.push(sendBatch(messages.slice(at, at + BATCH)))
      await Promise.all(batches)
    }
  }
}

export function sqsBell(client: SQSClient): Bell {
  return {
    ring: async (url, message) => {
      try {
        await client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: JSON.stringify(message) }))
      } catch (error) {
        // The node has gone, and will be removed.
        if (!(error instanceof QueueDoesNotExist)) throw error
      }
    }
  }
}

/** Seconds for which others do not see the letters that were looked at. */
const LOOK_SECONDS = 5
const LOOKS = 20

/** At most some 200 letters of the dead-letter queue, which stay there: for `wherry doctor`. */
export async function readDeadLetters(client: SQSClient, url: string): Promise<readonly DeadLetter[]> {
  const letters = new Map<string, DeadLetter>()
  for (let look = 0; look < LOOKS; look++) {
    const command = new ReceiveMessageCommand({
      QueueUrl: url,
      MaxNumberOfMessages: BATCH,
      VisibilityTimeout: LOOK_SECONDS,
      WaitTimeSeconds: 0
    })
    const { Messages = [] } = await client.send(command)
    for (const { MessageId = '', Body = '' } of Messages) letters.set(MessageId, readDeadLetter(Body))
    if (Messages.length === 0) break
  }
  return [...letters.values()]
}
