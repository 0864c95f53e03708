import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { endpointSlices, pods, services } from '../../core/kinds/refs.ts'
import type { EndpointSlice, Service, ServiceSpec } from '../../core/kinds/types.ts'
import { sleep } from '../../core/ports.ts'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { FakeApi } from './fixture/fake-api.ts'
import { Lab, missing, NODE_IP, OUTSIDE_IP, type Peer } from './fixture/namespaces.ts'
import { type Network, type NetworkConfig, removeNetwork, startNetwork } from './network.ts'

const why = missing()
const lacking = why !== undefined && process.env.CI !== '1'
if (lacking) console.warn(`skipped: ${why}`)
const suite = lacking ? describe.skip : describe

const lab = new Lab('net')
const api = new FakeApi()
const ports = systemPorts(silentLog)
let node: Peer
let outside: Peer
let pod2: Peer
let pod3: Peer
let pod4: Peer
let network: Network
let config: NetworkConfig
let dir: string
let before: string

interface Slice {
  readonly addresses: readonly string[]
  readonly port?: number
  readonly protocol?: string
  readonly conditions?: object
  readonly nodeName?: string
}

function serve(name: string, spec: Partial<ServiceSpec>, slice: Slice): void {
  const protocol = slice.protocol ?? 'TCP'
  const service: Service = {
    metadata: { name, namespace: 'default' },
    spec: {
      ports: [{ port: 80, protocol, nodePort: spec.ports?.[0]?.nodePort }],
      ...spec,
      type: spec.type ?? 'ClusterIP'
    }
  }
  api.put(services, service)
  endpoints(name, slice)
}

function endpoints(name: string, slice: Slice): void {
  const object: EndpointSlice = {
    metadata: { name: `${name}-1`, namespace: 'default', labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: '', port: slice.port ?? 8080, protocol: slice.protocol ?? 'TCP' }],
    endpoints: slice.addresses.map((address) => ({
      addresses: [address],
      nodeName: slice.nodeName ?? 'n1',
      conditions: { ready: true, serving: true, terminating: false, ...slice.conditions }
    }))
  }
  api.put(endpointSlices, object)
}

/** When the kernel has what was put into the API. */
async function applied(of: Network = network): Promise<void> {
  // Watches deliver in microtasks; after them the network knows.
  await new Promise((resolve) => setImmediate(resolve))
  await of.applied()
}

const ALL = ['10.244.0.2', '10.244.0.3', '10.244.0.4']

async function nodeState(): Promise<string> {
  const parts = await Promise.all([
    lab.run(['nft', 'list', 'ruleset']),
    lab.run(['ip', '-br', 'link']),
    lab.run(['ip', '-4', 'route', 'show', 'table', 'all']),
    lab.run(['sh', '-c', 'grep . /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/*'])
  ])
  return parts.map(({ stdout }) => stdout).join('\n')
}

beforeAll(async () => {
  if (lacking) return
  if (why !== undefined) throw new Error(why)
  dir = await mkdtemp(join(tmpdir(), 'wherry-net-'))
  await writeFile(join(dir, 'resolv.conf'), '')
  ;({ node, outside } = await lab.open())
  before = await nodeState()
  config = {
    clusterName: 'wherry-test',
    nodeName: 'n1',
    podCIDR: '10.244.0.0/24',
    serviceCIDR: '10.96.0.0/16',
    clusterDNS: '10.96.0.10',
    clusterDomain: 'cluster.local',
    nodeIP: NODE_IP,
    cniConfDir: join(dir, 'cni'),
    stateDir: join(dir, 'state'),
    upstreamResolvConf: join(dir, 'resolv.conf')
  }
  network = await startNetwork({
    client: api.client,
    ports,
    config,
    run: lab.run,
    dnsAddress: { address: '127.0.0.1', port: 0 }
  })
  ;[pod2, pod3, pod4] = await Promise.all([lab.pod(2), lab.pod(3), lab.pod(4)])
  await Promise.all(
    [pod2, pod3, pod4].flatMap((pod) => [pod.do('listen', { port: 8080 }), pod.do('listenUdp', { port: 8053 })])
  )
  await node.do('listen', { port: 6443, address: NODE_IP })
}, 30_000)

