/** What the node's own network needs beside the proxy's table: kernel settings, a link for the cluster's addresses, routes. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../core/ports.ts'
import { must, type Run } from './run.ts'

export interface HostConfig {
  readonly clusterName: string
  readonly serviceCIDR: string
  readonly clusterDNS: string
  readonly nodeIP: string
  readonly stateDir: string
  /** A further address of this machine that pods of this node reach: the agent's way to the API. */
  readonly apiProxyAddress?: string
}

/** Linux cuts interface names at 15 characters. */
const LINK_NAME_MAX = 15

/** Marks our routes ("proto 87") beside those of people and routing daemons (/etc/iproute2/rt_protos: none has 87). */
const ROUTE_PROTOCOL = '87'

/**
 * Pods' packets are forwarded; a node port on 127.0.0.1 leads to a pod, and its answers come back from outside. A pod
 * that reaches itself through a service must not be told to go there directly, which the kernel would do on the links
 * that it makes from now on; such advice also uses up the pod's share of refusals (ICMP is limited for each peer).
 */
const SETTINGS: Readonly<Record<string, string>> = {
  '/proc/sys/net/ipv4/ip_forward': '1',
  '/proc/sys/net/ipv4/conf/all/route_localnet': '1',
  '/proc/sys/net/ipv4/conf/all/send_redirects': '0',
  '/proc/sys/net/ipv4/conf/default/send_redirects': '0'
}

export function linkName(clusterName: string): string {
  return `${clusterName.replace(/[^A-Za-z0-9-]/g, '').slice(0, LINK_NAME_MAX - 1)}0`
}

/** nft knows letters, digits and underscores for sure. */
export function tableName(clusterName: string): string {
  return clusterName.replace(/[^A-Za-z0-9_]/g, '_').replace(/^[^A-Za-z]/, 'w$&')
}

/** Idempotent. Throws where a command fails. */
export async function setUpHost(config: HostConfig, run: Run): Promise<void> {
  await applySettings(config, run)
  const link = linkName(config.clusterName)
  if ((await run(['ip', 'link', 'show', 'dev', link])).code !== 0) await addLink(link, run)
  await must(run, ['ip', 'link', 'set', 'dev', link, 'up'])
  await must(run, ['ip', 'address', 'replace', `${config.clusterDNS}/32`, 'dev', link])
  if (config.apiProxyAddress !== undefined)
    await must(run, ['ip', 'address', 'replace', `${config.apiProxyAddress}/32`, 'dev', link])
  // Where the machine has no default route, the kernel would refuse a service's address before the proxy sees it; and
  // the host's own connections to services get the node's address as their source.
  const route = ['ip', 'route', 'replace', config.serviceCIDR, 'dev', link, 'proto', ROUTE_PROTOCOL]
  if ((await run([...route, 'src', config.nodeIP])).code !== 0) await must(run, route)
}

/** A dummy where the kernel has it; else a bridge without ports, which is as good a place for an address. */
async function addLink(link: string, run: Run): Promise<void> {
  if ((await run(['ip', 'link', 'add', link, 'type', 'dummy'])).code === 0) return
  await must(run, ['ip', 'link', 'add', link, 'type', 'bridge'])
}

/** Sets and notes what was before, once, so that `tearDownHost` can give it back. */
async function applySettings(config: HostConfig, run: Run): Promise<void> {
  const before = await readNote<Record<string, string>>(config, SETTINGS_NOTE, {})
  for (const [path, value] of Object.entries(SETTINGS)) {
    const { code, stdout, stderr } = await run(['cat', path])
    if (code !== 0) throw new Error(`cat ${path}: ${stderr.trim()}`)
    if (stdout.trim() === value) continue
    before[path] ??= stdout.trim()
    await writeNote(config, SETTINGS_NOTE, before)
    await must(run, ['tee', path], value)
  }
}

