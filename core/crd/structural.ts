/**
 * What makes a schema structural (schema/validation.go of apiextensions): every field has its type outside of logical
 * junctors, and what stands within these only validates. Errors come sorted, as Kubernetes gives them.
 */
import { compileRegex } from '../cel/regex.ts'
import type { FieldError } from '../errors.ts'
import { errorBody, forbidden, invalid, required } from '../field-errors.ts'
import { sameJson } from '../json.ts'
import { additionalSchema, type JsonSchema, propertySchema } from './schema.ts'

type Level = 'root' | 'item' | 'field'

const INT_OR_STRING = [{ type: 'integer' }, { type: 'string' }]
const EMPTY: Readonly<Record<Level, string>> = {
  root: 'must not be empty at the root',
  item: 'must not be empty for specified array items',
  field: 'must not be empty for specified object fields'
}

export function structuralErrors(schema: JsonSchema, path: string): FieldError[] {
  const errors = [...invariants(schema, 'root', path), ...completeness(schema, path)]
  const text = (error: FieldError) => `${error.field}: ${errorBody(error)}`
  return errors.toSorted((a, b) => (text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0))
}

function invariants(schema: JsonSchema, level: Level, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { type = '', items, properties = {} } = schema
  const additional = additionalSchema(schema)
  if (type === 'array' && items === undefined) errors.push(required(`${path}.items`, 'must be specified'))
  if (items !== undefined) errors.push(...invariants(items, 'item', `${path}.items`))
  for (const [name, property] of Object.entries(properties))
    errors.push(...invariants(property, 'field', `${path}.properties[${name}]`))
  if (schema.additionalProperties !== undefined && level === 'root')
    errors.push(forbidden(`${path}.additionalProperties`, 'must not be used at the root'))
  if (additional !== undefined) errors.push(...invariants(additional, 'field', `${path}.additionalProperties`))
  errors.push(...extensions(schema, path))
  const skipAnyOf = sameJson(schema.anyOf, INT_OR_STRING)
  const skipFirst = sameJson(schema.allOf?.[0]?.anyOf, INT_OR_STRING)
  errors.push(...junctors(schema, path, { skipAnyOf, skipFirst }))
  return [...errors, ...typeErrors(schema, level, path), ...metadataErrors(schema, level, path)]
}

function typeErrors(schema: JsonSchema, level: Level, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { type = '' } = schema
  const embedded = schema['x-kubernetes-embedded-resource'] === true
  const keeps = schema['x-kubernetes-preserve-unknown-fields'] === true
  if (embedded && type !== 'object') {
    const detail = 'must be object if x-kubernetes-embedded-resource is true'
    errors.push(type === '' ? required(`${path}.type`, detail) : invalid(`${path}.type`, type, detail))
  } else if (type === '' && schema['x-kubernetes-int-or-string'] !== true && !keeps)
    errors.push(required(`${path}.type`, EMPTY[level]))
  if (embedded && schema.additionalProperties !== undefined)
    errors.push(forbidden(`${path}.additionalProperties`, 'must not be used if x-kubernetes-embedded-resource is set'))
  if (level === 'root' && type !== '' && type !== 'object')
    errors.push(invalid(`${path}.type`, type, 'must be object at the root'))
  if (embedded && !keeps && Object.keys(schema.properties ?? {}).length === 0) {
    const detail =
      'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields'
    errors.push(required(`${path}.properties`, detail))
  }
  return errors
}

function metadataErrors(schema: JsonSchema, level: Level, path: string): FieldError[] {
  const errors: FieldError[] = []
  const checked = level === 'root' || schema['x-kubernetes-embedded-resource'] === true
  for (const name of ['kind', 'apiVersion']) {
    const property = propertySchema(schema, name)
    if (property !== undefined && checked && property.type !== 'string')
      errors.push(invalid(`${path}.properties[${name}].type`, property.type ?? '', 'must be string'))
  }
  const metadata = propertySchema(schema, 'metadata')
  if (metadata === undefined) return errors
  const at = `${path}.properties[metadata]`
  if (checked && metadata.type !== 'object') errors.push(invalid(`${at}.type`, metadata.type ?? '', 'must be object'))
  if (level === 'root' && !isPlainMetadata(metadata)) {
    const detail = 'must not specify anything other than name and generateName, but metadata is implicitly specified'
    errors.push(forbidden(at, detail))
  }
  return errors
}

function isPlainMetadata(metadata: JsonSchema): boolean {
  const { type: _, default: __, properties = {}, ...rest } = metadata
  const others = Object.keys(properties).filter((name) => name !== 'name' && name !== 'generateName')
  return others.length === 0 && Object.keys(rest).length === 0
}

function extensions(schema: JsonSchema, path: string): FieldError[] {
  if (schema['x-kubernetes-int-or-string'] !== true) return []
  const refuse = (name: 'x-kubernetes-preserve-unknown-fields' | 'x-kubernetes-embedded-resource') =>
    schema[name] === true
      ? [invalid(`${path}.${name}`, true, 'must be false if x-kubernetes-int-or-string is true')]
      : []
  return [...refuse('x-kubernetes-preserve-unknown-fields'), ...refuse('x-kubernetes-embedded-resource')]
}

