/** The end of a pod: containers first, sidecars after them, then the sandbox, then what the node kept for it. */
import type { Pod, PodStatus } from '../../core/kinds/types.ts'
import { timestamp } from '../../core/ports.ts'
import type { RuntimeContainer } from '../runtime/runtime.ts'
import { type Action, type ContainerStop, isSidecar, isTerminalPhase, type PodInput, type PodPlan } from './input.ts'
import { podStatus } from './status.ts'

/** Why the pod ends; nothing set: its deletion was asked for. */
export interface EndCause {
  readonly phase?: string
  readonly reason?: string | undefined
  readonly message?: string | undefined
  /** The status that the end was seen in. */
  readonly status?: PodStatus
  /** What is told of it, once. */
  readonly event?: string
}

const DEFAULT_GRACE_SECONDS = 30
/** Kubernetes grants at least this, so that a container may react at all. */
const LEAST_GRACE_SECONDS = 1

export function planEnd(input: PodInput, cause: EndCause): PodPlan {
  const since = input.endingSince ?? input.now
  const until = since + graceSeconds(input.pod) * 1000
  const running = input.runtime.containers.filter((one) => one.state === 'running' || one.state === 'unknown')
  const idle = running.length === 0 && input.busy.starting.size === 0 && input.busy.stopping.size === 0
  const actions = idle ? afterContainers(input) : stopActions(input, { running, until })
  const ended = idle && !input.busy.sandbox && !input.busy.preparing
  const again = running.length > 0 && until > input.now ? until : undefined
  const status = endStatus(input, cause, ended)
  const over = input.rejected !== undefined || (ended && !input.runtime.sandboxes.some((sandbox) => sandbox.ready))
  const reported = over ? status : notYetEnded(input, status)
  return { actions: [...told(input, cause), ...actions], status, reported, again, ending: true }
}

/** Whoever sees a terminal phase may take it that nothing of the pod runs: until then, the old phase is shown. */
function notYetEnded({ reported }: PodInput, status: PodStatus): PodStatus {
  if (isTerminalPhase(reported.phase) || !isTerminalPhase(status.phase)) return status
  const { reason: _, message: __, ...rest } = status
  return { ...rest, ...reported }
}

function told({ endingSince }: PodInput, { event, message = '' }: EndCause): Action[] {
  if (event === undefined || endingSince !== undefined) return []
  return [{ do: 'event', type: 'Normal', reason: event, message }]
}

function graceSeconds(pod: Pod): number {
  const asked = pod.metadata.deletionGracePeriodSeconds
  const own = pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS
  const seconds = pod.metadata.deletionTimestamp === undefined ? own : (asked ?? own)
  return Math.max(seconds, LEAST_GRACE_SECONDS)
}

function stopActions(
  input: PodInput,
  { running, until }: { running: readonly RuntimeContainer[]; until: number }
): Action[] {
  const due = dueToStop(input, running, until)
  const stops: ContainerStop[] = due.flatMap((container) => {
    const underWay = input.busy.stopping.get(container.id)
    // A later request with less grace overtakes the one under way.
    if (underWay !== undefined && underWay <= until) return []
    const { id, name } = container
    return [{ id, name, until, message: `Stopping container ${name}` }]
  })
  return stops.length === 0 ? [] : [{ do: 'stop', containers: stops }]
}

/** Sidecars end after all others, the last one first; when the time is over, everything ends. */
function dueToStop(input: PodInput, running: readonly RuntimeContainer[], until: number): readonly RuntimeContainer[] {
  if (input.now >= until) return running
  const sidecars = (input.pod.spec?.initContainers ?? []).filter(isSidecar).map((container) => container.name)
  const others = running.filter((container) => !sidecars.includes(container.name))
  if (others.length > 0 || input.busy.starting.size > 0) return others
  const last = sidecars.findLast((name) => running.some((container) => container.name === name))
  return running.filter((container) => container.name === last)
}

function afterContainers(input: PodInput): Action[] {
  const { busy, runtime, pod } = input
  if (busy.sandbox || busy.preparing) return []
  const ready = runtime.sandboxes.filter((sandbox) => sandbox.ready)
  if (ready.length > 0) return ready.map(({ id }) => ({ do: 'stopSandbox', id }))
  if (!input.finished) return busy.finishing ? [] : [{ do: 'finish' }]
  return pod.metadata.deletionTimestamp === undefined || busy.finishing ? [] : [{ do: 'delete' }]
}

function endStatus(input: PodInput, cause: EndCause, ended: boolean): PodStatus {
  if (input.rejected !== undefined) return rejectedStatus(input, input.rejected)
  const status = podStatus(input, new Map(), { ended, phase: cause.phase })
  const reason = cause.reason ?? input.status.reason
  const message = cause.message ?? input.status.message
  return {
    ...status,
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message })
  }
}

/** Nothing ran and nothing will: there is nothing to say of containers. */
function rejectedStatus({ status, now, pod }: PodInput, rejected: NonNullable<PodInput['rejected']>): PodStatus {
  const { generation } = pod.metadata
  return {
    ...status,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    phase: 'Failed',
    reason: rejected.reason,
    message: `Pod was rejected: ${rejected.message}`,
    startTime: status.startTime ?? timestamp(now)
  }
}
