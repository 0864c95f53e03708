/** The conditions of a pod that its node answers for, in kubelet's words and order (status/generate.go). */
import type { ContainerStatus, Pod, PodCondition } from '../../core/kinds/types.ts'
import { timestamp } from '../../core/ports.ts'
import { isSidecar, isTerminalPhase, type PodInput } from './input.ts'
import { resizesOf } from './resize.ts'

export interface ConditionsInput {
  readonly input: PodInput
  readonly phase: string
  readonly inits: readonly ContainerStatus[]
  readonly mains: readonly ContainerStatus[]
  readonly ips: readonly string[]
}

type Verdict = Pick<PodCondition, 'status' | 'reason' | 'message'>

const TRUE: Verdict = { status: 'True' }
const COMPLETED: Verdict = { status: 'False', reason: 'PodCompleted' }

/** The agent's five first, then those that others have set. */
export function podConditions(from: ConditionsInput): PodCondition[] {
  const { input } = from
  const before = input.status.conditions ?? []
  const containersReady = containersReadyOf(from)
  const own: readonly (readonly [string, Verdict])[] = [
    ['PodReadyToStartContainers', readyToStart(from)],
    ['Initialized', initializedOf(from)],
    ['Ready', readyOf(from, containersReady)],
    ['ContainersReady', containersReady],
    ['PodScheduled', TRUE]
  ]
  const types = new Set([...own.map(([type]) => type), ...RESIZE_CONDITIONS])
  const others = before.filter((condition) => !types.has(condition.type))
  return [...resizing(from), ...own].map(([type, verdict]) => condition(input, type, verdict)).concat(others)
}

/** Both are gone when there is nothing to say. */
export const RESIZE_CONDITIONS = ['PodResizePending', 'PodResizeInProgress']

function resizing({ input, phase }: ConditionsInput): readonly (readonly [string, Verdict])[] {
  if (isTerminalPhase(phase) || (resizesOf(input).length === 0 && !input.busy.resizing)) return []
  const { resizeVerdict } = input
  if (resizeVerdict === undefined) return [['PodResizeInProgress', TRUE]]
  return [['PodResizePending', { status: 'True', ...resizeVerdict }]]
}

function condition(input: PodInput, type: string, verdict: Verdict): PodCondition {
  const before = input.status.conditions?.find((one) => one.type === type)
  const { generation } = input.pod.metadata
  return {
    type,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...verdict,
    ...(RESIZE_CONDITIONS.includes(type) ? { lastProbeTime: before?.lastProbeTime ?? timestamp(input.now) } : {}),
    lastTransitionTime:
      before?.status === verdict.status && before.lastTransitionTime !== undefined
        ? before.lastTransitionTime
        : timestamp(input.now)
  }
}

function readyToStart({ input }: ConditionsInput): Verdict {
  const sandbox = input.runtime.sandboxes.find((one) => one.ready)
  const hasNetwork = sandbox !== undefined && (input.pod.spec?.hostNetwork === true || sandbox.ips.length > 0)
  return hasNetwork ? TRUE : { status: 'False' }
}

function initializedOf({ input, phase, inits, mains }: ConditionsInput): Verdict {
  const declared = input.pod.spec?.initContainers ?? []
  if (declared.length > 0 && inits.length === 0) return { status: 'False', reason: 'UnknownContainerStatuses' }
  if (phase === 'Succeeded') return { status: 'True', reason: 'PodCompleted' }
  // Once a regular container has been made, initialisation is behind the pod for good.
  if (mains.some((status) => status.containerID !== undefined)) return TRUE
  const incomplete = declared.flatMap((container) => {
    const status = inits.find((one) => one.name === container.name)
    const done = isSidecar(container) ? status?.started === true : status?.ready === true
    return done ? [] : [container.name]
  })
  if (incomplete.length === 0) return TRUE
  return {
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: `containers with incomplete status: [${incomplete.join(' ')}]`
  }
}

function containersReadyOf({ input, phase, inits, mains }: ConditionsInput): Verdict {
  if (phase === 'Succeeded') return COMPLETED
  if (phase === 'Failed') return { status: 'False', reason: 'PodFailed' }
  const sidecars = (input.pod.spec?.initContainers ?? []).filter(isSidecar).map((container) => container.name)
  const counted = [...sidecars, ...(input.pod.spec?.containers ?? []).map((container) => container.name)]
  const all = [...inits, ...mains]
  const unready = counted.filter((name) => all.find((status) => status.name === name)?.ready !== true)
  if (unready.length === 0) return TRUE
  return {
    status: 'False',
    reason: 'ContainersNotReady',
    message: `containers with unready status: [${unready.join(' ')}]`
  }
}

function readyOf({ input }: ConditionsInput, containersReady: Verdict): Verdict {
  if (containersReady.status !== 'True') return containersReady
  const problems = gateProblems(input.pod, input.status.conditions ?? [])
  if (problems.length === 0) return TRUE
  return { status: 'False', reason: 'ReadinessGatesNotReady', message: problems.join(', ') }
}

function gateProblems(pod: Pod, conditions: readonly PodCondition[]): string[] {
  return (pod.spec?.readinessGates ?? []).flatMap(({ conditionType }) => {
    const found = conditions.find((one) => one.type === conditionType)
    if (found === undefined) {
      return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`]
    }
    if (found.status === 'True') return []
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${found.status}`]
  })
}
