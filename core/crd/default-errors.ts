/** Defaults must be what the schema itself would let pass, and keep whole. */
import type { FieldError } from '../errors.ts'
import { invalid } from '../field-errors.ts'
import { copyJson, sameJson } from '../json.ts'
import { prune } from './prune.ts'
import { RuleValidator } from './rules.ts'
import type { JsonSchema } from './schema.ts'
import { validateValue } from './validate-value.ts'

const MOST_DEPTH = 1000

export function defaultErrors(schema: JsonSchema, path: string): FieldError[] {
  const errors = schema.default === undefined ? [] : ownErrors(schema, path)
  if (schema.items !== undefined) errors.push(...defaultErrors(schema.items, `${path}.items`))
  for (const [name, property] of Object.entries(schema.properties ?? {}))
    errors.push(...defaultErrors(property, `${path}.properties[${name}]`))
  // There are none below additionalProperties.
  return errors
}

function ownErrors(schema: JsonSchema, path: string): FieldError[] {
  const errors: FieldError[] = []
  const at = `${path}.default`
  const value = copyJson(schema.default, MOST_DEPTH)
  prune(value, schema, schema['x-kubernetes-embedded-resource'] === true)
  if (!sameJson(value, schema.default)) errors.push(invalid(at, schema.default, 'must not have unknown fields'))
  const found = validateValue(schema, schema.default).errors
  const below = (field: string) => (field === '<nil>' ? at : `${at}.${field}`)
  if (found.length > 0) return [...errors, ...found.map((error) => ({ ...error, field: below(error.field) }))]
  const rules = RuleValidator.of(schema, false)
  if (rules === undefined) return errors
  const asOld = rules.validate(schema.default, { value: schema.default }, at)
  return [...errors, ...asOld.errors, ...rules.validate(schema.default, undefined, at).errors]
}
