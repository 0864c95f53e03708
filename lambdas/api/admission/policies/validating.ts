/** ValidatingAdmissionPolicy: policies in CEL, put in force by bindings. */
import type { Kind } from '../../../../core/kinds/kind.ts'
import type {
  ValidatingAdmissionPolicyBindingSpec as BindingSpec,
  ValidatingAdmissionPolicySpec as PolicySpec
} from '../../../../core/kinds/types.ts'
import type { KubeObject } from '../../../../core/object.ts'
import type { Entry, StoreApi } from '../../../../store/store.ts'
import type { AdmissionPlugin, AdmissionRequest, Authorizer } from '../../types.ts'
import { followed } from '../followed.ts'
import { type Equivalents, isExempt, namespaceOf } from '../matching.ts'
import { missing } from '../refuse.ts'
import { Denied, deniedByPolicy } from './denied.ts'
import { type Match, matchedAs, matchOf } from './match.ts'
import { ConfigurationError, paramKindOf, paramsOf } from './params.ts'
import type { Validator, Verdict } from './validator.ts'

const GROUP = 'admissionregistration.k8s.io'
const RESOURCES = [`${GROUP}/validatingadmissionpolicies`, `${GROUP}/validatingadmissionpolicybindings`]
const FAILURE = 'validation.policy.admission.k8s.io/validation_failure'
const MOST_ANNOTATION = 10 * 1024

interface Binding {
  readonly name: string
  readonly spec: BindingSpec
  readonly match: Match | undefined
}

export interface Policy {
  readonly name: string
  readonly spec: PolicySpec
  readonly match: Match
  readonly bindings: readonly Binding[]
  /** Compiled when the first request is matched. */
  validator: Promise<Validator> | undefined
}

export interface PolicyOptions {
  readonly store: StoreApi
  readonly authorizer: Authorizer
  readonly kinds: () => readonly Kind[]
  readonly equivalents: Equivalents
}

export function validatingPolicies(options: PolicyOptions): AdmissionPlugin {
  const policies = followed(options.store, RESOURCES, policiesFrom)
  return {
    name: 'ValidatingAdmissionPolicy',
    async validate(request) {
      const present = policies.current()
      const known = present instanceof Promise ? await present : present
      if (known.length === 0 || isExempt(request.kind)) return
      const denied: Denied[] = []
      for (const policy of known) await applyPolicy(policy, { request, options, denied })
      if (denied[0] !== undefined) throw deniedByPolicy(request, denied[0])
    }
  }
}

/** Only policies with a binding, by name. */
function policiesFrom([policies = [], bindings = []]: readonly (readonly Entry[])[]): readonly Policy[] {
  const byPolicy = Map.groupBy(bindings, ({ value }) => (value.spec as BindingSpec).policyName ?? '')
  return policies.flatMap(({ key: name, value }) => {
    const bound = byPolicy.get(name)
    if (bound === undefined) return []
    const spec = (value.spec ?? {}) as PolicySpec
    return [
      {
        name,
        spec,
        match: matchOf(spec.matchConstraints ?? {}),
        bindings: bound.map((entry): Binding => {
          const own = entry.value.spec as BindingSpec
          const match = own.matchResources === undefined ? undefined : matchOf(own.matchResources)
          return { name: entry.key, spec: own, match }
        }),
        validator: undefined
      }
    ]
  })
}

interface Run {
  readonly request: AdmissionRequest
  readonly options: PolicyOptions
  readonly denied: Denied[]
}

/** Runs it for each binding; what is wrong with either counts as its failure policy says. */
async function applyPolicy(policy: Policy, run: Run): Promise<void> {
  const { request, options, denied } = run
  const fails = policy.spec.failurePolicy !== 'Ignore'
  const guarded = async <T>(binding: Binding | undefined, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work()
    } catch (error) {
      const known = error instanceof ConfigurationError || isNotFound(error)
      if (!known) throw error
      const what = `failed to configure ${binding === undefined ? 'policy' : 'binding'}: ${error.message}`
      if (fails) denied.push(new Denied(policy.name, binding?.name, what))
      return undefined
    }
  }
  const kind = await guarded(undefined, () => matchedAs(policy.match, request, options.equivalents))
  if (kind === undefined) return
  const paramKind = await guarded(undefined, async () => ({ kind: paramKindOf(policy.spec.paramKind, options) }))
  if (paramKind === undefined) return
  const collected = new Map<string, Set<string>>()
  for (const binding of policy.bindings) {
    const verdicts = await guarded(binding, () =>
      verdictsOf(policy, binding, { ...run, kind, paramKind: paramKind.kind })
    )
    for (const verdict of verdicts ?? []) tell(verdict, { policy, binding, run, collected })
  }
  for (const [key, values] of collected) request.annotate(`${policy.name}/${key}`, [...values].join(', '))
}

function isNotFound(error: unknown): error is Error {
  return error instanceof Error && 'reason' in error && error.reason === 'NotFound'
}

async function verdictsOf(
  policy: Policy,
  binding: Binding,
  { request, options, kind, paramKind }: Run & { readonly kind: Kind; readonly paramKind: Kind | undefined }
): Promise<readonly Verdict[]> {
  if (binding.match !== undefined && (await matchedAs(binding.match, request, options.equivalents)) === undefined)
    return []
  const namespace = namespaceOf(request)
  const params = await paramsOf(binding.spec.paramRef, { kind: paramKind, namespace, source: options })
  if (params.length === 0) return []
  const module = await import('./validator.ts')
  policy.validator ??= Promise.resolve(module.compileValidator(policy.spec))
  const validator = await policy.validator
  const { authorizer } = options
  const subject = { request, kind, authorizer, namespace: await namespaceObject(request) }
  const verdicts: Verdict[] = []
  for (const param of params) verdicts.push(await module.validate(validator, { ...subject, params: param }))
  return verdicts
}

/** The namespace that the object lies in; none for what lies in none, and for namespaces. */
export async function namespaceObject({ kind, namespace, store }: AdmissionRequest): Promise<KubeObject | undefined> {
  if (kind.storage === 'namespaces' || namespace === undefined || namespace === '') return undefined
  const entry = await store.get('namespaces', namespace)
  if (entry === undefined) throw missing({ group: '', resource: 'namespaces' }, namespace)
  return entry.value
}

interface Telling {
  readonly policy: Policy
  readonly binding: Binding
  readonly run: Run
  readonly collected: Map<string, Set<string>>
}

function tell(verdict: Verdict, { policy, binding, run, collected }: Telling): void {
  const { request, denied } = run
  const validationActions = binding.spec.validationActions ?? []
  for (const { index, message, reason } of verdict.denials) {
    if (validationActions.includes('Deny')) denied.push(new Denied(policy.name, binding.name, message, reason))
    if (validationActions.includes('Audit')) {
      const names = { policy: policy.name, binding: binding.name }
      request.annotate(FAILURE, JSON.stringify([{ message, ...names, expressionIndex: index, validationActions }]))
    }
    if (validationActions.includes('Warn')) {
      const by = `ValidatingAdmissionPolicy '${policy.name}' with binding '${binding.name}'`
      request.warn(`Validation failed for ${by}: ${message}`)
    }
  }
  for (const message of verdict.annotationErrors) denied.push(new Denied(policy.name, binding.name, message))
  for (const { key, value } of verdict.annotations) {
    const values = collected.get(key) ?? new Set<string>()
    collected.set(key, values.add(value.slice(0, MOST_ANNOTATION)))
  }
}
