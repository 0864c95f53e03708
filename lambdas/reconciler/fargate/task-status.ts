/** The status of a pod that runs as a task. Pure. */
import type { Container, ContainerStatus, Pod, PodCondition, PodStatus } from '../../../core/kinds/types.ts'
import { timestamp } from '../../../core/ports.ts'
import { timeOf } from '../objects.ts'
import { isSidecar } from './refusals.ts'
import type { ContainerRun, Task } from './tasks.ts'

/** Why there is no task yet, as a container's waiting state says it. */
export interface Waiting {
  readonly reason: string
  readonly message: string
}

export interface StatusInput {
  readonly pod: Pod
  readonly task: Task | undefined
  readonly waiting?: Waiting | undefined
  /** Milliseconds since 1970. */
  readonly now: number
}

const FIRST_BACKOFF_MS = 10_000
const LONGEST_BACKOFF_MS = 300_000

/** When the pod is to run again (milliseconds since 1970); undefined: it is not. */
export function restartAt({ spec }: Pod, task: Task): number | undefined {
  if (task.state !== 'stopped') return undefined
  const policy = spec?.restartPolicy ?? 'Always'
  if (policy === 'Never' || (policy === 'OnFailure' && hasSucceeded(task, spec?.containers ?? []))) return undefined
  const pause = Math.min(FIRST_BACKOFF_MS * 2 ** task.attempt, LONGEST_BACKOFF_MS)
  return (task.stoppedAt ?? task.createdAt) + pause
}

function hasSucceeded(task: Task, containers: readonly Container[]): boolean {
  return containers.every(({ name }) => runOf(task, name)?.exitCode === 0)
}

export function podStatusOf(input: StatusInput): PodStatus {
  const { pod, task, now } = input
  const before = pod.status ?? {}
  const { initContainers = [], containers = [] } = pod.spec ?? {}
  const inits = initContainers.map((one) => containerStatus(input, one, before.initContainerStatuses ?? []))
  const mains = containers.map((one) => containerStatus(input, one, before.containerStatuses ?? []))
  const phase = phaseOf(input)
  const ip = task?.ip ?? before.podIP
  const { conditions: _, containerStatuses: __, initContainerStatuses: ___, ...kept } = before
  return {
    ...kept,
    phase,
    conditions: conditionsOf(
      { pod, now },
      { inits, mains, phase, placed: ip !== undefined || task?.state === 'running' }
    ),
    startTime: before.startTime ?? timestamp(now),
    ...(ip === undefined ? {} : { podIP: ip, podIPs: [{ ip }] }),
    ...(inits.length === 0 ? {} : { initContainerStatuses: inits }),
    containerStatuses: mains
  }
}

function phaseOf({ pod, task }: StatusInput): string {
  const before = pod.status?.phase
  if (before === 'Succeeded' || before === 'Failed') return before
  if (task === undefined) return before === 'Running' ? 'Running' : 'Pending'
  if (task.state === 'starting') return task.attempt > 0 ? 'Running' : 'Pending'
  if (task.state !== 'stopped' || (restartAt(pod, task) !== undefined && pod.metadata.deletionTimestamp === undefined))
    return task.startedAt === undefined && task.attempt === 0 ? 'Pending' : 'Running'
  return hasSucceeded(task, pod.spec?.containers ?? []) ? 'Succeeded' : 'Failed'
}

function containerStatus(
  input: StatusInput,
  container: Container,
  before: readonly ContainerStatus[]
): ContainerStatus {
  const { task, waiting } = input
  const old = before.find(({ name }) => name === container.name)
  const run = task === undefined ? undefined : runOf(task, container.name)
  const restartCount = task?.attempt ?? old?.restartCount ?? 0
  const ended = old?.state?.terminated ?? old?.lastState?.terminated
  const last = restartCount > 0 && ended !== undefined ? { terminated: ended } : {}
  const status: ContainerStatus = {
    name: container.name,
    image: container.image ?? '',
    imageID: run?.imageDigest ?? old?.imageID ?? '',
    restartCount,
    ready: false,
    started: false,
    state: { waiting: waiting ?? { reason: 'ContainerCreating' } },
    lastState: last,
    ...(run?.id === undefined ? {} : { containerID: run.id })
  }
  if (task === undefined || run === undefined) return status
  if (run.state === 'running') return running(status, { task, run, container })
  if (run.state !== 'stopped' || task.state === 'starting') return status
  return terminated(status, { ...input, task, run, container })
}

