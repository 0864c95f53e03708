/** /etc/resolv.conf and /etc/hosts of a pod. */
import { readFile } from 'node:fs/promises'
import type { Pod } from '../../core/kinds/types.ts'
import type { SandboxConfig } from '../runtime/runtime.ts'
import { domainOf, hostnameOf } from './config.ts'

type Dns = SandboxConfig['dns']

export interface ClusterDns {
  readonly clusterDNS: string
  readonly clusterDomain: string
}

const MOST_SERVERS = 3
const MOST_SEARCHES = 32

export function parseResolvConf(text: string): Dns {
  const servers: string[] = []
  let searches: string[] = []
  let options: string[] = []
  for (const line of text.split('\n')) {
    const [word, ...rest] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/)
    if (word === 'nameserver' && rest[0] !== undefined) servers.push(rest[0])
    if (word === 'search') searches = rest.filter((name) => name !== '.')
    if (word === 'options') options = rest
  }
  return { servers, searches, options }
}

export async function readResolvConf(file: string): Promise<Dns> {
  try {
    return parseResolvConf(await readFile(file, 'utf8'))
  } catch {
    return { servers: [], searches: [], options: [] }
  }
}

export function dnsOf(pod: Pod, cluster: ClusterDns, host: Dns): Dns {
  const { spec, metadata } = pod
  const policy = spec?.dnsPolicy ?? 'ClusterFirst'
  const clusterFirst = policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && spec?.hostNetwork !== true)
  let base: Dns = host
  if (policy === 'None') base = { servers: [], searches: [], options: [] }
  else if (clusterFirst) {
    const { clusterDomain } = cluster
    const searches = [`${metadata.namespace ?? ''}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain]
    base = { servers: [cluster.clusterDNS], searches: [...searches, ...host.searches], options: ['ndots:5'] }
  }
  const own = spec?.dnsConfig
  const options = (own?.options ?? []).map((option) =>
    option.value === undefined ? (option.name ?? '') : `${option.name}:${option.value}`
  )
  const replaced = new Set(options.map((option) => option.split(':')[0]))
  return {
    servers: unique([...base.servers, ...(own?.nameservers ?? [])]).slice(0, MOST_SERVERS),
    searches: unique([...base.searches, ...(own?.searches ?? [])]).slice(0, MOST_SEARCHES),
    options: [...base.options.filter((option) => !replaced.has(option.split(':')[0])), ...options]
  }
}

function unique(items: readonly string[]): string[] {
  return [...new Set(items)]
}

/** `hostFile`: the node's own, for pods on the host's network. */
export function hostsFile(
  pod: Pod,
  podIPs: readonly string[],
  cluster: { clusterDomain: string; hostFile: string }
): string {
  const { spec } = pod
  const head =
    spec?.hostNetwork === true
      ? `# Kubernetes-managed hosts file (host network).\n${cluster.hostFile}`
      : [
          '# Kubernetes-managed hosts file.',
          '127.0.0.1\tlocalhost',
          '::1\tlocalhost ip6-localhost ip6-loopback',
          'fe00::0\tip6-localnet',
          'fe00::0\tip6-mcastprefix',
          'fe00::1\tip6-allnodes',
          'fe00::2\tip6-allrouters',
          ...podIPs.map((ip) => ownLine(ip, pod, cluster.clusterDomain)),
          ''
        ].join('\n')
  const aliases = spec?.hostAliases ?? []
  if (aliases.length === 0) return head
  const lines = aliases.map((alias) => `${alias.ip}\t${(alias.hostnames ?? []).join('\t')}\n`)
  return `${head}\n# Entries added by HostAliases.\n${lines.join('')}`
}

function ownLine(ip: string, pod: Pod, clusterDomain: string): string {
  const hostname = hostnameOf(pod)
  const domain = domainOf(pod, clusterDomain)
  return domain === '' ? `${ip}\t${hostname}` : `${ip}\t${hostname}.${domain}\t${hostname}`
}
