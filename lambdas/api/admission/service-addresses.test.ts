import { beforeEach, describe, expect, test } from '@jest/globals'
import type { Service, ServiceSpec } from '../../../core/kinds/types.ts'
import type { KubeObject } from '../../../core/object.ts'
import type { Store } from '../../../store/store.ts'
import { admission, kinds, put, type TestPorts, testPorts, testStore } from '../../../test/api-fixture.ts'
import { ADDRESSES, addressEffect, addressRange, numberToIp, portRange } from '../addresses.ts'
import type { AdmissionPlugin } from '../types.ts'
import { serviceAddresses } from './service-addresses.ts'

let ports: TestPorts
let store: Store
let plugin: AdmissionPlugin

beforeEach(() => {
  ports = testPorts()
  store = testStore(ports)
  plugin = serviceAddresses({ serviceRange: '10.96.0.0/24', nodePorts: [30000, 30031] })
})

const service = (name: string, spec: Partial<ServiceSpec>): Service => ({
  metadata: { name, namespace: 'ns' },
  spec: { ports: [{ port: 80, protocol: 'TCP' }], ...spec }
})

/** Admission, effect and commit, as the API server does them. */
async function write(next: Service): Promise<ServiceSpec> {
  const key = `ns/${next.metadata.name}`
  const old = await store.get('services', key)
  const object = structuredClone(next) as unknown as KubeObject
  const operation = old === undefined ? 'CREATE' : 'UPDATE'
  await plugin.complete?.(admission({ store, ports, kind: kinds.services, operation, object, old: old?.value }))
  await commit(key, object)
  return (object as unknown as Service).spec ?? {}
}

async function commit(key: string, next: KubeObject | undefined): Promise<void> {
  const old = await store.get('services', key)
  const effects = await addressEffect({ kind: kinds.services, key, old, next }, store)
  const own = { resource: 'services', key, expected: old?.version ?? 0, object: next }
  const result = await store.commit([own, ...effects])
  if (!result.ok) throw new Error(`conflict on ${result.resource} ${result.key}`)
}

const refused = async (next: Service) =>
  await write(next).then(
    () => 'admitted',
    (error: Error) => error.message
  )
const records = async () => (await store.list(ADDRESSES)).entries.map((entry) => entry.key)

describe('ranges', () => {
  test.each([
    ['10.96.0.0/12', '10.96.0.1', '10.111.255.254', '10.96.1.1'],
    ['10.96.0.0/24', '10.96.0.1', '10.96.0.254', '10.96.0.17'],
    ['10.0.0.8/29', '10.0.0.9', '10.0.0.14', '10.0.0.9']
  ])('%s', (cidr, first, last, dynamic) => {
    const range = addressRange(cidr)
    expect([range.first, range.last, range.dynamic].map(numberToIp)).toEqual([first, last, dynamic])
  })

  test.each(['10.96.0.0', '10.96.0.0/33', 'fd00::/64', 'x/24'])('%s is none', (cidr) => {
    expect(() => addressRange(cidr)).toThrow('is not an IPv4 range')
  })

  test('node ports', () => {
    expect(portRange([30000, 32767])).toEqual({ first: 30000, last: 32767, dynamic: 30086 })
  })
})

