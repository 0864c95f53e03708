/** The Node object of this machine, as kubelet would report it. Pure. */
import type { Node, NodeCondition, NodeSpec, NodeStatus } from '../../core/kinds/types.ts'
import { timestamp } from '../../core/ports.ts'
import { canonicalQuantity } from '../../core/quantity.ts'
import type { AgentConfig } from '../config.ts'
import type { Image } from '../runtime/runtime.ts'
import type { Machine, Pressure } from './machine.ts'

export const KUBELET_VERSION = 'v1.35.0'
const DEFAULT_MAX_PODS = 110
/** Kubernetes keeps so much free for the machine itself (its default hard eviction thresholds). */
const RESERVED_MEMORY = 100 * 1024 * 1024
const RESERVED_STORAGE_SHARE = 0.1
/** Pressure below these shares of free space, and above this share of process ids. */
const LOW_STORAGE_SHARE = 0.1
const HIGH_PROCESS_SHARE = 0.9
/** So many images are named in a node's status. */
const MOST_IMAGES = 50

export interface NodeFacts {
  readonly config: AgentConfig
  readonly machine: Machine
  readonly pressure: Pressure
  readonly runtimeVersion: string
  readonly kubeletPort: number
  readonly images: readonly Image[]
  /** Why the node is not ready; '' when it is. */
  readonly problem: string
  /** Milliseconds since 1970. */
  readonly now: number
}

