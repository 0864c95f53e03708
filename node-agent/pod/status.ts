/** The status of a pod, as kubelet reports it: phase, container states, addresses. Conditions are in conditions.ts. */
import type { Container, ContainerState, ContainerStatus, Pod, PodStatus } from '../../core/kinds/types.ts'
import { timestamp } from '../../core/ports.ts'
import type { RuntimeContainer } from '../runtime/runtime.ts'
import { podConditions } from './conditions.ts'
import { atItsEnd } from './final-status.ts'
import { isSidecar, isTerminalPhase, type PodInput } from './input.ts'
import { actualResources } from './resize.ts'
import { wantsInitRun, wantsRun } from './restart.ts'

export interface Waiting {
  readonly reason: string
  readonly message: string
}

export interface StatusOptions {
  /** Nothing of the pod runs, and nothing will. */
  readonly ended?: boolean
  /** Where it is settled already. */
  readonly phase?: string | undefined
}

/** `waiting`: by container name, reasons beyond a failed start. */
export function podStatus(
  input: PodInput,
  waiting: ReadonlyMap<string, Waiting>,
  options: StatusOptions = {}
): PodStatus {
  const { pod, now } = input
  const spec = pod.spec
  const before = input.status
  const statuses = { input, waiting, ended: options.ended === true }
  const inits = (spec?.initContainers ?? []).map((one) => containerStatus(statuses, one, 'init'))
  const mains = (spec?.containers ?? []).map((one) => containerStatus(statuses, one, 'main'))
  const ephemerals = (spec?.ephemeralContainers ?? []).map((one) => containerStatus(statuses, one, 'ephemeral'))
  mains.sort(byName)
  ephemerals.sort(byName)
  const computed = phaseOf({ pod, inits, mains, replaced: input.replaced, ended: options.ended === true })
  const phase = isTerminalPhase(before.phase) ? before.phase : (options.phase ?? computed)
  const ips = addresses(input, options.ended === true || isTerminalPhase(phase))
  const conditions = podConditions({ input, phase: phase ?? '', inits, mains, ips })
  const status: PodStatus = {
    ...(pod.metadata.generation === undefined ? {} : { observedGeneration: pod.metadata.generation }),
    phase,
    conditions,
    ...kept(before),
    ...(input.hostIPs[0] === undefined
      ? {}
      : { hostIP: input.hostIPs[0], hostIPs: input.hostIPs.map((ip) => ({ ip })) }),
    ...(ips[0] === undefined ? {} : { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) }),
    startTime: before.startTime ?? timestamp(now),
    ...(inits.length === 0 ? {} : { initContainerStatuses: inits }),
    ...(mains.length === 0 ? {} : { containerStatuses: mains }),
    ...(ephemerals.length === 0 ? {} : { ephemeralContainerStatuses: ephemerals })
  }
  return options.ended === true ? atItsEnd(pod, status) : status
}

function byName(a: ContainerStatus, b: ContainerStatus): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}

/** What others write into a pod's status and the agent leaves alone. */
function kept(before: PodStatus): Partial<PodStatus> {
  const status: Partial<PodStatus> = {}
  if (before.qosClass !== undefined) status.qosClass = before.qosClass
  if (before.nominatedNodeName !== undefined) status.nominatedNodeName = before.nominatedNodeName
  if (before.resourceClaimStatuses !== undefined) status.resourceClaimStatuses = before.resourceClaimStatuses
  if (before.reason !== undefined) status.reason = before.reason
  if (before.message !== undefined) status.message = before.message
  return status
}

function addresses(input: PodInput, terminal: boolean): readonly string[] {
  const sandbox = input.runtime.sandboxes.find((one) => one.ready)
  const before = (input.status.podIPs ?? []).flatMap(({ ip }) => (ip === undefined ? [] : [ip]))
  if (sandbox === undefined) return terminal ? before : []
  return input.pod.spec?.hostNetwork === true ? input.hostIPs : sandbox.ips
}

interface Statuses {
  readonly input: PodInput
  readonly waiting: ReadonlyMap<string, Waiting>
  readonly ended: boolean
}

type Role = 'init' | 'main' | 'ephemeral'

function containerStatus(statuses: Statuses, container: Container, role: Role): ContainerStatus {
  const { input } = statuses
  const before = statusesOf(input.status, role).find((status) => status.name === container.name)
  const attempts = input.runtime.containers.filter((one) => one.name === container.name)
  // A container whose hook still runs, or that is being made, is not there yet.
  const starting = input.busy.starting.has(container.name)
  const seen = starting ? attempts.filter((one) => one.state === 'exited') : attempts
  const current = seen.find((one) => one.state !== 'created')
  const status = current === undefined ? unseen(statuses, container, before) : ofRuntime(input, container, current)
  const previous = seen.find((one) => one !== current && one.state === 'exited')
  const last = previous === undefined ? before?.lastState?.terminated : terminated(input, previous)
  if (previous !== undefined || (last !== undefined && last.containerID !== status.containerID)) {
    status.lastState = { terminated: last }
  }
  applyWaiting(statuses, container, { status, current, role, before })
  if (role === 'ephemeral') {
    delete status.started
    return status
  }
  const running = current?.state === 'running' && status.state?.running !== undefined
  const started = running && isStarted(input, container, current)
  const isReady = container.readinessProbe === undefined || input.health.get(current?.id ?? '')?.ready === true
  status.started = started
  status.ready = started && isReady
  if (role === 'init' && !isSidecar(container)) status.ready = status.state?.terminated?.exitCode === 0
  return status
}