describe('cluster addresses', () => {
  test('are chosen, recorded, kept through updates and freed', async () => {
    const spec = await write(service('a', {}))
    expect(spec).toMatchObject({ clusterIPs: [spec.clusterIP], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' })
    expect(spec.clusterIP).toMatch(/^10\.96\.0\.\d+$/)
    expect(await records()).toEqual([`ip-${spec.clusterIP}`])
    const updated = await write(service('a', { selector: { app: 'b' } }))
    expect(updated).toMatchObject({ clusterIP: spec.clusterIP, clusterIPs: spec.clusterIPs, selector: { app: 'b' } })
    await commit('ns/a', undefined)
    expect(await records()).toEqual([])
  })

  test('the whole range can be used, and then is full', async () => {
    const small = serviceAddresses({ serviceRange: '10.0.0.8/29', nodePorts: [30000, 30031] })
    plugin = small
    const used = new Set<string | undefined>()
    for (let i = 0; i < 6; i++) used.add((await write(service(`s${i}`, {}))).clusterIP)
    expect(used.size).toBe(6)
    expect(await refused(service('more', {}))).toBe(
      'Internal error occurred: failed to allocate a serviceIP: range is full'
    )
    await commit('ns/s3', undefined)
    ports.advance(10_000)
    expect(used).toContain((await write(service('more', {}))).clusterIP)
  })

  test('many at once get different ones', async () => {
    const specs = await Promise.all(
      Array.from({ length: 40 }, (_, i) => write(service(`s${i}`, i < 12 ? { type: 'NodePort' } : {})))
    )
    expect(new Set(specs.map((spec) => spec.clusterIP)).size).toBe(40)
    const nodePorts = specs.flatMap((spec) => (spec.ports ?? []).map(({ nodePort }) => nodePort)).filter(Boolean)
    expect(new Set(nodePorts).size).toBe(12)
  })

  test.each<[string, Partial<ServiceSpec>, object]>([
    [
      'headless',
      { clusterIP: 'None', selector: { a: 'b' } },
      { clusterIP: 'None', clusterIPs: ['None'], ipFamilyPolicy: 'SingleStack', ipFamilies: ['IPv4'] }
    ],
    [
      'headless without selector',
      { clusterIP: 'None' },
      { clusterIPs: ['None'], ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv4', 'IPv6'] }
    ],
    ['chosen', { clusterIP: '10.96.0.9' }, { clusterIP: '10.96.0.9', clusterIPs: ['10.96.0.9'] }],
    ['prefer dual', { ipFamilyPolicy: 'PreferDualStack' }, { ipFamilyPolicy: 'PreferDualStack', ipFamilies: ['IPv4'] }]
  ])('%s', async (_what, spec, expected) => {
    expect(await write(service('a', spec))).toMatchObject(expected)
  })

  test.each<[string, Partial<ServiceSpec>, string]>([
    [
      'not an address',
      { clusterIP: 'x' },
      'spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
    ],
    [
      'the list alone',
      { clusterIPs: ['2001:db8::1'] },
      'spec.clusterIPs: Invalid value: ["2001:db8::1"]: must be empty when `clusterIP` is not specified'
    ],
    [
      'of a family that the cluster has not',
      { clusterIP: '2001:db8::1' },
      'spec.clusterIPs[0]: Invalid value: ["2001:db8::1"]: IPv6 is not configured on this cluster'
    ],
    [
      'one port for two',
      {
        type: 'NodePort',
        ports: [
          { port: 80, nodePort: 30007 },
          { port: 81, nodePort: 30007 }
        ]
      },
      'spec.ports[1].nodePort: Invalid value: 30007: provided port is already allocated'
    ]
  ])('refuses %s', async (_what, spec, message) => {
    expect(await refused(service('a', spec))).toBe(`Service "a" is invalid: ${message}`)
  })

  test('an ExternalName service has none, and a change of type frees and takes', async () => {
    expect(await write(service('a', { type: 'ExternalName', externalName: 'x' }))).toEqual({
      type: 'ExternalName',
      externalName: 'x',
      ports: [{ port: 80, protocol: 'TCP' }]
    })
    const spec = await write(service('a', { type: 'ClusterIP' }))
    expect(await records()).toEqual([`ip-${spec.clusterIP}`])
    expect(await write({ ...service('a', {}), spec: { ...spec, type: 'ExternalName' } })).not.toHaveProperty(
      'clusterIP'
    )
    expect(await records()).toEqual([])
  })

  test.each<[string, Partial<ServiceSpec>, string]>([
    [
      'outside',
      { clusterIP: '1.2.3.4' },
      'Service "a" is invalid: spec.clusterIPs: Invalid value: ["1.2.3.4"]: failed to allocate IP 1.2.3.4: the provided network does not match the current range'
    ],
    [
      'taken',
      { clusterIP: '10.96.0.5' },
      'Service "a" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.5"]: failed to allocate IP 10.96.0.5: provided IP is already allocated'
    ],
    [
      'dual stack',
      { ipFamilyPolicy: 'RequireDualStack' },
      'Service "a" is invalid: spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services'
    ],
    [
      'IPv6',
      { ipFamilies: ['IPv6'] },
      'Service "a" is invalid: spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'
    ]
  ])('refuses %s', async (_what, spec, message) => {
    await write(service('other', { clusterIP: '10.96.0.5' }))
    expect(await refused(service('a', spec))).toBe(message)
  })
})

describe('node ports', () => {
  const nodePort = (...list: object[]): Partial<ServiceSpec> => ({ type: 'NodePort', ports: list as never })
  const portsOf = (spec: ServiceSpec) => (spec.ports ?? []).map((port) => port.nodePort)

  test('are chosen from the upper part, shared by the protocols of a port, kept and freed', async () => {
    const spec = nodePort(
      { port: 53, protocol: 'TCP', name: 't' },
      { port: 53, protocol: 'UDP', name: 'u' },
      { port: 80, protocol: 'TCP', name: 'h' }
    )
    const first = portsOf(await write(service('a', spec)))
    expect(first[0]).toBe(first[1])
    expect(first[2]).not.toBe(first[0])
    for (const port of first) expect(port).toBeGreaterThanOrEqual(30016)
    expect(portsOf(await write(service('a', spec)))).toEqual(first)
    expect((await records()).filter((key) => key.startsWith('port-')).length).toBe(2)
    expect(portsOf(await write(service('a', { ports: spec.ports })))).toEqual([undefined, undefined, undefined])
    expect((await records()).filter((key) => key.startsWith('port-'))).toEqual([])
  })

  test('a change to ClusterIP lets go of ports that come along unchanged', async () => {
    const spec = await write(service('a', nodePort({ port: 80, protocol: 'TCP' })))
    expect(portsOf(await write(service('a', { ...spec, type: 'ClusterIP' })))).toEqual([undefined])
  })

  test.each<[string, number, string]>([
    [
      'outside',
      80,
      'Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-30031'
    ],
    [
      'taken',
      30005,
      'Service "a" is invalid: spec.ports[0].nodePort: Invalid value: 30005: provided port is already allocated'
    ],
    ['free', 30006, 'admitted']
  ])('%s', async (_what, number, message) => {
    await write(service('other', nodePort({ port: 1, nodePort: 30005 })))
    expect(await refused(service('a', nodePort({ port: 80, nodePort: number })))).toBe(message)
  })

  test('whoever commits first has a port that two asked for', async () => {
    const wish = nodePort({ port: 80, nodePort: 30001 })
    const both = await Promise.all([refused(service('a', wish)), refused(service('b', wish))])
    expect(both.filter((message) => message === 'admitted').length).toBe(1)
    expect((await records()).filter((key) => key === 'port-30001')).toHaveLength(1)
  })

  test('load balancers have them too, unless they say no, and one for health checks', async () => {
    const port = { port: 80, protocol: 'TCP' }
    const local = await write(service('a', { type: 'LoadBalancer', externalTrafficPolicy: 'Local', ports: [port] }))
    expect(local.healthCheckNodePort).toBeGreaterThanOrEqual(30000)
    const plain = { type: 'LoadBalancer', allocateLoadBalancerNodePorts: false, ports: [port] }
    expect(portsOf(await write(service('b', plain)))).toEqual([undefined])
  })
})

test('the effect leaves other kinds alone', async () => {
  await put(store, 'pods', { metadata: { namespace: 'ns', name: 'p' } })
  const old = await store.get('pods', 'ns/p')
  expect(await addressEffect({ kind: kinds.pods, key: 'ns/p', old, next: undefined }, store)).toEqual([])
})
