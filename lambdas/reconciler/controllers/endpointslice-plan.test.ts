import type { EndpointSlice, Node, Pod, Service, ServiceSpec } from '../../../core/kinds/types.ts'
import { planEndpoints } from './endpoints.ts'
import { planSlices, type SlicePlan } from './endpointslice-plan.ts'

function service(spec: Partial<ServiceSpec> = {}, labels: Record<string, string> = {}): Service {
  return {
    metadata: { name: 'web', namespace: 'shop', uid: 's', labels },
    spec: {
      clusterIP: '10.96.0.9',
      selector: { app: 'web' },
      ports: [{ name: 'http', port: 80, targetPort: 'http', protocol: 'TCP' }],
      ...spec
    }
  }
}

interface PodRow {
  readonly ready?: boolean
  readonly leaving?: boolean
  readonly port?: number
  readonly node?: string
  readonly phase?: string
  readonly hostname?: string
}

function pod(number: number, row: PodRow = {}): Pod {
  const { ready = true, leaving = false, port = 8080, node = 'n1', phase = 'Running', hostname } = row
  return {
    metadata: {
      name: `web-${number}`,
      namespace: 'shop',
      uid: `u${number}`,
      ...(leaving ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {})
    },
    spec: {
      nodeName: node,
      ...(hostname === undefined ? {} : { hostname, subdomain: 'web' }),
      containers: [{ name: 'c', image: 'i', ports: [{ name: 'http', containerPort: port }] }]
    },
    status: {
      phase,
      podIP: `10.1.0.${number}`,
      podIPs: [{ ip: `10.1.0.${number}` }],
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }]
    }
  }
}

const nodes = new Map<string, Node>([
  ['n1', { metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'z1' } } }],
  ['n2', { metadata: { name: 'n2' } }]
])

function plan(of: Service, pods: readonly Pod[], slices: readonly EndpointSlice[] = []): SlicePlan {
  return planSlices(of, { pods, slices, nodes })
}

/** The slices after the plan was carried out. */
function after(slices: readonly EndpointSlice[], { create, update, remove }: SlicePlan): EndpointSlice[] {
  const gone = new Set(remove.map(({ metadata }) => metadata.name))
  const changed = new Map(update.map((slice) => [slice.metadata.name, slice]))
  const named = create.map((slice, i) => {
    return { ...slice, metadata: { ...slice.metadata, name: `web-${slices.length + i}-${create.length}` } }
  })
  return [
    ...slices.filter(({ metadata }) => !gone.has(metadata.name)).map((one) => changed.get(one.metadata.name) ?? one),
    ...named
  ]
}

test('a slice carries labels, owner, ports and endpoints', () => {
  const { create, update, remove } = plan(service({}, { team: 'a' }), [pod(1), pod(2, { node: 'n2', ready: false })])
  expect([update, remove]).toEqual([[], []])
  expect(create).toEqual([
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        generateName: 'web-',
        namespace: 'shop',
        labels: {
          team: 'a',
          'kubernetes.io/service-name': 'web',
          'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io'
        },
        ownerReferences: [
          { apiVersion: 'v1', kind: 'Service', name: 'web', uid: 's', controller: true, blockOwnerDeletion: true }
        ]
      },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      endpoints: [
        {
          addresses: ['10.1.0.1'],
          conditions: { ready: true, serving: true, terminating: false },
          targetRef: { kind: 'Pod', name: 'web-1', namespace: 'shop', uid: 'u1' },
          nodeName: 'n1',
          zone: 'z1'
        },
        {
          addresses: ['10.1.0.2'],
          conditions: { ready: false, serving: false, terminating: false },
          targetRef: { kind: 'Pod', name: 'web-2', namespace: 'shop', uid: 'u2' },
          nodeName: 'n2'
        }
      ]
    }
  ])
})

test.each([
  ['ready', {}, {}, { ready: true, serving: true, terminating: false }],
  ['not ready', { ready: false }, {}, { ready: false, serving: false, terminating: false }],
  ['leaving', { leaving: true }, {}, { ready: false, serving: true, terminating: true }],
  ['leaving, not ready', { leaving: true, ready: false }, {}, { ready: false, serving: false, terminating: true }],
  [
    'published in any case',
    { ready: false },
    { publishNotReadyAddresses: true },
    { ready: true, serving: false, terminating: false }
  ],
  ['finished', { phase: 'Succeeded' }, {}, undefined]
])('conditions of a pod that is %s', (_, row, spec, conditions) => {
  const { create } = plan(service(spec), [pod(1, row)])
  expect(create[0]?.endpoints[0]?.conditions).toEqual(conditions)
})

