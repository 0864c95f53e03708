/**
 * A Deployment's life on the simulated platform: made, rolled out, scaled and deleted by a user, run by two nodes whose
 * agents hear only the doorbell. Everybody's requests go through functions that may throw and die at any call.
 */
import { Client } from '../../core/client.ts'
import { isReason } from '../../core/errors.ts'
import type { Send } from '../../core/http.ts'
import { deployments, nodes, pods } from '../../core/kinds/refs.ts'
import { kindTable } from '../../core/kinds/table.ts'
import type { Deployment, Pod, ReplicaSet } from '../../core/kinds/types.ts'
import { isEnded, LEDGERS, type NodeLedger } from '../../core/ledger.ts'
import { ledgerEffect } from '../../lambdas/api/ledger-effect.ts'
import { createApi } from '../../lambdas/api/server.ts'
import type { ServedKind } from '../../lambdas/reconciler/controller.ts'
import { controllers } from '../../lambdas/reconciler/controllers/registry.ts'
import { doorbell, QUEUE_URL } from '../../lambdas/reconciler/doorbell.ts'
import { createReconcilerFunction } from '../../lambdas/reconciler/function.ts'
import { reconcilerTriggers } from '../../lambdas/reconciler/triggers.ts'
import { createSchedulerFunction } from '../../lambdas/scheduler/function.ts'
import { schedulerTriggers } from '../../lambdas/scheduler/triggers.ts'
import { logPartition } from '../../store/backends/dynamodb-items.ts'
import { Store } from '../../store/store.ts'
import { ADMIN, allowAll } from '../test-api.ts'
import { type FaultPlan, LambdaFunction, Platform, type Process, Queue } from './platform.ts'

const served = kindTable.all.filter((kind) => kind.verbs.includes('list') && kind.hidden !== true)
const LIMIT_MS = 20 * 60_000
/** API Gateway waits for its function for so long. */
const GATEWAY_MS = 29_000
/** A function that has read a ReplicaSet acts on it for so long. */
const LATELY_MS = 15_000

export interface Outcome {
  readonly problems: readonly string[]
  readonly calls: number
  readonly faults: readonly string[]
  /** Virtual milliseconds until all is deleted again. */
  readonly tookMs: number
  readonly invocations: number
}

interface Numbers {
  readonly replicas: number
  readonly maxSurge: number
  readonly maxUnavailable: number
  /** Pods of the Deployment that each node has room for. */
  readonly room: number
}

