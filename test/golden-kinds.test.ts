/** The recorded creations of the large kinds, through decoding, defaults and validation, without a server. */
import { describe, expect, test } from '@jest/globals'
import { ApiError } from '../core/errors.ts'
import { invalidError } from '../core/field-errors.ts'
import { appsKinds } from '../core/kinds/apps.ts'
import type { Kind } from '../core/kinds/kind.ts'
import { nodeKinds } from '../core/kinds/nodes.ts'
import { podKinds } from '../core/kinds/pods.ts'
import { serviceKinds } from '../core/kinds/services.ts'
import type { KubeObject } from '../core/object.ts'
import { decode } from '../core/validate.ts'
import recording from './golden/recorded.json' with { type: 'json' }

type Json = { [field: string]: Json } | Json[] | string | number | boolean | null | undefined
interface Step {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  readonly want?: { readonly status: number; readonly body?: Record<string, Json> }
}

const kinds = [...podKinds, ...appsKinds, ...serviceKinds, ...nodeKinds]
const PATH = /\/(pods|deployments|replicasets|services|nodes)$/
/** Refused by others than the kind's rules: metadata's checks and admission. */
const OTHERS = new Set(['invalid/pod-bad-name', 'invalid/pod-bad-label', 'limitrange/defaults', 'priority'])

const creations = (recording as unknown as { name: string; steps: Step[] }[]).flatMap(({ name, steps }) =>
  steps.flatMap((step) => {
    const kind = kinds.find(({ resource }) => resource === PATH.exec(step.path)?.[1])
    if (kind === undefined || step.method !== 'POST' || step.want === undefined || OTHERS.has(name)) return []
    return [{ name: `${name} ${kind.resource}`, kind, body: step.body, want: step.want }]
  })
)

function create(kind: Kind, body: unknown): { status: number; body: unknown } {
  try {
    const { object } = decode(kind, body)
    admit(object)
    kind.rules.defaults?.(object)
    kind.rules.prepareCreate?.(object, { now: 0, random: () => 0 })
    if (kind.rules.generation === true) object.metadata.generation = 1
    const errors = kind.rules.validate?.(object) ?? []
    if (errors.length > 0) throw invalidError(kind, object.metadata.name ?? '', errors)
    return { status: 201, body: object }
  } catch (error) {
    if (error instanceof ApiError) return { status: error.code, body: error.toStatus() }
    throw error
  }
}

/** What admission does that the rules build upon. */
function admit(object: KubeObject): void {
  if (object.kind === 'Pod') object.spec = { serviceAccountName: 'default', ...(object.spec as object) }
}

/** Leaves out what metadata, admission and allocation write, and sorts fields and causes. */
function comparable(value: unknown, field = ''): unknown {
  if (Array.isArray(value)) {
    const items = value.map((item) => comparable(item))
    if (field === 'causes') return items.map((item) => JSON.stringify(Object.entries(item as object).sort())).sort()
    return items.filter((item) => !JSON.stringify(item).includes('kube-api-access'))
  }
  if (typeof value !== 'object' || value === null) return field === 'message' ? words(String(value)) : value
  const out: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    const compared = comparable(item, key)
    const empty = Array.isArray(compared) && compared.length === 0
    if (!NOT_OURS.has(key) && item !== undefined && !empty) out[key] = compared
  }
  return out
}

const NOT_OURS = new Set([
  'managedFields',
  'resourceVersion',
  'uid',
  'creationTimestamp',
  'namespace',
  'tolerations',
  'taints',
  'priority',
  'preemptionPolicy',
  'clusterIP',
  'clusterIPs',
  'nodePort'
])

/** The recording sorted the parts of messages. */
function words(message: string): string {
  return message
    .split(/[[\], ]+/)
    .sort()
    .join(' ')
}

describe('recorded creations', () => {
  test('there are some', () => {
    expect(creations.length).toBeGreaterThanOrEqual(15)
  })
  test.each(creations)('$name', ({ kind, body, want }) => {
    const got = create(kind, body)
    expect(got.status).toBe(want.status)
    const wanted = want.body ?? {}
    if ('kind' in wanted) expect(comparable(got.body)).toEqual(comparable(wanted))
    else
      for (const [path, value] of Object.entries(wanted)) {
        const found = path.split('.').reduce((at: Json, key) => (at as Record<string, Json>)?.[key], got.body as Json)
        expect(comparable(found)).toEqual(comparable(value))
      }
  })
})
