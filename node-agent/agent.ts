/** The agent: everything of one node put together, from the runtime and the client that it is given. */
import { resolve } from 'node:path'
import type { Client } from '../core/client.ts'
import type { Doorbell } from '../core/doorbell.ts'
import { createEventRecorder } from '../core/events.ts'
import { pods, services } from '../core/kinds/refs.ts'
import type { Service } from '../core/kinds/types.ts'
import { keyOf } from '../core/object.ts'
import type { Ports } from '../core/ports.ts'
import { reflect } from '../core/reflector.ts'
import { answerOf, type NodeAnswer, type NodeSources } from './answers.ts'
import { type AgentConfig, pathsOf } from './config.ts'
import { readResolvConf } from './containers/dns.ts'
import { collectImages } from './images/collect.ts'
import { createPuller } from './images/puller.ts'
import { ROTATION, rotateLogs } from './logs/rotate.ts'
import { type Machine, readMachine, readPressure } from './node/machine.ts'
import { allocatableOf, nodeLabels, runtimeVersion } from './node/node-object.ts'
import { type Registration, startRegistration } from './node/registration.ts'
import { Objects } from './objects.ts'
import { PodManager } from './pod-manager.ts'
import type { NodeContext } from './pod-tasks.ts'
import { cgroupRootOf } from './runtime/containerd.ts'
import type { Runtime } from './runtime/runtime.ts'
import { startServer } from './server.ts'
import { StatusManager } from './status-manager.ts'
import { createTokens } from './volumes/tokens.ts'
import { ensureVolatile } from './volumes/volumes.ts'

/** What the runtime may have lost to tell: everything is looked at again (kubelet's relist would be each second). */
const RELIST_MS = 10_000
const ROTATE_MS = 10_000
const COLLECT_IMAGES_MS = 300_000

export interface AgentOptions {
  readonly config: AgentConfig
  readonly client: Client
  readonly runtime: Runtime
  readonly ports: Ports
  /** PEM: the cluster's CA and what the node's server shows. Absent: nobody connects to this node, it has no server. */
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: string }
  /** Rung instead of watches held open. */
  readonly doorbell?: Doorbell
  /** The runtime has its network, and services work. */
  readonly networkReady: () => boolean
}

export interface Agent {
  /** Of the node's server; 0: it has none. */
  readonly port: number
  /** What the server would answer to a GET. */
  readonly answer: (path: string, signal: AbortSignal) => Promise<NodeAnswer>
  readonly registration: Registration
  /** Containers go on. */
  close(): Promise<void>
}

export async function startAgent(options: AgentOptions): Promise<Agent> {
  const { config, runtime, ports, client, doorbell } = options
  const stop = new AbortController()
  const { signal } = stop
  const [machine, version, host] = await Promise.all([
    readMachine(config.dataDir),
    runtime.version(),
    readResolvConf(config.upstreamResolvConf ?? '/etc/resolv.conf'),
    ensureVolatile(volatileFolder(config))
  ])
  const known = new Map<string, Service>()
  let manager: PodManager
  const context: NodeContext = {
    ...shared(options, machine),
    objects: new Objects({ client, ports, doorbell }, (uid) => manager.objectChanged(uid)),
    services: () => [...known.values()],
    dns: { clusterDNS: config.clusterDNS, clusterDomain: config.clusterDomain, host },
    judgeResize: (pod) => manager.judgeResize(pod),
    onGone: (uid) => manager.forget(uid)
  }
  manager = new PodManager(context, {
    nodeName: config.nodeName,
    labels: () => agent.registration.node()?.metadata.labels ?? nodeLabels(config, machine),
    taints: () => agent.registration.node()?.spec?.taints ?? []
  })
  const sources = sourcesOf(options, manager)
  const { tls } = options
  const server = tls === undefined ? undefined : await startServer({ ...sources, tls, port: config.kubeletPort })
  const registration = register(options, { machine, port: server?.port ?? 0, version, signal })
  const agent: Agent = {
    port: server?.port ?? 0,
    answer: (path, gone) => answerOf(sources, path, gone),
    registration,
    close: async () => {
      stop.abort()
      manager.close()
      context.objects.close()
      await server?.close()
    }
  }
  void reflect(client, services, { ports, signal, doorbell, ...collectInto(known) })
  manager.start(signal)
  void reflect(client, pods, {
    query: { fieldSelector: `spec.nodeName=${config.nodeName}` },
    doorbell,
    ports,
    signal,
    onSync: (items) => manager.sync(items),
    onEvents: (events) => manager.apply(events)
  })
  every(ports, { ms: RELIST_MS, signal }, async () => manager.lookAtAll())
  every(ports, { ms: ROTATE_MS, signal }, () =>
    rotateLogs(runtime, manager.runningContainers(), { now: ports.clock.now(), limits: ROTATION })
  )
  every(ports, { ms: COLLECT_IMAGES_MS, signal }, async () => {
    const pressure = await readPressure(config.dataDir)
    await collectImages(runtime, { pressure, used: manager.imagesInUse(), now: ports.clock.now() })
    registration.refresh()
  })
  return agent
}

