/** What a pod's disruption budget says to its eviction, as k8s.io/kubernetes/pkg/registry/core/pod/storage does. */
import { ApiError } from '../../../core/errors.ts'
import type { Condition, Pod, PodDisruptionBudget } from '../../../core/kinds/types.ts'
import type { KubeObject } from '../../../core/object.ts'
import { timestamp } from '../../../core/ports.ts'
import { labelSelectorMatcher } from '../../../core/selector.ts'
import type { Entry } from '../../../store/store.ts'
import { MAX_ATTEMPTS, pause } from '../commit.ts'
import { forbiddenFor } from '../failures.ts'
import type { ApiContext } from '../types.ts'

export const BUDGETS = 'policy/poddisruptionbudgets'
/** Evictions that the budget's controller has not seen the end of. */
const MAX_DISRUPTED = 2000
const REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget."

/** The budgets that look after the pod. */
export async function budgetsOf(pod: Pod, { store }: ApiContext): Promise<readonly Entry[]> {
  const { entries } = await store.list(BUDGETS, { prefix: `${pod.metadata.namespace}/` })
  const labels = pod.metadata.labels ?? {}
  return entries.filter(({ value }) => labelSelectorMatcher(budgetOf(value).spec?.selector).matches(labels))
}

/** Whether the pod harms no one by going, although a budget looks after it: it serves nothing as it is. */
export function isUnhealthyEnough(pod: Pod, { value }: Entry): boolean {
  if (pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')) return false
  const { spec, status } = budgetOf(value)
  if (spec?.unhealthyPodEvictionPolicy === 'AlwaysAllow') return true
  const desired = status?.desiredHealthy ?? 0
  return desired > 0 && (status?.currentHealthy ?? 0) >= desired
}

/** Takes one disruption off the budget. Throws TooManyRequests where it has none. */
export async function takeDisruption(
  context: ApiContext,
  { pod, budget, dryRun }: { pod: Pod; budget: Entry; dryRun: boolean }
): Promise<void> {
  let entry: Entry | undefined = budget
  for (let attempt = 1; entry !== undefined && attempt <= MAX_ATTEMPTS; attempt++) {
    const next = disrupted(entry.value, pod, timestamp(context.ports.clock.now()))
    if (dryRun) return
    const write = { resource: BUDGETS, key: entry.key, expected: entry.version, object: next }
    if ((await context.store.commit([write])).ok) return
    await pause(context, attempt)
    entry = await context.store.get(BUDGETS, budget.key)
  }
  throw tooManyRequests(budget.value.metadata.name ?? '')
}

/** 429: the budget's controller, or the pod, moved meanwhile. */
export function tooManyRequests(name: string): ApiError {
  return refused(`The disruption budget ${name} is still being processed by the server.`, 10)
}

function refused(message: string, retryAfterSeconds?: number): ApiError {
  const causes = [{ reason: 'DisruptionBudget', message }]
  return new ApiError('TooManyRequests', REFUSAL, {
    details: { causes, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) }
  })
}

function disrupted(value: KubeObject, pod: Pod, now: string): KubeObject {
  const { metadata, status } = budgetOf(value)
  const { name = '' } = metadata
  if ((status?.observedGeneration ?? 0) < (metadata.generation ?? 0)) throw tooManyRequests(name)
  const allowed = status?.disruptionsAllowed ?? 0
  const pods = status?.disruptedPods ?? {}
  const one = { group: 'policy', resource: 'poddisruptionbudget' }
  if (allowed < 0) throw forbiddenFor(one, name, 'pdb disruptions allowed is negative')
  if (Object.keys(pods).length > MAX_DISRUPTED) {
    const why = 'DisruptedPods map too big - too many evictions not confirmed by PDB controller'
    throw forbiddenFor(one, name, why)
  }
  if (allowed === 0) throw refused(whyNone(budgetOf(value)))
  const next = {
    ...status,
    disruptionsAllowed: allowed - 1,
    disruptedPods: { ...pods, [pod.metadata.name ?? '']: now },
    ...(allowed === 1 ? { conditions: withoutDisruptions(budgetOf(value), now) } : {})
  }
  return { ...value, metadata: { ...value.metadata }, status: next }
}

function whyNone({ metadata: { name = '' }, status }: PodDisruptionBudget): string {
  const condition = status?.conditions?.find(({ type }) => type === 'DisruptionAllowed')
  const told = condition?.status === 'False' && condition.message !== ''
  const notNow = `The disruption budget ${name} does not allow evicting pods currently`
  if (told && condition.reason === 'SyncFailed') return `${notNow} because it failed sync: ${condition.message}`
  const [desired, current] = [status?.desiredHealthy ?? 0, status?.currentHealthy ?? 0]
  if (current <= desired)
    return `The disruption budget ${name} needs ${desired} healthy pods and has ${current} currently`
  return told ? `${notNow} (${condition.reason}): ${condition.message}` : notNow
}

function withoutDisruptions({ status }: PodDisruptionBudget, now: string): Condition[] {
  const type = 'DisruptionAllowed'
  const old = status?.conditions?.find((condition) => condition.type === type)
  const next: Condition = {
    type,
    status: 'False',
    observedGeneration: status?.observedGeneration ?? 0,
    lastTransitionTime: old?.status === 'False' ? old.lastTransitionTime : now,
    reason: 'InsufficientPods',
    message: ''
  }
  const conditions = status?.conditions ?? []
  return old === undefined ? [...conditions, next] : conditions.map((one) => (one === old ? next : one))
}

function budgetOf(value: KubeObject): PodDisruptionBudget {
  return value as unknown as PodDisruptionBudget
}
