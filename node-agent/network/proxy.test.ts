import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import type { Endpoint, EndpointSlice, Pod, Service, ServiceSpec } from '../../core/kinds/types.ts'
import { ElementTable } from './element-table.ts'
import { linkName, tableName } from './host.ts'
import { ServiceProxy } from './proxy.ts'
import { type Element, hostPortElements, podRangeElements, serviceElements } from './service-elements.ts'

const node = { nodeName: 'n1', podCIDR: '10.244.0.0/24', clusterDNS: '10.96.0.10' }

const service = (spec: Partial<ServiceSpec>, extra: Partial<Service> = {}): Service => ({
  metadata: { name: 's', namespace: 'd' },
  spec: { clusterIP: '10.96.0.20', ports: [{ port: 80, protocol: 'TCP' }], ...spec },
  ...extra
})

const slice = (...endpoints: Endpoint[]): EndpointSlice => ({
  metadata: { name: 's-1', namespace: 'd', labels: { 'kubernetes.io/service-name': 's' } },
  addressType: 'IPv4',
  ports: [{ name: '', port: 8080, protocol: 'TCP' }],
  endpoints
})

const far = (ip: string, conditions = {}): Endpoint => ({ addresses: [ip], nodeName: 'n2', conditions })
const near = (ip: string, conditions = {}): Endpoint => ({ addresses: [ip], nodeName: 'n1', conditions })

const text = (elements: readonly Element[]) =>
  elements.map(({ set, key, data }) => (data === '' ? `${set} { ${key} }` : `${set} { ${key} : ${data} }`))

