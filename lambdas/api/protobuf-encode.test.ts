import { describe, expect, test } from '@jest/globals'
import type { Payload } from '../../core/http.ts'
import numbers from '../../core/kinds/protobuf.json' with { type: 'json' }
import schemas from '../../core/kinds/schemas.json' with { type: 'json' }
import { sampleOf } from '../../test/schema-sample.ts'
import { readProtobuf } from './protobuf.ts'
import { protobufFrame, protobufOf } from './protobuf-encode.ts'

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'
type Gvk = { group: string; version: string; kind: string }
const typed = Object.entries(schemas as unknown as Record<string, { 'x-kubernetes-group-version-kind'?: Gvk[] }>)
  .filter(([name]) => Object.hasOwn(numbers, name))
  .flatMap(([name, schema]) => {
    const [gvk] = schema['x-kubernetes-group-version-kind'] ?? []
    if (gvk === undefined || name === `${META}.WatchEvent`) return []
    const apiVersion = gvk.group === '' ? gvk.version : `${gvk.group}/${gvk.version}`
    return [{ name, apiVersion, kind: gvk.kind }]
  })

const payload = (value: unknown): Payload => ({ value, bytes: () => new Uint8Array() })
const sample = ({ name, apiVersion, kind }: (typeof typed)[number], seed: number) => {
  return { ...(sampleOf(name, seed) as object), apiVersion, kind }
}

describe('protobuf answers', () => {
  test('every built-in kind has a message', () => {
    expect(typed.length).toBeGreaterThan(130)
  })

  test.each(typed)('$apiVersion $kind is read again as it was', (type) => {
    for (const seed of [1, 2]) {
      const value = sample(type, seed)
      expect(readProtobuf(protobufOf(payload(value)) as Uint8Array)).toEqual(value)
    }
  })

  test('a list is put together from its items', () => {
    const items = [1, 2, 300].map((n) => ({ metadata: { name: `n${n}` }, data: { k: 'v'.repeat(n) } }))
    const head = { kind: 'ConfigMapList', apiVersion: 'v1', metadata: { resourceVersion: '7', remainingItemCount: 3 } }
    const whole = protobufOf(payload({ ...head, items }))
    const entries = items.map(payload)
    expect(protobufOf({ ...payload({ ...head, items }), head, entries } as Payload)).toEqual(whole)
    expect(readProtobuf(whole as Uint8Array)).toEqual({ ...head, items })
  })

  test('metadata alone has a message, others have not', () => {
    const value = { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: { name: 'a' } }
    expect(readProtobuf(protobufOf(payload(value)) as Uint8Array)).toEqual(value)
    const list = {
      kind: 'PartialObjectMetadataList',
      apiVersion: 'meta.k8s.io/v1',
      metadata: {},
      items: [{ metadata: {} }]
    }
    expect(readProtobuf(protobufOf(payload(list)) as Uint8Array)).toEqual(list)
    expect(protobufOf(payload({ kind: 'Boat', apiVersion: 'example.com/v1' }))).toBeUndefined()
    expect(protobufOf(payload({ paths: [] }))).toBeUndefined()
  })

  // Read off kube-apiserver 1.35.4: GET /api/v1/namespaces/nosuch, a watch's error.
  test('a failure is written byte for byte as Go does, but for what is zero', () => {
    const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: 'no', code: 404 }
    const bytes = Buffer.from(protobufOf(payload(status)) as Uint8Array)
    const expected = 'k8s\0\n\x0c\n\x02v1\x12\x06Status\x12\x12\n\0\x12\x07Failure\x1a\x02no0\x94\x03\x1a\0"\0'
    expect(bytes.toString('latin1')).toBe(expected)
    const frame = Buffer.from(protobufFrame('ERROR', status as never))
    const event = `\n\x05ERROR\x12\x2c\n\x2a${expected}`
    expect(frame.toString('latin1')).toBe(`\0\0\0${String.fromCharCode(event.length)}${event}`)
  })

  test('long texts and deep messages find room', () => {
    const value = { kind: 'ConfigMap', apiVersion: 'v1', data: { a: 'ä'.repeat(400_000), b: 'x'.repeat(300_000) } }
    expect(readProtobuf(protobufOf(payload(value)) as Uint8Array)).toEqual(value)
  })
})
