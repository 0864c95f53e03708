/** A checked tree as a function. What each step costs is counted as cel-go counts it (interpreter/runtimecost.go). */
import { callCost, LIST_COST, MAP_COST, STRUCT_COST } from './cost.ts'
import type { Overload } from './declare.ts'
import { grows, iterations } from './loops.ts'
import type { Expr } from './tree.ts'
import type { Type } from './type.ts'
import { CelError, Entries, isMap, List, NONE, Optional, TypeValue, typeName, Uint, type Value } from './value.ts'

export interface Frame {
  /** undefined: the variable has no value in this evaluation. */
  readonly variable: (name: string) => Value | undefined
  readonly limit: number
  cost: number
  local: Local | undefined
}

interface Local {
  readonly name: string
  value: Value
  readonly outer: Local | undefined
}

export type Run = (frame: Frame) => Value

/** Makes a declared struct of a literal's fields. */
export type MakeStruct = (type: string, fields: readonly (readonly [string, Value])[]) => Value

function charge(frame: Frame, cost: number): void {
  frame.cost += cost
  if (frame.cost > frame.limit) throw new CelError('operation cancelled: actual cost limit exceeded', true)
}

export function compile(expr: Expr, make: MakeStruct): Run {
  switch (expr.kind) {
    case 'const': {
      const { value } = expr
      return () => value
    }
    case 'ident':
      return ident(expr.name, expr.type)
    case 'select':
      return select(expr, make)
    case 'call':
      return call(expr, make)
    case 'list':
      return list(expr, make)
    case 'map':
      return map(expr, make)
    case 'struct':
      return struct(expr, make)
    case 'fold':
      return fold(expr, make)
  }
}

function ident(name: string, type: Type | undefined): Run {
  return (frame) => {
    charge(frame, 1)
    for (let local = frame.local; local !== undefined; local = local.outer) {
      if (local.name !== name) continue
      if (local.value instanceof Failure) throw local.value.error
      return local.value
    }
    const value = frame.variable(name.startsWith('.') ? name.slice(1) : name)
    if (value !== undefined) return value
    if (type?.kind === 'type' && type.params[0] !== undefined) return new TypeValue(type.params[0])
    throw new CelError(`no such attribute(s): ${name}`)
  }
}

function select(expr: Expr & { kind: 'select' }, make: MakeStruct): Run {
  if (expr.resolved !== undefined) return ident(expr.resolved.name, expr.resolved.type)
  const operand = compile(expr.operand, make)
  const { field, test, optional } = expr
  if (test) {
    return (frame) => {
      const value = operand(frame)
      if (value instanceof Optional) return value.value !== undefined && fieldOf(value.value, field) !== undefined
      return fieldOf(value, field) !== undefined
    }
  }
  return (frame) => {
    const value = operand(frame)
    charge(frame, 1)
    if (value instanceof Optional || optional) return optionalField(value, field)
    const found = fieldOf(value, field)
    if (found === undefined) throw new CelError(`no such key: ${field}`)
    return found
  }
}

function optionalField(value: Value, field: string): Value {
  const inner = value instanceof Optional ? value.value : value
  if (inner === undefined) return NONE
  const found = fieldOf(inner, field)
  return found === undefined ? NONE : new Optional(found)
}

function fieldOf(value: Value, field: string): Value | undefined {
  if (isMap(value)) return value.get(field)
  throw new CelError('no such overload')
}

function call(expr: Expr & { kind: 'call' }, make: MakeStruct): Run {
  const args = (expr.target === undefined ? expr.args : [expr.target, ...expr.args]).map((one) => compile(one, make))
  const special = SPECIAL[expr.fn]
  if (special !== undefined && (expr.target === undefined) !== (expr.fn === 'or' || expr.fn === 'orValue'))
    return special(args)
  const { fn, overloads = [] } = expr
  const [only] = overloads
  const choose: (values: readonly Value[]) => Overload =
    overloads.length === 1 && only !== undefined && !isLoose(expr)
      ? () => only
      : (values) => dispatch(fn, overloads, values)
  return (frame) => {
    const values: Value[] = []
    for (const arg of args) values.push(arg(frame))
    const overload = choose(values)
    if (overload.compute === undefined) throw new CelError('no such overload')
    const result = overload.compute(values)
    charge(frame, callCost(fn, overload.id, { args: values, result }))
    return result
  }
}

/** Whether an argument's type is only known when the call is made. */
function isLoose({ target, args }: Expr & { kind: 'call' }): boolean {
  return [target, ...args].some((one) => one?.type !== undefined && one.type.kind !== 'struct' && isOpen(one.type))
}

