/** A stored CustomResourceDefinition as rows of the table of kinds: one for each served version. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { invalid } from '../field-errors.ts'
import { goQuote } from '../go-text.ts'
import { isObject, sameJson } from '../json.ts'
import type { Cell, Column, CustomKind, Kind, Rules, ScalePaths, Subresource } from '../kinds/kind.ts'
import { OWNER_INDEXES } from '../kinds/row.ts'
import type {
  CustomResourceColumnDefinition,
  CustomResourceDefinition,
  CustomResourceDefinitionVersion
} from '../kinds/types.ts'
import { objectType } from '../merge/types.ts'
import { isQualifiedName } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { isConditionTrue } from './conditions.ts'
import { decodeResource } from './decode.ts'
import { embeddedErrors } from './embedded.ts'
import { jsonPath } from './json-path.ts'
import { listTypeErrors } from './list-types.ts'
import { dropNulls, prune } from './prune.ts'
import type { RuleValidator } from './rules.ts'
import type { JsonSchema } from './schema.ts'
import { type Before, validateValue } from './validate-value.ts'

const VERBS = ['delete', 'deletecollection', 'get', 'list', 'patch', 'create', 'update', 'watch']
const SUB_VERBS = ['get', 'patch', 'update']

export interface CustomKinds {
  /** Those that are served, in the definition's order. */
  readonly kinds: readonly Kind[]
  readonly storageVersion: string
}

/** Loads CEL when one of the schemas has rules. */
export async function kindsOf(definition: CustomResourceDefinition): Promise<CustomKinds> {
  const { spec } = definition
  const storageVersion = spec.versions.find(({ storage }) => storage)?.name ?? ''
  const kinds: Kind[] = []
  for (const version of spec.versions) {
    if (!version.served) continue
    kinds.push(await kindOf(definition, version, storageVersion))
  }
  return { kinds, storageVersion }
}

async function kindOf(
  definition: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  storageVersion: string
): Promise<Kind> {
  const { spec, status } = definition
  const names = status?.acceptedNames ?? spec.names
  const schema = schemaOf(version)
  const { scale, status: hasStatus } = version.subresources ?? {}
  const rules = await rulesOf(schema)
  const apiVersion = `${spec.group}/${version.name}`
  const several = spec.versions.length > 1
  return {
    group: spec.group,
    version: version.name,
    resource: names.plural,
    kind: names.kind,
    listKind: names.listKind ?? `${names.kind}List`,
    singular: names.singular ?? names.kind.toLowerCase(),
    namespaced: spec.scope === 'Namespaced',
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    verbs: VERBS,
    subresources: subresourcesOf(names.kind, { status: hasStatus !== undefined, scale: scale !== undefined }),
    storage: `${spec.group}/${names.plural}`,
    schema: `${spec.group.split('.').reverse().join('.')}.${version.name}.${names.kind}`,
    columns: columnsOf(version.additionalPrinterColumns),
    rules: {
      anyFinalizer: true,
      generation: hasStatus === undefined ? 'with status' : true,
      indexes: OWNER_INDEXES,
      ...writingRules({ schema, rules, version, passed: new WeakMap() }),
      fields: fieldsOf(version),
      cells: cellsOf(version.additionalPrinterColumns),
      ...(scale === undefined ? {} : { scale: scalePaths(scale) })
    },
    custom: customOf(schema, { definition, version, storageVersion }),
    ...(several && (spec.conversion?.strategy ?? 'None') === 'None'
      ? { convert: converter(definition, apiVersion, storageVersion) }
      : {})
  }
}

async function rulesOf(schema: JsonSchema): Promise<RuleValidator | undefined> {
  const { someSchema } = await import('./schema.ts')
  const has = someSchema(schema, (one) => (one['x-kubernetes-validations']?.length ?? 0) > 0)
  if (!has) return undefined
  const { RuleValidator } = await import('./rules.ts')
  return RuleValidator.of(schema, true)
}

function customOf(
  schema: JsonSchema,
  {
    definition,
    version,
    storageVersion
  }: { definition: CustomResourceDefinition; version: CustomResourceDefinitionVersion; storageVersion: string }
): CustomKind {
  const { deprecated, deprecationWarning, name } = version
  const { kind } = definition.spec.names
  const { conversion } = definition.spec
  const fallback = `${definition.spec.group}/${name} ${kind} is deprecated`
  return {
    definition: definition.metadata.name ?? '',
    storageVersion,
    isStorage: version.storage,
    terminating: isConditionTrue(definition, 'Terminating'),
    schema,
    decode: (value) => decodeResource(schema, value),
    type: () => objectType(schema as Parameters<typeof objectType>[0]),
    ...(deprecated === true ? { deprecation: deprecationWarning ?? fallback } : {}),
    ...(conversion?.strategy === 'Webhook' && conversion.webhook !== undefined && definition.spec.versions.length > 1
      ? { webhook: conversion.webhook }
      : {})
  }
}

