import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { type JsonObject, sameJson } from '../json.ts'
import { strategicPatch } from './strategic.ts'

const POD = 'io.k8s.api.core.v1.Pod'
const DEPLOYMENT = 'io.k8s.api.apps.v1.Deployment'

/** Patches a pod's spec, or with `metadata`, its metadata. */
const spec = (live: object, patch: object) => strategicPatch({ spec: live }, { spec: patch }, POD).spec as JsonObject
const metadata = (live: object, patch: object) =>
  strategicPatch({ metadata: live }, { metadata: patch }, POD).metadata as JsonObject

const named = (...names: string[]) => names.map((name) => ({ name }))

describe('maps', () => {
  test.each<[string, object, object, object]>([
    ['merge', { labels: { a: '1', b: '2' } }, { labels: { b: '3', c: '4' } }, { labels: { a: '1', b: '3', c: '4' } }],
    ['null deletes', { labels: { a: '1', b: '2' } }, { labels: { a: null, z: null } }, { labels: { b: '2' } }],
    ['null deletes the map', { labels: { a: '1' }, name: 'x' }, { labels: null }, { name: 'x' }],
    ['a new map comes without nulls', {}, { labels: { a: null, b: '1' } }, { labels: { b: '1' } }],
    ['replace', { labels: { a: '1' } }, { labels: { $patch: 'replace', z: '3' } }, { labels: { z: '3' } }],
    ['delete', { labels: { a: '1' } }, { labels: { $patch: 'delete' } }, { labels: {} }],
    ['delete what is not there', {}, { labels: { $patch: 'delete' } }, {}],
    ['another type', { labels: { a: '1' } }, { labels: 'x' }, { labels: 'x' }]
  ])('%s', (_, live, patch, expected) => {
    expect(metadata(live, patch)).toEqual(expected)
  })
})

