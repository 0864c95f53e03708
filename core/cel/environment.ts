/**
 * CEL as Kubernetes 1.35 offers it to rules of custom resources, admission policies and webhooks' conditions: compile
 * an expression once, evaluate it often. Loaded when the first expression is met; nothing on the way of other requests
 * imports it.
 *
 * `compile` gives a Program, or the problems in cel-go's words. `Program.evaluate` gives a value or an error, and what
 * it cost in cel-go's units (one is about 50 ns of Go's time there).
 */
import { amountFunctions } from './amounts.ts'
import { Checker } from './checker.ts'
import { type Functions, joinFunctions, type Overload } from './declare.ts'
import { estimateCost, type SizeOf } from './estimate.ts'
import { compile as compileTree, type Frame, type MakeStruct } from './evaluate.ts'
import { listFunctions } from './lists.ts'
import { checkLiterals } from './literals.ts'
import { networkFunctions } from './networks.ts'
import type { Range } from './range.ts'
import { standardFunctions } from './standard.ts'
import { stringFunctions } from './strings.ts'
import { parse, type SyntaxProblem } from './syntax.ts'
import { childrenOf, type Expr } from './tree.ts'
import type { Type } from './type.ts'
import { namedType } from './type-values.ts'
import { CelError, Entries, type Value } from './value.ts'

/** What one evaluation of a rule may cost (celconfig.PerCallLimit). */
export const CALL_COST_LIMIT = 1_000_000

export type Library = Readonly<Record<string, readonly Overload[]>>

export interface Environment {
  /** The variables that an expression may name. */
  readonly variables: Readonly<Record<string, Type>>
  /** Beyond Kubernetes' base environment, as authorizer.* or jsonpatch.escapeKey; see `library`. */
  readonly functions?: Functions
  /** Struct types that a literal may make ("Object.spec"), and other names of types. */
  readonly types?: (name: string) => Type | undefined
  /** Makes a value of such a literal; by default a map that knows its type's name. */
  readonly makeStruct?: MakeStruct
}

export type Result = { readonly value: Value } | { readonly error: CelError }

export interface Program {
  readonly expression: string
  /** What it evaluates to. */
  readonly type: Type
  /** The variables that it names. */
  readonly names: ReadonlySet<string>
  /** The worst it can cost. Max is UNBOUNDED (range.ts) where nothing bounds it. */
  estimate(sizeOf: SizeOf): Range
  /** `variables`: by name; undefined where one has no value. Never throws. */
  evaluate(variables: (name: string) => Value | undefined, limit?: number): Result & { readonly cost: number }
}

export type Compiled = { readonly program: Program } | { readonly error: string }

const base = joinFunctions(...standardFunctions, stringFunctions, listFunctions, networkFunctions, amountFunctions)

/** The base environment's functions and more of them. */
export function withFunctions(...libraries: readonly Library[]): Functions {
  return joinFunctions(Object.fromEntries(base), ...libraries)
}

/** `error`: as cel-go prints its issues, "ERROR: <input>:1:5: …" with the line and a mark below it. */
export function compile(expression: string, environment: Environment): Compiled {
  const parsed = parse(expression)
  if ('problems' in parsed) return { error: problemsText(expression, parsed.problems) }
  const { variables, functions = base, types } = environment
  const checker = new Checker({
    functions,
    variable: (name) => (Object.hasOwn(variables, name) ? variables[name] : undefined),
    named: (name) => types?.(name) ?? namedType(name)
  })
  const type = checker.check(parsed.expr)
  const problems = checker.problems.length > 0 ? checker.problems : checkLiterals(parsed.expr)
  if (problems.length > 0) return { error: problemsText(expression, problems) }
  return { program: programOf(expression, parsed.expr, { type, environment }) }
}

const asEntries: MakeStruct = (type, fields) => new Entries(fields, type)

function programOf(
  expression: string,
  expr: Expr,
  { type, environment }: { type: Type; environment: Environment }
): Program {
  const run = compileTree(expr, environment.makeStruct ?? asEntries)
  const names = new Set<string>()
  collectNames(expr, names)
  return {
    expression,
    type,
    names,
    estimate: (sizeOf) => estimateCost(expr, sizeOf),
    evaluate: (variable, limit = CALL_COST_LIMIT) => {
      const frame: Frame = { variable, limit, cost: 0, local: undefined }
      try {
        return { value: run(frame), cost: frame.cost }
      } catch (error) {
        if (error instanceof CelError) return { error, cost: frame.cost }
        if (error instanceof RangeError) return { error: new CelError('expression nests too deeply'), cost: frame.cost }
        throw error
      }
    }
  }
}

function collectNames(expr: Expr, names: Set<string>): void {
  if (expr.kind === 'ident') names.add(expr.name)
  for (const child of childrenOf(expr)) collectNames(child, names)
}

/** As cel-go reports at most. */
const MOST_PROBLEMS = 100

function problemsText(source: string, problems: readonly SyntaxProblem[]): string {
  const sorted = problems.toSorted((a, b) => a.offset - b.offset)
  const shown = sorted.slice(0, MOST_PROBLEMS).map((problem) => problemText(source, problem))
  if (problems.length > MOST_PROBLEMS) shown.push(`${problems.length - MOST_PROBLEMS} more errors were truncated`)
  return shown.join('\n')
}

function problemText(source: string, { offset, message }: SyntaxProblem): string {
  if (offset < 0) return `ERROR: <input>:-1:0: ${message}`
  const before = source.slice(0, offset)
  const line = before.split('\n').length
  const start = before.lastIndexOf('\n') + 1
  const end = source.indexOf('\n', offset)
  const snippet = source.slice(start, end < 0 ? undefined : end).replaceAll('\t', ' ')
  const column = Array.from(source.slice(start, offset)).length
  const dots = Array.from(snippet)
    .slice(0, column)
    .map((letter) => (isWide(letter) ? '\uff0e' : '.'))
  const mark = isWide(Array.from(snippet)[column] ?? '') ? '\uff3e' : '^'
  const shown = source === '' ? '' : `\n | ${snippet}\n | ${dots.join('')}${mark}`
  return `ERROR: <input>:${line}:${column + 1}: ${message}${shown}`
}

const isWide = (letter: string) => Buffer.byteLength(letter) > 1
