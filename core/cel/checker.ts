/** Infers the type of each expression and the overloads of each call, and says in cel-go's words what does not fit. */
import { type Functions, type Overload, signatureText } from './declare.ts'
import type { SyntaxProblem } from './syntax.ts'
import type { Expr } from './tree.ts'
import {
  BOOL,
  BYTES,
  DOUBLE,
  DYN,
  ERROR,
  INT,
  listOf,
  Mapping,
  mapOf,
  mostGeneral,
  NULL,
  optionalOf,
  param,
  STRING,
  sameType,
  type Type,
  typeText,
  UINT,
  unwrapOptional
} from './type.ts'
import { Uint, type Value } from './value.ts'

export interface Scope {
  readonly functions: Functions
  /** Variables by name; qualified names ("a.b") are found too. */
  readonly variable: (name: string) => Type | undefined
  /** Types that stand as values ("int"), and those that a literal may make. */
  readonly named: (name: string) => Type | undefined
}

interface Local {
  readonly name: string
  readonly type: Type
  readonly outer: Local | undefined
}

export class Checker {
  readonly problems: SyntaxProblem[] = []
  private readonly scope: Scope
  private readonly mapping = new Mapping()
  private readonly typed: Expr[] = []
  private local: Local | undefined
  private free = 0

  constructor(scope: Scope) {
    this.scope = scope
  }

  /** The type of the whole. All types in the tree are final afterwards. */
  check(expr: Expr): Type {
    this.visit(expr)
    for (const one of this.typed) one.type = this.mapping.substitute(one.type ?? DYN, true)
    return expr.type ?? DYN
  }

  private visit(expr: Expr): Type {
    const type = this.infer(expr)
    expr.type = type
    this.typed.push(expr)
    return type
  }

  private infer(expr: Expr): Type {
    switch (expr.kind) {
      case 'const':
        return constantType(expr.value)
      case 'ident':
        return this.lookup(expr.name) ?? this.undeclared(expr.offset, expr.name)
      case 'select':
        return this.select(expr)
      case 'call':
        return this.call(expr)
      case 'list':
        return this.list(expr)
      case 'map':
        return this.map(expr)
      case 'struct':
        return this.struct(expr)
      case 'fold':
        return this.fold(expr)
    }
  }

  private lookup(name: string): Type | undefined {
    const bare = name.startsWith('.') ? name.slice(1) : name
    for (let local = this.local; local !== undefined; local = local.outer) if (local.name === name) return local.type
    const known = this.scope.variable(bare)
    if (known !== undefined) return known
    const type = this.scope.named(bare)
    return type === undefined ? undefined : { kind: 'type', name: 'type', params: [type] }
  }

  private undeclared(offset: number, name: string): Type {
    return this.wrong(offset, `undeclared reference to '${name}' (in container '')`)
  }

  private wrong(offset: number, message: string): Type {
    this.problems.push({ offset, message })
    return ERROR
  }

  private select(expr: Expr & { kind: 'select' }): Type {
    const qualified = expr.test || expr.optional ? undefined : qualifiedName(expr)
    const known = qualified === undefined ? undefined : this.lookup(qualified)
    if (qualified !== undefined && known !== undefined) {
      expr.resolved = { kind: 'ident', name: qualified, offset: expr.offset, type: known }
      return known
    }
    const operand = this.mapping.substitute(this.visit(expr.operand), false)
    const inner = unwrapOptional(operand)
    const field = this.fieldType(expr, inner ?? operand)
    if (expr.test) return BOOL
    const result = inner !== undefined || expr.optional ? optionalOf(field) : field
    return this.mapping.substitute(result, false)
  }

  private fieldType({ field, offset }: Expr & { kind: 'select' }, type: Type): Type {
    switch (type.kind) {
      case 'map':
        return type.params[1] ?? DYN
      case 'struct':
        return type.field?.(field) ?? this.wrong(offset, `undefined field '${field}'`)
      case 'param':
        this.assignable(DYN, type)
        return DYN
      case 'dyn':
      case 'error':
        return DYN
      default:
        this.wrong(offset, `type '${typeText(type)}' does not support field selection`)
        return DYN
    }
  }

  private call(expr: Expr & { kind: 'call' }): Type {
    const args = expr.args.map((arg) => this.visit(arg))
    const { target } = expr
    if (target !== undefined) {
      const prefix = qualifiedName(target)
      const name = `${prefix ?? ''}.${expr.fn}`
      if (prefix !== undefined && this.scope.functions.has(name)) {
        expr.fn = name
        expr.target = undefined
      } else args.unshift(this.visit(target))
    }
    const overloads = this.scope.functions.get(expr.fn)
    if (overloads === undefined) return this.undeclared(expr.offset, expr.fn)
    return this.resolve(expr, overloads, args)
  }

  private resolve(expr: Expr & { kind: 'call' }, overloads: readonly Overload[], args: Type[]): Type {
    const isMember = expr.target !== undefined
    if (expr.fn === '_&&_' || expr.fn === '_||_') return this.logical(expr, overloads, args)
    const found: Overload[] = []
    let result: Type | undefined
    for (const overload of overloads) {
      if (overload.member !== isMember) continue
      const fresh = this.instantiate(overload)
      if (!this.mapping.assign(args, fresh.args)) continue
      found.push(overload)
      const type = this.mapping.substitute(fresh.result, false)
      if (result === undefined) result = type
      else if (result.kind !== 'dyn' && !sameType(type, result)) result = DYN
    }
    expr.overloads = found
    if (result !== undefined) return result
    const types = args.map((type) => this.mapping.substitute(type, true))
    const signature = signatureText(types, isMember)
    return this.wrong(expr.offset, `found no matching overload for '${expr.fn}' applied to '${signature}'`)
  }

