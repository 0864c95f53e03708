/** Runs the probes of running containers on their schedules and keeps what they say. */
import type { Container, Pod, Probe } from '../../core/kinds/types.ts'
import type { Ports, Timer } from '../../core/ports.ts'
import type { PodEvents } from '../events.ts'
import type { Health } from '../pod/input.ts'
import type { Runtime, RuntimeContainer } from '../runtime/runtime.ts'
import { runProbe } from './run-probe.ts'
import { addResult, NO_STREAK, type ProbeKind, type Streak } from './threshold.ts'

export interface ProbeContext {
  readonly runtime: Runtime
  readonly ports: Ports
  readonly event: PodEvents
  /** Called whenever the health of a container has changed. */
  readonly onChange: () => void
}

interface Worker {
  timer: Timer | undefined
  stopped: boolean
}

interface Probed {
  health: Health
  readonly workers: Map<ProbeKind, Worker>
}

/**
 * When the first probe counts, unless the probe itself says how long to wait. Kubelet asks for readiness when it notices
 * that the container runs, which takes it up to a second, and for the other two at the next full period.
 */
const NOTICED_MS = 1000
/** Until then, a container that is ready already is noticed early; pauses between such questions. */
const EARLY_MS = [100, 200, 400, 800, 1600, 3200]

const WORDS: Readonly<Record<ProbeKind, string>> = { startup: 'Startup', liveness: 'Liveness', readiness: 'Readiness' }

/** The probes of one pod. */
export class Prober {
  private readonly context: ProbeContext
  private readonly containers = new Map<string, Probed>()

  constructor(context: ProbeContext) {
    this.context = context
  }

  get health(): ReadonlyMap<string, Health> {
    return new Map([...this.containers].map(([id, probed]) => [id, probed.health]))
  }

  /**
   * Starts what is missing and stops what is over. `running`: the containers that run, past their hooks. `known`: what
   * the API's status said of a container, so that a new agent goes on where the last one stopped.
   */
  sync(at: {
    readonly pod: Pod
    readonly podIP: string
    readonly running: readonly RuntimeContainer[]
    readonly ending: boolean
    readonly known: (containerId: string) => Health
  }): void {
    const ids = new Set(at.running.map((container) => container.id))
    for (const [id, probed] of this.containers) {
      if (ids.has(id)) continue
      for (const worker of probed.workers.values()) stop(worker)
      this.containers.delete(id)
    }
    const specs = [...(at.pod.spec?.initContainers ?? []), ...(at.pod.spec?.containers ?? [])]
    for (const current of at.running) {
      const spec = specs.find((container) => container.name === current.name)
      if (spec === undefined || !hasProbe(spec)) continue
      const probed = this.containers.get(current.id) ?? { health: at.known(current.id), workers: new Map() }
      this.containers.set(current.id, probed)
      if (at.podIP !== '') this.startWorkers({ spec, current, probed, podIP: at.podIP, ending: at.ending })
    }
  }

  close(): void {
    for (const probed of this.containers.values()) for (const worker of probed.workers.values()) stop(worker)
    this.containers.clear()
  }

  private startWorkers(target: Target): void {
    const { spec, probed, ending } = target
    const isStarted = spec.startupProbe === undefined || probed.health.started === true
    const wanted: [ProbeKind, Probe | undefined][] = [
      ['startup', isStarted || ending ? undefined : spec.startupProbe],
      ['liveness', isStarted && !ending ? spec.livenessProbe : undefined],
      ['readiness', isStarted ? spec.readinessProbe : undefined]
    ]
    for (const [kind, probe] of wanted) {
      const worker = probed.workers.get(kind)
      if (probe === undefined) {
        if (worker !== undefined) stop(worker)
        probed.workers.delete(kind)
      } else if (worker === undefined) {
        this.start(target, kind, probe)
      }
    }
  }

