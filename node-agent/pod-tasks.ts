/** What planPod decided, done: each action runs beside the others and makes its worker look again at its end. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Client } from '../core/client.ts'
import { ApiError, isReason } from '../core/errors.ts'
import type { EventRecorder } from '../core/events.ts'
import { pods } from '../core/kinds/refs.ts'
import type { Pod, Service } from '../core/kinds/types.ts'
import type { PodPlace } from '../core/pod-fields.ts'
import { type Ports, sleep, type Timer } from '../core/ports.ts'
import { ContainerStarter } from './container-starter.ts'
import { stopContainer } from './container-stopper.ts'
import { sandboxConfig } from './containers/config.ts'
import { type ClusterDns, dnsOf, hostsFile } from './containers/dns.ts'
import { resourcesOf } from './containers/resources.ts'
import type { ImagePuller } from './images/puller.ts'
import type { Objects } from './objects.ts'
import { type Action, type ContainerStart, containerNamed } from './pod/input.ts'
import { type Resize, type ResizeVerdict, resizeMessage } from './pod/resize.ts'
import type { PodWorker } from './pod-worker.ts'
import { removeCgroup } from './runtime/processes.ts'
import type { Runtime, SandboxConfig } from './runtime/runtime.ts'
import type { StatusManager } from './status-manager.ts'
import type { TokenSource } from './volumes/tokens.ts'
import {
  MountError,
  setUpVolumes,
  tearDownVolumes,
  updateVolumes,
  type VolumeFolders,
  type VolumePaths,
  type Written
} from './volumes/volumes.ts'

/** What all pods of the node share. */
export interface NodeContext {
  readonly runtime: Runtime
  readonly client: Client
  readonly ports: Ports
  readonly recorder: EventRecorder
  readonly statuses: StatusManager
  readonly puller: ImagePuller
  readonly objects: Objects
  readonly tokens: TokenSource
  readonly services: () => readonly Service[]
  readonly hostIPs: readonly string[]
  readonly allocatable: Readonly<Record<string, string>>
  /** Bytes. */
  readonly memory: number
  readonly dns: ClusterDns & { readonly host: SandboxConfig['dns'] }
  readonly folders: VolumeFolders & { readonly logs: string; readonly seccomp: string }
  readonly cgroupRoot: string
  readonly networkReady: () => boolean
  /** undefined: the node can give the pod what it asks for now. */
  readonly judgeResize: (pod: Pod) => ResizeVerdict | undefined
  /** Nothing is left of the pod. */
  readonly onGone: (podUid: string) => void
}

/** As kubelet tries to mount a volume: at first soon, then ever more rarely. */
const FIRST_PREPARE_RETRY_MS = 500
const MAX_PREPARE_RETRY_MS = 122_000
const FIRST_SANDBOX_RETRY_MS = 2000
const MAX_SANDBOX_RETRY_MS = 10_000
const FAILED_RETRY_MS = 500
const NETWORK_RETRY_MS = 200
const DELETE_RETRY_MS = 1000

export class PodTasks {
  private readonly node: NodeContext
  private readonly worker: PodWorker
  private readonly starter: ContainerStarter
  private readonly written: Written = new Map()
  private volumes: VolumePaths = new Map()
  private sandbox: SandboxConfig | undefined
  private readonly removing = new Set<string>()
  private refreshing: Promise<void> | undefined
  private refreshAgain = false
  private renewal: Timer | undefined
  private closed = false
  private prepareRetryMs = FIRST_PREPARE_RETRY_MS
  private sandboxRetryMs = FIRST_SANDBOX_RETRY_MS

  constructor(node: NodeContext, worker: PodWorker) {
    this.node = node
    this.worker = worker
    this.starter = new ContainerStarter(node, worker)
  }

  run(action: Exclude<Action, { do: 'event' }>): void {
    const { runtime } = this.node
    switch (action.do) {
      case 'prepare':
        this.track(action.do, this.prepare(), 'preparing')
        break
      case 'createSandbox':
        this.track(action.do, this.createSandbox(action.attempt), 'sandbox')
        break
      case 'stopSandbox':
        this.track(action.do, runtime.stopSandbox(action.id), 'sandbox')
        break
      case 'removeSandbox':
        this.remove(action, (id) => runtime.removeSandbox(id))
        break
      case 'removeContainer':
        this.remove(action, (id) => runtime.removeContainer(id))
        break
      case 'start':
        for (const { name } of action.containers) this.worker.busy.starting.add(name)
        this.track(action.do, this.start(action))
        break
      case 'stop':
        for (const stop of action.containers) this.track(action.do, stopContainer(this.node, this.worker, stop))
        break
      case 'resize':
        this.track(action.do, this.resize(action.containers), 'resizing')
        break
      case 'finish':
        this.track(action.do, this.finish(), 'finishing')
        break
      case 'delete':
        this.track(action.do, this.worker.gone ? this.removeAll() : this.deleteFromApi(), 'finishing')
        break
    }
  }

