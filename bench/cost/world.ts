/**
 * The cluster on AWS in this process: the cores of the three functions over one table of the emulator, each with a store
 * and an API of its own, and what lies between them: the table's stream in shards, the queue of timers, the clock.
 * One invocation runs at a time, so that each one's milliseconds are its own.
 */
import { performance } from 'node:perf_hooks'
import { POD_CIDR } from '../../core/cluster-network.ts'
import { kindTable } from '../../core/kinds/table.ts'
import type { Ports } from '../../core/ports.ts'
import type { FunctionTriggers } from '../../core/triggers.ts'
import { createGateway } from '../../lambdas/api/gateway.ts'
import type { GatewayEvent } from '../../lambdas/api/gateway-request.ts'
import { type Cloud, openCloud } from '../../lambdas/cloud/cloud.ts'
import { cloudConfig } from '../../lambdas/cloud/config.ts'
import { rests } from '../../lambdas/cloud/rest.ts'
import type { ServedKind } from '../../lambdas/reconciler/controller.ts'
import { controllers } from '../../lambdas/reconciler/controllers/registry.ts'
import { doorbell } from '../../lambdas/reconciler/doorbell.ts'
import { createReconcilerFunction, type ReconcilerFunction } from '../../lambdas/reconciler/function.ts'
import type { TimerQueue } from '../../lambdas/reconciler/queue-timers.ts'
import { reconcilerTriggers } from '../../lambdas/reconciler/triggers.ts'
import { createSchedulerFunction, nobodyWaits, type SchedulerFunction } from '../../lambdas/scheduler/function.ts'
import { schedulerTriggers } from '../../lambdas/scheduler/triggers.ts'
import { DynamoBackend } from '../../store/backends/dynamodb.ts'
import { dynamoGlance, type Glance } from '../../store/backends/dynamodb-glance.ts'
import { recordAt } from '../../store/backends/dynamodb-items.ts'
import { dynamoLeases } from '../../store/backends/dynamodb-leases.ts'
import { createTable, emulatorClient } from '../../test/aws/table.ts'
import { memoryParameters, memoryPieces } from '../../test/cloud-fixture.ts'
import { JumpingClock } from './clock.ts'
import { type FunctionName, Meter, metered, type TransactionSeen } from './meter.ts'

/** Of the API's function (infra/control-plane.ts); the others say it in their triggers. */
const API_MEMORY_MB = 1024
/** A table on demand begins with four partitions, and its stream with as many shards. */
const SHARDS = 4
/** Lambda asks each shard for news four times a second: half of that is the mean wait. */
const POLL_MS = 125
/** SQS' trigger waits for messages by long polls: one that is due is there at once. */
const MINUTE = 60_000
const HOUR_MS = 3_600_000

interface LogNumber {
  readonly resource: string
  readonly version: number
}

type Handler = (numbers: readonly LogNumber[]) => Promise<void>

export interface World {
  readonly clock: JumpingClock
  readonly ports: Ports
  readonly meter: Meter
  /** API Gateway. `principal`: who signed, "admin" or an instance. */
  fetch: typeof fetch
  /** An administrator's client in the API's process, at no cost: for what the scenario does not count. */
  readonly admin: Cloud['client']
  /** Called with what the reconciler rings a node's queue with. */
  readonly queues: Map<string, (message: { readonly resources: readonly string[] }) => void>
  storedBytes(): Promise<number>
  close(): Promise<void>
}

