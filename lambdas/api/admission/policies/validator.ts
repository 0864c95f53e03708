/** The expressions of a validating policy, compiled, and what they say of one request. Imported lazily, with CEL. */
import type { Value } from '../../../../core/cel/value.ts'
import type { ValidatingAdmissionPolicySpec, Validation } from '../../../../core/kinds/types.ts'
import {
  ANNOTATION,
  CONDITION,
  type CompiledVariables,
  compileExpression,
  compileVariables,
  type Expression,
  MESSAGE
} from '../expressions/compile.ts'
import { compileConditions, conditionsHold } from '../expressions/conditions.ts'
import { Activation, type Outcome, OutOfBudget, POLICY_BUDGET, type Subject } from '../expressions/evaluate.ts'

export interface Validator {
  readonly fails: boolean
  readonly conditions: readonly Expression[]
  readonly variables: CompiledVariables
  readonly validations: readonly {
    readonly validation: Validation
    readonly expression: Expression
    readonly message: Expression | undefined
  }[]
  readonly annotations: readonly { readonly key: string; readonly expression: Expression }[]
}

/** Something against the request. `index`: of the validation. */
export interface Denial {
  readonly index: number
  readonly message: string
  /** undefined: an expression failed. */
  readonly reason: string | undefined
}

export interface Verdict {
  readonly denials: readonly Denial[]
  readonly annotations: readonly { readonly key: string; readonly value: string }[]
  /** Of annotations that could not be evaluated: they deny whatever the binding's actions are. */
  readonly annotationErrors: readonly string[]
}

const NOTHING: Verdict = { denials: [], annotations: [], annotationErrors: [] }
/** Bytes of a message that an expression makes (celconfig.MaxEvaluatedMessageExpressionSizeBytes). */
const MOST_MESSAGE_BYTES = 5 * 1024

export function compileValidator(spec: ValidatingAdmissionPolicySpec): Validator {
  const params = spec.paramKind !== undefined
  const variables = compileVariables(spec.variables ?? [], { params, authorizer: true })
  const scope = { params, authorizer: true, variables }
  return {
    fails: spec.failurePolicy !== 'Ignore',
    conditions: compileConditions(spec.matchConditions ?? [], { params, authorizer: true }),
    variables,
    validations: (spec.validations ?? []).map((validation) => {
      const { expression, messageExpression = '' } = validation
      return {
        validation,
        expression: compileExpression(expression, scope, CONDITION),
        message:
          messageExpression === ''
            ? undefined
            : compileExpression(messageExpression, { ...scope, authorizer: false }, MESSAGE)
      }
    }),
    annotations: (spec.auditAnnotations ?? []).map(({ key, valueExpression }) => {
      return { key, expression: compileExpression(valueExpression, scope, ANNOTATION) }
    })
  }
}

export async function validate(validator: Validator, subject: Subject): Promise<Verdict> {
  const failed = (message: string): Verdict =>
    validator.fails ? { ...NOTHING, denials: [{ index: 0, message, reason: undefined }] } : NOTHING
  if (validator.conditions.length > 0) {
    const held = await conditionsHold(validator.conditions, subject)
    if (held === false) return NOTHING
    // With the failure policy Ignore, a condition that cannot be answered does not hold.
    if (held !== true) return failed(held.error)
  }
  const activation = new Activation({ ...subject, variables: validator.variables })
  try {
    const budget = { left: POLICY_BUDGET }
    const outcomes: Outcome[] = []
    for (const { expression } of validator.validations) outcomes.push(await activation.evaluate(expression, budget))
    const denials = await denialsOf(validator, { outcomes, activation, budget })
    return { denials, ...(await annotationsOf(validator, activation)) }
  } catch (error) {
    if (error instanceof OutOfBudget) return failed(error.message)
    throw error
  }
}

interface Evaluated {
  readonly outcomes: readonly Outcome[]
  readonly activation: Activation
  readonly budget: { left: number }
}

async function denialsOf(validator: Validator, evaluated: Evaluated): Promise<readonly Denial[]> {
  const denials: Denial[] = []
  for (const [index, { validation, message }] of validator.validations.entries()) {
    const outcome = evaluated.outcomes[index]
    if (outcome === undefined || ('value' in outcome && outcome.value === true)) continue
    if ('error' in outcome) {
      if (validator.fails) denials.push({ index, message: outcome.error, reason: undefined })
      continue
    }
    const made = message === undefined ? undefined : await messageOf(message, evaluated)
    const own = (validation.message ?? '').trim()
    const text = made || own || `failed expression: ${validation.expression.trim()}`
    denials.push({ index, message: text, reason: validation.reason ?? 'Invalid' })
  }
  return denials
}

/** undefined where the expression fails, or makes what no message can be. */
async function messageOf(expression: Expression, { activation, budget }: Evaluated): Promise<string | undefined> {
  const outcome = await activation.evaluate(expression, budget)
  if ('error' in outcome || typeof outcome.value !== 'string') return undefined
  const text = outcome.value.trim()
  return Buffer.byteLength(text) > MOST_MESSAGE_BYTES || text.includes('\n') ? undefined : text
}

async function annotationsOf(validator: Validator, activation: Activation) {
  const annotations: { key: string; value: string }[] = []
  const annotationErrors: string[] = []
  const budget = { left: POLICY_BUDGET }
  for (const { key, expression } of validator.annotations) {
    const outcome = await activation.evaluate(expression, budget)
    if ('error' in outcome) {
      if (validator.fails) annotationErrors.push(outcome.error)
      continue
    }
    const value = annotationText(outcome.value)
    if (value !== '') annotations.push({ key, value })
  }
  return { annotations, annotationErrors }
}

function annotationText(value: Value): string {
  return typeof value === 'string' ? value.trim() : ''
}
