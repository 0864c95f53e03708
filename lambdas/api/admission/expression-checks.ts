/** Expressions of webhooks and policies that do not compile are refused when they are written, not when they are run. */

import type { Type } from '../../../core/cel/type.ts'
import type { FieldError } from '../../../core/errors.ts'
import { invalid, invalidError } from '../../../core/field-errors.ts'
import type { MatchCondition, ValidatingAdmissionPolicySpec, ValidatingWebhook } from '../../../core/kinds/types.ts'
import { sameJson } from '../copy.ts'
import type { AdmissionPlugin } from '../types.ts'
import type { Scope } from './expressions/compile.ts'
import { nameOf } from './refuse.ts'

const GROUP = 'admissionregistration.k8s.io/'

type Compile = typeof import('./expressions/compile.ts')

export const expressionChecks: AdmissionPlugin = {
  name: 'ExpressionChecks',
  async validate(request) {
    const { kind, object, old, operation } = request
    if (!kind.storage.startsWith(GROUP) || object === undefined || operation === 'DELETE') return
    const errors: FieldError[] = []
    if (kind.resource.endsWith('webhookconfigurations')) {
      const [hooks, before] = [object.webhooks, old?.webhooks] as (ValidatingWebhook[] | undefined)[]
      if (!sameJson(hooks, before) && hooks?.some(({ matchConditions = [] }) => matchConditions.length > 0) === true)
        checkWebhooks(hooks, await import('./expressions/compile.ts'), errors)
    } else if (kind.resource === 'validatingadmissionpolicies' && !sameJson(object.spec, old?.spec)) {
      checkPolicy(object.spec as ValidatingAdmissionPolicySpec, await import('./expressions/compile.ts'), errors)
    }
    if (errors.length > 0) throw invalidError(kind, nameOf(request), errors)
  }
}

interface Check {
  readonly path: string
  readonly scope: Scope
  readonly results?: readonly Type[]
}

function check(compile: Compile, text: string, { path, scope, results }: Check): readonly FieldError[] {
  const { error } = compile.compileExpression(text, scope, results)
  return error === undefined ? [] : [invalid(path, text, error)]
}

function checkConditions(
  conditions: readonly MatchCondition[],
  path: string,
  { compile, scope }: { compile: Compile; scope: Scope }
): readonly FieldError[] {
  return conditions.flatMap(({ expression }, i) =>
    check(compile, expression.trim(), { path: `${path}[${i}].expression`, scope, results: compile.CONDITION })
  )
}

function checkWebhooks(hooks: readonly ValidatingWebhook[], compile: Compile, errors: FieldError[]): void {
  hooks.forEach(({ matchConditions = [] }, i) => {
    const how = { compile, scope: { params: false, authorizer: true } }
    errors.push(...checkConditions(matchConditions, `webhooks[${i}].matchConditions`, how))
  })
}

function checkPolicy(spec: ValidatingAdmissionPolicySpec, compile: Compile, errors: FieldError[]): void {
  const params = spec.paramKind !== undefined
  const plain = { params, authorizer: true }
  errors.push(...checkConditions(spec.matchConditions ?? [], 'spec.matchConditions', { compile, scope: plain }))
  const variables = compile.compileVariables(spec.variables ?? [], plain)
  let i = 0
  for (const [, { text, error }] of variables.expressions) {
    if (error !== undefined) errors.push(invalid(`spec.variables[${i}].expression`, text, error))
    i++
  }
  // Without any, nothing of that name is there.
  const scope = variables.types.size === 0 ? plain : { ...plain, variables }
  spec.validations?.forEach(({ expression, messageExpression = '' }, n) => {
    const path = `spec.validations[${n}]`
    errors.push(...check(compile, expression, { path: `${path}.expression`, scope, results: compile.CONDITION }))
    if (messageExpression === '') return
    const of = { path: `${path}.messageExpression`, scope: { ...scope, authorizer: false }, results: compile.MESSAGE }
    errors.push(...check(compile, messageExpression, of))
  })
  spec.auditAnnotations?.forEach(({ valueExpression }, n) => {
    const of = { path: `spec.auditAnnotations[${n}].valueExpression`, scope, results: compile.ANNOTATION }
    errors.push(...check(compile, valueExpression, of))
  })
}