  /** Writes what has changed into the pod's volumes, after what is under way. */
  refreshVolumes(): void {
    if (!this.worker.prepared || this.closed || this.worker.finished) return
    this.refreshAgain = true
    this.refreshing ??= this.refreshWhileNeeded()
  }

  close(): void {
    this.closed = true
    this.renewal?.cancel()
  }

  private remove(
    action: { readonly do: Action['do']; readonly id: string },
    call: (id: string) => Promise<void>
  ): void {
    if (this.removing.has(action.id)) return
    this.removing.add(action.id)
    this.track(
      action.do,
      call(action.id).finally(() => this.removing.delete(action.id))
    )
  }

  /** `flag` says to planPod that the action is under way. */
  private track(
    action: Action['do'],
    task: Promise<unknown>,
    flag?: 'preparing' | 'sandbox' | 'finishing' | 'resizing'
  ): void {
    const { worker, node } = this
    const began = node.ports.clock.now()
    if (flag !== undefined) worker.busy[flag] = true
    const done = () => {
      const { clock, log } = node.ports
      log.debug({ pod: worker.pod.metadata.name, action, ms: clock.now() - began }, 'an action is done')
      if (flag !== undefined) worker.busy[flag] = false
    }
    task.then(
      () => {
        done()
        worker.look()
      },
      (error: unknown) => {
        node.ports.log.warn({ pod: worker.pod.metadata.name, error: String(error) }, 'an action failed')
        done()
        node.ports.clock.after(FAILED_RETRY_MS, () => worker.look())
      }
    )
  }

  private async prepare(): Promise<void> {
    const { node, worker } = this
    try {
      await mkdir(join(node.folders.pods, worker.uid), { recursive: true })
      await mkdir(this.logFolder(), { recursive: true })
      this.volumes = await setUpVolumes({
        folders: node.folders,
        input: this.projection(),
        written: this.written,
        now: node.ports.clock.now()
      })
      await this.writeHosts()
      worker.prepared = true
      this.scheduleRenewal()
    } catch (error) {
      if (!(error instanceof MountError || error instanceof ApiError)) throw error
      const problems = error instanceof MountError ? error.problems : [error.message]
      for (const message of problems) worker.event(undefined, 'Warning', { reason: 'FailedMount', message })
      worker.prepareAfter = node.ports.clock.now() + this.prepareRetryMs
      this.prepareRetryMs = Math.min(this.prepareRetryMs * 2, MAX_PREPARE_RETRY_MS)
    }
  }

