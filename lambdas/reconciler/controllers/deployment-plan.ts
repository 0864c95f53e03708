/** What a Deployment wants done with its ReplicaSets (pkg/controller/deployment). Pure. */
import type { Deployment, ReplicaSet } from '../../../core/kinds/types.ts'
import {
  byCreation,
  byRevision,
  bySizeNewer,
  bySizeOlder,
  DESIRED_REPLICAS,
  hasTemplateOf,
  historyLimit,
  isRollingUpdate,
  MAX_REPLICAS,
  maxSurge,
  maxUnavailable,
  replicasOf,
  sumActual,
  sumKept,
  sumReplicas
} from './deployment-math.ts'
import { adjustedSet, newReplicaSet } from './deployment-revision.ts'

export interface RolloutView {
  /** All that the deployment owns, adopted ones included. */
  readonly sets: readonly ReplicaSet[]
  /** Uids of the sets that still have a pod which has not finished. */
  readonly withPods: ReadonlySet<string>
}

/** One write of a ReplicaSet. `from` and `to`, where its size changes, become the Event. */
export type SetAction =
  | { readonly do: 'create'; readonly set: ReplicaSet }
  | { readonly do: 'update'; readonly set: ReplicaSet; readonly from: number; readonly to: number }
  | { readonly do: 'delete'; readonly set: ReplicaSet }

export interface RolloutPlan {
  readonly actions: readonly SetAction[]
  /** As they will be once the actions are done. */
  readonly current: ReplicaSet | undefined
  readonly old: readonly ReplicaSet[]
  /** Paused, or only resized: progress is not judged. */
  readonly judgeProgress: boolean
}

export function planRollout(deployment: Deployment, view: RolloutView): RolloutPlan {
  const work = new Work(deployment, view)
  if (deployment.metadata.deletionTimestamp !== undefined) return work.plan(false)
  if (deployment.spec?.paused === true || work.isResized()) {
    work.adoptTemplate(false)
    work.scale()
    if (deployment.spec?.paused === true) work.cleanUp()
    return work.plan(false)
  }
  if (isRollingUpdate(deployment)) rollUpdate(work)
  else recreate(work, view)
  return work.plan(true)
}

function rollUpdate(work: Work): void {
  work.adoptTemplate(true)
  if (work.growCurrent()) return
  if (work.shrinkOld()) return
  if (work.isComplete()) work.cleanUp()
}

function recreate(work: Work, view: RolloutView): void {
  work.adoptTemplate(false)
  if (work.emptyOld()) return
  const oldPodsLeft = sumActual(work.old) > 0 || [...view.withPods].some((uid) => uid !== work.current?.metadata.uid)
  if (oldPodsLeft) return
  work.adoptTemplate(true)
  work.growCurrent()
  if (work.isComplete()) work.cleanUp()
}

/** The sets while the plan is made: each step sees what the former one decided. */
class Work {
  current: ReplicaSet | undefined
  old: ReplicaSet[]
  private readonly deployment: Deployment
  private readonly actions = new Map<string, SetAction>()

  constructor(deployment: Deployment, { sets }: RolloutView) {
    this.deployment = deployment
    const sorted = sets.toSorted(byCreation)
    this.current = sorted.find((set) => hasTemplateOf(set, deployment))
    this.old = sorted.filter((set) => set !== this.current)
  }

  plan(judgeProgress: boolean): RolloutPlan {
    return { actions: [...this.actions.values()], current: this.current, old: this.old, judgeProgress }
  }

  /** Whether spec.replicas changed since the sets were last sized. */
  isResized(): boolean {
    return this.active().some(({ metadata }) => {
      const desired = metadata.annotations?.[DESIRED_REPLICAS]
      return desired !== undefined && Number(desired) !== replicasOf(this.deployment)
    })
  }

