/** Keeps the EndpointSlices of each Service that selects pods (pkg/controller/endpointslice). */
import { isReason } from '../../../core/errors.ts'
import { endpointSlices, nodes, services } from '../../../core/kinds/refs.ts'
import type { Node, Pod, Service } from '../../../core/kinds/types.ts'
import type { RunResult } from '../../../core/loop.ts'
import type { Controller, ControllerContext, KeyMap } from '../controller.ts'
import { at, copyOf, keysOfAll, ownKeys } from '../objects.ts'
import { podsOf, selectorOf, serviceKeys } from '../services.ts'
import { MANAGED_BY, MANAGER, planSlices, SERVICE_NAME, type SlicePlan } from './endpointslice-plan.ts'

/** Milliseconds until a pod's missing node is looked for again. */
const NODE_RETRY_MS = 1000

export function endpointSliceController(): Controller {
  return {
    name: 'endpointslice-controller',
    exclusive: true,
    restRatio: 5,
    watches: {
      services: ownKeys,
      pods: serviceKeys,
      'discovery.k8s.io/endpointslices': sliceKeys
    },
    start: ({ client }) => keysOfAll(client, services),
    reconcile
  }
}

/** Somebody else changed or deleted a slice of ours. */
const sliceKeys: KeyMap = (changes) =>
  changes.flatMap(({ type, object }) => {
    const { namespace, labels } = object.metadata
    const name = labels?.[SERVICE_NAME]
    return type === 'created' || name === undefined || labels?.[MANAGED_BY] !== MANAGER ? [] : [`${namespace}/${name}`]
  })

/** The slices of a deleted Service go with it: they are its dependents. */
async function reconcile(key: string, context: ControllerContext): Promise<RunResult | undefined> {
  const service = await context.client.find(services, at(key))
  if (service === undefined || selectorOf(service) === undefined || service.metadata.deletionTimestamp !== undefined)
    return undefined
  const { namespace, uid = '' } = service.metadata
  const pods = await podsOf(service, context)
  const owned = await context.client.list(endpointSlices, { namespace, index: { name: 'controller', value: uid } })
  // A slice that is empty may say null.
  const slices = owned.items
    .filter(({ metadata }) => metadata.labels?.[MANAGED_BY] === MANAGER && metadata.deletionTimestamp === undefined)
    .map((slice) => ({ ...slice, endpoints: slice.endpoints ?? [] }))
  const plan = planSlices(service, { pods, slices, nodes: await nodesOf(pods, context) })
  await act(service, plan, context)
  return plan.nodeMissing ? { again: NODE_RETRY_MS } : undefined
}

async function nodesOf(pods: readonly Pod[], { client }: ControllerContext): Promise<Map<string, Node>> {
  const names = new Set(pods.map(({ spec }) => spec?.nodeName ?? '').filter((name) => name !== ''))
  const found = await Promise.all(Array.from(names, (name) => client.find(nodes, { name })))
  return new Map(found.flatMap((node) => (node === undefined ? [] : [[node.metadata.name ?? '', node]])))
}

async function act(service: Service, plan: SlicePlan, { client, events }: ControllerContext): Promise<void> {
  try {
    for (const slice of plan.create) await client.create(endpointSlices, structuredClone(slice))
    for (const slice of plan.update) await client.update(endpointSlices, copyOf(slice))
    for (const { metadata } of plan.remove) {
      await client.delete(endpointSlices, { namespace: metadata.namespace, name: metadata.name ?? '' })
    }
  } catch (error) {
    if (!isReason(error, 'NotFound', 'Conflict')) {
      const { namespace, name } = service.metadata
      const message = `Error updating Endpoint Slices for Service ${namespace}/${name}: ${error instanceof Error ? error.message : error}`
      events.event(service, 'Warning', 'FailedToUpdateEndpointSlices', message)
    }
    throw error
  }
}
