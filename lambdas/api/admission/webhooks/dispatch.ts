/** Which webhooks a request concerns, and one call of one of them. */
import type { Kind } from '../../../../core/kinds/kind.ts'
import type { AdmissionRequest } from '../../types.ts'
import { type Equivalents, matchedKind, matchesNamespace, matchesObject } from '../matching.ts'
import { reviewIn } from './answer.ts'
import type { Post } from './call.ts'
import { CallError, noDryRun, rejection } from './failures.ts'
import type { Hook } from './hooks.ts'
import { reviewOf, type Verdict, verdictOf } from './review.ts'

/** Of the match conditions: whether they all hold. Rejects with what the client is told where one cannot be answered. */
export type Conditions = (hook: Hook, request: AdmissionRequest, kind: Kind) => boolean | Promise<boolean>

export interface Calling {
  readonly post: Post
  readonly equivalents: Equivalents
  readonly conditions: Conditions
}

/** As which kind the hook wants the request; undefined: not at all. */
export async function wantedAs(hook: Hook, request: AdmissionRequest, how: Calling): Promise<Kind | undefined> {
  if (!matchesObject(hook.selectors.objects, request)) return undefined
  // Rules say no far more often than namespaces do, and ask nobody.
  const kind = matchedKind(hook.rules, request, hook.equivalent ? how.equivalents : undefined)
  if (kind === undefined || !(await matchesNamespace(hook.selectors.namespaces, request))) return undefined
  if (hook.conditions.length > 0 && !(await how.conditions(hook, request, kind))) return undefined
  return kind
}

/**
 * Asks the hook. Tells its warnings and annotations. Throws an ApiError for its refusal and CallError where the call
 * itself failed.
 */
export async function ask(
  hook: Hook,
  request: AdmissionRequest,
  { kind, mutating, post }: { kind: Kind; mutating: boolean; post: Post }
): Promise<Verdict> {
  if (request.dryRun && !hook.takesDryRun) throw noDryRun(hook.name)
  if (hook.version === undefined) {
    const why = 'webhook does not accept known AdmissionReview versions (v1, v1beta1)'
    throw new CallError(hook.name, `could not create admission objects: ${why}`)
  }
  const uid = request.ports.ids.uid()
  const body = JSON.stringify(reviewOf(request, { kind, hook, uid }))
  const { client, timeoutSeconds, version } = hook
  const answer = await post({ client, timeoutSeconds, body })
    .then((sent) => reviewIn(sent, version))
    .catch((error: unknown) => {
      throw new CallError(
        hook.name,
        `failed to call webhook: ${error instanceof Error ? error.message : String(error)}`
      )
    })
  const verdict = verdictOf(answer, { uid, hook, mutating })
  for (const [key, value] of Object.entries(verdict.annotations)) request.annotate(`${hook.name}/${key}`, value)
  for (const text of verdict.warnings) request.warn(text)
  if (!verdict.allowed) throw rejection(hook.name, verdict.status)
  return verdict
}
