/** DELETE of one object or of a collection: at once, after a grace period, or when the finalizers are gone. */
import { ApiError } from '../../core/errors.ts'
import type { ApiResponse, Payload } from '../../core/http.ts'
import type { Kind } from '../../core/kinds/kind.ts'
import type { ObjectMeta } from '../../core/kinds/types.ts'
import type { KubeObject } from '../../core/object.ts'
import { timestamp } from '../../core/ports.ts'
import { decode } from '../../core/validate.ts'
import type { Entry } from '../../store/store.ts'
import { admit } from './admit.ts'
import { jsonAnswer, payloadOf, valueAnswer } from './answers.ts'
import { type Body, bodyOf, isEmpty, notRegistered, readValue } from './body.ts'
import { commitChange, MAX_ATTEMPTS, pause } from './commit.ts'
import { copyJson, sameJson } from './copy.ts'
import { badRequest, conflict, notFound } from './failures.ts'
import { listEntries, listPayload } from './list.ts'
import { type DeleteSettings, deleteSettings } from './options.ts'
import { hasNoDependents, isReturnedWhenDeleted } from './traits.ts'
import type { ApiContext, ResourceRequest } from './types.ts'
import { storeKey } from './update.ts'

const OPTIONS = {
  group: '',
  version: 'v1',
  kind: 'DeleteOptions',
  schema: 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions'
}
/** How many objects of a collection are deleted at once. */
const CONCURRENCY = 16

export async function deleteOne(at: ResourceRequest, context: ApiContext): Promise<ApiResponse> {
  const settings = await settingsOf(at)
  return answer(at.kind, await deleteObject(at, context, settings))
}

/** `gone`: removed now. Otherwise it waits for a grace period or for finalizers. */
export interface Deleted {
  readonly payload: Payload
  readonly gone: boolean
}

async function settingsOf({ request }: ResourceRequest): Promise<DeleteSettings> {
  const body = await bodyOf(request)
  if (isEmpty(body)) return deleteSettings(undefined, request.query)
  return deleteSettings(readOptions(body), request.query)
}

/** DeleteOptions are registered in every group and version; what is wrong is said without naming them. */
function readOptions(body: Body): Record<string, unknown> {
  const value = readValue(body)
  const { kind = OPTIONS.kind, apiVersion = 'v1' } = value
  if (kind !== OPTIONS.kind) throw badRequest(notRegistered(String(kind), String(apiVersion)))
  try {
    return decode(OPTIONS, { ...value, kind, apiVersion: 'v1' }).object
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    throw badRequest(error.message.replace(/^.*? cannot be handled as a DeleteOptions: /, ''))
  }
}

function answer(kind: Kind, { payload, gone }: Deleted): ApiResponse {
  if (!gone || isReturnedWhenDeleted(kind.storage)) return jsonAnswer(200, payload)
  const { name, uid } = (payload.value as KubeObject).metadata
  return valueAnswer(200, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name, ...(kind.group === '' ? {} : { group: kind.group }), kind: kind.resource, uid }
  })
}

export async function deleteObject(
  at: ResourceRequest,
  context: ApiContext,
  settings: DeleteSettings
): Promise<Deleted> {
  const { kind, name = '' } = at
  const key = storeKey(at)
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const old = await context.store.get(kind.storage, key)
    if (old === undefined) throw notFound(kind, name)
    checkPreconditions(kind, old.value.metadata, settings)
    const what = { operation: 'DELETE', name, object: undefined, old: old.value, dryRun: settings.dryRun } as const
    const admitted = { ...what, deletion: settings }
    await admit('mutate', at, { context, what: admitted })
    await admit('validate', at, { context, what: admitted })
    const plan = planDeletion(kind, old.value, { settings, now: context.ports.clock.now() })
    if (settings.dryRun) return { payload: payloadOf(plan.object), gone: plan.gone }
    if (!plan.gone && sameJson(plan.object, old.value)) return { payload: old, gone: false }
    const entry = await commitPlan(context, { kind, key, old }, plan)
    if (entry !== undefined) return { payload: entry, gone: plan.gone }
    await pause(context, attempt)
  }
  throw conflict(kind, name)
}

