/** A pod's row in `kubectl get pods` (pkg/printers/internalversion, printPod). */
import { age, humanDuration } from '../duration.ts'
import type { Cell } from './kind.ts'
import type { Container, ContainerState, ContainerStatus, Pod, PodSpec, PodStatus } from './types.ts'

const NONE = '<none>'
/** Why the node lifecycle controller marks pods of a lost node. */
const NODE_LOST = 'NodeLost'

interface Tally {
  ready: number
  restarts: number
  /** When a container last restarted, in milliseconds; 0 when none did. */
  lastRestart: number
  status: string
}

export function podCells(pod: Pod, now: number): Cell[] {
  const { metadata } = pod
  const spec = pod.spec ?? { containers: [] }
  const status = pod.status ?? {}
  const tally: Tally = { ready: 0, restarts: 0, lastRestart: 0, status: firstStatus(status) }
  const sidecars = (spec.initContainers ?? []).filter(isSidecar)
  const total = (spec.containers ?? []).length + sidecars.length
  const initializing = tallyInit(status, spec, tally)
  if (!initializing || hasTrueCondition(status, 'Initialized')) tallyContainers(status, sidecars, tally)
  if (metadata.deletionTimestamp !== undefined) {
    if (status.reason === NODE_LOST) tally.status = 'Unknown'
    else if (status.phase !== 'Failed' && status.phase !== 'Succeeded') tally.status = 'Terminating'
  }
  return [
    metadata.name ?? '',
    `${tally.ready}/${total}`,
    tally.status,
    restartsText(tally, now),
    age(metadata.creationTimestamp, now),
    status.podIPs?.[0]?.ip || status.podIP || NONE,
    spec.nodeName || NONE,
    status.nominatedNodeName || NONE,
    readinessGates(spec, status)
  ]
}

function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always'
}

function firstStatus(status: PodStatus): string {
  const gated = status.conditions?.some(({ type, reason }) => type === 'PodScheduled' && reason === 'SchedulingGated')
  return gated === true ? 'SchedulingGated' : status.reason || (status.phase ?? '')
}

function restartsText({ restarts, lastRestart }: Tally, now: number): string {
  return restarts === 0 || lastRestart === 0 ? `${restarts}` : `${restarts} (${humanDuration(now - lastRestart)} ago)`
}

function noteRestart(tally: Tally, { restartCount, lastState }: ContainerStatus): void {
  tally.restarts += restartCount
  const finished = lastState?.terminated?.finishedAt
  if (finished) tally.lastRestart = Math.max(tally.lastRestart, Date.parse(finished))
}

/** Answers whether an init container still has to run. */
function tallyInit(status: PodStatus, spec: PodSpec, tally: Tally): boolean {
  const containers = new Map((spec.initContainers ?? []).map((container) => [container.name, container]))
  for (const [i, container] of (status.initContainerStatuses ?? []).entries()) {
    noteRestart(tally, container)
    const { state = {} } = container
    if (state.terminated?.exitCode === 0) continue
    const declared = containers.get(container.name)
    if (declared !== undefined && isSidecar(declared) && container.started === true) {
      if (container.ready) tally.ready++
      continue
    }
    tally.status = `Init:${initStatus(state) ?? `${i}/${containers.size}`}`
    return true
  }
  return false
}

function initStatus({ terminated, waiting }: ContainerState): string | undefined {
  if (terminated !== undefined) return terminated.reason || exitText(terminated)
  return waiting?.reason && waiting.reason !== 'PodInitializing' ? waiting.reason : undefined
}

function exitText({ signal, exitCode }: { signal?: number | undefined; exitCode: number }): string {
  return signal ? `Signal:${signal}` : `ExitCode:${exitCode}`
}

/** From the last container to the first, so that the first one with something to say has the word. */
function tallyContainers(status: PodStatus, sidecars: readonly Container[], tally: Tally): void {
  tally.restarts = 0
  tally.lastRestart = 0
  for (const container of status.initContainerStatuses ?? [])
    if (sidecars.some(({ name }) => name === container.name)) noteRestart(tally, container)
  let running = false
  for (const container of (status.containerStatuses ?? []).toReversed()) {
    noteRestart(tally, container)
    const { waiting, terminated, running: runs } = container.state ?? {}
    if (waiting?.reason) tally.status = waiting.reason
    else if (terminated !== undefined) tally.status = terminated.reason || exitText(terminated)
    else if (container.ready && runs !== undefined) {
      running = true
      tally.ready++
    }
  }
  if (tally.status === 'Completed' && running) tally.status = hasTrueCondition(status, 'Ready') ? 'Running' : 'NotReady'
}

function hasTrueCondition({ conditions }: PodStatus, type: string): boolean {
  return conditions?.some((condition) => condition.type === type && condition.status === 'True') === true
}

function readinessGates({ readinessGates: gates }: PodSpec, status: PodStatus): string {
  if (gates === undefined || gates.length === 0) return NONE
  const passed = gates.filter(({ conditionType }) => hasTrueCondition(status, conditionType)).length
  return `${passed}/${gates.length}`
}
