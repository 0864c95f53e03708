/**
 * The node's network: the CNI configuration for the container runtime, the service proxy in nftables, the cluster's DNS
 * on this node, and routes to the pods of other nodes. All of it follows the API by list and watch.
 */
import type { Client, ListQuery } from '../../core/client.ts'
import type { Doorbell } from '../../core/doorbell.ts'
import { endpointSlices, nodes, pods, type ResourceRef, services } from '../../core/kinds/refs.ts'
import type { Node } from '../../core/kinds/types.ts'
import { keyOf, type Resource } from '../../core/object.ts'
import { type Ports, sleep } from '../../core/ports.ts'
import { reflect } from '../../core/reflector.ts'
import { removeConflist, writeConflist } from './cni.ts'
import { Directory } from './dns.ts'
import { DnsServer } from './dns-server.ts'
import { mtuOf, NodeRoutes, setUpHost, tableName, tearDownHost } from './host.ts'
import { OverlayRoutes, overlayMtu, overlayName, setUpOverlay, tearDownOverlay } from './overlay.ts'
import { ServiceProxy, tellAll } from './proxy.ts'
import { ProxyApplier, removeTable } from './proxy-apply.ts'
import { type Run, run as runHere } from './run.ts'

export interface NetworkConfig {
  /** Names the nft table, the link and the CNI network; several clusters on one machine differ in it. */
  readonly clusterName: string
  readonly nodeName: string
  /** Addresses for the pods of this node. */
  readonly podCIDR: string
  readonly serviceCIDR: string
  readonly clusterDNS: string
  readonly clusterDomain: string
  readonly nodeIP: string
  /** containerd's CNI conf_dir. */
  readonly cniConfDir: string
  readonly stateDir: string
  /** Whose name servers answer for the rest of the world; a machine's /etc/resolv.conf. */
  readonly upstreamResolvConf: string
  /** Packets to pods of other nodes are wrapped (overlay.ts); default: routes, for nodes that are neighbours on a link. */
  readonly overlay?: boolean
  readonly apiProxyAddress?: string
}

export interface NetworkOptions {
  /** May list services, endpoint slices and nodes. */
  readonly client: Client
  /** May list the pods of this node, where that is another identity. */
  readonly nodeClient?: Client
  readonly ports: Ports
  readonly config: NetworkConfig
  /** Rung instead of watches held open. */
  readonly doorbell?: Doorbell | undefined
  /** For tests: another network namespace, another port than 53. */
  readonly run?: Run
  readonly dnsAddress?: { readonly address: string; readonly port: number }
}

export interface Network {
  /** Services are in the kernel and DNS answers. */
  ready(): boolean
  /** Resolves when the kernel has every change that had arrived at the time of the call. */
  applied(): Promise<void>
  /** Stops following the API. Services and pods' links go on as they are: a restarted agent takes over. */
  close(): Promise<void>
}

const DNS_PORT = 53

/** Links and settings are put right again this often, should somebody have removed them. */
const REPAIR_MS = 60_000

/** Another process may still hold the address: the agent's predecessor. */
const LISTEN_AGAIN_MS = 500

/** Returns when the runtime may start pods. Throws where the machine does not allow what it needs. */
export async function startNetwork(options: NetworkOptions): Promise<Network> {
  const { config, run = runHere } = options
  await setUpHost(config, run)
  if (config.overlay === true) await setUpOverlay(config, run)
  await writeConflist(config, await (config.overlay === true ? overlayMtu : mtuOf)(config.nodeIP, run))
  const running = new RunningNetwork(options, run)
  running.start()
  return running
}

/** Leaves nothing on the machine. The network must not be running; a part that is missing is no error. */
export async function removeNetwork(config: NetworkConfig, run: Run = runHere): Promise<void> {
  await removeTable(tableName(config.clusterName), run)
  const tables = await run(['nft', 'list', 'tables', 'ip'])
  const others = tables.stdout.split('\n').some((line) => line.startsWith('table ip wherry'))
  await tearDownOverlay(config, run)
  await tearDownHost(config, run, others)
  await removeConflist(config)
}

class RunningNetwork implements Network {
  private readonly options: NetworkOptions
  private readonly run: Run
  private readonly end = new AbortController()
  private readonly proxy: ServiceProxy
  private readonly directory = new Directory()
  private readonly applier: ProxyApplier
  private readonly dns: DnsServer
  private readonly routes: NodeRoutes | OverlayRoutes
  private readonly gateways = new Map<string, { readonly range: string; readonly address: string }>()
  private readonly unsynced = new Set<string>()
  private readonly tasks: Promise<void>[] = []
  private gatewaysChanged = true
  private listening = false
  private routing: Promise<void> = Promise.resolve()

