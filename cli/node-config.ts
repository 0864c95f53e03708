import { X509Certificate } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KeyPair } from '../lambdas/api/certificates.ts'
import type { Keys } from '../lambdas/api/keys.ts'
import type { AgentConfig, JoinConfig } from '../node-agent/config.ts'
import type { Cluster } from './cluster.ts'
import { writeAtomically } from './files.ts'
import { hostAddress } from './machine-address.ts'
import type { Paths } from './paths.ts'

const RENEW_BEFORE_MS = 30 * 24 * 3600 * 1000

export function nodeConfigFile(paths: Paths): string {
  return join(paths.node, 'config.json')
}

/** Writes what this machine's node agent needs to join the cluster, and returns the file. */
export async function writeNodeConfig(what: { paths: Paths; cluster: Cluster; keys: Keys }): Promise<string> {
  const { paths, cluster, keys } = what
  mkdirSync(paths.node, { recursive: true, mode: 0o700 })
  const config = nodeConfig(paths, cluster)
  writeAtomically(config.caFile, keys.authority)
  const renew = renewal(keys.authority)
  await renew(config.certFile, config.keyFile, () =>
    keys.issueServingCertificate({
      commonName: `system:node:${cluster.nodeName}`,
      organizations: ['system:nodes'],
      hosts: [cluster.nodeName, config.nodeIP, '127.0.0.1']
    })
  )
  await renew(config.proxyCertFile, config.proxyKeyFile, () =>
    keys.issueClientCertificate({ commonName: 'system:kube-proxy' })
  )
  writeAtomically(nodeConfigFile(paths), `${JSON.stringify(config, null, 2)}\n`)
  return nodeConfigFile(paths)
}

/** The config of this machine's node, which follows from the cluster. */
export function nodeConfig(paths: Paths, cluster: Cluster) {
  const { nodeName, name, serviceCIDR, clusterDNS, clusterDomain, port } = cluster
  const at = (file: string) => join(paths.node, file)
  const level = process.env.WHERRY_LOG_LEVEL
  return {
    caFile: at('ca.crt'),
    certFile: at('node.crt'),
    keyFile: at('node.key'),
    proxyCertFile: at('proxy.crt'),
    proxyKeyFile: at('proxy.key'),
    nodeName,
    dataDir: paths.node,
    apiServer: `https://127.0.0.1:${port}`,
    podCIDR: firstNodeCIDR(cluster.podCIDR),
    serviceCIDR,
    clusterDNS,
    clusterDomain,
    nodeIP: hostAddress(),
    kubeletPort: 0,
    clusterName: name,
    ...(level === undefined ? {} : { logLevel: level })
  } satisfies JoinConfig
}

/** What a node of this folder has left on the machine, if there ever was one: for `down`, whatever files are damaged. */
export function formerNode(paths: Paths, cluster: Cluster | undefined): AgentConfig | undefined {
  if (!existsSync(paths.node)) return undefined
  if (cluster !== undefined) return nodeConfig(paths, cluster)
  try {
    return JSON.parse(readFileSync(nodeConfigFile(paths), 'utf8')) as AgentConfig
  } catch {
    return undefined
  }
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
