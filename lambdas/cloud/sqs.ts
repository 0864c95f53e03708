/** SQS, loaded when a process first rings a node. */
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs'

/**
 * Puts a message into a queue. A node says in its annotation which queue is its own, so the URL only names the queue:
 * requests go to SQS of the function's region, never to a host that a node has made up.
 */
export function sqsRing(): (queueUrl: string, message: object) => Promise<void> {
  const client = new SQSClient({ useQueueUrlAsEndpoint: false })
  return async (queueUrl, message) => {
    await client.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: JSON.stringify(message) }))
  }
}
