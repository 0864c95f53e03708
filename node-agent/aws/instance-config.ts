/** What an instance is told (the JSON file that user-data.ts writes), and what follows from it for its node. */
import { readFile } from 'node:fs/promises'
import {
  API_PROXY,
  AWS_LEASE_SECONDS,
  AWS_RENEW_MS,
  CLUSTER_DNS,
  CLUSTER_DOMAIN,
  SERVICE_CIDR
} from '../../core/cluster-network.ts'
import type { AgentConfig } from '../config.ts'
import { type InstanceFacts, instanceLabels, providerID } from './metadata.ts'

export interface InstanceConfig {
  /** The cluster's NAME. */
  readonly cluster: string
  /** The API's URL. */
  readonly apiServer: string
  /** The node's own folder; default /var/lib/wherry. */
  readonly dataDir?: string
  /** Beside those of the instance. */
  readonly labels?: Readonly<Record<string, string>>
  readonly maxPods?: number
  /** Default: those of core/cluster-network.ts. */
  readonly leaseSeconds?: number
  readonly renewMs?: number
  /** Default /etc/resolv.conf. */
  readonly upstreamResolvConf?: string
  readonly logLevel?: string
}

const DATA_DIR = '/var/lib/wherry'
/** Where the Node says by which queue it is rung; lambdas/api/relay.ts reads it. */
export const QUEUE_ANNOTATION = 'wherry.dev/queue-url'

export async function loadInstanceConfig(file: string): Promise<InstanceConfig> {
  const config = JSON.parse(await readFile(file, 'utf8')) as Partial<InstanceConfig>
  const { cluster, apiServer } = config
  if (typeof cluster !== 'string' || cluster === '') throw new Error(`${file}: missing cluster`)
  if (typeof apiServer !== 'string' || apiServer === '') throw new Error(`${file}: missing apiServer`)
  return { ...config, cluster, apiServer }
}

/** `podCIDR`: what the cluster gave the node; '' while it is not known. */
export function agentConfig(
  config: InstanceConfig,
  facts: InstanceFacts,
  given: { readonly queueUrl: string; readonly podCIDR: string }
): AgentConfig {
  const { labels, maxPods, upstreamResolvConf, logLevel } = config
  return {
    nodeName: facts.id,
    dataDir: config.dataDir ?? DATA_DIR,
    podCIDR: given.podCIDR,
    givenPodCIDR: true,
    serviceCIDR: SERVICE_CIDR,
    clusterDNS: CLUSTER_DNS,
    clusterDomain: CLUSTER_DOMAIN,
    nodeIP: facts.privateIP,
    kubeletPort: 0,
    clusterName: 'wherry',
    overlay: true,
    apiProxyAddress: API_PROXY.address,
    labels: { ...instanceLabels(facts), ...labels },
    annotations: { [QUEUE_ANNOTATION]: given.queueUrl },
    providerID: providerID(facts),
    leaseSeconds: config.leaseSeconds ?? AWS_LEASE_SECONDS,
    renewMs: config.renewMs ?? AWS_RENEW_MS,
    ...(maxPods === undefined ? {} : { maxPods }),
    ...(upstreamResolvConf === undefined ? {} : { upstreamResolvConf }),
    ...(logLevel === undefined ? {} : { logLevel })
  }
}