function statusesOf(status: PodStatus, role: Role): readonly ContainerStatus[] {
  if (role === 'ephemeral') return status.ephemeralContainerStatuses ?? []
  return (role === 'init' ? status.initContainerStatuses : status.containerStatuses) ?? []
}

/** What the runtime knows nothing of: not made yet, or lost. */
function unseen({ input }: Statuses, container: Container, before: ContainerStatus | undefined): ContainerStatus {
  if (before?.state?.terminated !== undefined) return { ...before, lastState: before.lastState ?? {} }
  const hasInits = (input.pod.spec?.initContainers ?? []).length > 0
  const waiting = { waiting: { reason: hasInits ? 'PodInitializing' : 'ContainerCreating' } }
  const status: ContainerStatus = {
    name: container.name,
    image: container.image ?? '',
    imageID: '',
    restartCount: before?.restartCount ?? 0,
    ready: false,
    state: waiting,
    lastState: before?.lastState ?? {},
    ...volumeMountsOf(container)
  }
  if (before?.state?.running === undefined || before.containerID === undefined) return status
  if (before.lastState?.terminated !== undefined) return status
  // It ran and is gone: that run counts, so that the pod does not look as if it had never begun.
  if (input.pod.metadata.deletionTimestamp === undefined) status.restartCount++
  status.lastState = { terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', message: LOST_MESSAGE } }
  return status
}

const LOST_MESSAGE = 'The container could not be located when the pod was deleted.  The container used to be Running'

function volumeMountsOf(container: Container): Pick<ContainerStatus, 'volumeMounts'> {
  const { volumeMounts = [] } = container
  if (volumeMounts.length === 0) return {}
  return {
    volumeMounts: volumeMounts.map(({ name, mountPath, readOnly }) => ({
      name,
      mountPath,
      ...(readOnly === true ? { readOnly: true, recursiveReadOnly: 'Disabled' } : {})
    }))
  }
}

function ofRuntime(input: PodInput, container: Container, current: RuntimeContainer): ContainerStatus {
  const runs = current.state === 'running'
  const resources = runs ? actualResources(input, container, current) : (container.resources ?? {})
  const { requests } = runs && input.resizeVerdict !== undefined ? resources : (container.resources ?? {})
  const status: ContainerStatus = {
    name: container.name,
    state: stateOf(input, current),
    lastState: {},
    ready: false,
    restartCount: current.attempt,
    image: current.image === '' ? (container.image ?? '') : current.image,
    imageID: current.imageRef,
    containerID: `containerd://${current.id}`,
    started: false,
    resources: { ...resources },
    ...volumeMountsOf(container)
  }
  if (requests !== undefined && Object.keys(requests).length > 0) status.allocatedResources = requests
  return status
}

function stateOf(input: PodInput, container: RuntimeContainer): ContainerState {
  if (container.state === 'running') return { running: { startedAt: timestamp(container.startedAt) } }
  if (container.state === 'exited') return { terminated: terminated(input, container) }
  return {
    terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', containerID: `containerd://${container.id}` }
  }
}

function terminated(input: PodInput, container: RuntimeContainer): NonNullable<ContainerState['terminated']> {
  const { spec } = input.pod
  const most = messageLimit(spec?.containers, spec?.initContainers, spec?.ephemeralContainers)
  const message = truncated(input.messages.get(container.id) ?? container.message, most)
  return {
    exitCode: container.exitCode,
    reason: container.reason,
    ...(message === '' ? {} : { message }),
    // A container that never ran has no such time: Go's zero.
    startedAt: container.startedAt === 0 ? EPOCH : timestamp(container.startedAt),
    finishedAt: container.finishedAt === 0 ? EPOCH : timestamp(container.finishedAt),
    containerID: `containerd://${container.id}`
  }
}

/** Bytes of termination messages that one pod may have, shared evenly among its containers (kubelet's limit). */
const MOST_MESSAGES = 12 * 1024

function messageLimit(...lists: readonly (readonly unknown[] | undefined)[]): number {
  return Math.floor(MOST_MESSAGES / Math.max(1, lists.flatMap((list) => list ?? []).length))
}

function truncated(text: string, most: number): string {
  const bytes = Buffer.from(text)
  return bytes.length <= most ? text : bytes.subarray(0, most).toString()
}

const EPOCH = '1970-01-01T00:00:00Z'

interface Shown {
  readonly status: ContainerStatus
  readonly current: RuntimeContainer | undefined
  readonly role: Role
  readonly before: ContainerStatus | undefined
}

/** A container that should run but cannot start now waits, and its end moves to lastState. */
function applyWaiting({ input, waiting, ended }: Statuses, container: Container, shown: Shown): void {
  const { status, current, role, before } = shown
  if (ended || current?.state === 'running') return
  const again = current === undefined || runsAfter(input.pod, container, { current, role })
  const reason = waiting.get(container.name) ?? failureReason(input, container.name) ?? lastBackOff(before)
  if (!again || reason === undefined) return
  if (status.state?.terminated !== undefined) status.lastState = { terminated: status.state.terminated }
  status.state = { waiting: { reason: reason.reason, ...(reason.message === '' ? {} : { message: reason.message }) } }
}

function runsAfter(
  pod: Pod,
  container: Container,
  { current, role }: { readonly current: RuntimeContainer; readonly role: Role }
): boolean {
  if (role === 'ephemeral') return false
  if (role === 'init' && !isSidecar(container)) return wantsInitRun(pod, container, current)
  return wantsRun(pod, container, current)
}

/** While the next start is under way, a container that was backing off still says so. */
function lastBackOff(before: ContainerStatus | undefined): Waiting | undefined {
  const waiting = before?.state?.waiting
  if (waiting?.reason !== 'CrashLoopBackOff') return undefined
  return { reason: waiting.reason, message: waiting.message ?? '' }
}

function failureReason(input: PodInput, name: string): Waiting | undefined {
  const failure = input.failures.get(name)
  if (failure?.later !== undefined && input.now >= failure.later.from) return failure.later
  return failure
}

interface PhaseInput {
  readonly pod: Pod
  readonly inits: readonly ContainerStatus[]
  readonly mains: readonly ContainerStatus[]
  readonly replaced: PodInput['replaced']
  readonly ended: boolean
}

function phaseOf({ pod, inits, mains, replaced, ended }: PhaseInput): string {
  const init = initProgress(pod, inits)
  if (init === 'failed') return 'Failed'
  let running = 0
  let waiting = 0
  let stopped = 0
  let succeeded = 0
  for (const { state, lastState } of mains) {
    if (state?.running !== undefined) running++
    else if (state?.terminated !== undefined) {
      stopped++
      if (state.terminated.exitCode === 0) succeeded++
    } else if (lastState?.terminated !== undefined) stopped++
    else waiting++
  }
  if (ended && waiting === 0 && stopped > 0) return stopped === succeeded ? 'Succeeded' : 'Failed'
  if (init === 'pending' || waiting > 0) return 'Pending'
  if (running > 0) return 'Running'
  if (stopped === 0) return 'Pending'
  const isReplaced = ({ containerID = '' }: ContainerStatus) => replaced.has(containerID.replace(/^.*:\/\//, ''))
  if (mains.some((status) => isReplaced(status) || runsAgain(pod, status))) return 'Running'
  return stopped === succeeded ? 'Succeeded' : 'Failed'
}

function runsAgain(pod: Pod, status: ContainerStatus): boolean {
  if (status.state?.waiting !== undefined) return true
  const container = pod.spec?.containers.find((one) => one.name === status.name)
  const exitCode = status.state?.terminated?.exitCode
  if (container === undefined || exitCode === undefined) return false
  return wantsRun(pod, container, { state: 'exited', exitCode } as RuntimeContainer)
}

function initProgress(pod: Pod, inits: readonly ContainerStatus[]): 'done' | 'pending' | 'failed' {
  let pending = false
  for (const container of pod.spec?.initContainers ?? []) {
    const status = inits.find((one) => one.name === container.name)
    if (isSidecar(container)) {
      const ranOnce = status?.started === true || status?.state?.terminated !== undefined
      if (!ranOnce && status?.lastState?.terminated === undefined) pending = true
      continue
    }
    const end = status?.state?.terminated
    if (end?.exitCode === 0) continue
    const last = { state: 'exited', exitCode: end?.exitCode } as RuntimeContainer
    if (end !== undefined && !wantsInitRun(pod, container, last)) return 'failed'
    pending = true
  }
  return pending ? 'pending' : 'done'
}

/** Whether it runs, past its hook and its startup probe. */
export function isStarted(input: PodInput, container: Container, current: RuntimeContainer): boolean {
  if (current.state !== 'running' || input.busy.starting.has(container.name)) return false
  return container.startupProbe === undefined || input.health.get(current.id)?.started === true
}

/** `containers` are newest first. */
export function newestOf(containers: readonly RuntimeContainer[], name: string): RuntimeContainer | undefined {
  return containers.find((container) => container.name === name)
}
