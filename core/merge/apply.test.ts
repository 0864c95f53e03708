import fc from 'fast-check'
import { ApiError } from '../errors.ts'
import { type JsonObject, sameJson } from '../json.ts'
import { type Applied, apply } from './apply.ts'
import { fieldsOf } from './compare.ts'
import { difference, type FieldSet, isEmptySet, pathsOf, union } from './field-set.ts'
import { type Entries, NOTHING_IGNORED, sameButTimes, setOfEntry, trackUpdate, type Writer } from './managers.ts'
import { problemsOf, problemText } from './typed.ts'
import { namedType, objectType } from './types.ts'

const NOW = Date.parse('2026-05-01T12:00:00Z')
const CONFIG_MAP = namedType('io.k8s.api.core.v1.ConfigMap')
const DEPLOYMENT = namedType('io.k8s.api.apps.v1.Deployment')
const SERVICE = namedType('io.k8s.api.core.v1.Service')

interface State {
  readonly object: JsonObject
  readonly entries: Entries
}

const EMPTY: State = { object: {}, entries: [] }
const writer = (manager: string, now = NOW): Writer => ({
  manager,
  apiVersion: 'v1',
  subresource: '',
  ignored: NOTHING_IGNORED,
  now,
  isServed: (version) => version === 'v1'
})

function applied(type: typeof CONFIG_MAP, state: State, { by, patch, force = false, now = NOW }: Step): State {
  const of = { type, live: state.object, patch, entries: state.entries, writer: writer(by, now), force }
  const { object = state.object, entries }: Applied = apply(of)
  return { object, entries }
}

interface Step {
  readonly by: string
  readonly patch: JsonObject
  readonly force?: boolean
  readonly now?: number
}

const owners = ({ entries }: State) =>
  Object.fromEntries(entries.map((entry) => [entry.manager, [...pathsOf(setOfEntry(entry))]]))
const cm = (data: Record<string, unknown>, metadata: object = {}): JsonObject => ({
  metadata: { name: 'a', ...metadata },
  data
})
const containers = (...list: object[]): JsonObject => ({ spec: { template: { spec: { containers: list } } } })

