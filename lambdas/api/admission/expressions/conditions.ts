/** The match conditions of webhooks and policies: whether all of them hold. */
import type { MatchCondition } from '../../../../core/kinds/types.ts'
import { CONDITION, compileExpression, type Expression, type Scope } from './compile.ts'
import { Activation, CONDITIONS_BUDGET, OutOfBudget, type Subject } from './evaluate.ts'

export function compileConditions(conditions: readonly MatchCondition[], scope: Scope): readonly Expression[] {
  return conditions.map(({ expression }) => compileExpression(expression, scope, CONDITION))
}

/** Whether they all hold, or why that cannot be said; one that does not hold says no, whatever the others. */
export async function conditionsHold(
  conditions: readonly Expression[],
  subject: Subject
): Promise<boolean | { readonly error: string }> {
  const activation = new Activation(subject)
  const budget = { left: CONDITIONS_BUDGET }
  const errors: string[] = []
  try {
    for (const condition of conditions) {
      const outcome = await activation.evaluate(condition, budget)
      if ('error' in outcome) errors.push(outcome.error)
      else if (outcome.value === false) return false
    }
  } catch (error) {
    if (error instanceof OutOfBudget) return { error: error.message }
    throw error
  }
  const [first, ...others] = new Set(errors)
  if (first === undefined) return true
  return { error: others.length === 0 ? first : `[${[first, ...others].join(', ')}]` }
}
