/** Keeps this machine's Node and lease in the API: registered, current, and renewed. */
import { isDeepStrictEqual } from 'node:util'
import type { Client } from '../../core/client.ts'
import { isReason } from '../../core/errors.ts'
import { leases, nodes } from '../../core/kinds/refs.ts'
import type { Lease, Node, NodeStatus } from '../../core/kinds/types.ts'
import { microTimestamp, type Ports, sleep } from '../../core/ports.ts'
import { type NodeFacts, nodeObject, nodeStatus } from './node-object.ts'

/** Kubernetes' numbers: a lease of 40 s renewed every 10 s; the status at least every 5 minutes. */
const LEASE_SECONDS = 40
const RENEW_MS = 10_000
const REPORT_MS = 300_000
const CHECK_MS = 10_000
/** While the node is not ready, so that it is as soon as it can be. */
const UNREADY_CHECK_MS = 50
const RETRY_MS = 200
const MAX_RETRY_MS = 7000

export interface RegistrationOptions {
  readonly client: Client
  readonly ports: Ports
  readonly nodeName: string
  /** The node as it is now. */
  readonly facts: () => Promise<NodeFacts>
  readonly signal: AbortSignal
}

export interface Registration {
  /** Something that the status shows may have changed: report it now. */
  refresh(): void
  /** The node as last seen in the API. */
  node(): Node | undefined
}

export function startRegistration(options: RegistrationOptions): Registration {
  const status = new StatusReporter(options)
  void status.run()
  void renewLease(options, () => status.node)
  return { refresh: () => status.refresh(), node: () => status.node }
}

class StatusReporter {
  node: Node | undefined
  private readonly options: RegistrationOptions
  private reportedAt = 0
  private wake = new AbortController()

  constructor(options: RegistrationOptions) {
    this.options = options
  }

  refresh(): void {
    this.wake.abort()
  }

  async run(): Promise<void> {
    const { ports, signal } = this.options
    signal.addEventListener('abort', () => this.wake.abort(), { once: true })
    let retry = RETRY_MS
    while (!signal.aborted) {
      this.wake = new AbortController()
      let wait = CHECK_MS
      try {
        if (!(await this.report())) wait = UNREADY_CHECK_MS
        retry = RETRY_MS
      } catch (error) {
        ports.log.warn({ error: String(error) }, 'the status of the node was not written')
        wait = retry * (0.5 + ports.random.next())
        retry = Math.min(retry * 2, MAX_RETRY_MS)
      }
      if (!signal.aborted) await sleep(ports.clock, wait, this.wake.signal)
    }
  }

  /** Whether the node is ready. */
  private async report(): Promise<boolean> {
    const { client, nodeName, ports } = this.options
    const facts = await this.options.facts()
    const ready = facts.problem === ''
    if (this.node === undefined) {
      this.node = await this.register(facts)
      return ready
    }
    const next = nodeStatus(facts, this.node.status)
    const due = ports.clock.now() - this.reportedAt >= REPORT_MS
    if (!due && sameStatus(this.node.status, next)) return ready
    try {
      this.node = await client.patch(
        nodes,
        { name: nodeName },
        { type: 'strategic', subresource: 'status', body: { status: next } }
      )
      this.reportedAt = ports.clock.now()
    } catch (error) {
      // Somebody deleted the node while its machine lives on.
      if (!isReason(error, 'NotFound')) throw error
      this.node = undefined
      return false
    }
    return ready
  }

  /** Creates the node, or takes over the one that an earlier agent made. */
  private async register(facts: NodeFacts): Promise<Node> {
    const { client, nodeName, ports } = this.options
    const wanted = nodeObject(facts)
    let node: Node
    try {
      node = await client.create(nodes, wanted)
    } catch (error) {
      if (!isReason(error, 'AlreadyExists')) throw error
      const body: Record<string, unknown> = { metadata: { labels: wanted.metadata.labels } }
      const present = await client.get(nodes, { name: nodeName })
      if (present.spec?.podCIDR === undefined || present.spec.podCIDR === '') body.spec = wanted.spec
      node = await client.patch(nodes, { name: nodeName }, { type: 'strategic', body })
    }
    const status = nodeStatus(facts, node.status)
    const body = { status }
    node = await client.patch(nodes, { name: nodeName }, { type: 'strategic', subresource: 'status', body })
    this.reportedAt = ports.clock.now()
    return node
  }
}

/** Heartbeats aside. */
function sameStatus(a: NodeStatus | undefined, b: NodeStatus): boolean {
  const bare = (status: NodeStatus | undefined) => {
    const conditions = (status?.conditions ?? []).map(({ lastHeartbeatTime: _, ...rest }) => rest)
    conditions.sort((x, y) => (x.type < y.type ? -1 : 1))
    return JSON.parse(JSON.stringify({ ...status, conditions })) as unknown
  }
  return isDeepStrictEqual(bare(a), bare(b))
}

async function renewLease(options: RegistrationOptions, node: () => Node | undefined): Promise<void> {
  const { client, ports, nodeName, signal } = options
  const at = { namespace: 'kube-node-lease', name: nodeName }
  let lease: Lease | undefined
  let retry = RETRY_MS
  while (!signal.aborted) {
    const now = ports.clock.now()
    try {
      lease = await (lease === undefined ? client.find(leases, at) : Promise.resolve(lease))
      const spec = { holderIdentity: nodeName, leaseDurationSeconds: LEASE_SECONDS, renewTime: microTimestamp(now) }
      const owner = node()
      if (lease === undefined) {
        const metadata = { ...at, ...(owner === undefined ? {} : { ownerReferences: [ownerOf(owner)] }) }
        lease = await client.create(leases, { metadata, spec })
      } else {
        lease = await client.update(leases, { ...lease, spec: { ...lease.spec, ...spec } })
      }
      retry = RETRY_MS
      await sleep(ports.clock, RENEW_MS, signal)
    } catch (error) {
      // Changed or gone: look again. Not there yet (the namespace) or away: later.
      lease = undefined
      ports.log.debug({ error: String(error) }, 'the lease was not renewed')
      await sleep(ports.clock, retry, signal)
      retry = Math.min(retry * 2, MAX_RETRY_MS)
    }
  }
}

function ownerOf(node: Node) {
  return { apiVersion: 'v1', kind: 'Node', name: node.metadata.name ?? '', uid: node.metadata.uid ?? '' }
}