describe('who applies owns', () => {
  test.each<[string, { type?: typeof CONFIG_MAP; steps: Step[]; object: object; owners: object }]>([
    [
      'what one stops naming goes, unless another names it',
      {
        steps: [
          { by: 'one', patch: cm({ x: '1', y: '1', z: '1' }) },
          { by: 'two', patch: cm({ y: '1' }) },
          { by: 'one', patch: cm({ z: '1' }) }
        ],
        object: { metadata: { name: 'a' }, data: { y: '1', z: '1' } },
        owners: { one: ['.data.z'], two: ['.data.y'] }
      }
    ],
    [
      'force takes over',
      {
        steps: [
          { by: 'one', patch: cm({ x: '1' }) },
          { by: 'two', patch: cm({ x: '2' }), force: true }
        ],
        object: cm({ x: '2' }),
        owners: { two: ['.data.x'] }
      }
    ],
    [
      'elements of a keyed list',
      {
        type: DEPLOYMENT,
        steps: [
          { by: 'one', patch: containers({ name: 'a', image: 'x' }) },
          { by: 'two', patch: containers({ name: 'b', image: 'y' }, { name: 'a', tty: true }) },
          { by: 'one', patch: {} }
        ],
        object: containers({ name: 'b', image: 'y' }, { name: 'a', tty: true }),
        owners: {
          two: [
            '.spec.template.spec.containers[name="a"]',
            '.spec.template.spec.containers[name="b"]',
            '.spec.template.spec.containers[name="a"].name',
            '.spec.template.spec.containers[name="a"].tty',
            '.spec.template.spec.containers[name="b"].image',
            '.spec.template.spec.containers[name="b"].name'
          ]
        }
      }
    ],
    [
      'the default of a key stands for it',
      {
        type: SERVICE,
        steps: [
          { by: 'one', patch: { spec: { ports: [{ port: 80, name: 'a' }] } } },
          { by: 'two', patch: { spec: { ports: [{ port: 80, protocol: 'TCP', targetPort: 1 }] } } }
        ],
        object: { spec: { ports: [{ port: 80, name: 'a', protocol: 'TCP', targetPort: 1 }] } },
        owners: {
          one: [
            '.spec.ports[port=80,protocol="TCP"]',
            '.spec.ports[port=80,protocol="TCP"].name',
            '.spec.ports[port=80,protocol="TCP"].port'
          ],
          two: [
            '.spec.ports[port=80,protocol="TCP"]',
            '.spec.ports[port=80,protocol="TCP"].port',
            '.spec.ports[port=80,protocol="TCP"].protocol',
            '.spec.ports[port=80,protocol="TCP"].targetPort'
          ]
        }
      }
    ],
    [
      'values of a set stand in the order of the one who came last',
      {
        steps: [
          { by: 'one', patch: cm({}, { finalizers: ['a', 'c'] }) },
          { by: 'two', patch: cm({}, { finalizers: ['b', 'c', 'd'] }) }
        ],
        object: cm({}, { finalizers: ['a', 'b', 'c', 'd'] }),
        owners: {
          one: ['.data', '.metadata.finalizers[="a"]', '.metadata.finalizers[="c"]'],
          two: ['.data', '.metadata.finalizers[="b"]', '.metadata.finalizers[="c"]', '.metadata.finalizers[="d"]']
        }
      }
    ]
  ])('%s', (_, { type = CONFIG_MAP, steps, object, owners: expected }) => {
    const end = steps.reduce((state, step) => applied(type, state, step), EMPTY)
    expect(end.object).toEqual(object)
    expect(owners(end)).toEqual(expected)
  })

  test('what was there before anybody counted belongs to one who came first', () => {
    const end = applied(CONFIG_MAP, { object: cm({ x: '1' }), entries: [] }, { by: 'one', patch: cm({ y: '1' }) })
    expect(owners(end)).toEqual({ one: ['.data.y'], 'before-first-apply': ['.data', '.data.x'] })
  })

  test('the time tells when the object changed, not when somebody asked', () => {
    const first = applied(CONFIG_MAP, EMPTY, { by: 'one', patch: cm({ x: '1' }) })
    const again = applied(CONFIG_MAP, first, { by: 'one', patch: cm({ x: '1' }), now: NOW + 60_000 })
    expect(again.entries).toEqual(first.entries)
    const joined = applied(CONFIG_MAP, again, { by: 'two', patch: cm({ x: '1' }), now: NOW + 60_000 })
    expect(joined.entries.map(({ time }) => time)).toEqual([undefined, '2026-05-01T12:00:00Z'])
  })

  test('a field that became one value is owned as one', () => {
    const tags = (extension: string) =>
      objectType({
        type: 'object',
        properties: {
          tags: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': extension } as object
        }
      })
    const before = applied(tags('set'), EMPTY, { by: 'one', patch: { tags: ['a', 'b'] } })
    expect(owners(before)).toEqual({ one: ['.tags[="a"]', '.tags[="b"]'] })
    const after = applied(tags('atomic'), before, { by: 'two', patch: { metadata: { labels: { x: 'y' } } } })
    expect(owners(after)).toEqual({ one: ['.tags'], two: ['.metadata.labels.x'] })
  })
})

