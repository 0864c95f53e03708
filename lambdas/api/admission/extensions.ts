/** What users add to admission: policies and webhooks. They come after all plugins but quotas. */
import { ApiError } from '../../../core/errors.ts'
import type { Kind } from '../../../core/kinds/kind.ts'
import type { Ports } from '../../../core/ports.ts'
import type { StoreApi } from '../../../store/store.ts'
import { forbiddenFor } from '../failures.ts'
import type { AdmissionPlugin, Authorizer } from '../types.ts'
import { expressionChecks } from './expression-checks.ts'
import type { Expression } from './expressions/compile.ts'
import type { Equivalents } from './matching.ts'
import { validatingPolicies } from './policies/validating.ts'
import { createPost } from './webhooks/call.ts'
import type { Conditions } from './webhooks/dispatch.ts'
import { type Hook, mutatingHooks, validatingHooks } from './webhooks/hooks.ts'
import { mutatingWebhooks } from './webhooks/mutating.ts'
import { validatingWebhooks } from './webhooks/validating.ts'

export interface ExtensionOptions {
  readonly store: StoreApi
  readonly ports: Ports
  readonly authorizer: Authorizer
  /** All resources that are served now. */
  readonly kinds: () => readonly Kind[]
}

export function admissionExtensions(options: ExtensionOptions): readonly AdmissionPlugin[] {
  const { store, authorizer } = options
  const equivalents = equivalentsIn(options.kinds)
  const how = { post: createPost(options), equivalents, conditions: webhookConditions(authorizer) }
  return [
    expressionChecks,
    mutatingWebhooks(mutatingHooks(store), how),
    validatingPolicies({ ...options, equivalents }),
    validatingWebhooks(validatingHooks(store), how)
  ]
}

function equivalentsIn(kinds: () => readonly Kind[]): Equivalents {
  let known: ReadonlyMap<string, readonly Kind[]> = new Map()
  let from: readonly Kind[] | undefined
  return ({ storage }) => {
    const all = kinds()
    if (all !== from) {
      known = Map.groupBy(all, (kind) => kind.storage)
      from = all
    }
    return known.get(storage) ?? []
  }
}

/** A webhook's match conditions, compiled when they are first asked. */
function webhookConditions(authorizer: Authorizer): Conditions {
  const compiled = new WeakMap<Hook, readonly Expression[]>()
  return async (hook, request, kind) => {
    const { compileConditions, conditionsHold } = await import('./expressions/conditions.ts')
    let conditions = compiled.get(hook)
    if (conditions === undefined) {
      conditions = compileConditions(hook.conditions, { params: false, authorizer: true })
      compiled.set(hook, conditions)
    }
    const subject = { request, kind, authorizer, namespace: undefined, params: undefined }
    const held = await conditionsHold(conditions, subject)
    if (typeof held === 'boolean') return held
    if (hook.ignoresFailure) return false
    const error = forbiddenFor(request.kind, request.name ?? '', held.error)
    throw new ApiError('Forbidden', error.message, { details: error.details })
  }
}
