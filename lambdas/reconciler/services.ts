/** Which pods a Service reaches, and at which ports: what endpoints and endpoint slices have in common. */
import type { Change } from '../../core/feed.ts'
import { pods, services } from '../../core/kinds/refs.ts'
import type { ContainerPort, Pod, Service, ServicePort } from '../../core/kinds/types.ts'
import { keyOf, type Resource } from '../../core/object.ts'
import { labelSetMatcher } from '../../core/selector.ts'
import type { ControllerContext } from './controller.ts'
import { semanticEqual } from './objects.ts'
import { isFinished, isReady } from './pods.ts'

/** Undefined where nobody keeps its endpoints: no selector, or only a name elsewhere. */
export function selectorOf(service: Service): Readonly<Record<string, string>> | undefined {
  const { selector, type } = service.spec ?? {}
  if (type === 'ExternalName' || selector === undefined || Object.keys(selector).length === 0) return undefined
  return selector
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None'
}

export async function podsOf(service: Service, { client }: ControllerContext): Promise<readonly Pod[]> {
  const selector = Object.entries(selectorOf(service) ?? {}).map(([key, value]) => `${key}=${value}`)
  const { namespace } = service.metadata
  return (await client.list(pods, { namespace, labelSelector: selector.join(',') })).items
}

export function addressesOf(pod: Pod): string[] {
  const { podIP, podIPs = [] } = pod.status ?? {}
  if (podIPs.length > 0) return podIPs.map(({ ip }) => ip)
  return podIP === undefined || podIP === '' ? [] : [podIP]
}

/** It has an address and may serve, or finish to serve. */
export function isEndpoint(pod: Pod, includeTerminating: boolean): boolean {
  if (isFinished(pod) || addressesOf(pod).length === 0) return false
  return includeTerminating || pod.metadata.deletionTimestamp === undefined
}

/** A pod's own DNS name within a headless service. */
export function hostnameOf(pod: Pod, service: Service): string | undefined {
  const { hostname, subdomain } = pod.spec ?? {}
  if (hostname === undefined || hostname === '' || subdomain !== service.metadata.name) return undefined
  return hostname
}

/** Undefined where the pod has no port of that name. */
export function targetPortOf(pod: Pod, port: ServicePort): number | undefined {
  const { targetPort = port.port, protocol = 'TCP' } = port
  if (typeof targetPort === 'number') return targetPort === 0 ? port.port : targetPort
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  const isTarget = (candidate: ContainerPort) =>
    candidate.name === targetPort && (candidate.protocol ?? 'TCP') === protocol
  for (const { ports } of [...(pod.spec?.containers ?? []), ...sidecars]) {
    const found = ports?.find(isTarget)
    if (found !== undefined) return found.containerPort
  }
  return undefined
}

/** Keys of the services that select a pod which changed in a way that its endpoints show, or selected it before. */
export async function serviceKeys(changes: readonly Change[], { client }: ControllerContext): Promise<string[]> {
  const labelSets = new Map<string, (Record<string, string> | undefined)[]>()
  for (const change of changes) {
    for (const object of concerned(change)) {
      const namespace = object.metadata.namespace ?? ''
      const sets = labelSets.get(namespace) ?? []
      sets.push(object.metadata.labels)
      labelSets.set(namespace, sets)
    }
  }
  const keys: string[] = []
  for (const [namespace, sets] of labelSets) {
    const { items } = await client.list(services, { namespace })
    for (const service of items) {
      const selector = selectorOf(service)
      if (selector === undefined) continue
      const matcher = labelSetMatcher(selector)
      if (sets.some((labels) => matcher.matches(labels))) keys.push(keyOf(service.metadata))
    }
  }
  return keys
}

function concerned({ type, object, previous }: Change): Resource[] {
  const pod = object as Pod
  if (type !== 'updated' || previous === undefined) return addressesOf(pod).length === 0 ? [] : [pod]
  const before = previous as Pod
  const labelled = !semanticEqual(pod.metadata.labels, before.metadata.labels)
  const changed =
    labelled ||
    pod.metadata.deletionTimestamp !== before.metadata.deletionTimestamp ||
    isReady(pod) !== isReady(before) ||
    isFinished(pod) !== isFinished(before) ||
    pod.spec?.nodeName !== before.spec?.nodeName ||
    !semanticEqual(addressesOf(pod), addressesOf(before))
  if (!changed || (addressesOf(pod).length === 0 && addressesOf(before).length === 0)) return []
  return labelled ? [pod, before] : [pod]
}
