/**
 * A container runtime in memory, for tests of what stands above it. It keeps the contract of Runtime (the suite in
 * test/contract runs on it too); what a command does is decided by its text.
 */
import type { Ports } from '../../core/ports.ts'
import {
  type ContainerConfig,
  type ExecResult,
  type Image,
  type PodRuntime,
  type Runtime,
  type RuntimeContainer,
  RuntimeError,
  type RuntimeEvent,
  type Sandbox,
  type SandboxConfig
} from './runtime.ts'

interface Made {
  container: RuntimeContainer
  readonly config: ContainerConfig
}

const IMAGE_ID = 'sha256:0000000000000000000000000000000000000000000000000000000000000001'

export class FakeRuntime implements Runtime {
  /** Every call that changed something, as "method name". */
  readonly calls: string[] = []
  readonly images = new Map<string, Image>([
    ['i:1', { id: IMAGE_ID, tags: ['i:1'], digests: [], size: 1, username: '' }]
  ])
  private readonly ports: Ports
  private readonly sandboxes = new Map<string, Sandbox>()
  private readonly containers = new Map<string, Made>()
  private readonly listeners = new Set<(event: RuntimeEvent) => void>()
  private count = 0

  constructor(ports: Ports) {
    this.ports = ports
  }

  /** What exec answers; by default a command succeeds. */
  onExec: (id: string, command: readonly string[]) => ExecResult = () => ({ exitCode: 0, stdout: '', stderr: '' })

  /** Ends a container as its process would. */
  end(id: string, exitCode: number): void {
    const one = this.containers.get(id)
    if (one === undefined || one.container.state !== 'running') return
    const reason = exitCode === 0 ? 'Completed' : 'Error'
    one.container = { ...one.container, state: 'exited', exitCode, reason, finishedAt: this.now() }
    for (const listener of this.listeners) listener({ id })
  }

  /** The configuration that a container was made with. */
  configOf(id: string): ContainerConfig | undefined {
    return this.containers.get(id)?.config
  }

  async version(): Promise<{ name: string; version: string }> {
    return { name: 'fake', version: '1' }
  }

  async status(): Promise<{ runtimeReady: boolean; networkReady: boolean; message: string }> {
    return { runtimeReady: true, networkReady: true, message: '' }
  }

  async inspect(podUid?: string): Promise<ReadonlyMap<string, PodRuntime>> {
    return inspect({ sandboxes: this.sandboxes, containers: this.containers, podUid })
  }

  async runSandbox(config: SandboxConfig): Promise<string> {
    const id = this.nextId('s')
    this.calls.push(`runSandbox ${config.name}`)
    this.sandboxes.set(id, sandboxOf(config, { id, now: this.now(), address: `10.0.0.${this.count}` }))
    return id
  }

  async stopSandbox(id: string): Promise<void> {
    this.calls.push(`stopSandbox ${id}`)
    this.stopAll(id)
    const sandbox = this.sandboxes.get(id)
    if (sandbox !== undefined) this.sandboxes.set(id, { ...sandbox, ready: false, ips: [] })
  }

  async removeSandbox(id: string): Promise<void> {
    this.stopAll(id)
    for (const { container } of this.containers.values()) {
      if (container.sandboxId === id) this.containers.delete(container.id)
    }
    this.sandboxes.delete(id)
  }

  async createContainer(sandboxId: string, config: ContainerConfig, sandbox: SandboxConfig): Promise<string> {
    this.calls.push(`create ${config.name}`)
    if (this.sandboxes.get(sandboxId)?.ready !== true) throw new RuntimeError('NotFound', 'failed to find sandbox id')
    const taken = [...this.containers.values()].some(
      ({ container }) =>
        container.sandboxId === sandboxId && container.name === config.name && container.attempt === config.attempt
    )
    if (taken) throw new RuntimeError('Other', `name "${config.name}" is reserved`)
    const id = this.nextId('c')
    const at = { id, sandboxId, podUid: sandbox.podUid, logs: sandbox.logDirectory, now: this.now() }
    this.containers.set(id, { config, container: containerOf(config, at) })
    return id
  }

  async startContainer(id: string): Promise<void> {
    const one = this.made(id)
    this.calls.push(`start ${one.config.name}`)
    const run = behaviour(one.config)
    if (run === 'missing') {
      const ended = { state: 'exited', exitCode: 128, reason: 'StartError', finishedAt: this.now() } as const
      one.container = { ...one.container, ...ended }
      throw new RuntimeError('Other', 'failed to start: no such file or directory')
    }
    one.container = { ...one.container, state: 'running', startedAt: this.now() }
    if (typeof run === 'number') this.ports.clock.after(1, () => this.end(id, run))
  }

