/** Real node agents over a runtime that only pretends, each with its queue: what they ask the API is what agents ask. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '../../core/client.ts'
import { AWS_LEASE_SECONDS, AWS_RENEW_MS } from '../../core/cluster-network.ts'
import { Doorbells } from '../../core/doorbell.ts'
import { endpointSlices, nodes, pods, services } from '../../core/kinds/refs.ts'
import { reflect } from '../../core/reflector.ts'
import { type Agent, startAgent } from '../../node-agent/agent.ts'
import { connectByFetch } from '../../node-agent/aws/fetch-connection.ts'
import { joinCluster } from '../../node-agent/aws/join.ts'
import { tokenSource } from '../../node-agent/aws/token.ts'
import type { AgentConfig } from '../../node-agent/config.ts'
import { readMachine } from '../../node-agent/node/machine.ts'
import { bareNode } from '../../node-agent/node/node-object.ts'
import { FakeRuntime } from '../../node-agent/runtime/fake.ts'
import type { World } from './world.ts'

export const CLUSTER = 'cost'
/** SQS' longest wait of one receive, in milliseconds. */
const LONG_POLL_MS = 20_000

export interface CostNode {
  readonly name: string
  close(): Promise<void>
}

/** A client through API Gateway, signed as that principal. */
export function principalClient(
  world: World,
  principal: string
): { client: Client; send: ReturnType<typeof connectByFetch> } {
  const credentials = async () => ({
    accessKeyId: `AK${principal.replace('-', '_')}`,
    secretAccessKey: 'secret',
    sessionToken: 'session'
  })
  const token = tokenSource({ cluster: CLUSTER, region: 'us-east-1', credentials, ports: world.ports })
  const send = connectByFetch({ url: 'https://api.example', token, fetch: world.fetch })
  return { client: new Client(send), send }
}

export async function startNode(world: World, number: number): Promise<CostNode> {
  const { ports, meter, queues } = world
  const name = `i-${String(number).padStart(17, '0')}`
  const folder = mkdtempSync(join(tmpdir(), 'wherry-cost-'))
  const doorbell = new Doorbells()
  const url = `https://sqs.example/${name}`
  queues.set(url, ({ resources }) => {
    // The message ends a receive early, and is deleted; the receive itself is in the rate of long polls.
    meter.add('sqs', 2)
    doorbell.ring(resources)
  })
  const { client } = principalClient(world, name)
  const end = new AbortController()
  poll(world, end.signal)
  const config = configOf(name, number, { folder, url })
  const podCIDR = await joinCluster(bareNode(config, await readMachine(folder)), {
    client,
    ports,
    doorbell,
    signal: end.signal
  })
  const agent: Agent = await startAgent({
    config: { ...config, podCIDR },
    client,
    runtime: new FakeRuntime(ports),
    ports,
    doorbell,
    networkReady: () => true
  })
  follow({ client, ports, doorbell, signal: end.signal, name })
  return {
    name,
    close: async () => {
      end.abort()
      await agent.close()
      // The agent keeps pods' secrets in memory: a mount that outlives it.
      spawnSync('umount', ['-l', join(folder, 'volatile')])
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** The queue is asked again and again, a request each 20 s. */
function poll({ clock, meter }: World, signal: AbortSignal): void {
  if (signal.aborted) return
  clock.after(LONG_POLL_MS, () => {
    meter.add('sqs', 1)
    poll({ clock, meter } as World, signal)
  })
}

function configOf(name: string, number: number, { folder, url }: { folder: string; url: string }): AgentConfig {
  return {
    nodeName: name,
    dataDir: folder,
    podCIDR: '',
    givenPodCIDR: true,
    serviceCIDR: '10.96.0.0/16',
    clusterDNS: '10.96.0.10',
    clusterDomain: 'cluster.local',
    nodeIP: `10.0.${Math.floor(number / 250)}.${(number % 250) + 1}`,
    kubeletPort: 0,
    clusterName: 'wherry',
    overlay: true,
    annotations: { 'wherry.dev/queue-url': url },
    providerID: `aws:///us-east-1a/${name}`,
    leaseSeconds: AWS_LEASE_SECONDS,
    renewMs: AWS_RENEW_MS
  }
}

/** What the node's network looks at (node-agent/network/network.ts), without a kernel behind it. */
function follow({
  name,
  client,
  ...how
}: {
  name: string
  client: Client
  ports: World['ports']
  doorbell: Doorbells
  signal: AbortSignal
}): void {
  const none = { ...how, onSync: () => {}, onEvents: () => {} }
  void reflect(client, services, { ...none, query: {} })
  void reflect(client, endpointSlices, { ...none, query: {} })
  void reflect(client, nodes, { ...none, query: {} })
  void reflect(client, pods, { ...none, query: { fieldSelector: `spec.nodeName=${name}` } })
}