/** `others`: another cluster on this machine still needs the settings. */
export async function tearDownHost(config: HostConfig, run: Run, others: boolean): Promise<void> {
  const link = linkName(config.clusterName)
  for (const [range, gateway] of Object.entries(await readNote<Record<string, string>>(config, ROUTES_NOTE, {})))
    await run(['ip', 'route', 'delete', range, 'via', gateway, 'proto', ROUTE_PROTOCOL])
  // Its addresses and the routes through it go with it.
  if ((await run(['ip', 'link', 'show', 'dev', link])).code === 0)
    await must(run, ['ip', 'link', 'delete', 'dev', link])
  if (!others) {
    const before = await readNote<Record<string, string>>(config, SETTINGS_NOTE, {})
    for (const [path, value] of Object.entries(before)) await run(['tee', path], value)
  }
  await rm(noteDir(config), { recursive: true, force: true })
}

/** Bytes; of the link that has the node's address. 1500 where it cannot be told. */
export async function mtuOf(nodeIP: string, run: Run): Promise<number> {
  const link = await underlyingLink(nodeIP, run)
  if (link === undefined) return 1500
  return Number(/ mtu (\d+)/.exec((await run(['ip', '-o', 'link', 'show', 'dev', link])).stdout)?.[1] ?? 1500)
}

/** The name of the link that has the address. */
export async function underlyingLink(nodeIP: string, run: Run): Promise<string | undefined> {
  const { stdout } = await run(['ip', '-o', 'address', 'show', 'to', nodeIP])
  return /^\d+: ([^\s@]+)/.exec(stdout)?.[1]
}

/**
 * Routes to the pods of the other nodes, by their addresses; those of nodes that have gone are removed. A node that is
 * not a neighbour on a link cannot be a gateway: that is logged, and other means (a cloud's route table) must do.
 */
export class NodeRoutes {
  private readonly config: HostConfig
  private readonly run: Run
  private readonly log: Log
  private installed: Map<string, string> | undefined

  constructor(config: HostConfig, run: Run, log: Log) {
    this.config = config
    this.run = run
    this.log = log
  }

  /** Pod range -> address of its node. Calls must not overlap. */
  async set(wanted: ReadonlyMap<string, string>): Promise<void> {
    this.installed ??= new Map(Object.entries(await readNote<Record<string, string>>(this.config, ROUTES_NOTE, {})))
    const installed = this.installed
    const gone = [...installed].filter(([range, gateway]) => wanted.get(range) !== gateway)
    const fresh = [...wanted].filter(([range, gateway]) => installed.get(range) !== gateway)
    if (gone.length + fresh.length === 0) return
    for (const [range, gateway] of gone) {
      await this.run(['ip', 'route', 'delete', range, 'via', gateway, 'proto', ROUTE_PROTOCOL])
      installed.delete(range)
    }
    for (const [range, gateway] of fresh) {
      const result = await this.run(['ip', 'route', 'replace', range, 'via', gateway, 'proto', ROUTE_PROTOCOL])
      if (result.code === 0) installed.set(range, gateway)
      else this.log.warn({ range, gateway, stderr: result.stderr.trim() }, 'no route to the pods of a node')
    }
    await writeNote(this.config, ROUTES_NOTE, Object.fromEntries(installed))
  }
}

const SETTINGS_NOTE = 'settings-before.json'
const ROUTES_NOTE = 'routes.json'

function noteDir(config: HostConfig): string {
  return join(config.stateDir, 'network')
}

async function writeNote(config: HostConfig, name: string, value: object): Promise<void> {
  await mkdir(noteDir(config), { recursive: true })
  await writeFile(join(noteDir(config), name), JSON.stringify(value))
}

async function readNote<T>(config: HostConfig, name: string, otherwise: T): Promise<T> {
  try {
    return JSON.parse(await readFile(join(noteDir(config), name), 'utf8')) as T
  } catch {
    return otherwise
  }
}
