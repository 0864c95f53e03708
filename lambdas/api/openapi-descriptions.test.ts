import { expect, test } from '@jest/globals'
import schemas from '../../core/kinds/schemas.json' with { type: 'json' }
import { described } from './openapi-descriptions.ts'
import type { Json } from './openapi-paths.ts'

const CORE = 'io.k8s.api.core.v1'
const REF = '#/components/schemas/'

test('a schema and its fields get their words, references beside nothing', () => {
  const pod = described(`${CORE}.Pod`, {
    type: 'object',
    properties: { kind: { type: 'string' }, spec: { $ref: `${REF}${CORE}.PodSpec` }, odd: { type: 'string' } }
  })
  expect(pod.description).toMatch(/^Pod is a collection of containers/)
  const { kind, spec, odd } = pod.properties as Record<string, Json>
  expect(kind).toEqual({ description: expect.stringContaining('REST resource'), type: 'string' })
  expect(Object.keys(spec ?? {})).toEqual(['description', 'allOf'])
  expect(spec?.allOf).toEqual([{ $ref: `${REF}${CORE}.PodSpec` }])
  expect(odd).toEqual({ type: 'string' })
})

test('what is not known stays as it is', () => {
  const schema = { type: 'object', properties: { a: { type: 'string' } } }
  expect(described('com.example.v1.Boat', schema)).toBe(schema)
})

test('nearly every field of every built-in kind has words', () => {
  let [fields, without] = [0, 0]
  for (const [name, schema] of Object.entries(schemas as unknown as Record<string, Json>)) {
    const { properties = {} } = described(name, schema) as { properties?: Record<string, Json> }
    for (const field of Object.values(properties)) {
      fields++
      if (field.description === undefined) without++
    }
  }
  expect(fields).toBeGreaterThan(2_000)
  expect(without / fields).toBeLessThan(0.05)
})
