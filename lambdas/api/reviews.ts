/** Resources that are questions: who am I, may somebody do this, whose token is it. Nothing of them is stored. */
import { ApiError, type FieldError } from '../../core/errors.ts'
import { invalid, invalidError } from '../../core/field-errors.ts'
import type { UserInfo } from '../../core/http.ts'
import type { Kind } from '../../core/kinds/kind.ts'
import { row } from '../../core/kinds/row.ts'
import type {
  NonResourceRule,
  ResourceRule,
  SelfSubjectRulesReview,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
  SubjectRulesReviewStatus,
  TokenReview
} from '../../core/kinds/types.ts'
import { timestamp } from '../../core/ports.ts'
import { decode } from '../../core/validate.ts'
import { valueAnswer } from './answers.ts'
import type { TokenAuthenticator } from './authn.ts'
import type { RbacAuthorizer } from './authz.ts'
import { nodeNameOf } from './authz-node.ts'
import { bodyOf, readObject } from './body.ts'
import { badRequest } from './failures.ts'
import type { Attributes, ResourceHandler, ResourceRequest } from './types.ts'

const AUTHENTICATION = 'authentication.k8s.io/v1'
const AUTHORIZATION = 'authorization.k8s.io/v1'
const MASTERS = 'system:masters'

/** A resource whose only verb is create and whose answer is computed. */
export interface VirtualKind {
  readonly kind: Kind
  readonly handler: ResourceHandler
}

export interface ReviewOptions {
  readonly authorizer: RbacAuthorizer
  readonly authenticator: TokenAuthenticator
}

export function virtualKinds({ authorizer, authenticator }: ReviewOptions): readonly VirtualKind[] {
  return [
    { kind: row(AUTHENTICATION, 'selfsubjectreviews'), handler: selfSubjectReview },
    { kind: row(AUTHENTICATION, 'tokenreviews'), handler: tokenReview(authenticator) },
    { kind: row(AUTHORIZATION, 'localsubjectaccessreviews'), handler: accessReview(authorizer, 'local') },
    { kind: row(AUTHORIZATION, 'selfsubjectaccessreviews'), handler: accessReview(authorizer, 'self') },
    { kind: row(AUTHORIZATION, 'selfsubjectrulesreviews'), handler: rulesReview(authorizer) },
    { kind: row(AUTHORIZATION, 'subjectaccessreviews'), handler: accessReview(authorizer, 'any') }
  ]
}

/** The request's object, of the right kind and with the right types. */
async function read<T>({ request, kind }: ResourceRequest): Promise<T> {
  const value = readObject(await bodyOf(request), kind)
  return decode(kind, value).object as unknown as T
}

/** The question with its answer as the status. */
function answer({ kind }: ResourceRequest, metadata: object, parts: { spec?: unknown; status: unknown }) {
  return valueAnswer(201, {
    kind: kind.kind,
    apiVersion: `${kind.group}/${kind.version}`,
    metadata,
    ...parts
  })
}

const selfSubjectReview: ResourceHandler = async (at, { ports }) => {
  await read(at)
  const { user } = at
  return answer(at, { creationTimestamp: timestamp(ports.clock.now()) }, { status: { userInfo: shown(user) } })
}

function shown({ username, uid, groups, extra }: UserInfo): object {
  return {
    username,
    ...(uid === undefined || uid === '' ? {} : { uid }),
    ...(groups.length === 0 ? {} : { groups }),
    ...(extra === undefined || Object.keys(extra).length === 0 ? {} : { extra })
  }
}

function tokenReview(authenticator: TokenAuthenticator): ResourceHandler {
  return async (at) => {
    const review = await read<TokenReview>(at)
    const { token = '', audiences = [] } = review.spec ?? {}
    if (token === '') throw badRequest('token is required for TokenReview in authentication')
    const known = await authenticator.reviewToken(token, audiences)
    const status =
      known === undefined
        ? { user: {}, error: '[invalid bearer token, token lookup failed]' }
        : { authenticated: true, user: shown(known.user), audiences: known.audiences }
    return answer(at, review.metadata ?? {}, { spec: review.spec, status })
  }
}

function accessReview(authorizer: RbacAuthorizer, scope: 'self' | 'local' | 'any'): ResourceHandler {
  return async (at) => {
    const review = await read<SubjectAccessReview>(at)
    const spec = review.spec ?? {}
    const errors = reviewErrors(review, { scope, namespace: at.namespace })
    if (errors.length > 0) throw unnamed(errors)
    const user = scope === 'self' ? at.user : subject(spec)
    const { allowed, reason } = await authorizer.authorize(attributesOf(spec, user))
    const status = { allowed, ...(reason === '' ? {} : { reason }) }
    return answer(at, review.metadata ?? {}, { spec: review.spec, status })
  }
}

/** Kubernetes leaves the kind out here. */
function unnamed(errors: readonly FieldError[]): ApiError {
  const { message, details } = invalidError({ group: 'authorization.k8s.io', kind: '' }, '', errors)
  return new ApiError('Invalid', message, { details: { group: details?.group, causes: details?.causes } })
}

