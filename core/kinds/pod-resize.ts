/** Of the subresource resize: CPU and memory of running containers, and nothing else. */
import type { FieldError } from '../errors.ts'
import { forbidden, invalid } from '../field-errors.ts'
import { type Errors, sameValue } from './checks.ts'
import { MIRROR_POD } from './pod-annotations.ts'
import { qosClass } from './pod-qos.ts'
import type { Container, Pod, PodSpec, Quantity, ResourceRequirements } from './types.ts'

type Amounts = Readonly<Record<string, Quantity>> | undefined
const CHANGEABLE = ['cpu', 'memory'] as const
const EMPTY_SPEC: PodSpec = { containers: [] }

export function validateResize(next: Pod, old: Pod): FieldError[] {
  const refused = refusal(next, old)
  if (refused !== undefined) return [forbidden('', refused)]
  const errors: FieldError[] = []
  const spec = next.spec ?? EMPTY_SPEC
  const before = old.spec ?? EMPTY_SPEC
  if ((old.status?.qosClass || qosClass(old)) !== qosClass(next))
    errors.push(invalid('spec', next.status?.qosClass ?? '', 'Pod QOS Class may not change as a result of resizing'))
  const running = old.status?.containerStatuses?.find(({ state }) => state?.running !== undefined)
  if (running !== undefined && running.resources === undefined)
    errors.push(forbidden('spec', 'Pod running on node without support for resize'))
  before.initContainers?.forEach((container, i) => {
    const after = spec.initContainers?.[i]
    if (after === undefined) return
    if (container.restartPolicy === 'Always') {
      checkContainer(after, container, { path: `spec.initContainers[${i}].resources`, errors })
      if (!sameValue(withOldAmounts(after, container), container))
        errors.push(forbidden('spec', 'only cpu and memory resources for sidecar containers are mutable'))
    } else if (!sameValue(after, container))
      errors.push(forbidden('spec', 'resources for non-sidecar init containers are immutable'))
  })
  before.containers.forEach((container, i) => {
    const after = spec.containers[i]
    if (after === undefined) return
    checkContainer(after, container, { path: `spec.containers[${i}].resources`, errors })
    if (!sameValue(withOldAmounts(after, container), container))
      errors.push(forbidden('spec', 'only cpu and memory resources are mutable'))
  })
  if (errors.length > 0) return errors
  const rest = { ...spec, containers: before.containers, initContainers: before.initContainers }
  const sameNumber =
    spec.containers.length === before.containers.length &&
    (spec.initContainers ?? []).length === (before.initContainers ?? []).length
  return sameNumber && sameValue(rest, before) ? [] : [forbidden('spec', 'only cpu and memory resources are mutable')]
}

function refusal(next: Pod, old: Pod): string | undefined {
  const ofPod = ({ spec }: Pod) =>
    Object.keys(spec?.resources?.requests ?? {}).length + Object.keys(spec?.resources?.limits ?? {}).length > 0
  if (ofPod(next) || ofPod(old)) return 'pods with pod-level resources cannot be resized'
  if (old.metadata.annotations?.[MIRROR_POD] !== undefined) return 'static pods cannot be resized'
  if (old.spec?.os?.name === 'windows') return 'windows pods cannot be resized'
  return undefined
}

function checkContainer(next: Container, old: Container, { path, errors }: { path: string; errors: Errors }): void {
  if (removed(next.resources?.requests, old.resources?.requests))
    errors.push(forbidden(`${path}.requests`, 'resource requests cannot be removed'))
  if (removed(next.resources?.limits, old.resources?.limits))
    errors.push(forbidden(`${path}.limits`, 'resource limits cannot be removed'))
}

function removed(next: Amounts, old: Amounts): boolean {
  return Object.keys(old ?? {}).some((name) => next?.[name] === undefined)
}

function withOldAmounts(next: Container, old: Container): Container {
  const resources: ResourceRequirements = {
    ...next.resources,
    requests: restored(next.resources?.requests, old.resources?.requests),
    limits: restored(next.resources?.limits, old.resources?.limits)
  }
  return { ...next, resources, resizePolicy: old.resizePolicy }
}

function restored(next: Amounts, old: Amounts): Record<string, Quantity> | undefined {
  const out: Record<string, Quantity> = { ...next }
  for (const name of CHANGEABLE) {
    delete out[name]
    const before = old?.[name]
    if (before !== undefined) out[name] = before
  }
  return Object.keys(out).length === 0 ? undefined : out
}
