/** For tests: nodes that join, and a scheduler that binds each pod to the first node with room, or says that none has. */
import type { Client } from '../core/client.ts'
import { ApiError } from '../core/errors.ts'
import { nodes, pods } from '../core/kinds/refs.ts'
import type { Node } from '../core/kinds/types.ts'
import { type Ports, timestamp } from '../core/ports.ts'

export interface NodeGiven {
  readonly name: string
  readonly cpu?: string
  readonly memory?: string
  readonly zone?: string
  readonly type?: string
}

/** A ready node, as an agent on an instance registers it. */
export async function join(client: Client, ports: Ports, given: NodeGiven): Promise<void> {
  const { name, cpu = '2', memory = '1500Mi', zone = 'z-1a', type = 't4g.small' } = given
  const labels = {
    'kubernetes.io/arch': 'arm64',
    'kubernetes.io/os': 'linux',
    'kubernetes.io/hostname': name,
    'topology.kubernetes.io/zone': zone,
    'node.kubernetes.io/instance-type': type
  }
  await client.create(nodes, { metadata: { name, labels }, spec: { providerID: `aws:///${zone}/${name}` } })
  const at = timestamp(ports.clock.now())
  const conditions = [
    { type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: at, lastTransitionTime: at }
  ]
  const allocatable = { cpu, memory, pods: '110' }
  const body = { status: { conditions, allocatable, capacity: allocatable } }
  await client.patch(nodes, { name }, { type: 'merge', subresource: 'status', body })
  // The mark of a node that is being prepared, which its lifecycle controller takes away.
  await client.patch(nodes, { name }, { type: 'merge', body: { spec: { taints: null } } })
}

/** Decides all waiting pods once. */
export async function scheduleAll(client: Client, ports: Ports): Promise<void> {
  const open = (await client.list(nodes)).items.filter(isOpen)
  const { items } = await client.list(pods, { fieldSelector: 'spec.nodeName=' })
  for (const { metadata } of items) {
    const at = { namespace: metadata.namespace, name: metadata.name ?? '' }
    let bound = false
    for (const node of open) {
      if (bound) break
      bound = await bind(client, at, node.metadata.name ?? '')
    }
    if (bound) continue
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      lastTransitionTime: timestamp(ports.clock.now())
    }
    const body = { status: { conditions: [condition] } }
    await client.patch(pods, at, { type: 'strategic', subresource: 'status', body })
  }
}

function isOpen({ spec }: Node): boolean {
  return spec?.unschedulable !== true && (spec?.taints ?? []).every(({ effect }) => effect === 'PreferNoSchedule')
}

async function bind(
  client: Client,
  at: { namespace?: string | undefined; name: string },
  node: string
): Promise<boolean> {
  const body = { apiVersion: 'v1', kind: 'Binding', metadata: at, target: { kind: 'Node', name: node } }
  try {
    await client.createSubresource(pods, { ...at, subresource: 'binding' }, body)
    return true
  } catch (error) {
    if (error instanceof ApiError && error.reason === 'Conflict') return false
    throw error
  }
}
