/** All pods of this node: what the API wants, what the runtime has, and a worker for each. */
import type { WatchEvent } from '../core/client.ts'
import type { Pod, Taint } from '../core/kinds/types.ts'
import { admit, judgeResize } from './admission.ts'
import { allocatedPod, type ResizeVerdict } from './pod/resize.ts'
import type { NodeContext } from './pod-tasks.ts'
import { PodWorker } from './pod-worker.ts'
import type { PodRuntime, RuntimeContainer } from './runtime/runtime.ts'

const ORPHAN_RETRY_MS = 1000
const MOST_EARLY_ENDS = 1000

export interface ManagerNode {
  readonly nodeName: string
  readonly labels: () => Readonly<Record<string, string>>
  readonly taints: () => readonly Taint[]
}

export class PodManager {
  private readonly context: NodeContext
  private readonly node: ManagerNode
  private readonly workers = new Map<string, PodWorker>()
  /** Which pod a container or sandbox belongs to. */
  private readonly owners = new Map<string, string>()
  /** Ends that came before their container was seen: one that lives shorter than a look takes. */
  private readonly earlyEnds = new Set<string>()
  private readonly listeners = new Set<() => void>()
  private stopEvents: (() => void) | undefined
  private synced = false

  constructor(context: NodeContext, node: ManagerNode) {
    this.context = context
    this.node = node
  }

  /** Listens to the runtime. */
  start(signal: AbortSignal): void {
    this.stopEvents = this.context.runtime.onEvent(({ id }) => this.ended(id))
    signal.addEventListener('abort', () => this.close(), { once: true })
  }

  close(): void {
    this.stopEvents?.()
    for (const worker of this.workers.values()) worker.close()
  }

  /** All pods that the API has for this node. */
  sync(pods: readonly Pod[]): void {
    const uids = new Set(pods.map((pod) => pod.metadata.uid))
    // In the order of their creation: the older one keeps its place on a full node.
    const sorted = [...pods].sort((a, b) => created(a) - created(b))
    for (const pod of sorted) this.take(pod)
    for (const worker of this.workers.values()) if (!uids.has(worker.uid) && !worker.gone) worker.remove(worker.pod)
    if (!this.synced) void this.endOrphans()
    this.synced = true
  }

  apply(events: readonly WatchEvent<Pod>[]): void {
    for (const { type, object } of events) {
      if (type === 'DELETED') this.workers.get(object.metadata.uid ?? '')?.remove(object)
      else this.take(object)
    }
  }

  objectChanged(uid: string): void {
    this.workers.get(uid)?.objectChanged()
  }

  forget(uid: string): void {
    this.workers.delete(uid)
    this.context.objects.release(uid)
    for (const [id, owner] of this.owners) if (owner === uid) this.owners.delete(id)
  }

  judgeResize(pod: Pod): ResizeVerdict | undefined {
    const { allocatable } = this.context
    return judgeResize(pod, { allocatable, others: this.takenBut(pod) })
  }

  async lookAtAll(): Promise<void> {
    for (const worker of this.workers.values()) worker.look()
  }

  pods(): readonly Pod[] {
    return [...this.workers.values()].map((worker) => ({ ...worker.pod, status: worker.status }))
  }

  find(namespace: string, name: string): PodWorker | undefined {
    const found = [...this.workers.values()].filter(
      ({ pod }) => pod.metadata.namespace === namespace && pod.metadata.name === name
    )
    return found.find((worker) => !worker.gone) ?? found[0]
  }

  runningContainers(): readonly RuntimeContainer[] {
    return [...this.workers.values()].flatMap((worker) =>
      worker.runtime.containers.filter((container) => container.state === 'running')
    )
  }

  /** Names and ids of the images of all containers, also those that have ended. */
  imagesInUse(): ReadonlySet<string> {
    const used = new Set<string>()
    for (const worker of this.workers.values()) {
      for (const container of worker.runtime.containers) used.add(container.imageRef).add(container.image)
      for (const container of worker.pod.spec?.containers ?? []) used.add(container.image ?? '')
    }
    return used
  }

  /** Calls back when a container may have ended. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  /** The other pods, with the resources that they have been given. */
  private takenBut(pod: Pod): readonly Pod[] {
    const others = [...this.workers.values()].filter((one) => !one.gone && one.uid !== pod.metadata.uid)
    return others.map((one) => allocatedPod(one.pod, one.status))
  }

  private take(pod: Pod): void {
    const uid = pod.metadata.uid ?? ''
    const known = this.workers.get(uid)
    if (known !== undefined) {
      known.update(pod)
      return
    }
    const worker = new PodWorker(this.context, pod, () => this.noticed(worker))
    const others = this.takenBut(pod)
    // A pod that an earlier agent took has its start in its status: it stays.
    if (pod.status?.startTime === undefined && pod.metadata.deletionTimestamp === undefined) {
      const { allocatable } = this.context
      const { nodeName } = this.node
      const fit = { allocatable, labels: this.node.labels(), taints: this.node.taints(), nodeName, others }
      worker.rejected = admit(pod, fit)
      if (worker.rejected !== undefined) worker.event(undefined, 'Warning', worker.rejected)
    }
    this.workers.set(uid, worker)
    worker.look()
  }

  /** A worker has seen the runtime: whose containers are whose, and who waits for an end. */
  private noticed(worker: PodWorker): void {
    for (const { id } of worker.runtime.containers) {
      this.owners.set(id, worker.uid)
      if (this.earlyEnds.delete(id)) worker.containerEnded(id)
    }
    for (const { id } of worker.runtime.sandboxes) this.owners.set(id, worker.uid)
    for (const listener of this.listeners) listener()
  }

  private ended(id: string): void {
    const owner = this.owners.get(id)
    if (owner !== undefined) this.workers.get(owner)?.containerEnded(id)
    else if (id === '') void this.lookAtAll()
    else this.remember(id)
  }

  private remember(id: string): void {
    this.earlyEnds.add(id)
    const [oldest] = this.earlyEnds
    if (this.earlyEnds.size > MOST_EARLY_ENDS && oldest !== undefined) this.earlyEnds.delete(oldest)
  }

  /** Ends pods that run though the API does not know them: they were deleted while no agent was here. */
  private async endOrphans(): Promise<void> {
    try {
      for (const [uid, runtime] of await this.context.runtime.inspect()) {
        if (uid === '' || this.workers.has(uid)) continue
        const worker = new PodWorker(this.context, orphan(uid, runtime), () => this.noticed(worker))
        this.workers.set(uid, worker)
        worker.remove(worker.pod)
      }
    } catch (error) {
      this.context.ports.log.warn({ error: String(error) }, 'the runtime could not be listed')
      this.context.ports.clock.after(ORPHAN_RETRY_MS, () => void this.endOrphans())
    }
  }
}

function created(pod: Pod): number {
  return Date.parse(pod.metadata.creationTimestamp ?? '') || 0
}

/** As much of a lost pod as the runtime remembers. */
function orphan(uid: string, runtime: PodRuntime): Pod {
  const [sandbox] = runtime.sandboxes
  const names = new Set(runtime.containers.map((container) => container.name))
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: sandbox?.name ?? '', namespace: sandbox?.namespace ?? '', uid },
    spec: { containers: [...names].map((name) => ({ name })) }
  }
}