  private logical(expr: Expr & { kind: 'call' }, overloads: readonly Overload[], args: readonly Type[]): Type {
    expr.overloads = overloads
    let ok = true
    for (const [i, type] of args.entries()) {
      if (this.assignable(type, BOOL)) continue
      ok = false
      this.mismatch(expr.args[i] ?? expr, BOOL, type)
    }
    return ok ? BOOL : ERROR
  }

  private instantiate({ args, result, parameters }: Overload): { args: readonly Type[]; result: Type } {
    if (parameters.length === 0) return { args, result }
    const names = new Map(parameters.map((name) => [name, this.variable()]))
    const replace = (type: Type): Type => {
      const variable = type.kind === 'param' ? names.get(type.name) : undefined
      if (variable !== undefined) return variable
      return type.params.length === 0 ? type : { ...type, params: type.params.map(replace) }
    }
    return { args: args.map(replace), result: replace(result) }
  }

  private variable(): Type {
    return param(`_var${this.free++}`)
  }

  private list({ elements, optional }: Expr & { kind: 'list' }): Type {
    let joined: Type | undefined
    for (const [i, element] of elements.entries()) {
      const type = this.present(element, this.visit(element), optional.has(i))
      joined = this.join(element, joined, type)
    }
    return listOf(joined ?? this.variable())
  }

  private map({ entries }: Expr & { kind: 'map' }): Type {
    let key: Type | undefined
    let value: Type | undefined
    for (const entry of entries) {
      key = this.join(entry.key, key, this.visit(entry.key))
      value = this.join(entry.value, value, this.present(entry.value, this.visit(entry.value), entry.optional))
    }
    return mapOf(key ?? this.variable(), value ?? this.variable())
  }

  /** The type within, where the element or entry has a "?". */
  private present(expr: Expr, type: Type, isOptional: boolean): Type {
    if (!isOptional) return type
    const inner = unwrapOptional(type)
    if (inner === undefined && type.kind !== 'dyn') this.mismatch(expr, optionalOf(type), type)
    return inner ?? type
  }

  private join(expr: Expr, before: Type | undefined, type: Type): Type {
    if (before === undefined) return type
    if (this.assignable(before, type)) return mostGeneral(before, type)
    this.mismatch(expr, before, type)
    return ERROR
  }

  private struct({ name, fields, offset }: Expr & { kind: 'struct' }): Type {
    const type = this.scope.named(name)
    if (type === undefined) this.undeclared(offset, name)
    else if (type.kind !== 'struct') this.wrong(offset, `'${type.name}' is not a message type`)
    for (const field of fields) {
      const value = this.present(field.value, this.visit(field.value), field.optional)
      if (type?.kind !== 'struct') continue
      const declared = type.field?.(field.name) ?? this.wrong(field.offset, `undefined field '${field.name}'`)
      if (this.assignable(declared, value)) continue
      const [wanted, given] = [typeText(declared), typeText(value)]
      this.wrong(field.offset, `expected type of field '${field.name}' is '${wanted}' but provided type is '${given}'`)
    }
    return type?.kind === 'struct' ? type : ERROR
  }

  private fold(expr: Expr & { kind: 'fold' }): Type {
    const range = this.mapping.substitute(this.visit(expr.range), false)
    const accumulator = this.visit(expr.init)
    const [first, second] = this.iteration(expr, range)
    const outer = this.local
    const around: Local = { name: expr.accumulator, type: accumulator, outer }
    this.local = { name: expr.variable, type: first, outer: around }
    if (expr.variable2 !== '') this.local = { name: expr.variable2, type: second, outer: this.local }
    this.expect(expr.condition, BOOL)
    this.expect(expr.step, accumulator)
    this.local = around
    const result = this.visit(expr.result)
    this.local = outer
    return this.mapping.substitute(result, false)
  }

  private expect(expr: Expr, wanted: Type): void {
    const type = this.visit(expr)
    if (!this.assignable(wanted, type)) this.mismatch(expr, wanted, type)
  }

  private iteration(expr: Expr & { kind: 'fold' }, range: Type): readonly [Type, Type] {
    const [first = DYN, second = DYN] = range.params
    switch (range.kind) {
      case 'list':
        return expr.variable2 === '' ? [first, DYN] : [INT, first]
      case 'map':
        return [first, second]
      case 'dyn':
      case 'error':
      case 'param':
        this.assignable(DYN, range)
        return [DYN, DYN]
      default: {
        const what = `expression of type '${typeText(range)}' cannot be range of a comprehension`
        this.wrong(expr.range.offset, `${what} (must be list, map, or dynamic)`)
        return [ERROR, ERROR]
      }
    }
  }

  private assignable(a: Type, b: Type): boolean {
    return this.mapping.assign([a], [b])
  }

  private mismatch({ offset }: Expr, wanted: Type, given: Type): void {
    this.wrong(offset, `expected type '${typeText(wanted)}' but found '${typeText(given)}'`)
  }
}

function constantType(value: Value): Type {
  switch (typeof value) {
    case 'string':
      return STRING
    case 'bigint':
      return INT
    case 'number':
      return DOUBLE
    case 'boolean':
      return BOOL
    default:
      return value === null ? NULL : value instanceof Uint ? UINT : BYTES
  }
}

/** "a.b.c" of nested selections that begin with a name. */
export function qualifiedName(expr: Expr): string | undefined {
  if (expr.kind === 'ident') return expr.name
  if (expr.kind !== 'select' || expr.test || expr.optional) return undefined
  const prefix = qualifiedName(expr.operand)
  return prefix === undefined ? undefined : `${prefix}.${expr.field}`
}
