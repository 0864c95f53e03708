/** What may stand in the schema of a custom resource, beyond being structural, and what its rules may cost. */
import { type Declared, declare, MAX_REQUEST_BYTES } from '../cel/declared.ts'
import { capped } from '../cel/range.ts'
import type { FieldError } from '../errors.ts'
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { findPath } from './field-path.ts'
import { type CompiledRule, compileRules } from './rules.ts'
import { additionalSchema, type JsonSchema, propertySchema, type ValidationRule } from './schema.ts'

/** What one rule, and all of a schema, may cost at worst. */
const RULE_LIMIT = 10_000_000n
const SCHEMA_LIMIT = 100_000_000n
const MOST_EXPENSIVE = 4

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string']
const META = new Set(['apiVersion', 'kind', 'metadata'])
const REASONS = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired']

interface At {
  readonly path: string
  readonly root: boolean
  /** Why there may be no default here; undefined: there may. */
  readonly noDefault: string | undefined
  readonly insideMeta: boolean
  /** The nearest place around it that cannot be told apart between two versions of an object. */
  readonly uncorrelated: string | undefined
  /** How often a value of this place may be in one object; undefined: not bounded. */
  readonly cardinality: bigint | undefined
  /** Whether its rules are looked at. */
  readonly rules: boolean
}

export function schemaErrors(schema: JsonSchema, path: string, withRules: boolean): FieldError[] {
  const check = new Check()
  const at: At = {
    path,
    root: true,
    noDefault: undefined,
    insideMeta: false,
    uncorrelated: undefined,
    cardinality: 1n,
    rules: withRules
  }
  const { schemaErrors: own, ruleErrors } = check.visit(schema, at)
  return [...own, ...ruleErrors, ...check.totalErrors(path)]
}

interface Found {
  readonly schemaErrors: FieldError[]
  readonly ruleErrors: FieldError[]
}

class Check {
  private total = 0n
  private expensive: { path: string; cost: bigint }[] = []

  visit(schema: JsonSchema, at: At): Found {
    const found: Found = { schemaErrors: keywords(schema, at), ruleErrors: [] }
    const below = (one: JsonSchema, step: string, more: Partial<At> = {}) => {
      const inner = this.visit(one, { ...at, root: false, ...more, path: at.path + step })
      found.schemaErrors.push(...inner.schemaErrors)
      found.ruleErrors.push(...inner.ruleErrors)
    }
    const factor = elements(schema)
    const cardinality = at.cardinality === undefined || factor === undefined ? undefined : times(at.cardinality, factor)
    this.children(schema, at, { below, cardinality })
    found.schemaErrors.push(...extensionErrors(schema, at.path))
    const rules = schema['x-kubernetes-validations'] ?? []
    rules.forEach((rule, i) => {
      found.schemaErrors.push(...ruleErrors(rule, schema, `${at.path}.x-kubernetes-validations[${i}]`))
    })
    if (rules.length > 0 && at.rules && found.schemaErrors.length === 0)
      found.ruleErrors.push(...this.rules(schema, at))
    return found
  }

  private children(
    schema: JsonSchema,
    at: At,
    {
      below,
      cardinality
    }: { below: (one: JsonSchema, step: string, more?: Partial<At>) => void; cardinality: bigint | undefined }
  ): void {
    const additional = additionalSchema(schema)
    const noDefault = at.insideMeta ? 'inside additionalProperties applying to object metadata' : at.noDefault
    if (additional !== undefined) below(additional, '.additionalProperties', { cardinality, noDefault })
    const atomic = schema['x-kubernetes-map-type']
    const uncorrelated =
      atomic === undefined || atomic === 'granular' || atomic === 'atomic'
        ? at.uncorrelated
        : (at.uncorrelated ?? at.path)
    for (const [name, property] of Object.entries(schema.properties ?? {})) {
      const meta = (at.root || schema['x-kubernetes-embedded-resource'] === true) && META.has(name)
      below(property, `.properties[${name}]`, {
        cardinality,
        uncorrelated,
        insideMeta: at.insideMeta || meta,
        ...(meta && at.root ? { noDefault: `in top-level ${name}` } : {})
      })
    }
    const junctor = { rules: false }
    if (schema.not !== undefined) below(schema.not, '.not', junctor)
    for (const name of ['allOf', 'oneOf', 'anyOf'] as const)
      schema[name]?.forEach((one, i) => {
        below(one, `.${name}[${i}]`, junctor)
      })
    for (const [name, one] of Object.entries(schema.definitions ?? {})) below(one, `.definitions[${name}]`, junctor)
    if (schema.items === undefined || Array.isArray(schema.items)) return
    const isMap = schema['x-kubernetes-list-type'] === 'map'
    below(schema.items, '.items', { cardinality, uncorrelated: isMap ? at.uncorrelated : (at.uncorrelated ?? at.path) })
  }