afterAll(async () => {
  if (lacking) return
  await network?.close()
  if (config !== undefined) await removeNetwork(config, lab.run)
  await lab.close()
  if (dir !== undefined) await rm(dir, { recursive: true })
}, 30_000)

/** Each of three within five standard deviations of a third: a fair proxy fails once in a million runs. */
function expectSpread(counts: Record<string, number>, names: readonly string[], total: number): void {
  expect(Object.keys(counts).sort()).toEqual([...names].sort())
  const share = total / names.length
  const bound = 5 * Math.sqrt(share * (1 - 1 / names.length))
  for (const name of names) expect(Math.abs((counts[name] ?? 0) - share)).toBeLessThan(bound)
}

suite('in the kernel', () => {
  test('a ClusterIP answers from pods, from the host and from outside, spread over all endpoints', async () => {
    serve('web', { clusterIP: '10.96.0.20' }, { addresses: ALL })
    await applied()
    const at = { host: '10.96.0.20', port: 80 }
    const names = ['pod2', 'pod3', 'pod4']
    expectSpread(await node.do('askMany', { ...at, count: 240 }), names, 240)
    expectSpread(await outside.do('askMany', { ...at, count: 60 }), names, 60)
    expectSpread(await pod2.do('askMany', { ...at, count: 60 }), names, 60)
  })

  test('a pod keeps its address towards others, and reaches itself', async () => {
    serve('one', { clusterIP: '10.96.0.21' }, { addresses: ['10.244.0.3'] })
    await applied()
    expect(await pod2.do('ask', { host: '10.96.0.21', port: 80 })).toBe('pod3 10.244.0.2')
    expect(await pod3.do('ask', { host: '10.96.0.21', port: 80 })).toBe('pod3 10.244.0.1')
  })

  test('a node port answers at every address of the node, also to the node itself', async () => {
    serve(
      'np',
      { clusterIP: '10.96.0.22', type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] },
      { addresses: ALL }
    )
    await applied()
    const names = ['pod2', 'pod3', 'pod4']
    for (const host of ['127.0.0.1', NODE_IP])
      expectSpread(await node.do('askMany', { host, port: 30080, count: 90 }), names, 90)
    expectSpread(await outside.do('askMany', { host: NODE_IP, port: 30080, count: 90 }), names, 90)
    expect(await pod2.do('ask', { host: NODE_IP, port: 30080 })).toMatch(/^pod[234] /)
  })

  test('no endpoints: refused at once, at the ClusterIP and at the node port', async () => {
    serve(
      'none',
      { clusterIP: '10.96.0.23', type: 'NodePort', ports: [{ port: 80, nodePort: 30081 }] },
      { addresses: [] }
    )
    await applied()
    for (const peer of [node, outside, pod2]) {
      expect(await peer.do('ask', { host: '10.96.0.23', port: 80 })).toBe('ECONNREFUSED')
      expect(await peer.do('ask', { host: NODE_IP, port: 30081 })).toBe('ECONNREFUSED')
    }
    expect(await node.do('ask', { host: '127.0.0.1', port: 30081 })).toBe('ECONNREFUSED')
    expect(await pod2.do('ask', { host: '10.96.200.200', port: 80 })).toBe('ECONNREFUSED')
    expect(await pod2.do('ask', { host: '10.96.0.20', port: 81 })).toBe('ECONNREFUSED')
    endpoints('none', { addresses: ['10.244.0.4'] })
    await applied()
    expect(await pod2.do('ask', { host: '10.96.0.23', port: 80 })).toBe('pod4 10.244.0.2')
    expect(await outside.do('ask', { host: NODE_IP, port: 30081 })).toMatch(/^pod4 /)
  })

  test('an endpoint of the host itself: the API server', async () => {
    serve('kubernetes', { clusterIP: '10.96.0.1', ports: [{ port: 443 }] }, { addresses: [NODE_IP], port: 6443 })
    await applied()
    expect(await pod2.do('ask', { host: '10.96.0.1', port: 443 })).toBe('node 10.244.0.2')
    expect(await node.do('ask', { host: '10.96.0.1', port: 443 })).toMatch(/^node /)
    expect(await outside.do('ask', { host: '10.96.0.1', port: 443 })).toMatch(/^node /)
  })

  test('readiness is respected; one that closes serves while nothing is ready', async () => {
    serve('ready', { clusterIP: '10.96.0.24' }, { addresses: ['10.244.0.2'] })
    const slice = (name: string, address: string, conditions: object): EndpointSlice => ({
      metadata: { name, namespace: 'default', labels: { 'kubernetes.io/service-name': 'ready' } },
      addressType: 'IPv4',
      ports: [{ name: '', port: 8080, protocol: 'TCP' }],
      endpoints: [{ addresses: [address], conditions, nodeName: 'n1' }]
    })
    api.put(endpointSlices, slice('ready-2', '10.244.0.3', { ready: false, serving: true, terminating: true }))
    api.put(endpointSlices, slice('ready-3', '10.244.0.4', { ready: false, serving: false, terminating: false }))
    await applied()
    const at = { host: '10.96.0.24', port: 80, count: 30 }
    expect(await node.do('askMany', at)).toEqual({ pod2: 30 })
    endpoints('ready', { addresses: ['10.244.0.2'], conditions: { ready: false, serving: false } })
    await applied()
    expect(await node.do('askMany', at)).toEqual({ pod3: 30 })
  })

  test('ClientIP affinity holds over changes, ends with its time and with its endpoint', async () => {
    const spec = {
      clusterIP: '10.96.0.25',
      type: 'NodePort',
      ports: [{ port: 80, nodePort: 30082 }],
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 300 } }
    }
    serve('sticky', spec, { addresses: ALL })
    await applied()
    const at = { host: '10.96.0.25', port: 80, count: 30 }
    for (const peer of [node, outside, pod2]) expect(Object.values(await peer.do('askMany', at))).toEqual([30])
    const nodePort = { host: NODE_IP, port: 30082, count: 30 }
    expect(Object.values(await outside.do('askMany', nodePort))).toEqual([30])
    const [chosen = ''] = Object.keys(await pod2.do('askMany', at))
    const ip = `10.244.0.${chosen.slice(3)}`
    // Another service's change, a change of numbers, and another agent that writes everything anew.
    endpoints('web', { addresses: ALL.slice(0, 2) })
    endpoints('sticky', { addresses: [...ALL, '10.244.0.9'] })
    await applied()
    expect(await pod2.do('askMany', at)).toEqual({ [chosen]: 30 })
    await network.close()
    network = await startNetwork({
      client: api.client,
      ports,
      config,
      run: lab.run,
      dnsAddress: { address: '127.0.0.1', port: 0 }
    })
    await applied()
    expect(await pod2.do('askMany', at)).toEqual({ [chosen]: 30 })
    endpoints('sticky', { addresses: ALL.filter((one) => one !== ip) })
    await applied()
    const after = await pod2.do<Record<string, number>>('askMany', at)
    expect(Object.values(after)).toEqual([30])
    expect(after).not.toHaveProperty(chosen)
  })

  test('affinity is forgotten after its seconds', async () => {
    const spec = {
      clusterIP: '10.96.0.26',
      sessionAffinity: 'ClientIP',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: 1 } }
    }
    serve('brief', spec, { addresses: ALL })
    await applied()
    const seen = new Set<string>()
    for (let tries = 0; tries < 12 && seen.size < 2; tries++) {
      for (const name of Object.keys(await pod2.do('askMany', { host: '10.96.0.26', port: 80, count: 3 })))
        seen.add(name)
      // The kernel's own clock: nothing tells when an element expires.
      await sleep(ports.clock, 1300)
    }
    expect(seen.size).toBeGreaterThan(1)
  })

  test('a change breaks no connection', async () => {
    serve('long', { clusterIP: '10.96.0.27' }, { addresses: ['10.244.0.2'] })
    await applied()
    expect(await pod3.do('ask', { host: '10.96.0.27', port: 80, hold: 'c' })).toMatch(/^pod2 /)
    endpoints('long', { addresses: ['10.244.0.3', '10.244.0.4'] })
    await applied()
    expect(await pod3.do('echo', { hold: 'c', text: 'still there' })).toBe('still there')
    endpoints('long', { addresses: [] })
    await applied()
    expect(await pod3.do('echo', { hold: 'c', text: 'and now' })).toBe('and now')
    expect(await pod3.do('ask', { host: '10.96.0.27', port: 80 })).toBe('ECONNREFUSED')
  })

  test('UDP: a ClusterIP and a node port', async () => {
    const spec = { clusterIP: '10.96.0.28', type: 'NodePort', ports: [{ port: 53, protocol: 'UDP', nodePort: 30053 }] }
    serve('udp', spec, { addresses: ALL, port: 8053, protocol: 'UDP' })
    await applied()
    const names = ['pod2', 'pod3', 'pod4']
    expectSpread(await pod2.do('askMany', { host: '10.96.0.28', port: 53, udp: true, count: 90 }), names, 90)
    expectSpread(await outside.do('askMany', { host: NODE_IP, port: 30053, udp: true, count: 90 }), names, 90)
    endpoints('udp', { addresses: [], port: 8053, protocol: 'UDP' })
    await applied()
    expect(await pod2.do('askUdp', { host: '10.96.0.28', port: 53 })).toBe('ECONNREFUSED')
  })

  test('external addresses and load balancers; the Local policy keeps the client and drops without local endpoints', async () => {
    serve('ext', { clusterIP: '10.96.0.29', externalIPs: ['203.0.113.7'] }, { addresses: ['10.244.0.2'] })
    const local = {
      clusterIP: '10.96.0.30',
      type: 'NodePort',
      externalTrafficPolicy: 'Local',
      ports: [{ port: 80, nodePort: 30083 }]
    }
    serve('local', local, { addresses: ['10.244.0.3'] })
    await applied()
    expect(await outside.do('ask', { host: '203.0.113.7', port: 80 })).toMatch(/^pod2 /)
    expect(await pod3.do('ask', { host: '203.0.113.7', port: 80 })).toMatch(/^pod2 /)
    expect(await outside.do('ask', { host: NODE_IP, port: 30083 })).toBe(`pod3 ${OUTSIDE_IP}`)
    expect(await node.do('ask', { host: '127.0.0.1', port: 30083 })).toMatch(/^pod3 /)
    endpoints('local', { addresses: ['10.244.0.3'], nodeName: 'n2' })
    await applied()
    expect(await outside.do('ask', { host: NODE_IP, port: 30083 })).toBe('timeout')
    expect(await node.do('ask', { host: NODE_IP, port: 30083 })).toMatch(/^pod3 /)
    expect(await pod2.do('ask', { host: NODE_IP, port: 30083 })).toMatch(/^pod3 /)
    expect(await outside.do('ask', { host: '10.96.0.30', port: 80 })).toMatch(/^pod3 /)
  })

  test('internalTrafficPolicy Local uses endpoints of this node only', async () => {
    serve('in', { clusterIP: '10.96.0.31', internalTrafficPolicy: 'Local' }, { addresses: ['10.244.0.2'] })
    await applied()
    expect(await pod3.do('ask', { host: '10.96.0.31', port: 80 })).toMatch(/^pod2 /)
    endpoints('in', { addresses: ['10.244.0.2'], nodeName: 'n2' })
    await applied()
    expect(await pod3.do('ask', { host: '10.96.0.31', port: 80 })).toBe('timeout')
  })

  test("a pod's host port, and pods towards the outside with the node's address", async () => {
    api.put(pods, {
      metadata: { name: 'p', namespace: 'default' },
      spec: { nodeName: 'n1', containers: [{ name: 'c', ports: [{ containerPort: 8080, hostPort: 8081 }] }] },
      status: { phase: 'Running', podIP: '10.244.0.4' }
    })
    await outside.do('listen', { port: 9000 })
    await applied()
    expect(await outside.do('ask', { host: NODE_IP, port: 8081 })).toBe(`pod4 ${OUTSIDE_IP}`)
    expect(await node.do('ask', { host: '127.0.0.1', port: 8081 })).toMatch(/^pod4 /)
    expect(await pod4.do('ask', { host: NODE_IP, port: 8081 })).toMatch(/^pod4 /)
    expect(await pod2.do('ask', { host: OUTSIDE_IP, port: 9000 })).toBe(`outside ${NODE_IP}`)
    api.remove(pods, 'default/p')
    await applied()
    expect(await outside.do('ask', { host: NODE_IP, port: 8081 })).toBe('ECONNREFUSED')
  })

  test('127.0.0.1 of the node is closed to its neighbours', async () => {
    await node.do('listen', { port: 7000, address: '127.0.0.1' })
    await lab.outside(['sysctl', '-q', '-w', 'net.ipv4.conf.all.route_localnet=1'])
    await lab.outside(['ip', 'address', 'delete', '127.0.0.1/8', 'dev', 'lo'])
    await lab.outside(['ip', 'route', 'add', '127.0.0.1/32', 'via', NODE_IP, 'src', OUTSIDE_IP])
    expect(await outside.do('ask', { host: '127.0.0.1', port: 7000 })).toBe('timeout')
  })

  test('what somebody flushed is written anew with the next change', async () => {
    await lab.run(['nft', 'flush', 'ruleset'])
    serve('again', { clusterIP: '10.96.0.32' }, { addresses: ALL })
    await applied()
    expect(await pod2.do('ask', { host: '10.96.0.32', port: 80 })).toMatch(/^pod/)
    expect(await pod2.do('ask', { host: '10.96.0.20', port: 80 })).toMatch(/^pod/)
  })

  test('two clusters on one node do not touch each other', async () => {
    const other = {
      ...config,
      clusterName: 'wherry-b',
      serviceCIDR: '10.97.0.0/16',
      clusterDNS: '10.97.0.10',
      stateDir: join(dir, 'b')
    }
    const second = new FakeApi()
    const beside = await startNetwork({
      client: second.client,
      ports,
      config: other,
      run: lab.run,
      dnsAddress: { address: '127.0.0.1', port: 0 }
    })
    second.put(services, {
      metadata: { name: 'b', namespace: 'default' },
      spec: { clusterIP: '10.97.0.20', ports: [{ port: 80 }] }
    })
    await applied(beside)
    expect(await pod2.do('ask', { host: '10.97.0.20', port: 80 })).toBe('ECONNREFUSED')
    expect(await pod2.do('ask', { host: '10.96.0.32', port: 80 })).toMatch(/^pod/)
    await beside.close()
    await removeNetwork(other, lab.run)
    expect(await pod2.do('ask', { host: '10.96.0.32', port: 80 })).toMatch(/^pod/)
    expect(await node.do('ask', { host: '127.0.0.1', port: 30080 })).toMatch(/^pod/)
  })

  test('nothing is left behind', async () => {
    expect(await readdir(config.cniConfDir)).toEqual(['10-wherry-test.conflist'])
    await network.close()
    await lab.removePods()
    await removeNetwork(config, lab.run)
    await removeNetwork(config, lab.run)
    expect(await nodeState()).toBe(before)
    expect(await readdir(config.cniConfDir)).toEqual([])
    expect(await readdir(config.stateDir)).toEqual([])
  })
})
