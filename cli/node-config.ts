import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Keys } from '../lambdas/api/keys.ts'
import type { AgentConfig } from '../node-agent/config.ts'
import { type Cluster, hostAddress, type Paths, writeAtomically } from './cluster.ts'

const RENEW_BEFORE_MS = 30 * 24 * 3600 * 1000

export function nodeConfigFile(paths: Paths): string {
  return join(paths.node, 'config.json')
}

/** Writes what this machine's node agent needs to join the cluster, and returns the file. */
export async function writeNodeConfig(what: { paths: Paths; cluster: Cluster; keys: Keys }): Promise<string> {
  const { paths, cluster, keys } = what
  mkdirSync(paths.node, { recursive: true, mode: 0o700 })
  const nodeIP = hostAddress()
  const files = {
    caFile: join(paths.node, 'ca.crt'),
    certFile: join(paths.node, 'node.crt'),
    keyFile: join(paths.node, 'node.key')
  }
  writeAtomically(files.caFile, keys.authority)
  if (!isUsable(files.certFile, { authority: keys.authority, nodeIP })) {
    const issued = await keys.issueServingCertificate({
      commonName: `system:node:${cluster.nodeName}`,
      organizations: ['system:nodes'],
      hosts: [cluster.nodeName, nodeIP, '127.0.0.1']
    })
    writeAtomically(files.keyFile, issued.key)
    writeAtomically(files.certFile, issued.certificate)
  }
  const config: AgentConfig = {
    ...files,
    nodeName: cluster.nodeName,
    dataDir: paths.node,
    apiServer: `https://127.0.0.1:${cluster.port}`,
    podCIDR: firstNodeCIDR(cluster.podCIDR),
    serviceCIDR: cluster.serviceCIDR,
    clusterDNS: cluster.clusterDNS,
    clusterDomain: cluster.clusterDomain,
    nodeIP,
    kubeletPort: 0,
    clusterName: cluster.name
  }
  writeAtomically(nodeConfigFile(paths), `${JSON.stringify(config, null, 2)}\n`)
  return nodeConfigFile(paths)
}

/** The node's config of the last start, for commands that clean up after it. */
export function readNodeConfig(paths: Paths): AgentConfig | undefined {
  const file = nodeConfigFile(paths)
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as AgentConfig) : undefined
}

/** The first /24 of the cluster's /16. */
function firstNodeCIDR(podCIDR: string): string {
  return podCIDR.replace('/16', '/24')
}

function isUsable(file: string, wanted: { readonly authority: string; readonly nodeIP: string }): boolean {
  if (!existsSync(file)) return false
  try {
    const certificate = new X509Certificate(readFileSync(file))
    const ends = certificate.validToDate.getTime()
    return (
      ends - Date.now() > RENEW_BEFORE_MS &&
      certificate.verify(new X509Certificate(wanted.authority).publicKey) &&
      certificate.checkIP(wanted.nodeIP) !== undefined
    )
  } catch {
    return false
  }
}
