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

export interface FakeRuntime extends Runtime {
  /** Every call that changed something, as "method name". */
  readonly calls: string[]
  readonly images: Map<string, Image>
  /** Ends a container as its process would. */
  end(id: string, exitCode: number): void
  /** The configuration that a container was made with. */
  configOf(id: string): ContainerConfig | undefined
  /** What exec answers; by default a command succeeds. */
  onExec: (id: string, command: readonly string[]) => ExecResult
}

interface Made {
  container: RuntimeContainer
  readonly config: ContainerConfig
}

const IMAGE_ID = 'sha256:0000000000000000000000000000000000000000000000000000000000000001'

export function createFakeRuntime(ports: Ports): FakeRuntime {
  const sandboxes = new Map<string, Sandbox>()
  const containers = new Map<string, Made>()
  const listeners = new Set<(event: RuntimeEvent) => void>()
  const calls: string[] = []
  let count = 0
  const nextId = (kind: string) => `${kind}${++count}`
  const now = () => ports.clock.now()

  const made = (id: string): Made => {
    const found = containers.get(id)
    if (found === undefined) throw new RuntimeError('NotFound', `an error occurred when try to find container "${id}"`)
    return found
  }
  const end = (id: string, exitCode: number) => {
    const one = containers.get(id)
    if (one === undefined || one.container.state !== 'running') return
    const reason = exitCode === 0 ? 'Completed' : 'Error'
    one.container = { ...one.container, state: 'exited', exitCode, reason, finishedAt: now() }
    for (const listener of listeners) listener({ id })
  }
  const stopAll = (sandboxId: string) => {
    for (const { container } of containers.values()) if (container.sandboxId === sandboxId) end(container.id, 137)
  }

  const fake: FakeRuntime = {
    calls,
    images: new Map([['i:1', { id: IMAGE_ID, tags: ['i:1'], digests: [], size: 1, username: '' }]]),
    end,
    configOf: (id) => containers.get(id)?.config,
    onExec: () => ({ exitCode: 0, stdout: '', stderr: '' }),
    version: async () => ({ name: 'fake', version: '1' }),
    status: async () => ({ runtimeReady: true, networkReady: true, message: '' }),
    inspect: async (podUid) => inspect({ sandboxes, containers, podUid }),
    runSandbox: async (config) => {
      const id = nextId('s')
      calls.push(`runSandbox ${config.name}`)
      sandboxes.set(id, sandboxOf(config, { id, now: now(), address: `10.0.0.${count}` }))
      return id
    },
    stopSandbox: async (id) => {
      calls.push(`stopSandbox ${id}`)
      stopAll(id)
      const sandbox = sandboxes.get(id)
      if (sandbox !== undefined) sandboxes.set(id, { ...sandbox, ready: false, ips: [] })
    },
    removeSandbox: async (id) => {
      stopAll(id)
      for (const { container } of containers.values()) if (container.sandboxId === id) containers.delete(container.id)
      sandboxes.delete(id)
    },
    createContainer: async (sandboxId, config, sandbox) => {
      calls.push(`create ${config.name}`)
      if (sandboxes.get(sandboxId)?.ready !== true) throw new RuntimeError('NotFound', 'failed to find sandbox id')
      const taken = [...containers.values()].some(
        ({ container }) =>
          container.sandboxId === sandboxId && container.name === config.name && container.attempt === config.attempt
      )
      if (taken) throw new RuntimeError('Other', `name "${config.name}" is reserved`)
      const id = nextId('c')
      const at = { id, sandboxId, podUid: sandbox.podUid, logs: sandbox.logDirectory, now: now() }
      containers.set(id, { config, container: containerOf(config, at) })
      return id
    },
    startContainer: async (id) => {
      const one = made(id)
      calls.push(`start ${one.config.name}`)
      const run = behaviour(one.config)
      if (run === 'missing') {
        const ended = { state: 'exited', exitCode: 128, reason: 'StartError', finishedAt: now() } as const
        one.container = { ...one.container, ...ended }
        throw new RuntimeError('Other', 'failed to start: no such file or directory')
      }
      one.container = { ...one.container, state: 'running', startedAt: now() }
      if (typeof run === 'number') ports.clock.after(1, () => end(id, run))
    },
    stopContainer: async (id, graceSeconds) => {
      calls.push(`stop ${containers.get(id)?.config.name ?? id} ${Math.ceil(graceSeconds)}`)
      end(id, 137)
    },
    removeContainer: async (id) => {
      containers.delete(id)
    },
    exec: async (id, command) => {
      if (made(id).container.state !== 'running') throw new RuntimeError('Other', 'container is not running')
      return behaviourOf(command) ?? fake.onExec(id, command)
    },
    reopenLog: async (id) => {
      made(id)
    },
    usage: async () => [],
    listImages: async () => [...fake.images.values()],
    findImage: async (image) => fake.images.get(image) ?? [...fake.images.values()].find((one) => one.id === image),
    pullImage: async (image) => {
      throw new RuntimeError('Other', `failed to pull and unpack image "${image}"`)
    },
    removeImage: async (image) => {
      for (const [name, one] of fake.images) if (name === image || one.id === image) fake.images.delete(name)
    },
    onEvent: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: () => {}
  }
  return fake
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
