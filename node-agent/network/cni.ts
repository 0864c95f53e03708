/**
 * The CNI configuration that containerd hands to the plugins: a point-to-point link per pod, addresses from the node's
 * range. Masquerading and host ports are the proxy's (nft-text.ts), so no other plugin takes part. With a bridge, a
 * service whose pod is on the same node would need bridge-nf-call-iptables; a point-to-point link is routed anyway.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface CniConfig {
  readonly clusterName: string
  readonly podCIDR: string
  /** containerd's conf_dir: this node's own. */
  readonly cniConfDir: string
  readonly stateDir: string
}

/** `mtu`: of the link that leads to other nodes, in bytes. */
export function conflist(config: CniConfig, mtu: number): object {
  return {
    cniVersion: '0.4.0',
    name: config.clusterName,
    plugins: [
      {
        type: 'ptp',
        mtu,
        ipMasq: false,
        ipam: {
          type: 'host-local',
          // The default folder is the machine's: two nodes on one machine would hand out each other's addresses.
          dataDir: ipamDir(config),
          ranges: [[{ subnet: config.podCIDR }]],
          routes: [{ dst: '0.0.0.0/0' }]
        }
      }
    ]
  }
}

export async function writeConflist(config: CniConfig, mtu: number): Promise<void> {
  await mkdir(config.cniConfDir, { recursive: true })
  await mkdir(ipamDir(config), { recursive: true })
  await writeFile(conflistPath(config), `${JSON.stringify(conflist(config, mtu), null, 2)}\n`)
}

export async function removeConflist(config: CniConfig): Promise<void> {
  await rm(conflistPath(config), { force: true })
  await rm(ipamDir(config), { recursive: true, force: true })
}

function conflistPath(config: CniConfig): string {
  return join(config.cniConfDir, `10-${config.clusterName}.conflist`)
}

function ipamDir(config: CniConfig): string {
  return join(config.stateDir, 'ipam')
}