function isOpen({ kind, params }: Type): boolean {
  return kind === 'dyn' || kind === 'error' || params.some(isOpen)
}

function dispatch(fn: string, overloads: readonly Overload[], values: readonly Value[]): Overload {
  const found = overloads.find(({ args }) => args.every((type, i) => matches(type, values[i] ?? null)))
  if (found !== undefined) return found
  if (/^[_!-]/.test(fn)) throw new CelError('no such overload')
  throw new CelError(`no such overload: ${fn}(${values.map(typeName).join(', ')})`)
}

function matches(type: Type, value: Value): boolean {
  switch (type.kind) {
    case 'dyn':
    case 'error':
    case 'param':
      return true
    case 'map':
      return isMap(value)
    case 'type':
      return value instanceof TypeValue
    default:
      return typeName(value) === type.name
  }
}

type Special = (args: readonly Run[]) => Run

function runOf(args: readonly Run[], index: number): Run {
  const run = args[index]
  if (run === undefined) throw new Error('a call without its arguments')
  return run
}

/** Errors of one side do not matter where the other side decides. */
function logical(decides: boolean): Special {
  return (args) => {
    const [left, right] = [runOf(args, 0), runOf(args, 1)]
    const side = (run: Run, frame: Frame): Value | CelError => {
      try {
        return run(frame)
      } catch (error) {
        if (error instanceof CelError && !error.cancelled) return error
        throw error
      }
    }
    return (frame) => {
      const before = frame.local
      const first = side(left, frame)
      if (first === decides) return decides
      frame.local = before
      const second = side(right, frame)
      frame.local = before
      if (second === decides) return decides
      if (first instanceof CelError) throw first
      if (second instanceof CelError) throw second
      if (typeof first !== 'boolean' || typeof second !== 'boolean') throw new CelError('no such overload')
      return !decides
    }
  }
}

const SPECIAL: Readonly<Record<string, Special>> = {
  '_&&_': logical(false),
  '_||_': logical(true),
  '_?_:_': (args) => {
    const [condition, yes, no] = [runOf(args, 0), runOf(args, 1), runOf(args, 2)]
    return (frame) => {
      const chosen = condition(frame)
      if (typeof chosen !== 'boolean') throw new CelError('no such overload')
      return chosen ? yes(frame) : no(frame)
    }
  },
  '@not_strictly_false': (args) => {
    const run = runOf(args, 0)
    return (frame) => {
      charge(frame, 1)
      try {
        return run(frame) !== false
      } catch (error) {
        if (error instanceof CelError && !error.cancelled) return true
        throw error
      }
    }
  },
  '_[_]': (args) => index(args, false),
  '_[?_]': (args) => index(args, true),
  or: (args) => either(args, (optional) => optional),
  orValue: (args) => either(args, ({ value }) => value)
}

function either(args: readonly Run[], taken: (optional: Optional) => Value | undefined): Run {
  const [first, second] = [runOf(args, 0), runOf(args, 1)]
  return (frame) => {
    const value = first(frame)
    charge(frame, 1)
    if (!(value instanceof Optional)) throw new CelError('no such overload')
    return value.value === undefined ? second(frame) : (taken(value) ?? null)
  }
}

function index(args: readonly Run[], optional: boolean): Run {
  const [operand, key] = [runOf(args, 0), runOf(args, 1)]
  return (frame) => {
    const container = operand(frame)
    const at = key(frame)
    charge(frame, 1)
    if (!(container instanceof Optional) && !optional) return elementAt(container, at)
    const inner = container instanceof Optional ? container.value : container
    const found = inner === undefined ? undefined : findElement(inner, at)
    return found === undefined ? NONE : new Optional(found)
  }
}

function elementAt(container: Value, at: Value): Value {
  const found = findElement(container, at)
  if (found !== undefined) return found
  throw new CelError(container instanceof List ? `index out of bounds: ${keyText(at)}` : `no such key: ${keyText(at)}`)
}

function keyText(key: Value): string {
  return key instanceof Uint ? `${key.value}` : String(key)
}

function findElement(container: Value, at: Value): Value | undefined {
  if (isMap(container)) return container.get(at)
  if (!(container instanceof List)) throw new CelError('no such overload')
  const position = at instanceof Uint ? at.value : at
  if (typeof position === 'bigint') return container.items[Number(position)]
  if (typeof position === 'number' && Number.isInteger(position)) return container.items[position]
  throw new CelError(`unsupported index type '${typeName(at)}' in list`)
}

