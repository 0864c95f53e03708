/** Compiles the expressions of policies and match conditions. Imported lazily: it brings all of CEL. */
import {
  type Compiled,
  compile,
  type Environment,
  type Program,
  withFunctions
} from '../../../../core/cel/environment.ts'
import { BOOL, DYN, NULL, STRING, sameType, type Type, typeText } from '../../../../core/cel/type.ts'
import type { Variable } from '../../../../core/kinds/types.ts'
import { AUTHORIZER, authorizerFunctions, RESOURCE_CHECK } from './authorizer.ts'
import { NAMESPACE, REQUEST, variablesType } from './types.ts'

export interface Scope {
  readonly params: boolean
  readonly authorizer: boolean
  /** Those compiled so far; absent where there are none to name. */
  readonly variables?: CompiledVariables
}

export interface Expression {
  readonly text: string
  readonly program: Program | undefined
  /** Why it does not compile; the program is absent then. */
  readonly error: string | undefined
}

const functions = withFunctions(authorizerFunctions)

export const CONDITION: readonly Type[] = [BOOL]
export const MESSAGE: readonly Type[] = [STRING]
export const ANNOTATION: readonly Type[] = [STRING, NULL]

/** `results`: what it may evaluate to; absent: anything. */
export function compileExpression(text: string, scope: Scope, results?: readonly Type[]): Expression {
  const compiled: Compiled = compile(text, environmentOf(scope))
  if ('error' in compiled) return { text, program: undefined, error: `compilation failed: ${compiled.error}` }
  const { program } = compiled
  const error = results === undefined ? undefined : unexpected(program.type, results)
  return { text, program: error === undefined ? program : undefined, error }
}

function environmentOf({ params, authorizer, variables }: Scope): Environment {
  return {
    functions,
    variables: {
      object: DYN,
      oldObject: DYN,
      namespaceObject: NAMESPACE,
      request: REQUEST,
      ...(params ? { params: DYN } : {}),
      ...(authorizer ? { authorizer: AUTHORIZER, 'authorizer.requestResource': RESOURCE_CHECK } : {}),
      ...(variables === undefined ? {} : { variables: variablesType(variables.types) })
    }
  }
}

/** A value of unknown type is no bool. */
function unexpected(type: Type, results: readonly Type[]): string | undefined {
  if (results.some((one) => sameType(one, type))) return undefined
  const [one, ...others] = results
  if (one !== undefined && others.length === 0) return `must evaluate to ${goType(one)} but got ${goType(type)}`
  return `must evaluate to one of [${results.map(goType).join(' ')}] but got ${goType(type)}`
}

const goType = (type: Type) => (type.kind === 'null' ? 'null_type' : typeText(type))

export interface CompiledVariables {
  readonly types: Map<string, Type>
  readonly expressions: Map<string, Expression>
}

/** Each may name those before it. */
export function compileVariables(variables: readonly Variable[], scope: Scope): CompiledVariables {
  const all: CompiledVariables = { types: new Map(), expressions: new Map() }
  for (const { name, expression } of variables) {
    const compiled = compileExpression(expression, { ...scope, variables: all })
    all.expressions.set(name, compiled)
    all.types.set(name, compiled.program?.type ?? DYN)
  }
  return all
}
