/** Resizing a pod in place: which containers run with other resources than the pod describes now. Pure. */
import type { Container, Pod, PodStatus, ResourceRequirements } from '../../core/kinds/types.ts'
import { quantityMilli } from '../../core/quantity.ts'
import type { RuntimeContainer } from '../runtime/runtime.ts'
import { isSidecar, type PodInput } from './input.ts'

export interface Resize {
  readonly id: string
  readonly name: string
  /** The container must begin anew to get them (its resizePolicy says so). */
  readonly restart: boolean
}

/** Why the node cannot give what is asked for: never (Infeasible), or not now (Deferred). */
export interface ResizeVerdict {
  readonly reason: 'Infeasible' | 'Deferred'
  readonly message: string
}

/** What can change while a container runs. */
const RESIZABLE = ['cpu', 'memory'] as const

export function resizesOf(input: PodInput): readonly Resize[] {
  const { spec } = input.pod
  const sidecars = (spec?.initContainers ?? []).filter(isSidecar)
  return [...sidecars, ...(spec?.containers ?? [])].flatMap((container) => {
    const { name } = container
    const current = input.runtime.containers.find((one) => one.name === name)
    if (current?.state !== 'running' || input.busy.starting.has(name) || input.busy.stopping.has(current.id)) return []
    const changed = changedResources(actualResources(input, container, current), container.resources ?? {})
    if (changed.length === 0) return []
    const restart = changed.some((resource) => policyOf(container, resource) === 'RestartContainer')
    return [{ id: current.id, name, restart }]
  })
}

/** What a running container has: as last set, else as last reported of it, else as it was made. */
export function actualResources(
  { resources, status }: Pick<PodInput, 'resources' | 'status'>,
  container: Container,
  current: RuntimeContainer
): ResourceRequirements {
  return resources.get(current.id) ?? reportedResources(status, current.id) ?? container.resources ?? {}
}

function reportedResources(status: PodStatus, id: string): ResourceRequirements | undefined {
  const all = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
  return all.find((one) => one.containerID?.endsWith(`//${id}`) === true && one.state?.running !== undefined)?.resources
}

function changedResources(from: ResourceRequirements, to: ResourceRequirements): readonly string[] {
  const differs = (a: string | number | undefined, b: string | number | undefined) =>
    (a === undefined ? undefined : quantityMilli(a)) !== (b === undefined ? undefined : quantityMilli(b))
  return RESIZABLE.filter(
    (name) => differs(from.requests?.[name], to.requests?.[name]) || differs(from.limits?.[name], to.limits?.[name])
  )
}

function policyOf({ resizePolicy = [] }: Container, resource: string): string {
  return resizePolicy.find((one) => one.resourceName === resource)?.restartPolicy ?? 'NotRequired'
}

/** The pod with the requests that it was given, where it asks for others now. */
export function allocatedPod(pod: Pod, status: PodStatus): Pod {
  const { spec } = pod
  if (spec === undefined) return pod
  const all = [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])]
  const given = (container: Container): Container => {
    const requests = all.find((one) => one.name === container.name)?.allocatedResources
    return requests === undefined ? container : { ...container, resources: { ...container.resources, requests } }
  }
  const { initContainers, containers } = spec
  const inits = initContainers === undefined ? {} : { initContainers: initContainers.map(given) }
  return { ...pod, status, spec: { ...spec, ...inits, containers: containers.map(given) } }
}

/** "Pod resize started: {...}" with all that the pod describes, as kubelet's events have it. */
export function resizeMessage(pod: Pod, what: string, error?: string): string {
  const { initContainers = [], containers = [] } = pod.spec ?? {}
  const summary = (list: readonly Container[]) =>
    list.map(({ name, resources: { limits, requests } = {} }) => ({ name, resources: { limits, requests } }))
  const text = JSON.stringify({
    initContainers: initContainers.length === 0 ? undefined : summary(initContainers),
    containers: summary(containers),
    generation: pod.metadata.generation ?? 0,
    error
  })
  return `Pod resize ${what}: ${text}`
}