  /** Brings the current set's revision and annotations up to date; makes it, if it must be there. */
  adoptTemplate(create: boolean): void {
    if (this.current !== undefined) {
      const adjusted = adjustedSet(this.deployment, this.current, this.old)
      if (adjusted !== undefined) this.write(this.current, adjusted)
    } else if (create) {
      const empty = newReplicaSet(this.deployment, this.old)
      const set: ReplicaSet = {
        ...empty,
        spec: { ...empty.spec, selector: empty.spec?.selector ?? {}, replicas: this.sizeForCurrent(empty) }
      }
      this.current = set
      this.actions.set(set.metadata.name ?? '', { do: 'create', set })
    }
  }

  growCurrent(): boolean {
    const set = this.current
    if (set === undefined || replicasOf(set) === replicasOf(this.deployment)) return false
    const wanted = replicasOf(this.deployment)
    return this.resize(set, replicasOf(set) > wanted ? wanted : this.sizeForCurrent(set))
  }

  /** NewRSNewReplicas: as many as fit below the surge. */
  private sizeForCurrent(set: ReplicaSet): number {
    const wanted = replicasOf(this.deployment)
    if (!isRollingUpdate(this.deployment)) return wanted
    const size = replicasOf(set)
    const room = wanted + maxSurge(this.deployment) - (sumReplicas(this.old) + size)
    return room <= 0 ? size : size + Math.min(room, wanted - size)
  }

  /**
   * Unhealthy pods of old sets go first, whatever the available ones do; then as many as may be missed. A set that was
   * made smaller may not have said so in its status yet: Kubernetes counts its pods as available once more, and so may
   * take away too many where sets are slow. Here none counts for more than it is asked for.
   */
  shrinkOld(): boolean {
    const old = this.old.filter(isSized)
    if (old.length === 0) return false
    const wanted = replicasOf(this.deployment)
    const minAvailable = wanted - maxUnavailable(this.deployment)
    const current = this.current === undefined ? [] : [this.current]
    const unavailableNew = sumReplicas(current) - sumKept(current)
    const removable = sumReplicas([...old, ...current]) - minAvailable - unavailableNew
    if (removable <= 0) return false
    const cleaned = this.shrinkEach(old, removable, (set) => replicasOf(set) - (set.status?.availableReplicas ?? 0))
    const rest = this.old.filter((set) => old.some((former) => former.metadata.uid === set.metadata.uid))
    const spare = sumKept([...rest, ...current]) - minAvailable
    const scaled = spare > 0 ? this.shrinkEach(rest, spare, replicasOf) : 0
    return cleaned + scaled > 0
  }

  private shrinkEach(sets: readonly ReplicaSet[], limit: number, most: (set: ReplicaSet) => number): number {
    let removed = 0
    for (const set of sets) {
      const count = Math.min(limit - removed, most(set), replicasOf(set))
      if (count <= 0) continue
      this.resize(set, replicasOf(set) - count)
      removed += count
    }
    return removed
  }

  emptyOld(): boolean {
    const sized = this.old.filter(isSized)
    for (const set of sized) this.resize(set, 0)
    return sized.length > 0
  }

  /** The deployment was resized in the middle of a rollout, or between two: every set gets its share. */
  scale(): void {
    const only = this.activeOrLatest()
    if (only !== undefined) {
      this.resize(only, replicasOf(this.deployment))
    } else if (this.isSaturated()) {
      this.emptyOld()
    } else if (isRollingUpdate(this.deployment)) {
      this.scaleProportionally()
    }
  }

  private scaleProportionally(): void {
    const wanted = replicasOf(this.deployment)
    const active = this.active()
    const toAdd = (wanted > 0 ? wanted + maxSurge(this.deployment) : 0) - sumReplicas(active)
    const sets = toAdd === 0 ? active : active.toSorted(toAdd > 0 ? bySizeNewer : bySizeOlder)
    let added = 0
    const sizes = sets.map((set) => {
      const share = toAdd === 0 ? 0 : this.share(set, toAdd, added)
      added += share
      return replicasOf(set) + share
    })
    sets.forEach((set, index) => {
      // What rounding left over goes to the largest set.
      const leftover = index === 0 ? toAdd - added : 0
      this.resize(set, Math.max(0, (sizes[index] ?? 0) + leftover))
    })
  }

