import type { JsonObject } from '../json.ts'
import {
  type Entries,
  ignoring,
  NOTHING_IGNORED,
  sentEntries,
  startingEntries,
  trackUpdate,
  type Writer
} from './managers.ts'
import { namedType, zeroOf } from './types.ts'

const TYPE = namedType('io.k8s.api.core.v1.ConfigMap')
const NOW = Date.parse('2026-05-01T12:00:00Z')
const writer = (manager: string, more: Partial<Writer> = {}): Writer => ({
  manager,
  apiVersion: 'v1',
  subresource: '',
  ignored: NOTHING_IGNORED,
  now: NOW,
  isServed: (version) => version === 'v1',
  ...more
})
const cm = (data?: Record<string, string>): JsonObject => ({ metadata: {}, ...(data === undefined ? {} : { data }) })
const entry = (manager: string, fieldsV1: object, more: object = {}) => ({
  manager,
  operation: 'Update',
  apiVersion: 'v1',
  time: '2026-01-01T00:00:00Z',
  fieldsType: 'FieldsV1',
  fieldsV1: fieldsV1 as JsonObject,
  ...more
})
const DATA = (...keys: string[]) => ({ 'f:data': Object.fromEntries(keys.map((key) => [`f:${key}`, {}])) })

function update(from: JsonObject, to: JsonObject, { entries, by }: { entries: Entries; by: Writer }): Entries {
  return trackUpdate({ type: TYPE, live: from, next: to, entries, writer: by })
}

test.each<[string, { from: JsonObject; to: JsonObject; entries: Entries; by: Writer; after: object[] }]>([
  [
    "a creation: all is its maker's",
    {
      from: zeroOf(TYPE) as JsonObject,
      to: cm({ a: '1' }),
      entries: [],
      by: writer('me'),
      after: [entry('me', { 'f:data': { '.': {}, 'f:a': {} } }, { time: '2026-05-01T12:00:00Z' })]
    }
  ],
  [
    'a change: the field changes hands',
    {
      from: cm({ a: '1', b: '1' }),
      to: cm({ a: '2', b: '1' }),
      entries: [entry('other', DATA('a', 'b'))],
      by: writer('me'),
      after: [entry('other', DATA('b')), entry('me', DATA('a'), { time: '2026-05-01T12:00:00Z' })]
    }
  ],
  [
    'a removal: nobody owns it, and the remover gets nothing',
    {
      from: cm({ a: '1', b: '1' }),
      to: cm({ b: '1' }),
      entries: [entry('other', DATA('a', 'b'))],
      by: writer('me'),
      after: [entry('other', DATA('b'))]
    }
  ],
  [
    'a manager left without fields goes',
    {
      from: cm({ a: '1' }),
      to: cm({ a: '2' }),
      entries: [entry('other', DATA('a'))],
      by: writer('me'),
      after: [entry('me', DATA('a'), { time: '2026-05-01T12:00:00Z' })]
    }
  ],
  [
    'one writer through two doors is two managers',
    {
      from: cm({ a: '1' }),
      to: cm({ a: '1', b: '2' }),
      entries: [entry('me', DATA('a'), { subresource: 'status' })],
      by: writer('me'),
      after: [
        entry('me', DATA('a'), { subresource: 'status' }),
        entry('me', DATA('b'), { time: '2026-05-01T12:00:00Z' })
      ]
    }
  ],
  [
    'entries of a version that is no more are dropped, even when nothing changes',
    {
      from: cm({ a: '1' }),
      to: cm({ a: '1' }),
      entries: [entry('old', DATA('a'), { apiVersion: 'v0' }), entry('other', DATA('a'))],
      by: writer('me'),
      after: [entry('other', DATA('a'))]
    }
  ],
  [
    'what the way cannot change is not owned',
    {
      from: cm({ a: '1' }),
      to: { ...cm({ a: '2' }), immutable: true },
      entries: [entry('other', DATA('a'))],
      by: writer('me', { ignored: ignoring('data') }),
      after: [entry('other', DATA('a')), entry('me', { 'f:immutable': {} }, { time: '2026-05-01T12:00:00Z' })]
    }
  ]
])('%s', (_, { from, to, entries, by, after }) => {
  expect(update(from, to, { entries, by })).toEqual(after)
})

test('without a change the very same entries come back', () => {
  const entries = [entry('a', DATA('x')), entry('b', DATA('x'))]
  expect(update(cm({ x: '1' }), cm({ x: '1' }), { entries, by: writer('me') })).toBe(entries)
})

test('of more than ten updaters the oldest become one', () => {
  let entries: Entries = []
  let live = cm({ x: '1' })
  for (let i = 0; i < 14; i++) {
    const next = cm({ ...(live.data as Record<string, string>), [`k${i}`]: '1' })
    entries = update(live, next, { entries, by: writer(`m${i}`, { now: NOW + i * 1000 }) })
    live = next
  }
  expect(entries).toHaveLength(10)
  expect(entries[0]).toEqual(
    entry('ancient-changes', DATA('k0', 'k1', 'k2', 'k3', 'k4'), { time: '2026-05-01T12:00:04Z' })
  )
  expect(entries.slice(1).map(({ manager }) => manager)).toEqual([
    'm5',
    'm6',
    'm7',
    'm8',
    'm9',
    'm10',
    'm11',
    'm12',
    'm13'
  ])
})

test.each<[string, unknown, ReturnType<typeof sentEntries> | 'entries']>([
  ['nothing', undefined, 'nothing'],
  ['an empty list', [], 'reset'],
  ['one empty entry', [{}], 'reset'],
  ['a wrong operation', [entry('a', {}, { operation: 'Patch' })], 'nothing'],
  ['no version', [entry('a', {}, { apiVersion: undefined })], 'nothing'],
  ['another form', [entry('a', {}, { fieldsType: 'FieldsV2' })], 'nothing'],
  ['a set that is none', [entry('a', { x: {} })], 'nothing'],
  ['entries', [entry('a', DATA('x'))], { entries: [entry('a', DATA('x'))] }]
])('a client sent %s', (_, given, expected) => {
  expect(sentEntries(given)).toEqual(expected)
})

test('what a client sends replaces what is stored, unless it is wrong', () => {
  const stored = [entry('a', DATA('x'))]
  expect(startingEntries(stored, structuredClone(stored))).toBe(stored)
  expect(startingEntries(stored, [entry('b', DATA('y'))])).toEqual([entry('b', DATA('y'))])
  expect(startingEntries(stored, [{ manager: 'b' }])).toBe(stored)
  expect(startingEntries(stored, [])).toEqual([])
})