async function commitPlan(context: ApiContext, on: { kind: Kind; key: string; old: Entry }, plan: Plan) {
  if (!plan.gone) return await commitChange(context, { ...on, next: plan.object })
  return await commitChange(context, { ...on, next: undefined }, plan.object)
}

export function checkPreconditions(kind: Kind, metadata: ObjectMeta, settings: DeleteSettings): void {
  const { uid, resourceVersion } = settings
  const named = { group: kind.group, resource: kind.kind }
  if (uid !== undefined && uid !== metadata.uid) {
    const why = `the UID in the precondition (${uid}) does not match the UID in record (${metadata.uid ?? ''}). The object might have been deleted and then recreated`
    throw conflict(named, metadata.name ?? '', why)
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    const why = `the ResourceVersion in the precondition (${resourceVersion}) does not match the ResourceVersion in record (${metadata.resourceVersion ?? ''}). The object might have been modified`
    throw conflict(named, metadata.name ?? '', why)
  }
}

interface Plan {
  readonly object: KubeObject
  /** Whether nothing holds it any longer. */
  readonly gone: boolean
}

/** What a deletion makes of the object. Pure: `old` is shared and stays as it is. */
export function planDeletion(
  kind: Kind,
  old: KubeObject,
  { settings, now }: { settings: DeleteSettings; now: number }
): Plan {
  if (kind.kind === 'Namespace' && kind.group === '') return planNamespace(kind, old, { settings, now })
  const first = kind.rules.prepareDelete
  if (first !== undefined && old.metadata.deletionTimestamp === undefined) {
    const object = copyJson(old)
    object.metadata.deletionTimestamp = timestamp(now)
    first(object, { now, random: () => 0 })
    return { object, gone: false }
  }
  const graceful = kind.rules.gracePeriod
  const terminating = old.metadata.deletionTimestamp !== undefined
  if (graceful === undefined) {
    const finalizers = finalizersFor(kind, old.metadata, settings)
    if (finalizers.length === 0) return { object: withFinalizers(old, finalizers), gone: true }
    return { object: marked(withFinalizers(old, finalizers), { seconds: 0, now }), gone: false }
  }
  if (terminating && old.metadata.deletionGracePeriodSeconds !== undefined) return shorten(old, settings, now)
  const natural = graceful(old)
  const asked = positive(settings.gracePeriodSeconds) ?? natural
  const seconds = natural === 0 ? 0 : asked
  const finalizers = finalizersFor(kind, old.metadata, settings)
  const object = marked(withFinalizers(old, finalizers), { seconds, now })
  return { object, gone: seconds === 0 && finalizers.length === 0 }
}

/** Less than nothing is the shortest time. */
function positive(seconds: number | undefined): number | undefined {
  return seconds !== undefined && seconds < 0 ? 1 : seconds
}

/** A deletion under way may only be made shorter. */
function shorten(old: KubeObject, settings: DeleteSettings, now: number): Plan {
  const pending = old.metadata.deletionGracePeriodSeconds ?? 0
  const asked = positive(settings.gracePeriodSeconds)
  const held = (old.metadata.finalizers?.length ?? 0) > 0
  if (asked === undefined || asked >= pending) return { object: old, gone: pending === 0 && !held }
  const seconds = asked
  const begun = Date.parse(old.metadata.deletionTimestamp ?? timestamp(now)) - pending * 1000
  const metadata = {
    ...old.metadata,
    deletionTimestamp: timestamp(begun + seconds * 1000),
    deletionGracePeriodSeconds: seconds
  }
  return { object: { ...old, metadata }, gone: seconds === 0 && !held }
}

