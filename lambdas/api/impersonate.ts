/** Acting as somebody else: `kubectl --as`. The headers count only for those who may "impersonate". */
import { ApiError } from '../../core/errors.ts'
import type { ApiRequest, UserInfo } from '../../core/http.ts'
import { serviceAccountGroups } from './authn.ts'
import { forbidden } from './authz.ts'
import { badRequest } from './failures.ts'
import type { Attributes, Authorizer } from './types.ts'

const USER = 'impersonate-user'
const GROUP = 'impersonate-group'
const UID = 'impersonate-uid'
const EXTRA = 'impersonate-extra-'
/** What else begins so is a user of that name. */
const ACCOUNT =
  /^system:serviceaccount:([a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?):([a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?)$/
const AUTHENTICATED = 'system:authenticated'

type Resource = NonNullable<Attributes['resource']>

/** The user that the request wants to be, or `user`. Throws Forbidden; headers without a user are an error. */
export async function impersonate(request: ApiRequest, user: UserInfo, authorizer: Authorizer): Promise<UserInfo> {
  const { headers } = request
  const username = headers[USER] ?? ''
  const groups = splitHeader(headers[GROUP])
  const uid = headers[UID] ?? ''
  const extra = extraOf(headers)
  if (username === '') {
    if (groups.length === 0 && uid === '' && extra.size === 0) return user
    throw badRequest(`requested ${printed({ groups, uid, extra })} without impersonating a user`)
  }
  const account = ACCOUNT.exec(username)
  const targets: Resource[] = [
    account === null
      ? { group: '', version: 'v1', resource: 'users', name: username }
      : { group: '', version: 'v1', resource: 'serviceaccounts', namespace: account[1] ?? '', name: account[2] ?? '' }
  ]
  for (const name of groups) targets.push({ group: '', version: 'v1', resource: 'groups', name })
  const authentication = { group: 'authentication.k8s.io', version: 'v1' }
  if (uid !== '') targets.push({ ...authentication, resource: 'uids', name: uid })
  for (const [key, values] of extra)
    for (const name of values) targets.push({ ...authentication, resource: 'userextras', subresource: key, name })
  for (const resource of targets) {
    const attributes = { user, verb: 'impersonate', resource }
    const { allowed, reason } = await authorizer.authorize(attributes)
    if (!allowed) throw forbidden(attributes, reason)
  }
  return {
    username,
    groups: fullGroups(username, groups, account?.[1]),
    ...(uid === '' ? {} : { uid }),
    ...(extra.size === 0 ? {} : { extra: Object.fromEntries(extra) })
  }
}

/** As Go prints the list of references: {Kind Namespace Name UID APIVersion ResourceVersion FieldPath}. */
function printed({
  groups,
  uid,
  extra
}: {
  groups: readonly string[]
  uid: string
  extra: ReadonlyMap<string, readonly string[]>
}): string {
  const authentication = 'authentication.k8s.io/v1'
  const references = groups.map((name) => `{Group  ${name}    }`)
  for (const [key, values] of extra)
    for (const name of values) references.push(`{UserExtra  ${name}  ${authentication}  ${key}}`)
  if (uid !== '') references.push(`{UID  ${uid}  ${authentication}  }`)
  return `[${references.join(' ')}]`
}

function fullGroups(username: string, groups: readonly string[], accountNamespace: string | undefined) {
  if (accountNamespace !== undefined && groups.length === 0) return serviceAccountGroups(accountNamespace)
  if (username === 'system:anonymous')
    return groups.includes('system:unauthenticated') ? groups : [...groups, 'system:unauthenticated']
  return groups.includes(AUTHENTICATED) ? groups : [...groups, AUTHENTICATED]
}

/** Several headers of one name arrive as one, joined by ", ". */
function splitHeader(header: string | undefined): readonly string[] {
  return (header ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function extraOf(headers: Readonly<Record<string, string>>): Map<string, readonly string[]> {
  const extra = new Map<string, readonly string[]>()
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(EXTRA)) continue
    try {
      extra.set(decodeURIComponent(name.slice(EXTRA.length)), splitHeader(value))
    } catch {
      throw new ApiError('BadRequest', `the header ${name} is not percent-encoded as it should be`)
    }
  }
  return extra
}
