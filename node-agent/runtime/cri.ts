/** The runtime behind CRI v1 and containerd's event stream: the one file that knows their messages. */
import type { Ports } from '../../core/ports.ts'
import { containerRequest, resourcesRequest, sandboxRequest } from './cri-requests.ts'
import { CALL_MS, type Call, connectServices, subscribeToExits } from './grpc.ts'
import {
  type ContainerUsage,
  type Image,
  LABELS,
  type PodRuntime,
  type Runtime,
  type RuntimeContainer,
  RuntimeError,
  type Sandbox
} from './runtime.ts'

interface Metadata {
  readonly name: string
  readonly uid: string
  readonly namespace: string
  readonly attempt: number
}
interface WireSandbox {
  readonly id: string
  readonly metadata: Metadata
  readonly state: string
  readonly created_at: string
}
interface WireSandboxStatus extends WireSandbox {
  readonly network: { readonly ip: string; readonly additional_ips: readonly { readonly ip: string }[] } | null
}
interface WireContainer {
  readonly id: string
  readonly pod_sandbox_id: string
  readonly metadata: { readonly name: string; readonly attempt: number }
  readonly state: keyof typeof CONTAINER_STATES
  readonly labels: Readonly<Record<string, string>>
}
interface WireContainerStatus extends WireContainer {
  readonly created_at: string
  readonly started_at: string
  readonly finished_at: string
  readonly exit_code: number
  readonly image: { readonly image: string } | null
  readonly image_ref: string
  readonly reason: string
  readonly message: string
  readonly annotations: Readonly<Record<string, string>>
  readonly log_path: string
}
interface WireImage {
  readonly id: string
  readonly repo_tags: readonly string[]
  readonly repo_digests: readonly string[]
  readonly size: string
  readonly uid: { readonly value: string } | null
  readonly username: string
}
interface WireStats {
  readonly attributes: {
    readonly id: string
    readonly metadata: { readonly name: string }
    readonly labels: Record<string, string>
  }
  readonly cpu: { readonly usage_core_nano_seconds: WireValue } | null
  readonly memory: Readonly<Record<'working_set_bytes' | 'usage_bytes' | 'rss_bytes', WireValue>> | null
}
type WireValue = { readonly value: string } | null

const CONTAINER_STATES = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
  CONTAINER_UNKNOWN: 'unknown'
} as const

/** An image may be large and the registry slow. */
const PULL_MS = 3_600_000

/** `socket`: the path of the runtime's socket. It need not answer yet. */
export function connectRuntime(socket: string, ports: Ports): Runtime {
  const { runtime, images, close } = connectServices(socket, ports)
  const closed = new AbortController()

  return {
    ...podCalls(runtime),
    ...imageCalls(images),
    version: async () => {
      const version = await runtime<{ runtime_name: string; runtime_version: string }>('Version', {})
      return { name: version.runtime_name, version: version.runtime_version }
    },
    status: async () => {
      const { status } = await runtime<{ status: { conditions: WireCondition[] } }>('Status', {})
      const failing = status.conditions.filter((condition) => !condition.status)
      return {
        runtimeReady: !failing.some((condition) => condition.type === 'RuntimeReady'),
        networkReady: !failing.some((condition) => condition.type === 'NetworkReady'),
        message: failing.map((c) => `container runtime network not ready: ${networkMessage(c)}`).join(', ')
      }
    },
    usage: async () => {
      const { stats } = await runtime<{ stats: WireStats[] }>('ListContainerStats', {})
      return stats.map(usageOf)
    },
    onEvent: (listener) => subscribeToExits({ socket, listener, closed: closed.signal, ports }),
    close: () => {
      closed.abort()
      close()
    }
  }
}

interface WireCondition {
  readonly type: string
  readonly status: boolean
  readonly reason: string
  readonly message: string
}

function networkMessage(condition: WireCondition): string {
  return `NetworkReady=${condition.status} reason:${condition.reason} message:${condition.message}`
}

