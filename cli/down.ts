import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs'
import type { Server } from 'node:net'
import { join } from 'node:path'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import type { AgentConfig } from '../node-agent/config.ts'
import { killStrayAgent } from './agent-child.ts'
import { releaseClaims } from './claims.ts'
import { type Cluster, requireCluster } from './cluster.ts'
import { CliError } from './errors.ts'
import { codeOf } from './files.ts'
import { formerNode } from './node-config.ts'
import { type Paths, pathsOf } from './paths.ts'
import { isRoot } from './preflight.ts'
import { clearRunning, isAlive, lockFolder, type ProcessRecord, readRunning } from './running.ts'
import { terminal } from './terminal.ts'

const STOP_MS = 15_000

export interface DownOptions {
  readonly dataDir: string
  readonly purge?: boolean
}

/** Stops the cluster's process and every pod on this machine. What is stored stays, unless `purge`. */
export async function down(options: DownOptions): Promise<void> {
  const paths = pathsOf(options.dataDir)
  const cluster = clusterToEnd(paths, options)
  const node = formerNode(paths, cluster)
  if (node !== undefined && !isRoot()) {
    throw new CliError('stopping the node needs root', { hint: 'run it as root (sudo ./wherry down ...)' })
  }
  const lock = await terminal.step('control plane', () => stopControlPlane(paths))
  if (node !== undefined) await stopNode(paths, node)
  if (options.purge === true) purge(paths)
  lock.close()
}

async function stopNode(paths: Paths, node: AgentConfig): Promise<void> {
  const { networkConfigOf } = await import('../node-agent/config.ts')
  const { removeNetwork } = await import('../node-agent/network/network.ts')
  const { stopContainerd } = await import('../node-agent/runtime/containerd.ts')
  killStrayAgent(paths)
  await terminal.step('pods and containerd', () => stopContainerd(node, systemPorts(silentLog)))
  await terminal.step('network', () => removeNetwork(networkConfigOf(node)))
}

/** A folder whose first start has not come far, or whose cluster.json is damaged, can be purged all the same. */
function clusterToEnd(paths: Paths, options: DownOptions): Cluster | undefined {
  if (readRunning(paths) !== undefined && !existsSync(paths.cluster)) return undefined
  if (options.purge !== true) return requireCluster(paths)
  try {
    return requireCluster(paths)
  } catch (error) {
    if (existsSync(paths.cluster)) return undefined
    throw error
  }
}

/** Ends whoever holds the folder, and holds it then, so that nothing starts there meanwhile. */
async function stopControlPlane(paths: Paths): Promise<Server> {
  for (const end = Date.now() + 2 * STOP_MS; ; ) {
    const running = readRunning(paths)
    if (running !== undefined) await endProcess(running)
    try {
      const lock = await lockFolder(paths)
      clearRunning(paths)
      return lock
    } catch (error) {
      // Held, but by whom is not written yet: an `up` that begins, or another `down`.
      if (Date.now() > end) throw error
    }
    await pause()
  }
}

async function endProcess(running: ProcessRecord): Promise<void> {
  try {
    process.kill(running.pid, 'SIGTERM')
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return
    throw new CliError(`no permission to stop process ${running.pid}`, { hint: 'run as the user who started it' })
  }
  const end = Date.now() + STOP_MS
  while (isAlive(running)) {
    if (Date.now() > end) process.kill(running.pid, 'SIGKILL')
    await pause()
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20))
}

/** Removes what is ours in the folder, and the folder unless somebody keeps other things there. */
function purge(paths: Paths): void {
  releaseClaims(paths.dir)
  const ours = /^(cluster\.json|kubeconfig|run\.json|agent\.json|wherry\.log(\.1)?|.*\.\d+\.new|keys|store|node|demo)$/
  for (const name of readdirSync(paths.dir)) {
    if (ours.test(name)) rmSync(join(paths.dir, name), { recursive: true, force: true })
  }
  const others = readdirSync(paths.dir)
  if (others.length > 0) {
    terminal.say(`deleted the cluster in ${paths.dir}; these files are not its own: ${others.join(', ')}`)
    return
  }
  rmdirSync(paths.dir)
  terminal.say(`deleted ${paths.dir}`)
}