  private rules(schema: JsonSchema, at: At): FieldError[] {
    const declared = declare(schema, at.root || schema['x-kubernetes-embedded-resource'] === true)
    const path = `${at.path}.x-kubernetes-validations`
    if (declared === undefined) {
      const why =
        'internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations'
      return [{ type: 'InternalError', field: path, detail: why }]
    }
    return compileRules(schema, declared).flatMap((compiled, i) =>
      this.rule(compiled, `${path}[${i}]`, { at, declared })
    )
  }

  private rule(compiled: CompiledRule, path: string, { at, declared }: { at: At; declared: Declared }): FieldError[] {
    const errors: FieldError[] = []
    const { rule, error, messageError, cost, messageCost } = compiled
    const worst = times(
      cost?.max ?? 0n,
      at.cardinality ?? BigInt(Math.floor(MAX_REQUEST_BYTES / (declared.minSize + 1)))
    )
    if (worst > RULE_LIMIT) errors.push(forbidden(`${path}.rule`, costText('estimated rule cost', worst, RULE_LIMIT)))
    this.count(`${path}.rule`, worst)
    if (error !== undefined) errors.push(invalid(`${path}.rule`, printedRule(rule), error))
    if (messageError !== undefined) errors.push(invalid(`${path}.messageExpression`, printedRule(rule), messageError))
    else if (messageCost !== undefined) {
      const { max } = messageCost
      if (max > RULE_LIMIT)
        errors.push(
          forbidden(`${path}.messageExpression`, costText('estimated messageExpression cost', max, RULE_LIMIT))
        )
      this.count(`${path}.messageExpression`, max)
    }
    if (compiled.usesOldSelf && at.uncorrelated !== undefined) {
      const why = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${at.uncorrelated}`
      errors.push(invalid(`${path}.rule`, rule.rule ?? '', why))
    } else if (!compiled.usesOldSelf && rule.optionalOldSelf !== undefined) {
      const why = 'may not be set if oldSelf is not used in rule'
      errors.push(invalid(`${path}.optionalOldSelf`, rule.optionalOldSelf, why))
    }
    return errors
  }

  private count(path: string, cost: bigint): void {
    this.total = capped(this.total + cost)
    if (cost < SCHEMA_LIMIT / 100n) return
    this.expensive.push({ path, cost })
    this.expensive = this.expensive.toSorted((a, b) => (a.cost > b.cost ? -1 : 1)).slice(0, MOST_EXPENSIVE)
  }

  totalErrors(path: string): FieldError[] {
    if (this.total <= SCHEMA_LIMIT) return []
    const name = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema'
    const part = 'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema'
    return [
      ...this.expensive.map((one) => forbidden(one.path, part)),
      forbidden(path, costText(name, this.total, SCHEMA_LIMIT))
    ]
  }
}

function times(a: bigint, b: bigint): bigint {
  return capped(a * b)
}

/** How many values one of this schema has below it; undefined: not bounded. */
function elements({ type, additionalProperties, maxProperties, maxItems }: JsonSchema): bigint | undefined {
  const bound = (most: number | undefined) => (most === undefined ? undefined : BigInt(Math.max(0, most)))
  if (type === 'object' && additionalProperties !== undefined) return bound(maxProperties)
  return type === 'array' ? bound(maxItems) : 1n
}

function costText(name: string, cost: bigint, limit: bigint): string {
  const factor = Number(cost) / Number(limit)
  const shown = factor > 100 ? 'more than 100x' : factor < 1.5 ? `${factor.toFixed(6)}x` : `${factor.toFixed(1)}x`
  const hint =
    'try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared'
  return `${name} exceeds budget by factor of ${shown} (${hint})`
}

/** As Go prints the internal struct. */
function printedRule(rule: ValidationRule): unknown {
  return {
    Rule: rule.rule ?? '',
    Message: rule.message ?? '',
    MessageExpression: rule.messageExpression ?? '',
    Reason: rule.reason ?? null,
    FieldPath: rule.fieldPath ?? '',
    OptionalOldSelf: rule.optionalOldSelf ?? null
  }
}

function keywords(schema: JsonSchema, { path, noDefault, insideMeta }: At): FieldError[] {
  const errors: FieldError[] = []
  const { type = '' } = schema
  if (type !== '' && !TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, TYPES))
  if (schema.default !== undefined && noDefault !== undefined)
    errors.push(forbidden(`${path}.default`, `must not be set ${noDefault}`.trim()))
  if ((schema.id ?? '') !== '') errors.push(forbidden(`${path}.id`, 'id is not supported'))
  if (schema.additionalItems !== undefined)
    errors.push(forbidden(`${path}.additionalItems`, 'additionalItems is not supported'))
  for (const name of ['patternProperties', 'definitions', 'dependencies'] as const)
    if (schema[name] !== undefined && (name === 'dependencies' || Object.keys(schema[name] ?? {}).length > 0))
      errors.push(forbidden(`${path}.${name}`, `${name} is not supported`))
  if (schema.$ref !== undefined) errors.push(forbidden(`${path}.$ref`, '$ref is not supported'))
  if (type === 'null')
    errors.push(forbidden(`${path}.type`, 'type cannot be set to null, use nullable as an alternative'))
  if (Array.isArray(schema.items))
    errors.push(forbidden(`${path}.items`, 'items must be a schema object and not an array'))
  if (insideMeta && schema['x-kubernetes-embedded-resource'] === true)
    errors.push(forbidden(`${path}.x-kubernetes-embedded-resource`, 'must not be used inside of resource meta'))
  if (schema.uniqueItems === true)
    errors.push(
      forbidden(
        `${path}.uniqueItems`,
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic'
      )
    )
  const { additionalProperties: values, properties = {} } = schema
  if (values !== undefined && values !== true && Object.keys(properties).length > 0)
    errors.push(forbidden(`${path}.additionalProperties`, 'additionalProperties and properties are mutual exclusive'))
  return errors
}

function extensionErrors(schema: JsonSchema, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { type = '' } = schema
  const mapType = schema['x-kubernetes-map-type']
  const listType = schema['x-kubernetes-list-type']
  const typed = (wanted: string, extension: string) => {
    const detail = `must be ${wanted} if ${extension} is specified`
    errors.push(type === '' ? required(`${path}.type`, detail) : invalid(`${path}.type`, type, detail))
  }
  if (schema['x-kubernetes-preserve-unknown-fields'] === false)
    errors.push(invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined'))
  if (mapType !== undefined && type !== 'object') typed('object', 'x-kubernetes-map-type')
  if (mapType !== undefined && mapType !== 'atomic' && mapType !== 'granular')
    errors.push(notSupported(`${path}.x-kubernetes-map-type`, mapType, ['atomic', 'granular']))
  if (listType !== undefined && type !== 'array') typed('array', 'x-kubernetes-list-type')
  else if (listType === 'set') errors.push(...setItemErrors(schema, path))
  if (listType !== undefined && listType !== 'atomic' && listType !== 'set' && listType !== 'map')
    errors.push(notSupported(`${path}.x-kubernetes-list-type`, listType, ['atomic', 'set', 'map']))
  return [...errors, ...mapKeyErrors(schema, path), ...requiredKeyErrors(schema, path)]
}

function setItemErrors({ items }: JsonSchema, path: string): FieldError[] {
  const detail = 'must be atomic as item of a list with x-kubernetes-list-type=set'
  const inner = items?.['x-kubernetes-list-type']
  if (items?.type === 'array' && inner !== undefined && inner !== 'atomic')
    return [invalid(`${path}.items.x-kubernetes-list-type`, inner, detail)]
  if (items?.type === 'object' && items['x-kubernetes-map-type'] !== 'atomic')
    return [invalid(`${path}.items.x-kubernetes-map-type`, inner ?? null, detail)]
  return []
}

function mapKeyErrors(schema: JsonSchema, path: string): FieldError[] {
  const errors: FieldError[] = []
  const listType = schema['x-kubernetes-list-type']
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  const at = `${path}.x-kubernetes-list-map-keys`
  if (keys.length > 0 && listType !== 'map') {
    const detail = 'must be map if x-kubernetes-list-map-keys is non-empty'
    const where = `${path}.x-kubernetes-list-type`
    errors.push(listType === undefined ? required(where, detail) : invalid(where, listType, detail))
  }
  if (listType !== 'map') return errors
  if (keys.length === 0) errors.push(required(at, 'must not be empty if x-kubernetes-list-type is map'))
  const { items } = schema
  if (items === undefined) errors.push(required(`${path}.items`, 'must have a schema if x-kubernetes-list-type is map'))
  else if (items.type !== 'object')
    errors.push(
      invalid(`${path}.items.type`, items.type ?? '', "must be object if parent array's x-kubernetes-list-type is map")
    )
  else {
    const seen = new Set<string>()
    for (const key of keys) {
      const property = propertySchema(items, key)
      if (property === undefined) errors.push(invalid(at, keys, 'entries must all be names of item properties'))
      else if (property.type === 'array' || property.type === 'object') {
        const detail = "must be a scalar type if parent array's x-kubernetes-list-type is map"
        errors.push(invalid(`${path}.items.properties[${key}].type`, items.type, detail))
      }
      if (seen.has(key)) errors.push(invalid(at, keys, 'must not contain duplicate entries'))
      seen.add(key)
    }
  }
  return errors
}

function requiredKeyErrors(schema: JsonSchema, path: string): FieldError[] {
  const listType = schema['x-kubernetes-list-type']
  const { items } = schema
  if (items === undefined || (listType !== 'set' && listType !== 'map')) return []
  const errors: FieldError[] = []
  if (items.nullable === true)
    errors.push(forbidden(`${path}.items.nullable`, `cannot be nullable when x-kubernetes-list-type is ${listType}`))
  if (listType !== 'map') return errors
  for (const key of schema['x-kubernetes-list-map-keys'] ?? []) {
    const property = propertySchema(items, key)
    if (property === undefined) continue
    const at = `${path}.items.properties[${key}]`
    const prefix = 'this property is in x-kubernetes-list-map-keys, so it'
    if (items.required?.includes(key) !== true && property.default === undefined)
      errors.push(required(`${at}.default`, `${prefix} must have a default or be a required property`))
    if (property.nullable === true) errors.push(forbidden(`${at}.nullable`, `${prefix} cannot be nullable`))
  }
  return errors
}

const hasNewlines = (text: string) => /[\n\r]/.test(text)

function ruleErrors(rule: ValidationRule, schema: JsonSchema, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { rule: text = '', message = '', messageExpression = '', fieldPath = '', reason } = rule
  const trimmed = message.trim()
  if (text.trim() === '') errors.push(required(`${path}.rule`, 'rule is not specified'))
  else if (message !== '' && trimmed === '')
    errors.push(invalid(`${path}.message`, message, 'must be non-empty if specified'))
  else if (hasNewlines(trimmed)) errors.push(invalid(`${path}.message`, message, 'must not contain line breaks'))
  else if (hasNewlines(text.trim()) && trimmed === '')
    errors.push(required(`${path}.message`, 'message must be specified if rule contains line breaks'))
  if (messageExpression !== '' && messageExpression.trim() === '')
    errors.push(required(`${path}.messageExpression`, 'messageExpression must be non-empty if specified'))
  if (reason !== undefined && !REASONS.includes(reason)) errors.push(notSupported(`${path}.reason`, reason, REASONS))
  if (fieldPath !== '' && fieldPath.trim() === '')
    errors.push(invalid(`${path}.fieldPath`, fieldPath, 'must be non-empty if specified'))
  if (hasNewlines(fieldPath)) errors.push(invalid(`${path}.fieldPath`, fieldPath, 'must not contain line breaks'))
  if (fieldPath !== '' && 'error' in findPath(fieldPath, schema))
    errors.push(invalid(`${path}.fieldPath`, fieldPath, 'must be a valid path'))
  return errors
}