function list({ elements, optional }: Expr & { kind: 'list' }, make: MakeStruct): Run {
  const runs = elements.map((one) => compile(one, make))
  return (frame) => {
    const items: Value[] = []
    for (const [i, run] of runs.entries()) {
      const value = run(frame)
      if (!optional.has(i)) items.push(value)
      else if (!(value instanceof Optional))
        throw new CelError(`cannot initialize optional list element from non-optional value ${keyText(value)}`)
      else if (value.value !== undefined) items.push(value.value)
    }
    charge(frame, LIST_COST)
    return new List(items)
  }
}

function map({ entries }: Expr & { kind: 'map' }, make: MakeStruct): Run {
  const runs = entries.map(({ key, value, optional }) => {
    return { key: compile(key, make), value: compile(value, make), optional }
  })
  return (frame) => {
    const made: (readonly [Value, Value])[] = []
    for (const run of runs) {
      const key = run.key(frame)
      const value = run.value(frame)
      if (!run.optional) made.push([key, value])
      else if (!(value instanceof Optional))
        throw new CelError(
          `cannot initialize optional entry '${keyText(key)}' from non-optional value ${keyText(value)}`
        )
      else if (value.value !== undefined) made.push([key, value.value])
    }
    charge(frame, MAP_COST)
    return new Entries(made)
  }
}

function struct({ name, fields }: Expr & { kind: 'struct' }, make: MakeStruct): Run {
  const runs = fields.map((field) => ({ ...field, run: compile(field.value, make) }))
  return (frame) => {
    const made: (readonly [string, Value])[] = []
    for (const field of runs) {
      const value = field.run(frame)
      if (!field.optional) made.push([field.name, value])
      else if (value instanceof Optional && value.value !== undefined) made.push([field.name, value.value])
    }
    charge(frame, STRUCT_COST)
    return make(name, made)
  }
}

function fold(expr: Expr & { kind: 'fold' }, make: MakeStruct): Run {
  const parts = {
    range: compile(expr.range, make),
    init: compile(expr.init, make),
    condition: compile(expr.condition, make),
    step: grows(expr) ? growing(expr.step, make) : compile(expr.step, make),
    result: compile(expr.result, make)
  }
  const { variable, variable2, accumulator } = expr
  return (frame) => {
    const range = parts.range(frame)
    const outer = frame.local
    const around: Local = { name: accumulator, value: parts.init(frame), outer }
    for (const [first, second] of iterations(range, variable2 !== '')) {
      frame.local = { name: variable, value: first, outer: around }
      if (second !== undefined) frame.local = { name: variable2, value: second, outer: frame.local }
      if (parts.condition(frame) !== true) break
      around.value = step(parts.step, frame, around)
    }
    frame.local = around
    const result = parts.result(frame)
    frame.local = outer
    return result
  }
}

/** An error of a step is the accumulator's value: a later element may still decide. */
function step(run: Run, frame: Frame, around: Local): Value {
  const local = frame.local
  try {
    return run(frame)
  } catch (error) {
    if (!(error instanceof CelError) || error.cancelled) throw error
    frame.local = local
    return failing(error, around)
  }
}

/** Stands for an error in an accumulator; whoever looks at it throws it. */
class Failure {
  readonly opaque = '*error*'
  readonly error: CelError

  constructor(error: CelError) {
    this.error = error
  }

  equals(): boolean {
    throw this.error
  }
}

function failing(error: CelError, { value }: Local): Value {
  if (typeof value === 'boolean' || value instanceof Failure) return new Failure(error)
  throw error
}

function growing(expr: Expr, make: MakeStruct): Run {
  if (expr.kind !== 'call') return compile(expr, make)
  const [first, second, third] = expr.args
  if (first === undefined || second === undefined) return compile(expr, make)
  if (expr.fn === '_?_:_' && third !== undefined) {
    const conditional = SPECIAL['_?_:_']
    if (conditional === undefined) return compile(expr, make)
    return conditional([compile(first, make), growing(second, make), compile(third, make)])
  }
  const [accumulator, added] = [compile(first, make), compile(second, make)]
  return (frame) => {
    const whole = accumulator(frame)
    const part = added(frame)
    charge(frame, 1)
    if (!(whole instanceof List) || !(part instanceof List)) throw new CelError('no such overload')
    for (const item of part.items) (whole.items as Value[]).push(item)
    return whole
  }
}
