/** Objects within objects: their type and metadata must be as those of any object. */
import type { FieldError } from '../errors.ts'
import { invalid, required } from '../field-errors.ts'
import { isObject, type JsonObject } from '../json.ts'
import type { ObjectMeta } from '../kinds/types.ts'
import { isDNS1035Label } from '../names.ts'
import { validateMetadata } from '../validate-metadata.ts'
import { additionalSchema, type JsonSchema, propertySchema } from './schema.ts'

export function embeddedErrors(schema: JsonSchema, value: unknown, path = ''): FieldError[] {
  if (Array.isArray(value)) {
    const { items } = schema
    return items === undefined ? [] : value.flatMap((item, i) => embeddedErrors(items, item, `${path}[${i}]`))
  }
  if (!isObject(value)) return []
  const errors = schema['x-kubernetes-embedded-resource'] === true ? ownErrors(value, path) : []
  const additional = additionalSchema(schema)
  for (const name of Object.keys(value)) {
    const property = propertySchema(schema, name)
    const below = property === undefined ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`
    const of = property ?? additional
    if (of !== undefined) errors.push(...embeddedErrors(of, value[name], below))
  }
  return errors
}

function ownErrors(object: JsonObject, path: string): FieldError[] {
  const { apiVersion, kind, metadata } = object
  const errors: FieldError[] = []
  if (apiVersion === undefined) errors.push(required(`${path}.apiVersion`))
  else if (typeof apiVersion !== 'string') errors.push(invalid(`${path}.apiVersion`, apiVersion, 'must be a string'))
  else if (apiVersion === '') errors.push(invalid(`${path}.apiVersion`, '', 'must not be empty'))
  else if (apiVersion.split('/').length > 2)
    errors.push(invalid(`${path}.apiVersion`, apiVersion, `unexpected GroupVersion string: ${apiVersion}`))
  if (kind === undefined) errors.push(required(`${path}.kind`))
  else if (typeof kind !== 'string') errors.push(invalid(`${path}.kind`, kind, 'must be a string'))
  else if (kind === '') errors.push(invalid(`${path}.kind`, '', 'must not be empty'))
  else {
    const wrong = isDNS1035Label(kind.toLowerCase())
    const prefix = 'may have mixed case, but should otherwise match: '
    if (wrong.length > 0) errors.push(invalid(`${path}.kind`, kind, prefix + wrong.join(',')))
  }
  if (!isObject(metadata)) return errors
  const meta = { name: 'fakename', ...metadata } as ObjectMeta
  const rules = { name: 'path', anyFinalizer: true } as const
  const found = validateMetadata({ namespaced: (meta.namespace ?? '') !== '', rules }, { metadata: meta })
  return [...errors, ...found.map((error) => ({ ...error, field: `${path}.${error.field}` }))]
}
