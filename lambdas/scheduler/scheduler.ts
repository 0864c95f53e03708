/**
 * The scheduler within a process: a queue of pods without a node, filled by the change feed; batches that are decided on
 * one reading of the ledgers; bindings through the API, which refuses what another scheduler took meanwhile.
 */
import type { Client } from '../../core/client.ts'
import { isReason } from '../../core/errors.ts'
import type { EventRecorder } from '../../core/events.ts'
import type { Change } from '../../core/feed.ts'
import { namespaces as namespacesRef, pods } from '../../core/kinds/refs.ts'
import type { Pod, PodCondition } from '../../core/kinds/types.ts'
import { LEDGERS, type NodeLedger, nodeLedgers, requestedOf, shortages } from '../../core/ledger.ts'
import { persist } from '../../core/loop.ts'
import { type Ports, sleep, timestamp } from '../../core/ports.ts'
import type { Waker } from './plugins/plugin.ts'
import { type Queued, SCHEDULER_NAME, SchedulingQueue } from './queue.ts'
import { candidateOf, type Decision, type Failure, schedule } from './schedule.ts'
import { type Snapshot, SnapshotMaker } from './snapshot.ts'
import { asksNamespaces, type NamespaceLabels } from './terms.ts'

export interface SchedulerOptions {
  /** Of the user system:kube-scheduler. */
  readonly client: Client
  /** The change feed; returns the end of the subscription. */
  readonly feed: (listener: (changes: readonly Change[]) => void) => () => void
  readonly ports: Ports
  /** Of the component "default-scheduler". */
  readonly recorder: EventRecorder
  /**
   * Says of a pod that no node would take only what it has not been told yet. Where each look is another process', all
   * of them look at every pod that waits, and would repeat it each time. Default: each failure is an event.
   */
  readonly terse?: boolean
}

export interface Scheduler {
  /** Resolves when no pod can be tried now; some may wait for a better time. */
  idle(): Promise<void>
  /** Resolves when all that can have a node has one: true; or when `signal` aborts, or nothing could be read: false. */
  settled(signal: AbortSignal): Promise<boolean>
  /** Resolves when the last batch has ended. */
  stop(): Promise<void>
}

/** Pods decided on one reading of the ledgers: more cost fewer readings, fewer see others' bookings sooner. */
const BATCH = 256
/** Requests under way at once. */
const CONCURRENCY = 32
/** Decisions after which sockets get a turn. */
const TURN = 16
/** After a small batch more pods are let gather: each batch reads all ledgers. */
const SMALL_BATCH = 32
const GATHER_MS = 3
/** A pod that lost its place is tried again within this time, at random, so that rivals part. */
const AGAIN_MS = 30
const FAILED_MS = 1000
const MANY_FAILURES = 3
/** How often it is looked whether pods that lost their places are through, in milliseconds. */
const SETTLE_MS = 10

const NOTHING_HELPS: ReadonlySet<Waker> = new Set()

export function startScheduler(options: SchedulerOptions): Scheduler {
  return new RunningScheduler(options)
}

class RunningScheduler implements Scheduler {
  private readonly options: SchedulerOptions
  private readonly queue: SchedulingQueue
  private readonly maker = new SnapshotMaker()
  private readonly rotation = { next: 0 }
  private readonly end = new AbortController()
  private readonly unsubscribe: () => void
  private readonly started: Promise<void>
  private working: Promise<void> | undefined
  /** In a row. */
  private failedBatches = 0

  constructor(options: SchedulerOptions) {
    this.options = options
    this.queue = new SchedulingQueue(options.ports, () => this.work())
    this.unsubscribe = options.feed((changes) => {
      for (const change of changes) this.hear(change)
    })
    this.started = this.begin()
  }

  async idle(): Promise<void> {
    await this.started
    while (this.working !== undefined) await this.working
  }

  async settled(signal: AbortSignal): Promise<boolean> {
    const { clock } = this.options.ports
    const gone = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
    while (!signal.aborted && this.failedBatches < MANY_FAILURES) {
      await Promise.race([this.idle(), gone])
      if (!signal.aborted && !this.queue.hasMore()) return true
      await sleep(clock, SETTLE_MS, signal)
    }
    return false
  }

