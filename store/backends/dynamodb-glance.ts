import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { Ports } from '../../core/ports.ts'
import { Calls } from './dynamodb-calls.ts'
import { counterKey, counterOf } from './dynamodb-items.ts'

/** The number that a resource's log had reached about a second ago or later: half a read unit. */
export type Glance = (resource: string) => Promise<number>

export function dynamoGlance(of: {
  readonly client: DynamoDBClient
  readonly table: string
  readonly ports: Ports
}): Glance {
  const calls = new Calls(of.client, of.table, of.ports)
  return async (resource) => counterOf(await calls.get(counterKey(resource), { consistent: false })).reserved
}