function subresourcesOf(kind: string, has: { status: boolean; scale: boolean }): readonly Subresource[] {
  const found: Subresource[] = []
  if (has.status) found.push({ name: 'status', kind, verbs: SUB_VERBS })
  if (has.scale) found.push({ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: SUB_VERBS })
  return found
}

const OPEN = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
const schemaOf = (version: CustomResourceDefinitionVersion | undefined) =>
  (version?.schema?.openAPIV3Schema ?? OPEN) as JsonSchema

/**
 * `None`: the version's name changes, and what the other version does not have is gone. What is stored keeps to the
 * schema of the version that it is stored in; defaults are of that one too.
 */
function converter(
  { spec }: CustomResourceDefinition,
  apiVersion: string,
  storageVersion: string
): NonNullable<Kind['convert']> {
  const schema = schemaOf(spec.versions.find(({ name }) => name === storageVersion))
  const own = schemaOf(spec.versions.find(({ name }) => `${spec.group}/${name}` === apiVersion))
  const named = (object: KubeObject, version: string): KubeObject => {
    const { kind, apiVersion: _, ...rest } = decodeResource(schema, object).object
    return { kind, apiVersion: version, ...rest }
  }
  return {
    toStorage: (object) => named(object, `${spec.group}/${storageVersion}`),
    fromStorage: (object) => {
      const shown = named(object, apiVersion)
      prune(shown, own, true)
      dropNulls(shown, own)
      return shown
    }
  }
}

interface Writing {
  readonly schema: JsonSchema
  readonly rules: RuleValidator | undefined
  readonly version: CustomResourceDefinitionVersion
  /** What the rules of an object's schema let pass because it was so before. */
  readonly passed: WeakMap<KubeObject, readonly string[]>
}

function writingRules(writing: Writing): Rules {
  const { version } = writing
  const { status } = version.subresources ?? {}
  return {
    prepareCreate: (object) => {
      if (status !== undefined) delete object.status
    },
    prepareUpdate: (next, old) => {
      if (status === undefined) return
      if (old.status === undefined) delete next.status
      else next.status = old.status
    },
    validate: (object, old) => validateObject(writing, object, old),
    validateStatus: (next, old) => validateStatus(writing, next, old),
    warnings: (next, old) => [...(writing.passed.get(next) ?? []), ...finalizerWarnings(next, old)]
  }
}

const BLOCKING = new Set<FieldError['type']>([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid'
])
const UNCHECKED =
  'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation'

function validateObject(writing: Writing, object: KubeObject, old: KubeObject | undefined): FieldError[] {
  const { schema, version } = writing
  const before = old === undefined ? undefined : { value: old }
  const errors: FieldError[] = [...validateValue(schema, object, { old: before }).errors]
  errors.push(...scaleErrors(version, object, ['spec', 'status']))
  errors.push(...embeddedErrors(schema, object))
  if (old === undefined || listTypeErrors(schema, old).length === 0) errors.push(...listTypeErrors(schema, object))
  return [...errors, ...ruleErrors(writing, object, { before, errors })]
}

function validateStatus(writing: Writing, next: KubeObject, old: KubeObject): FieldError[] {
  const { schema, version } = writing
  const errors: FieldError[] = []
  const status = schema.properties?.status
  if (status !== undefined && next.status !== undefined) {
    const before = old.status === undefined ? undefined : { value: old.status }
    const found = validateValue(status, next.status, { old: before }).errors
    errors.push(
      ...found.map((error) => ({ ...error, field: error.field === '<nil>' ? 'status' : `status.${error.field}` }))
    )
  }
  errors.push(...scaleErrors(version, next, ['status']))
  if (listTypeErrors(schema, old).length === 0) errors.push(...listTypeErrors(schema, next))
  return [...errors, ...ruleErrors(writing, next, { before: { value: old }, errors })]
}

function ruleErrors(
  { rules, passed }: Writing,
  object: KubeObject,
  { before, errors }: { before: Before | undefined; errors: readonly FieldError[] }
): FieldError[] {
  if (rules === undefined) return []
  if (errors.some(({ type }) => BLOCKING.has(type))) return [invalid('<nil>', null, UNCHECKED)]
  const { errors: failed, warnings } = rules.validate(object, before)
  if (warnings.length > 0) passed.set(object, warnings)
  return failed
}

const MOST_REPLICAS = 2 ** 31 - 1

function scaleErrors(
  { subresources }: CustomResourceDefinitionVersion,
  object: KubeObject,
  parts: readonly ('spec' | 'status')[]
): FieldError[] {
  const { scale } = subresources ?? {}
  if (scale === undefined) return []
  return parts.flatMap((part) => {
    const path = part === 'spec' ? scale.specReplicasPath : scale.statusReplicasPath
    const value = valueAt(object, segmentsOf(path))
    if (value === undefined) return []
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      const what = `${path} accessor error: ${JSON.stringify(value)} is of the type ${goTypeName(value)}, expected int64`
      return [invalid(path, 0, what)]
    }
    if (value < 0) return [invalid(path, value, 'should be a non-negative integer')]
    return value > MOST_REPLICAS ? [invalid(path, value, `should be less than or equal to ${MOST_REPLICAS}`)] : []
  })
}