  async stop(): Promise<void> {
    this.end.abort()
    this.unsubscribe()
    await this.idle()
    this.queue.stop()
  }

  /** Pods that waited before there was a scheduler. */
  private async begin(): Promise<void> {
    const { client, ports } = this.options
    const index = { name: 'pending', value: SCHEDULER_NAME }
    const found = await persist(ports, this.end.signal, () => client.list(pods, { index }))
    for (const pod of found?.value.items ?? []) this.queue.update(pod)
  }

  private hear({ resource, key, type, object, previous }: Change): void {
    if (resource === LEDGERS && type !== 'deleted')
      this.hearLedger(object as unknown as NodeLedger, previous as NodeLedger | undefined)
    if (resource !== 'pods') return
    if (type === 'deleted') this.queue.remove(key, Number(object.metadata.resourceVersion))
    else this.queue.update(object as Pod)
  }

  private hearLedger(ledger: NodeLedger, previous: NodeLedger | undefined): void {
    const same = ledger.node === previous?.node || JSON.stringify(ledger.node) === JSON.stringify(previous?.node)
    if (!same) this.queue.wake('node')
    if (lacksPodsOf(ledger, previous)) this.wakeForRoom(ledger)
    if (previous === undefined || lacksPodsOf(previous, ledger)) this.queue.wake('neighbour')
  }

  /** Not those that would not fit here either: a pod's end must not rouse thousands. */
  private wakeForRoom(ledger: NodeLedger): void {
    const allocatable = ledger.node?.allocatable ?? {}
    const room = { allocatable, requested: requestedOf(ledger), pods: Object.keys(ledger.pods).length }
    this.queue.wake('room', ({ pod }, wakers) => {
      return wakers.has('neighbour') || shortages(room, candidateOf(pod).pod.requests).length === 0
    })
  }

  private work(): void {
    if (this.working !== undefined || this.end.signal.aborted) return
    this.working = this.batches().finally(() => {
      this.working = undefined
      if (this.queue.size().active > 0) this.work()
    })
  }

  private async batches(): Promise<void> {
    const { clock, log } = this.options.ports
    await turn()
    while (!this.end.signal.aborted) {
      const taken = this.queue.take(BATCH)
      if (taken.length === 0) return
      try {
        await this.batch(taken)
        this.failedBatches = 0
      } catch (error) {
        this.failedBatches++
        log.warn({ error: String(error), pods: taken.length }, 'pods could not be scheduled, trying again')
        for (const { key } of taken) this.queue.again(key, FAILED_MS)
      }
      if (taken.length < SMALL_BATCH) await sleep(clock, GATHER_MS, this.end.signal)
    }
  }

  private async batch(taken: readonly Queued[]): Promise<void> {
    const { client } = this.options
    const ledgers = (await client.list(nodeLedgers)).items
    const namespaces = await this.namespaces(taken, ledgers)
    const snapshot = this.maker.snapshot(ledgers, namespaces)
    const binds = new Map<string, Queued[]>()
    const failures: { queued: Queued; failure: Failure }[] = []
    for (const [i, queued] of taken.entries()) {
      const decision = this.decide(queued, snapshot, namespaces)
      if (decision === undefined) continue
      if ('failure' in decision) failures.push({ queued, failure: decision.failure })
      else binds.set(decision.node.name, [...(binds.get(decision.node.name) ?? []), queued])
      if (i % TURN === TURN - 1) await turn()
    }
    // One at a time for each node: two at once would only make each other start anew.
    await inParallel([...binds], async ([node, some]) => {
      for (const queued of some) await this.bind(queued, node)
    })
    await inParallel(failures, ({ queued, failure }) => this.report(queued, failure))
  }

  /** A pod that cannot even be judged waits, and holds up no other. */
  private decide(queued: Queued, snapshot: Snapshot, namespaces: NamespaceLabels): Decision | undefined {
    const { random, log } = this.options.ports
    try {
      return schedule(candidateOf(queued.pod), { snapshot, namespaces, random, rotation: this.rotation })
    } catch (error) {
      log.error({ pod: queued.key, error: String(error) }, 'a pod could not be judged')
      this.queue.failed(queued.key, NOTHING_HELPS)
      return undefined
    }
  }

