import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { NetworkConfig } from './network/network.ts'

/** A node's agent, wherever it runs. */
export interface AgentConfig {
  readonly nodeName: string
  /** The node's own folder, DIR/node: everything the agent and its containerd keep. */
  readonly dataDir: string
  readonly podCIDR: string
  readonly serviceCIDR: string
  /** The address of the cluster's DNS service. */
  readonly clusterDNS: string
  readonly clusterDomain: string
  readonly nodeIP: string
  /** The port of the agent's own server; 0 picks a free one. */
  readonly kubeletPort: number
  /** "wherry" or "wherry-1a2b": the prefix of all that is made on the machine (cgroups, nft tables, devices). */
  readonly clusterName: string
  /** Default: the private containerd's. */
  readonly containerdSocket?: string
  readonly maxPods?: number
  readonly labels?: Readonly<Record<string, string>>
  /** Default /etc/resolv.conf. */
  readonly upstreamResolvConf?: string
  /** The cluster gives the node its range (node-ipam): the agent does not write it into the Node. */
  readonly givenPodCIDR?: boolean
  /** Packets to pods of other nodes are wrapped (network/overlay.ts); default: routes to neighbours. */
  readonly overlay?: boolean
  /** Where pods of this node reach the API, if that is the agent's own proxy. */
  readonly apiProxyAddress?: string
  /** Of the Node: "aws:///us-east-1a/i-0123456789abcdef0". */
  readonly providerID?: string
  readonly annotations?: Readonly<Record<string, string>>
  /** How long the node's lease holds, and how often it is renewed; default 40 s each 10 s, as kubelet. */
  readonly leaseSeconds?: number
  readonly renewMs?: number
  /** "debug", "info" ...; default "info". */
  readonly logLevel?: string
}

/** What `wherry up` or `wherry join` tells the agent: the JSON file of `--config`. */
export interface JoinConfig extends AgentConfig {
  /** As in https://127.0.0.1:6443 */
  readonly apiServer: string
  /** PEM files: the cluster's CA, and the client certificate (CN system:node:NAME, O system:nodes). */
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
  /** The certificate of the agent's own server; default: the client certificate. */
  readonly servingCertFile?: string
  readonly servingKeyFile?: string
  /** The network's own identity (CN system:kube-proxy): a node may not read other nodes. Default: the node's. */
  readonly proxyCertFile?: string
  readonly proxyKeyFile?: string
}

/** What containerd.ts needs of it, so that the CLI need not know a node's certificates. */
export type ContainerdConfig = Pick<AgentConfig, 'dataDir' | 'clusterName' | 'containerdSocket'>

const REQUIRED = [
  'nodeName',
  'dataDir',
  'apiServer',
  'caFile',
  'certFile',
  'keyFile',
  'podCIDR',
  'serviceCIDR',
  'clusterDNS',
  'clusterDomain',
  'nodeIP',
  'clusterName'
] as const

export async function loadConfig(file: string): Promise<JoinConfig> {
  const config = JSON.parse(await readFile(file, 'utf8')) as JoinConfig
  const missing = REQUIRED.filter((field) => typeof config[field] !== 'string' || config[field] === '')
  if (missing.length > 0) throw new Error(`${file}: missing ${missing.join(', ')}`)
  return { ...config, kubeletPort: config.kubeletPort ?? 10250 }
}

/** Where things lie below the node's folder. */
export function pathsOf(dataDir: string) {
  return {
    containerd: join(dataDir, 'containerd'),
    cniConf: join(dataDir, 'cni', 'conf'),
    cniState: join(dataDir, 'cni', 'state'),
    pods: join(dataDir, 'pods'),
    podLogs: join(dataDir, 'logs', 'pods')
  }
}

export function networkConfigOf(config: AgentConfig): NetworkConfig {
  const paths = pathsOf(config.dataDir)
  const { clusterName, nodeName, podCIDR, serviceCIDR, clusterDNS, clusterDomain, nodeIP, apiProxyAddress } = config
  return {
    clusterName,
    nodeName,
    podCIDR,
    serviceCIDR,
    clusterDNS,
    clusterDomain,
    nodeIP,
    cniConfDir: paths.cniConf,
    stateDir: paths.cniState,
    overlay: config.overlay === true,
    ...(apiProxyAddress === undefined ? {} : { apiProxyAddress }),
    upstreamResolvConf: config.upstreamResolvConf ?? '/etc/resolv.conf'
  }
}