describe('lists', () => {
  test.each<[string, object, object, object]>([
    [
      'of maps are merged by key',
      { containers: [{ name: 'a', image: 'x' }] },
      { containers: [{ name: 'a', tty: true }] },
      { containers: [{ name: 'a', image: 'x', tty: true }] }
    ],
    [
      'new elements come first when nothing ties them',
      { containers: named('a', 'b') },
      { containers: named('c') },
      { containers: named('c', 'a', 'b') }
    ],
    [
      'new elements follow the patched one before them',
      { containers: named('a', 'b') },
      { containers: named('a', 'c') },
      { containers: named('a', 'c', 'b') }
    ],
    [
      'delete',
      { containers: named('a', 'b') },
      { containers: [{ name: 'a', $patch: 'delete' }] },
      { containers: named('b') }
    ],
    [
      'delete of nothing',
      { containers: named('a') },
      { containers: [{ name: 'q', $patch: 'delete' }] },
      { containers: named('a') }
    ],
    [
      'delete where there is no list',
      {},
      { containers: [{ name: 'q', $patch: 'delete' }, { name: 'r' }] },
      { containers: named('r') }
    ],
    [
      'replace',
      { containers: named('a', 'b') },
      { containers: [{ $patch: 'replace' }, { name: 'c' }] },
      { containers: named('c') }
    ],
    [
      'replace an element',
      { containers: [{ name: 'a', image: 'x' }] },
      { containers: [{ name: 'a', $patch: 'replace', tty: true }] },
      { containers: [] }
    ],
    [
      'atomic ones are replaced',
      { containers: [{ name: 'a', command: ['x', 'y'] }] },
      { containers: [{ name: 'a', command: ['z'] }] },
      { containers: [{ name: 'a', command: ['z'] }] }
    ],
    [
      'tolerations are atomic',
      { tolerations: [{ key: 'a' }] },
      { tolerations: [{ key: 'b' }] },
      { tolerations: [{ key: 'b' }] }
    ],
    [
      'ports by their number',
      { containers: [{ name: 'a', ports: [{ containerPort: 80, name: 'h' }] }] },
      { containers: [{ name: 'a', ports: [{ containerPort: 80, protocol: 'UDP' }, { containerPort: 81 }] }] },
      { containers: [{ name: 'a', ports: [{ containerPort: 80, name: 'h', protocol: 'UDP' }, { containerPort: 81 }] }] }
    ],
    [
      'order',
      { containers: named('a', 'b', 'c') },
      { '$setElementOrder/containers': named('c', 'a', 'b'), containers: [{ name: 'c', tty: true }] },
      { containers: [{ name: 'c', tty: true }, { name: 'a' }, { name: 'b' }] }
    ],
    [
      'order alone',
      { containers: named('a', 'b') },
      { '$setElementOrder/containers': named('b', 'a') },
      { containers: named('b', 'a') }
    ],
    [
      'order with server-only elements',
      { containers: named('a', 's', 'b') },
      { '$setElementOrder/containers': named('b', 'a') },
      { containers: named('s', 'b', 'a') }
    ],
    [
      'order and deletion',
      { containers: named('a', 'b') },
      { '$setElementOrder/containers': named('b', 'n'), containers: [{ name: 'n' }, { name: 'a', $patch: 'delete' }] },
      { containers: named('b', 'n') }
    ],
    [
      'order of a new list',
      {},
      { '$setElementOrder/containers': named('b', 'a'), containers: named('b', 'a') },
      { containers: named('b', 'a') }
    ],
    ['order of nothing', { hostname: 'h' }, { '$setElementOrder/containers': named('b') }, { hostname: 'h' }],
    [
      'retain keys',
      { volumes: [{ name: 'v', emptyDir: {} }] },
      { volumes: [{ name: 'v', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/' }, emptyDir: null }] },
      { volumes: [{ name: 'v', hostPath: { path: '/' } }] }
    ]
  ])('%s', (_, live, patch, expected) => {
    const before = structuredClone(live)
    expect(spec(live, patch)).toEqual(expected)
    expect(live).toEqual(before)
  })

  test.each<[string, object, object, object]>([
    ['of scalars are sets', { finalizers: ['a', 'b'] }, { finalizers: ['c', 'b'] }, { finalizers: ['c', 'a', 'b'] }],
    [
      'of scalars lose values',
      { finalizers: ['a', 'b', 'c'] },
      { '$deleteFromPrimitiveList/finalizers': ['b', 'z'] },
      { finalizers: ['a', 'c'] }
    ],
    ['nothing to lose', {}, { '$deleteFromPrimitiveList/finalizers': ['b'] }, {}],
    [
      'lose and gain',
      { finalizers: ['a'] },
      { '$deleteFromPrimitiveList/finalizers': ['a'], finalizers: ['b'] },
      { finalizers: ['b'] }
    ],
    [
      'scalars in order',
      { finalizers: ['a', 'b'] },
      { '$setElementOrder/finalizers': ['c', 'b', 'a'], finalizers: ['c'] },
      { finalizers: ['c', 'b', 'a'] }
    ],
    [
      'owners by uid',
      { ownerReferences: [{ uid: '1', name: 'x' }] },
      { ownerReferences: [{ uid: '1', $patch: 'delete' }, { uid: '2' }] },
      { ownerReferences: [{ uid: '2' }] }
    ]
  ])('%s', (_, live, patch, expected) => {
    expect(metadata(live, patch)).toEqual(expected)
  })

  test('a strategy is replaced whole but for what is retained', () => {
    const live = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } }
    const patch = { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } }
    expect(strategicPatch(live, patch, DEPLOYMENT)).toEqual({ spec: { strategy: { type: 'Recreate' } } })
  })
})

describe('errors', () => {
  const containers = (...list: unknown[]) => ({ spec: { containers: list } })
  test.each<[unknown, string]>([
    [[], 'json: cannot unmarshal array into Go value of type map[string]interface {}'],
    [{ metadata: { $deleteFromPrimitiveList: { finalizers: ['a'] } } }, 'invalid patch format of primitive list'],
    [{ spec: { $setElementOrder: [] } }, 'invalid patch format of setElementOrder list'],
    [
      { spec: { '$setElementOrder/containers': {} } },
      'expected a []interface {}, but received a map[string]interface {}'
    ],
    [{ spec: { $retainKeys: 'x' } }, 'invalid patch format of retainKeys'],
    [{ spec: { $retainKeys: ['x'], hostname: 'h' } }, 'invalid patch format of retainKeys'],
    [{ spec: { $patch: 'merge' } }, 'unknown patch type: merge in map: map[$patch:merge]'],
    [containers({ image: 'x', tty: true }), 'map: map[image:x tty:true] does not contain declared merge key: name'],
    [
      containers({ $patch: 'delete', image: 'x' }),
      'map: map[$patch:delete image:x] does not contain declared merge key: name'
    ],
    [containers({ $patch: 'merge', name: 'x' }), 'merging lists cannot yet be specified in the patch'],
    [containers({ $patch: 'frob', name: 'x' }), 'unknown patch type: frob in map: map[$patch:frob name:x]'],
    [containers('x'), 'list element types are not identical: [map[name:a] map[name:b]] [x]'],
    [containers(['x']), 'lists of lists are not supported'],
    [
      { spec: { '$setElementOrder/containers': named('b'), containers: named('a') } },
      "The order in patch list:\n[map[name:a]]\n doesn't match $setElementOrder list:\n[map[name:b]]\n"
    ]
  ])('%j', (patch, expected) => {
    expect(() => strategicPatch({ metadata: {}, spec: { containers: named('a', 'b') } }, patch, POD)).toThrow(expected)
  })
})