  constructor(options: NetworkOptions, run: Run) {
    const { config, ports } = options
    this.options = options
    this.run = run
    this.proxy = new ServiceProxy(config)
    this.applier = new ProxyApplier({
      config: {
        table: tableName(config.clusterName),
        podCIDR: config.podCIDR,
        serviceCIDR: config.serviceCIDR,
        ...(config.overlay === true ? { overlayLink: overlayName(config.clusterName) } : {})
      },
      proxy: this.proxy,
      run,
      ports
    })
    this.routes = config.overlay === true ? new OverlayRoutes(config, run) : new NodeRoutes(config, run, ports.log)
    this.dns = new DnsServer({
      directory: this.directory,
      zone: {
        domain: config.clusterDomain,
        clusterDNS: config.clusterDNS,
        ranges: [config.serviceCIDR, config.podCIDR]
      },
      upstreamResolvConf: config.upstreamResolvConf,
      ports,
      synced: () => this.unsynced.size === 0
    })
  }

  start(): void {
    const { nodeName } = this.options.config
    this.follow(services, {}, (key, service) => {
      this.proxy.setService(key, service)
      this.directory.setService(key, service)
    })
    this.follow(endpointSlices, {}, (key, slice) => {
      this.proxy.setSlice(key, slice)
      this.directory.setSlice(key, slice)
    })
    this.follow(nodes, {}, (key, node) => {
      this.proxy.setNode(key, node)
      this.setGateway(key, node)
    })
    this.follow(pods, { fieldSelector: `spec.nodeName=${nodeName}` }, (key, pod) => this.proxy.setPod(key, pod))
    this.tasks.push(this.listen(), this.repair())
  }

  ready(): boolean {
    return this.applier.synced() && this.listening
  }

  async applied(): Promise<void> {
    await this.applier.applied()
    await this.routing
  }

  async close(): Promise<void> {
    this.end.abort()
    await Promise.all([...this.tasks, this.applier.close(), this.dns.close()])
    await this.routing
  }

  private follow<T extends Resource>(
    ref: ResourceRef<T>,
    query: Pick<ListQuery, 'fieldSelector'>,
    set: (key: string, object: T | undefined) => void
  ): void {
    let known: Set<string> = new Set()
    this.unsynced.add(ref.resource)
    const { client, nodeClient = client } = this.options
    const task = reflect(ref.resource === 'pods' ? nodeClient : client, ref, {
      query,
      doorbell: this.options.doorbell,
      signal: this.end.signal,
      ports: this.options.ports,
      onSync: (items) => {
        known = tellAll({ known, items }, set)
        this.synced(ref.resource)
      },
      onEvents: (events) => {
        for (const { type, object } of events) {
          const key = keyOf(object.metadata)
          if (type === 'DELETED') known.delete(key)
          else known.add(key)
          set(key, type === 'DELETED' ? undefined : object)
        }
        this.changed()
      }
    })
    this.tasks.push(task)
  }

  /** The first text replaces what a former run left in the kernel, so it must not be written from a part of the picture. */
  private synced(resource: string): void {
    const first = this.unsynced.delete(resource) && this.unsynced.size === 0
    if (first) this.applier.start()
    this.changed()
  }

  private changed(): void {
    if (this.unsynced.size > 0) return
    if (this.proxy.changed()) this.applier.changed()
    if (!this.gatewaysChanged) return
    this.gatewaysChanged = false
    this.route()
  }

  private route(): void {
    if (this.unsynced.size > 0) return
    const wanted = new Map([...this.gateways.values()].map(({ range, address }) => [range, address]))
    const { log } = this.options.ports
    this.routing = this.routing
      .then(() => this.routes.set(wanted))
      .catch((error: unknown) => log.error({ err: error }, 'routes to other nodes could not be set'))
  }

  private setGateway(name: string, node: Node | undefined): void {
    const range = node?.spec?.podCIDR
    const address = node?.status?.addresses?.find((one) => one.type === 'InternalIP')?.address
    const { nodeName, nodeIP } = this.options.config
    // A neighbour of the same address (made-up nodes without an agent) cannot be routed to.
    const gateway = name === nodeName || address === nodeIP || range === undefined ? undefined : address
    const before = this.gateways.get(name)
    if (before?.range === range && before?.address === gateway) return
    this.gatewaysChanged = true
    if (range === undefined || gateway === undefined) this.gateways.delete(name)
    else this.gateways.set(name, { range, address: gateway })
  }

  private async listen(): Promise<void> {
    const { config, ports, dnsAddress } = this.options
    const { address, port } = dnsAddress ?? { address: config.clusterDNS, port: DNS_PORT }
    while (!this.end.signal.aborted) {
      try {
        await this.dns.listen(address, port)
        this.listening = true
        return
      } catch (error) {
        ports.log.warn({ err: error, address, port }, 'DNS cannot have its address yet')
        await sleep(ports.clock, LISTEN_AGAIN_MS, this.end.signal)
      }
    }
  }

  private async repair(): Promise<void> {
    const { config, ports } = this.options
    while (!this.end.signal.aborted) {
      await sleep(ports.clock, REPAIR_MS, this.end.signal)
      if (this.end.signal.aborted) return
      try {
        await setUpHost(config, this.run)
        // A link that was made anew has lost its entries, and a failure is tried again.
        if (config.overlay === true) this.route()
      } catch (error) {
        ports.log.error({ err: error }, "the node's network could not be repaired")
      }
    }
  }
}
