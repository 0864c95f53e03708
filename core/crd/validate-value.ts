/** A value against a schema, in the words of k8s.io/kube-openapi/pkg/validation as the API server passes them on. */
import { compileRegex } from '../cel/regex.ts'
import { textSize } from '../cel/value.ts'
import { invalid, notSupported, required, tooLong, tooMany, typeInvalid } from '../field-errors.ts'
import { goJson, goQuote } from '../go-text.ts'
import { isObject, type JsonObject, sameJson } from '../json.ts'
import { fitsFormat } from './formats.ts'
import { additionalSchema, type JsonSchema, propertySchema } from './schema.ts'
import { Result } from './value-result.ts'

/** `old`: what the value was, to let unchanged parts pass that no longer fit; undefined: nothing to compare with. */
export interface Before {
  readonly value: unknown
}

/** `path`: "" for an object itself. */
export function validateValue(
  schema: JsonSchema,
  value: unknown,
  { path = '', old }: { path?: string; old?: Before | undefined } = {}
): Result {
  const result = validateParts(schema, value, { path, old })
  if (!result.valid && old !== undefined && sameJson(value, old.value)) return new Result()
  return result
}

interface At {
  readonly path: string
  readonly old: Before | undefined
}

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

function typesOf(schema: JsonSchema): readonly string[] {
  if (schema['x-kubernetes-int-or-string'] === true) return ['integer', 'string']
  return schema.type === undefined || schema.type === '' ? [] : [schema.type]
}

function validateParts(schema: JsonSchema, value: unknown, at: At): Result {
  const result = new Result()
  const types = typesOf(schema)
  const type = typeOf(value)
  if (value === null) {
    if (types.length > 0 && schema.nullable !== true) result.add(wrongType(at.path, types, { type, value }))
    else result.matches++
    checkEnum(schema, value, { at, result })
    return result
  }
  if (types.length > 0 && !types.includes(type) && !(type === 'integer' && types.includes('number'))) {
    result.add(wrongType(at.path, types, { type, value }))
  } else result.matches++
  combine(schema, value, { at, result })
  if (typeof value === 'string') checkText(schema, value, { at, result })
  if (typeof value === 'number') checkNumber(schema, value, { at, result })
  if (Array.isArray(value)) checkList(schema, value, { at, result })
  checkEnum(schema, value, { at, result })
  if (isObject(value)) checkObject(schema, value, { at, result })
  result.matches++
  return result
}

interface Into {
  readonly at: At
  readonly result: Result
}

/** What no field is told of: Go prints a path that is not there so. */
const NOWHERE = '<nil>'
const named = (path: string) => (path === '' ? NOWHERE : path)
const inBody = (path: string) => `${path} in body`

/** The value shown is its type's name, as Go's validation has it at that point. */
function wrongType(path: string, types: readonly string[], { type }: { type: string; value: unknown }) {
  return typeInvalid(named(path), type, `${inBody(path)} must be of type ${types.join(',')}: ${goQuote(type)}`)
}

function checkText(schema: JsonSchema, value: string, { at: { path }, result }: Into): void {
  const { maxLength, minLength, pattern, format } = schema
  const size = textSize(value)
  if (maxLength !== undefined && size > maxLength) result.add(tooLong(named(path), maxLength))
  else if (minLength !== undefined && size < minLength)
    result.add(invalid(named(path), value, `${inBody(path)} should be at least ${minLength} chars long`))
  else if (pattern !== undefined && pattern !== '' && !matches(pattern, value))
    result.add(invalid(named(path), value, `${inBody(path)} should match '${pattern}'`))
  else result.matches++
  if (format !== undefined && !fitsFormat(format, value))
    result.add(typeInvalid(named(path), value, `${inBody(path)} must be of type ${format}: ${goQuote(value)}`))
}

function matches(pattern: string, value: string): boolean {
  try {
    return compileRegex(pattern).matcher(value).find()
  } catch {
    return false
  }
}

function checkNumber(schema: JsonSchema, value: number, { at: { path }, result }: Into): void {
  const { maximum, minimum, multipleOf } = schema
  const wrong = (detail: string) => result.add(invalid(named(path), value, `${inBody(path)} ${detail}`))
  if (multipleOf !== undefined && !isMultiple(value, multipleOf))
    wrong(`should be a multiple of ${goNumber(multipleOf)}`)
  if (minimum !== undefined) {
    if (schema.exclusiveMinimum === true ? value <= minimum : value < minimum)
      wrong(`should be greater than ${schema.exclusiveMinimum === true ? '' : 'or equal to '}${goNumber(minimum)}`)
  }
  if (maximum !== undefined) {
    if (schema.exclusiveMaximum === true ? value >= maximum : value > maximum)
      wrong(`should be less than ${schema.exclusiveMaximum === true ? '' : 'or equal to '}${goNumber(maximum)}`)
  }
}

/** As %v prints a float64. */
function goNumber(value: number): string {
  return Math.abs(value) >= 1e21 ? goJson(value) : String(value)
}

