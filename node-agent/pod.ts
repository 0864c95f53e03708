/**
 * What to do about one pod, decided from what the API wants, what runs and what time it is. No I/O: every rule here is
 * a row of a table test. The order of the rules is kubelet's (computePodActions and SyncTerminatingPod).
 */
import type { Container, ContainerStatus, Pod, PodStatus } from '../core/kinds/types.ts'
import { planEnd } from './pod/end.ts'
import {
  type Action,
  type ContainerStart,
  type ContainerStop,
  formatPod,
  isChanged,
  isSidecar,
  isTerminalPhase,
  type PodInput,
  type PodPlan,
  type StartFailure
} from './pod/input.ts'
import { resizeMessage, resizesOf } from './pod/resize.ts'
import { type Backoff, backoffAfter, crashLoopMessage, wantsInitRun, wantsRun } from './pod/restart.ts'
import { isStarted, newestOf, podStatus, type Waiting } from './pod/status.ts'
import type { RuntimeContainer, Sandbox } from './runtime/runtime.ts'

const NO_BACKOFF: Backoff = { until: 0, currentMs: 0, nextMs: 0 }
const DEADLINE_MESSAGE = 'Pod was active on the node longer than the specified deadline'

export function planPod(input: PodInput): PodPlan {
  const cause = endCause(input)
  if (cause !== undefined) return planEnd(input, cause)
  const draft = new Draft(input)
  if (!input.prepared) {
    if (!input.busy.preparing) draft.when(input.prepareAfter, { do: 'prepare' })
  } else {
    planSandbox(draft)
  }
  pruneDead(draft)
  const status = podStatus(input, draft.waiting)
  if (isTerminalPhase(status.phase)) return planEnd(input, { phase: status.phase ?? '', status })
  const { again } = draft
  return { actions: draft.actions, status, reported: status, again: earliest(again, deadlineOf(input)), ending: false }
}

/** Why the pod must end, where it must. */
function endCause(input: PodInput): Parameters<typeof planEnd>[1] | undefined {
  const { pod, rejected, status } = input
  if (rejected !== undefined) return { phase: 'Failed', ...rejected }
  if (isTerminalPhase(status.phase))
    return { phase: status.phase ?? '', reason: status.reason, message: status.message }
  const deadline = deadlineOf(input)
  if (deadline !== undefined && input.now >= deadline) {
    return { phase: 'Failed', reason: 'DeadlineExceeded', message: DEADLINE_MESSAGE, event: 'DeadlineExceeded' }
  }
  return pod.metadata.deletionTimestamp === undefined ? undefined : {}
}

function deadlineOf({ pod, status }: PodInput): number | undefined {
  const seconds = pod.spec?.activeDeadlineSeconds
  if (seconds === undefined || status.startTime === undefined) return undefined
  return Date.parse(status.startTime) + seconds * 1000
}

/** Collects actions, what waits and why, and the moment to look again. */
class Draft {
  readonly input: PodInput
  readonly actions: Action[] = []
  /** By container name: why it waits, where the reason is not a failed start. */
  readonly waiting = new Map<string, Waiting>()
  again: number | undefined

  constructor(input: PodInput) {
    this.input = input
  }

  /** Now, or later where `at` has not come. */
  when(at: number, action: Action): void {
    if (at <= this.input.now) this.actions.push(action)
    else this.lookAt(at)
  }

  lookAt(at: number): void {
    if (at > this.input.now) this.again = earliest(this.again, at)
  }
}

function planSandbox(draft: Draft): void {
  const { input, actions } = draft
  const [newest, ...older] = input.runtime.sandboxes
  for (const sandbox of older) actions.push(...retire(input, sandbox))
  if (input.busy.sandbox) return
  if (newest === undefined) {
    draft.when(input.sandboxAfter, { do: 'createSandbox', attempt: 0 })
    return
  }
  if (newest.ready) {
    planContainers(draft, newest)
    return
  }
  // Its network is lost: what still runs in it ends, and a new one begins.
  const running = input.runtime.containers.filter((one) => one.sandboxId === newest.id && one.state === 'running')
  if (running.length > 0) actions.push({ do: 'stopSandbox', id: newest.id })
  else if (needsSandbox(input)) draft.when(input.sandboxAfter, { do: 'createSandbox', attempt: newest.attempt + 1 })
}

/** A pod whose containers have all run as often as they may gets no new sandbox. */
function needsSandbox({ pod, runtime }: PodInput): boolean {
  const { spec } = pod
  if (spec === undefined) return false
  if (spec.restartPolicy === 'Never' && runtime.containers.length > 0) return false
  return spec.containers.some((container) => wantsRun(pod, container, newestOf(runtime.containers, container.name)))
}

