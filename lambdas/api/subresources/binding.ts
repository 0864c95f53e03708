/** POST pods/NAME/binding, or bindings as of old: the scheduler's word that a pod belongs to a node. */
import { errorText, notSupported, required } from '../../../core/field-errors.ts'
import { goQuote } from '../../../core/go-text.ts'
import type { ApiResponse } from '../../../core/http.ts'
import type { Binding, PodCondition, PodSpec, PodStatus } from '../../../core/kinds/types.ts'
import type { KubeObject } from '../../../core/object.ts'
import { timestamp } from '../../../core/ports.ts'
import { decode } from '../../../core/validate.ts'
import { admit } from '../admit.ts'
import { success, valueAnswer, warningHeader } from '../answers.ts'
import { bodyOf, readObject } from '../body.ts'
import { commitChange, MAX_ATTEMPTS, pause } from '../commit.ts'
import { decoding } from '../create.ts'
import { BareError, badRequest, conflict, notFound } from '../failures.ts'
import { ensureNamespace } from '../metadata.ts'
import { writeOptions } from '../options.ts'
import type { ApiContext, ResourceRequest } from '../types.ts'
import { storeKey } from '../update.ts'

const BINDING = { group: '', version: 'v1', kind: 'Binding', schema: 'io.k8s.api.core.v1.Binding' }
const CONFLICTS = { group: '', resource: 'pods/binding' }

export async function binding(at: ResourceRequest, context: ApiContext): Promise<ApiResponse> {
  const { kind } = at
  const body = await bodyOf(at.request)
  const options = writeOptions(at.request.query, 'CreateOptions')
  const { object, warnings } = decode(BINDING, readObject(body, BINDING), decoding(options, body))
  ensureNamespace(object.metadata, at.namespace)
  const name = at.name ?? object.metadata.name ?? ''
  if (object.metadata.name !== name) throw badRequest('name in URL does not match name in Binding object')
  const bound = object as unknown as Binding
  const what = { operation: 'CREATE', name, object, old: undefined, dryRun: options.dryRun } as const
  const on = { ...at, name, subresource: 'binding' }
  await admit('mutate', on, { context, what })
  checkTarget(bound)
  await admit('validate', on, { context, what })
  const key = storeKey({ ...at, name })
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const old = await context.store.get(kind.storage, key)
    if (old === undefined) throw notFound(kind, name)
    checkPod(old.value, bound)
    const next = assigned(old.value, bound, context.ports.clock.now())
    const done = options.dryRun || (await commitChange(context, { kind, key, old, next })) !== undefined
    if (done) return valueAnswer(201, success(201), warningHeader(warnings))
    await pause(context, attempt)
  }
  throw conflict(CONFLICTS, name)
}

function checkTarget({ target }: Binding): void {
  const kind = target?.kind ?? ''
  const errors = []
  if (kind !== '' && kind !== 'Node') errors.push(notSupported('target.kind', kind, ['Node', '<empty>']))
  if ((target?.name ?? '') === '') errors.push(required('target.name'))
  if (errors.length > 0) throw new BareError(errorText(errors))
}

function checkPod(pod: KubeObject, { metadata }: Binding): void {
  const { name = '', uid, resourceVersion, deletionTimestamp } = pod.metadata
  const refuse = (why: string) => conflict(CONFLICTS, name, why)
  const spec = pod.spec as PodSpec
  if (metadata?.uid !== undefined && metadata.uid !== uid) {
    throw refuse(`Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${uid ?? ''}`)
  }
  if (metadata?.resourceVersion !== undefined && metadata.resourceVersion !== resourceVersion) {
    const versions = `${metadata.resourceVersion}, ResourceVersion in object meta: ${resourceVersion ?? ''}`
    throw refuse(`Precondition failed: ResourceVersion in precondition: ${versions}`)
  }
  if (deletionTimestamp !== undefined) throw refuse(`pod ${name} is being deleted, cannot be assigned to a host`)
  if ((spec.nodeName ?? '') !== '') {
    throw refuse(`pod ${name} is already assigned to node ${goQuote(spec.nodeName ?? '')}`)
  }
  if ((spec.schedulingGates?.length ?? 0) > 0) throw refuse(`pod ${name} has non-empty .spec.schedulingGates`)
}

/** Shares what does not change with the old pod. */
function assigned(pod: KubeObject, { metadata, target }: Binding, now: number): KubeObject {
  const annotations = { ...pod.metadata.annotations, ...metadata?.annotations }
  const labels = { ...pod.metadata.labels, ...metadata?.labels }
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      ...(Object.keys(labels).length === 0 ? {} : { labels }),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations })
    },
    spec: { ...(pod.spec as PodSpec), nodeName: target.name },
    status: scheduled(pod, now)
  }
}

function scheduled(pod: KubeObject, now: number): PodStatus {
  const status = (pod.status ?? {}) as PodStatus
  const condition = {
    type: 'PodScheduled',
    status: 'True',
    lastProbeTime: null,
    lastTransitionTime: timestamp(now)
  } as unknown as PodCondition
  const before = status.conditions ?? []
  const known = before.find(({ type }) => type === condition.type)
  if (known === undefined) return { ...status, conditions: [...before, condition] }
  const next = known.status === 'True' ? { ...condition, lastTransitionTime: known.lastTransitionTime } : condition
  return { ...status, conditions: before.map((one) => (one === known ? (next as PodCondition) : one)) }
}
