/**
 * x-kubernetes-validations: CEL rules of a schema, compiled once and evaluated over objects, with their messages,
 * transition rules, cost budget and the leniency for what did not change (schema/cel/validation.go).
 */
import { type Declared, declare, sizeAt, toValue } from '../cel/declared.ts'
import { CALL_COST_LIMIT, compile, type Program } from '../cel/environment.ts'
import type { Range } from '../cel/range.ts'
import { BOOL, optionalOf, STRING } from '../cel/type.ts'
import { NONE, Optional, type Value } from '../cel/value.ts'
import type { FieldError } from '../errors.ts'
import { duplicate, errorBody, forbidden, invalid, required } from '../field-errors.ts'
import { isObject, sameJson } from '../json.ts'
import { fieldPathText } from './field-path.ts'
import { additionalSchema, type JsonSchema, propertySchema, type ValidationRule } from './schema.ts'
import { type Before, oldField, oldItems } from './validate-value.ts'

/** What all rules of one object may cost together (celconfig.RuntimeCELCostBudget). */
export const OBJECT_BUDGET = 10_000_000
/** Bytes. */
const LONGEST_MESSAGE = 5 * 1024

export interface CompiledRule {
  readonly rule: ValidationRule
  readonly program: Program | undefined
  readonly message: Program | undefined
  readonly usesOldSelf: boolean
  /** Why it cannot be used; undefined: it can. */
  readonly error: string | undefined
  readonly messageError: string | undefined
  /** The worst that one evaluation costs. */
  readonly cost: Range | undefined
  readonly messageCost: Range | undefined
}

export function compileRules(schema: JsonSchema, declared: Declared): readonly CompiledRule[] {
  return (schema['x-kubernetes-validations'] ?? []).map((rule) => compileRule(rule, declared))
}

const NOTHING = {
  program: undefined,
  message: undefined,
  usesOldSelf: false,
  error: undefined,
  messageError: undefined,
  cost: undefined,
  messageCost: undefined
}

function compileRule(rule: ValidationRule, declared: Declared): CompiledRule {
  const text = rule.rule ?? ''
  if (text.trim() === '') return { ...NOTHING, rule }
  const oldSelf = rule.optionalOldSelf === true ? optionalOf(declared.type) : declared.type
  const environment = { variables: { self: declared.type, oldSelf } }
  const compiled = compile(text, environment)
  if ('error' in compiled) return { ...NOTHING, rule, error: `compilation failed: ${compiled.error}` }
  const { program } = compiled
  const usesOldSelf = program.names.has('oldSelf')
  if (program.type !== BOOL) return { ...NOTHING, rule, error: 'cel expression must evaluate to a bool' }
  const size = (path: readonly string[]) => sizeAt(declared, path)
  const found = { ...NOTHING, rule, program, usesOldSelf, cost: program.estimate(size) }
  if ((rule.messageExpression ?? '') === '') return found
  const message = compile(rule.messageExpression ?? '', environment)
  if ('error' in message) return { ...found, messageError: `messageExpression compilation failed: ${message.error}` }
  if (message.program.type !== STRING) return { ...found, messageError: 'messageExpression must evaluate to a string' }
  return { ...found, message: message.program, messageCost: message.program.estimate(size) }
}

/** The rules at one place of a schema and below; only the places that have some. */
interface Node {
  readonly schema: JsonSchema
  readonly declared: Declared
  readonly rules: readonly CompiledRule[]
  readonly properties: ReadonlyMap<string, Node>
  readonly values: Node | undefined
  readonly items: Node | undefined
}

export class RuleValidator {
  private readonly root: Node

  private constructor(root: Node) {
    this.root = root
  }

  /** undefined: the schema has no rules. `root`: it is that of whole objects. */
  static of(schema: JsonSchema, root: boolean): RuleValidator | undefined {
    const node = nodeOf(schema, root, true)
    return node === undefined ? undefined : new RuleValidator(node)
  }

  /** `old`: of an update. What passes though it does not fit, because it was so before, is told as a warning. */
  validate(value: unknown, old: Before | undefined, path = ''): { errors: FieldError[]; warnings: string[] } {
    const run = new Run()
    run.visit(this.root, value, { path, old, unchanged: false })
    return { errors: run.errors, warnings: run.warnings }
  }
}

function nodeOf(schema: JsonSchema, root: boolean, correlated: boolean): Node | undefined {
  const isResource = root || schema['x-kubernetes-embedded-resource'] === true
  const properties = new Map<string, Node>()
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const node = nodeOf(property, false, correlated)
    if (node !== undefined) properties.set(name, node)
  }
  const additional = additionalSchema(schema)
  const values = additional === undefined ? undefined : nodeOf(additional, false, correlated)
  const items = schema.items === undefined ? undefined : nodeOf(schema.items, false, correlated)
  const hasRules = (schema['x-kubernetes-validations']?.length ?? 0) > 0
  if (!hasRules && properties.size === 0 && values === undefined && items === undefined) return undefined
  const declared = declare(schema, isResource)
  if (declared === undefined) return undefined
  return { schema, declared, rules: compileRules(schema, declared), properties, values, items }
}

interface At {
  readonly path: string
  readonly old: Before | undefined
  /** An object around it was not changed. */
  readonly unchanged: boolean
}

class Run {
  readonly errors: FieldError[] = []
  readonly warnings: string[] = []
  private budget = OBJECT_BUDGET

