/** Requests and limits as the kernel takes them. */
import type { Container, Pod } from '../../core/kinds/types.ts'
import { quantityMilli, quantityNumber } from '../../core/quantity.ts'
import type { ContainerConfig } from '../runtime/runtime.ts'

/** The kernel's numbers, as kubelet uses them. */
const MIN_SHARES = 2
const MAX_SHARES = 262_144
const PERIOD_US = 100_000
const MIN_QUOTA_US = 1000

export function resourcesOf(pod: Pod, container: Container, nodeMemory: number): ContainerConfig['resources'] {
  const { requests, limits } = container.resources ?? {}
  // A container without a limit of its own is under the whole pod's.
  const ofPod = pod.spec?.resources?.limits
  const cpuLimit = limits?.cpu ?? ofPod?.cpu
  const memoryLimit = limits?.memory ?? ofPod?.memory
  const cpuRequest = requests?.cpu ?? cpuLimit
  const milli = cpuRequest === undefined ? 0 : quantityMilli(cpuRequest)
  const limit = cpuLimit === undefined ? 0 : quantityMilli(cpuLimit)
  return {
    cpuShares: milli === 0 ? MIN_SHARES : Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((milli * 1024) / 1000))),
    cpuPeriod: limit === 0 ? 0 : PERIOD_US,
    cpuQuota: limit === 0 ? 0 : Math.max(MIN_QUOTA_US, Math.floor((limit * PERIOD_US) / 1000)),
    memoryLimit: memoryLimit === undefined ? 0 : quantityNumber(memoryLimit),
    oomScoreAdj: oomScoreOf(pod, container, nodeMemory)
  }
}

/** The more of the node's memory a container has asked for, the later it is killed (qos/policy.go). */
function oomScoreOf(pod: Pod, container: Container, nodeMemory: number): number {
  const priority = pod.spec?.priority ?? 0
  if (priority >= 2_000_000_000) return -997
  const qos = pod.status?.qosClass
  if (qos === 'Guaranteed') return -997
  if (qos === 'BestEffort') return 1000
  const memory = container.resources?.requests?.memory
  const requested = memory === undefined ? 0 : quantityNumber(memory)
  const score = 1000 - Math.floor((1000 * requested) / nodeMemory)
  return Math.min(999, Math.max(3, score))
}
