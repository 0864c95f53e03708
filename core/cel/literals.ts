/** Constants that cannot work where they stand are refused when a rule is compiled: cel-go's AST validators. */
import { compileRegex } from './regex.ts'
import type { SyntaxProblem } from './syntax.ts'
import { parseDuration, parseTimestamp } from './time-values.ts'
import type { Expr } from './tree.ts'

export function checkLiterals(expr: Expr): readonly SyntaxProblem[] {
  const problems: SyntaxProblem[] = []
  visit(expr, problems)
  return problems
}

function visit(expr: Expr, problems: SyntaxProblem[]): void {
  switch (expr.kind) {
    case 'select':
      return visit(expr.operand, problems)
    case 'list':
      return expr.elements.forEach((one) => void visit(one, problems))
    case 'map':
      return expr.entries.forEach(({ key, value }) => void [key, value].map((one) => visit(one, problems)))
    case 'struct':
      return expr.fields.forEach(({ value }) => void visit(value, problems))
    case 'fold':
      return [expr.range, expr.init, expr.condition, expr.step, expr.result].forEach((one) => void visit(one, problems))
    case 'call':
      checkCall(expr, problems)
      if (expr.target !== undefined) visit(expr.target, problems)
      return expr.args.forEach((one) => void visit(one, problems))
    default:
  }
}

function checkCall({ fn, args, target }: Expr & { kind: 'call' }, problems: SyntaxProblem[]): void {
  const valid = VALID[fn]
  const argument = fn === 'matches' && target === undefined ? args[1] : args[0]
  if (valid === undefined || argument?.kind !== 'const' || typeof argument.value !== 'string') return
  if (!valid(argument.value)) problems.push({ offset: argument.offset, message: `invalid ${fn} argument` })
}

const VALID: Readonly<Record<string, (text: string) => boolean>> = {
  duration: (text) => parseDuration(text) !== undefined,
  timestamp: (text) => parseTimestamp(text) !== undefined,
  matches: (text) => {
    try {
      compileRegex(text)
      return true
    } catch {
      return false
    }
  }
}
