/** Constants that cannot work where they stand are refused when a rule is compiled: cel-go's AST validators. */
import { compileRegex } from './regex.ts'
import type { SyntaxProblem } from './syntax.ts'
import { parseDuration, parseTimestamp } from './time-values.ts'
import { childrenOf, type Expr } from './tree.ts'

export function checkLiterals(expr: Expr): readonly SyntaxProblem[] {
  const problems: SyntaxProblem[] = []
  visit(expr, problems)
  return problems
}

function visit(expr: Expr, problems: SyntaxProblem[]): void {
  if (expr.kind === 'call') checkCall(expr, problems)
  for (const child of childrenOf(expr)) visit(child, problems)
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
