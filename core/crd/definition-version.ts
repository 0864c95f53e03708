/** Printer columns, selectable fields and subresources of a definition's version. */
import type { FieldError } from '../errors.ts'
import { duplicate, invalid, required, tooMany } from '../field-errors.ts'
import type { CustomResourceColumnDefinition, CustomResourceSubresources, SelectableField } from '../kinds/types.ts'
import { findPath } from './field-path.ts'
import type { JsonSchema } from './schema.ts'

const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string']
const COLUMN_FORMATS = ['byte', 'date', 'date-time', 'double', 'float', 'int32', 'int64', 'password']
const MOST_SELECTABLE = 8

export function columnErrors(column: CustomResourceColumnDefinition, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { name, type, format = '', jsonPath } = column
  const oneOf = (values: readonly string[]) => `must be one of ${values.join(',')}`
  if (!name) errors.push(required(`${path}.name`))
  if (!type) errors.push(required(`${path}.type`, oneOf(COLUMN_TYPES)))
  else if (!COLUMN_TYPES.includes(type)) errors.push(invalid(`${path}.type`, type, oneOf(COLUMN_TYPES)))
  if (format !== '' && !COLUMN_FORMATS.includes(format))
    errors.push(invalid(`${path}.format`, format, oneOf(COLUMN_FORMATS)))
  if (!jsonPath) errors.push(required(`${path}.JSONPath`))
  else errors.push(...simplePathErrors(jsonPath, `${path}.JSONPath`))
  return errors
}

function simplePathErrors(text: string, path: string): FieldError[] {
  return text.startsWith('.') ? [] : [invalid(path, text, 'must be a simple json path starting with .')]
}

export function subresourceErrors(subresources: CustomResourceSubresources | undefined, path: string): FieldError[] {
  const { scale } = subresources ?? {}
  if (scale === undefined) return []
  const errors: FieldError[] = []
  const below = (text: string | undefined, field: string, prefix: string) => {
    const at = `${path}.scale.${field}`
    if (!text) errors.push(required(at))
    else if (!text.startsWith('.')) errors.push(...simplePathErrors(text, at))
    else if (!text.startsWith(`${prefix}.`)) errors.push(invalid(at, text, `should be a json path under ${prefix}`))
  }
  below(scale.specReplicasPath, 'specReplicasPath', '.spec')
  below(scale.statusReplicasPath, 'statusReplicasPath', '.status')
  const { labelSelectorPath: selector = '' } = scale
  const at = `${path}.scale.labelSelectorPath`
  if (selector !== '' && !selector.startsWith('.')) errors.push(...simplePathErrors(selector, at))
  else if (selector !== '' && !/^\.(spec|status)\./.test(selector))
    errors.push(invalid(at, selector, 'should be a json path under either .spec or .status'))
  return errors
}

export function selectableErrors(fields: readonly SelectableField[], schema: JsonSchema, path: string): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [i, { jsonPath = '' }] of fields.entries()) {
    const at = `${path}[${i}].jsonPath`
    if (jsonPath === '') {
      errors.push(required(at))
      continue
    }
    const found = findPath(jsonPath, schema, false)
    if ('error' in found) {
      errors.push(invalid(at, jsonPath, `is an invalid path: ${found.error}`))
      continue
    }
    if (found.root === 'metadata') errors.push(invalid(at, jsonPath, 'must not point to fields in metadata'))
    if (!['string', 'boolean', 'integer'].includes(found.schema.type ?? '')) {
      const detail =
        'must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.'
      errors.push(invalid(at, jsonPath, detail))
    }
    if (seen.has(found.text)) errors.push(duplicate(at, jsonPath))
    seen.add(found.text)
  }
  if (seen.size > MOST_SELECTABLE) errors.push(tooMany(path, seen.size, MOST_SELECTABLE))
  return errors
}