type PodCalls = Omit<Runtime, 'version' | 'status' | 'usage' | 'onEvent' | 'close' | keyof ImageCalls>
type ImageCalls = Pick<Runtime, 'listImages' | 'findImage' | 'pullImage' | 'removeImage'>

function podCalls(call: Call): PodCalls {
  // The status of an ended container never changes again: ask for it once.
  const ended = new Map<string, RuntimeContainer>()
  return {
    inspect: async (podUid) => {
      const filter = podUid === undefined ? {} : { filter: { label_selector: { [LABELS.podUid]: podUid } } }
      const [sandboxes, containers] = await Promise.all([
        call<{ items: WireSandbox[] }>('ListPodSandbox', filter),
        call<{ containers: WireContainer[] }>('ListContainers', filter)
      ])
      const ids = new Set(containers.containers.map((container) => container.id))
      if (podUid === undefined) for (const id of ended.keys()) if (!ids.has(id)) ended.delete(id)
      const [boxes, statuses] = await Promise.all([
        Promise.all(sandboxes.items.map((item) => sandboxStatus(call, item))),
        Promise.all(containers.containers.map((item) => ended.get(item.id) ?? containerStatus(call, item)))
      ])
      for (const status of statuses) if (status?.state === 'exited') ended.set(status.id, status)
      return byPod(boxes.filter(present), statuses.filter(present))
    },
    runSandbox: async (config) => {
      const request = { config: sandboxRequest(config) }
      return (await call<{ pod_sandbox_id: string }>('RunPodSandbox', request)).pod_sandbox_id
    },
    stopSandbox: (id) => ignoringGone(call('StopPodSandbox', { pod_sandbox_id: id })),
    removeSandbox: (id) => ignoringGone(call('RemovePodSandbox', { pod_sandbox_id: id })),
    createContainer: async (sandboxId, config, sandbox) => {
      const answer = await call<{ container_id: string }>('CreateContainer', {
        pod_sandbox_id: sandboxId,
        config: containerRequest(config),
        sandbox_config: sandboxRequest(sandbox)
      })
      return answer.container_id
    },
    startContainer: (id) => call('StartContainer', { container_id: id }),
    stopContainer: (id, graceSeconds) =>
      ignoringGone(
        call('StopContainer', { container_id: id, timeout: Math.ceil(graceSeconds) }, CALL_MS + graceSeconds * 1000)
      ),
    removeContainer: async (id) => {
      ended.delete(id)
      await ignoringGone(call('RemoveContainer', { container_id: id }))
    },
    updateContainer: (id, resources) =>
      call('UpdateContainerResources', { container_id: id, linux: resourcesRequest(resources) }),
    exec: async (id, command, timeoutSeconds) => {
      const request = { container_id: id, cmd: command, timeout: timeoutSeconds }
      const answer = await call<{ stdout: Buffer; stderr: Buffer; exit_code: number }>(
        'ExecSync',
        request,
        timeoutSeconds * 1000 + 5000
      )
      return { exitCode: answer.exit_code, stdout: answer.stdout.toString(), stderr: answer.stderr.toString() }
    },
    reopenLog: (id) => call('ReopenContainerLog', { container_id: id })
  }
}

function imageCalls(call: Call): ImageCalls {
  return {
    listImages: async () => {
      const { images } = await call<{ images: WireImage[] }>('ListImages', {})
      return images.map(imageOf)
    },
    findImage: async (image) => {
      const answer = await call<{ image: WireImage | null }>('ImageStatus', { image: { image } })
      return answer.image === null ? undefined : imageOf(answer.image)
    },
    pullImage: async (image, auth) => {
      const wireAuth =
        auth === undefined
          ? {}
          : {
              auth: {
                username: auth.username ?? '',
                password: auth.password ?? '',
                auth: auth.auth ?? '',
                server_address: auth.serverAddress ?? ''
              }
            }
      return (await call<{ image_ref: string }>('PullImage', { image: { image }, ...wireAuth }, PULL_MS)).image_ref
    },
    removeImage: (image) => ignoringGone(call('RemoveImage', { image: { image } }))
  }
}