function retire(input: PodInput, sandbox: Sandbox): Action[] {
  if (sandbox.ready) return [{ do: 'stopSandbox', id: sandbox.id }]
  const used = input.runtime.containers.some((container) => container.sandboxId === sandbox.id)
  return used ? [] : [{ do: 'removeSandbox', id: sandbox.id }]
}

function planContainers(draft: Draft, sandbox: Sandbox): void {
  const { input } = draft
  const { spec } = input.pod
  if (spec === undefined) return
  const here = input.runtime.containers.filter((container) => container.sandboxId === sandbox.id)
  const starts: ContainerStart[] = []
  const stops: ContainerStop[] = []
  const initialized = spec.containers.some((container) => newestOf(here, container.name) !== undefined)
  for (const container of spec.ephemeralContainers ?? []) {
    // They run once, whatever becomes of them.
    if (newestOf(input.runtime.containers, container.name) === undefined) planStart(draft, container, starts)
  }
  const done = planInits({ draft, here, starts, stops, initialized })
  if (done || initialized) {
    for (const container of spec.containers) {
      const current = newestOf(here, container.name)
      const last = current ?? newestOf(input.runtime.containers, container.name)
      if (current?.state === 'running') stops.push(...replacement(input, container, current))
      else if (wantsRun(input.pod, container, last) || input.replaced.has(last?.id ?? ''))
        planStart(draft, container, starts)
    }
  }
  planResize(draft, stops)
  tellOfPodsEnd(input, { here, starts, stops })
  if (starts.length > 0) draft.actions.push({ do: 'start', sandboxId: sandbox.id, containers: starts })
  if (stops.length > 0) draft.actions.push({ do: 'stop', containers: stops })
}

interface Planned {
  readonly here: readonly RuntimeContainer[]
  readonly starts: readonly ContainerStart[]
  readonly stops: ContainerStop[]
}

/** Where no container is left to run, the whole pod ends, and kubelet says that instead of why. */
function tellOfPodsEnd({ pod }: PodInput, { here, starts, stops }: Planned): void {
  const goesOn = (pod.spec?.containers ?? []).some((container) => {
    const stop = stops.find((one) => one.name === container.name)
    if (stop === undefined) return newestOf(here, container.name)?.state === 'running'
    return stop.replace === true || policyOf(pod, container) !== 'Never'
  })
  if (goesOn || starts.length > 0) return
  stops.forEach((stop, index) => {
    stops[index] = { ...stop, message: `Stopping container ${stop.name}` }
  })
}

function policyOf(pod: Pod, container: Container): string {
  return container.restartPolicy ?? pod.spec?.restartPolicy ?? 'Always'
}

