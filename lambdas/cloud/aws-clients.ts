/** What the control plane asks of AWS. */
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { Ports } from '../../core/ports.ts'
import { DynamoBackend } from '../../store/backends/dynamodb.ts'
import { DynamoRelay } from '../../store/backends/dynamodb-relay.ts'
import type { Outside } from './cloud.ts'
import type { CloudConfig } from './config.ts'
import { askSts } from './sts.ts'

/** Milliseconds. A request that AWS does not answer is tried again well before the function's own time is over. */
const CONNECT_MS = 2_000
const ANSWER_MS = 6_000

/** Credentials, region and an emulator's endpoint come from the environment. */
export function awsOutside({ table, retentionMs }: CloudConfig, ports: Ports): Outside {
  const client = dynamoClient()
  const ssm = once(async () => (await import('./ssm.ts')).ssmParameters())
  const ring = once(async () => (await import('./sqs.ts')).sqsRing())
  return {
    backend: new DynamoBackend({ client, table, ports, retentionMs }),
    pieces: new DynamoRelay({ client, table, ports }),
    parameters: {
      get: async (name) => await (await ssm()).get(name),
      create: async (name, value) => await (await ssm()).create(name, value)
    },
    askSts: askSts(),
    ring: async (queueUrl, message) => await (await ring())(queueUrl, message)
  }
}

export function dynamoClient(): DynamoDBClient {
  return new DynamoDBClient({
    maxAttempts: 4,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: ANSWER_MS,
      throwOnRequestTimeout: true,
      httpsAgent: { keepAlive: true, maxSockets: 64 },
      httpAgent: { keepAlive: true, maxSockets: 64 }
    }
  })
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => {
    made ??= make()
    return made
  }
}