describe('conflicts are told by manager and field', () => {
  const updated = (data: Record<string, string>, manager: string, state: State): State => {
    const next = { ...state.object, data }
    const of = { type: CONFIG_MAP, live: state.object, next, entries: state.entries, writer: writer(manager) }
    return { object: next, entries: trackUpdate(of) }
  }
  const start = updated({ x: '1', y: '1' }, 'maker', applied(CONFIG_MAP, EMPTY, { by: 'one', patch: cm({ x: '1' }) }))

  test.each<[string, { patch: JsonObject; message: string; fields: string[] }]>([
    [
      'one',
      {
        patch: cm({ x: '2' }),
        message: 'Apply failed with 1 conflict: conflict with "one": .data.x',
        fields: ['.data.x']
      }
    ],
    [
      'one with an updater',
      {
        patch: cm({ y: '2' }),
        message: 'Apply failed with 1 conflict: conflict with "maker" using v1: .data.y',
        fields: ['.data.y']
      }
    ],
    [
      'several',
      {
        patch: cm({ x: '2', y: '2' }),
        message:
          'Apply failed with 2 conflicts: conflicts with "maker" using v1:\n- .data.y\nconflicts with "one":\n- .data.x',
        fields: ['.data.y', '.data.x']
      }
    ]
  ])('%s', (_, { patch, message, fields }) => {
    const fail = () => applied(CONFIG_MAP, start, { by: 'two', patch })
    expect(fail).toThrow(message)
    try {
      fail()
    } catch (error) {
      expect((error as ApiError).code).toBe(409)
      expect((error as ApiError).details?.causes?.map(({ field }) => field)).toEqual(fields)
    }
  })

  test('kubectl takes over what its own client-side apply set', () => {
    const LAST = 'kubectl.kubernetes.io/last-applied-configuration'
    const text = JSON.stringify({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'a' },
      data: { x: '1', y: '1' }
    })
    const metadata = { name: 'a', annotations: { [LAST]: text } }
    const made = { metadata, data: { x: '1', y: '1' } }
    const before = updated({ x: '1', y: '1' }, 'client', { object: { metadata }, entries: [] })
    const patch = { apiVersion: 'v1', kind: 'ConfigMap', ...cm({ x: '2', y: '1' }) }
    const after = applied(CONFIG_MAP, { ...before, object: made }, { by: 'kubectl', patch })
    expect(after.object.data).toEqual({ x: '2', y: '1' })
    expect((after.object.metadata as typeof metadata).annotations[LAST]).toBe(
      '{"apiVersion":"v1","data":{"x":"2","y":"1"},"kind":"ConfigMap","metadata":{"name":"a"}}\n'
    )
    const moved = updated({ x: '9', y: '1' }, 'editor', { ...before, object: made })
    expect(() => applied(CONFIG_MAP, moved, { by: 'kubectl', patch })).toThrow(
      'conflict with "editor" using v1: .data.x'
    )
  })
})

test.each<[string, typeof CONFIG_MAP, JsonObject, string]>([
  ['a field that is none', CONFIG_MAP, { foo: 1 }, '.foo: field not declared in schema'],
  ['a number for a text', CONFIG_MAP, cm({ x: 1 }), '.data.x: expected string, got &value.valueUnstructured{Value:1}'],
  [
    'an element that comes twice',
    DEPLOYMENT,
    containers({ name: 'a' }, { name: 'a' }),
    '.spec.template.spec.containers: duplicate entries for key [name="a"]'
  ],
  [
    'an element that is no map',
    DEPLOYMENT,
    containers('x' as unknown as object),
    '.spec.template.spec.containers: element 0: associative list with keys may not have non-map elements'
  ],
  ['a list for a map', CONFIG_MAP, { data: ['a'] }, '.data: expected map, got &{[a]}'],
  [
    'several',
    CONFIG_MAP,
    cm({ x: 1, y: true }),
    'errors:\n  .data.x: expected string, got &value.valueUnstructured{Value:1}\n  .data.y: expected string, got &value.valueUnstructured{Value:true}'
  ]
])('refuses %s', (_, type, patch, expected) => {
  expect(problemText(problemsOf(type, patch))).toBe(expected)
})

/** Configurations over few names, so that they meet; none without a field to own. `names`: which keys, labels and containers there may be. */
function configuration(names: readonly string[]): fc.Arbitrary<JsonObject> {
  const map = fc.dictionary(fc.constantFrom(...names), fc.constantFrom('1', '2'), { minKeys: 1, maxKeys: 3 })
  const env = fc.uniqueArray(fc.record({ name: fc.constantFrom(...names), value: fc.constantFrom('1', '2') }), {
    selector: ({ name }) => name,
    minLength: 1,
    maxLength: 3
  })
  const container = fc.record(
    { name: fc.constantFrom(...names), image: fc.constantFrom('x', 'y'), env, tty: fc.boolean() },
    { requiredKeys: ['name'] }
  )
  const list = fc.uniqueArray(container, { selector: ({ name }) => name, minLength: 1, maxLength: 3 })
  const finalizers = fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 3 })
  return fc.record({
    metadata: fc.record({ labels: map, finalizers }, { requiredKeys: ['labels'] }),
    spec: fc.record(
      { replicas: fc.integer({ min: 0, max: 2 }), template: fc.record({ spec: fc.record({ containers: list }) }) },
      { requiredKeys: ['template'] }
    )
  })
}

const step = (managers: readonly string[]) =>
  fc.record({ by: fc.constantFrom(...managers), patch: configuration(['a', 'b', 'c']), force: fc.boolean() })