export async function openWorld(endpoint: string, table: string): Promise<World> {
  await createTable(endpoint, table)
  const clock = new JumpingClock()
  const ports = clock.ports()
  const meter = new Meter()
  const lambda = new Lambda(clock, meter)
  const stream = new Stream(clock)
  const queues: World['queues'] = new Map()
  const clouds = await openClouds({ endpoint, table, ports, meter, stream })
  const timers = new Timers(clock, meter)
  const reconciler = reconcilerOf(clouds.reconciler, { ports, endpoint, table, timers, meter, queues, stream })
  const glancing = metered(emulatorClient(endpoint), { meter, name: 'scheduler', onWrite: () => {} })
  const scheduler = schedulerOf(clouds.scheduler, ports, dynamoGlance({ client: glancing, table, ports }))
  const limits = { remainingMs: () => 60_000 }
  const run = (name: 'reconciler' | 'scheduler', triggers: FunctionTriggers, work: () => Promise<void>) =>
    lambda.run(name, triggers.memoryMb, work)
  stream.deliverTo(reconcilerTriggers, (numbers) =>
    run('reconciler', reconcilerTriggers, () => reconciler.stream(numbers, limits))
  )
  stream.deliverTo(schedulerTriggers, (numbers) =>
    run('scheduler', schedulerTriggers, () => scheduler.stream(numbers, limits))
  )
  timers.deliverTo((bodies) =>
    run('reconciler', reconcilerTriggers, () =>
      reconciler.timers(
        bodies.map((body) => ({ body, receives: 1 })),
        limits
      )
    )
  )
  everyMinutes(clock, reconcilerTriggers.tickMinutes, () => {
    meter.add('ticks', 1)
    void run('reconciler', reconcilerTriggers, () => reconciler.tick(limits))
  })
  everyMinutes(clock, schedulerTriggers.tickMinutes, () => {
    meter.add('ticks', 1)
    void run('scheduler', schedulerTriggers, () => scheduler.tick(limits))
  })
  return {
    clock,
    ports,
    meter,
    queues,
    fetch: gatewayFetch(clouds.api, { ports, lambda, meter }),
    admin: (user, ...groups) => clouds.api.client(user, ...groups),
    storedBytes: () => storedBytes(endpoint, table),
    close: async () => {
      for (const cloud of Object.values(clouds)) await cloud.close()
    }
  }
}

function everyMinutes(clock: JumpingClock, minutes: number, tick: () => void): void {
  clock.after(minutes * MINUTE, () => {
    tick()
    everyMinutes(clock, minutes, tick)
  })
}

/** One invocation after the other. */
class Lambda {
  private readonly clock: JumpingClock
  private readonly meter: Meter
  private last: Promise<unknown> = Promise.resolve()

  constructor(clock: JumpingClock, meter: Meter) {
    this.clock = clock
    this.meter = meter
  }

  async run<T>(name: FunctionName, memoryMb: number, work: () => Promise<T>): Promise<T> {
    this.clock.busy++
    const before = this.last
    const mine = (async () => {
      await before.catch(() => {})
      const started = performance.now()
      try {
        return await work()
      } finally {
        this.meter.invocation(name, performance.now() - started, memoryMb)
      }
    })()
    this.last = mine
    try {
      return await mine
    } finally {
      this.clock.busy--
    }
  }
}

/** The table's stream: records by shard, each shard's to each function in batches, one after the other. */
class Stream {
  private readonly clock: JumpingClock
  private readonly shards: {
    readonly triggers: FunctionTriggers
    readonly handle: Handler
    readonly waiting: LogNumber[]
    shard: number
    running: boolean
  }[] = []

  constructor(clock: JumpingClock) {
    this.clock = clock
  }

  deliverTo(triggers: FunctionTriggers, handle: Handler): void {
    for (let shard = 0; shard < SHARDS; shard++)
      this.shards.push({ triggers, handle, waiting: [], shard, running: false })
  }

  /** A write went through: of what it put, the functions hear of records of the log. */
  wrote(input: unknown): void {
    const { Item } = input as { Item?: Record<string, { S?: string | undefined }> }
    const puts = ((input as TransactionSeen).TransactItems ?? []).flatMap(({ Put }) =>
      Put?.Item === undefined ? [] : [Put.Item]
    )
    for (const item of Item === undefined ? puts : [...puts, Item]) {
      const [p, s] = [item.p?.S ?? '', item.s?.S ?? '']
      const at = recordAt(p, s)
      if (at === undefined) continue
      for (const one of this.shards)
        if (one.shard === shardOf(p) && passes(one.triggers, p)) {
          one.waiting.push(at)
          this.poll(one)
        }
    }
  }

  private poll(one: (typeof this.shards)[number]): void {
    if (one.running) return
    one.running = true
    this.clock.after(POLL_MS, () => {
      const batch = one.waiting.splice(0, one.triggers.stream.batchSize)
      void one.handle(batch).then(() => {
        one.running = false
        if (one.waiting.length > 0) this.poll(one)
      })
    })
  }
}

function shardOf(partition: string): number {
  let hash = 0
  for (const letter of partition) hash = (hash * 31 + letter.charCodeAt(0)) % 1_000_003
  return hash % SHARDS
}

type Pattern = string | { readonly prefix: string }

/** Lambda's filter of the mapping, before anything is billed. */
function passes({ stream }: FunctionTriggers, partition: string): boolean {
  const patterns = (stream.filters as { dynamodb: { Keys: { p: { S: readonly Pattern[] } } } }[]).flatMap(
    ({ dynamodb }) => dynamodb.Keys.p.S
  )
  return patterns.some((one) => (typeof one === 'string' ? one === partition : partition.startsWith(one.prefix)))
}

