import type { Log, Ports } from '../core/ports.ts'
import { systemPorts } from '../core/system-ports.ts'
import { type Cluster, DEFAULT_PORT, openCluster, readCluster } from './cluster.ts'
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from './control-plane.ts'
import { makeFolder, requireSpace } from './files.ts'
import { fileLog } from './log.ts'
import { dataDirFlag, type Paths, pathsOf, quoted } from './paths.ts'
import { requirePort } from './port.ts'
import { install, NODE_NEEDS } from './preflight.ts'
import { clearRunning, lockFolder, writeRunning } from './running.ts'
import { startNode } from './start-node.ts'
import type { Progress } from './terminal.ts'
import type { UpOptions } from './up.ts'

/** A stop that takes longer is cut. */
const STOP_MS = 10_000

/** Starts everything and returns when it is ready; the process then lives until it is told to stop. */
export async function start(options: UpOptions, progress: Progress): Promise<void> {
  const paths = pathsOf(options.dataDir)
  const parts = new AsyncDisposableStack()
  const signal = stopOnSignal({ parts, paths, progress })
  try {
    await startParts({ options, paths, progress, parts, signal })
  } catch (error) {
    // Told to stop while it started: whoever told us ends the process.
    if (signal.aborted) return await new Promise(() => {})
    await parts.disposeAsync()
    throw error
  }
}

interface Start {
  readonly options: UpOptions
  readonly paths: Paths
  readonly progress: Progress
  /** What was started, to be stopped in reverse order. */
  readonly parts: AsyncDisposableStack
  readonly signal: AbortSignal
}

async function startParts({ options, paths, progress, parts, signal }: Start): Promise<void> {
  const withNode = options.controlPlaneOnly !== true
  const known = readCluster(paths)
  const port = options.port ?? known?.port ?? DEFAULT_PORT
  makeFolder(paths.dir)
  requireSpace(paths.dir)
  const lock = await lockFolder(paths)
  parts.defer(() => void lock.close())
  const state = { url: `https://127.0.0.1:${port}`, controlPlaneOnly: !withNode }
  writeRunning(paths, { ...state, ready: false })
  parts.defer(() => clearRunning(paths))
  await requirePort(port)
  if (withNode) await install(NODE_NEEDS, progress)
  signal.throwIfAborted()
  const cluster = openCluster(paths, { known, port, withNode })
  const ports = systemPorts(fileLog(paths.log))
  logCrashes(ports.log)
  ports.log.info({ version: process.version, port, pid: process.pid }, 'the control plane starts')
  parts.defer(() => ports.log.info({}, 'the control plane has stopped'))
  const { audit, issuers } = await securityOf(options, ports)
  const plane = await progress.step(known === undefined ? 'keys, store and API' : 'store and API', () =>
    startControlPlane({ paths, cluster, ports, audit, issuers: issuers ?? [] })
  )
  parts.defer(() => plane.close())
  signal.throwIfAborted()
  if (withNode) {
    const agent = await progress.step('node', () => startNode({ paths, cluster, plane, ports, signal }))
    parts.defer(() => agent.stop())
  }
  writeRunning(paths, { ...state, ready: true })
  for (const line of nextSteps({ paths, cluster, plane, withNode })) progress.say(line)
}

/** Loaded only where something of it is asked for. */
async function securityOf(options: UpOptions, ports: Ports): Promise<Pick<ControlPlaneOptions, 'audit' | 'issuers'>> {
  const { auditPolicy, auditLog, oidcIssuerUrl, oidcClientId } = options
  if ([auditPolicy, auditLog, oidcIssuerUrl, oidcClientId].every((one) => one === undefined)) return {}
  const { auditOf, issuersOf } = await import('./security-options.ts')
  return { audit: auditOf(options, ports), issuers: issuersOf(options, ports) }
}

/** A promise that nobody looked at concerns one request or one key; anything else thrown leaves nothing to rely on. */
function logCrashes(log: Log): void {
  process.on('unhandledRejection', (error) => log.error({ error }, 'an unhandled rejection'))
  process.on('uncaughtExceptionMonitor', (error) => log.error({ error }, 'the control plane ends'))
}

function nextSteps(what: { paths: Paths; cluster: Cluster; plane: ControlPlane; withNode: boolean }): string[] {
  const { paths, plane, withNode } = what
  const flag = dataDirFlag(paths)
  return [
    '',
    `Wherry is up at ${plane.url}`,
    '',
    'Next:',
    `  export KUBECONFIG=${quoted(paths.kubeconfig)}`,
    `  kubectl get nodes            # or: ./wherry kubectl${flag} get nodes`,
    ...(withNode ? [`  ./wherry demo${flag}`] : []),
    `  ./wherry down${flag}`
  ]
}

/** From now on a signal stops what was started and ends the process; the second one ends it at once. */
function stopOnSignal(what: { parts: AsyncDisposableStack; paths: Paths; progress: Progress }): AbortSignal {
  const { parts, paths, progress } = what
  const stopping = new AbortController()
  const onSignal = (name: NodeJS.Signals) => {
    if (stopping.signal.aborted) return name === 'SIGINT' ? process.exit(130) : undefined
    stopping.abort()
    if (name === 'SIGINT') for (const line of afterwards(paths)) progress.say(line)
    setTimeout(() => process.exit(1), STOP_MS).unref()
    parts.disposeAsync().then(
      () => process.exit(0),
      () => process.exit(1)
    )
  }
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(name, onSignal)
  return stopping.signal
}

function afterwards(paths: Paths): string[] {
  const flag = dataDirFlag(paths)
  return [
    '',
    'Stopping the control plane. Containers go on running:',
    `  ./wherry up${flag}     goes on with them`,
    `  ./wherry down${flag}   ends them`
  ]
}
