/**
 * Pods that wait for a node. Those to be tried now leave by priority, then in the order of their coming; those that no
 * node would take wait until something happens that could change it, and a little longer after each failure.
 */
import type { Pod } from '../../core/kinds/types.ts'
import { isEnded } from '../../core/ledger.ts'
import { isTerminating, keyOf } from '../../core/object.ts'
import type { Ports, Timer } from '../../core/ports.ts'
import type { Waker } from './plugins/plugin.ts'

export interface Queued {
  readonly key: string
  pod: Pod
  readonly version: number
  /** How often no node was found. */
  attempts: number
}

interface Entry extends Queued {
  version: number
  state: 'active' | 'taken' | 'waiting' | 'backoff'
  wakers: ReadonlySet<Waker>
  /** Milliseconds since 1970. */
  failedAt: number
  /** Of the last `take`: what happened since then must not be missed. */
  takenAt: number
  /** The pod has changed while it was taken. */
  changed: boolean
  /** How often it could not be bound, though a node would take it. */
  errors: number
  timer: Timer | undefined
}

/**
 * kube-scheduler's podInitialBackoffSeconds and podMaxBackoffSeconds. They spare a busy scheduler: while nothing else is
 * to be tried, a pod is tried as soon as something happens (its SchedulerPopFromBackoffQ).
 */
const FIRST_BACKOFF_MS = 1000
const MAX_BACKOFF_MS = 10_000

/** A pod is tried again after this long even if nothing happened (podMaxInUnschedulablePodsDuration). */
const MAX_WAIT_MS = 300_000
const FLUSH_MS = 30_000
/** A pod that could not be bound so often is not worth waiting for. */
const MANY_ERRORS = 3

export const SCHEDULER_NAME = 'default-scheduler'

/** Whether the pod is this scheduler's business, and not held back. */
export function awaitsNode(pod: Pod): boolean {
  const { spec } = pod
  if (spec === undefined || (spec.nodeName ?? '') !== '' || isTerminating(pod) || isEnded(pod)) return false
  return (spec.schedulerName ?? SCHEDULER_NAME) === SCHEDULER_NAME && (spec.schedulingGates ?? []).length === 0
}

export class SchedulingQueue {
  private readonly ports: Ports
  private readonly onActive: () => void
  private readonly entries = new Map<string, Entry>()
  private readonly active = new Map<number, Map<string, Entry>>()
  private readonly waiting = new Set<Entry>()
  private readonly lastWoken = new Map<Waker, number>()
  private cycle = 0
  private flush: Timer | undefined

  /** `onActive`: there is something to take. */
  constructor(ports: Ports, onActive: () => void) {
    this.ports = ports
    this.onActive = onActive
    this.flushLater()
  }

  /** The pod as somebody saw it; older news than the last is ignored. */
  update(pod: Pod): void {
    const key = keyOf(pod.metadata)
    const version = Number(pod.metadata.resourceVersion ?? 0)
    const known = this.entries.get(key)
    if (known !== undefined && version <= known.version) return
    if (known !== undefined && awaitsNode(pod) && known.pod.metadata.uid === pod.metadata.uid)
      this.renew(known, pod, version)
    else {
      this.remove(key)
      if (awaitsNode(pod)) this.add(key, pod, version)
    }
  }

  private renew(known: Entry, pod: Pod, version: number): void {
    // Its own condition changes it, and is no reason to try again.
    const same = known.pod.metadata.labels === pod.metadata.labels && sameSpec(known.pod, pod)
    known.version = version
    known.pod = pod
    if (same) return
    if (known.state === 'taken') known.changed = true
    else if (known.state !== 'active') this.activate(known)
  }

  /** `version`: of the news that it has gone; a newer pod of that name stays. */
  remove(key: string, version = Number.POSITIVE_INFINITY): void {
    const entry = this.entries.get(key)
    if (entry === undefined || entry.version > version) return
    this.leave(entry)
    this.entries.delete(key)
  }

  /** Up to `max` pods, which must all be given back by `failed`, `again` or `remove`. */
  take(max: number): Queued[] {
    const taken: Entry[] = []
    for (const priority of [...this.active.keys()].sort((a, b) => b - a)) {
      for (const entry of this.active.get(priority)?.values() ?? []) {
        if (taken.length === max) break
        taken.push(entry)
      }
    }
    for (const entry of taken) {
      this.leave(entry)
      entry.state = 'taken'
      entry.takenAt = this.cycle
      entry.changed = false
    }
    return taken
  }