async function sandboxStatus(call: Call, item: WireSandbox): Promise<Sandbox | undefined> {
  const base = {
    id: item.id,
    podUid: item.metadata.uid,
    name: item.metadata.name,
    namespace: item.metadata.namespace,
    attempt: item.metadata.attempt,
    createdAt: millis(item.created_at)
  }
  if (item.state !== 'SANDBOX_READY') return { ...base, ready: false, ips: [] }
  const status = await unlessGone(call<{ status: WireSandboxStatus }>('PodSandboxStatus', { pod_sandbox_id: item.id }))
  if (status === undefined) return undefined
  const { network, state } = status.status
  const ips = [network?.ip ?? '', ...(network?.additional_ips ?? []).map((entry) => entry.ip)]
  return { ...base, ready: state === 'SANDBOX_READY', ips: ips.filter((ip) => ip !== '') }
}

async function containerStatus(call: Call, item: WireContainer): Promise<RuntimeContainer | undefined> {
  const answer = await unlessGone(call<{ status: WireContainerStatus }>('ContainerStatus', { container_id: item.id }))
  if (answer === undefined) return undefined
  const { status } = answer
  return {
    id: item.id,
    sandboxId: item.pod_sandbox_id,
    podUid: item.labels[LABELS.podUid] ?? '',
    name: status.metadata.name,
    attempt: status.metadata.attempt,
    state: CONTAINER_STATES[status.state],
    createdAt: millis(status.created_at),
    startedAt: millis(status.started_at),
    finishedAt: millis(status.finished_at),
    exitCode: status.exit_code,
    reason: status.reason,
    message: status.message,
    image: status.image?.image ?? '',
    imageRef: status.image_ref,
    annotations: status.annotations,
    logPath: status.log_path
  }
}

function byPod(sandboxes: readonly Sandbox[], containers: readonly RuntimeContainer[]): Map<string, PodRuntime> {
  const pods = new Map<string, { sandboxes: Sandbox[]; containers: RuntimeContainer[] }>()
  const at = (uid: string) => {
    const pod = pods.get(uid) ?? { sandboxes: [], containers: [] }
    pods.set(uid, pod)
    return pod
  }
  for (const sandbox of sandboxes) at(sandbox.podUid).sandboxes.push(sandbox)
  for (const container of containers) at(container.podUid).containers.push(container)
  for (const pod of pods.values()) {
    pod.sandboxes.sort((a, b) => b.createdAt - a.createdAt || b.attempt - a.attempt)
    pod.containers.sort((a, b) => b.createdAt - a.createdAt || b.attempt - a.attempt)
  }
  return pods
}

function imageOf(image: WireImage): Image {
  return {
    id: image.id,
    tags: image.repo_tags,
    digests: image.repo_digests,
    size: Number(image.size),
    username: image.username,
    ...(image.uid === null ? {} : { uid: Number(image.uid.value) })
  }
}

function usageOf(stats: WireStats): ContainerUsage {
  return {
    id: stats.attributes.id,
    podUid: stats.attributes.labels[LABELS.podUid] ?? '',
    name: stats.attributes.metadata.name,
    cpuNanoSeconds: Number(stats.cpu?.usage_core_nano_seconds?.value ?? 0),
    workingSetBytes: Number(stats.memory?.working_set_bytes?.value ?? 0),
    usageBytes: Number(stats.memory?.usage_bytes?.value ?? 0),
    rssBytes: Number(stats.memory?.rss_bytes?.value ?? 0)
  }
}

async function unlessGone<T>(promise: Promise<T>): Promise<T | undefined> {
  try {
    return await promise
  } catch (error) {
    if (error instanceof RuntimeError && error.kind === 'NotFound') return undefined
    throw error
  }
}

async function ignoringGone(promise: Promise<unknown>): Promise<void> {
  await unlessGone(promise)
}

function present<T>(value: T | undefined): value is T {
  return value !== undefined
}

/** Nanoseconds as text to milliseconds; 0 stays 0. */
function millis(nanoseconds: string): number {
  return nanoseconds === '0' ? 0 : Number(BigInt(nanoseconds) / 1_000_000n)
}