test('a headless service: its label, and the pods names', () => {
  const { create } = plan(service({ clusterIP: 'None', ports: undefined }), [pod(1, { hostname: 'one' })])
  expect(create[0]).toMatchObject({
    metadata: { labels: { 'service.kubernetes.io/headless': '' } },
    ports: [],
    endpoints: [{ hostname: 'one' }]
  })
})

test('pods whose named port differs are kept apart', () => {
  const { create } = plan(service(), [pod(1), pod(2, { port: 9090 }), pod(3)])
  expect(create.map(({ ports, endpoints }) => [ports?.[0]?.port, endpoints.length])).toEqual([
    [8080, 2],
    [9090, 1]
  ])
})

test('at most 100 endpoints in a slice', () => {
  const pods = Array.from({ length: 250 }, (_, i) => pod(i))
  expect(plan(service(), pods).create.map(({ endpoints }) => endpoints.length)).toEqual([100, 100, 50])
})

test('nothing changes while nothing has changed', () => {
  const pods = Array.from({ length: 150 }, (_, i) => pod(i))
  const slices = after([], plan(service(), pods))
  expect(plan(service(), pods.toReversed(), slices)).toMatchObject({ create: [], update: [], remove: [] })
})

test('one new pod changes one slice; one pod less changes only its own', () => {
  const pods = Array.from({ length: 150 }, (_, i) => pod(i))
  const slices = after([], plan(service(), pods))
  const more = plan(service(), [...pods, pod(200)], slices)
  expect([more.create.length, more.update.map(({ endpoints }) => endpoints.length), more.remove.length]).toEqual([
    0,
    [51],
    0
  ])
  const less = plan(service(), pods.slice(1), slices)
  expect(less.update.map(({ endpoints }) => endpoints.length)).toEqual([99])
})

test('without pods one empty slice remains, the same one', () => {
  const slices = after([], plan(service(), [pod(1)]))
  const empty = plan(service(), [], slices)
  expect([empty.create.length, empty.remove.length]).toEqual([0, 0])
  expect(empty.update).toMatchObject([{ metadata: { name: slices[0]?.metadata.name }, endpoints: [], ports: [] }])
  const kept = after(slices, empty)
  expect(plan(service(), [], kept)).toMatchObject({ create: [], update: [], remove: [] })
  expect(plan(service(), [pod(2)], kept).update).toMatchObject([{ metadata: { name: slices[0]?.metadata.name } }])
})

test('a pod of a missing node waits, unless all addresses are to be published', () => {
  const lost = [pod(1, { node: 'gone' })]
  expect(plan(service(), lost)).toMatchObject({ nodeMissing: true, create: [{ endpoints: [] }] })
  const published = plan(service({ publishNotReadyAddresses: true }), lost)
  expect(published.create[0]?.endpoints.length).toBe(1)
})

test('hints follow trafficDistribution', () => {
  const near = (trafficDistribution: string) => plan(service({ trafficDistribution }), [pod(1)]).create[0]?.endpoints[0]
  expect(near('PreferClose')?.hints).toEqual({ forZones: [{ name: 'z1' }] })
  expect(near('PreferSameNode')?.hints).toEqual({ forZones: [{ name: 'z1' }], forNodes: [{ name: 'n1' }] })
})

describe('Endpoints', () => {
  test('ready and other addresses, in order, with labels of their own', () => {
    const made = planEndpoints(service({}, { team: 'a' }), [pod(3), pod(1), pod(2, { ready: false })], undefined)
    const address = (n: number) => {
      const targetRef = { kind: 'Pod', namespace: 'shop', name: `web-${n}`, uid: `u${n}` }
      return { ip: `10.1.0.${n}`, nodeName: 'n1', targetRef }
    }
    expect(made).toEqual({
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: {
        name: 'web',
        namespace: 'shop',
        labels: { team: 'a', 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' }
      },
      subsets: [
        {
          addresses: [address(1), address(3)],
          notReadyAddresses: [address(2)],
          ports: [{ name: 'http', port: 8080, protocol: 'TCP' }]
        }
      ]
    })
    expect(planEndpoints(service({}, { team: 'a' }), [pod(1), pod(2, { ready: false }), pod(3)], made)).toBeUndefined()
  })

  test('a leaving pod is not among them; without pods there are no subsets', () => {
    expect(planEndpoints(service(), [pod(1, { leaving: true })], undefined)?.subsets).toBeUndefined()
  })

  test('more than a thousand are cut off, and the object says so', () => {
    const pods = Array.from({ length: 1100 }, (_, i) => pod(i, { ready: i % 2 === 0 }))
    const made = planEndpoints(service(), pods, undefined)
    const [subset] = made?.subsets ?? []
    expect([subset?.addresses?.length, subset?.notReadyAddresses?.length]).toEqual([550, 450])
    expect(made?.metadata.annotations).toEqual({ 'endpoints.kubernetes.io/over-capacity': 'truncated' })
  })
})
