import { Client } from '../../core/client.ts'
import type { Change } from '../../core/feed.ts'
import { nodes, pods } from '../../core/kinds/refs.ts'
import type { KubeObject } from '../../core/object.ts'
import { ADMIN, createTestApi, type TestApi } from '../../test/test-api.ts'
import type { ControllerContext } from './controller.ts'
import { doorbell, QUEUE_URL, ringsOf } from './doorbell.ts'

let api: TestApi
let client: Client
let context: ControllerContext

beforeEach(async () => {
  api = await createTestApi()
  client = new Client(api.api.handle, ADMIN)
  context = { client } as ControllerContext
  for (const name of ['n1', 'n2'])
    await client.create(nodes, { metadata: { name, annotations: { [QUEUE_URL]: `https://queue/${name}` } } })
  await client.create(nodes, { metadata: { name: 'elsewhere' } })
})
afterEach(() => api.close())

function pod(nodeName: string | undefined, more: object = {}): KubeObject {
  const spec = { nodeName, containers: [{ name: 'c', image: 'i' }], ...more }
  return { metadata: { name: 'p', namespace: 'default', resourceVersion: '1' }, spec }
}

const running = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] }
const gated = { readinessGates: [{ conditionType: 'example.com/gate' }] }

test.each<[string, Partial<Change>, readonly string[]]>([
  ['a pod that is bound', { object: pod('n1'), previous: pod(undefined) }, ['n1 pods']],
  ['a pod that is made with its node', { type: 'created', object: pod('n1') }, ['n1 pods']],
  ['a pod that goes', { type: 'deleted', object: pod('n1'), previous: pod('n1') }, ['n1 pods']],
  ['a pod without a node', { type: 'created', object: pod(undefined) }, []],
  ['what the node reports', { object: { ...pod('n1'), status: running }, previous: pod('n1') }, []],
  [
    'a readiness gate that somebody else opens',
    {
      object: { ...pod('n1', gated), status: { conditions: [{ type: 'example.com/gate', status: 'True' }] } },
      previous: pod('n1', gated)
    },
    ['n1 pods']
  ],
  [
    'a label',
    { object: { ...pod('n1'), metadata: { ...pod('n1').metadata, labels: { a: 'b' } } }, previous: pod('n1') },
    ['n1 pods']
  ],
  ['a service', { resource: 'services' }, ['elsewhere services', 'n1 services', 'n2 services']],
  ['an event', { resource: 'events' }, []],
  [
    'a node that says how it is',
    { resource: 'nodes', object: { metadata: { name: 'n1' }, status: {} }, previous: { metadata: { name: 'n1' } } },
    []
  ],
  [
    'a node that comes',
    { resource: 'nodes', type: 'created', object: { metadata: { name: 'n1' } } },
    ['elsewhere nodes', 'n1 nodes', 'n2 nodes']
  ]
])('%s rings %#', async (_, change, rings) => {
  const whole: Change = { resource: 'pods', key: 'k', type: 'updated', object: { metadata: { name: 'x' } }, ...change }
  expect([...(await ringsOf([whole], context))].sort()).toEqual(rings)
})

test('a config map or a secret rings where pods of its namespace refer to it', async () => {
  const refers: readonly [string, string, object][] = [
    ['a', 'n1', { volumes: [{ name: 'v', configMap: { name: 'settings' } }] }],
    ['b', 'n2', { imagePullSecrets: [{ name: 'registry' }] }],
    ['c', 'n2', { volumes: [{ name: 'v', projected: { sources: [{ secret: { name: 'key' } }] } }] }]
  ]
  for (const [name, nodeName, more] of refers) {
    const env = name === 'a' ? [{ name: 'X', valueFrom: { secretKeyRef: { name: 'key', key: 'k' } } }] : []
    const containers = [{ name: 'c', image: 'i', env }]
    await client.create(pods, { metadata: { name, namespace: 'default' }, spec: { nodeName, containers, ...more } })
  }
  const changed = (resource: string, name: string, namespace = 'default'): Change => {
    return { resource, key: `${namespace}/${name}`, type: 'updated', object: { metadata: { name, namespace } } }
  }
  const rings = async (...changes: Change[]) => [...(await ringsOf(changes, context))].sort()
  expect(await rings(changed('configmaps', 'settings'))).toEqual(['n1 configmaps'])
  expect(await rings(changed('secrets', 'registry'))).toEqual(['n2 secrets'])
  expect(await rings(changed('secrets', 'key'), changed('configmaps', 'settings'))).toEqual([
    'n1 configmaps,secrets',
    'n2 secrets'
  ])
  expect(await rings(changed('secrets', 'key', 'other'), changed('configmaps', 'key'))).toEqual([])
})

test('a key rings the queue that its node names; a node without one is left alone', async () => {
  const rung: [string, readonly string[]][] = []
  const { reconcile } = doorbell({ ring: async (url, { resources }) => void rung.push([url, resources]) })
  for (const key of ['n1 pods,services', 'elsewhere pods', 'gone pods']) await reconcile(key, context)
  expect(rung).toEqual([['https://queue/n1', ['pods', 'services']]])
})
