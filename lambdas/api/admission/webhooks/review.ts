/** The AdmissionReview that a webhook is sent, and what its answer must be (admission.k8s.io/v1 and v1beta1). */
import { goQuote } from '../../../../core/go-text.ts'
import type { UserInfo } from '../../../../core/http.ts'
import { isObject, type JsonObject } from '../../../../core/json.ts'
import type { Kind } from '../../../../core/kinds/kind.ts'
import type { KubeObject } from '../../../../core/object.ts'
import type { AdmissionRequest } from '../../types.ts'
import { namespaceOf } from '../matching.ts'
import { converted, objectKind, typed } from '../versions.ts'
import { CallError } from './failures.ts'
import type { Hook } from './hooks.ts'

export interface Verdict {
  readonly allowed: boolean
  readonly status: JsonObject | undefined
  readonly warnings: readonly string[]
  readonly annotations: Readonly<Record<string, string>>
  /** JSON. */
  readonly patch: string | undefined
  readonly patchType: string | undefined
}

/** As a webhook of `kind` is to see the request. Kubernetes' own field names. */
export function reviewOf(request: AdmissionRequest, { kind, hook, uid }: { kind: Kind; hook: Hook; uid: string }) {
  const [seen, asked] = [objectKind(request, kind), objectKind(request, request.kind)]
  const { object, old, subresource, operation, dryRun } = request
  const as = (one: KubeObject | undefined) =>
    one === undefined ? null : typed(seen.kind === kind.kind ? converted(one, request.kind, kind) : one, seen)
  const resource = ({ group, version, resource }: Kind) => ({ group, version, resource })
  const name = request.collection === true ? '' : (request.name ?? '')
  const namespace = namespaceOf(request)
  return {
    kind: 'AdmissionReview',
    apiVersion: `admission.k8s.io/${hook.version ?? 'v1'}`,
    request: {
      uid,
      kind: seen,
      resource: resource(kind),
      ...(subresource === undefined ? {} : { subResource: subresource }),
      requestKind: asked,
      requestResource: resource(request.kind),
      ...(subresource === undefined ? {} : { requestSubResource: subresource }),
      ...(name === '' ? {} : { name }),
      ...(namespace === '' ? {} : { namespace }),
      operation,
      userInfo: userObject(request.user),
      object: as(object),
      oldObject: as(old),
      dryRun,
      options: request.options()
    }
  }
}

export function userObject({ username, uid, groups, extra }: UserInfo): JsonObject {
  const more = Object.entries(extra ?? {})
  return {
    username,
    ...(uid === undefined || uid === '' ? {} : { uid }),
    ...(groups.length === 0 ? {} : { groups }),
    ...(more.length === 0 ? {} : { extra: Object.fromEntries(more) })
  }
}

/** Throws CallError for what is no answer to the review. */
export function verdictOf(answer: JsonObject, { uid, hook, mutating }: { uid: string; hook: Hook; mutating: boolean }) {
  const refuse = (why: string) => new CallError(hook.name, `received invalid webhook response: ${why}`)
  const { response } = answer
  if (!isObject(response)) throw refuse('webhook response was absent')
  const patch = response.patch === undefined || response.patch === null ? '' : decoded(String(response.patch), hook)
  const patchType = response.patchType as string | undefined
  if (hook.version === 'v1') {
    if (response.uid !== uid)
      throw refuse(`expected response.uid=${goQuote(uid)}, got ${goQuote(String(response.uid ?? ''))}`)
    const given = gvkText(answer)
    if (given !== V1) throw refuse(`expected webhook response of ${V1}, got ${given}`)
    if (mutating) checkPatch({ patch, patchType }, refuse)
    else if (patch !== '') throw refuse('validating webhook may not return response.patch')
    else if (patchType !== undefined) throw refuse('validating webhook may not return response.patchType')
  }
  const verdict: Verdict = {
    allowed: response.allowed === true,
    status: isObject(response.status) ? response.status : undefined,
    warnings: (response.warnings ?? []) as string[],
    annotations: (response.auditAnnotations ?? {}) as Record<string, string>,
    patch: patch === '' || !mutating ? undefined : patch,
    patchType: hook.version === 'v1' ? patchType : 'JSONPatch'
  }
  return verdict
}

const V1 = 'admission.k8s.io/v1, Kind=AdmissionReview'

function gvkText({ apiVersion = '', kind = '' }: JsonObject): string {
  const version = String(apiVersion)
  return `${version.includes('/') ? version : `/${version}`}, Kind=${String(kind)}`
}

function checkPatch(
  { patch, patchType }: { patch: string; patchType: string | undefined },
  refuse: (why: string) => CallError
): void {
  if (patch !== '' && patchType === undefined)
    throw refuse('webhook returned response.patch but not response.patchType')
  if (patch === '' && patchType !== undefined)
    throw refuse('webhook returned response.patchType but not response.patch')
  if (patchType === '') throw refuse('webhook returned invalid response.patchType of ""')
}

function decoded(text: string, hook: Hook): string {
  const at = /[^A-Za-z0-9+/=\r\n]/.exec(text)?.index
  if (at === undefined) return Buffer.from(text, 'base64').toString()
  throw new CallError(hook.name, `failed to call webhook: illegal base64 data at input byte ${at}`)
}
