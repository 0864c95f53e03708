/** What a pod's status says in the end, when nothing of it runs any more (kubelet's TerminatePod). Pure. */
import type { ContainerState, ContainerStatus, Pod, PodStatus } from '../../core/kinds/types.ts'
import { isSidecar, isTerminalPhase } from './input.ts'

/** Nobody knows whether such a container would have succeeded, so it counts as failed. */
const NOT_LOCATED: ContainerState = {
  terminated: {
    exitCode: 137,
    reason: 'ContainerStatusUnknown',
    message: 'The container could not be located when the pod was terminated'
  }
}

/** Every container that the pod came to has an end, and the phase is terminal: Failed where nothing says otherwise. */
export function atItsEnd(pod: Pod, status: PodStatus): PodStatus {
  const { initContainerStatuses: inits = [], containerStatuses: mains = [] } = status
  const begun = begunInits(inits)
  const all: Partial<PodStatus> = {}
  if (inits.length > 0) {
    all.initContainerStatuses = inits.map((one, index) => (index < begun ? withEnd(one) : one))
  }
  if (mains.length > 0) all.containerStatuses = wasInitialized(pod, inits, mains) ? mains.map(withEnd) : mains
  return { ...status, ...all, phase: isTerminalPhase(status.phase) ? status.phase : 'Failed' }
}

function withEnd(status: ContainerStatus): ContainerStatus {
  return status.state?.terminated === undefined ? { ...status, state: NOT_LOCATED } : status
}

/** How many of the init containers were tried: all up to the last that did more than wait, and the first in any case. */
function begunInits(inits: readonly ContainerStatus[]): number {
  const last = inits.findLastIndex((one) => one.state?.waiting === undefined || one.lastState?.terminated !== undefined)
  return Math.max(last + 1, 1)
}

function wasInitialized(pod: Pod, inits: readonly ContainerStatus[], mains: readonly ContainerStatus[]): boolean {
  const last = pod.spec?.initContainers?.at(-1)
  if (last === undefined) return true
  if (mains.some((one) => one.state?.waiting === undefined || one.lastState?.terminated !== undefined)) return true
  const status = inits.find((one) => one.name === last.name)
  if (isSidecar(last)) return status?.state?.running !== undefined && status.started === true
  return status?.state?.terminated?.exitCode === 0 || status?.lastState?.terminated?.exitCode === 0
}