  /** Labels of namespaces, read only where a term asks for them. */
  private async namespaces(taken: readonly Queued[], ledgers: readonly NodeLedger[]): Promise<NamespaceLabels> {
    const asked =
      taken.some(({ pod }) => asksNamespaces(pod.spec?.affinity)) ||
      ledgers.some((ledger) => Object.values(ledger.pods).some(({ affinity }) => asksNamespaces(affinity)))
    if (!asked) return () => undefined
    const { items } = await this.options.client.list(namespacesRef)
    const labels = new Map(items.map(({ metadata }) => [metadata.name ?? '', metadata.labels ?? {}]))
    return (namespace) => labels.get(namespace)
  }

  private async bind({ key, pod }: Queued, node: string): Promise<void> {
    const { namespace, name = '', uid } = pod.metadata
    const { client, ports, recorder } = this.options
    const body = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { namespace, name, uid },
      target: { kind: 'Node', name: node }
    }
    try {
      await client.createSubresource(pods, { namespace, name, subresource: 'binding' }, body)
      this.queue.remove(key)
      recorder.event(pod, 'Normal', 'Scheduled', `Successfully assigned ${key} to ${node}`)
    } catch (error) {
      if (isReason(error, 'NotFound')) return this.queue.remove(key)
      if (!isReason(error, 'Conflict')) {
        ports.log.warn({ pod: key, node, error: String(error) }, 'a pod could not be bound, trying again')
        return this.queue.erred(key, FAILED_MS)
      }
      await this.lost(key, pod)
    }
  }

  /** Somebody else took the room, or the pod itself. */
  private async lost(key: string, { metadata }: Pod): Promise<void> {
    const { client, ports } = this.options
    const at = { namespace: metadata.namespace, name: metadata.name ?? '' }
    try {
      const now = await client.find(pods, at)
      if (now === undefined) this.queue.remove(key)
      else this.queue.update(now)
    } catch (error) {
      ports.log.debug({ pod: key, error: String(error) }, 'a pod could not be read')
    }
    this.queue.again(key, ports.random.next() * AGAIN_MS)
  }

  /** Tells the pod why it stays Pending. */
  private async report({ key, pod }: Queued, { message, wakers }: Failure): Promise<void> {
    const { client, ports, recorder } = this.options
    this.queue.failed(key, wakers)
    const known = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled')
    const told = known?.status === 'False' && known.reason === 'Unschedulable' && known.message === message
    if (!told || this.options.terse !== true) recorder.event(pod, 'Warning', 'FailedScheduling', message)
    if (told) return
    const { namespace, name = '', generation } = pod.metadata
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastProbeTime: null,
      lastTransitionTime: known?.status === 'False' ? known.lastTransitionTime : timestamp(ports.clock.now()),
      ...(generation === undefined ? {} : { observedGeneration: generation })
    } as unknown as PodCondition
    try {
      const body = { metadata: { uid: pod.metadata.uid }, status: { conditions: [condition] } }
      await client.patch(pods, { namespace, name }, { type: 'strategic', subresource: 'status', body })
    } catch (error) {
      ports.log.debug({ pod: key, error: String(error) }, 'the reason could not be written to the pod')
    }
  }
}

/** Whether `ledger` lacks a pod of `other`, or it takes another amount now. */
export function lacksPodsOf(ledger: NodeLedger, other: NodeLedger | undefined): boolean {
  if (other === undefined || ledger.pods === other.pods) return false
  for (const key in other.pods) {
    const [now, then] = [ledger.pods[key], other.pods[key]]
    if (now !== then && (now === undefined || JSON.stringify(now) !== JSON.stringify(then))) return true
  }
  return false
}

/** In process no await leaves the microtask queue by itself. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const rest = items[Symbol.iterator]()
  const worker = async () => {
    for (const item of rest) await work(item)
  }
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY, items.length) }, worker))
}
