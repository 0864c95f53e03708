import type { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import type { Leases } from '../../core/leases.ts'
import type { Ports } from '../../core/ports.ts'
import { Calls } from './dynamodb-calls.ts'
import { leaseKey, number } from './dynamodb-items.ts'

export interface DynamoLeasesOptions {
  readonly client: DynamoDBClient
  readonly table: string
  readonly ports: Ports
}

/** Leases in the store's table: one plain conditional write to take one, one to give it back. They leave no record. */
export function dynamoLeases({ client, table, ports }: DynamoLeasesOptions): Leases {
  const calls = new Calls(client, table, ports)
  return {
    take: async (name, { holder, ttlMs }) => {
      const now = ports.clock.now()
      const until = now + ttlMs
      const answer = await calls.update(leaseKey(name), {
        UpdateExpression: 'SET h = :h, u = :u, x = :x',
        ConditionExpression: 'attribute_not_exists(p) OR h = :h OR u <= :now',
        ExpressionAttributeValues: {
          ':h': { S: holder },
          ':u': number(until),
          ':x': number(Math.ceil(until / 1000) + 1),
          ':now': number(now)
        },
        ReturnValues: 'NONE',
        ReturnValuesOnConditionCheckFailure: 'NONE'
      })
      return !('refused' in answer)
    },
    give: async (name, holder) => {
      const now = ports.clock.now()
      await calls.update(leaseKey(name), {
        UpdateExpression: 'SET u = :now, x = :x',
        ConditionExpression: 'h = :h',
        ExpressionAttributeValues: {
          ':h': { S: holder },
          ':now': number(now),
          ':x': number(Math.ceil(now / 1000))
        },
        ReturnValues: 'NONE',
        ReturnValuesOnConditionCheckFailure: 'NONE'
      })
    }
  }
}
