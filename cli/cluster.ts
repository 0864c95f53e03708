import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { CLAIMS, claim } from './claims.ts'
import { CliError } from './errors.ts'
import { codeOf, holds, writeAtomically } from './files.ts'
import { machineAddresses } from './machine-address.ts'
import { dataDirFlag, type Paths } from './paths.ts'

export const DEFAULT_PORT = 6443
const MOST_CLUSTERS = 64

/** What a data folder says of its cluster, fixed at the first start (cluster.json). */
export interface Cluster {
  /** "wherry", "wherry1" ...: the prefix of all that is made on the machine. */
  readonly name: string
  readonly podCIDR: string
  readonly serviceCIDR: string
  readonly clusterDNS: string
  readonly clusterDomain: string
  readonly nodeName: string
  /** The API's port at the last start. */
  readonly port: number
}

const TEXTS = ['name', 'podCIDR', 'serviceCIDR', 'clusterDNS', 'clusterDomain', 'nodeName'] as const

/** The cluster of a data folder, or undefined where none was ever started. Throws when the file is not readable as one. */
export function readCluster(paths: Paths): Cluster | undefined {
  try {
    const cluster = JSON.parse(readFileSync(paths.cluster, 'utf8')) as Cluster
    if (TEXTS.every((field) => typeof cluster[field] === 'string') && Number.isInteger(cluster.port)) return cluster
  } catch (error) {
    const code = codeOf(error)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    if (code === 'EACCES')
      throw new CliError(`no permission to read ${paths.dir}`, { hint: 'run as root, or as the user who started it' })
  }
  throw new CliError(`${paths.cluster} is damaged`, {
    hint: `restore it from a backup, or give up what is stored: ./wherry down --purge${dataDirFlag(paths)}`
  })
}

/** The cluster that a command needs; throws where none was ever started. */
export function requireCluster(paths: Paths): Cluster {
  const cluster = readCluster(paths)
  if (cluster !== undefined) return cluster
  throw new CliError(`there is no cluster in ${paths.dir}`, {
    hint: `start one with: ./wherry up --detach${dataDirFlag(paths)}`
  })
}

export interface ClusterStart {
  readonly known: Cluster | undefined
  readonly port: number
  /** Pods need addresses that no other cluster of this machine has; the API alone does not. */
  readonly withNode: boolean
}

/** Notes the cluster for this start: the known one, or one with addresses that no other cluster of this machine uses. */
export function openCluster(paths: Paths, { known, port, withNode }: ClusterStart): Cluster {
  const cluster = known === undefined ? newCluster(paths, port) : { ...known, port }
  const holder = claim(cluster.name, paths.dir)
  if (holder !== true && withNode) {
    throw new CliError(`the cluster in ${holder} has the same name and addresses as this one (${cluster.name})`, {
      hint: 'one of them is a copy: delete the other with ./wherry down --purge, or start this one with --control-plane-only'
    })
  }
  const text = `${JSON.stringify(cluster, null, 2)}\n`
  if (!holds(paths.cluster, text)) writeAtomically(paths.cluster, text)
  return cluster
}

function newCluster(paths: Paths, port: number): Cluster {
  for (let index = 0; index < MOST_CLUSTERS; index++) {
    const [pods, services] = [`10.${244 - index}`, `10.${96 + index}`]
    if (isOnMachine(pods) || isOnMachine(services)) continue
    const name = index === 0 ? 'wherry' : `wherry${index}`
    if (claim(name, paths.dir) !== true) continue
    return {
      name,
      podCIDR: `${pods}.0.0/16`,
      serviceCIDR: `${services}.0.0/16`,
      clusterDNS: `${services}.0.10`,
      clusterDomain: 'cluster.local',
      nodeName: hostname().toLowerCase(),
      port
    }
  }
  throw new CliError(`this machine already has ${MOST_CLUSTERS} clusters`, {
    hint: `delete one with ./wherry down --purge --data-dir DIR; they are listed in ${CLAIMS}`
  })
}

/** Whether the machine is itself in that /16, other than through a cluster of ours. */
function isOnMachine(prefix: string): boolean {
  return machineAddresses().some(
    ({ link, address }) => address.startsWith(`${prefix}.`) && !/^(wherry|veth)/.test(link)
  )
}
