/**
 * Creations made from the published schemas: of every kind the smallest object, with each field in turn set to a value
 * of its type, to values at the edge and to values of other types. What a real kube-apiserver answered to each stands in
 * answers.json.
 */
import { readFileSync } from 'node:fs'
import { apiVersionOf, type Kind } from '../../core/kinds/kind.ts'
import { kindTable } from '../../core/kinds/table.ts'
import { NAMES, SMALLEST } from './smallest.ts'

interface Schema {
  readonly type?: string
  readonly format?: string
  readonly $ref?: string
  readonly enum?: readonly unknown[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly additionalProperties?: Schema
}

export interface FieldCase {
  /** "pods spec.containers[0].image = 7" */
  readonly name: string
  /** Without its query; "{ns}" stands for the namespace. */
  readonly path: string
  readonly body: Readonly<Record<string, unknown>>
}

const schemas = JSON.parse(readFileSync(new URL('../../core/kinds/schemas.json', import.meta.url), 'utf8')) as Readonly<
  Record<string, Schema>
>

/** Schemas that are asked about once, as they recur in many kinds: a pod's template, and what all metadata have. */
const ELSEWHERE = new Set(['io.k8s.api.core.v1.PodTemplateSpec', 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'])
/** How deep schemas may nest in themselves. */
const DEPTH = 12

export function keyOf(kind: Kind): string {
  const key = `${kind.group}/${kind.resource}`
  const preferred = kindTable.groups.find(({ name }) => name === kind.group)?.versions[0]
  return kind.version === preferred ? key : `${kind.group}/${kind.version}/${kind.resource}`
}

/** The kinds whose objects are made by a POST to a collection and kept. */
export const creatable = kindTable.all.filter(
  ({ verbs, hidden }) => verbs.includes('get') && verbs.includes('create') && hidden !== true
)

export function smallestOf(kind: Kind, name = NAMES[keyOf(kind)] ?? 'smallest'): Record<string, unknown> {
  const fields = SMALLEST[keyOf(kind)]
  if (fields === undefined) throw new Error(`smallest.ts has no entry for ${keyOf(kind)}`)
  return { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: { name }, ...structuredClone(fields) }
}

export function collectionOf(kind: Kind): string {
  const root = kind.group === '' ? '/api' : `/apis/${kind.group}`
  return `${root}/${kind.version}${kind.namespaced ? '/namespaces/{ns}' : ''}/${kind.resource}`
}

export function* fieldCases(kind: Kind): Generator<FieldCase> {
  const path = collectionOf(kind)
  yield { name: `${keyOf(kind)} smallest`, path, body: smallestOf(kind) }
  for (const { at, schema } of fieldsOf(resolve({ $ref: kind.schema }), [], [])) {
    if (at[0] === 'metadata' || at[0] === 'apiVersion' || at[0] === 'kind') continue
    for (const value of valuesFor(schema)) {
      const body = smallestOf(kind)
      if (!put(body, at, value)) continue
      yield { name: `${keyOf(kind)} ${textOf(at)} = ${JSON.stringify(value).slice(0, 60)}`, path, body }
    }
  }
}

type Step = string | number
interface Field {
  readonly at: readonly Step[]
  readonly schema: Schema
}

function resolve(schema: Schema): Schema {
  return schema.$ref === undefined ? schema : (schemas[schema.$ref] ?? {})
}

function* fieldsOf(schema: Schema, at: readonly Step[], within: readonly string[]): Generator<Field> {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const here = [...at, name]
    yield { at: here, schema: property }
    yield* inside(property, here, within)
  }
}

function* inside(schema: Schema, at: readonly Step[], within: readonly string[]): Generator<Field> {
  if (schema.$ref !== undefined) {
    if (ELSEWHERE.has(schema.$ref) || within.includes(schema.$ref) || within.length > DEPTH) return
    yield* fieldsOf(resolve(schema), at, [...within, schema.$ref])
  } else if (schema.type === 'array' && schema.items !== undefined) {
    yield { at: [...at, 0], schema: schema.items }
    yield* inside(schema.items, [...at, 0], within)
  } else if (schema.additionalProperties !== undefined) {
    yield { at: [...at, 'a'], schema: schema.additionalProperties }
    yield* inside(schema.additionalProperties, [...at, 'a'], within)
  } else yield* fieldsOf(schema, at, within)
}

const QUANTITY = 'io.k8s.apimachinery.pkg.api.resource.Quantity'
const INT_OR_STRING = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString'

function valuesFor(schema: Schema): readonly unknown[] {
  const { type, format, enum: words } = resolve(schema)
  if (schema.$ref?.endsWith(QUANTITY)) return ['1', '-1', 'x', 1]
  if (schema.$ref?.endsWith(INT_OR_STRING) || format === 'int-or-string') return [1, 'a', '50%', -1, true]
  if (format === 'date-time') return ['2026-01-02T03:04:05Z', 'x']
  if (format === 'byte') return ['YQ==', 'Not base64!']
  if (words !== undefined) return [...words, 'Wrong', '', 7]
  if (type === 'string') return ['a', '', 'Not Valid!', '1.2.3.4', 'example.com/a', 7]
  if (type === 'integer') return [1, 0, -1, 65536, 'x', 1.5]
  if (type === 'number') return [1.5, 'x']
  if (type === 'boolean') return [true, false, 'x']
  if (type === 'array') return [[], [sample(schema), sample(schema)], {}, [null], null]
  return [sample(schema), {}, 'x', null]
}

/** The least value of the schema's type: what is required, an array's one item. */
function sample(schema: Schema, depth = 0): unknown {
  const { type, format, enum: words, items, properties = {}, required = [], additionalProperties } = resolve(schema)
  if (schema.$ref?.endsWith(QUANTITY)) return '1'
  if (format === 'date-time') return '2026-01-02T03:04:05Z'
  if (format === 'byte') return 'YQ=='
  if (words !== undefined) return words[0]
  if (type === 'string') return 'a'
  if (type === 'integer' || type === 'number' || format === 'int-or-string') return 1
  if (type === 'boolean') return true
  if (depth > DEPTH) return {}
  if (type === 'array') return items === undefined ? [] : [sample(items, depth + 1)]
  if (additionalProperties !== undefined) return { a: sample(additionalProperties, depth + 1) }
  return Object.fromEntries(required.map((name) => [name, sample(properties[name] ?? {}, depth + 1)]))
}

/** Sets the value, making what is missing on the way. false: something else stands there. */
function put(body: Record<string, unknown>, at: readonly Step[], value: unknown): boolean {
  let here: Record<Step, unknown> = body
  let schema: Schema = resolve({ $ref: schemaOfBody(body) })
  for (const [i, step] of at.entries()) {
    if (i === at.length - 1) {
      here[step] = value
      return true
    }
    const below: Schema =
      typeof step === 'number' ? (schema.items ?? {}) : (schema.properties?.[step] ?? schema.additionalProperties ?? {})
    schema = resolve(below)
    if (here[step] === undefined) here[step] = typeof at[i + 1] === 'number' ? [] : sample(below)
    const next = here[step]
    if (next === null || typeof next !== 'object') return false
    here = next as Record<Step, unknown>
  }
  return false
}

function schemaOfBody({ apiVersion, kind }: Record<string, unknown>): string {
  const [version, group = ''] = String(apiVersion).split('/').toReversed()
  return kindTable.findByKind(group, version ?? '', String(kind))?.schema ?? ''
}

function textOf(at: readonly Step[]): string {
  return at.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('')
}
