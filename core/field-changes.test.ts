import { describe, expect, test } from '@jest/globals'
import { fieldChanges } from './field-changes.ts'
import type { KubeObject } from './object.ts'

const object = (fields: object, managedFields: object[] = []) =>
  ({ metadata: { name: 'a', managedFields }, ...fields }) as KubeObject
const texts = (before: object, after: object) =>
  fieldChanges(object(before), object(after)).map(
    ({ field, from, to }) => `${field} ${JSON.stringify(from)} ${JSON.stringify(to)}`
  )

describe('field changes', () => {
  test.each<[string, object, object, string[]]>([
    ['nothing', { spec: { a: 1 } }, { spec: { a: 1 } }, []],
    ['a value', { spec: { a: 1 } }, { spec: { a: 2 } }, ['spec.a 1 2']],
    ['a field that came', { spec: {} }, { spec: { a: 0 } }, ['spec.a undefined 0']],
    [
      'fields of an object that went',
      { spec: { a: { b: 1, c: 2 } } },
      { spec: {} },
      ['spec.a.b 1 undefined', 'spec.a.c 2 undefined']
    ],
    ['an empty object', { spec: {} }, { spec: { a: {} } }, ['spec.a undefined {}']],
    [
      'an element by its name',
      {
        l: [
          { name: 'x', v: 1 },
          { name: 'y', v: 1 }
        ]
      },
      { l: [{ name: 'y', v: 2 }] },
      ['l[name=x] {"name":"x","v":1} undefined', 'l[name=y].v 1 2']
    ],
    ['a list without names', { l: ['a', 'b'] }, { l: ['b'] }, ['l ["a","b"] ["b"]']],
    [
      'a list in which a name comes twice',
      { l: [{ name: 'x' }, { name: 'x' }] },
      { l: [{ name: 'x' }] },
      ['l [{"name":"x"},{"name":"x"}] [{"name":"x"}]']
    ],
    ['an odd name', { data: {} }, { data: { 'a.b/c': 'x' } }, ['data[\'a.b/c\'] undefined "x"']],
    ['bookkeeping', { metadata: { resourceVersion: '1' } }, { metadata: { resourceVersion: '2' } }, []]
  ])('%s', (_, before, after, expected) => expect(texts(before, after)).toEqual(expected))

  test("each field is its last owner's, by its own path", () => {
    const fields = (paths: object) => ({ 'f:spec': paths })
    const entries = [
      {
        manager: 'old',
        operation: 'Apply',
        time: '2026-01-01T00:00:00Z',
        fieldsV1: fields({ 'f:a': {}, 'f:atomic': {} })
      },
      {
        manager: 'new',
        operation: 'Update',
        time: '2026-02-01T00:00:00Z',
        fieldsV1: fields({ 'f:a': {}, 'f:l': { 'k:{"name":"x"}': { '.': {}, 'f:v': {} } } })
      },
      { manager: 'status', operation: 'Update', subresource: 'status', fieldsV1: { 'f:status': { 'f:n': {} } } }
    ]
    const before = object({ spec: { a: 1, atomic: { x: 1 }, l: [{ name: 'x', v: 1 }], none: 1 }, status: { n: 1 } })
    const after = object(
      { spec: { a: 2, atomic: { x: 2 }, l: [{ name: 'x', v: 2 }], none: 2 }, status: { n: 2 } },
      entries
    )
    expect(fieldChanges(before, after).map(({ field, manager, subresource }) => [field, manager, subresource])).toEqual(
      [
        ['spec.a', 'new', undefined],
        ['spec.atomic.x', 'old', undefined],
        ['spec.l[name=x].v', 'new', undefined],
        ['spec.none', undefined, undefined],
        ['status.n', 'status', 'status']
      ]
    )
  })
})
