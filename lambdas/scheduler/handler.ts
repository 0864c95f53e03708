/** The function behind the table's stream of pods and ledgers: finds nodes for pods. */
import middy from '@middy/core'
import type { Context, DynamoDBStreamEvent, SQSBatchResponse } from 'aws-lambda'
import { dynamoGlance } from '../../store/backends/dynamodb-glance.ts'
import { recordAt } from '../../store/backends/dynamodb-items.ts'
import { dynamoClient } from '../cloud/aws-clients.ts'
import { type Cloud, forgetCloud, warmCloud } from '../cloud/cloud.ts'
import { rests } from '../cloud/rest.ts'
import { createSchedulerFunction, nobodyWaits, type SchedulerFunction } from './function.ts'

type SchedulerEvent = DynamoDBStreamEvent | { readonly wherry: 'tick' }

const NOTHING_FAILED: SQSBatchResponse = { batchItemFailures: [] }

let warm: { readonly cloud: Cloud; readonly scheduler: SchedulerFunction } | undefined

/** Throws where not all pods could be tried: then the whole batch comes again. */
export const handler = middy(async (event: SchedulerEvent, context: Context): Promise<SQSBatchResponse> => {
  const cloud = await warmCloud()
  if (warm?.cloud !== cloud) warm = { cloud, scheduler: open(cloud) }
  const invocation = { remainingMs: () => context.getRemainingTimeInMillis() }
  if ('Records' in event) await warm.scheduler.stream(numbersOf(event), invocation)
  else await warm.scheduler.tick(invocation)
  return NOTHING_FAILED
})

function open(cloud: Cloud): SchedulerFunction {
  const { config, ports, store } = cloud
  const client = cloud.client('system:kube-scheduler')
  const glance = dynamoGlance({ client: dynamoClient(), table: config.table, ports })
  return createSchedulerFunction({
    client,
    ports,
    changes: (resource, versions) => store.changes(resource, versions),
    rests: rests({ glance, resource: 'pods', isEmpty: () => nobodyWaits(client) }),
    stuck: forgetCloud
  })
}

function numbersOf({ Records }: DynamoDBStreamEvent) {
  return Records.flatMap(({ eventName, dynamodb }) => {
    const { p, s } = dynamodb?.Keys ?? {}
    const at = eventName === 'INSERT' ? recordAt(p?.S ?? '', s?.S ?? '') : undefined
    return at === undefined ? [] : [at]
  })
}
