/** For tests: the agent's pod manager on a fake runtime and an API in this process. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Client } from '../core/client.ts'
import type { EventRecorder } from '../core/events.ts'
import { pods } from '../core/kinds/refs.ts'
import type { Event, Pod, PodSpec, Service } from '../core/kinds/types.ts'
import { reflect } from '../core/reflector.ts'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { createPuller } from '../node-agent/images/puller.ts'
import { Objects } from '../node-agent/objects.ts'
import { PodManager } from '../node-agent/pod-manager.ts'
import type { NodeContext } from '../node-agent/pod-tasks.ts'
import { FakeRuntime } from '../node-agent/runtime/fake.ts'
import { StatusManager } from '../node-agent/status-manager.ts'
import { createTokens } from '../node-agent/volumes/tokens.ts'
import { ADMIN, createTestApi } from './test-api.ts'

export interface TestNode {
  readonly client: Client
  readonly runtime: FakeRuntime
  readonly folder: string
  readonly events: Pick<Event, 'type' | 'reason' | 'message'>[]
  readonly services: Service[]
  manager(): PodManager
  create(name: string, spec: Partial<PodSpec>, metadata?: Partial<Pod['metadata']>): Promise<Pod>
  get(name: string): Promise<Pod | undefined>
  /** Waits until the pod in the API is as wanted. */
  until(name: string, wanted: (pod: Pod) => boolean): Promise<Pod>
  gone(name: string): Promise<void>
  /** As a new process of the agent: nothing is remembered. */
  restart(): void
  close(): Promise<void>
}

export async function startTestNode(): Promise<TestNode> {
  const ports = systemPorts(silentLog)
  const { api, close } = await createTestApi({ ports })
  const client = new Client(api.handle, ADMIN)
  const runtime = new FakeRuntime(ports)
  const folder = mkdtempSync(join(tmpdir(), 'wherry-node-'))
  const events: TestNode['events'] = []
  const services: Service[] = []
  const recorder: EventRecorder = {
    event: (_, type, reason, message) => void events.push({ type, reason, message }),
    flush: async () => {}
  }
  let stop = new AbortController()
  let manager: PodManager
  const start = () => {
    stop = new AbortController()
    const objects = new Objects({ client, ports }, (uid) => manager.objectChanged(uid))
    const context: NodeContext = {
      runtime,
      client,
      ports,
      recorder,
      statuses: new StatusManager(client, ports),
      puller: createPuller(runtime, ports),
      objects,
      tokens: createTokens(client, ports),
      services: () => services,
      hostIPs: ['192.0.2.1'],
      allocatable: { cpu: '2', memory: '1Gi', pods: '20' },
      memory: 1 << 30,
      dns: {
        clusterDNS: '10.96.0.10',
        clusterDomain: 'cluster.local',
        host: { servers: [], searches: [], options: [] }
      },
      folders: {
        pods: join(folder, 'pods'),
        volatile: join(folder, 'volatile'),
        logs: join(folder, 'logs'),
        seccomp: folder
      },
      cgroupRoot: '/wherry-none',
      networkReady: () => true,
      judgeResize: (pod) => manager.judgeResize(pod),
      onGone: (uid) => manager.forget(uid)
    }
    manager = new PodManager(context, { nodeName: 'n', labels: () => ({}), taints: () => [] })
    manager.start(stop.signal)
    stop.signal.addEventListener('abort', () => objects.close())
    void reflect(client, pods, {
      query: { fieldSelector: 'spec.nodeName=n' },
      ports,
      signal: stop.signal,
      onSync: (items) => manager.sync(items),
      onEvents: (changes) => manager.apply(changes)
    })
  }
  start()
  const get = (name: string) => client.find(pods, { namespace: 'default', name })
  const eventually = async <T>(what: string, check: () => Promise<T | undefined>): Promise<T> => {
    for (let tries = 0; tries < 500; tries++) {
      const value = await check()
      if (value !== undefined) return value
      await pause(10)
    }
    throw new Error(`never: ${what}`)
  }
  return {
    client,
    runtime,
    folder,
    events,
    services,
    get,
    manager: () => manager,
    create: (name, spec, metadata = {}) =>
      client.create(pods, {
        metadata: { name, namespace: 'default', ...metadata },
        spec: { nodeName: 'n', containers: [{ name: 'c', image: 'i:1', imagePullPolicy: 'IfNotPresent' }], ...spec }
      }),
    until: (name, wanted) =>
      eventually(`${name} as wanted`, async () => {
        const pod = await get(name)
        return pod !== undefined && wanted(pod) ? pod : undefined
      }),
    gone: (name) =>
      eventually(`${name} gone`, async () => ((await get(name)) === undefined ? (true as const) : undefined)).then(
        () => {}
      ),
    restart: () => {
      stop.abort()
      start()
    },
    close: async () => {
      stop.abort()
      await close()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
