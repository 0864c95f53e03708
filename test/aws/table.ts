import { CreateTableCommand, DynamoDBClient, waitUntilTableExists } from '@aws-sdk/client-dynamodb'
import type { Ports } from '../../core/ports.ts'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { DynamoBackend } from '../../store/backends/dynamodb.ts'
import { PARTITION, SORT } from '../../store/backends/dynamodb-items.ts'
import type { ManualClock } from '../contract/store-clock.ts'

export function emulatorClient(endpoint: string): DynamoDBClient {
  return new DynamoDBClient({
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 4,
    requestHandler: { httpAgent: { maxSockets: 64, keepAlive: true }, requestTimeout: 30_000 }
  })
}

/** A table as infra/ makes it, but that nothing expires by itself: the tests' clock stands in the past. */
export async function createTable(endpoint: string, name: string): Promise<void> {
  const client = emulatorClient(endpoint)
  await client.send(
    new CreateTableCommand({
      TableName: name,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [PARTITION, SORT].map((key) => ({ AttributeName: key, AttributeType: 'S' })),
      KeySchema: [
        { AttributeName: PARTITION, KeyType: 'HASH' },
        { AttributeName: SORT, KeyType: 'RANGE' }
      ]
    })
  )
  await waitUntilTableExists({ client, maxWaitTime: 30, minDelay: 1 }, { TableName: name })
  client.destroy()
}

export interface TableOptions {
  readonly endpoint: string
  readonly table: string
  /** Default: the real ones. */
  readonly ports?: Ports
  readonly retentionMs?: number
}

export function connect({ endpoint, table, ports, retentionMs }: TableOptions): DynamoBackend {
  return new DynamoBackend({
    client: emulatorClient(endpoint),
    table,
    ports: ports ?? systemPorts(silentLog),
    ...(retentionMs === undefined ? {} : { retentionMs })
  })
}

/** The test's time, but pauses before another try are real ones. */
export function clockPorts(clock: Pick<ManualClock, 'now'>): Ports {
  const real = systemPorts(silentLog)
  return { ...real, clock: { now: () => clock.now(), after: real.clock.after } }
}