/** The queue of timers with its trigger. Its idle polling is added by the program, as a rate. */
class Timers implements TimerQueue {
  private readonly clock: JumpingClock
  private readonly meter: Meter
  private handle: (bodies: readonly string[]) => Promise<void> = async () => {}

  constructor(clock: JumpingClock, meter: Meter) {
    this.clock = clock
    this.meter = meter
  }

  deliverTo(handle: (bodies: readonly string[]) => Promise<void>): void {
    this.handle = handle
  }

  async send(messages: readonly { readonly body: string; readonly delaySeconds: number }[]): Promise<void> {
    this.meter.add('sqs', Math.ceil(messages.length / 10))
    this.meter.detail('timers set', messages.length)
    for (const { body, delaySeconds } of messages) {
      this.clock.after(delaySeconds * 1000, () => {
        // Received and deleted; several that are due together would share these, which is not counted on.
        this.meter.add('sqs', 2)
        void this.handle([body])
      })
    }
  }
}

interface CloudParts {
  readonly endpoint: string
  readonly table: string
  readonly ports: Ports
  readonly meter: Meter
  readonly stream: Stream
}

async function openClouds({ endpoint, table, ports, meter, stream }: CloudParts): Promise<Record<FunctionName, Cloud>> {
  const parameters = memoryParameters()
  const open = async (name: FunctionName) => {
    const client = metered(emulatorClient(endpoint), { meter, name, onWrite: (input) => stream.wrote(input) })
    const config = {
      ...cloudConfig({
        WHERRY_CLUSTER: 'cost',
        WHERRY_TABLE: table,
        WHERRY_ADMIN_ARN: ADMIN_ARN,
        WHERRY_NODE_ROLE_ARN: NODE_ROLE_ARN
      }),
      streaming: true
    }
    const backend = new DynamoBackend({ client, table, ports, retentionMs: config.retentionMs })
    return await openCloud(config, ports, {
      backend,
      parameters,
      pieces: memoryPieces(),
      ring: async () => {},
      askSts: async ({ url }) => ({ status: 200, text: callerAnswer(url) })
    })
  }
  const api = await open('api')
  return { api, reconciler: await open('reconciler'), scheduler: await open('scheduler') }
}

const ADMIN_ARN = 'arn:aws:iam::000000000000:role/admin'
const NODE_ROLE_ARN = 'arn:aws:iam::000000000000:role/node'

/** Access keys are called "AKADMIN" or "AK" and an instance's id: STS tells whose they are. */
function callerAnswer(url: string): string {
  const key = (new URL(url).searchParams.get('X-Amz-Credential') ?? '').split('/')[0] ?? ''
  const session = key.replace(/^AK/, '').replace('_', '-')
  const role = session === 'ADMIN' ? 'admin' : 'node'
  const result = {
    Arn: `arn:aws:sts::000000000000:assumed-role/${role}/${session}`,
    Account: '000000000000',
    UserId: `AROA:${session}`
  }
  return JSON.stringify({ GetCallerIdentityResponse: { GetCallerIdentityResult: result } })
}

const SERVED = kindTable.all.filter((kind) => kind.verbs.includes('list') && kind.hidden !== true)

interface ReconcilerParts {
  readonly ports: Ports
  readonly endpoint: string
  readonly table: string
  readonly timers: TimerQueue
  readonly meter: Meter
  readonly queues: World['queues']
  readonly stream: Stream
}

function reconcilerOf(
  cloud: Cloud,
  { ports, endpoint, table, timers, meter, queues, stream }: ReconcilerParts
): ReconcilerFunction {
  const config = {
    caCertificate: cloud.keys.authority,
    podCIDR: POD_CIDR,
    nodesHeardSince: 0,
    kinds: async () => {
      const used = new Set(await cloud.backend.resources())
      return SERVED.filter(({ storage }) => used.has(storage)) as readonly ServedKind[]
    }
  }
  const bell = doorbell({
    ring: async (url, message) => {
      meter.add('sqs', 1)
      meter.detail('rings')
      queues.get(url)?.(message)
    }
  })
  const client = metered(emulatorClient(endpoint), {
    meter,
    name: 'reconciler',
    onWrite: (input) => stream.wrote(input)
  })
  return createReconcilerFunction({
    clients: (name) => cloud.controllerClient(name),
    reader: cloud.client('system:kube-controller-manager'),
    ports,
    config,
    controllers: () => [...controllers(), bell],
    changes: (resource, versions) => cloud.store.changes(resource, versions),
    leases: dynamoLeases({ client, table, ports }),
    timers,
    dead: { send: async (messages) => meter.detail('dead letters', messages.length) },
    version: 'cost',
    rests: rests({
      glance: dynamoGlance({ client, table, ports }),
      resource: 'nodes',
      isEmpty: async () => (await cloud.store.list('nodes', { limit: 1 })).entries.length === 0
    })
  })
}