function goTypeName(value: unknown): string {
  if (typeof value === 'number') return 'float64'
  if (typeof value === 'boolean') return 'bool'
  return typeof value === 'string' ? 'string' : Array.isArray(value) ? '[]interface {}' : 'map[string]interface {}'
}

function scalePaths(scale: {
  specReplicasPath: string
  statusReplicasPath: string
  labelSelectorPath?: string | undefined
}): ScalePaths {
  const selector = scale.labelSelectorPath === undefined ? [] : segmentsOf(scale.labelSelectorPath)
  return {
    specReplicas: segmentsOf(scale.specReplicasPath),
    statusReplicas: segmentsOf(scale.statusReplicasPath),
    selector: (object) => {
      const found = selector.length === 0 ? undefined : valueAt(object, selector)
      return typeof found === 'string' ? found : ''
    },
    missing: (object) =>
      valueAt(object, segmentsOf(scale.specReplicasPath)) === undefined
        ? `the spec replicas field ${goQuote(scale.specReplicasPath)} does not exist`
        : undefined
  }
}

const segmentsOf = (path: string) => path.replace(/^\./, '').split('.')

function valueAt(object: unknown, path: readonly string[]): unknown {
  return path.reduce((at: unknown, name) => (isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined), object)
}

const STANDARD_FINALIZERS = new Set(['orphan', 'foregroundDeletion', 'kubernetes'])
const PREFER = 'to avoid accidental conflicts with other finalizer writers'

function finalizerWarnings(next: KubeObject, old: KubeObject | undefined): string[] {
  const before = new Set(old?.metadata.finalizers)
  const added = (next.metadata.finalizers ?? []).filter((name) => !before.has(name)).sort()
  return added.flatMap((name) => {
    const warnings = isQualifiedName(name).map((why) => `metadata.finalizers: ${goQuote(name)}: ${why}`)
    if (name.includes('/') || STANDARD_FINALIZERS.has(name)) return warnings
    const path = name.includes('.') ? ' including a path (/)' : ''
    return [
      ...warnings,
      `metadata.finalizers: ${goQuote(name)}: prefer a domain-qualified finalizer name${path} ${PREFER}`
    ]
  })
}

function fieldsOf(version: CustomResourceDefinitionVersion): NonNullable<Rules['fields']> {
  const found: Record<string, (object: KubeObject) => string> = {}
  for (const { jsonPath: path } of version.selectableFields ?? []) {
    const find = jsonPath(path)
    found[path.replace(/^\./, '')] = (object) => {
      const value = find(object)
      return value === undefined || value === null ? '' : String(value)
    }
  }
  return found
}

const NAME: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  priority: 0,
  description:
    'Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names'
}
const AGE: CustomResourceColumnDefinition = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description:
    'CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata'
}

const shown = (columns: readonly CustomResourceColumnDefinition[] | undefined) =>
  columns === undefined || columns.length === 0 ? [AGE] : columns

function columnsOf(columns: readonly CustomResourceColumnDefinition[] | undefined): readonly Column[] {
  return [
    NAME,
    ...shown(columns).map((column): Column => {
      const fallback = `Custom resource definition column (in JSONPath format): ${column.jsonPath}`
      return {
        name: column.name,
        type: column.type as Column['type'],
        format: column.format ?? '',
        description: (column.description ?? '') === '' ? fallback : (column.description ?? ''),
        priority: column.priority ?? 0
      }
    })
  ]
}

function cellsOf(columns: readonly CustomResourceColumnDefinition[] | undefined): NonNullable<Rules['cells']> {
  const cells = shown(columns).map(({ type, jsonPath: path }) => ({ type, find: finder(path) }))
  return (object, now) => [object.metadata.name ?? '', ...cells.map(({ type, find }) => cell(type, find(object), now))]
}

function finder(path: string): (object: unknown) => unknown {
  try {
    return jsonPath(path)
  } catch {
    return () => undefined
  }
}

function cell(type: string, value: unknown, now: number): Cell {
  if (value === undefined || value === null) return null
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null
    case 'number':
      return typeof value === 'number' ? value : null
    case 'boolean':
      return typeof value === 'boolean' ? value : null
    case 'date':
      if (typeof value !== 'string') return null
      return Number.isNaN(Date.parse(value)) ? '<invalid>' : age(value, now)
    default:
      return typeof value === 'object' ? JSON.stringify(value) : String(value)
  }
}

/** Whether two definitions are served alike: a change of status or metadata needs no new rows. */
export function servedAlike(a: CustomResourceDefinition, b: CustomResourceDefinition): boolean {
  return (
    sameJson(a.spec, b.spec) &&
    sameJson(a.status?.acceptedNames, b.status?.acceptedNames) &&
    isConditionTrue(a, 'Terminating') === isConditionTrue(b, 'Terminating')
  )
}
