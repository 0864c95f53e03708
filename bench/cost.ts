/**
 * What a cluster's control plane costs on AWS a month: plays written scenarios against the cores of the three functions
 * on an emulator of DynamoDB (DynamoDB Local, which says what each call consumes; needs Java and Maven), counts every
 * request, unit and millisecond, and prices them (prices.ts). Nodes are real agents over a runtime that pretends.
 * Run: node bench/cost.ts [idle] [small] [large]
 */

import type { Client } from '../core/client.ts'
import { deployments, pods, services } from '../core/kinds/refs.ts'
import type { Deployment, Service } from '../core/kinds/types.ts'
import { startEmulator } from '../test/aws/emulator.ts'
import { type CostNode, principalClient, startNode } from './cost/nodes.ts'
import { openWorld, type World } from './cost/world.ts'
import { EKS_DOLLARS, HOURS_A_MONTH, type Metered, PRICES } from './prices.ts'

const MINUTE = 60_000
/** A Lambda trigger polls its queue with five readers, each long poll 20 s: measured as some 650,000 a month. */
const TRIGGER_POLLS_A_MONTH = 650_000
/** infra/alarms.ts */
const ALARMS = 6

interface Scenario {
  readonly name: string
  readonly title: string
  readonly nodes: number
  /** Deployments, and pods of each; each Deployment has a Service. */
  readonly deployments: number
  readonly pods: number
  /** How many minutes are played, of an hour: the rest is the same again. */
  readonly minutes: number
  /** Whether one Deployment is rolled in that time. A rollout an hour is played in any case once, and counted once. */
  readonly rollout: boolean
}

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'idle',
    title: 'idle: a control plane, no nodes',
    nodes: 0,
    deployments: 0,
    pods: 0,
    minutes: 60,
    rollout: false
  },
  {
    name: 'small',
    title: '3 nodes, 30 pods in 10 Deployments of 3 with a Service each, one of which is rolled each hour',
    nodes: 3,
    deployments: 10,
    pods: 3,
    minutes: 60,
    rollout: true
  },
  {
    name: 'large',
    title: '100 nodes, 1,000 pods in 100 Deployments of 10 with a Service each, one of which is rolled each hour',
    nodes: 100,
    deployments: 100,
    pods: 10,
    minutes: 10,
    rollout: true
  }
]

const asked = process.argv.slice(2)
const chosen = SCENARIOS.filter(({ name }) => asked.length === 0 || asked.includes(name))
const emulator = await startEmulator('DynamoDB Local')
try {
  for (const scenario of chosen) await play(scenario)
} finally {
  await emulator.stop()
}
process.exit(0)

async function play(scenario: Scenario): Promise<void> {
  const world = await openWorld(emulator.endpoint, `cost-${scenario.name}`)
  const { clock } = world
  if (process.env.COST_DETAILS !== undefined) watchProgress(world)
  const admin = principalClient(world, 'ADMIN').client
  // The first minutes make what a cluster starts with, and what the scenario begins with: not counted.
  await clock.play(clock.now() + 3 * MINUTE)
  const nodes = await startNodes(world, scenario.nodes)
  await deployAll(world, admin, scenario)
  await clock.play(clock.now() + 20 * MINUTE)
  log(`${scenario.title}: ready, ${await runningPods(world)} pods run`)

  const steady = await counted(world, () => clock.play(clock.now() + scenario.minutes * MINUTE))
  if (process.env.COST_DETAILS !== undefined) details(world, 'without a change')
  const rollout = scenario.rollout
    ? await counted(world, () => roll(world, admin, scenario))
    : new Map<Metered, number>()
  if (process.env.COST_DETAILS !== undefined) details(world, 'in the rollout')
  report(scenario, { steady, rollout, stored: await world.storedBytes() })
  for (const node of nodes) await node.close()
  await world.close()
}

/** What was billed while it ran. */
async function counted(world: World, work: () => Promise<void>): Promise<Map<Metered, number>> {
  const { meter } = world
  meter.counts.clear()
  meter.details.clear()
  meter.on = true
  await work()
  meter.on = false
  return new Map(meter.counts)
}

async function startNodes(world: World, count: number): Promise<readonly CostNode[]> {
  const started: CostNode[] = []
  const joining = (async () => {
    for (let i = 1; i <= count; i++) started.push(await startNode(world, i))
  })()
  let failed: unknown
  joining.catch((error: unknown) => {
    failed = error
  })
  const { clock } = world
  await clock.play(clock.now() + 24 * 60 * MINUTE, () => started.length === count || failed !== undefined)
  await joining
  return started
}

/** Pods first and then what leads to them: each change of an address would ring every node. */
async function deployAll(
  world: World,
  client: Client,
  { deployments: count, pods: replicas }: Scenario
): Promise<void> {
  const names = Array.from({ length: count }, (_, i) => `web-${i}`)
  for (const name of names) await playUntil(world, client.create(deployments, deploymentOf(name, replicas)))
  await until(world, 'the pods', async () => (await runningPods(world)) === count * replicas)
  for (const name of names) await playUntil(world, client.create(services, serviceOf(name)))
}