function reviewErrors(
  { metadata = {}, spec = {} }: SubjectAccessReview,
  { scope, namespace }: { scope: 'self' | 'local' | 'any'; namespace: string | undefined }
): FieldError[] {
  const errors: FieldError[] = []
  const { resourceAttributes, nonResourceAttributes: given } = spec
  // Printed as Go's internal type, whose fields have no JSON names.
  const nonResourceAttributes = given === undefined ? undefined : { Path: given.path ?? '', Verb: given.verb ?? '' }
  if (resourceAttributes !== undefined && nonResourceAttributes !== undefined)
    errors.push(
      invalid(
        'spec.nonResourceAttributes',
        nonResourceAttributes,
        'cannot be specified in combination with resourceAttributes'
      )
    )
  if (resourceAttributes === undefined && nonResourceAttributes === undefined)
    errors.push(
      invalid(
        'spec.resourceAttributes',
        null,
        'exactly one of nonResourceAttributes or resourceAttributes must be specified'
      )
    )
  if (scope !== 'self' && (spec.user ?? '') === '' && (spec.groups ?? []).length === 0)
    errors.push(invalid('spec.user', '', 'at least one of user or group must be specified'))
  const { namespace: own, ...rest } = metadata
  if (Object.keys(scope === 'local' ? rest : metadata).length > 0)
    errors.push(
      invalid('metadata', metadata, scope === 'local' ? 'must be empty except for namespace' : 'must be empty')
    )
  const asked = resourceAttributes?.namespace ?? ''
  if (scope === 'local' && resourceAttributes !== undefined && asked !== (own ?? namespace))
    errors.push(invalid('spec.resourceAttributes.namespace', asked, 'must match metadata.namespace'))
  if (scope === 'local' && nonResourceAttributes !== undefined)
    errors.push(invalid('spec.nonResourceAttributes', nonResourceAttributes, 'disallowed on this kind of request'))
  return errors
}

function subject({ user = '', uid, groups = [], extra }: SubjectAccessReviewSpec): UserInfo {
  return {
    username: user,
    groups,
    ...(uid === undefined ? {} : { uid }),
    ...(extra === undefined ? {} : { extra })
  }
}

function attributesOf(spec: SubjectAccessReviewSpec, user: UserInfo): Attributes {
  const { resourceAttributes: asked, nonResourceAttributes } = spec
  if (asked === undefined)
    return { user, verb: nonResourceAttributes?.verb ?? '', path: nonResourceAttributes?.path ?? '' }
  const selector = asked.fieldSelector?.rawSelector ?? requirements(asked.fieldSelector?.requirements)
  return {
    user,
    verb: asked.verb ?? '',
    resource: {
      group: asked.group ?? '',
      version: asked.version ?? '*',
      resource: asked.resource ?? '',
      ...optional('subresource', asked.subresource),
      ...optional('namespace', asked.namespace),
      ...optional('name', asked.name),
      ...optional('fieldSelector', selector)
    }
  }
}

function requirements(list: readonly { key: string; operator: string; values?: string[] | undefined }[] = []): string {
  const equal = list.filter(({ operator, values = [] }) => operator === 'In' && values.length === 1)
  return equal.map(({ key, values = [] }) => `${key}=${values[0]}`).join(',')
}

function optional<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  return value === undefined || value === '' ? {} : ({ [key]: value } as { readonly [P in K]?: string })
}

function rulesReview(authorizer: RbacAuthorizer): ResourceHandler {
  return async (at) => {
    const review = await read<SelfSubjectRulesReview>(at)
    const namespace = review.spec?.namespace ?? ''
    if (namespace === '') throw badRequest('no namespace on request')
    const status = rulesStatus(at.user, namespace, authorizer)
    return answer(at, review.metadata ?? {}, { spec: {}, status })
  }
}

function rulesStatus(user: UserInfo, namespace: string, authorizer: RbacAuthorizer): SubjectRulesReviewStatus {
  const resourceRules: ResourceRule[] = []
  const nonResourceRules: NonResourceRule[] = []
  if (user.groups.includes(MASTERS)) {
    resourceRules.push({ verbs: ['*'], apiGroups: ['*'], resources: ['*'] })
    nonResourceRules.push({ verbs: ['*'], nonResourceURLs: ['*'] })
  }
  const { rules, errors } = authorizer.rulesFor(user, namespace)
  for (const { verbs, apiGroups, resources, resourceNames, nonResourceURLs } of rules) {
    if (resources !== undefined && resources.length > 0)
      resourceRules.push({ verbs, apiGroups, resources, ...(resourceNames === undefined ? {} : { resourceNames }) })
    if (nonResourceURLs !== undefined && nonResourceURLs.length > 0) nonResourceRules.push({ verbs, nonResourceURLs })
  }
  const problems = [...errors]
  const isNode = nodeNameOf(user) !== undefined
  // What a node may do depends on the pods that run there: no list could say it.
  if (isNode) problems.unshift('node authorizer does not support user rule resolution')
  return {
    resourceRules,
    nonResourceRules,
    incomplete: problems.length > 0,
    ...(problems.length === 0 ? {} : { evaluationError: problems.join(', ') })
  }
}
