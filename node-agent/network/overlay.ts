/**
 * Pods of different nodes over a network that knows only the nodes' own addresses, as a VPC: a vxlan device carries
 * packets for another node's range in UDP to that node's address (docs/adr/0008-nodes-on-aws.md). Its MAC address follows
 * from the node's range, so that a node needs to know of another only what its Node object says.
 */
import { VXLAN_PORT } from '../../core/cluster-network.ts'
import { mtuOf, underlyingLink } from './host.ts'
import { must, type Run } from './run.ts'

export interface OverlayConfig {
  readonly clusterName: string
  readonly podCIDR: string
  readonly nodeIP: string
}

/** What vxlan over IPv4 adds to a packet, in bytes: Ethernet 14, vxlan 8, UDP 8, IPv4 20. */
const OVERHEAD = 50
/** The network's number within the UDP port; nodes of two clusters do not share one. */
const NETWORK_ID = 87
/** As in host.ts. */
const ROUTE_PROTOCOL = '87'

/** Linux cuts interface names at 15 characters. */
export function overlayName(clusterName: string): string {
  return `${clusterName.replace(/[^A-Za-z0-9-]/g, '').slice(0, 13)}vx`
}

/** Of the links of pods: a packet that leaves one fits into the underlying link when it is wrapped. */
export async function overlayMtu(nodeIP: string, run: Run): Promise<number> {
  return (await mtuOf(nodeIP, run)) - OVERHEAD
}

/** "02:57:0a:f4:01:00" for 10.244.1.0/24: locally administered, and different for different ranges. */
export function macOf(range: string): string {
  const octets = baseOf(range).split('.')
  return ['02', '57', ...octets.map((octet) => Number(octet).toString(16).padStart(2, '0'))].join(':')
}

function baseOf(range: string): string {
  return range.split('/')[0] ?? ''
}

/** Idempotent; a device of other properties (an agent's with another address) is replaced. Throws where a command fails. */
export async function setUpOverlay(config: OverlayConfig, run: Run): Promise<void> {
  const { podCIDR, nodeIP } = config
  const link = overlayName(config.clusterName)
  const under = await underlyingLink(nodeIP, run)
  if (under === undefined) throw new Error(`no link of this machine has the address ${nodeIP}`)
  const { code, stdout } = await run(['ip', '-d', '-o', 'link', 'show', 'dev', link])
  const right = [
    ` ${macOf(podCIDR)} `,
    ` id ${NETWORK_ID} `,
    ` local ${nodeIP} `,
    ` dev ${under} `,
    ` dstport ${VXLAN_PORT} `
  ]
  if (code === 0 && !right.every((text) => stdout.includes(text)))
    await must(run, ['ip', 'link', 'delete', 'dev', link])
  if (code !== 0 || !right.every((text) => stdout.includes(text))) {
    const vxlan = ['id', `${NETWORK_ID}`, 'local', nodeIP, 'dev', under, 'dstport', `${VXLAN_PORT}`, 'nolearning']
    await must(run, ['ip', 'link', 'add', link, 'address', macOf(podCIDR), 'type', 'vxlan', ...vxlan])
  }
  await must(run, ['ip', 'link', 'set', 'dev', link, 'mtu', String(await overlayMtu(nodeIP, run)), 'up'])
  // The host's own packets to pods of other nodes have an address that those can answer to.
  await must(run, ['ip', 'address', 'replace', `${baseOf(podCIDR)}/32`, 'dev', link])
}

export async function tearDownOverlay(config: Pick<OverlayConfig, 'clusterName'>, run: Run): Promise<void> {
  const link = overlayName(config.clusterName)
  // Its routes, neighbours and forwarding entries go with it.
  if ((await run(['ip', 'link', 'show', 'dev', link])).code === 0)
    await must(run, ['ip', 'link', 'delete', 'dev', link])
}

/** The entries for other nodes. Each call brings all of them to the kernel, whatever it has: they are few and cheap. */
export class OverlayRoutes {
  private readonly config: OverlayConfig
  private readonly run: Run

  constructor(config: OverlayConfig, run: Run) {
    this.config = config
    this.run = run
  }

  /** Pod range -> address of its node. Calls must not overlap. Throws where the kernel refuses. */
  async set(wanted: ReadonlyMap<string, string>): Promise<void> {
    await setUpOverlay(this.config, this.run)
    const link = overlayName(this.config.clusterName)
    const { stdout } = await this.run(['ip', '-4', 'route', 'show', 'dev', link, 'proto', ROUTE_PROTOCOL])
    const gone = stdout.split('\n').flatMap((line) => {
      const range = line.trim().split(' ')[0] ?? ''
      return range === '' || wanted.has(range) ? [] : [range]
    })
    const ranges = [...wanted]
    await this.batch('ip', [
      ...gone.map((range) => `route delete ${range} dev ${link} proto ${ROUTE_PROTOCOL}`),
      ...ranges.map(([range]) => `neighbour replace ${baseOf(range)} lladdr ${macOf(range)} nud permanent dev ${link}`)
    ])
    await this.batch(
      'bridge',
      ranges.map(([range, address]) => `fdb replace ${macOf(range)} dev ${link} dst ${address}`)
    )
    await this.batch(
      'ip',
      ranges.map(([range]) => `route replace ${range} via ${baseOf(range)} dev ${link} onlink proto ${ROUTE_PROTOCOL}`)
    )
    // Without a route nothing leads to them; what is left of them is only untidy.
    for (const range of gone) {
      await this.run(['ip', 'neighbour', 'delete', baseOf(range), 'dev', link])
      await this.run(['bridge', 'fdb', 'delete', macOf(range), 'dev', link])
    }
  }

  private async batch(program: 'ip' | 'bridge', lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await must(this.run, [program, '-batch', '-'], `${lines.join('\n')}\n`)
  }
}
