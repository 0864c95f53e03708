import { readFileSync } from 'node:fs'
import { expect, test } from '@jest/globals'
import type { KubeObject } from '../object.ts'
import { decode } from '../validate.ts'
import type { Kind } from './kind.ts'
import { kindTable } from './table.ts'

// Whatever a real API server printed, decoding and defaulting must leave as it is.

interface Recorded {
  name: string
  steps: { want?: { body?: KubeObject } }[]
}
const text = readFileSync(new URL('../../test/golden/recorded.json', import.meta.url), 'utf8')
const recorded = JSON.parse(text.replaceAll('"<time>"', '"2026-01-01T00:00:00Z"')) as Recorded[]

const objects = recorded.flatMap(({ name, steps }) =>
  steps.flatMap((step): [string, Kind, KubeObject][] => {
    const body = step.want?.body
    if (body?.apiVersion === undefined || body.metadata === undefined) return []
    const [version = '', group = ''] = body.apiVersion.split('/').reverse()
    const kind = kindTable.findByKind(group, version, body.kind ?? '')
    // Allocated ports are masked by a text there.
    return kind === undefined || JSON.stringify(body).includes('"<port>"') ? [] : [[name, kind, body]]
  })
)

test('there are enough of them', () => {
  expect(objects.length).toBeGreaterThan(30)
})

test.each(objects)('%s %#', (name, kind, body) => {
  const { object, warnings } = decode(kind, body, 'Warn')
  kind.rules.defaults?.(object)
  // The recorder dropped the status of these.
  if (body.status === undefined && /^(patch|apply)\//.test(name)) delete object.status
  expect(warnings).toEqual([])
  expect(object).toEqual(body)
})
