import { Client } from '../../core/client.ts'
import { leases, nodes } from '../../core/kinds/refs.ts'
import type { Node } from '../../core/kinds/types.ts'
import { fakePorts, turn } from '../../test/fake-ports.ts'
import { ADMIN, createTestApi, type TestApi } from '../../test/test-api.ts'
import type { AgentConfig } from '../config.ts'
import type { NodeFacts } from './node-object.ts'
import { startRegistration } from './registration.ts'

const config = {
  nodeName: 'n',
  nodeIP: '192.0.2.1',
  podCIDR: '10.244.0.0/24',
  labels: { mine: 'yes' }
} as unknown as AgentConfig
const GIB = 1 << 30

function factsAt(now: number, more: Partial<NodeFacts> = {}): NodeFacts {
  return {
    config,
    machine: {
      cpus: 4,
      swap: 0,
      memory: 8 * GIB,
      storage: 100 * GIB,
      machineID: 'm',
      systemUUID: 's',
      bootID: 'b',
      kernelVersion: '6',
      osImage: 'Debian',
      architecture: 'amd64'
    },
    pressure: { memoryAvailable: GIB, storageAvailable: 50 * GIB, storage: 100 * GIB, processes: 1, maxProcesses: 100 },
    runtimeVersion: 'containerd://1.6.20',
    kubeletPort: 10250,
    images: [],
    problem: '',
    now,
    ...more
  }
}

describe('a node in the API', () => {
  const ports = fakePorts()
  let api: TestApi
  let client: Client
  let stop: AbortController
  let more: Partial<NodeFacts>
  const start = () =>
    startRegistration({
      client,
      ports,
      nodeName: 'n',
      signal: stop.signal,
      facts: async () => factsAt(ports.clock.now(), more)
    })
  const get = () => client.find(nodes, { name: 'n' })
  const condition = (node: Node | undefined, type: string) => {
    const found = node?.status?.conditions?.find((one) => one.type === type)
    return `${found?.status} ${found?.reason}`
  }
  const settle = async () => {
    for (let round = 0; round < 20; round++) await turn()
  }

  beforeEach(async () => {
    more = {}
    api = await createTestApi({ ports })
    client = new Client(api.api.handle, ADMIN)
    stop = new AbortController()
  })
  afterEach(async () => {
    stop.abort()
    await settle()
    await api.close()
  })

  test('is registered with all that is known of it', async () => {
    start()
    await settle()
    const node = await get()
    expect(node?.metadata.labels).toEqual({
      'beta.kubernetes.io/arch': 'amd64',
      'beta.kubernetes.io/os': 'linux',
      'kubernetes.io/arch': 'amd64',
      'kubernetes.io/hostname': 'n',
      'kubernetes.io/os': 'linux',
      mine: 'yes'
    })
    expect(node?.spec?.podCIDR).toBe('10.244.0.0/24')
    expect(node?.status?.capacity).toMatchObject({ cpu: '4', memory: '8Gi', pods: '110' })
    expect(node?.status?.allocatable).toMatchObject({
      cpu: '4',
      memory: '8092Mi',
      'ephemeral-storage': String(90 * GIB)
    })
    expect(node?.status?.addresses).toEqual([
      { type: 'InternalIP', address: '192.0.2.1' },
      { type: 'Hostname', address: 'n' }
    ])
    expect(node?.status?.nodeInfo).toMatchObject({
      kubeletVersion: 'v1.35.0',
      containerRuntimeVersion: 'containerd://1.6.20'
    })
    expect(condition(node, 'Ready')).toBe('True KubeletReady')
    expect(condition(node, 'MemoryPressure')).toBe('False KubeletHasSufficientMemory')
  })

  test('is reported when it changes, and each five minutes', async () => {
    start()
    await settle()
    const first = (await get())?.metadata.resourceVersion
    await ports.advance(60_000)
    await settle()
    expect((await get())?.metadata.resourceVersion).toBe(first)
    more = { pressure: { ...factsAt(0).pressure, memoryAvailable: 1 } }
    await ports.advance(10_000)
    await settle()
    expect(condition(await get(), 'MemoryPressure')).toBe('True KubeletHasInsufficientMemory')
    const second = (await get())?.metadata.resourceVersion
    for (let minute = 0; minute < 6; minute++) await ports.advance(60_000)
    await settle()
    expect((await get())?.metadata.resourceVersion).not.toBe(second)
  })

  test('a new node that cannot work yet says so, and soon that it can', async () => {
    more = { problem: 'no network' }
    start()
    await settle()
    expect(condition(await get(), 'Ready')).toBe('False KubeletNotReady')
    more = {}
    await ports.advance(100)
    await settle()
    expect(condition(await get(), 'Ready')).toBe('True KubeletReady')
  })

  test('a short trouble of a node that was ready is not told, a long one is', async () => {
    start()
    await settle()
    more = { problem: 'the runtime is away' }
    await ports.advance(12_000)
    await settle()
    expect(condition(await get(), 'Ready')).toBe('True KubeletReady')
    for (let second = 0; second < 6; second++) {
      await ports.advance(1000)
      await settle()
    }
    expect(condition(await get(), 'Ready')).toBe('False KubeletNotReady')
  })

  test('is registered again when somebody deletes it', async () => {
    start()
    await settle()
    await client.delete(nodes, { name: 'n' })
    more = { kubeletPort: 1 }
    for (let second = 0; second < 12; second++) {
      await ports.advance(1000)
      await settle()
    }
    expect((await get())?.status?.daemonEndpoints?.kubeletEndpoint?.Port).toBe(1)
  })

  test('its lease is made and renewed', async () => {
    start()
    await settle()
    for (let second = 0; second < 3; second++) {
      await ports.advance(1000)
      await settle()
    }
    const at = { namespace: 'kube-node-lease', name: 'n' }
    const lease = await client.get(leases, at)
    expect(lease.spec).toMatchObject({ holderIdentity: 'n', leaseDurationSeconds: 40 })
    await ports.advance(10_000)
    await settle()
    const renewed = await client.get(leases, at)
    expect(Date.parse(renewed.spec?.renewTime ?? '') - Date.parse(lease.spec?.renewTime ?? '')).toBe(10_000)
  })
})