function planResize({ input, actions }: Draft, stops: ContainerStop[]): void {
  const { pod, status, resizeVerdict: verdict } = input
  const wanted = resizesOf(input).filter(({ id }) => !stops.some((stop) => stop.id === id))
  if (wanted.length === 0 || input.busy.resizing) return
  if (verdict !== undefined) {
    const { reason, message } = verdict
    const told = status.conditions?.find((one) => one.type === 'PodResizePending')
    if (told?.reason === reason && told.message === message) return
    const text = resizeMessage(pod, reason, message)
    actions.push({ do: 'event', type: 'Warning', reason: `Resize${reason}`, message: text })
    return
  }
  const grace = (pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000
  for (const { id, name, restart } of wanted) {
    if (!restart) continue
    const message = `Container ${name} resize requires restart`
    stops.push({ id, name, until: input.now + grace, message, replace: true, resize: true })
  }
  const inPlace = wanted.filter(({ restart }) => !restart)
  if (inPlace.length > 0) actions.push({ do: 'resize', containers: inPlace })
}

interface InitPlan {
  readonly draft: Draft
  /** The containers of the current sandbox, newest first. */
  readonly here: readonly RuntimeContainer[]
  readonly starts: ContainerStart[]
  readonly stops: ContainerStop[]
  /** Regular containers have been made: only sidecars start again. */
  readonly initialized: boolean
}

/** One after the other; true when all are done. */
function planInits(plan: InitPlan): boolean {
  const { draft, here, starts, stops, initialized } = plan
  const { input } = draft
  for (const container of input.pod.spec?.initContainers ?? []) {
    const current = newestOf(here, container.name)
    if (current?.state === 'running') stops.push(...replacement(input, container, current))
    if (isSidecar(container)) {
      if (current?.state !== 'running') planStart(draft, container, starts)
      const started = current?.state === 'running' && isStarted(input, container, current)
      if (!started && !initialized) return false
      continue
    }
    if (initialized || (current?.state === 'exited' && current.exitCode === 0)) continue
    const again = current === undefined || wantsInitRun(input.pod, container, current)
    if (current?.state !== 'running' && again) planStart(draft, container, starts)
    return false
  }
  return true
}

/** Queues a start, unless something is in its way: then the container waits, and the reason is told. */
function planStart(draft: Draft, container: Container, starts: ContainerStart[]): void {
  const { input } = draft
  const { name } = container
  if (input.busy.starting.size > 0) return
  const failure = input.failures.get(name)
  const attempts = input.runtime.containers.filter((one) => one.name === name)
  const last = newestOf(attempts, name)
  const counts = last?.state === 'exited' && !isChanged(container, last)
  const backoff = counts ? backoffAfter(last) : NO_BACKOFF
  if (backoff.until > input.now) {
    backOff(draft, name, backoff)
    return
  }
  if (failure !== undefined) {
    if (failure.later !== undefined) imageBackOff(draft, name, failure.later)
    if (failure.until > input.now) {
      draft.lookAt(failure.until)
      return
    }
  }
  starts.push({ name, attempt: nextAttempt(input, name, attempts), backoffMs: backoff.nextMs })
}

/** Never a number that was used: the runtime reserves a container's name with it. */
function nextAttempt(input: PodInput, name: string, attempts: readonly RuntimeContainer[]): number {
  if (attempts.length > 0) return Math.max(...attempts.map((one) => one.attempt)) + 1
  const told = statusOf(input.status, name)
  return told?.containerID === undefined ? (told?.restartCount ?? 0) : told.restartCount + 1
}

function backOff(draft: Draft, name: string, backoff: Backoff): void {
  const { pod, status } = draft.input
  const message = crashLoopMessage(pod, name, backoff.currentMs)
  draft.waiting.set(name, { reason: 'CrashLoopBackOff', message })
  draft.lookAt(backoff.until)
  if (statusOf(status, name)?.state?.waiting?.message === message) return
  const text = `Back-off restarting failed container ${name} in pod ${formatPod(pod)}`
  draft.actions.push({ do: 'event', container: name, type: 'Warning', reason: 'BackOff', message: text })
}

/** A failed pull becomes a back-off a moment later, and that is told once. */
function imageBackOff(draft: Draft, name: string, later: NonNullable<StartFailure['later']>): void {
  const { input, actions } = draft
  draft.lookAt(later.from)
  const shown = statusOf(input.status, name)?.state?.waiting?.reason === later.reason
  if (input.now < later.from || shown || later.event === undefined) return
  actions.push({ do: 'event', container: name, type: 'Normal', reason: 'BackOff', message: later.event })
  const message = `Error: ${later.reason}`
  actions.push({ do: 'event', container: name, type: 'Warning', reason: 'Failed', message })
}

function statusOf(status: PodStatus, name: string): ContainerStatus | undefined {
  const { containerStatuses = [], initContainerStatuses = [], ephemeralContainerStatuses = [] } = status
  const all = [...containerStatuses, ...initContainerStatuses, ...ephemeralContainerStatuses]
  return all.find((one) => one.name === name)
}

/** Stops a container that the pod now describes otherwise, or whose liveness or startup probe failed. */
function replacement(input: PodInput, container: Container, current: RuntimeContainer): ContainerStop[] {
  const { pod } = input
  const isInit = pod.spec?.initContainers?.includes(container) === true
  if (isInit && !isSidecar(container)) return []
  if (input.busy.stopping.has(current.id)) return []
  const changed = isChanged(container, current)
  const failure = input.health.get(current.id)?.failure
  if (!changed && failure === undefined) return []
  const own = pod.spec?.terminationGracePeriodSeconds ?? 30
  const grace = changed ? own : (failure?.graceSeconds ?? own)
  const why = changed ? 'definition changed' : `failed ${failure?.probe} probe`
  const restarts = changed || policyOf(pod, container) !== 'Never'
  const message = isInit
    ? `Init container ${container.name} ${why}`
    : `Container ${container.name} ${why}${restarts ? ', will be restarted' : ''}`
  const stop = { id: current.id, name: container.name, until: input.now + grace * 1000, message }
  return [changed ? { ...stop, replace: true } : stop]
}

/** One dead container of each name is kept, for its logs and its last state. */
function pruneDead({ input, actions }: Draft): void {
  const kept = new Set<string>()
  for (const container of input.runtime.containers) {
    if (container.state === 'created' && !input.busy.starting.has(container.name)) {
      actions.push({ do: 'removeContainer', id: container.id })
    }
    if (container.state !== 'exited' || input.busy.starting.has(container.name)) continue
    if (kept.has(container.name)) actions.push({ do: 'removeContainer', id: container.id })
    kept.add(container.name)
  }
}

function earliest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.min(a, b)
}