function deploymentOf(name: string, replicas: number): Deployment {
  const labels = { app: name }
  const resources = { requests: { cpu: '10m', memory: '16Mi' } }
  const ports = [{ containerPort: 80 }]
  const container = { name: 'web', image: 'i:1', imagePullPolicy: 'IfNotPresent', resources, ports }
  const template = { metadata: { labels }, spec: { containers: [container] } }
  return { metadata: { name, namespace: 'default' }, spec: { replicas, selector: { matchLabels: labels }, template } }
}

function serviceOf(name: string): Service {
  return { metadata: { name, namespace: 'default' }, spec: { selector: { app: name }, ports: [{ port: 80 }] } }
}

/** A rollout of the first Deployment, from the patch until all its pods are new and the old ones have gone. */
async function roll(world: World, client: Client, scenario: Scenario): Promise<void> {
  const body = { spec: { template: { metadata: { annotations: { rolled: String(world.clock.now()) } } } } }
  const at = { namespace: 'default', name: 'web-0' }
  await playUntil(world, client.patch(deployments, at, { type: 'merge', body }))
  await until(world, 'the rollout', async () => {
    const { metadata, status } = await adminOf(world).get(deployments, at)
    const done = status?.observedGeneration === metadata.generation && status?.updatedReplicas === scenario.pods
    return done && status?.replicas === scenario.pods && status.readyReplicas === scenario.pods
  })
  // Old pods end after their grace, and timers are left.
  await world.clock.play(world.clock.now() + 2 * MINUTE)
}

/** In process, and not counted. */
function adminOf(world: World): Client {
  return world.admin('kubernetes-admin', 'system:masters')
}

async function unmetered<T>(world: World, work: () => Promise<T>): Promise<T> {
  const before = world.meter.on
  world.meter.on = false
  try {
    return await work()
  } finally {
    world.meter.on = before
  }
}

async function runningPods(world: World): Promise<number> {
  const { items } = await adminOf(world).list(pods, { namespace: 'default' })
  return items.filter(({ status }) => status?.phase === 'Running').length
}

async function playUntil(world: World, work: Promise<unknown>): Promise<void> {
  let over = false
  const end = () => {
    over = true
  }
  work.then(end, end)
  await world.clock.play(world.clock.now() + 60 * MINUTE, () => over)
  await work
}

/** Looked at each ten seconds of the scenario's time. */
async function until(world: World, what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = world.clock.now() + 120 * MINUTE
  while (world.clock.now() < end) {
    await world.clock.play(world.clock.now() + 10_000)
    if (await unmetered(world, holds)) return
  }
  throw new Error(`never: ${what}`)
}

interface Result {
  readonly steady: ReadonlyMap<Metered, number>
  readonly rollout: ReadonlyMap<Metered, number>
  readonly stored: number
}

function report(scenario: Scenario, { steady, rollout, stored }: Result): void {
  const times = 60 / scenario.minutes
  const polls = TRIGGER_POLLS_A_MONTH
  log(`\n${scenario.title}`)
  log(
    `played: ${scenario.minutes} minutes without a change, counted ${times} times an hour${scenario.rollout ? '; one rollout, counted once an hour' : ''};`
  )
  log(
    `an hour counted ${HOURS_A_MONTH} times a month; ${polls.toLocaleString('en')} polls of the timers' queue by its trigger, ${ALARMS} alarms added a month`
  )
  const line = (what: string, ...cells: readonly string[]) =>
    log(`  ${what.padEnd(34)}${cells.map((cell) => cell.padStart(15)).join('')}`)
  line('', 'an hour at rest', 'a rollout', 'a month', '$ a month', '$ beyond free')
  let [all, beyond] = [0, 0]
  for (const [name, price] of Object.entries(PRICES) as [Metered, (typeof PRICES)[Metered]][]) {
    const hour = (steady.get(name) ?? 0) * times + (rollout.get(name) ?? 0)
    const fixed = { sqs: polls, alarms: ALARMS, storage: stored, recovery: stored } as Partial<Record<Metered, number>>
    const month = hour * HOURS_A_MONTH + (fixed[name] ?? 0)
    const dollars = (month / price.units) * price.dollars
    const paid = (Math.max(0, month - price.free) / price.units) * price.dollars
    all += dollars
    beyond += paid
    const [rest, rolled] = [(steady.get(name) ?? 0) * times, rollout.get(name) ?? 0]
    line(price.what, shown(rest), shown(rolled), shown(month), dollars.toFixed(3), paid.toFixed(3))
  }
  line('together', '', '', '', all.toFixed(2), beyond.toFixed(2))
  line("EKS' control plane", '', '', '', EKS_DOLLARS.toFixed(2), EKS_DOLLARS.toFixed(2))
}

/** Each ten seconds, to standard error: how far the scenario's time has come. */
function watchProgress({ clock, meter }: World): void {
  const start = clock.now()
  setInterval(() => {
    const line = `${((clock.now() - start) / MINUTE).toFixed(2)} min, ${clock.busy} under way, ${meter.total} invocations\n`
    process.stderr.write(line)
  }, 10_000).unref()
}

function shown(count: number): string {
  return count >= 100 || count === 0 ? Math.round(count).toLocaleString('en') : count.toFixed(2)
}

function details({ meter }: World, when: string): void {
  log(`  ${when}:`)
  for (const [what, count] of [...meter.details].sort(([a], [b]) => (a < b ? -1 : 1)))
    log(`    ${what.padEnd(50)}${Math.round(count).toLocaleString('en').padStart(12)}`)
}

function log(text: string): void {
  process.stdout.write(`${text}\n`)
}
