/**
 * One pod on this node. It looks at what runs, asks planPod what to do, reports the status and does it; each end of an
 * action, each event of the runtime, each probe and each change in the API makes it look again. What it remembers
 * between two looks can all be lost: the rest is in the runtime and in the API.
 */
import type { ContainerStatus, Pod, PodStatus, ResourceRequirements } from '../core/kinds/types.ts'
import type { Timer } from '../core/ports.ts'
import { type PodEvents, podEvents } from './events.ts'
import {
  type Action,
  containerNamed,
  type Health,
  type PodInput,
  type PodPlan,
  type StartFailure
} from './pod/input.ts'
import { resizesOf } from './pod/resize.ts'
import { planPod } from './pod.ts'
import { type NodeContext, PodTasks } from './pod-tasks.ts'
import { Prober } from './probes/prober.ts'
import type { PodRuntime, RuntimeContainer } from './runtime/runtime.ts'
import { terminationMessage } from './termination-message.ts'

const NOTHING: PodRuntime = { sandboxes: [], containers: [] }
/** After a look that failed, because the runtime is away. */
const RETRY_MS = 500
/** The runtime tells of an end before its status shows it (measured: up to 114 ms later). */
const LAG_STEPS_MS = [5, 10, 20, 40, 80, 160, 320, 640]

export class PodWorker {
  readonly uid: string
  pod: Pod
  /** As the API was told last. */
  status: PodStatus
  private decided: PodStatus
  /** The pod is no longer in the API; the signal aborts at that moment. */
  gone = false
  readonly goneSignal = new AbortController()
  prepared = false
  prepareAfter = 0
  sandboxAfter = 0
  finished = false
  endingSince: number | undefined
  rejected: { readonly reason: string; readonly message: string } | undefined
  runtime: PodRuntime = NOTHING
  readonly replaced = new Set<string>()
  readonly resources = new Map<string, ResourceRequirements>()
  /** Names of containers that begin anew with other resources. */
  readonly resizing = new Set<string>()
  readonly failures = new Map<string, StartFailure>()
  readonly busy = {
    preparing: false,
    sandbox: false,
    starting: new Set<string>(),
    stopping: new Map<string, number>(),
    finishing: false,
    resizing: false
  }
  readonly event: PodEvents
  private readonly node: NodeContext
  private readonly prober: Prober
  private readonly tasks: PodTasks
  private readonly onSeen: () => void
  private readonly messages = new Map<string, string>()
  private timer: Timer | undefined
  private looking = false
  private again = false
  private closed = false

  /** `onSeen`: called after each look at the runtime. */
  constructor(node: NodeContext, pod: Pod, onSeen: () => void) {
    this.node = node
    this.onSeen = onSeen
    this.pod = pod
    this.uid = pod.metadata.uid ?? ''
    this.status = pod.status ?? {}
    this.decided = this.status
    this.event = podEvents(node.recorder, () => this.pod)
    const { runtime, ports } = node
    this.prober = new Prober({ runtime, ports, event: this.event, onChange: () => this.look() })
    this.tasks = new PodTasks(node, this)
  }

  /** The API has a newer object. */
  update(pod: Pod): void {
    this.pod = pod
    this.look()
    this.tasks.refreshVolumes()
  }

  /** The API has it no more: whatever runs must end. `last`: its last state there. */
  remove(last: Pod): void {
    this.gone = true
    this.goneSignal.abort()
    const { metadata } = last
    const deletionTimestamp = metadata.deletionTimestamp ?? new Date(this.node.ports.clock.now()).toISOString()
    this.pod = { ...last, metadata: { ...metadata, deletionTimestamp } }
    this.node.statuses.forget(this.uid)
    this.look()
  }

  /** An object that the pod refers to has changed. */
  objectChanged(): void {
    this.prepareAfter = 0
    for (const [name, failure] of this.failures) {
      if (failure.reason === 'CreateContainerConfigError') this.failures.delete(name)
    }
    this.tasks.refreshVolumes()
    this.look()
  }

  /** The runtime told of the end of this container: look until its status says so too. */
  containerEnded(id: string): void {
    const look = (step: number) => {
      const seen = this.runtime.containers.find((one) => one.id === id)
      const wait = LAG_STEPS_MS[step]
      if (seen?.state !== 'running' || wait === undefined || this.closed) return
      this.node.ports.clock.after(wait, () => {
        this.look()
        look(step + 1)
      })
    }
    this.look()
    look(0)
  }

