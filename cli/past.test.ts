import { describe, expect, test } from '@jest/globals'
import type { KubeObject } from '../core/object.ts'
import { diffText, historyText, momentOf, remade, restored, tableText } from './past.ts'

const NOW = Date.parse('2026-05-01T12:00:00Z')

describe('moments', () => {
  test.each([
    ['1234', '1234'],
    ['90s', '2026-05-01T11:58:30.000Z'],
    ['1h30m', '2026-05-01T10:30:00.000Z'],
    ['2026-05-01T11:00:00Z', '2026-05-01T11:00:00Z'],
    ['2026-05-01T11:00:00+02:00', '2026-05-01T11:00:00+02:00']
  ])('%s', (text, moment) => expect(momentOf(text, NOW)).toBe(moment))

  test.each(['', 'noon', '5', '-5m', '5x', '2026-05-01'].filter((text) => text !== '5'))('not "%s"', (text) => {
    expect(() => momentOf(text, NOW)).toThrow('expected a resourceVersion')
  })
})

const object = (metadata: object, rest: object): KubeObject =>
  ({ apiVersion: 'v1', kind: 'ConfigMap', metadata, ...rest }) as KubeObject

test('an undo changes what a person wrote, on the version that is there', () => {
  const past = object(
    { name: 'a', uid: '1', resourceVersion: '5', labels: { a: 'b' }, generation: 1 },
    { spec: 1, status: 2 }
  )
  const current = object(
    { name: 'a', uid: '1', resourceVersion: '9', annotations: { c: 'd' }, generation: 3, managedFields: [] },
    { spec: 4, status: 5 }
  )
  expect(restored(past, current)).toEqual(
    object({ name: 'a', uid: '1', resourceVersion: '9', labels: { a: 'b' }, generation: 3 }, { spec: 1 })
  )
  expect(remade(past)).toEqual(object({ name: 'a', labels: { a: 'b' } }, { spec: 1 }))
})

test('the history of an object is a table', () => {
  const items = [
    { resourceVersion: '9', type: 'deleted', time: '2026-05-01T12:00:00Z', changes: [] },
    {
      resourceVersion: '8',
      type: 'updated',
      time: '2026-05-01T11:00:00Z',
      changes: [
        { field: 'spec.replicas', from: 1, to: 3, manager: 'kubectl', operation: 'Update' },
        { field: 'status.n', to: 'a b', manager: 'c', subresource: 'status' },
        { field: 'data.x', from: 'YWJj' }
      ]
    },
    { resourceVersion: '7', type: 'created', changes: [{ field: 'spec', to: {}, manager: 'helm' }] }
  ] as const
  expect(historyText({ items, metadata: { continue: '7' } }, false).split('\n')).toEqual([
    'VERSION   TIME                   WHAT      WHO          CHANGE',
    '9         2026-05-01T12:00:00Z   deleted',
    '8         2026-05-01T11:00:00Z   updated   kubectl      spec.replicas: 1 -> 3',
    '                                           c (status)   status.n: "a b"',
    '                                           -            data.x: YWJj -> gone',
    '7                                created   helm',
    '... and earlier ones: --limit',
    ''
  ])
  expect(historyText({ items, metadata: {} }, true)).toContain('data.x: (3 bytes) -> gone')
})

test('a diff leaves out the bookkeeping', async () => {
  const before = object({ name: 'a', resourceVersion: '1' }, { data: { k: '1' } })
  expect(await diffText(before, object({ name: 'a', resourceVersion: '2' }, { data: { k: '1' } }))).toBe('')
  expect(await diffText(before, object({ name: 'a', resourceVersion: '2' }, { data: { k: '2' } }))).toContain(
    '-  k: "1"\n+  k: "2"\n'
  )
  expect(await diffText(before, undefined)).toContain('-kind: ConfigMap\n')
})

test('a list is shown as kubectl shows it', () => {
  const at = { group: 'apps', version: 'v1', resource: 'deployments', kind: 'Deployment', namespaced: true }
  const table = {
    columnDefinitions: [
      { name: 'Name', type: 'string', priority: 0 },
      { name: 'Images', type: 'string', priority: 1 },
      { name: 'Age', type: 'string', priority: 0 }
    ],
    rows: [{ cells: ['web', 'x', null], object: { metadata: { name: 'web', namespace: 'n' } } }]
  }
  expect(tableText(table, { at, output: undefined, namespaces: true })).toBe(
    'NAMESPACE   NAME   AGE\nn           web    <none>\n'
  )
  expect(tableText(table, { at, output: 'wide', namespaces: false })).toBe(
    'NAME   IMAGES   AGE\nweb    x        <none>\n'
  )
  expect(tableText(table, { at, output: 'name', namespaces: true })).toBe('deployment.apps/web\n')
  expect(tableText({ ...table, rows: null }, { at, output: undefined, namespaces: true })).toBe('No resources found\n')
})
