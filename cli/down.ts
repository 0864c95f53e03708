import { rmSync } from 'node:fs'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { networkConfigOf } from '../node-agent/config.ts'
import { removeNetwork } from '../node-agent/network/network.ts'
import { stopContainerd } from '../node-agent/runtime/containerd.ts'
import { killStrayAgent } from './agent-child.ts'
import { type Paths, pathsOf, readCluster, releaseClaim } from './cluster.ts'
import { CliError } from './errors.ts'
import { readNodeConfig } from './node-config.ts'
import { isRoot } from './preflight.ts'
import { clearRunning, isAlive, readRunning } from './running.ts'
import { terminal } from './terminal.ts'

const STOP_MS = 15_000

/** Stops the cluster's process and every pod on this machine. What is stored stays, unless `purge`. */
export async function down(options: { readonly dataDir: string; readonly purge?: boolean }): Promise<void> {
  const paths = pathsOf(options.dataDir)
  const cluster = readCluster(paths)
  if (cluster === undefined) throw new CliError(`there is no cluster in ${paths.dir}`)
  await terminal.step('control plane', () => stopControlPlane(paths))
  const node = readNodeConfig(paths)
  const ports = systemPorts(silentLog)
  if (node !== undefined) {
    if (!isRoot()) throw new CliError('stopping the node needs root')
    killStrayAgent(paths)
    await terminal.step('pods and containerd', () => stopContainerd(node, ports))
    await terminal.step('network', () => removeNetwork(networkConfigOf(node)))
  }
  if (options.purge !== true) return
  releaseClaim(cluster, paths)
  rmSync(paths.dir, { recursive: true, force: true })
  terminal.say(`deleted ${paths.dir}`)
}

async function stopControlPlane(paths: Paths): Promise<void> {
  const running = readRunning(paths)
  if (running === undefined) return clearRunning(paths)
  process.kill(running.pid, 'SIGTERM')
  const end = Date.now() + STOP_MS
  while (isAlive(running)) {
    if (Date.now() > end) process.kill(running.pid, 'SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  clearRunning(paths)
}
