import { nodes } from '../core/kinds/refs.ts'
import type { Node } from '../core/kinds/types.ts'
import { type Ports, sleep } from '../core/ports.ts'
import { AgentChild, killStrayAgent } from './agent-child.ts'
import type { Cluster } from './cluster.ts'
import type { ControlPlane } from './control-plane.ts'
import { CliError } from './errors.ts'
import { keyFailure } from './key-files.ts'
import { lastError } from './log-tail.ts'
import { writeNodeConfig } from './node-config.ts'
import { dataDirFlag, type Paths } from './paths.ts'

const NODE_READY_MS = 60_000
/** An agent that ends so often without ever having been Ready will not mend by itself. */
const MOST_DEATHS = 3

export interface NodeStart {
  readonly paths: Paths
  readonly cluster: Cluster
  readonly plane: ControlPlane
  readonly ports: Ports
  /** Gives up waiting. */
  readonly signal: AbortSignal
}

/** Starts this machine's node agent and waits until its node is Ready; throws, with the agent ended, where it is not. */
export async function startNode(start: NodeStart): Promise<AgentChild> {
  const { paths, cluster, plane, ports } = start
  killStrayAgent(paths)
  const configFile = await writeNodeConfig({ paths, cluster, keys: plane.keys }).catch((error: unknown) => {
    throw keyFailure(error, paths.keys)
  })
  const patience = new AbortController()
  let why = `the node was not Ready within ${NODE_READY_MS / 1000} s`
  const onDeath = (deaths: number) => {
    if (deaths < MOST_DEATHS) return
    why = 'the node agent cannot start'
    patience.abort()
  }
  const agent = new AgentChild({ paths, configFile, ports, onDeath })
  const timer = ports.clock.after(NODE_READY_MS, () => patience.abort())
  const since = ports.clock.now()
  const signal = AbortSignal.any([start.signal, patience.signal])
  agent.start()
  try {
    if (await nodeIsReady({ plane, name: cluster.nodeName, since, ports, signal })) return agent
  } finally {
    timer.cancel()
    patience.abort()
  }
  await agent.stop()
  start.signal.throwIfAborted()
  const cause = lastError(paths.log, since)
  throw new CliError(cause === undefined ? why : `${why}: ${cause}`, {
    hint: `see ${paths.log}, and what ./wherry doctor${dataDirFlag(paths)} says`
  })
}

interface Wait {
  readonly plane: ControlPlane
  readonly name: string
  readonly since: number
  readonly ports: Ports
  readonly signal: AbortSignal
}

/** A node that was Ready before a restart does not count: its agent must have reported since. */
async function nodeIsReady({ plane, name, since, ports, signal }: Wait): Promise<boolean> {
  // metav1.Time has whole seconds.
  const isReady = (node: Node) =>
    node.status?.conditions?.some(
      (one) => one.type === 'Ready' && one.status === 'True' && Date.parse(one.lastHeartbeatTime ?? '') >= since - 1000
    ) === true
  while (!signal.aborted) {
    for await (const batch of plane.client.watch(nodes, { fieldSelector: `metadata.name=${name}` }, signal)) {
      if (batch.some((event) => event.type !== 'BOOKMARK' && isReady(event.object))) return true
    }
    await sleep(ports.clock, 50, signal)
  }
  return false
}
