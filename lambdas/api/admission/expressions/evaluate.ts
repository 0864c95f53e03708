/** Evaluates the expressions of one policy or webhook for one request, within a budget. */
import { toValue } from '../../../../core/cel/declared.ts'
import { CALL_COST_LIMIT, type Program } from '../../../../core/cel/environment.ts'
import { CelError, type MapValue, type Value } from '../../../../core/cel/value.ts'
import type { Kind } from '../../../../core/kinds/kind.ts'
import type { KubeObject } from '../../../../core/object.ts'
import type { AdmissionRequest, Authorizer } from '../../types.ts'
import { namespaceOf } from '../matching.ts'
import { converted, objectKind, typed } from '../versions.ts'
import { userObject } from '../webhooks/review.ts'
import { authorizerValue, Decisions, resourceValue } from './authorizer.ts'
import type { CompiledVariables, Expression } from './compile.ts'

/** What all expressions of a policy may cost together, and match conditions (celconfig.RuntimeCELCostBudget). */
export const POLICY_BUDGET = 10_000_000
export const CONDITIONS_BUDGET = 2_500_000

const OUT_OF_BUDGET = 'validation failed due to running out of cost budget, no further validation rules will be run'

/** The whole evaluation ends. */
export class OutOfBudget extends Error {
  constructor() {
    super(OUT_OF_BUDGET)
  }
}

export type Outcome = { readonly value: Value } | { readonly error: string }

export interface Subject {
  readonly request: AdmissionRequest
  /** The version that the policy or webhook matches. */
  readonly kind: Kind
  readonly authorizer: Authorizer
  readonly namespace: KubeObject | undefined
  /** undefined: none; null stands for params that are missing. */
  readonly params: KubeObject | null | undefined
  readonly variables?: CompiledVariables
}

/** The values of one request, made when first looked at. */
export class Activation {
  private readonly subject: Subject
  private readonly decisions: Decisions
  private readonly values = new Map<string, Value>()
  /** Cost of variables since it was last taken. */
  private variableCost = 0

  constructor(subject: Subject) {
    this.subject = subject
    this.decisions = new Decisions(subject.authorizer)
  }

  /** Throws OutOfBudget. `budget.left` shrinks by the cost. */
  async evaluate(expression: Expression, budget: { left: number }): Promise<Outcome> {
    const { program, error, text } = expression
    if (program === undefined) return { error: `compilation error: ${error ?? ''}` }
    const { outcome, cost } = await this.settled(program)
    if (cost > budget.left) throw new OutOfBudget()
    budget.left -= cost
    return 'value' in outcome ? outcome : { error: `expression '${text}' resulted in error: ${outcome.error.message}` }
  }

  private async settled(program: Program) {
    for (;;) {
      this.variableCost = 0
      const { cost, ...outcome } = program.evaluate((name) => this.value(name), CALL_COST_LIMIT)
      if (!(await this.decisions.settle())) return { outcome, cost: cost + this.variableCost }
      this.values.delete('variables')
    }
  }

  private value(name: string): Value | undefined {
    const known = this.values.get(name)
    if (known !== undefined || this.values.has(name)) return known
    const made = this.make(name)
    if (made !== undefined) this.values.set(name, made)
    return made
  }

  private make(name: string): Value | undefined {
    const { request, namespace, params } = this.subject
    switch (name) {
      case 'object':
        return this.objectValue(request.object)
      case 'oldObject':
        return this.objectValue(request.old)
      case 'namespaceObject':
        return namespace === undefined ? null : toValue(shownNamespace(namespace))
      case 'params':
        return params === undefined || params === null ? null : toValue(params)
      case 'request':
        return toValue(requestObject(this.subject))
      case 'authorizer':
        return authorizerValue(this.decisions, request.user)
      case 'authorizer.requestResource':
        return resourceValue(this.decisions, request.user, resourceOf(this.subject))
      case 'variables':
        return new LazyVariables((variable) => this.variable(variable), this.subject.variables)
      default:
        return undefined
    }
  }

  private objectValue(object: KubeObject | undefined): Value {
    if (object === undefined) return null
    const { request, kind } = this.subject
    const of = objectKind(request, kind)
    return toValue(typed(of.kind === kind.kind ? converted(object, request.kind, kind) : object, of))
  }

  private variable(name: string): Value | undefined {
    const expression = this.subject.variables?.expressions.get(name)
    if (expression === undefined) return undefined
    const { program, error } = expression
    if (program === undefined) throw new CelError(`composited variable "${name}" fails to compile: ${error ?? ''}`)
    const result = program.evaluate((one) => this.value(one), CALL_COST_LIMIT)
    this.variableCost += result.cost
    if ('value' in result) return result.value
    throw new CelError(`composited variable "${name}" fails to evaluate: ${result.error.message}`)
  }
}

/** Each variable is evaluated once, when an expression first names it. */
class LazyVariables implements MapValue {
  readonly isMap = true
  readonly struct = 'kubernetes.variables'
  private readonly read: (name: string) => Value | undefined
  private readonly names: readonly string[]
  private readonly known = new Map<string, { readonly value: Value | undefined } | { readonly error: unknown }>()

  constructor(read: (name: string) => Value | undefined, variables: CompiledVariables | undefined) {
    this.read = read
    this.names = [...(variables?.expressions.keys() ?? [])]
  }

  get size(): number {
    return this.names.length
  }

  get(key: Value): Value | undefined {
    if (typeof key !== 'string') return undefined
    let found = this.known.get(key)
    if (found === undefined) {
      found = this.attempt(key)
      this.known.set(key, found)
    }
    if ('error' in found) throw found.error
    return found.value
  }

  keys(): readonly Value[] {
    return this.names
  }

  private attempt(key: string) {
    try {
      return { value: this.read(key) }
    } catch (error) {
      return { error }
    }
  }
}

function requestObject({ request, kind }: Subject) {
  const { subresource, operation, dryRun, user } = request
  const resource = ({ group, version, resource }: Kind) => ({ group, version, resource })
  const sub = subresource === undefined ? {} : { subResource: subresource, requestSubResource: subresource }
  return {
    kind: objectKind(request, kind),
    resource: resource(kind),
    requestKind: objectKind(request, request.kind),
    requestResource: resource(request.kind),
    ...sub,
    ...nameAndNamespace(request),
    operation,
    userInfo: userObject(user),
    dryRun,
    options: request.options()
  }
}

function nameAndNamespace(request: AdmissionRequest) {
  const name = request.collection === true ? '' : (request.name ?? '')
  const namespace = namespaceOf(request)
  return { ...(name === '' ? {} : { name }), ...(namespace === '' ? {} : { namespace }) }
}

function resourceOf({ request }: Subject) {
  const { group, resource } = request.kind
  const { subresource } = request
  return {
    group,
    version: '*',
    resource,
    ...(subresource === undefined ? {} : { subresource }),
    ...nameAndNamespace(request)
  }
}

function shownNamespace({ metadata, spec, status }: KubeObject) {
  const { managedFields: _, ownerReferences: __, ...shown } = metadata
  return { metadata: shown, spec, status }
}
