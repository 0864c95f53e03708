/**
 * Tells nodes that something changed which they look at: one message for each node and batch of changes, into the
 * node's own queue. The node then asks the API for a watch from where it stands. It runs as a controller, so that what
 * cannot be sent is tried again, and given up, as everything else.
 *
 * Keys: "NODE RESOURCE,RESOURCE".
 */
import type { Change } from '../../core/feed.ts'
import { nodes, pods } from '../../core/kinds/refs.ts'
import type { Container, EphemeralContainer, Node, Pod, Volume } from '../../core/kinds/types.ts'
import type { Controller, ControllerContext } from './controller.ts'
import { semanticEqual } from './objects.ts'

/** On a Node: the URL of its queue. */
export const QUEUE_URL = 'wherry.dev/queue-url'

export interface Bell {
  /** Resolves when the message is kept, or the queue is gone. */
  ring(queueUrl: string, message: { readonly resources: readonly string[] }): Promise<void>
}

/** What every node looks at. Of nodes each needs to know where the others' pods are. */
const EVERYONES = new Set(['services', 'discovery.k8s.io/endpointslices', 'nodes'])
/** What a node looks at where one of its pods refers to it. */
const REFERRED = new Set(['configmaps', 'secrets'])

export function doorbell(bell: Bell): Controller {
  return {
    // Whose role reads nodes and pods.
    name: 'node-controller',
    component: 'doorbell',
    watches: { '*': ringsOf },
    start: async () => [],
    reconcile: async (key, { client }) => {
      const [name = '', resources = ''] = key.split(' ')
      const node = await client.find(nodes, { name })
      const url = node?.metadata.annotations?.[QUEUE_URL]
      if (url !== undefined) await bell.ring(url, { resources: resources.split(',') })
      return undefined
    }
  }
}

/** One key for each node that has to hear of any of the changes. */
export async function ringsOf(changes: readonly Change[], context: ControllerContext): Promise<readonly string[]> {
  const rings = new Map<string, Set<string>>()
  const ring = (node: string, resource: string) => rings.set(node, (rings.get(node) ?? new Set()).add(resource))
  const everyones = new Set<string>()
  for (const change of changes) {
    const { resource } = change
    if (resource === 'pods') for (const node of nodesOf(change)) ring(node, resource)
    if (resource === 'nodes' && changedForItself(change)) ring(change.key, resource)
    if (EVERYONES.has(resource) && (resource !== 'nodes' || changedForOthers(change))) everyones.add(resource)
  }
  if (everyones.size > 0)
    for (const { metadata } of (await context.client.list(nodes)).items)
      for (const resource of everyones) ring(metadata.name ?? '', resource)
  for (const { node, resource } of await referring(changes, context)) ring(node, resource)
  return Array.from(rings, ([node, resources]) => `${node} ${[...resources].sort().join(',')}`)
}

/** The nodes of a pod that changed in what its node does not report itself. */
function nodesOf({ type, object, previous }: Change): readonly string[] {
  const [pod, before] = [object as Pod, previous as Pod | undefined]
  const names = new Set([pod.spec?.nodeName ?? '', before?.spec?.nodeName ?? ''].filter((name) => name !== ''))
  if (names.size === 0 || (type === 'updated' && before !== undefined && reportsOnly(pod, before))) return []
  return [...names]
}

/** Whether the pod's status alone changed, and none of its readiness gates. */
function reportsOnly(pod: Pod, before: Pod): boolean {
  const gates = new Set(pod.spec?.readinessGates?.map(({ conditionType }) => conditionType))
  const gated = ({ status }: Pod) => status?.conditions?.filter(({ type }) => gates.has(type))
  return semanticEqual(told(pod), told(before)) && semanticEqual(gated(pod), gated(before))
}

function told({ metadata, spec }: Pod) {
  const { resourceVersion: _, managedFields: __, ...rest } = metadata
  return { metadata: rest, spec }
}

/** A node came, went, or says other things of itself than how it is. */
function changedForOthers({ type, object, previous }: Change): boolean {
  if (type !== 'updated' || previous === undefined) return true
  const [node, before] = [object as Node, previous as Node]
  return (
    !semanticEqual(node.metadata.annotations, before.metadata.annotations) ||
    !semanticEqual(node.spec?.podCIDRs, before.spec?.podCIDRs) ||
    !semanticEqual(node.status?.addresses, before.status?.addresses)
  )
}

/** Somebody else changed what its agent goes by: taints, labels, or a condition that the agent knows better. */
function changedForItself({ type, object, previous }: Change): boolean {
  if (type !== 'updated' || previous === undefined) return false
  const goesBy = ({ metadata, spec, status }: Node) => {
    const conditions = status?.conditions?.map((one) => `${one.type} ${one.status}`).sort()
    return { labels: metadata.labels, spec, conditions }
  }
  return !semanticEqual(goesBy(object as Node), goesBy(previous as Node))
}

/** Nodes with pods that refer to a changed object: their namespace's pods are read, which costs less than rings for nothing. */
async function referring(
  changes: readonly Change[],
  { client }: ControllerContext
): Promise<readonly { readonly node: string; readonly resource: string }[]> {
  const referred = changes.filter(({ resource }) => REFERRED.has(resource))
  const found: { node: string; resource: string }[] = []
  for (const [namespace, some] of Map.groupBy(referred, ({ object }) => object.metadata.namespace)) {
    const { items } = await client.list(pods, { namespace })
    for (const pod of items) {
      const node = pod.spec?.nodeName ?? ''
      if (node === '') continue
      const names = referencesOf(pod)
      for (const { resource, object } of some)
        if (names.has(`${resource}/${object.metadata.name}`)) found.push({ node, resource })
    }
  }
  return found
}

/** "configmaps/NAME" and "secrets/NAME" that a pod's containers and volumes are made of. */
function referencesOf({ spec }: Pod): ReadonlySet<string> {
  const names: (string | undefined)[] = []
  for (const { name } of spec?.imagePullSecrets ?? []) names.push(`secrets/${name}`)
  for (const volume of spec?.volumes ?? []) names.push(...ofVolume(volume))
  const { initContainers = [], containers = [], ephemeralContainers = [] } = spec ?? {}
  for (const container of [...initContainers, ...containers, ...ephemeralContainers])
    names.push(...ofContainer(container))
  return new Set(names.filter((name) => name !== undefined))
}

function ofVolume({ configMap, secret, projected }: Volume): readonly string[] {
  const names = [`configmaps/${configMap?.name}`, `secrets/${secret?.secretName}`]
  for (const source of projected?.sources ?? [])
    names.push(`configmaps/${source.configMap?.name}`, `secrets/${source.secret?.name}`)
  return names
}

function ofContainer({ env = [], envFrom = [] }: Container | EphemeralContainer): readonly string[] {
  const names: string[] = []
  for (const { valueFrom } of env)
    names.push(`configmaps/${valueFrom?.configMapKeyRef?.name}`, `secrets/${valueFrom?.secretKeyRef?.name}`)
  for (const { configMapRef, secretRef } of envFrom)
    names.push(`configmaps/${configMapRef?.name}`, `secrets/${secretRef?.name}`)
  return names
}