  /** Looks at the pod now, or once more when a look is under way. */
  look(): void {
    this.again = true
    if (this.looking || this.closed) return
    this.looking = true
    void this.lookWhileNeeded()
  }

  close(): void {
    this.closed = true
    this.timer?.cancel()
    this.prober.close()
    this.tasks.close()
  }

  private async lookWhileNeeded(): Promise<void> {
    while (this.again && !this.closed) {
      this.again = false
      try {
        await this.lookOnce()
      } catch (error) {
        this.node.ports.log.warn({ pod: this.pod.metadata.name, error: String(error) }, 'a pod could not be synced')
        this.lookAt(this.node.ports.clock.now() + RETRY_MS)
      }
    }
    this.looking = false
  }

  private async lookOnce(): Promise<void> {
    this.timer?.cancel()
    this.runtime = (await this.node.runtime.inspect(this.uid)).get(this.uid) ?? NOTHING
    this.onSeen()
    await this.readMessages()
    if (this.closed) return
    this.probe()
    const input = this.input()
    const plan = planPod(
      resizesOf(input).length === 0 ? input : { ...input, resizeVerdict: this.node.judgeResize(this.pod) }
    )
    this.report(plan)
    for (const action of plan.actions) this.act(action)
    if (plan.again !== undefined) this.lookAt(plan.again)
  }

  private input(): PodInput {
    const {
      pod,
      runtime,
      failures,
      replaced,
      resources,
      busy,
      rejected,
      prepared,
      prepareAfter,
      finished,
      endingSince
    } = this
    const { phase, reason, message } = this.status
    return {
      pod,
      status: this.decided,
      reported: { phase, ...(reason === undefined ? {} : { reason }), ...(message === undefined ? {} : { message }) },
      runtime,
      failures,
      replaced,
      resources,
      resizeVerdict: undefined,
      busy,
      rejected,
      prepared,
      prepareAfter,
      finished,
      endingSince,
      sandboxAfter: this.sandboxAfter,
      health: this.prober.health,
      messages: this.messages,
      hostIPs: this.node.hostIPs,
      now: this.node.ports.clock.now()
    }
  }

  private report({ status, reported, ending }: PodPlan): void {
    this.decided = status
    this.status = reported
    if (ending) this.endingSince ??= this.node.ports.clock.now()
    if (!this.gone) this.node.statuses.set(this.pod, reported)
  }

  private probe(): void {
    const specs = [...(this.pod.spec?.initContainers ?? []), ...(this.pod.spec?.containers ?? [])]
    const running = this.runtime.containers.filter(
      (one) =>
        one.state === 'running' && !this.busy.starting.has(one.name) && specs.some((spec) => spec.name === one.name)
    )
    const sandbox = this.runtime.sandboxes.find((one) => one.ready)
    this.prober.sync({
      pod: this.pod,
      podIP: (this.pod.spec?.hostNetwork === true ? this.node.hostIPs[0] : sandbox?.ips[0]) ?? '',
      running,
      ending: this.endingSince !== undefined || this.pod.metadata.deletionTimestamp !== undefined,
      known: (id) => this.knownHealth(id, running)
    })
  }

  /** What the API last said of a container that an earlier agent probed. */
  private knownHealth(id: string, running: readonly RuntimeContainer[]): Health {
    const name = running.find((one) => one.id === id)?.name
    const told = this.told(this.pod.status ?? {}).find((status) => status.name === name)
    if (told?.containerID !== `containerd://${id}`) return {}
    return {
      ...(told.started === true ? { started: true } : {}),
      ...(told.ready ? { ready: true } : {})
    }
  }

  private told(status: PodStatus): readonly ContainerStatus[] {
    return [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
  }

  private act(action: Action): void {
    if (action.do === 'event') {
      const container = action.container === undefined ? undefined : containerNamed(this.pod, action.container)
      this.event(container, action.type, action)
      return
    }
    this.tasks.run(action)
  }

  private lookAt(at: number): void {
    this.timer?.cancel()
    const { clock } = this.node.ports
    this.timer = clock.after(Math.max(0, at - clock.now()), () => this.look())
  }

  private async readMessages(): Promise<void> {
    const { containers } = this.runtime
    for (const id of this.messages.keys()) if (!containers.some((one) => one.id === id)) this.messages.delete(id)
    for (const container of containers) {
      if (container.state !== 'exited' || this.messages.has(container.id)) continue
      this.messages.set(container.id, await terminationMessage(container))
    }
  }
}
