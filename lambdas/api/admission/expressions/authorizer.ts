/** `authorizer` in expressions: asks what a user may do (k8s.io/apiserver/pkg/cel/library/authz.go). */
import { member, type Overload } from '../../../../core/cel/declare.ts'
import { BOOL, STRING, structOf, type Type } from '../../../../core/cel/type.ts'
import { CelError, type Opaque, type Value } from '../../../../core/cel/value.ts'
import type { UserInfo } from '../../../../core/http.ts'
import { isDNS1123Label, isDNS1123Subdomain } from '../../../../core/names.ts'
import { serviceAccountName } from '../../tokens.ts'
import type { Attributes, Authorizer } from '../../types.ts'

const named = (name: string): Type => structOf(`kubernetes.authorization.${name}`, () => undefined)
export const AUTHORIZER = named('Authorizer')
export const RESOURCE_CHECK = named('ResourceCheck')
const PATH_CHECK = named('PathCheck')
const GROUP_CHECK = named('GroupCheck')
const DECISION = named('Decision')

type Resource = NonNullable<Attributes['resource']>

interface Answer {
  readonly allowed: boolean
  readonly reason: string
  readonly error: string | undefined
}

/**
 * The decisions of one evaluation. Expressions run at once, the authorizer takes its time: a check whose answer is not
 * there yet ends the evaluation, is looked up, and the expression runs again.
 */
export class Decisions {
  private readonly authorizer: Authorizer
  private readonly known = new Map<string, Answer>()
  private pending: { readonly key: string; readonly attributes: Attributes }[] = []

  constructor(authorizer: Authorizer) {
    this.authorizer = authorizer
  }

  /** Throws CelError where it has to be looked up. */
  decide(attributes: Attributes): Answer {
    const key = JSON.stringify(attributes)
    const found = this.known.get(key)
    if (found !== undefined) return found
    this.pending.push({ key, attributes })
    throw new CelError('the authorizer has not answered yet')
  }

  /** Whether something had to be looked up, so that what was evaluated meanwhile counts for nothing. */
  async settle(): Promise<boolean> {
    const asked = this.pending
    this.pending = []
    for (const { key, attributes } of asked) this.known.set(key, await this.ask(attributes))
    return asked.length > 0
  }

  private async ask(attributes: Attributes): Promise<Answer> {
    try {
      return { ...(await this.authorizer.authorize(attributes)), error: undefined }
    } catch (error) {
      return { allowed: false, reason: '', error: error instanceof Error ? error.message : String(error) }
    }
  }
}

class Receiver implements Opaque {
  readonly opaque: string
  readonly decisions: Decisions
  readonly user: UserInfo
  readonly path: string
  readonly resource: Resource

  constructor(
    type: Type,
    from: {
      readonly decisions: Decisions
      readonly user: UserInfo
      readonly path?: string
      readonly resource?: Resource
    }
  ) {
    this.opaque = type.name
    this.decisions = from.decisions
    this.user = from.user
    this.path = from.path ?? ''
    this.resource = from.resource ?? { group: '', version: '*', resource: '' }
  }

  equals(other: Opaque): boolean {
    return this === other
  }
}

class Decision implements Opaque {
  readonly opaque = DECISION.name
  readonly answer: Answer

  constructor(answer: Answer) {
    this.answer = answer
  }

  equals(other: Opaque): boolean {
    return this === other
  }
}

export function authorizerValue(decisions: Decisions, user: UserInfo): Value {
  return new Receiver(AUTHORIZER, { decisions, user })
}

/** `authorizer.requestResource`. */
export function resourceValue(decisions: Decisions, user: UserInfo, resource: Resource): Value {
  return new Receiver(RESOURCE_CHECK, { decisions, user, resource })
}

function receiver(value: Value | undefined): Receiver {
  if (value instanceof Receiver) return value
  throw new CelError('no such overload')
}

const text = (value: Value | undefined) => (typeof value === 'string' ? value : '')

/** A field of the resource that the check is about. */
function narrowed(id: string, field: 'subresource' | 'namespace' | 'name' | 'fieldSelector' | undefined): Overload {
  return member(id, [RESOURCE_CHECK, STRING, RESOURCE_CHECK], ([self, value]) => {
    const from = receiver(self)
    if (field === undefined) return from
    return new Receiver(RESOURCE_CHECK, { ...from, resource: { ...from.resource, [field]: text(value) } })
  })
}

function accountOf([self, namespace, name]: readonly Value[]): Value {
  const from = receiver(self)
  if (isDNS1123Subdomain(text(name)).length > 0) throw new CelError('Invalid service account name')
  if (isDNS1123Label(text(namespace)).length > 0) throw new CelError('Invalid service account namespace')
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${text(namespace)}`]
  const user = { username: serviceAccountName(text(namespace), text(name)), groups }
  return new Receiver(AUTHORIZER, { decisions: from.decisions, user })
}

function check(attributes: (from: Receiver, verb: string) => Attributes) {
  return ([self, verb]: readonly Value[]): Value => {
    const from = receiver(self)
    return new Decision(from.decisions.decide(attributes(from, text(verb))))
  }
}

function answered(id: string, result: Type, read: (answer: Answer) => Value): Overload {
  return member(id, [DECISION, result], ([self]) => {
    if (self instanceof Decision) return read(self.answer)
    throw new CelError('no such overload')
  })
}

function required(value: Value | undefined, what: string): string {
  if (text(value).trim() === '') throw new CelError(`${what} must not be empty`)
  return text(value)
}

export const authorizerFunctions: Readonly<Record<string, readonly Overload[]>> = {
  path: [
    member('authorizer_path', [AUTHORIZER, STRING, PATH_CHECK], ([self, value]) => {
      return new Receiver(PATH_CHECK, { ...receiver(self), path: required(value, 'path') })
    })
  ],
  group: [
    member('authorizer_group', [AUTHORIZER, STRING, GROUP_CHECK], ([self, value]) => {
      return new Receiver(GROUP_CHECK, {
        ...receiver(self),
        resource: { group: text(value), version: '*', resource: '' }
      })
    })
  ],
  serviceAccount: [member('authorizer_serviceaccount', [AUTHORIZER, STRING, STRING, AUTHORIZER], accountOf)],
  resource: [
    member('groupcheck_resource', [GROUP_CHECK, STRING, RESOURCE_CHECK], ([self, value]) => {
      const from = receiver(self)
      const resource = { ...from.resource, resource: required(value, 'resource') }
      return new Receiver(RESOURCE_CHECK, { ...from, resource })
    })
  ],
  subresource: [narrowed('resourcecheck_subresource', 'subresource')],
  namespace: [narrowed('resourcecheck_namespace', 'namespace')],
  name: [narrowed('resourcecheck_name', 'name')],
  fieldSelector: [narrowed('authorizer_fieldselector', 'fieldSelector')],
  // RBAC takes no notice of labels.
  labelSelector: [narrowed('authorizer_labelselector', undefined)],
  check: [
    member(
      'pathcheck_check',
      [PATH_CHECK, STRING, DECISION],
      check(({ user, path }, verb) => ({ user, verb, path }))
    ),
    member(
      'resourcecheck_check',
      [RESOURCE_CHECK, STRING, DECISION],
      check(({ user, resource }, verb) => ({ user, verb, resource }))
    )
  ],
  errored: [answered('decision_errored', BOOL, ({ error }) => error !== undefined)],
  error: [answered('decision_error', STRING, ({ error }) => error ?? '')],
  allowed: [answered('decision_allowed', BOOL, ({ allowed }) => allowed)],
  reason: [answered('decision_reason', STRING, ({ reason }) => reason)]
}