describe('elements of a service', () => {
  const A = '10.244.1.2'
  const B = '10.244.1.3'
  const L = '10.244.0.4'
  test.each<[string, Service, EndpointSlice[], string[]]>([
    [
      'ClusterIP',
      service({}),
      [slice(far(B), far(A))],
      [
        'service_tcp_2 { 10.96.0.20 . 80 . 0 : 10.244.1.2 . 8080 }',
        'service_tcp_2 { 10.96.0.20 . 80 . 1 : 10.244.1.3 . 8080 }'
      ]
    ],
    [
      'the same endpoint in two slices counts once',
      service({}),
      [slice(far(A)), slice(far(A))],
      ['service_tcp_1 { 10.96.0.20 . 80 . 0 : 10.244.1.2 . 8080 }']
    ],
    [
      'a local endpoint may be its own client',
      service({}),
      [slice(near(L))],
      [
        'service_tcp_1 { 10.96.0.20 . 80 . 0 : 10.244.0.4 . 8080 }',
        'hairpin { 10.244.0.4 . 10.244.0.4 }',
        'hairpin { 10.244.0.4 . 10.244.0.4 }'
      ]
    ],
    ['none', service({}), [], ['reject_service { 10.96.0.20 . tcp . 80 }']],
    ['none ready', service({}), [slice(far(A, { ready: false }))], ['reject_service { 10.96.0.20 . tcp . 80 }']],
    [
      'none ready, one closing',
      service({}),
      [slice(far(A, { ready: false, terminating: true, serving: true }))],
      ['service_tcp_1 { 10.96.0.20 . 80 . 0 : 10.244.1.2 . 8080 }']
    ],
    [
      'no port of that name',
      service({ ports: [{ name: 'x', port: 80 }] }),
      [slice(far(A))],
      ['reject_service { 10.96.0.20 . tcp . 80 }']
    ],
    [
      'cluster DNS is answered by the agent',
      service({ clusterIP: '10.96.0.10', ports: [{ port: 53, protocol: 'UDP' }] }),
      [],
      []
    ],
    ['headless', service({ clusterIP: 'None' }), [slice(far(A))], []],
    ['ExternalName', service({ type: 'ExternalName' }), [slice(far(A))], []],
    [
      'another proxy’s',
      service({}, { metadata: { name: 's', labels: { 'service.kubernetes.io/service-proxy-name': 'x' } } }),
      [slice(far(A))],
      []
    ],
    ['IPv6 is not served', service({ clusterIPs: ['fd00::1'] }), [slice(far(A))], []],
    [
      'node port',
      service({ type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] }),
      [slice(far(A))],
      [
        'service_tcp_1 { 10.96.0.20 . 80 . 0 : 10.244.1.2 . 8080 }',
        'node_port_tcp_1 { 30080 . 0 : 10.244.1.2 . 8080 }',
        'masquerade_node_port { tcp . 30080 }'
      ]
    ],
    [
      'sticky',
      service({ sessionAffinity: 'ClientIP' }),
      [slice(far(A))],
      ['service_tcp_1 { 10.96.0.20 . 80 . 0 : 10.244.1.2 . 8080 }', 'affinity_service_10800 { 10.96.0.20 . tcp . 80 }']
    ],
    [
      'external, Local policy, one here',
      service({ externalIPs: ['203.0.113.7'], externalTrafficPolicy: 'Local' }),
      [slice(far(A), near('10.9.9.9'))],
      [
        'service_tcp_2 { 10.96.0.20 . 80 . 0 : 10.244.1.2 . 8080 }',
        'service_tcp_2 { 10.96.0.20 . 80 . 1 : 10.9.9.9 . 8080 }',
        'service_tcp_2 { 203.0.113.7 . 80 . 0 : 10.244.1.2 . 8080 }',
        'service_tcp_2 { 203.0.113.7 . 80 . 1 : 10.9.9.9 . 8080 }',
        'local_service_tcp_1 { 203.0.113.7 . 80 . 0 : 10.9.9.9 . 8080 }',
        'hairpin { 10.9.9.9 . 10.9.9.9 }',
        'hairpin { 10.9.9.9 . 10.9.9.9 }'
      ]
    ],
    [
      'load balancer, Local policy, none here',
      service(
        { externalTrafficPolicy: 'Local' },
        {
          status: {
            loadBalancer: {
              ingress: [{ ip: '203.0.113.8' }, { ip: '203.0.113.9', ipMode: 'Proxy' }, { hostname: 'x' }]
            }
          }
        }
      ),
      [slice(far(A))],
      [
        'service_tcp_1 { 10.96.0.20 . 80 . 0 : 10.244.1.2 . 8080 }',
        'service_tcp_1 { 203.0.113.8 . 80 . 0 : 10.244.1.2 . 8080 }',
        'drop_outside_service { 203.0.113.8 . tcp . 80 }'
      ]
    ],
    [
      'internal policy Local, none here',
      service({ internalTrafficPolicy: 'Local' }),
      [slice(far(A))],
      ['drop_service { 10.96.0.20 . tcp . 80 }']
    ]
  ])('%s', (_, of, slices, expected) => expect(text(serviceElements(of, slices, node))).toEqual(expected))
})

test('host ports', () => {
  const pod: Pod = {
    metadata: { name: 'p' },
    spec: {
      containers: [
        {
          name: 'c',
          ports: [
            { containerPort: 80, hostPort: 8080 },
            { containerPort: 53, hostPort: 53, protocol: 'UDP', hostIP: '192.0.2.2' },
            { containerPort: 9 }
          ]
        }
      ]
    },
    status: { podIP: '10.244.0.4', phase: 'Running' }
  }
  expect(text(hostPortElements(pod))).toEqual([
    'host_port { tcp . 8080 : 10.244.0.4 . 80 }',
    'host_address_port { 192.0.2.2 . udp . 53 : 10.244.0.4 . 53 }',
    'hairpin { 10.244.0.4 . 10.244.0.4 }'
  ])
  expect(hostPortElements({ ...pod, status: { podIP: '10.244.0.4', phase: 'Succeeded' } })).toEqual([])
  expect(hostPortElements({ ...pod, status: {} })).toEqual([])
})

