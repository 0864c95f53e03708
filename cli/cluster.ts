import {
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { join, resolve } from 'node:path'
import { CliError } from './errors.ts'

export const DEFAULT_DATA_DIR = '/var/lib/wherry'
export const DEFAULT_PORT = 6443

/** Every cluster of this machine holds one name here, a link to its data folder: it names bridges, tables and cgroups. */
const CLAIMS = '/var/lib/wherry-clusters'
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

export interface Paths {
  readonly dir: string
  readonly cluster: string
  readonly kubeconfig: string
  readonly keys: string
  readonly store: string
  readonly node: string
  readonly run: string
  readonly log: string
}

export function pathsOf(dataDir: string): Paths {
  const dir = resolve(dataDir)
  return {
    dir,
    cluster: join(dir, 'cluster.json'),
    kubeconfig: join(dir, 'kubeconfig'),
    keys: join(dir, 'keys'),
    store: join(dir, 'store'),
    node: join(dir, 'node'),
    run: join(dir, 'run.json'),
    log: join(dir, 'wherry.log')
  }
}

/** The cluster of a data folder, or undefined where none was ever started. Throws when the file is not readable as one. */
export function readCluster(paths: Paths): Cluster | undefined {
  if (!existsSync(paths.cluster)) return undefined
  try {
    const cluster = JSON.parse(readFileSync(paths.cluster, 'utf8')) as Cluster
    if (typeof cluster.name === 'string' && typeof cluster.serviceCIDR === 'string') return cluster
  } catch {
    // told below
  }
  throw new CliError(`${paths.cluster} is damaged`, {
    hint: `restore it from a backup, or start anew with: ./wherry down --purge --data-dir ${paths.dir}`
  })
}

/** Reads the folder's cluster or makes one with addresses that no other cluster of this machine uses. */
export function openCluster(paths: Paths, port: number | undefined): Cluster {
  makeFolder(paths.dir)
  const known = readCluster(paths)
  const cluster = known === undefined ? newCluster(paths, port ?? DEFAULT_PORT) : { ...known, port: port ?? known.port }
  if (known !== undefined) claim(cluster.name, paths.dir)
  writeAtomically(paths.cluster, `${JSON.stringify(cluster, null, 2)}\n`)
  return cluster
}

function newCluster(paths: Paths, port: number): Cluster {
  for (let index = 0; index < MOST_CLUSTERS; index++) {
    const name = index === 0 ? 'wherry' : `wherry${index}`
    if (!claim(name, paths.dir)) continue
    return {
      name,
      podCIDR: `10.${244 - index}.0.0/16`,
      serviceCIDR: `10.${96 + index}.0.0/16`,
      clusterDNS: `10.${96 + index}.0.10`,
      clusterDomain: 'cluster.local',
      nodeName: hostname().toLowerCase(),
      port
    }
  }
  throw new CliError(`this machine already has ${MOST_CLUSTERS} clusters`, { hint: `see ${CLAIMS}` })
}

/** Whether `name` now belongs to this folder. Without the right to claim (not root) it does: such a cluster has no node. */
function claim(name: string, dir: string): boolean {
  const link = join(CLAIMS, name)
  try {
    mkdirSync(CLAIMS, { recursive: true })
    symlinkSync(dir, link)
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code !== 'EEXIST') return true
  }
  const holder = readlinkSync(link)
  if (holder === dir) return true
  if (existsSync(join(holder, 'cluster.json'))) return false
  rmSync(link, { force: true })
  return claim(name, dir)
}

export function releaseClaim(cluster: Cluster, paths: Paths): void {
  const link = join(CLAIMS, cluster.name)
  try {
    if (readlinkSync(link) === paths.dir) rmSync(link)
  } catch {
    // never claimed
  }
}

/** The address under which pods and other machines reach this one. */
export function hostAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
  const usable = addresses.find((one) => one.family === 'IPv4' && !one.internal && !one.address.startsWith('169.254.'))
  return usable?.address ?? '127.0.0.1'
}

/** Makes the data folder, for its owner's eyes only. */
export function makeFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EACCES' || code === 'EPERM') {
      throw new CliError(`no permission to write ${dir}`, { hint: 'run as root, or choose a folder with --data-dir' })
    }
    if (code === 'EEXIST' || code === 'ENOTDIR') throw new CliError(`${dir} is not a folder`)
    throw error
  }
}

export function writeAtomically(file: string, text: string, mode = 0o600): void {
  const draft = `${file}.${process.pid}.new`
  writeFileSync(draft, text, { mode })
  renameSync(draft, file)
}