  /** GetReplicaSetProportion: how many of `toAdd` (negative: to remove) this set takes. */
  private share(set: ReplicaSet, toAdd: number, added: number): number {
    const size = replicasOf(set)
    if (size === 0 || toAdd === added) return 0
    const allowed = toAdd - added
    const fraction = this.fraction(set)
    return toAdd > 0 ? Math.min(fraction, allowed) : Math.max(fraction, allowed)
  }

  private fraction(set: ReplicaSet): number {
    const size = replicasOf(set)
    const wanted = replicasOf(this.deployment)
    if (wanted === 0) return -size
    const before = Number(set.metadata.annotations?.[MAX_REPLICAS]) || (this.deployment.status?.replicas ?? 0)
    if (before === 0) return 0
    return Math.floor((size * (wanted + maxSurge(this.deployment))) / before + 0.5) - size
  }

  /** Old sets beyond the history limit, lowest revision first; never one that has, had or wants pods. */
  cleanUp(): void {
    const limit = historyLimit(this.deployment)
    if (limit === undefined) return
    const alive = this.old.filter((set) => set.metadata.deletionTimestamp === undefined)
    for (const set of alive.toSorted(byRevision).slice(0, Math.max(0, alive.length - limit))) {
      const { metadata, status } = set
      const unseen = (metadata.generation ?? 0) > (status?.observedGeneration ?? 0)
      if ((status?.replicas ?? 0) !== 0 || replicasOf(set) !== 0 || unseen) continue
      this.actions.set(metadata.name ?? '', { do: 'delete', set })
    }
  }

  /** As the last written status says. */
  isComplete(): boolean {
    const { status, metadata } = this.deployment
    const wanted = replicasOf(this.deployment)
    return (
      (status?.updatedReplicas ?? 0) === wanted &&
      (status?.replicas ?? 0) === wanted &&
      (status?.availableReplicas ?? 0) === wanted &&
      (status?.observedGeneration ?? 0) >= (metadata.generation ?? 0)
    )
  }

  private active(): ReplicaSet[] {
    return [...this.old, ...(this.current === undefined ? [] : [this.current])].filter(isSized)
  }

  /** FindActiveOrLatest: undefined when several sets have pods. */
  private activeOrLatest(): ReplicaSet | undefined {
    const active = this.active()
    if (active.length > 1) return undefined
    return active[0] ?? this.current ?? this.old.at(-1)
  }

  private isSaturated(): boolean {
    const set = this.current
    if (set === undefined) return false
    const wanted = replicasOf(this.deployment)
    const desired = Number(set.metadata.annotations?.[DESIRED_REPLICAS])
    return replicasOf(set) === wanted && desired === wanted && (set.status?.availableReplicas ?? 0) === wanted
  }

  /** Whether the size changed; the annotations are brought up to date in any case. */
  private resize(set: ReplicaSet, size: number): boolean {
    const wanted = replicasOf(this.deployment)
    const annotations = {
      ...set.metadata.annotations,
      [DESIRED_REPLICAS]: String(wanted),
      [MAX_REPLICAS]: String(wanted + maxSurge(this.deployment))
    }
    const changes =
      annotations[DESIRED_REPLICAS] !== set.metadata.annotations?.[DESIRED_REPLICAS] ||
      annotations[MAX_REPLICAS] !== set.metadata.annotations?.[MAX_REPLICAS]
    const from = replicasOf(set)
    if (size === from && !changes) return false
    const spec = { ...set.spec, selector: set.spec?.selector ?? {}, replicas: size }
    this.write(set, { ...set, metadata: { ...set.metadata, annotations }, spec })
    return size !== from
  }

  /** Of several changes of one set, one write remains. */
  private write(before: ReplicaSet, set: ReplicaSet): void {
    const name = set.metadata.name ?? ''
    const former = this.actions.get(name)
    const from = former?.do === 'update' ? former.from : replicasOf(before)
    this.actions.set(
      name,
      former?.do === 'create' ? { do: 'create', set } : { do: 'update', set, from, to: replicasOf(set) }
    )
    if (this.current === before) this.current = set
    else this.old = this.old.map((one) => (one === before ? set : one))
  }
}

function isSized(set: ReplicaSet): boolean {
  return replicasOf(set) > 0
}
