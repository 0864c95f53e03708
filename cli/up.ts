import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { nodes } from '../core/kinds/refs.ts'
import type { Node } from '../core/kinds/types.ts'
import { type Ports, sleep } from '../core/ports.ts'
import { systemPorts } from '../core/system-ports.ts'
import { AgentChild, killStrayAgent } from './agent-child.ts'
import { type Cluster, makeFolder, openCluster, type Paths, pathsOf, readCluster } from './cluster.ts'
import { type ControlPlane, startControlPlane } from './control-plane.ts'
import { CliError } from './errors.ts'
import { fileLog } from './log.ts'
import { writeNodeConfig } from './node-config.ts'
import { install, machineProblems, NODE_NEEDS, requirePort } from './preflight.ts'
import { clearRunning, lockFolder, writeRunning } from './running.ts'
import { type Progress, progressTo, terminal } from './terminal.ts'

const NODE_READY_MS = 60_000

export interface UpOptions {
  readonly dataDir: string
  readonly port?: number
  readonly detach?: boolean
  readonly controlPlaneOnly?: boolean
}

/** What a detached child tells its parent. */
type Message = { readonly say: string } | { readonly ready: true } | { readonly failed: string; readonly hint?: string }

export async function up(options: UpOptions): Promise<void> {
  if (options.detach === true) return await upDetached(options)
  const send = process.send?.bind(process)
  if (send === undefined) return await run(options, terminal)
  const tell = (message: Message) => send(message)
  try {
    await run(
      options,
      progressTo((say) => tell({ say }))
    )
    tell({ ready: true })
    process.disconnect()
  } catch (error) {
    const hint = error instanceof CliError ? error.hint : undefined
    tell({ failed: error instanceof Error ? error.message : String(error), ...(hint === undefined ? {} : { hint }) })
    process.exit(1)
  }
}

/** Starts everything and returns when it is ready; the process then lives until it is told to stop. */
async function run(options: UpOptions, progress: Progress): Promise<void> {
  const paths = pathsOf(options.dataDir)
  const withNode = options.controlPlaneOnly !== true
  if (withNode) {
    const problems = machineProblems()
    if (problems.length > 0) {
      throw new CliError(problems.join('; '), {
        hint: 'run as root, or start only the control plane with --control-plane-only'
      })
    }
    await install(NODE_NEEDS, progress)
  }
  const known = readCluster(paths)
  makeFolder(paths.dir)
  const lock = await lockFolder(paths)
  const cluster = openCluster(paths, options.port)
  await requirePort(cluster.port)
  const ports = systemPorts(fileLog(paths.log))
  const plane = await progress.step(known === undefined ? 'keys, store and API' : 'store and API', () =>
    startControlPlane({ paths, cluster, ports })
  )
  writeRunning(paths, { url: plane.url, controlPlaneOnly: !withNode })
  const agent = withNode ? await progress.step('node', () => startNode({ paths, cluster, plane, ports })) : undefined
  stopOnSignal(async () => {
    await agent?.stop()
    await plane.close()
    clearRunning(paths)
    lock.close()
  })
  for (const line of nextSteps({ paths, plane, withNode })) progress.say(line)
}

interface NodeStart {
  readonly paths: Paths
  readonly cluster: Cluster
  readonly plane: ControlPlane
  readonly ports: Ports
}

async function startNode(start: NodeStart): Promise<AgentChild> {
  const { paths, cluster, plane, ports } = start
  killStrayAgent(paths)
  const configFile = await writeNodeConfig({ paths, cluster, keys: plane.keys })
  const agent = new AgentChild({ paths, configFile, ports })
  const startedAt = ports.clock.now()
  agent.start()
  if (await nodeIsReady({ plane, name: cluster.nodeName, since: startedAt, ports })) return agent
  await agent.stop()
  throw new CliError(`the node was not Ready within ${NODE_READY_MS / 1000} s`, {
    hint: `see ${paths.log}, and what ./wherry doctor says`
  })
}

/** A node that was Ready before a restart does not count: its agent must have reported since. */
async function nodeIsReady(wait: { plane: ControlPlane; name: string; since: number; ports: Ports }): Promise<boolean> {
  const { plane, name, since, ports } = wait
  const patience = new AbortController()
  const timer = ports.clock.after(NODE_READY_MS, () => patience.abort())
  // metav1.Time has whole seconds.
  const isReady = (node: Node) =>
    node.status?.conditions?.some(
      (one) => one.type === 'Ready' && one.status === 'True' && Date.parse(one.lastHeartbeatTime ?? '') >= since - 1000
    ) === true
  try {
    while (!patience.signal.aborted) {
      for await (const batch of plane.client.watch(
        nodes,
        { fieldSelector: `metadata.name=${name}` },
        patience.signal
      )) {
        if (batch.some((event) => event.type !== 'BOOKMARK' && isReady(event.object))) return true
      }
      await sleep(ports.clock, 50, patience.signal)
    }
    return false
  } finally {
    timer.cancel()
    patience.abort()
  }
}

function nextSteps(what: { paths: Paths; plane: ControlPlane; withNode: boolean }): string[] {
  const { paths, plane, withNode } = what
  const flag = paths.dir === pathsOf('/var/lib/wherry').dir ? '' : ` --data-dir ${paths.dir}`
  return [
    '',
    `Wherry is up at ${plane.url}`,
    '',
    'Next:',
    `  export KUBECONFIG=${paths.kubeconfig}`,
    `  kubectl get nodes            # or: ./wherry kubectl${flag} get nodes`,
    ...(withNode ? [`  ./wherry demo${flag}`] : []),
    `  ./wherry down${flag}`
  ]
}

function stopOnSignal(stop: () => Promise<void>): void {
  // The open server keeps the process alive; nothing else has to.
  let stopping = false
  const onSignal = () => {
    if (stopping) return
    stopping = true
    stop().then(
      () => process.exit(0),
      () => process.exit(1)
    )
  }
  process.on('SIGTERM', onSignal)
  process.on('SIGINT', onSignal)
}

async function upDetached(options: UpOptions): Promise<void> {
  const paths = pathsOf(options.dataDir)
  makeFolder(paths.dir)
  const log = openSync(paths.log, 'a')
  const args = ['--no-warnings', join(import.meta.dirname, 'main.ts'), 'up', '--data-dir', paths.dir]
  if (options.port !== undefined) args.push('--port', String(options.port))
  if (options.controlPlaneOnly === true) args.push('--control-plane-only')
  const child = spawn(process.execPath, args, { stdio: ['ignore', log, log, 'ipc'], detached: true })
  closeSync(log)
  const end = await new Promise<Message>((resolve) => {
    child.on('message', (message: Message) => {
      if ('say' in message) terminal.say(message.say)
      else resolve(message)
    })
    void once(child, 'exit').then(([code]) =>
      resolve({ failed: `it ended with exit code ${code}`, hint: `see ${paths.log}` })
    )
  })
  if ('failed' in end) throw new CliError(end.failed, end.hint === undefined ? {} : { hint: end.hint })
  child.unref()
  if (child.connected) child.disconnect()
}