  async stopContainer(id: string, graceSeconds: number): Promise<void> {
    this.calls.push(`stop ${this.containers.get(id)?.config.name ?? id} ${Math.ceil(graceSeconds)}`)
    this.end(id, 137)
  }

  async updateContainer(id: string, resources: ContainerConfig['resources']): Promise<void> {
    this.calls.push(`update ${this.made(id).config.name} ${resources.cpuShares}`)
  }

  async removeContainer(id: string): Promise<void> {
    this.containers.delete(id)
  }

  async exec(id: string, command: readonly string[]): Promise<ExecResult> {
    if (this.made(id).container.state !== 'running') throw new RuntimeError('Other', 'container is not running')
    return behaviourOf(command) ?? this.onExec(id, command)
  }

  async reopenLog(id: string): Promise<void> {
    this.made(id)
  }

  async usage(): Promise<readonly []> {
    return []
  }

  async listImages(): Promise<readonly Image[]> {
    return [...this.images.values()]
  }

  async findImage(image: string): Promise<Image | undefined> {
    return this.images.get(image) ?? [...this.images.values()].find((one) => one.id === image)
  }

  async pullImage(image: string): Promise<string> {
    throw new RuntimeError('Other', `failed to pull and unpack image "${image}"`)
  }

  async removeImage(image: string): Promise<void> {
    for (const [name, one] of this.images) if (name === image || one.id === image) this.images.delete(name)
  }

  onEvent(listener: (event: RuntimeEvent) => void): () => void {
    this.listeners.add(listener)
    return () => this.listeners.delete(listener)
  }

  close(): void {}

  private now(): number {
    return this.ports.clock.now()
  }

  private nextId(kind: string): string {
    this.count++
    return `${kind}${this.count}`
  }

  private made(id: string): Made {
    const found = this.containers.get(id)
    if (found === undefined) throw new RuntimeError('NotFound', `an error occurred when try to find container "${id}"`)
    return found
  }

  private stopAll(sandboxId: string): void {
    for (const { container } of this.containers.values()) {
      if (container.sandboxId === sandboxId) this.end(container.id, 137)
    }
  }
}

function inspect(at: {
  readonly sandboxes: ReadonlyMap<string, Sandbox>
  readonly containers: ReadonlyMap<string, Made>
  readonly podUid: string | undefined
}): Map<string, PodRuntime> {
  const pods = new Map<string, { sandboxes: Sandbox[]; containers: RuntimeContainer[] }>()
  const of = (uid: string) => {
    const pod = pods.get(uid) ?? { sandboxes: [], containers: [] }
    pods.set(uid, pod)
    return pod
  }
  for (const sandbox of at.sandboxes.values()) of(sandbox.podUid).sandboxes.unshift(sandbox)
  for (const { container } of at.containers.values()) of(container.podUid).containers.unshift(container)
  if (at.podUid === undefined) return pods
  const one = pods.get(at.podUid)
  return one === undefined ? new Map() : new Map([[at.podUid, one]])
}

function sandboxOf(config: SandboxConfig, made: { id: string; now: number; address: string }): Sandbox {
  const { name, namespace, podUid, attempt } = config
  const ips = config.namespaces.network === 'NODE' ? [] : [made.address]
  return { id: made.id, name, namespace, podUid, attempt, ready: true, createdAt: made.now, ips }
}

function containerOf(
  config: ContainerConfig,
  made: { id: string; sandboxId: string; podUid: string; logs: string; now: number }
): RuntimeContainer {
  return {
    id: made.id,
    sandboxId: made.sandboxId,
    podUid: made.podUid,
    name: config.name,
    attempt: config.attempt,
    state: 'created',
    createdAt: made.now,
    startedAt: 0,
    finishedAt: 0,
    exitCode: 0,
    reason: '',
    message: '',
    image: config.image,
    imageRef: config.image,
    annotations: config.annotations,
    logPath: `${made.logs}/${config.logPath}`
  }
}

/** "exit N" ends, "/missing" cannot start, everything else runs on. */
function behaviour(config: ContainerConfig): number | 'missing' | undefined {
  const text = config.command.join(' ')
  if (text.startsWith('/missing')) return 'missing'
  const exit = /\bexit (\d+)/.exec(text)
  return exit === null ? undefined : Number(exit[1])
}

function behaviourOf(command: readonly string[]): ExecResult | undefined {
  const exit = /^sh -c echo (\w+); exit (\d+)$/.exec(command.join(' '))
  return exit === null ? undefined : { exitCode: Number(exit[2]), stdout: `${exit[1]}\n`, stderr: '' }
}
