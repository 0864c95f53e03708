/** One container's way to run: its image, its configuration, its creation, its start and its hook. */
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ApiError } from '../core/errors.ts'
import type { Container, Secret } from '../core/kinds/types.ts'
import { ConfigError, environmentOf } from '../core/pod-environment.ts'
import type { PodPlace } from '../core/pod-fields.ts'
import { containerConfig } from './containers/config.ts'
import { HOOK_MS, hookOf, runHook } from './containers/hooks.ts'
import { type ContainerStart, containerNamed } from './pod/input.ts'
import { resizeMessage } from './pod/resize.ts'
import type { NodeContext } from './pod-tasks.ts'
import type { PodWorker } from './pod-worker.ts'
import { type ContainerConfig, type Image, RuntimeError, type SandboxConfig } from './runtime/runtime.ts'
import { mountsOf } from './volumes/mounts.ts'
import type { VolumePaths } from './volumes/volumes.ts'

/** A configuration that cannot be made is tried again after this, or when an object that it names changes. */
const CONFIG_RETRY_MS = 10_000
const RUN_RETRY_MS = 1000

export interface StartPlace {
  readonly sandboxId: string
  readonly sandbox: SandboxConfig
  readonly volumes: VolumePaths
  readonly place: PodPlace
  readonly hostsFile: string
}

export class ContainerStarter {
  private readonly node: NodeContext
  private readonly worker: PodWorker

  constructor(node: NodeContext, worker: PodWorker) {
    this.node = node
    this.worker = worker
  }

  /** Never throws: what went wrong is remembered as the container's failure. */
  async start(start: ContainerStart, at: StartPlace): Promise<void> {
    const { node, worker } = this
    const container = containerNamed(worker.pod, start.name)
    if (container === undefined) return
    try {
      const answer = await node.puller.ensure({
        pod: worker.pod,
        container,
        secrets: () => this.pullSecrets(),
        event: worker.event
      })
      if ('failure' in answer) {
        worker.failures.set(container.name, answer.failure)
        return
      }
      // The pull may have taken long: the pod may have to end by now.
      if (worker.endingSince !== undefined) return
      const config = await this.configure(start, { ...at, container, image: answer.image })
      await this.run(container, config, at)
    } catch (error) {
      this.failed(container, error)
    }
  }

  private async configure(
    start: ContainerStart,
    at: StartPlace & { readonly container: Container; readonly image: Image }
  ): Promise<ContainerConfig> {
    const { node, worker } = this
    const { container } = at
    const environment = await environmentOf({
      pod: worker.pod,
      container,
      place: at.place,
      objects: node.objects.readerFor(worker.uid),
      services: node.services()
    })
    const messageFile = await this.messageFile(container, start.attempt)
    const mounts = await mountsOf({
      container,
      environment,
      messageFile,
      volumes: at.volumes,
      hostsFile: at.hostsFile
    })
    await mkdir(join(at.sandbox.logDirectory, container.name), { recursive: true })
    return containerConfig({
      pod: worker.pod,
      container,
      attempt: start.attempt,
      backoffMs: start.backoffMs,
      image: at.image,
      environment,
      mounts,
      messageFile,
      targetId: this.targetOf(container),
      nodeMemory: node.memory,
      seccompFolder: node.folders.seccomp
    })
  }

  /** Throws ConfigError where an ephemeral container's target does not run. */
  private targetOf({ name }: Container): string | undefined {
    const { pod, runtime } = this.worker
    const target = pod.spec?.ephemeralContainers?.find((one) => one.name === name)?.targetContainerName ?? ''
    if (target === '') return undefined
    const found = runtime.containers.find((one) => one.name === target && one.state === 'running')
    if (found === undefined) throw new ConfigError(`unable to find target container ${target}`)
    return found.id
  }

  private async run(container: Container, config: ContainerConfig, at: StartPlace): Promise<void> {
    const { node, worker } = this
    let id: string
    try {
      id = await node.runtime.createContainer(at.sandboxId, config, at.sandbox)
    } catch (error) {
      throw new StartError('CreateContainerError', error)
    }
    worker.event(container, 'Normal', { reason: 'Created', message: 'Container created' })
    try {
      await node.runtime.startContainer(id)
    } catch (error) {
      throw new StartError('RunContainerError', error)
    }
    worker.event(container, 'Normal', { reason: 'Started', message: 'Container started' })
    worker.failures.delete(container.name)
    if (worker.resizing.delete(container.name)) {
      const message = resizeMessage(worker.pod, 'completed')
      worker.event(undefined, 'Normal', { reason: 'ResizeCompleted', message })
    }
    const hook = hookOf(container, 'postStart')
    if (hook === undefined) return
    const { runtime, ports } = node
    const target = { runtime, ports, container, containerId: id, podIP: at.place.podIPs[0] ?? '' }
    const problem = await runHook(target, hook, { timeoutMs: HOOK_MS })
    if (problem === undefined) return
    worker.event(container, 'Warning', { reason: 'FailedPostStartHook', message: 'PostStartHook failed' })
    worker.event(container, 'Normal', { reason: 'Killing', message: 'FailedPostStartHook' })
    worker.failures.set(container.name, { reason: 'PostStartHookError', message: problem, until: 0 })
    await node.runtime.stopContainer(id, worker.pod.spec?.terminationGracePeriodSeconds ?? 30)
  }

  private failed(container: Container, error: unknown): void {
    const { worker, node } = this
    const now = node.ports.clock.now()
    const text = error instanceof Error ? error.message : String(error)
    if (error instanceof StartError) {
      worker.failures.set(container.name, { reason: error.reason, message: text, until: now + RUN_RETRY_MS })
    } else {
      const reason = error instanceof ConfigError ? error.reason : 'CreateContainerConfigError'
      // An API that is away is asked again soon.
      const wait = error instanceof ApiError || error instanceof RuntimeError ? RUN_RETRY_MS : CONFIG_RETRY_MS
      worker.failures.set(container.name, { reason, message: text, until: now + wait })
    }
    worker.event(container, 'Warning', { reason: 'Failed', message: `Error: ${text}` })
  }

  /** Its own file for each run, so that a message is never another run's. */
  private async messageFile(container: Container, attempt: number): Promise<string> {
    const folder = join(this.node.folders.pods, this.worker.uid, 'containers', container.name)
    await mkdir(folder, { recursive: true })
    const file = join(folder, `${attempt}.message`)
    await writeFile(file, '')
    await chmod(file, 0o666)
    return file
  }

  private async pullSecrets(): Promise<readonly Secret[]> {
    const { pod } = this.worker
    const objects = this.node.objects.readerFor(this.worker.uid)
    const found: Secret[] = []
    for (const { name } of pod.spec?.imagePullSecrets ?? []) {
      const secret = await objects.secret(pod.metadata.namespace ?? '', name ?? '')
      if (secret !== undefined) found.push(secret)
    }
    return found
  }
}

class StartError extends Error {
  readonly reason: string

  constructor(reason: string, cause: unknown) {
    super(cause instanceof Error ? cause.message.replace(/^rpc error: code = \w+ desc = /, '') : String(cause))
    this.name = 'StartError'
    this.reason = reason
  }
}