  private async createSandbox(attempt: number): Promise<void> {
    const { node, worker } = this
    const { pod } = worker
    if (pod.spec?.hostNetwork !== true && !node.networkReady()) {
      worker.sandboxAfter = node.ports.clock.now() + NETWORK_RETRY_MS
      return
    }
    try {
      this.sandbox = this.sandboxConfig(attempt)
      await node.runtime.runSandbox(this.sandbox)
      this.sandboxRetryMs = FIRST_SANDBOX_RETRY_MS
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error)
      const message = `Failed to create pod sandbox: ${text}`
      worker.event(undefined, 'Warning', { reason: 'FailedCreatePodSandBox', message })
      worker.sandboxAfter = node.ports.clock.now() + this.sandboxRetryMs
      this.sandboxRetryMs = Math.min(this.sandboxRetryMs * 2, MAX_SANDBOX_RETRY_MS)
    }
  }

  private sandboxConfig(attempt: number): SandboxConfig {
    const { node, worker } = this
    return sandboxConfig(worker.pod, attempt, {
      logs: this.logFolder(),
      cgroupParent: this.cgroup(),
      dns: dnsOf(worker.pod, node.dns, node.dns.host),
      clusterDomain: node.dns.clusterDomain
    })
  }

  private async start(action: Extract<Action, { do: 'start' }>): Promise<void> {
    const { worker } = this
    const sandbox = worker.runtime.sandboxes.find((one) => one.id === action.sandboxId)
    await this.writeHosts(sandbox?.ips)
    const config = this.sandbox ?? this.sandboxConfig(sandbox?.attempt ?? 0)
    try {
      for (const start of action.containers) await this.startOne(start, { action, config })
    } finally {
      worker.busy.starting.clear()
    }
  }

  private async startOne(
    start: ContainerStart,
    { action, config }: { action: Extract<Action, { do: 'start' }>; config: SandboxConfig }
  ): Promise<void> {
    const { worker } = this
    if (worker.endingSince === undefined && !this.closed) {
      const at = { sandboxId: action.sandboxId, sandbox: config, volumes: this.volumes, place: this.place() }
      await this.starter.start(start, { ...at, hostsFile: this.hostsPath() })
    }
    worker.busy.starting.delete(start.name)
    worker.look()
  }

  private async resize(containers: readonly Resize[]): Promise<void> {
    const { node, worker } = this
    const { pod } = worker
    worker.event(undefined, 'Normal', { reason: 'ResizeStarted', message: resizeMessage(pod, 'started') })
    for (const { id, name } of containers) {
      const container = containerNamed(pod, name)
      if (container === undefined) continue
      const resources = resourcesOf(pod, container, node.memory)
      try {
        // Zero would leave a limit as it is.
        await node.runtime.updateContainer(id, {
          ...resources,
          cpuQuota: resources.cpuQuota === 0 ? -1 : resources.cpuQuota
        })
        worker.resources.set(id, container.resources ?? {})
      } catch (error) {
        const message = resizeMessage(pod, 'error', error instanceof Error ? error.message : String(error))
        worker.event(undefined, 'Warning', { reason: 'ResizeError', message })
        throw error
      }
    }
    worker.event(undefined, 'Normal', { reason: 'ResizeCompleted', message: resizeMessage(pod, 'completed') })
  }

  private async finish(): Promise<void> {
    const { node, worker } = this
    this.renewal?.cancel()
    await this.refreshing
    await tearDownVolumes(node.folders, worker.uid)
    await removeCgroup(this.cgroup(), { kill: false, ports: node.ports })
    node.tokens.forget(worker.uid)
    node.objects.release(worker.uid)
    node.puller.forget(worker.uid)
    worker.finished = true
  }

  private async deleteFromApi(): Promise<void> {
    const { node, worker } = this
    const { namespace, name = '', uid = '' } = worker.pod.metadata
    // The last status first: whoever watches sees how it ended.
    await node.statuses.settled(worker.uid)
    try {
      await node.client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0, preconditions: { uid } })
    } catch (error) {
      const { log } = node.ports
      if (!isReason(error, 'NotFound', 'Conflict'))
        log.warn({ pod: name, error: String(error) }, 'a pod was not deleted')
    }
    // The watch tells that it is gone; should that take long, ask again rather than never.
    await sleep(node.ports.clock, DELETE_RETRY_MS, worker.goneSignal.signal)
  }

  private async removeAll(): Promise<void> {
    const { node, worker } = this
    for (const { id } of worker.runtime.containers) await node.runtime.removeContainer(id)
    for (const { id } of worker.runtime.sandboxes) await node.runtime.removeSandbox(id)
    await rm(this.logFolder(), { recursive: true, force: true })
    worker.close()
    node.onGone(worker.uid)
  }

  private async refreshWhileNeeded(): Promise<void> {
    const { node } = this
    while (this.refreshAgain && !this.closed) {
      this.refreshAgain = false
      try {
        await updateVolumes({
          folders: node.folders,
          input: this.projection(),
          written: this.written,
          now: node.ports.clock.now()
        })
      } catch (error) {
        // Volumes keep what they had; a missing object is told when a container needs it.
        node.ports.log.debug({ pod: this.worker.pod.metadata.name, error: String(error) }, 'volumes not updated')
      }
      this.scheduleRenewal()
    }
    this.refreshing = undefined
  }

  private scheduleRenewal(): void {
    const at = this.node.tokens.renewAt(this.worker.uid)
    if (at === undefined || this.closed) return
    const { clock } = this.node.ports
    this.renewal?.cancel()
    this.renewal = clock.after(Math.max(10_000, at - clock.now()), () => this.refreshVolumes())
  }

  private projection() {
    const { node, worker } = this
    const { pod } = worker
    return {
      pod,
      place: this.place(),
      objects: node.objects.readerFor(worker.uid),
      token: (projection: Parameters<TokenSource['token']>[1]) => node.tokens.token(pod, projection)
    }
  }

  private place(): PodPlace {
    const { node, worker } = this
    const sandbox = worker.runtime.sandboxes.find((one) => one.ready)
    const podIPs = worker.pod.spec?.hostNetwork === true ? node.hostIPs : (sandbox?.ips ?? [])
    return { podIPs, hostIPs: node.hostIPs, allocatable: node.allocatable }
  }

  private async writeHosts(podIPs: readonly string[] = this.place().podIPs): Promise<void> {
    const { pod } = this.worker
    const hostFile = pod.spec?.hostNetwork === true ? await readFile('/etc/hosts', 'utf8').catch(() => '') : ''
    const text = hostsFile(pod, podIPs, { clusterDomain: this.node.dns.clusterDomain, hostFile })
    await writeFile(this.hostsPath(), text)
  }

  private hostsPath(): string {
    return join(this.node.folders.pods, this.worker.uid, 'hosts')
  }

  private logFolder(): string {
    const { namespace = '', name = '' } = this.worker.pod.metadata
    return join(this.node.folders.logs, `${namespace}_${name}_${this.worker.uid}`)
  }

  private cgroup(): string {
    return join(this.node.cgroupRoot, `pod${this.worker.uid}`)
  }
}