/** A namespace only turns Terminating; its controller empties it and then removes its finalizers. */
function planNamespace(
  kind: Kind,
  old: KubeObject,
  { settings, now }: { settings: DeleteSettings; now: number }
): Plan {
  const spec = old.spec as { finalizers?: readonly string[] } | undefined
  const held = (spec?.finalizers?.length ?? 0) > 0
  const finalizers = finalizersFor(kind, old.metadata, settings)
  const kept = withFinalizers(old, finalizers)
  const metadata = { ...kept.metadata, deletionTimestamp: old.metadata.deletionTimestamp ?? timestamp(now) }
  const status = { ...(old.status as object | undefined), phase: 'Terminating' }
  return { object: { ...kept, metadata, status }, gone: !held && finalizers.length === 0 }
}

function withFinalizers(old: KubeObject, finalizers: readonly string[]): KubeObject {
  const { finalizers: _, ...metadata } = old.metadata
  return { ...old, metadata: finalizers.length === 0 ? metadata : { ...metadata, finalizers: [...finalizers] } }
}

/** Sets the time of deletion, once; the first time it counts as a new generation. `object.metadata` is private. */
function marked(object: KubeObject, { seconds, now }: { seconds: number; now: number }): KubeObject {
  const { metadata } = object
  if (metadata.deletionTimestamp === undefined) {
    metadata.deletionTimestamp = timestamp(now + seconds * 1000)
    if ((metadata.generation ?? 0) > 0) metadata.generation = (metadata.generation ?? 0) + 1
  }
  metadata.deletionGracePeriodSeconds = seconds
  return object
}

const ORPHAN = 'orphan'
const FOREGROUND = 'foregroundDeletion'

/** The finalizers with those for the garbage collector as the options, the object and the kind's default want them. */
function finalizersFor(kind: Kind, metadata: ObjectMeta, settings: DeleteSettings): readonly string[] {
  const own = metadata.finalizers ?? []
  if (hasNoDependents(kind.storage)) return own
  const rest = own.filter((name) => name !== ORPHAN && name !== FOREGROUND)
  if (shouldOrphan(kind, own, settings)) rest.push(ORPHAN)
  if (shouldWaitForDependents(own, settings)) rest.push(FOREGROUND)
  return sameJson(rest.toSorted(), own.toSorted()) ? own : rest
}

function shouldOrphan(kind: Kind, own: readonly string[], settings: DeleteSettings): boolean {
  if (settings.orphanDependents !== undefined) return settings.orphanDependents
  if (settings.propagationPolicy !== undefined) return settings.propagationPolicy === 'Orphan'
  return own.includes(ORPHAN) || (!own.includes(FOREGROUND) && kind.rules.defaultPropagation === 'Orphan')
}

function shouldWaitForDependents(own: readonly string[], settings: DeleteSettings): boolean {
  if (settings.orphanDependents !== undefined) return false
  if (settings.propagationPolicy !== undefined) return settings.propagationPolicy === 'Foreground'
  return own.includes(FOREGROUND)
}

/** Deletes what the selectors pick, and answers with the list of it, as it was. */
export async function deleteCollection(at: ResourceRequest, context: ApiContext): Promise<ApiResponse> {
  const settings = { ...(await settingsOf(at)), collection: true }
  const listed = await listEntries(at, context)
  const waiting = [...listed.entries]
  const worker = async () => {
    for (let entry = waiting.shift(); entry !== undefined; entry = waiting.shift()) {
      const { name, namespace } = entry.value.metadata
      try {
        await deleteObject({ ...at, name, namespace: namespace ?? at.namespace }, context, settings)
      } catch (error) {
        if (!isGone(error)) throw error
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, worker))
  return jsonAnswer(200, listPayload(at.kind, listed))
}

function isGone(error: unknown): boolean {
  return error instanceof Error && 'reason' in error && error.reason === 'NotFound'
}
