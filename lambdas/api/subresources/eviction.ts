/** POST pods/NAME/eviction: a deletion that asks the pod's disruption budget first. */
import { isReason } from '../../../core/errors.ts'
import type { ApiResponse } from '../../../core/http.ts'
import type { Pod } from '../../../core/kinds/types.ts'
import { timestamp } from '../../../core/ports.ts'
import { decode } from '../../../core/validate.ts'
import type { Entry } from '../../../store/store.ts'
import { admit } from '../admit.ts'
import { success, valueAnswer, warningHeader } from '../answers.ts'
import { bodyOf, readObject } from '../body.ts'
import { commitChange, MAX_ATTEMPTS, pause } from '../commit.ts'
import { decoding } from '../create.ts'
import { checkPreconditions, deleteObject } from '../delete.ts'
import { badRequest, conflict, notFound } from '../failures.ts'
import { ensureNamespace } from '../metadata.ts'
import { type DeleteSettings, deleteSettings, writeOptions } from '../options.ts'
import type { ApiContext, ResourceRequest } from '../types.ts'
import { storeKey } from '../update.ts'
import { budgetsOf, isUnhealthyEnough, takeDisruption, tooManyRequests } from './disruption.ts'

const EVICTION = { group: 'policy', version: 'v1', kind: 'Eviction', schema: 'io.k8s.api.policy.v1.Eviction' }
const SEVERAL = 'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.'
const CONDITION = {
  type: 'DisruptionTarget',
  status: 'True',
  reason: 'EvictionByEvictionAPI',
  message: 'Eviction API: evicting'
} as const

export async function eviction(at: ResourceRequest, context: ApiContext): Promise<ApiResponse> {
  const body = await bodyOf(at.request)
  const options = writeOptions(at.request.query, 'CreateOptions')
  const { object, warnings } = decode(EVICTION, readObject(body, EVICTION, ['policy/v1beta1']), decoding(options, body))
  ensureNamespace(object.metadata, at.namespace)
  if (object.metadata.name !== at.name) throw badRequest('name in URL does not match name in Eviction object')
  const asked = deleteSettings((object.deleteOptions ?? {}) as Record<string, unknown>, at.request.query)
  const dryRun = asked.dryRun || options.dryRun
  const what = { operation: 'CREATE', name: at.name, object, old: undefined, dryRun } as const
  await admit('mutate', at, { context, what })
  await admit('validate', at, { context, what })
  // What follows is asked by nobody else: the pod's deletion is not admitted again.
  const refusal = await evict(at, { ...context, admission: [] }, { ...asked, dryRun })
  return refusal ?? valueAnswer(201, success(201), warningHeader(warnings))
}

/** The answer where it is neither success nor a failure with a reason. */
async function evict(
  at: ResourceRequest,
  context: ApiContext,
  settings: DeleteSettings
): Promise<ApiResponse | undefined> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const entry = await podAt(at, context)
    const pod = entry.value as unknown as Pod
    if (!isGone(pod)) return await withBudgets(at, context, { entry, settings })
    // As seen: meanwhile it may have become ready, and then its budget has a say.
    const seen = pod.status?.phase === 'Pending' && pod.metadata.deletionTimestamp === undefined
    try {
      await remove(at, context, seen ? asSeen(settings, entry) : settings)
      return undefined
    } catch (error) {
      if (!isReason(error, 'Conflict') || settings.resourceVersion !== undefined) throw error
    }
    await pause(context, attempt)
  }
  throw conflict(at.kind, at.name ?? '')
}

/** Whether what a budget guards against has happened already, or not begun. */
function isGone({ metadata, status }: Pod): boolean {
  const phase = status?.phase
  if (phase === 'Succeeded' || phase === 'Failed' || phase === 'Pending') return true
  return metadata.deletionTimestamp !== undefined
}

async function withBudgets(
  at: ResourceRequest,
  context: ApiContext,
  { entry, settings }: { entry: Entry; settings: DeleteSettings }
): Promise<ApiResponse | undefined> {
  const pod = entry.value as unknown as Pod
  const [budget, ...others] = await budgetsOf(pod, context)
  if (others.length > 0)
    return valueAnswer(500, {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: SEVERAL,
      code: 500
    })
  if (budget === undefined) {
    await remove(at, context, settings)
    return undefined
  }
  const unhealthy = isUnhealthyEnough(pod, budget)
  if (!unhealthy) await takeDisruption(context, { pod, budget, dryRun: settings.dryRun })
  try {
    await remove(at, context, unhealthy ? asSeen(settings, entry) : settings)
  } catch (error) {
    if (!unhealthy || !isReason(error, 'Conflict') || settings.resourceVersion !== undefined) throw error
    throw tooManyRequests(budget.value.metadata.name ?? '')
  }
  return undefined
}

function asSeen(settings: DeleteSettings, { value }: Entry): DeleteSettings {
  return { ...settings, resourceVersion: settings.resourceVersion ?? value.metadata.resourceVersion }
}

/** Says in the pod why it goes, and deletes it. */
async function remove(at: ResourceRequest, context: ApiContext, settings: DeleteSettings): Promise<void> {
  if (settings.dryRun) {
    await deleteObject(at, context, settings)
    return
  }
  const marked = await mark(at, context, settings)
  const { resourceVersion } = settings
  await deleteObject(at, context, {
    ...settings,
    resourceVersion: resourceVersion === undefined ? undefined : marked.value.metadata.resourceVersion
  })
}

async function mark(at: ResourceRequest, context: ApiContext, settings: DeleteSettings): Promise<Entry> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const old = await podAt(at, context)
    const { value } = old
    checkPreconditions(at.kind, value.metadata, settings)
    const { status } = value as unknown as Pod
    const present = status?.conditions?.find(({ type }) => type === CONDITION.type)
    if (present?.status === 'True' && present.reason === CONDITION.reason) return old
    const others = (status?.conditions ?? []).filter((condition) => condition !== present)
    const condition = { ...CONDITION, lastTransitionTime: timestamp(context.ports.clock.now()) }
    const next = {
      ...value,
      metadata: { ...value.metadata },
      status: { ...status, conditions: [...others, condition] }
    }
    const { kind } = at
    const entry = await commitChange(context, { kind, key: storeKey(at), old, next })
    if (entry !== undefined) return entry
    await pause(context, attempt)
  }
  throw conflict(at.kind, at.name ?? '')
}

async function podAt(at: ResourceRequest, { store }: ApiContext): Promise<Entry> {
  const entry = await store.get(at.kind.storage, storeKey(at))
  if (entry === undefined) throw notFound(at.kind, at.name ?? '')
  return entry
}