test('pod ranges hold no range within another', () => {
  const ranges = (...podCIDRs: string[]) =>
    podRangeElements([{ metadata: {}, spec: { podCIDRs } }], '10.244.0.0/24').map(({ key }) => key)
  expect(ranges('10.244.1.0/24', 'fd00::/64', 'x')).toEqual(['10.244.0.0/24', '10.244.1.0/24'])
  expect(ranges('10.244.0.0/16')).toEqual(['10.244.0.0/16'])
  expect(ranges('10.244.0.7/24')).toEqual(['10.244.0.0/24'])
})

test('names fit the kernel', () => {
  expect(linkName('wherry')).toBe('wherry0')
  expect(linkName('wherry-with-a-long-name')).toHaveLength(15)
  expect(tableName('wherry-a.b')).toBe('wherry_a_b')
  expect(tableName('1x')).toBe('w1x')
})

describe('changes', () => {
  test('one endpoint more concerns its service alone; UDP connections to one that goes are named', () => {
    const proxy = new ServiceProxy(node)
    proxy.setService('d/s', service({ ports: [{ port: 53, protocol: 'UDP' }] }))
    proxy.setService('d/t', service({ clusterIP: '10.96.0.21' }))
    proxy.setSlice('d/s-1', slice(far('10.244.1.2')))
    expect(proxy.take().staleFlows).toEqual([{ ip: '10.96.0.20', port: '53' }])
    proxy.setSlice('d/s-1', slice(far('10.244.1.2'), far('10.244.1.3')))
    const more = proxy.take()
    expect(text(more.removed)).toEqual(['service_udp_1 { 10.96.0.20 . 53 . 0 : 10.244.1.2 . 8080 }'])
    expect(more.added).toHaveLength(2)
    expect(more.staleFlows).toEqual([])
    proxy.setSlice('d/s-1', slice(far('10.244.1.3')))
    expect(proxy.take().staleFlows).toEqual([{ ip: '10.96.0.20', port: '53', endpoint: '10.244.1.2' }])
    proxy.setSlice('d/s-1', slice(far('10.244.1.3')))
    expect(proxy.take()).toEqual({ removed: [], added: [], staleFlows: [], forget: false })
  })

  test('a slice that moves to another service leaves the first', () => {
    const proxy = new ServiceProxy(node)
    proxy.setService('d/s', service({}))
    proxy.setSlice('d/s-1', slice(far('10.244.1.2')))
    proxy.take()
    proxy.setSlice('d/s-1', {
      ...slice(far('10.244.1.2')),
      metadata: { name: 's-1', namespace: 'd', labels: { 'kubernetes.io/service-name': 't' } }
    })
    expect(text(proxy.take().added)).toEqual(['reject_service { 10.96.0.20 . tcp . 80 }'])
  })

  test('any history of claims leads to what the claims are', () => {
    const element = fc.record({
      set: fc.constantFrom('a', 'b'),
      key: fc.constantFrom('1', '2', '3'),
      data: fc.constantFrom('x', 'y')
    })
    const step = fc.record({
      owner: fc.constantFrom('o', 'p', 'q'),
      elements: fc.array(element, { maxLength: 4 }),
      take: fc.boolean()
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const table = new ElementTable()
        const kernel = new Map<string, string>()
        const claims = new Map<string, readonly Element[]>()
        const take = () => {
          const { removed, added } = table.take()
          for (const { set, key, data } of removed) {
            expect(kernel.get(set + key)).toBe(data)
            kernel.delete(set + key)
          }
          for (const { set, key, data } of added) {
            expect(kernel.has(set + key)).toBe(false)
            kernel.set(set + key, data)
          }
        }
        for (const { owner, elements, take: now } of steps) {
          table.replace(owner, elements)
          claims.set(owner, elements)
          if (now) take()
        }
        take()
        const claimed = new Map<string, Set<string>>()
        for (const { set, key, data } of [...claims.values()].flat())
          claimed.set(set + key, (claimed.get(set + key) ?? new Set()).add(data))
        expect([...kernel.keys()].sort()).toEqual([...claimed.keys()].sort())
        for (const [key, data] of kernel) expect(claimed.get(key)?.has(data)).toBe(true)
      })
    )
  })
})
