/** Keeps this machine's Node and lease in the API: registered, current, and renewed. */
import { isDeepStrictEqual } from 'node:util'
import type { Client } from '../../core/client.ts'
import type { Doorbell } from '../../core/doorbell.ts'
import { isReason } from '../../core/errors.ts'
import { leases, nodes } from '../../core/kinds/refs.ts'
import type { Lease, Node, NodeSpec, NodeStatus } from '../../core/kinds/types.ts'
import { microTimestamp, type Ports, sleep } from '../../core/ports.ts'
import { type NodeFacts, nodeObject, nodeStatus } from './node-object.ts'

/** Kubernetes' numbers: a lease of 40 s renewed every 10 s; the status at least every 5 minutes. */
const LEASE_SECONDS = 40
const RENEW_MS = 10_000
const REPORT_MS = 300_000
const CHECK_MS = 10_000
/** With a doorbell: a status that did not change is told this often, and a lost ring is made good. */
const RUNG_REPORT_MS = 1_800_000
/** While the node is not ready, so that it is as soon as it can be. */
const UNREADY_CHECK_MS = 50
const LONG_UNREADY_CHECK_MS = 1000
/** A problem shorter than this is not reported of a node that was ready: an agent or a runtime that is restarted. */
const PATIENCE_MS = 5000
const RETRY_MS = 200
const MAX_RETRY_MS = 7000

export interface RegistrationOptions {
  readonly client: Client
  readonly ports: Ports
  readonly nodeName: string
  /** The node as it is now. */
  readonly facts: () => Promise<NodeFacts>
  /** Default: Kubernetes' numbers. */
  readonly lease?: { readonly seconds?: number | undefined; readonly renewMs?: number | undefined }
  /** Rung when nodes change. With it the Node is read only then, and when there is something to report. */
  readonly doorbell?: Doorbell | undefined
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
  private registered = false
  private reported: unknown
  /** The Node may have changed since it was read. */
  private stale = true
  private reportedAt = 0
  private problemSince: number | undefined
  private wake = new AbortController()

