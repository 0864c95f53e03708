import type { JsonObject } from '../json.ts'
import { compareObjects, fieldsOf } from './compare.ts'
import { pathsOf } from './field-set.ts'
import { namedType, objectType, zeroOf } from './types.ts'

const POD = 'io.k8s.api.core.v1.Pod'
const DEPLOYMENT = 'io.k8s.api.apps.v1.Deployment'
const CONFIG_MAP = 'io.k8s.api.core.v1.ConfigMap'

const pod = (spec: object) => ({ apiVersion: 'v1', kind: 'Pod', metadata: {}, spec: { containers: [], ...spec } })
const cm = (rest: object) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, ...rest })

test.each<[string, { schema: string; from: JsonObject; to: JsonObject; changed: string[]; removed?: string[] }]>([
  ['nothing', { schema: CONFIG_MAP, from: cm({ data: { a: '1' } }), to: cm({ data: { a: '1' } }), changed: [] }],
  [
    'a new map with its keys',
    { schema: CONFIG_MAP, from: cm({}), to: cm({ data: { a: '1' } }), changed: ['.data', '.data.a'] }
  ],
  [
    'keys of a map',
    {
      schema: CONFIG_MAP,
      from: cm({ data: { a: '1', b: '1' } }),
      to: cm({ data: { a: '2', c: '1' } }),
      changed: ['.data.a', '.data.c'],
      removed: ['.data.b']
    }
  ],
  [
    'a map that goes',
    { schema: CONFIG_MAP, from: cm({ data: { a: '1' } }), to: cm({}), changed: [], removed: ['.data', '.data.a'] }
  ],
  [
    'not what nobody owns',
    {
      schema: CONFIG_MAP,
      from: cm({ metadata: { name: 'a', uid: '1', generation: 1 } }),
      to: cm({ metadata: { name: 'b', uid: '2', generation: 2, labels: { x: 'y' } } }),
      changed: ['.metadata.labels', '.metadata.labels.x']
    }
  ],
  [
    'values of a set',
    {
      schema: CONFIG_MAP,
      from: cm({ metadata: { finalizers: ['a', 'b'] } }),
      to: cm({ metadata: { finalizers: ['b', 'c'] } }),
      changed: ['.metadata.finalizers[="c"]'],
      removed: ['.metadata.finalizers[="a"]']
    }
  ],
  [
    'not the order of a keyed list',
    {
      schema: POD,
      from: pod({ containers: [{ name: 'a' }, { name: 'b' }] }),
      to: pod({ containers: [{ name: 'b' }, { name: 'a' }] }),
      changed: []
    }
  ],
  [
    'elements of a keyed list, with the default of a key that is missing',
    {
      schema: POD,
      from: pod({ containers: [{ name: 'a', ports: [{ containerPort: 80 }] }] }),
      to: pod({ containers: [{ name: 'a', ports: [{ containerPort: 80, protocol: 'TCP', name: 'x' }] }] }),
      changed: [
        '.spec.containers[name="a"].ports[containerPort=80,protocol="TCP"].name',
        '.spec.containers[name="a"].ports[containerPort=80,protocol="TCP"].protocol'
      ]
    }
  ],
  [
    'an atomic list as one',
    {
      schema: POD,
      from: pod({ tolerations: [{ key: 'a' }] }),
      to: pod({ tolerations: [{ key: 'a' }, { key: 'b' }] }),
      changed: ['.spec.tolerations']
    }
  ],
  [
    'a struct by value of a new element, though nobody set it',
    {
      schema: POD,
      from: pod({}),
      to: pod({ containers: [{ name: 'a' }] }),
      changed: ['.spec.containers[name="a"]', '.spec.containers[name="a"].name', '.spec.containers[name="a"].resources']
    }
  ],
  [
    'an element that stands twice as one',
    {
      schema: POD,
      from: pod({ containers: [{ name: 'a', env: [{ name: 'E', value: '1' }] }] }),
      to: pod({
        containers: [
          {
            name: 'a',
            env: [
              { name: 'E', value: '1' },
              { name: 'E', value: '2' }
            ]
          }
        ]
      }),
      changed: ['.spec.containers[name="a"].env[name="E"]'],
      removed: [
        '.spec.containers[name="a"].env[name="E"]',
        '.spec.containers[name="a"].env[name="E"].name',
        '.spec.containers[name="a"].env[name="E"].value'
      ]
    }
  ],
  [
    'an atomic map as one',
    {
      schema: DEPLOYMENT,
      from: { spec: { selector: { matchLabels: { a: 'b' } } } },
      to: { spec: { selector: { matchLabels: { a: 'c' } } } },
      changed: ['.spec.selector']
    }
  ]
])('finds %s', (_, { schema, from, to, changed, removed = [] }) => {
  const found = compareObjects(namedType(schema), from, { to })
  expect([...pathsOf(found.changed)].sort()).toEqual(changed.toSorted())
  expect([...pathsOf(found.removed)].sort()).toEqual(removed.toSorted())
})

test('whole fields can be left out', () => {
  const found = compareObjects(
    namedType(POD),
    { spec: { nodeName: 'a' }, status: { phase: 'a' } },
    { to: { spec: { nodeName: 'b' }, status: { phase: 'b' } }, ignored: new Set(['spec']) }
  )
  expect([...pathsOf(found.changed)]).toEqual(['.status.phase'])
})

test('what a creation is compared with has what Go always prints', () => {
  expect(zeroOf(namedType(DEPLOYMENT))).toEqual({
    metadata: {},
    spec: { selector: null, strategy: {}, template: { metadata: {}, spec: { containers: null } } },
    status: {}
  })
})

test.each<[string, { schema: string; value: JsonObject; paths: string[] }]>([
  ['an empty part', { schema: DEPLOYMENT, value: { spec: {} }, paths: ['.spec'] }],
  ['keys of a map, not the map', { schema: CONFIG_MAP, value: { data: { a: '1' } }, paths: ['.data.a'] }],
  ['null', { schema: CONFIG_MAP, value: { data: null }, paths: ['.data'] }],
  ['an empty list of no one', { schema: POD, value: { spec: { containers: [] } }, paths: [] }],
  [
    'elements and what they say',
    {
      schema: POD,
      value: { spec: { containers: [{ name: 'a', command: [] }] } },
      paths: ['.spec.containers[name="a"]', '.spec.containers[name="a"].command', '.spec.containers[name="a"].name']
    }
  ]
])('a configuration owns %s', (_, { schema, value, paths }) => {
  expect([...pathsOf(fieldsOf(namedType(schema), value))].sort()).toEqual(paths)
})

test('a schema of its own: custom resources', () => {
  const type = objectType({
    type: 'object',
    properties: {
      spec: {
        type: 'object',
        'x-kubernetes-preserve-unknown-fields': true,
        properties: { tags: { type: 'array', items: { type: 'string' } } }
      } as object
    }
  })
  const from = { metadata: { labels: { a: '1' } }, spec: { tags: ['a'], free: { x: 1, l: [1] } } }
  const to = { metadata: { labels: { a: '2' } }, spec: { tags: ['b'], free: { x: 2, l: [1, 2] } } }
  expect([...pathsOf(compareObjects(type, from, { to }).changed)]).toEqual([
    '.metadata.labels.a',
    '.spec.tags',
    '.spec.free.l',
    '.spec.free.x'
  ])
})
