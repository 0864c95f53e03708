import { createSocket } from 'node:dgram'
import { leases as leaseRef, nodes } from '../core/kinds/refs.ts'
import type { Node } from '../core/kinds/types.ts'
import { runningAgent } from './agent-child.ts'
import type { Cluster } from './cluster.ts'
import { type AdminConnection, connectAsAdmin } from './connect.ts'
import { FAILING_PATH, type Failing } from './failing.ts'
import { type Finding, finding } from './finding.ts'
import { lastError } from './log-tail.ts'
import { nodeConfig } from './node-config.ts'
import { dataDirFlag, type Paths } from './paths.ts'
import { isRoot } from './preflight.ts'
import type { Running } from './running.ts'

/** An API that says nothing for so long is stuck. */
const PATIENCE_MS = 5_000
/** An agent renews its lease each 10 s, and is given up after 40. */
const SILENT_S = 40

interface Place {
  readonly paths: Paths
  readonly cluster: Cluster
  readonly running: Running
}

/** What is wrong with a cluster whose control plane's process is there. */
export async function clusterFindings(place: Place): Promise<Finding[]> {
  const { paths, cluster, running } = place
  const connection = connectAsAdmin(paths, cluster)
  const answers = `the API answers at ${running.url}`
  try {
    const list = await within(connection.client.list(nodes), PATIENCE_MS)
    const controllers = await controllerFindings(connection)
    if (running.controlPlaneOnly) return [finding(answers), ...controllers]
    const own = await nodeFindings(place)
    const leases = await within(connection.client.list(leaseRef, { namespace: 'kube-node-lease' }), PATIENCE_MS)
    const silent = leases.items.filter(({ spec }) => Date.parse(spec?.renewTime ?? '') < Date.now() - SILENT_S * 1000)
    const named = new Set(silent.map(({ metadata }) => metadata.name ?? ''))
    return [finding(answers), ...controllers, ...own, ...readiness(list.items, { paths, named })]
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return [finding(answers, why, restart(paths))]
  } finally {
    connection.close()
  }
}

function restart(paths: Paths): string {
  const flag = dataDirFlag(paths)
  return `see ${paths.log}; start it anew: ./wherry down${flag}; ./wherry up --detach${flag}`
}

async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms / 1000} s`)), ms)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}

async function controllerFindings(connection: AdminConnection): Promise<Finding[]> {
  const what = 'the controllers get on with their work'
  const failing = (await within(connection.get(FAILING_PATH), PATIENCE_MS)) as readonly Failing[]
  if (failing.length === 0) return [finding(what)]
  return failing.map(({ controller, key, failures, error }) =>
    finding(
      what,
      `${controller} has failed ${failures} times at ${key}: ${error}`,
      'look at that object; it is tried again'
    )
  )
}

/** The node's processes and what they put into the kernel. */
async function nodeFindings({ paths, cluster }: Place): Promise<Finding[]> {
  const agent = runningAgent(paths)
  const error = lastError(paths.log, Date.now() - 300_000)
  const findings = [
    finding(
      'the node agent runs',
      agent === undefined ? `it does not${error === undefined ? '' : ` (${error})`}` : undefined,
      `the control plane starts it again and again; see ${paths.log}`
    )
  ]
  if (!isRoot()) return findings
  const { containerdIsAlive } = await import('../node-agent/runtime/containerd.ts')
  const alive = await containerdIsAlive(nodeConfig(paths, cluster))
  findings.push(
    finding('containerd runs', alive ? undefined : 'it does not', `see ${paths.node}/containerd/containerd.log`),
    await proxyFinding(cluster),
    await dnsFinding(cluster)
  )
  return findings
}

async function proxyFinding(cluster: Cluster): Promise<Finding> {
  const { tableName } = await import('../node-agent/network/host.ts')
  const { run } = await import('../node-agent/network/run.ts')
  const table = tableName(cluster.name)
  const { code } = await run(['nft', 'list', 'table', 'ip', table])
  return finding(
    'services are in the kernel',
    code === 0 ? undefined : `there is no nft table ip ${table}`,
    'the node agent makes it: see whether it runs; who else flushes the rules?'
  )
}

async function dnsFinding(cluster: Cluster): Promise<Finding> {
  const { encode } = await import('dns-packet')
  const name = `kubernetes.default.svc.${cluster.clusterDomain}`
  const socket = createSocket('udp4')
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  socket.once('message', () => resolve(undefined))
  socket.once('error', (error) => resolve(error.message))
  socket.send(encode({ type: 'query', id: 1, questions: [{ type: 'A', name }] }), 53, cluster.clusterDNS)
  const wrong = await within(promise, 2_000).catch((error: Error) => error.message)
  socket.close()
  return finding(`DNS answers at ${cluster.clusterDNS}`, wrong, 'the node agent serves it: see whether it runs')
}

/** `named`: the nodes whose agents are silent. */
function readiness(items: readonly Node[], about: { paths: Paths; named: ReadonlySet<string> }): Finding[] {
  if (items.length === 0) return [finding('a node has registered', 'none has', `see ${about.paths.log}`)]
  return items.map((node) => nodeFinding(node, about))
}

const PRESSURES = ['DiskPressure', 'MemoryPressure', 'PIDPressure', 'NetworkUnavailable']

function nodeFinding(node: Node, { paths, named }: { paths: Paths; named: ReadonlySet<string> }): Finding {
  const name = node.metadata.name ?? ''
  const what = `node ${name} is Ready`
  const conditions = node.status?.conditions ?? []
  const ready = conditions.find(({ type }) => type === 'Ready')
  if (ready?.status !== 'True')
    return finding(what, `${ready?.reason ?? 'it has no condition Ready'}: ${ready?.message ?? ''}`, `see ${paths.log}`)
  if (named.has(name))
    return finding(
      what,
      `its agent has been silent for more than ${SILENT_S} s`,
      `see whether it runs, and ${paths.log}`
    )
  const pressure = conditions.find(({ type, status }) => PRESSURES.includes(type) && status === 'True')
  return finding(
    what,
    pressure === undefined ? undefined : `${pressure.type}: ${pressure.message ?? pressure.reason ?? ''}`,
    'give the node more room: delete images, logs or pods that nobody needs'
  )
}