type Shared = Omit<NodeContext, 'objects' | 'services' | 'dns' | 'judgeResize' | 'onGone'>

function shared(options: AgentOptions, machine: Machine): Shared {
  const { config, runtime, ports, client } = options
  const paths = pathsOf(resolve(config.dataDir))
  return {
    runtime,
    client,
    ports,
    recorder: createEventRecorder({ client, component: 'kubelet', host: config.nodeName, ports }),
    statuses: new StatusManager(client, ports),
    puller: createPuller(runtime, ports),
    tokens: createTokens(client, ports),
    hostIPs: [config.nodeIP],
    allocatable: allocatableOf(config, machine),
    memory: machine.memory,
    folders: {
      pods: paths.pods,
      volatile: volatileFolder(config),
      logs: paths.podLogs,
      seccomp: resolve(config.dataDir, 'seccomp')
    },
    cgroupRoot: cgroupRootOf(config),
    networkReady: options.networkReady
  }
}

function volatileFolder(config: AgentConfig): string {
  return resolve(config.dataDir, 'volatile')
}

function sourcesOf({ config, runtime, ports }: AgentOptions, manager: PodManager): NodeSources {
  return {
    nodeName: config.nodeName,
    runtime,
    ports,
    pods: () => manager.pods(),
    status: (namespace, name) => manager.find(namespace, name)?.status,
    containers: (namespace, name) => manager.find(namespace, name)?.runtime.containers ?? [],
    onChange: (listener) => manager.onChange(listener)
  }
}

function register(
  options: AgentOptions,
  at: {
    readonly machine: Machine
    readonly port: number
    readonly version: { readonly name: string; readonly version: string }
    readonly signal: AbortSignal
  }
): Registration {
  const { config, runtime, ports, client } = options
  return startRegistration({
    client,
    ports,
    nodeName: config.nodeName,
    lease: { seconds: config.leaseSeconds, renewMs: config.renewMs },
    doorbell: options.doorbell,
    signal: at.signal,
    facts: async () => {
      const [pressure, images, problem] = await Promise.all([
        readPressure(config.dataDir),
        runtime.listImages().catch(() => []),
        problemOf(options)
      ])
      return {
        config,
        machine: at.machine,
        pressure,
        images,
        problem,
        runtimeVersion: runtimeVersion(at.version),
        kubeletPort: at.port,
        now: ports.clock.now()
      }
    }
  })
}

async function problemOf({ runtime, networkReady }: AgentOptions): Promise<string> {
  try {
    const status = await runtime.status()
    if (!status.runtimeReady || !status.networkReady) return status.message
    return networkReady() ? '' : 'the service network is not ready'
  } catch {
    return 'container runtime is down'
  }
}

function collectInto(known: Map<string, Service>) {
  return {
    onSync: (items: readonly Service[]) => {
      known.clear()
      for (const service of items) known.set(keyOf(service.metadata), service)
    },
    onEvents: (events: readonly { readonly type: string; readonly object: Service }[]) => {
      for (const { type, object } of events) {
        if (type === 'DELETED') known.delete(keyOf(object.metadata))
        else known.set(keyOf(object.metadata), object)
      }
    }
  }
}

/** Again and again, never twice at once; a failure is logged and forgotten. */
function every(
  ports: Ports,
  { ms, signal }: { readonly ms: number; readonly signal: AbortSignal },
  work: () => Promise<void>
): void {
  const round = () => {
    if (signal.aborted) return
    work()
      .catch((error: unknown) => ports.log.warn({ error: String(error) }, 'a periodic task failed'))
      .finally(() => ports.clock.after(ms, round))
  }
  ports.clock.after(ms, round)
}