  visit(node: Node, value: unknown, at: At): void {
    if (value === null || value === undefined || this.budget < 0) return
    const here = { ...at, unchanged: at.unchanged || (at.old !== undefined && sameJson(value, at.old.value)) }
    this.rules(node, value, here)
    const { path, old } = here
    if (Array.isArray(value) && node.items !== undefined) {
      const olds = oldItems(node.schema, old)
      const { items } = node
      for (const [i, item] of value.entries())
        this.visit(items, item, { path: `${path}[${i}]`, old: olds?.(item, i), unchanged: here.unchanged })
    } else if (isObject(value)) {
      for (const name of Object.keys(value)) this.field(node, name, { value, here })
    }
  }

  private field(node: Node, name: string, { value, here }: { value: Record<string, unknown>; here: At }): void {
    const { path, unchanged } = here
    const old = oldField(here.old, name)
    const property = node.properties.get(name)
    if (property !== undefined)
      this.visit(property, value[name], { path: path === '' ? name : `${path}.${name}`, old, unchanged })
    else if (node.values !== undefined && propertySchema(node.schema, name) === undefined)
      this.visit(node.values, value[name], { path: `${path}[${name}]`, old, unchanged })
  }

  private rules(node: Node, value: unknown, at: At): void {
    if (node.rules.length === 0) return
    const self = toValue(value, node.declared)
    const before = at.old === undefined ? undefined : toValue(at.old.value, node.declared)
    for (const compiled of node.rules) {
      if (this.budget < 0) return
      if (compiled.program === undefined) continue
      const optional = compiled.rule.optionalOldSelf === true
      if (compiled.usesOldSelf && before === undefined && !optional) continue
      const oldSelf = optional ? (before === undefined ? NONE : new Optional(before)) : before
      this.rule(compiled, node, { value, at, variable: (name) => (name === 'self' ? self : oldSelf) })
    }
  }

  private rule(
    compiled: CompiledRule,
    { schema }: Node,
    { value, at, variable }: { value: unknown; at: At; variable: (name: string) => Value | undefined }
  ): void {
    const { rule, program } = compiled
    if (program === undefined) return
    const type = schema.type ?? ''
    const where = at.path === '' ? '<nil>' : at.path
    const result = program.evaluate(variable, CALL_COST_LIMIT)
    const stop = (detail: string) => {
      this.errors.push(invalid(where, type, detail))
      this.budget = -1
    }
    if (result.cost > this.budget) {
      stop(`validation failed due to running out of cost budget, no further validation rules will be run`)
      return
    }
    this.budget -= result.cost
    if ('error' in result) {
      const { message, cancelled } = result.error
      if (cancelled)
        stop(
          `'${message}': no further validation rules will be run due to call cost exceeds limit for rule: ${ruleText(rule)}`
        )
      else if (message.startsWith('no such overload'))
        this.errors.push(
          invalid(
            where,
            type,
            `'${message}': call arguments did not match a supported operator, function or macro signature for rule: ${ruleText(rule)}`
          )
        )
      else this.errors.push(invalid(where, type, `${message} evaluating rule: ${ruleText(rule)}`))
      return
    }
    if (result.value === true) return
    this.refuse(compiled, schema, { value, at, variable })
  }

  private refuse(
    compiled: CompiledRule,
    schema: JsonSchema,
    { value, at, variable }: { value: unknown; at: At; variable: (name: string) => Value | undefined }
  ): void {
    const { rule } = compiled
    const detail = this.message(compiled, variable) ?? messageOf(rule)
    const below = (rule.fieldPath ?? '') === '' ? '' : fieldPathText(rule.fieldPath ?? '', schema)
    const path =
      below === ''
        ? at.path
        : at.path === ''
          ? below.replace(/^\./, '')
          : `${at.path}${below.startsWith('.') ? below : `.${below}`}`
    const shown = schema.type === 'object' || schema.type === 'array' ? undefined : value
    const error = errorFor(path === '' ? '<nil>' : path, shown, { detail, reason: rule.reason })
    if (!compiled.usesOldSelf && at.unchanged) this.warnings.push(`${error.field}: ${errorBody(error)}`)
    else this.errors.push(error)
  }

  /** undefined: there is no expression, or it gave nothing that can be shown. */
  private message({ message }: CompiledRule, variable: (name: string) => Value | undefined): string | undefined {
    if (message === undefined) return undefined
    const result = message.evaluate(variable, CALL_COST_LIMIT)
    this.budget -= result.cost
    if ('error' in result || typeof result.value !== 'string') return undefined
    const text = result.value.trim()
    return text === '' || text.includes('\n') || Buffer.byteLength(text) > LONGEST_MESSAGE ? undefined : text
  }
}

function ruleText({ message = '', rule = '' }: ValidationRule): string {
  return message === '' ? rule.trim() : message.trim()
}

function messageOf(rule: ValidationRule): string {
  return (rule.message ?? '') === '' ? `failed rule: ${ruleText(rule)}` : (rule.message ?? '').trim()
}

function errorFor(
  path: string,
  value: unknown,
  { detail, reason }: { detail: string; reason: string | undefined }
): FieldError {
  switch (reason) {
    case 'FieldValueForbidden':
      return forbidden(path, detail)
    case 'FieldValueRequired':
      return required(path, detail)
    case 'FieldValueDuplicate':
      return duplicate(path, value)
    default:
      return invalid(path, value, detail)
  }
}
