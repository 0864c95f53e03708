import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyPair } from '../lambdas/api/certificates.ts'
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
    keyFile: join(paths.node, 'node.key'),
    proxyCertFile: join(paths.node, 'proxy.crt'),
    proxyKeyFile: join(paths.node, 'proxy.key')
  }
  writeAtomically(files.caFile, keys.authority)
  const renew = renewal(keys.authority)
  await renew(files.certFile, files.keyFile, () =>
    keys.issueServingCertificate({
      commonName: `system:node:${cluster.nodeName}`,
      organizations: ['system:nodes'],
      hosts: [cluster.nodeName, nodeIP, '127.0.0.1']
    })
  )
  await renew(files.proxyCertFile, files.proxyKeyFile, () =>
    keys.issueClientCertificate({ commonName: 'system:kube-proxy' })
  )
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

/** Issues a certificate where the file has none, one that is about to expire, or one of another authority or address. */
function renewal(authority: string) {
  return async (certFile: string, keyFile: string, issue: () => Promise<KeyPair>): Promise<void> => {
    if (isUsable(certFile, authority)) return
    const issued = await issue()
    writeAtomically(keyFile, issued.key)
    writeAtomically(certFile, issued.certificate)
  }
}

function isUsable(file: string, authority: string): boolean {
  if (!existsSync(file)) return false
  try {
    const certificate = new X509Certificate(readFileSync(file))
    const serves = certificate.subjectAltName === undefined || certificate.checkIP(hostAddress()) !== undefined
    const ends = certificate.validToDate.getTime()
    return serves && ends - Date.now() > RENEW_BEFORE_MS && certificate.verify(new X509Certificate(authority).publicKey)
  } catch {
    return false
  }
}