  constructor(options: RegistrationOptions) {
    this.options = options
    const remove = options.doorbell?.listen(nodes, () => {
      this.stale = true
      this.refresh()
    })
    if (remove !== undefined) options.signal.addEventListener('abort', remove, { once: true })
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
        if (!(await this.report())) wait = this.unreadyWait()
        retry = RETRY_MS
      } catch (error) {
        this.stale = true
        ports.log.warn({ error: String(error) }, 'the status of the node was not written')
        wait = retry * (0.5 + ports.random.next())
        retry = Math.min(retry * 2, MAX_RETRY_MS)
      }
      if (!signal.aborted) await sleep(ports.clock, wait, this.wake.signal)
    }
  }

  private unreadyWait(): number {
    const since = this.problemSince ?? 0
    return this.options.ports.clock.now() - since < PATIENCE_MS ? UNREADY_CHECK_MS : LONG_UNREADY_CHECK_MS
  }

  /** Whether the node is ready. */
  private async report(): Promise<boolean> {
    const { client, nodeName, ports } = this.options
    const facts = await this.options.facts()
    const ready = facts.problem === ''
    this.problemSince = ready ? undefined : (this.problemSince ?? ports.clock.now())
    if (!ready && (await this.mayPass(this.problemSince))) return false
    if (this.isCurrent(facts)) return ready
    this.stale = this.options.doorbell === undefined
    // Others change it too: a controller that missed the lease, an administrator who deletes it.
    this.node = await client.find(nodes, { name: nodeName })
    if (this.node === undefined || !this.registered) {
      this.node = await this.register(facts)
      this.registered = true
      return ready
    }
    const next = nodeStatus(facts, this.node.status)
    if (!this.isDue() && this.isReported(this.node.status, next)) return ready
    await this.write(next)
    return ready
  }

  /** Nothing is to be read or written: as far as is known, the Node says what the facts are. */
  private isCurrent(facts: NodeFacts): boolean {
    if (this.stale || !this.registered || this.node === undefined || this.isDue()) return false
    return this.isReported(this.node.status, nodeStatus(facts, this.node.status))
  }

  private isDue(): boolean {
    const { doorbell, ports } = this.options
    return ports.clock.now() - this.reportedAt >= (doorbell === undefined ? REPORT_MS : RUNG_REPORT_MS)
  }

  private isReported(known: NodeStatus | undefined, next: NodeStatus): boolean {
    return isDeepStrictEqual(this.reported, steady(next)) && sameConditions(known, next)
  }

  private async write(status: NodeStatus): Promise<void> {
    const { client, nodeName, ports } = this.options
    const patch = { type: 'strategic', subresource: 'status', body: { status } } as const
    this.node = await client.patch(nodes, { name: nodeName }, patch)
    this.reported = steady(status)
    this.reportedAt = ports.clock.now()
  }

  /** Whether to wait with bad news. */
  private async mayPass(since: number | undefined): Promise<boolean> {
    const { client, nodeName, ports } = this.options
    if (since === undefined || ports.clock.now() - since >= PATIENCE_MS) return false
    const node = this.node ?? (await client.find(nodes, { name: nodeName }))
    return node?.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') === true
  }

  /** Creates the node, or takes over the one that an earlier agent made. */
  private async register(facts: NodeFacts): Promise<Node> {
    const { client, nodeName } = this.options
    const wanted = nodeObject(facts)
    let node: Node
    try {
      node = await client.create(nodes, wanted)
    } catch (error) {
      if (!isReason(error, 'AlreadyExists')) throw error
      const { labels, annotations } = wanted.metadata
      const body: Record<string, unknown> = { metadata: { labels, annotations } }
      const { spec = {} } = await client.get(nodes, { name: nodeName })
      body.spec = Object.fromEntries(
        Object.entries(wanted.spec ?? {}).filter(([field]) => isUnset(spec[field as keyof NodeSpec]))
      )
      node = await client.patch(nodes, { name: nodeName }, { type: 'strategic', body })
    }
    this.node = node
    await this.write(nodeStatus(facts, node.status))
    return this.node
  }
}

function isUnset(value: unknown): boolean {
  return value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
}

/** What stays the same while nothing happens. The API may write it in other words ("1024Mi" as "1Gi"). */
function steady(status: NodeStatus): unknown {
  return { ...status, conditions: undefined }
}

/** Heartbeats aside. */
function sameConditions(a: NodeStatus | undefined, b: NodeStatus): boolean {
  const bare = (status: NodeStatus | undefined) => {
    const all = (status?.conditions ?? []).map((one) => `${one.type} ${one.status} ${one.reason} ${one.message}`)
    return all.sort().join('\n')
  }
  return bare(a) === bare(b)
}

async function renewLease(options: RegistrationOptions, node: () => Node | undefined): Promise<void> {
  const { client, ports, nodeName, signal, lease: promise = {} } = options
  const { seconds: leaseDurationSeconds = LEASE_SECONDS, renewMs = RENEW_MS } = promise
  const at = { namespace: 'kube-node-lease', name: nodeName }
  let lease: Lease | undefined
  let retry = RETRY_MS
  while (!signal.aborted) {
    const now = ports.clock.now()
    try {
      lease = await (lease === undefined ? client.find(leases, at) : Promise.resolve(lease))
      const spec = { holderIdentity: nodeName, leaseDurationSeconds, renewTime: microTimestamp(now) }
      const owner = node()
      if (lease === undefined) {
        const metadata = { ...at, ...(owner === undefined ? {} : { ownerReferences: [ownerOf(owner)] }) }
        lease = await client.create(leases, { metadata, spec })
      } else {
        lease = await client.update(leases, { ...lease, spec: { ...lease.spec, ...spec } })
      }
      retry = RETRY_MS
      await sleep(ports.clock, renewMs, signal)
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
