/**
 * Gives each node a range of addresses for its pods (pkg/controller/nodeipam). Any number of these may run at once: a
 * range belongs to whoever creates the claim of its name, a Lease that goes with its node, and only then is it written
 * into the Node.
 */
import { isReason } from '../../../core/errors.ts'
import { leases, nodes } from '../../../core/kinds/refs.ts'
import type { Lease, Node } from '../../../core/kinds/types.ts'
import type { RunResult } from '../../../core/loop.ts'
import { isVirtual } from '../../../core/virtual-node.ts'
import type { Controller, ControllerContext } from '../controller.ts'
import { chooseRange } from './node-ipam-plan.ts'

const NAMESPACE = 'kube-system'
/** Label of the claims; its value is the node's uid. */
const CLAIM_LABEL = 'wherry.dev/pod-cidr-of'
const RANGE_ANNOTATION = 'wherry.dev/pod-cidr'
/** When all ranges are taken, a node that goes frees one. */
const AGAIN_MS = 60_000

export function nodeIpamController(): Controller {
  return {
    name: 'node-ipam-controller',
    component: 'cidrAllocator',
    workers: 1,
    watches: { nodes: (changes) => changes.filter((one) => lacksRange(one.object as Node)).map(({ key }) => key) },
    start: async ({ client, config }) => {
      if (config.podCIDR === undefined) return []
      const { items } = await client.list(nodes)
      return items.filter(lacksRange).map(({ metadata }) => metadata.name ?? '')
    },
    reconcile
  }
}

function lacksRange(node: Node): boolean {
  const { metadata, spec } = node
  return (spec?.podCIDR ?? '') === '' && metadata.deletionTimestamp === undefined && !isVirtual(node)
}

async function reconcile(name: string, context: ControllerContext): Promise<RunResult | undefined> {
  const { client, config, events } = context
  if (config.podCIDR === undefined) return undefined
  const node = await client.find(nodes, { name })
  if (node === undefined || !lacksRange(node)) return undefined
  const range = await claimFor(node, config.podCIDR, context)
  if (range === undefined) {
    const message = `Node ${name} status is now: CIDRNotAvailable`
    const reference = { kind: 'Node', name, uid: node.metadata.uid, apiVersion: 'v1' }
    events.event(reference, 'Normal', 'CIDRNotAvailable', message)
    return { again: AGAIN_MS }
  }
  const { resourceVersion } = node.metadata
  const body = { metadata: { resourceVersion }, spec: { podCIDR: range, podCIDRs: [range] } }
  try {
    await client.patch(nodes, { name }, { type: 'merge', body })
  } catch (error) {
    if (isReason(error, 'Conflict')) await releaseUnused(name, range, context)
    throw error
  }
  return undefined
}

/** The range that the node has claimed, or claims now; undefined where none is free. Throws AlreadyExists to try again. */
async function claimFor(node: Node, cluster: string, { client }: ControllerContext): Promise<string | undefined> {
  const { name = '', uid = '' } = node.metadata
  const [claims, all] = await Promise.all([
    client.list(leases, { namespace: NAMESPACE, labelSelector: CLAIM_LABEL }),
    client.list(nodes)
  ])
  const own = claims.items.find(({ metadata }) => metadata.labels?.[CLAIM_LABEL] === uid)
  if (own !== undefined) return rangeOf(own)
  const taken = [
    ...claims.items.map(rangeOf),
    ...all.items.flatMap((one) => [one.spec?.podCIDR ?? '', ...(one.spec?.podCIDRs ?? [])])
  ]
  const range = chooseRange({ cluster, taken, seed: name })
  if (range === undefined) return undefined
  await client.create(leases, {
    metadata: {
      ...claimAt(range),
      labels: { [CLAIM_LABEL]: uid },
      annotations: { [RANGE_ANNOTATION]: range },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid }]
    },
    spec: { holderIdentity: name }
  })
  return range
}

/** Another one may have given the node a range meanwhile: then this claim is for nothing. */
async function releaseUnused(name: string, range: string, { client }: ControllerContext): Promise<void> {
  const node = await client.find(nodes, { name })
  if (node === undefined || lacksRange(node) || node.spec?.podCIDR === range) return
  try {
    await client.delete(leases, claimAt(range))
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
}

function claimAt(range: string): { namespace: string; name: string } {
  return { namespace: NAMESPACE, name: `pod-cidr-${range.replace(/[./]/g, '-')}` }
}

function rangeOf(claim: Lease): string {
  return claim.metadata.annotations?.[RANGE_ANNOTATION] ?? ''
}
