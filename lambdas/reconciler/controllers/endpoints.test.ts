import { endpointSlices, endpoints, nodes, pods, services } from '../../../core/kinds/refs.ts'
import type { Pod } from '../../../core/kinds/types.ts'
import { type InProcess, startInProcess } from '../../../test/in-process.ts'

let cluster: InProcess

beforeEach(async () => {
  cluster = await startInProcess()
  await cluster.admin.create(nodes, { metadata: { name: 'n1', labels: { 'topology.kubernetes.io/zone': 'z1' } } })
  await cluster.settled()
})
afterEach(() => cluster.stop())

const namespace = 'default'

function pod(name: string, labels = { app: 'web' }): Pod {
  return {
    metadata: { name, namespace, labels },
    spec: {
      nodeName: 'n1',
      containers: [{ name: 'c', image: 'i', ports: [{ name: 'http', containerPort: 8080 }] }]
    }
  }
}

async function report(name: string, ip: string, ready: boolean) {
  const status = {
    phase: 'Running',
    podIP: ip,
    podIPs: [{ ip }],
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }]
  }
  await cluster.admin.patch(pods, { namespace, name }, { type: 'merge', subresource: 'status', body: { status } })
  await cluster.settled()
}

async function makeService(spec: object = {}) {
  const ports = [{ name: 'http', port: 80, targetPort: 'http' }]
  await cluster.admin.create(services, {
    metadata: { name: 'web', namespace },
    spec: { selector: { app: 'web' }, ports, ...spec }
  })
  await cluster.settled()
}

async function slices() {
  const labelSelector = 'kubernetes.io/service-name=web'
  const { items } = await cluster.admin.list(endpointSlices, { namespace, labelSelector })
  return items.map(({ endpoints, ports }) => ({
    ports: (ports ?? []).map(({ port }) => port),
    ready: (endpoints ?? [])
      .filter(({ conditions }) => conditions?.ready === true)
      .map(({ addresses }) => addresses[0]),
    other: (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== true).map(({ addresses }) => addresses[0])
  }))
}

async function subsets() {
  const found = await cluster.admin.find(endpoints, { namespace, name: 'web' })
  return found?.subsets?.map(({ addresses = [], notReadyAddresses = [] }) => [
    addresses.map(({ ip }) => ip),
    notReadyAddresses.map(({ ip }) => ip)
  ])
}

test('a service without pods has an empty slice and empty Endpoints', async () => {
  await makeService()
  expect(await slices()).toEqual([{ ports: [], ready: [], other: [] }])
  expect(await cluster.admin.find(endpoints, { namespace, name: 'web' })).toBeDefined()
  expect(await subsets()).toBeUndefined()
})

test('pods come, become ready, are relabelled and go', async () => {
  await makeService()
  await cluster.admin.create(pods, pod('a'))
  await cluster.admin.create(pods, pod('b'))
  await report('a', '10.1.0.1', true)
  await report('b', '10.1.0.2', false)
  expect(await slices()).toEqual([{ ports: [8080], ready: ['10.1.0.1'], other: ['10.1.0.2'] }])
  expect(await subsets()).toEqual([[['10.1.0.1'], ['10.1.0.2']]])
  await report('b', '10.1.0.2', true)
  expect(await subsets()).toEqual([[['10.1.0.1', '10.1.0.2'], []]])
  const body = { metadata: { labels: { app: 'debug' } } }
  await cluster.admin.patch(pods, { namespace, name: 'a' }, { type: 'merge', body })
  await cluster.settled()
  expect(await slices()).toEqual([{ ports: [8080], ready: ['10.1.0.2'], other: [] }])
  await cluster.admin.delete(pods, { namespace, name: 'b' }, { gracePeriodSeconds: 0 })
  await cluster.settled()
  expect(await slices()).toEqual([{ ports: [], ready: [], other: [] }])
  expect(await subsets()).toBeUndefined()
})

test('a leaving pod is told as terminating until it is gone', async () => {
  await makeService()
  await cluster.admin.create(pods, pod('a'))
  await report('a', '10.1.0.1', true)
  await cluster.admin.delete(pods, { namespace, name: 'a' })
  await cluster.settled()
  const { items } = await cluster.admin.list(endpointSlices, {
    namespace,
    labelSelector: 'kubernetes.io/service-name=web'
  })
  expect(items[0]?.endpoints[0]?.conditions).toEqual({ ready: false, serving: true, terminating: true })
  expect(await subsets()).toBeUndefined()
})

test('a deleted slice or Endpoints comes back; a deleted service takes both along', async () => {
  await makeService()
  const [slice] = (await cluster.admin.list(endpointSlices, { namespace })).items.filter(
    ({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === 'web'
  )
  await cluster.admin.delete(endpointSlices, { namespace, name: slice?.metadata.name ?? '' })
  await cluster.admin.delete(endpoints, { namespace, name: 'web' })
  await cluster.settled()
  expect((await slices()).length).toBe(1)
  expect(await cluster.admin.find(endpoints, { namespace, name: 'web' })).toBeDefined()
  await cluster.admin.delete(services, { namespace, name: 'web' })
  await cluster.settled()
  expect(await slices()).toEqual([])
  expect(await cluster.admin.find(endpoints, { namespace, name: 'web' })).toBeUndefined()
})

test('a changed selector or port changes the same slice', async () => {
  await makeService()
  await cluster.admin.create(pods, pod('a'))
  await report('a', '10.1.0.1', true)
  const body = { spec: { ports: [{ name: 'http', port: 80, targetPort: 9090 }] } }
  await cluster.admin.patch(services, { namespace, name: 'web' }, { type: 'merge', body })
  await cluster.settled()
  expect(await slices()).toEqual([{ ports: [9090], ready: ['10.1.0.1'], other: [] }])
})

test('the service of the API itself keeps the endpoints that nobody selects', async () => {
  const { items } = await cluster.admin.list(endpoints, { namespace })
  expect(items.map(({ metadata }) => metadata.name)).toEqual(['kubernetes'])
})