function applyAll(steps: readonly Step[]): State {
  let state = EMPTY
  for (const one of steps) {
    try {
      state = applied(DEPLOYMENT, state, one)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
    }
  }
  return state
}

describe('whatever is applied', () => {
  test('applying again changes nothing', () => {
    fc.assert(
      fc.property(fc.array(step(['one', 'two', 'three']), { maxLength: 5 }), step(['one', 'two']), (steps, last) => {
        const once = applied(DEPLOYMENT, applyAll(steps), { ...last, force: true })
        const twice = applied(DEPLOYMENT, once, { ...last, now: NOW + 60_000 })
        expect(twice.object).toEqual(once.object)
        expect(sameButTimes(twice.entries, once.entries)).toBe(true)
      })
    )
  })

  test('a manager owns exactly what its last configuration named, less what was taken from it', () => {
    fc.assert(
      fc.property(fc.array(step(['one', 'two', 'three']), { minLength: 1, maxLength: 6 }), (steps) => {
        const end = applyAll(steps)
        const there = fieldsOf(DEPLOYMENT, end.object)
        for (const entry of end.entries) {
          const named = steps
            .filter(({ by }) => by === entry.manager)
            .map(({ patch }) => fieldsOf(DEPLOYMENT, patch))
            .reduce(union, {} as FieldSet)
          expect([...pathsOf(difference(setOfEntry(entry), named))]).toEqual([])
          // Nobody owns what is not there, but for empty parts of it.
          const missing = difference(setOfEntry(entry), withParents(there))
          expect(isEmptySet(missing)).toBe(true)
        }
      })
    )
  })

  test('what two managers own never mixes: each may go without the other losing anything', () => {
    const two = fc.tuple(configuration(['a', 'b']), configuration(['x', 'y']))
    fc.assert(
      fc.property(two, ([mine, theirs]) => {
        const { replicas: _, ...spec } = theirs.spec as JsonObject
        const other = { ...theirs, spec }
        const both = [mine, other].reduce(
          (state, patch, i) => applied(DEPLOYMENT, state, { by: `m${i}`, patch }),
          EMPTY
        )
        const left = applied(DEPLOYMENT, both, { by: 'm0', patch: {} })
        const alone = applied(DEPLOYMENT, EMPTY, { by: 'm1', patch: other })
        expect(canonical(left.object)).toEqual(canonical(alone.object))
        expect(sameButTimes(left.entries, alone.entries)).toBe(true)
      })
    )
  })

  test('disjoint configurations end the same in any order', () => {
    const parts = fc.tuple(configuration(['a', 'b']), configuration(['x', 'y']), configuration(['p', 'q']))
    fc.assert(
      fc.property(parts, fc.shuffledSubarray([0, 1, 2], { minLength: 3 }), (patches, order) => {
        const disjoint = patches.map(({ spec, ...rest }, i) => {
          const { replicas, ...others } = spec as JsonObject
          return { ...rest, spec: i === 0 && replicas !== undefined ? { replicas, ...others } : others }
        })
        const run = (indexes: readonly number[]) =>
          indexes.reduce(
            (state, i) => applied(DEPLOYMENT, state, { by: `m${i}`, patch: disjoint[i] as JsonObject }),
            EMPTY
          )
        const [given, shuffled] = [run([0, 1, 2]), run(order)]
        expect(canonical(shuffled.object)).toEqual(canonical(given.object))
        expect(sameSetsOf(shuffled, given)).toBe(true)
      })
    )
  })
})

/** Order of lists, and empty parts, do not count. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map(canonical).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  }
  if (typeof value !== 'object' || value === null) return value
  const fields = Object.entries(value).map(([name, one]) => [name, canonical(one)] as const)
  return Object.fromEntries(fields.filter(([, one]) => !isNothing(one)).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function isNothing(value: unknown): boolean {
  return value === null || (typeof value === 'object' && Object.keys(value).length === 0)
}

function sameSetsOf(a: State, b: State): boolean {
  const sets = ({ entries }: State) => Object.fromEntries(entries.map((one) => [one.manager, setOfEntry(one)]))
  return sameJson(sets(a), sets(b))
}

function withParents(set: FieldSet): FieldSet {
  const out: Record<string, FieldSet> = {}
  for (const [name, node] of Object.entries(set)) {
    if (name !== '.') out[name] = isEmptySet(node) ? node : { '.': {}, ...withParents(node) }
  }
  return out
}