function isMultiple(value: number, of: number): boolean {
  if (Number.isInteger(value) && Number.isInteger(of)) return value % of === 0
  const quotient = value / of
  return Math.abs(quotient - Math.round(quotient)) < 1e-9
}

function checkList(schema: JsonSchema, value: readonly unknown[], { at, result }: Into): void {
  const { items, minItems, maxItems } = schema
  const { path } = at
  if (items !== undefined) {
    const olds = oldItems(schema, at.old)
    value.forEach((item, i) => {
      result.merge(validateValue(items, item, { path: `${path}[${i}]`, old: olds?.(item, i) }))
    })
  }
  if (minItems !== undefined && value.length < minItems)
    result.add(invalid(named(path), value.length, `${inBody(path)} should have at least ${minItems} items`))
  if (maxItems !== undefined && value.length > maxItems) result.add(tooMany(named(path), value.length, maxItems))
}

/** Which element an element was: of maps by their keys, of other lists none. */
export function oldItems(
  schema: JsonSchema,
  old: Before | undefined
): ((item: unknown, i: number) => Before | undefined) | undefined {
  if (old === undefined || !Array.isArray(old.value)) return undefined
  const list = old.value as readonly unknown[]
  if (schema['x-kubernetes-list-type'] !== 'map') return undefined
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  const same = (a: unknown, b: unknown) => isObject(a) && isObject(b) && keys.every((key) => sameJson(a[key], b[key]))
  return (item) => {
    const found = list.find((other) => same(item, other))
    return found === undefined ? undefined : { value: found }
  }
}

function checkObject(schema: JsonSchema, value: JsonObject, { at, result }: Into): void {
  const { minProperties, maxProperties } = schema
  const { path } = at
  const count = Object.keys(value).length
  if (minProperties !== undefined && count < minProperties)
    result.add(invalid(named(path), count, `${inBody(path)} should have at least ${minProperties} properties`))
  if (maxProperties !== undefined && count > maxProperties) result.add(tooMany(named(path), count, maxProperties))
  const additional = additionalSchema(schema)
  for (const name of Object.keys(value).sort()) {
    const property = propertySchema(schema, name) ?? additional
    if (property === undefined) continue
    const below = path === '' ? name : `${path}.${name}`
    result.merge(validateValue(property, value[name], { path: below, old: oldField(at.old, name) }))
  }
  for (const name of schema.required ?? [])
    if (!Object.hasOwn(value, name) || value[name] === undefined)
      result.add(required(path === '' ? name : `${path}.${name}`))
}

export function oldField(old: Before | undefined, name: string): Before | undefined {
  if (old === undefined || !isObject(old.value) || !Object.hasOwn(old.value, name)) return undefined
  return { value: old.value[name] }
}

function checkEnum({ enum: allowed }: JsonSchema, value: unknown, { at: { path }, result }: Into): void {
  if (allowed === undefined || allowed.length === 0) return
  if (allowed.some((one) => sameJson(one, value))) {
    result.matches++
    return
  }
  const shown = allowed.map((one) => (typeof one === 'string' ? one : goJson(one)))
  result.add(notSupported(named(path), value, shown))
}

/** allOf, anyOf, oneOf, not; of alternatives that all fail, the closest one's errors are told too. */
function combine(schema: JsonSchema, value: unknown, { at, result }: Into): void {
  const { anyOf, oneOf, allOf, not } = schema
  const { path } = at
  const composite = (detail: string) =>
    result.add({ ...invalid(NOWHERE, '', `${goQuote(path)} ${detail}`), important: true })
  const results = (all: readonly JsonSchema[]) => all.map((one) => validateParts(one, value, { path, old: undefined }))
  if (anyOf !== undefined && anyOf.length > 0) {
    const tried = results(anyOf)
    const first = tried.find(({ valid }) => valid)
    if (first === undefined) composite('must validate at least one schema (anyOf)')
    result.merge(first ?? closest(tried))
  }
  if (oneOf !== undefined && oneOf.length > 0) {
    const tried = results(oneOf)
    const valid = tried.filter((one) => one.valid)
    if (valid.length === 1 && valid[0] !== undefined) result.merge(valid[0])
    else {
      const what = valid.length === 0 ? 'Found none valid' : `Found ${valid.length} valid alternatives`
      composite(`must validate one and only one schema (oneOf). ${what}`)
      if (valid.length === 0) result.merge(closest(tried))
    }
  }
  if (allOf !== undefined && allOf.length > 0) {
    const tried = results(allOf)
    for (const one of tried) result.merge(one)
    const valid = tried.filter((one) => one.valid).length
    if (valid < tried.length) composite(`must validate all the schemas (allOf)${valid === 0 ? '. None validated' : ''}`)
  }
  if (not !== undefined && validateParts(not, value, { path, old: undefined }).valid)
    composite('must not validate the schema (not)')
}

function closest(tried: readonly Result[]): Result {
  const [first, ...rest] = tried
  return rest.reduce((best, one) => (one.matches > best.matches ? one : best), first ?? new Result())
}
