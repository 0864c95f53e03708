/** The function behind the table's stream, the queue of timers and the clock: runs the controllers. */
import middy from '@middy/core'
import type { Context, DynamoDBStreamEvent, SQSBatchResponse, SQSEvent } from 'aws-lambda'
import { POD_CIDR } from '../../core/cluster-network.ts'
import type { Node } from '../../core/kinds/types.ts'
import { isVirtual } from '../../core/virtual-node.ts'
import { dynamoGlance } from '../../store/backends/dynamodb-glance.ts'
import { recordAt } from '../../store/backends/dynamodb-items.ts'
import { dynamoLeases } from '../../store/backends/dynamodb-leases.ts'
import { dynamoClient } from '../cloud/aws-clients.ts'
import { type Cloud, forgetCloud, warmCloud } from '../cloud/cloud.ts'
import { rests } from '../cloud/rest.ts'
import type { ReconcilerConfig, ServedKind } from './controller.ts'
import { controllers } from './controllers/registry.ts'
import { doorbell } from './doorbell.ts'
import type { FargateSettings } from './fargate/ecs-definition.ts'
import { createReconcilerFunction, type LogNumber, type ReconcilerFunction } from './function.ts'
import type { Ec2Options } from './nodes/ec2-instances.ts'
import type { NodeSettings } from './nodes/offers.ts'
import { sqsBell, sqsClient, sqsQueue } from './sqs.ts'

type Ec2Setting = 'template' | 'subnets'
type ReconcilerEvent = DynamoDBStreamEvent | SQSEvent | { readonly wherry: 'tick' }

const NOTHING_FAILED: SQSBatchResponse = { batchItemFailures: [] }

let warm: { readonly cloud: Cloud; readonly reconciler: ReconcilerFunction } | undefined

/**
 * Resolves when all that came with the event is done or handed over. It throws only where that could not be: then the
 * whole batch comes again, in halves, and what kills the function in the end stands alone in the dead-letter queue.
 */
export const handler = middy(async (event: ReconcilerEvent, context: Context): Promise<SQSBatchResponse> => {
  const cloud = await warmCloud()
  if (warm?.cloud !== cloud) warm = { cloud, reconciler: await open(cloud, process.env) }
  const { reconciler } = warm
  const invocation = { remainingMs: () => context.getRemainingTimeInMillis() }
  if (!('Records' in event)) await reconciler.tick(invocation)
  else if (isStream(event)) await reconciler.stream(numbersOf(event), invocation)
  else await reconciler.timers(event.Records.map(deliveredOf), invocation)
  return NOTHING_FAILED
})

async function open(cloud: Cloud, environment: NodeJS.ProcessEnv): Promise<ReconcilerFunction> {
  const { ports, store, config, keys } = cloud
  const sqs = sqsClient()
  const bell = doorbell(sqsBell(sqs))
  const [provisioning, fargate] = await Promise.all([provisioningOf(environment), fargateOf(environment)])
  const settings: ReconcilerConfig = {
    caCertificate: keys.authority,
    signer: keys.signer,
    nodesHeardSince: 0,
    podCIDR: POD_CIDR,
    kinds: () => kindsInUse(cloud),
    ...(provisioning === undefined ? {} : { provisioning }),
    ...(fargate === undefined ? {} : { fargate })
  }
  return createReconcilerFunction({
    clients: (name) => cloud.controllerClient(name),
    reader: cloud.client('system:kube-controller-manager'),
    ports,
    config: settings,
    controllers: () => [...controllers(settings), bell],
    changes: (resource, versions) => store.changes(resource, versions),
    leases: dynamoLeases({ client: dynamoClient(), table: config.table, ports }),
    timers: sqsQueue(sqs, environment.WHERRY_TIMERS_URL ?? ''),
    dead: sqsQueue(sqs, environment.WHERRY_DEAD_URL ?? ''),
    version: environment.WHERRY_VERSION ?? '',
    rests: rests({
      glance: dynamoGlance({ client: dynamoClient(), table: config.table, ports }),
      resource: 'nodes',
      isEmpty: async () => (await store.list('nodes')).entries.every(({ value }) => isVirtual(value as Node))
    }),
    stuck: forgetCloud
  })
}

/** What WHERRY_NODES says (docs/adr/0006-aws.md). EC2's client is large, and loaded only where it is needed. */
async function provisioningOf({ WHERRY_NODES, WHERRY_CLUSTER = '' }: NodeJS.ProcessEnv) {
  if (WHERRY_NODES === undefined || WHERRY_NODES === '') return undefined
  const { template, subnets, ...settings } = JSON.parse(WHERRY_NODES) as NodeSettings & Pick<Ec2Options, Ec2Setting>
  const [{ EC2Client }, { ec2Instances }] = await Promise.all([
    import('@aws-sdk/client-ec2'),
    import('./nodes/ec2-instances.ts')
  ])
  return {
    instances: ec2Instances({ client: new EC2Client({}), cluster: WHERRY_CLUSTER, template, subnets }),
    settings
  }
}

/** What WHERRY_FARGATE says, likewise. */
async function fargateOf({ WHERRY_FARGATE, WHERRY_CLUSTER = '' }: NodeJS.ProcessEnv) {
  if (WHERRY_FARGATE === undefined || WHERRY_FARGATE === '') return undefined
  const settings = JSON.parse(WHERRY_FARGATE) as FargateSettings
  const [{ ECSClient }, { ecsTasks }] = await Promise.all([
    import('@aws-sdk/client-ecs'),
    import('./fargate/ecs-tasks.ts')
  ])
  const tasks = ecsTasks({ client: new ECSClient({}), cluster: WHERRY_CLUSTER, settings })
  return { tasks, arch: settings.arch ?? 'arm64' }
}

/** Of a kind of which nobody ever made an object there is nothing to delete: most clusters use a third of all. */
async function kindsInUse({ api, backend }: Cloud): Promise<readonly ServedKind[]> {
  const used = new Set(await backend.resources())
  const served = (await api.kinds()).filter(({ verbs, hidden }) => verbs.includes('list') && hidden !== true)
  return served.filter(({ storage }) => used.has(storage)) as readonly ServedKind[]
}

function isStream(event: DynamoDBStreamEvent | SQSEvent): event is DynamoDBStreamEvent {
  return event.Records.some((record) => 'dynamodb' in record)
}

/** The mapping's filter lets records of the log through, and not all emulators heed it. */
function numbersOf({ Records }: DynamoDBStreamEvent): readonly LogNumber[] {
  return Records.flatMap(({ eventName, dynamodb }) => {
    const { p, s } = dynamodb?.Keys ?? {}
    const at = eventName === 'INSERT' ? recordAt(p?.S ?? '', s?.S ?? '') : undefined
    return at === undefined ? [] : [at]
  })
}

function deliveredOf({ body, attributes }: SQSEvent['Records'][number]) {
  return { body, receives: Number(attributes.ApproximateReceiveCount) }
}