  private start(target: Target, kind: ProbeKind, probe: Probe): void {
    const { current, probed } = target
    const { clock } = this.context.ports
    const worker: Worker = { timer: undefined, stopped: false }
    probed.workers.set(kind, worker)
    const period = (probe.periodSeconds ?? 10) * 1000
    const due = firstDue(kind, probe, current.startedAt)
    let streak = NO_STREAK
    let asked = 0
    const round = () => {
      const began = clock.now()
      const early = began < due
      void this.once(target, { kind, probe, streak, early }).then((next) => {
        if (worker.stopped) return
        streak = next
        const pause = EARLY_MS[asked++] ?? period
        const stillEarly = early && streak.last !== 'success'
        const again = stillEarly ? Math.min(clock.now() + pause, due) : began + period
        worker.timer = clock.after(Math.max(0, again - clock.now()), round)
      })
    }
    const asksEarly = kind !== 'liveness' && (probe.initialDelaySeconds ?? 0) === 0
    worker.timer = clock.after(asksEarly ? 0 : Math.max(0, due - clock.now()), round)
  }

  private async once(
    target: Target,
    ask: { readonly kind: ProbeKind; readonly probe: Probe; readonly streak: Streak; readonly early: boolean }
  ): Promise<Streak> {
    const { kind, probe, streak, early } = ask
    const { spec, current, probed, podIP } = target
    const { runtime, ports, event } = this.context
    const answer = await runProbe({ runtime, ports, container: spec, containerId: current.id, podIP }, probe)
    // The container has ended meanwhile: what a probe says of it means nothing.
    if (probed.workers.get(kind)?.stopped !== false || this.containers.get(current.id) !== probed) return streak
    if (answer.result !== 'success' && early) return streak
    if (answer.result === 'unknown') {
      const message = `${WORDS[kind]} probe errored and resulted in unknown state: ${answer.output}`
      event(spec, 'Warning', { reason: 'Unhealthy', message })
      return streak
    }
    if (answer.result === 'failure') {
      event(spec, 'Warning', { reason: 'Unhealthy', message: `${WORDS[kind]} probe failed: ${answer.output}` })
    }
    if (answer.result === 'success' && answer.warning !== undefined) {
      event(spec, 'Warning', { reason: 'ProbeWarning', message: `${WORDS[kind]} probe warning: ${answer.warning}` })
    }
    const next = addResult(streak, answer.result, probe)
    if (next.settled === undefined) return next.streak
    this.settle(target, { kind, probe, healthy: next.settled === 'success' })
    return next.streak
  }

  private settle(target: Target, word: { kind: ProbeKind; probe: Probe; healthy: boolean }): void {
    const { probed } = target
    const next = healthAfter(probed.health, word)
    if (JSON.stringify(next) === JSON.stringify(probed.health)) return
    probed.health = next
    if (next.failure !== undefined) for (const worker of probed.workers.values()) stop(worker)
    this.context.onChange()
  }
}

function healthAfter(
  health: Health,
  { kind, probe, healthy }: { kind: ProbeKind; probe: Probe; healthy: boolean }
): Health {
  if (kind === 'readiness') return { ...health, ready: healthy }
  if (healthy) return kind === 'startup' ? { ...health, started: true } : health
  return { ...health, failure: { probe: kind, graceSeconds: probe.terminationGracePeriodSeconds } }
}

interface Target {
  readonly spec: Container
  readonly current: RuntimeContainer
  readonly probed: Probed
  readonly podIP: string
  readonly ending: boolean
}

/** Milliseconds since 1970. */
export function firstDue(kind: ProbeKind, probe: Probe, startedAt: number): number {
  const delay = (probe.initialDelaySeconds ?? 0) * 1000
  if (delay > 0) return startedAt + delay
  return startedAt + (kind === 'readiness' ? NOTICED_MS : (probe.periodSeconds ?? 10) * 1000)
}

function hasProbe(spec: Container): boolean {
  return spec.startupProbe !== undefined || spec.livenessProbe !== undefined || spec.readinessProbe !== undefined
}

function stop(worker: Worker): void {
  worker.stopped = true
  worker.timer?.cancel()
}