export async function playRollout(seed: number, plan: FaultPlan): Promise<Outcome> {
  const world = new World(seed, plan)
  try {
    await world.play()
  } catch (error) {
    world.problem(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  const outcome = world.outcome()
  await world.close()
  return outcome
}

class World {
  private readonly platform: Platform
  private readonly timers: Queue
  private readonly dead: Queue
  private readonly bells = new Map<string, () => void>()
  private readonly reconciler: LambdaFunction
  private readonly scheduler: LambdaFunction
  private readonly problems = new Set<string>()
  private readonly objects = new Map<string, Map<string, Record<string, unknown>>>()
  private readonly numbers: Numbers
  private readonly start: number
  private api: Process | undefined
  private send: Send | undefined
  /** From when on so many pods must be available. */
  private available = 0
  private tookMs = 0
  /** By a ReplicaSet's uid: what it asked for, until when. */
  private readonly wanted = new Map<string, { readonly replicas: number; until: number }[]>()

  constructor(seed: number, plan: FaultPlan) {
    this.platform = new Platform(seed, plan)
    const { platform } = this
    this.start = platform.clock.now()
    const replicas = 2 + platform.pick(3)
    const maxSurge = platform.pick(2)
    const maxUnavailable = maxSurge === 0 ? 1 : platform.pick(2)
    // With room for the replicas alone, pods above them wait for the end of others.
    const spare = maxUnavailable === 0 ? maxSurge : platform.pick(2)
    this.numbers = { replicas, maxSurge, maxUnavailable, room: Math.ceil((replicas + spare) / 2) }
    this.timers = new Queue('timers', platform)
    this.dead = new Queue('dead', platform)
    platform.onCommit((items) => {
      const created: (string | undefined)[] = []
      for (const { resource, record, expected } of items) {
        this.see(resource, record.key, record.type === 'put' ? record.bytes : undefined)
        const object = this.objects.get(resource)?.get(record.key)
        if (resource === 'pods' && expected === 0) created.push(ownerOf(object as unknown as Pod))
      }
      this.check(created)
    })
    const hears = (prefixes: readonly string[]) => (resource: string) =>
      prefixes.some((prefix) => logPartition(resource).startsWith(prefix))
    this.reconciler = new LambdaFunction(
      platform,
      { name: 'reconciler', triggers: reconcilerTriggers, hears: hears(['log#']), shards: 4, salt: seed },
      (process) => this.reconcilerIn(process)
    )
    this.scheduler = new LambdaFunction(
      platform,
      {
        name: 'scheduler',
        triggers: schedulerTriggers,
        hears: hears(['log#pods', `own-log#${LEDGERS}`]),
        shards: 2,
        salt: seed
      },
      (process) => this.schedulerIn(process)
    )
    this.reconciler.drain(this.timers, this.dead)
  }

  problem(text: string): void {
    this.problems.add(text)
  }

  async close(): Promise<void> {
    await this.platform.close()
  }

  outcome(): Outcome {
    const { platform } = this
    return {
      problems: [...this.problems],
      calls: platform.calls,
      faults: platform.faults,
      tookMs: this.tookMs,
      invocations: this.reconciler.invocations + this.scheduler.invocations
    }
  }

  async play(): Promise<void> {
    const { replicas, maxUnavailable, room } = this.numbers
    for (const name of ['n1', 'n2']) await this.run(`node ${name}`, (client) => join(client, name, room))
    for (const name of ['n1', 'n2']) this.startAgent(name)
    await this.run('create', (client) => ignore('AlreadyExists', client.create(deployments, this.deployment('1'))))
    await this.complete('first', replicas, '1')
    this.available = replicas - maxUnavailable
    await this.run('image', (client) => change(client, (spec) => setImage(spec, '2')))
    await this.complete('rollout', replicas, '2')
    // Back before it is through.
    await this.run('image', (client) => change(client, (spec) => setImage(spec, '3')))
    await this.run('image', (client) => change(client, (spec) => setImage(spec, '2')))
    await this.complete('rollback', replicas, '2')
    this.available = 0
    await this.run('scale', (client) => change(client, (spec) => ({ ...spec, replicas: 1 })))
    await this.complete('scale', 1, '2')
    await this.run('delete', (client) =>
      ignore('NotFound', client.delete(deployments, AT, { propagationPolicy: 'Background' }))
    )
    await this.until('deletion', () =>
      ['pods', 'apps/replicasets', 'apps/deployments'].every((of) => this.all(of).length === 0)
    )
    this.tookMs = this.platform.clock.now() - this.start
    await this.until(
      'rest',
      () => this.reconciler.isIdle() && this.scheduler.isIdle() && this.timers.messages.size === 0
    )
    for (const { body } of this.dead.messages) this.problem(`dead letter ${body}`)
    for (const { resource, version } of [...this.reconciler.lost, ...this.scheduler.lost])
      this.problem(`lost change ${resource} ${version}`)
    for (const ledger of this.all<NodeLedger>(LEDGERS))
      if (Object.keys(ledger.pods).length > 0) this.problem(`booked in the end: ${Object.keys(ledger.pods)}`)
  }

  private async complete(what: string, replicas: number, image: string): Promise<void> {
    await this.until(what, () => {
      const [deployment] = this.all<Deployment>('apps/deployments')
      const { status, metadata } = deployment ?? {}
      const running = this.all<Pod>('pods')
      return (
        status?.observedGeneration === metadata?.generation &&
        status?.updatedReplicas === replicas &&
        status.replicas === replicas &&
        status.availableReplicas === replicas &&
        running.length === replicas &&
        running.every((pod) => pod.spec?.containers[0]?.image === image && isReady(pod))
      )
    })
  }

  private async until(what: string, done: () => boolean): Promise<void> {
    await this.platform.until(done, LIMIT_MS, () => `${what}: ${this.describe()}`)
  }

  private describe(): string {
    const all = this.all<Pod>('pods').map((pod) => `${pod.metadata.name} ${pod.spec?.nodeName} ${pod.status?.phase}`)
    const sets = this.all<ReplicaSet>('apps/replicasets').map(({ metadata, spec, status }) =>
      JSON.stringify({ name: metadata.name, gone: metadata.deletionTimestamp, replicas: spec?.replicas, status })
    )
    const [deployment] = this.all<Deployment>('apps/deployments')
    const waiting = [...this.timers.messages].map(({ body }) => body)
    const parts = { numbers: this.numbers, all, sets, deployment: deployment?.status, waiting }
    return `${JSON.stringify(parts)}\nfaults: ${this.platform.faults.join('; ')}`
  }

  /** A user's or an agent's request: tried until it is answered. */
  private async run<T>(what: string, work: (client: Client) => Promise<T>): Promise<void> {
    let done = false
    const client = new Client((request) => this.ask(request), ADMIN)
    void (async () => {
      while (!done) {
        try {
          await work(client)
          done = true
        } catch {
          await this.sleep(300)
        }
      }
    })()
    await this.until(what, () => done)
  }

  /** Through the API's function: where that dies, the connection breaks. */
  private ask: Send = async (request) => {
    if (this.api === undefined || this.api.isDead()) {
      const process = this.platform.spawn('api')
      this.api = process
      this.send = this.apiIn(process).handle
    }
    const { api, send } = this
    if (send === undefined) throw new Error('no API')
    const late = this.platform.clock.after(GATEWAY_MS, () => api.kill())
    const lost = api.died.then(() => Promise.reject(new Error('connection lost')))
    try {
      return await Promise.race([send(request), lost])
    } finally {
      late.cancel()
    }
  }

  private apiIn({ backend, ports }: Process) {
    const indexes = (resource: string) => kindTable.findByStorage(resource)?.rules.indexes
    const store = new Store({ backend, ports, indexes, trims: false })
    const api = createApi({
      store,
      ports,
      authorizer: allowAll,
      admission: [],
      effects: [ledgerEffect],
      kinds: kindTable.all
    })
    return { store, handle: api.handle }
  }

  private reconcilerIn(process: Process) {
    const { store, handle } = this.apiIn(process)
    const { ports, backend, leases } = process
    const client = new Client(handle, ADMIN)
    const bell = doorbell({
      ring: async (url) => {
        await process.queue(new Queue(url, this.platform)).send([])
        this.bells.get(url)?.()
      }
    })
    const kinds = async () => {
      const used = new Set(await backend.resources())
      return served.filter(({ storage }) => used.has(storage)) as readonly ServedKind[]
    }
    return createReconcilerFunction({
      clients: () => client,
      reader: client,
      ports,
      config: { caCertificate: '', kinds, nodesHeardSince: 0, nodeMonitorGraceMs: 1e9, nodeStartupGraceMs: 1e9 },
      controllers: () => [...controllers(), bell],
      changes: (resource, versions) => store.changes(resource, versions),
      leases,
      timers: process.queue(this.timers),
      dead: process.queue(this.dead),
      version: '1',
      stuck: () => {
        process.retired = true
      }
    })
  }

  private schedulerIn(process: Process) {
    const { store, handle } = this.apiIn(process)
    const client = new Client(handle, ADMIN)
    const { ports } = process
    return createSchedulerFunction({
      client,
      ports,
      changes: (resource, versions) => store.changes(resource, versions),
      stuck: () => {
        process.retired = true
      }
    })
  }

  /** Looks at its pods when the doorbell rings, and only then. */
  private startAgent(name: string): void {
    const client = new Client((request) => this.ask(request), ADMIN)
    let wanted = 1
    let working = false
    const work = async () => {
      if (working) return
      working = true
      for (let done = 0; done < wanted; ) {
        const looking = wanted
        try {
          if (await runPods(client, name, () => this.sleep(this.platform.pick(300)))) done = looking
        } catch {
          await this.sleep(300)
        }
      }
      working = false
    }
    const ring = () => {
      wanted++
      void work()
    }
    this.bells.set(name, ring)
    ring()
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.platform.clock.after(ms, resolve))
  }

  private deployment(image: string): Deployment {
    const { replicas, maxSurge, maxUnavailable } = this.numbers
    const labels = { app: 'web' }
    const container = { name: 'c', image, resources: { requests: { cpu: '1' } } }
    return {
      metadata: AT,
      spec: {
        replicas,
        selector: { matchLabels: labels },
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
        template: { metadata: { labels }, spec: { containers: [container] } }
      }
    }
  }

  private see(resource: string, key: string, bytes: Uint8Array | undefined): void {
    const objects = this.objects.get(resource) ?? new Map<string, Record<string, unknown>>()
    this.objects.set(resource, objects)
    if (bytes === undefined) objects.delete(key)
    else {
      const next = JSON.parse(Buffer.from(bytes).toString()) as Pod & Record<string, unknown>
      const before = objects.get(key) as Pod | undefined
      if (resource === 'pods' && before?.metadata.uid === next.metadata.uid && before?.spec?.nodeName !== undefined)
        if (next.spec?.nodeName !== before.spec.nodeName) this.problem(`${key} was bound twice`)
      objects.set(key, next)
    }
  }

  private all<T>(resource: string): readonly T[] {
    return [...(this.objects.get(resource)?.values() ?? [])] as readonly T[]
  }

  /**
   * Kubernetes bounds what the ReplicaSets ask for, not the pods: one set may create before another has deleted. But
   * nobody creates a pod for a set (`created`: their uids) that has as many as it has lately asked for.
   */
  private checkSurge(active: readonly Pod[], created: readonly (string | undefined)[]): void {
    const { replicas, maxSurge } = this.numbers
    const now = this.platform.clock.now()
    let asked = 0
    for (const { metadata, spec } of this.all<ReplicaSet>('apps/replicasets')) {
      const { uid = '' } = metadata
      asked += spec?.replicas ?? 0
      const lately = (this.wanted.get(uid) ?? []).filter(({ until }) => until > now - LATELY_MS)
      const last = lately.at(-1)
      if (last !== undefined) last.until = now
      if (last?.replicas !== spec?.replicas) lately.push({ replicas: spec?.replicas ?? 0, until: now })
      this.wanted.set(uid, lately)
      const owned = active.filter((pod) => ownerOf(pod) === uid).length
      const most = Math.max(...lately.map((one) => one.replicas))
      if (created.includes(uid) && owned > most) this.problem(`${metadata.name} has ${owned} pods, not ${most}`)
    }
    if (asked > replicas + maxSurge) this.problem(`${asked} pods are asked for, not ${replicas} + ${maxSurge}`)
  }

  /** What must hold after each commit. */
  private check(created: readonly (string | undefined)[]): void {
    const all = this.all<Pod>('pods')
    const booked = this.all<NodeLedger>(LEDGERS).flatMap(({ metadata, pods }) =>
      Object.keys(pods).map((key) => `${key} on ${metadata.name}`)
    )
    const bound = all.flatMap((pod) =>
      pod.spec?.nodeName === undefined || isEnded(pod)
        ? []
        : [`${pod.metadata.namespace}/${pod.metadata.name} on ${pod.spec.nodeName}`]
    )
    if (booked.sort().join() !== bound.sort().join()) this.problem(`the ledgers hold ${booked}, the nodes ${bound}`)
    for (const { metadata, pods } of this.all<NodeLedger>(LEDGERS))
      if (Object.keys(pods).length > this.numbers.room) this.problem(`${metadata.name} is sold twice`)
    const active = all.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    this.checkSurge(active, created)
    const ready = active.filter(isReady).length
    if (ready < this.available) this.problem(`${ready} pods are available, not ${this.available}`)
  }
}

const AT = { name: 'web', namespace: 'default' }

function ownerOf({ metadata }: Pod): string | undefined {
  return metadata.ownerReferences?.[0]?.uid
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
}

async function ignore(reason: 'AlreadyExists' | 'NotFound', work: Promise<unknown>): Promise<void> {
  try {
    await work
  } catch (error) {
    if (!isReason(error, reason)) throw error
  }
}

async function join(client: Client, name: string, room: number): Promise<void> {
  const amounts = { cpu: String(room), memory: '8Gi', pods: '110' }
  await ignore('AlreadyExists', client.create(nodes, { metadata: { name, annotations: { [QUEUE_URL]: name } } }))
  const conditions = [{ type: 'Ready', status: 'True' }]
  const body = { status: { allocatable: amounts, capacity: amounts, conditions } }
  await client.patch(nodes, { name }, { type: 'merge', subresource: 'status', body })
}

type Spec = NonNullable<Deployment['spec']>

async function change(client: Client, how: (spec: Spec) => Spec): Promise<void> {
  const deployment = await client.get(deployments, AT)
  if (deployment.spec === undefined) throw new Error('no spec')
  await client.update(deployments, structuredClone({ ...deployment, spec: how(deployment.spec) }))
}

function setImage(spec: Spec, image: string): Spec {
  const next = structuredClone(spec)
  const container = next.template.spec?.containers[0]
  if (container !== undefined) container.image = image
  return next
}

/** One look of a node's agent at its pods. */
async function runPods(client: Client, node: string, startUp: () => Promise<void>): Promise<boolean> {
  const { items } = await client.list(pods, { index: { name: 'node', value: node } })
  for (const pod of items) {
    const { namespace, name = '', uid, deletionTimestamp } = pod.metadata
    if (deletionTimestamp !== undefined) {
      await startUp()
      await ignore('NotFound', client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0 }))
    } else if (!isReady(pod)) {
      await startUp()
      const lastTransitionTime = '2026-01-01T00:00:00Z'
      const conditions = ['Initialized', 'Ready', 'ContainersReady'].map((type) => {
        return { type, status: 'True', lastTransitionTime }
      })
      const body = { metadata: { uid }, status: { phase: 'Running', podIP: '10.0.0.1', conditions } }
      await ignore(
        'NotFound',
        client.patch(pods, { namespace, name }, { type: 'strategic', subresource: 'status', body })
      )
    }
  }
  return true
}