/** The node's volumes are not kubelet's to attach: they are set up by whoever the cluster has for it. */
export const ANNOTATIONS = { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' }

export function nodeLabels(config: AgentConfig, machine: Machine): Record<string, string> {
  return {
    'beta.kubernetes.io/arch': machine.architecture,
    'beta.kubernetes.io/os': 'linux',
    'kubernetes.io/arch': machine.architecture,
    'kubernetes.io/hostname': config.nodeName,
    'kubernetes.io/os': 'linux',
    ...config.labels
  }
}

export function nodeObject(facts: NodeFacts): Node {
  return { ...bareNode(facts.config, facts.machine), status: nodeStatus(facts, undefined) }
}

/** The node before its agent runs: it has no status yet. */
export function bareNode(config: AgentConfig, machine: Machine): Node {
  const annotations = { ...ANNOTATIONS, ...config.annotations }
  const metadata = { name: config.nodeName, labels: nodeLabels(config, machine), annotations }
  return { metadata, spec: nodeSpec(config) }
}

function nodeSpec({ podCIDR, givenPodCIDR, providerID }: AgentConfig): NodeSpec {
  return {
    ...(givenPodCIDR === true ? {} : { podCIDR, podCIDRs: [podCIDR] }),
    ...(providerID === undefined ? {} : { providerID })
  }
}

/** "containerd://1.6.20": a semantic version whole, of any other only its numbers (Debian's is "1.6.20~ds1"). */
export function runtimeVersion({ name, version }: { readonly name: string; readonly version: string }): string {
  const semantic = /^v?(\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)$/.exec(version)
  const generic = /^v?(\d+(?:\.\d+)*)/.exec(version)
  return `${name}://${semantic?.[1] ?? generic?.[1] ?? version}`
}

export function allocatableOf(config: Pick<AgentConfig, 'maxPods'>, machine: Machine): Record<string, string> {
  const memory = Math.max(0, machine.memory - RESERVED_MEMORY)
  return {
    ...capacityOf(config, machine),
    memory: canonicalQuantity(`${Math.floor(memory / 1024)}Ki`),
    'ephemeral-storage': String(Math.floor(machine.storage * (1 - RESERVED_STORAGE_SHARE)))
  }
}

function capacityOf(config: Pick<AgentConfig, 'maxPods'>, machine: Machine): Record<string, string> {
  return {
    cpu: String(machine.cpus),
    'ephemeral-storage': canonicalQuantity(`${Math.floor(machine.storage / 1024)}Ki`),
    'hugepages-1Gi': '0',
    'hugepages-2Mi': '0',
    memory: canonicalQuantity(`${Math.floor(machine.memory / 1024)}Ki`),
    pods: String(config.maxPods ?? DEFAULT_MAX_PODS)
  }
}

/** `before`: the status in the API; times of transitions come from it. */
export function nodeStatus(facts: NodeFacts, before: NodeStatus | undefined): NodeStatus {
  const { config, machine } = facts
  return {
    capacity: capacityOf(config, machine),
    allocatable: allocatableOf(config, machine),
    conditions: conditionsOf(facts, before?.conditions ?? []),
    addresses: [
      { type: 'InternalIP', address: config.nodeIP },
      { type: 'Hostname', address: config.nodeName }
    ],
    daemonEndpoints: { kubeletEndpoint: { Port: facts.kubeletPort } },
    nodeInfo: {
      machineID: machine.machineID,
      systemUUID: machine.systemUUID,
      bootID: machine.bootID,
      kernelVersion: machine.kernelVersion,
      osImage: machine.osImage,
      containerRuntimeVersion: facts.runtimeVersion,
      kubeletVersion: KUBELET_VERSION,
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: machine.architecture,
      ...(machine.swap === 0 ? {} : { swap: { capacity: machine.swap } })
    },
    images: imagesOf(facts.images)
  }
}

function imagesOf(images: readonly Image[]): NonNullable<NodeStatus['images']> {
  return images
    .filter((image) => image.tags.length + image.digests.length > 0)
    .map((image) => ({ names: [...image.digests, ...image.tags].slice(0, 5), sizeBytes: image.size }))
    .sort((a, b) => b.sizeBytes - a.sizeBytes)
    .slice(0, MOST_IMAGES)
}

interface Verdict {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
}

function conditionsOf(facts: NodeFacts, before: readonly NodeCondition[]): NodeCondition[] {
  const own = [memoryPressure(facts), diskPressure(facts), pidPressure(facts), readiness(facts)]
  const at = timestamp(facts.now)
  const kept = before.filter((condition) => !own.some((one) => one.type === condition.type))
  const made = own.map((verdict) => {
    const old = before.find((condition) => condition.type === verdict.type)
    const since = old?.status === verdict.status ? old.lastTransitionTime : undefined
    const { type, status, reason, message } = verdict
    return { type, status, lastHeartbeatTime: at, lastTransitionTime: since ?? at, reason, message }
  })
  return [...kept, ...made]
}

function memoryPressure({ pressure }: NodeFacts): Verdict {
  const low = pressure.memoryAvailable < RESERVED_MEMORY
  return {
    type: 'MemoryPressure',
    ...(low
      ? { status: 'True', reason: 'KubeletHasInsufficientMemory', message: 'kubelet has insufficient memory available' }
      : { status: 'False', reason: 'KubeletHasSufficientMemory', message: 'kubelet has sufficient memory available' })
  }
}

function diskPressure({ pressure }: NodeFacts): Verdict {
  const low = pressure.storageAvailable < pressure.storage * LOW_STORAGE_SHARE
  return {
    type: 'DiskPressure',
    ...(low
      ? { status: 'True', reason: 'KubeletHasDiskPressure', message: 'kubelet has disk pressure' }
      : { status: 'False', reason: 'KubeletHasNoDiskPressure', message: 'kubelet has no disk pressure' })
  }
}

function pidPressure({ pressure }: NodeFacts): Verdict {
  const high = pressure.processes > pressure.maxProcesses * HIGH_PROCESS_SHARE
  return {
    type: 'PIDPressure',
    ...(high
      ? { status: 'True', reason: 'KubeletHasInsufficientPID', message: 'kubelet has insufficient PID available' }
      : { status: 'False', reason: 'KubeletHasSufficientPID', message: 'kubelet has sufficient PID available' })
  }
}

function readiness({ problem }: NodeFacts): Verdict {
  return {
    type: 'Ready',
    ...(problem === ''
      ? { status: 'True', reason: 'KubeletReady', message: 'kubelet is posting ready status' }
      : { status: 'False', reason: 'KubeletNotReady', message: problem })
  }
}
