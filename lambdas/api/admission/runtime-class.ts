/** A pod's runtime class says what its sandbox takes, and which nodes have that runtime. */
import type { Pod, PodSpec, RuntimeClass, Toleration } from '../../../core/kinds/types.ts'
import { sameJson } from '../copy.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../types.ts'
import { refuse } from './refuse.ts'

const CLASSES = 'node.k8s.io/runtimeclasses'
const OTHER_OVERHEAD = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"

export const runtimeClass: AdmissionPlugin = {
  name: 'RuntimeClass',
  resources: ['pods'],
  async mutate(request) {
    const { spec } = podOf(request) ?? {}
    if (spec === undefined) return
    const found = await classOf(request, spec)
    if (found === undefined) return
    const { overhead, scheduling } = found
    if (overhead?.podFixed !== undefined) {
      if (
        spec.overhead !== undefined &&
        Object.keys(spec.overhead).length > 0 &&
        !sameJson(spec.overhead, overhead.podFixed)
      )
        throw refuse(request, OTHER_OVERHEAD)
      spec.overhead = { ...overhead.podFixed }
    }
    if (scheduling === undefined) return
    const selector: Record<string, string> = { ...spec.nodeSelector }
    for (const [key, value] of Object.entries(scheduling.nodeSelector ?? {})) {
      if (selector[key] !== undefined && selector[key] !== value)
        throw refuse(
          request,
          `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; pod.spec.nodeSelector[${key}] = ${selector[key]}`
        )
      selector[key] = value
    }
    if (Object.keys(selector).length > 0) spec.nodeSelector = selector
    if (scheduling.tolerations !== undefined)
      spec.tolerations = merged([...(spec.tolerations ?? []), ...structuredClone(scheduling.tolerations)])
  },
  async validate(request) {
    const { spec } = podOf(request) ?? {}
    if (spec === undefined) return
    const found = await classOf(request, spec)
    const { overhead: given } = spec
    if (found?.overhead?.podFixed === undefined) {
      if (given === undefined) return
      throw refuse(request, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead')
    }
    if (!sameJson(given ?? {}, found.overhead.podFixed)) throw refuse(request, OTHER_OVERHEAD)
  }
}

/** Both lists without what another toleration of them covers; of equal ones the first. */
function merged(all: readonly Toleration[]): Toleration[] {
  const kept: Toleration[] = []
  for (const [index, one] of all.entries()) {
    if (kept.some((other) => covers(other, one))) continue
    if (all.slice(index + 1).some((other) => !sameJson(one, other) && covers(other, one))) continue
    kept.push(one)
  }
  return kept
}

/** Whether `wide` tolerates all that `one` does. */
function covers(wide: Toleration, one: Toleration): boolean {
  if (sameJson(wide, one)) return true
  const [wideKey, wideEffect] = [wide.key ?? '', wide.effect ?? '']
  if ((one.key ?? '') !== wideKey && (wideKey !== '' || wide.operator !== 'Exists')) return false
  if ((one.effect ?? '') !== wideEffect && wideEffect !== '') return false
  const limit = wideEffect === 'NoExecute' ? wide.tolerationSeconds : undefined
  if (limit !== undefined && (one.tolerationSeconds ?? Number.POSITIVE_INFINITY) > limit) return false
  if (wide.operator === 'Exists') return true
  return one.operator === 'Equal' && (one.value ?? '') === (wide.value ?? '')
}

function podOf({ kind, operation, subresource, object }: AdmissionRequest): Pod | undefined {
  if (operation !== 'CREATE' || kind.storage !== 'pods' || subresource !== undefined) return undefined
  return object as unknown as Pod
}

async function classOf(
  request: AdmissionRequest,
  { runtimeClassName: name }: PodSpec
): Promise<RuntimeClass | undefined> {
  if (name === undefined) return undefined
  const entry = await request.store.get(CLASSES, name)
  if (entry === undefined) throw refuse(request, `pod rejected: RuntimeClass "${name}" not found`)
  return entry.value as unknown as RuntimeClass
}
