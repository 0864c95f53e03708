/** A pod's priority comes from its PriorityClass, never from its author. */
import { SYSTEM_PRIORITIES } from '../../../core/kinds/scheduling.ts'
import type { Pod, PriorityClass } from '../../../core/kinds/types.ts'
import type { StoreApi } from '../../../store/store.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../types.ts'
import { nameOf, refuse } from './refuse.ts'

const CLASSES = 'scheduling.k8s.io/priorityclasses'
const DEFAULT_POLICY = 'PreemptLowerPriority'

export const podPriority: AdmissionPlugin = {
  name: 'Priority',
  resources: ['pods', CLASSES],
  async mutate(request) {
    const { kind, operation, subresource } = request
    if (kind.group !== '' || kind.resource !== 'pods' || subresource !== undefined) return
    const pod = request.object as unknown as Pod
    if (operation === 'CREATE') await resolve(request, pod)
    if (operation === 'UPDATE') keep(pod, request.old as unknown as Pod)
  },
  async validate(request) {
    const { kind, operation, object } = request
    if (kind.resource !== 'priorityclasses') return
    if (operation === 'DELETE' && Object.hasOwn(SYSTEM_PRIORITIES, nameOf(request)))
      throw refuse(request, 'this is a system priority class and cannot be deleted')
    if ((operation !== 'CREATE' && operation !== 'UPDATE') || object?.globalDefault !== true) return
    const present = await globalDefault(request.store)
    if (present === undefined || (operation === 'UPDATE' && present.metadata.name === nameOf(request))) return
    const { name } = present.metadata
    throw refuse(request, `PriorityClass ${name} is already marked as default. Only one default can exist`)
  }
}

/** What this plugin has set, an update need not repeat. */
function keep({ spec }: Pod, old: Pod): void {
  if (spec === undefined || old.spec === undefined) return
  const { priority, preemptionPolicy } = old.spec
  if (priority !== undefined) spec.priority ??= priority
  if (preemptionPolicy !== undefined) spec.preemptionPolicy ??= preemptionPolicy
}

async function resolve(request: AdmissionRequest, pod: Pod): Promise<void> {
  const { spec } = pod
  if (spec === undefined) return
  const found = await classOf(request, spec.priorityClassName)
  const priority = found?.value ?? 0
  const policy = found === undefined ? DEFAULT_POLICY : (found.preemptionPolicy ?? DEFAULT_POLICY)
  if (spec.priority !== undefined && spec.priority !== null && spec.priority !== priority)
    throw refuse(
      request,
      `the integer value of priority (${spec.priority}) must not be provided in pod spec; priority admission controller computed ${priority} from the given PriorityClass name`
    )
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy)
    throw refuse(
      request,
      `the string value of PreemptionPolicy (${spec.preemptionPolicy}) must not be provided in pod spec; priority admission controller computed ${policy} from the given PriorityClass name`
    )
  spec.priority = priority
  spec.preemptionPolicy = policy
  if (found?.metadata.name !== undefined) spec.priorityClassName = found.metadata.name
}

async function classOf(request: AdmissionRequest, name: string | undefined): Promise<PriorityClass | undefined> {
  if (name === undefined || name === '') return await globalDefault(request.store)
  const entry = await request.store.get(CLASSES, name)
  if (entry === undefined) throw refuse(request, `no PriorityClass with name ${name} was found`)
  return entry.value as unknown as PriorityClass
}

/** Every pod without a class asks for it, so it is kept until a class changes. */
const defaults = new WeakMap<StoreApi, { found: Promise<PriorityClass | undefined> | undefined }>()

async function globalDefault(store: StoreApi): Promise<PriorityClass | undefined> {
  let kept = defaults.get(store)
  if (kept === undefined) {
    const fresh: { found: Promise<PriorityClass | undefined> | undefined } = { found: undefined }
    store.onChange((changes) => {
      if (changes.some((change) => change.resource === CLASSES)) fresh.found = undefined
    })
    defaults.set(store, fresh)
    kept = fresh
  }
  kept.found ??= findDefault(store)
  return await kept.found
}

/** Of several, which only a race could leave behind, the one of the lowest value, as in Kubernetes. */
async function findDefault(store: StoreApi): Promise<PriorityClass | undefined> {
  const { entries } = await store.list(CLASSES)
  const classes = entries.map((entry) => entry.value as unknown as PriorityClass)
  return classes.filter((entry) => entry.globalDefault === true).sort((a, b) => a.value - b.value)[0]
}