describe('properties', () => {
  const container = fc.record({ image: fc.string(), tty: fc.boolean() }, { requiredKeys: [] })
  const containersOf = (names: string[]) =>
    fc.uniqueArray(
      fc.tuple(fc.constantFrom(...names), container).map(([name, rest]) => ({ name, ...rest })),
      {
        selector: ({ name }) => name
      }
    )
  const labelsOf = (names: string[]) => fc.dictionary(fc.constantFrom(...names), fc.constantFrom('1', '2', null))
  const patchOf = (names: string[]) =>
    fc.record({
      metadata: fc.record({ labels: labelsOf(names) }),
      spec: fc.record({ containers: containersOf(names) })
    })
  const live = patchOf(['a', 'b', 'c', 'd'])
  /** Order aside. */
  const sorted = (object: JsonObject) => {
    const list = (object.spec as { containers: { name: string }[] }).containers
    return { ...object, spec: { containers: list.toSorted((a, b) => (a.name < b.name ? -1 : 1)) } }
  }

  test('patches of different things may come in either order', () => {
    fc.assert(
      fc.property(live, patchOf(['a', 'b']), patchOf(['c', 'd']), (object, one, two) => {
        const first = strategicPatch(strategicPatch(object, one, POD), two, POD)
        const second = strategicPatch(strategicPatch(object, two, POD), one, POD)
        expect(sameJson(sorted(first), sorted(second))).toBe(true)
      })
    )
  })

  test('a patch twice is a patch once, and the live object stays', () => {
    fc.assert(
      fc.property(live, patchOf(['a', 'b', 'c']), (object, patch) => {
        const before = JSON.stringify([object, patch])
        const once = strategicPatch(object, patch, POD)
        expect(strategicPatch(once, patch, POD)).toEqual(once)
        expect(JSON.stringify([object, patch])).toBe(before)
      })
    )
  })

  test('any JSON is applied or refused as a bad request', () => {
    const key = fc.constantFrom(
      'spec',
      'containers',
      'name',
      'env',
      '$patch',
      '$retainKeys',
      '$setElementOrder/containers',
      '$deleteFromPrimitiveList/env',
      '__proto__'
    )
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6 },
        fc.constantFrom('delete', 'replace', 'a', 1, null, true),
        fc.dictionary(key, tie('tree')),
        fc.array(tie('tree'), { maxLength: 3 })
      )
    }))
    const object = fc.dictionary(key, tree)
    fc.assert(
      fc.property(object, object, (one, patch) => {
        try {
          const next = strategicPatch(one, patch, POD)
          expect(Object.getPrototypeOf(next)).toBe(Object.prototype)
        } catch (error) {
          expect(error).toMatchObject({ name: 'ApiError', reason: 'BadRequest' })
        }
      }),
      { numRuns: 500 }
    )
  })
})

interface Recorded {
  name: string
  steps: { method: string; body: JsonObject; want?: { status: number; body?: JsonObject } }[]
}
const recorded = JSON.parse(
  readFileSync(new URL('../../test/golden/recorded.json', import.meta.url), 'utf8')
) as Recorded[]

test.each(['patch/smp-containers', 'patch/smp-order'])('as the recorded API server: %s', (name) => {
  const [create, patch] = recorded.find((one) => one.name === name)?.steps ?? []
  const next = strategicPatch(create?.body ?? {}, patch?.body, DEPLOYMENT)
  const containers = (object: JsonObject | undefined) =>
    (object as { spec: { template: { spec: { containers: JsonObject[] } } } }).spec.template.spec.containers.map(
      ({ name: id, env, ports, image }) => ({
        id,
        env,
        image,
        ports: (ports as JsonObject[] | undefined)?.map((port) => port.containerPort)
      })
    )
  expect(containers(next)).toEqual(containers(patch?.want?.body))
})
