/**
 * The node agent on an EC2 instance: `node main.mjs --config FILE`, run by systemd (user-data.ts). The instance's metadata
 * says what it is, its role who; a queue of its own rings it. It may be killed at any moment: containers live on, and the
 * next agent finds them.
 */
import { mkdir } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { SQSClient } from '@aws-sdk/client-sqs'
import { defaultProvider } from '@aws-sdk/credential-provider-node'
import { pino } from 'pino'
import { Client } from '../../core/client.ts'
import { API_PROXY } from '../../core/cluster-network.ts'
import { Doorbells } from '../../core/doorbell.ts'
import type { Send } from '../../core/http.ts'
import { type Ports, sleep } from '../../core/ports.ts'
import { systemPorts } from '../../core/system-ports.ts'
import { type Agent, startAgent } from '../agent.ts'
import { type AgentConfig, networkConfigOf, pathsOf } from '../config.ts'
import { startNetwork } from '../network/network.ts'
import { readMachine } from '../node/machine.ts'
import { bareNode } from '../node/node-object.ts'
import { ensureContainerd, keepContainerd } from '../runtime/containerd.ts'
import { connectRuntime } from '../runtime/cri.ts'
import { stayingAlive } from '../runtime/processes.ts'
import { startApiProxy } from './api-proxy.ts'
import { connectByFetch } from './fetch-connection.ts'
import { agentConfig, type InstanceConfig, loadInstanceConfig } from './instance-config.ts'
import { joinCluster } from './join.ts'
import { type InstanceFacts, instanceArn, instanceFacts } from './metadata.ts'
import { listenToQueue, type Queue } from './queue.ts'
import { Relays } from './relay.ts'
import { requestCertificate } from './serving-certificate.ts'
import { openQueue, queueName, queueTags } from './sqs.ts'
import { tokenSource } from './token.ts'

/** How often it is looked whether the cluster has given the node another range. */
const RANGE_CHECK_MS = 10_000
/** systemd starts it again. */
const FAILED = 1

const { values } = parseArgs({ options: { config: { type: 'string' } } })
if (values.config === undefined) {
  process.stderr.write('usage: node main.mjs --config FILE\n')
  process.exit(2)
}
const instance = await loadInstanceConfig(values.config)
const ports = systemPorts(pino({ level: instance.logLevel ?? 'info', base: { component: 'node-agent' } }))
// A failure of one pod must not end the others' agent; what it was is in the log.
process.on('unhandledRejection', (error) => ports.log.error({ error: String(error) }, 'an unhandled rejection'))

// Timers alone would not keep the process alive while it waits to join.
await stayingAlive(() => run(instance)).catch((error: unknown) => {
  ports.log.error({ error: String(error) }, 'the node agent could not start')
  process.exit(FAILED)
})

async function run(config: InstanceConfig): Promise<void> {
  const end = new AbortController()
  let running = false
  const stopping = () => {
    // Before it has joined there is nothing to bring to an end.
    if (!running) process.exit(0)
    end.abort()
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stopping)
  const outside = await connect(config)
  const { facts, send, queue, doorbell, client } = outside
  const given = { queueUrl: queue.url, podCIDR: '' }
  const before = agentConfig(config, facts, given)
  await mkdir(pathsOf(before.dataDir).pods, { recursive: true, mode: 0o700 })
  const listening = listen(outside, ports, end.signal)
  const node = bareNode(before, await readMachine(before.dataDir))
  const podCIDR = await joinCluster(node, { client, ports, doorbell, signal: end.signal })
  const final = agentConfig(config, facts, { ...given, podCIDR })
  const stop = await start(final, outside, end.signal)
  running = true
  listening.relays = new Relays({ send, ports, answer: stop.agent.answer, signal: end.signal })
  void keepContainerd(final, ports)
  ports.log.info({ node: facts.id, podCIDR }, 'the node agent runs')
  await ended(stop.agent, podCIDR, end.signal)
  await stop.close()
  process.exit(end.signal.aborted ? 0 : FAILED)
}

interface Outside {
  readonly facts: InstanceFacts
  readonly send: Send
  readonly client: Client
  readonly queue: Queue
  readonly doorbell: Doorbells
  readonly apiServer: string
}

async function connect({ cluster, apiServer }: InstanceConfig): Promise<Outside> {
  const endpoint = process.env.AWS_EC2_METADATA_SERVICE_ENDPOINT
  const facts = await instanceFacts({ ports, ...(endpoint === undefined ? {} : { endpoint }) })
  const { region } = facts
  const credentials = defaultProvider({ clientConfig: { region } })
  // Set for emulators only.
  const { AWS_ENDPOINT_URL: emulator } = process.env
  const token = tokenSource({ cluster, region, credentials, endpoint: emulator, ports })
  const send = connectByFetch({ url: apiServer, token })
  const make = { name: queueName(cluster, facts.id), tags: queueTags(cluster, instanceArn(facts)) }
  const queue = await openQueue(new SQSClient({ region, credentials }), make)
  return { facts, send, client: new Client(send), queue, doorbell: new Doorbells(), apiServer }
}

/** Rings count from the beginning; relays are answered once there is an agent. */
function listen({ queue, doorbell }: Outside, from: Ports, signal: AbortSignal): { relays: Relays | undefined } {
  const to: { relays: Relays | undefined } = { relays: undefined }
  void listenToQueue(queue, {
    ports: from,
    signal,
    onRing: (resources) => doorbell.ring(resources),
    onRelay: (relay) => to.relays?.ring(relay),
    onRecovery: () => doorbell.ringAll()
  })
  return to
}

async function start(config: AgentConfig, { client, send, doorbell, apiServer }: Outside, signal: AbortSignal) {
  // The runtime starts while the network is set up.
  const [{ socket }, network] = await Promise.all([
    ensureContainerd(config, ports),
    startNetwork({ client, ports, doorbell, config: networkConfigOf(config) })
  ])
  const runtime = connectRuntime(socket, ports)
  const agent = await startAgent({ config, client, runtime, ports, doorbell, networkReady: () => network.ready() })
  void startApiProxy({ url: apiServer, listen: API_PROXY, certificate: () => requestCertificate(send), ports, signal })
  const close = async () => {
    await agent.close()
    await network.close()
    runtime.close()
  }
  return { agent, close }
}

/** Until it is told to end, or its Node was made anew with another range: then everything here has the wrong addresses. */
async function ended(agent: Agent, podCIDR: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(ports.clock, RANGE_CHECK_MS, signal)
    const now = agent.registration.node()?.spec?.podCIDR ?? ''
    if (now === '' || now === podCIDR) continue
    ports.log.error({ podCIDR, now }, 'the node has another range of addresses: the agent starts anew')
    return
  }
}