  /** No node would take it. */
  failed(key: string, wakers: ReadonlySet<Waker>): void {
    const entry = this.entries.get(key)
    if (entry?.state !== 'taken') return
    entry.attempts++
    entry.failedAt = this.ports.clock.now()
    entry.wakers = wakers
    const missed = [...wakers].some((waker) => (this.lastWoken.get(waker) ?? -1) > entry.takenAt)
    if (entry.changed || (missed && this.active.size === 0)) this.activate(entry)
    else if (missed) this.later(entry, backoffMs(entry))
    else {
      entry.state = 'waiting'
      this.waiting.add(entry)
    }
  }

  /** Its node was lost to another, or the API failed: once more, soon. */
  again(key: string, delayMs: number): void {
    const entry = this.entries.get(key)
    if (entry?.state === 'taken') this.later(entry, delayMs)
  }

  /** As `again`, but for a failure that is the pod's own. */
  erred(key: string, delayMs: number): void {
    const entry = this.entries.get(key)
    if (entry !== undefined) entry.errors++
    this.again(key, delayMs)
  }

  /** Something happened; `concerns` may spare pods that it cannot help. */
  wake(waker: Waker, concerns: (queued: Queued, wakers: ReadonlySet<Waker>) => boolean = () => true): void {
    this.lastWoken.set(waker, ++this.cycle)
    const idle = this.active.size === 0
    for (const entry of this.waiting) {
      if (!entry.wakers.has(waker) || !concerns(entry, entry.wakers)) continue
      if (idle) this.activate(entry)
      else this.release(entry)
    }
  }

  /** Whether pods are to be tried now or soon, other than those that no node would take, or that fail each time. */
  hasMore(): boolean {
    for (const { state, errors } of this.entries.values()) if (state !== 'waiting' && errors < MANY_ERRORS) return true
    return false
  }

  size(): { active: number; all: number } {
    let active = 0
    for (const some of this.active.values()) active += some.size
    return { active, all: this.entries.size }
  }

  stop(): void {
    this.flush?.cancel()
    for (const entry of this.entries.values()) entry.timer?.cancel()
    this.entries.clear()
    this.active.clear()
    this.waiting.clear()
  }

  private add(key: string, pod: Pod, version: number): void {
    const entry: Entry = {
      key,
      pod,
      version,
      attempts: 0,
      state: 'backoff',
      wakers: new Set(),
      failedAt: 0,
      takenAt: 0,
      changed: false,
      errors: 0,
      timer: undefined
    }
    this.entries.set(key, entry)
    this.activate(entry)
  }

  private activate(entry: Entry): void {
    this.leave(entry)
    const priority = entry.pod.spec?.priority ?? 0
    const some = this.active.get(priority) ?? new Map<string, Entry>()
    this.active.set(priority, some.set(entry.key, entry))
    entry.state = 'active'
    this.onActive()
  }

  private release(entry: Entry): void {
    const left = entry.failedAt + backoffMs(entry) - this.ports.clock.now()
    if (left <= 0) this.activate(entry)
    else this.later(entry, left)
  }

  private later(entry: Entry, delayMs: number): void {
    this.leave(entry)
    entry.state = 'backoff'
    entry.timer = this.ports.clock.after(delayMs, () => this.activate(entry))
  }

  /** Out of whatever it is in. */
  private leave(entry: Entry): void {
    entry.timer?.cancel()
    entry.timer = undefined
    this.waiting.delete(entry)
    for (const [priority, some] of this.active)
      if (some.delete(entry.key) && some.size === 0) this.active.delete(priority)
  }

  private flushLater(): void {
    this.flush = this.ports.clock.after(FLUSH_MS, () => {
      const before = this.ports.clock.now() - MAX_WAIT_MS
      for (const entry of this.waiting) if (entry.failedAt <= before) this.activate(entry)
      this.flushLater()
    })
  }
}

function backoffMs({ attempts }: Entry): number {
  return Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(attempts - 1, 10))
}

function sameSpec(a: Pod, b: Pod): boolean {
  return a.spec === b.spec || JSON.stringify(a.spec) === JSON.stringify(b.spec)
}