interface Skips {
  readonly skipAnyOf: boolean
  readonly skipFirst: boolean
}

const NO_SKIPS: Skips = { skipAnyOf: false, skipFirst: false }

function junctors(schema: JsonSchema, path: string, { skipAnyOf, skipFirst }: Skips): FieldError[] {
  const errors: FieldError[] = []
  if (!skipAnyOf)
    schema.anyOf?.forEach((one, i) => {
      errors.push(...nested(one, `${path}.anyOf[${i}]`, NO_SKIPS))
    })
  schema.allOf?.forEach((one, i) => {
    errors.push(...nested(one, `${path}.allOf[${i}]`, { skipAnyOf: skipFirst && i === 0, skipFirst: false }))
  })
  schema.oneOf?.forEach((one, i) => {
    errors.push(...nested(one, `${path}.oneOf[${i}]`, NO_SKIPS))
  })
  if (schema.not !== undefined) errors.push(...nested(schema.not, `${path}.not`, NO_SKIPS))
  if ((schema.pattern ?? '') !== '') {
    const why = patternError(schema.pattern ?? '')
    if (why !== undefined)
      errors.push(invalid(`${path}.pattern`, schema.pattern, `must be a valid regular expression, but isn't: ${why}`))
  }
  return errors
}

function patternError(pattern: string): string | undefined {
  try {
    compileRegex(pattern)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** What a schema within a junctor may not say. */
const FORBIDDEN: readonly (readonly [name: keyof JsonSchema, detail: string])[] = [
  ['type', 'must be empty to be structural'],
  ['additionalProperties', 'must be undefined to be structural'],
  ['default', 'must be undefined to be structural'],
  ['title', 'must be empty to be structural'],
  ['description', 'must be empty to be structural'],
  ['nullable', 'must be false to be structural'],
  ['x-kubernetes-preserve-unknown-fields', 'must be false to be structural'],
  ['x-kubernetes-embedded-resource', 'must be false to be structural'],
  ['x-kubernetes-int-or-string', 'must be false to be structural'],
  ['x-kubernetes-list-map-keys', 'must be empty to be structural'],
  ['x-kubernetes-list-type', 'must be undefined to be structural'],
  ['x-kubernetes-map-type', 'must be undefined to be structural'],
  ['x-kubernetes-validations', 'must be empty to be structural']
]

function nested(schema: JsonSchema, path: string, skips: Skips): FieldError[] {
  const errors = junctors(schema, path, skips)
  if (schema.items !== undefined) errors.push(...nested(schema.items, `${path}.items`, NO_SKIPS))
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    errors.push(...nested(property, `${path}.properties[${name}]`, NO_SKIPS))
  for (const [name, detail] of FORBIDDEN) {
    const value = schema[name]
    const isSet = Array.isArray(value) ? value.length > 0 : value !== undefined && value !== '' && value !== false
    if (isSet) errors.push(forbidden(`${path}.${name}`, detail))
  }
  if (propertySchema(schema, 'metadata') !== undefined)
    errors.push(forbidden(`${path}.properties[metadata]`, 'must not be specified in a nested context'))
  return errors
}

interface Places {
  /** Where the field should be declared. */
  readonly declared: string
  /** Where it is validated. */
  readonly used: string
}

function completeness(schema: JsonSchema, path: string): FieldError[] {
  return junctorsComplete(schema, schema, { declared: path, used: path })
}

function junctorsComplete(value: JsonSchema, schema: JsonSchema | undefined, at: Places): FieldError[] {
  if (schema === undefined) return [required(at.declared, `because it is defined in ${at.used}`)]
  const below = (one: JsonSchema, step: string) => complete(one, schema, { ...at, used: `${at.used}.${step}` })
  return [
    ...(value.not === undefined ? [] : below(value.not, 'not')),
    ...(value.allOf ?? []).flatMap((one, i) => below(one, `allOf[${i}]`)),
    ...(value.anyOf ?? []).flatMap((one, i) => below(one, `anyOf[${i}]`)),
    ...(value.oneOf ?? []).flatMap((one, i) => below(one, `oneOf[${i}]`))
  ]
}

function complete(value: JsonSchema, schema: JsonSchema | undefined, at: Places): FieldError[] {
  if (schema === undefined) return [required(at.declared, `because it is defined in ${at.used}`)]
  const errors = junctorsComplete(value, schema, at)
  if (value.items !== undefined)
    errors.push(...complete(value.items, schema.items, { declared: `${at.declared}.items`, used: `${at.used}.items` }))
  for (const [name, property] of Object.entries(value.properties ?? {})) {
    const step = `.properties[${name}]`
    errors.push(
      ...complete(property, propertySchema(schema, name), { declared: at.declared + step, used: at.used + step })
    )
  }
  return errors
}