function running(
  status: ContainerStatus,
  { task, run, container }: { task: Task; run: ContainerRun; container: Container }
): ContainerStatus {
  const ready = container.readinessProbe === undefined || run.healthy === true
  const startedAt = timestamp(task.startedAt ?? task.createdAt)
  return { ...status, ready, started: true, state: { running: { startedAt } } }
}

function terminated(
  status: ContainerStatus,
  { pod, task, run, container }: StatusInput & { task: Task; run: ContainerRun; container: Container }
): ContainerStatus {
  const exitCode = run.exitCode ?? 137
  const message = run.reason ?? (run.exitCode === undefined ? task.reason : undefined)
  const neverRan = run.exitCode === undefined && task.startedAt === undefined
  const ended = {
    exitCode: neverRan ? 128 : exitCode,
    reason: neverRan ? failureReason(message ?? '') : reasonOf(run, exitCode),
    ...(message === undefined ? {} : { message }),
    startedAt: timestamp(task.startedAt ?? task.createdAt),
    finishedAt: timestamp(task.stoppedAt ?? task.createdAt),
    ...(run.id === undefined ? {} : { containerID: run.id })
  }
  const isInit = (pod.spec?.initContainers ?? []).includes(container)
  const ready = isInit && !isSidecar(container) && exitCode === 0
  if (restartAt(pod, task) === undefined || pod.metadata.deletionTimestamp !== undefined || isInit)
    return { ...status, ready, state: { terminated: ended } }
  const waiting = neverRan
    ? { reason: ended.reason === 'ErrImagePull' ? 'ImagePullBackOff' : ended.reason, message: message ?? '' }
    : { reason: 'CrashLoopBackOff', message: `back-off restarting the task of pod ${pod.metadata.name ?? ''}` }
  return { ...status, state: { waiting }, lastState: { terminated: ended } }
}

function reasonOf({ reason = '' }: ContainerRun, exitCode: number): string {
  if (/OutOfMemory/i.test(reason)) return 'OOMKilled'
  return exitCode === 0 ? 'Completed' : 'Error'
}

/** ECS' words for what went wrong before anything ran. */
function failureReason(message: string): string {
  if (/CannotPullContainer|pull image|ImagePull/i.test(message)) return 'ErrImagePull'
  return /CannotStartContainer|CannotCreateContainer/.test(message) ? 'RunContainerError' : 'CreateContainerError'
}

function runOf(task: Task, name: string): ContainerRun | undefined {
  return task.containers.find((one) => one.name === name)
}

interface Facts {
  readonly inits: readonly ContainerStatus[]
  readonly mains: readonly ContainerStatus[]
  readonly phase: string
  readonly placed: boolean
}

function conditionsOf({ pod, now }: { pod: Pod; now: number }, { inits, mains, phase, placed }: Facts): PodCondition[] {
  const before = pod.status?.conditions ?? []
  const over = phase === 'Succeeded' || phase === 'Failed'
  const sidecars = new Set((pod.spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name))
  const initialized =
    mains.some(({ started }) => started === true) ||
    over ||
    inits.every(({ name, ready }) => ready || sidecars.has(name))
  const ready = !over && mains.every((one) => one.ready)
  const unready = over ? `Pod${phase === 'Succeeded' ? 'Completed' : 'Failed'}` : 'ContainersNotReady'
  const made = [
    condition('PodReadyToStartContainers', placed && !over),
    condition('Initialized', initialized, 'ContainersNotInitialized'),
    condition('Ready', ready, unready),
    condition('ContainersReady', ready, unready)
  ]
  const others = before.filter(({ type }) => !made.some((one) => one.type === type))
  return [...others, ...made].map((one) => {
    const old = before.find(({ type }) => type === one.type)
    const since = old?.status === one.status ? old.lastTransitionTime : undefined
    return { ...one, lastTransitionTime: since ?? one.lastTransitionTime ?? timestamp(now) }
  })
}

function condition(type: string, holds: boolean, reason?: string): PodCondition {
  return { type, status: holds ? 'True' : 'False', ...(holds || reason === undefined ? {} : { reason }) }
}

/** Whether the pod has run before, as far as its status says: its newest task must be known then, for a while. */
export function hasRun({ status }: Pod): boolean {
  return (status?.containerStatuses ?? []).some(({ containerID = '' }) => containerID !== '')
}

/** The number of the pod's newest run, as its status says. */
export function attemptOf({ status }: Pod): number {
  return Math.max(0, ...(status?.containerStatuses ?? []).map(({ restartCount }) => restartCount))
}

export function startedAt({ status }: Pod): number {
  return timeOf(status?.startTime) ?? 0
}