function schedulerOf(cloud: Cloud, ports: Ports, glance: Glance): SchedulerFunction {
  const client = cloud.client('system:kube-scheduler')
  return createSchedulerFunction({
    client,
    ports,
    changes: (resource, versions) => cloud.store.changes(resource, versions),
    rests: rests({ glance, resource: 'pods', isEmpty: () => nobodyWaits(client) })
  })
}

/** API Gateway with its streaming integration, as `fetch` sees it. */
function gatewayFetch(
  cloud: Cloud,
  { ports, lambda, meter }: { ports: Ports; lambda: Lambda; meter: Meter }
): typeof fetch {
  const gateway = createGateway({ open: async () => cloud.api, ports })
  return async (input, init = {}) => {
    const url = new URL(String(input))
    meter.add('gateway', 1)
    meter.detail(`${init.method ?? 'GET'} ${whatOf(url)}`)
    const event = eventOf(url, init)
    return await lambda.run('api', API_MEMORY_MB, async () => {
      const { statusCode, headers, body } = await gateway.stream(event, HOUR_MS / 4)
      const chunks: Buffer[] = []
      if (typeof body === 'string') chunks.push(Buffer.from(body))
      else for await (const chunk of body) chunks.push(Buffer.from(chunk))
      return new Response(statusCode === 204 ? null : Buffer.concat(chunks), { status: statusCode, headers })
    })
  }
}

/** "watch pods", "leases", "pods/status" */
function whatOf({ pathname, searchParams }: URL): string {
  const parts = pathname.split('/').filter((part) => part !== '')
  const rest = parts[0] === 'apis' ? parts.slice(3) : parts.slice(2)
  const [resource = pathname, , sub] = rest[0] === 'namespaces' && rest.length > 2 ? rest.slice(2) : rest
  return `${searchParams.get('watch') === 'true' ? 'watch ' : ''}${resource}${sub === undefined ? '' : `/${sub}`}`
}

function eventOf(url: URL, { method = 'GET', headers, body }: RequestInit): GatewayEvent {
  const given = Object.fromEntries(new Headers(headers))
  const query = [...new Set(url.searchParams.keys())]
  return {
    httpMethod: method,
    path: url.pathname,
    headers: given,
    multiValueHeaders: Object.fromEntries(Object.entries(given).map(([name, value]) => [name, [value]])),
    queryStringParameters: query.length === 0 ? null : Object.fromEntries(url.searchParams),
    multiValueQueryStringParameters:
      query.length === 0 ? null : Object.fromEntries(query.map((name) => [name, url.searchParams.getAll(name)])),
    pathParameters: { proxy: url.pathname.replace(/^\//, '') },
    requestContext: { stage: 'prod' },
    body: body === undefined || body === null ? null : Buffer.from(body as string | Uint8Array).toString('base64'),
    isBase64Encoded: body !== undefined && body !== null
  } as GatewayEvent
}

/** What all items weigh, by their attributes: DynamoDB bills 100 bytes more for each. */
async function storedBytes(endpoint: string, table: string): Promise<number> {
  const { ScanCommand } = await import('@aws-sdk/client-dynamodb')
  const client = emulatorClient(endpoint)
  let [bytes, items] = [0, 0]
  for (let key: Record<string, never> | undefined; ; ) {
    const command = new ScanCommand({ TableName: table, ...(key === undefined ? {} : { ExclusiveStartKey: key }) })
    const { Items = [], LastEvaluatedKey } = await client.send(command)
    items += Items.length
    for (const item of Items)
      for (const [name, value] of Object.entries(item))
        bytes += name.length + (value.B?.length ?? value.S?.length ?? value.N?.length ?? 1)
    key = LastEvaluatedKey as Record<string, never> | undefined
    if (key === undefined) break
  }
  client.destroy()
  return bytes + 100 * items
}
