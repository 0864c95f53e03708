/** Who an AWS principal is in the cluster: the deployer, a node, or whom kube-system/aws-auth names. Pure. */
import type { UserInfo } from '../../core/http.ts'
import type { Caller } from './sts-token.ts'

/** One entry of mapRoles or mapUsers, as EKS writes it. */
export interface Mapping {
  readonly arn: string
  readonly username: string
  readonly groups: readonly string[]
}

export interface AwsAuth {
  /** Of roles without their path, and of users. */
  readonly mappings: readonly Mapping[]
  /** Accounts all of whose principals come in, under their ARN. */
  readonly accounts: readonly string[]
}

export const NO_MAPPINGS: AwsAuth = { mappings: [], accounts: [] }

export interface KnownArns {
  readonly admin: string | undefined
  readonly node: string | undefined
}

/** A principal as it is written in a mapping, and the name of its session where it has one. */
export interface Principal {
  /** "arn:aws:iam::111122223333:role/Admins", whatever session and whatever path the role has. */
  readonly arn: string
  readonly session: string | undefined
}

const INSTANCE = /^i-[0-9a-f]{8,17}$/

/** An assumed role's session is its role; a role's path does not count, since STS does not tell it. */
export function principalOf(arn: string): Principal {
  const parts = /^arn:([^:]+):(iam|sts)::(\d*):([^/]+)(?:\/(.+))?$/.exec(arn)
  if (parts === null) return { arn, session: undefined }
  const [, partition, service, account, type, rest = ''] = parts
  const segments = rest.split('/')
  if (service === 'sts' && type === 'assumed-role') {
    const role = segments.slice(0, -1).join('/')
    return { arn: `arn:${partition}:iam::${account}:role/${role}`, session: segments.at(-1) }
  }
  if (service !== 'iam' || type !== 'role') return { arn, session: undefined }
  return { arn: `arn:${partition}:iam::${account}:role/${segments.at(-1)}`, session: undefined }
}

/** The caller's user; undefined where nobody lets it in. */
export function userOf(caller: Caller, known: KnownArns, auth: AwsAuth): UserInfo | undefined {
  const principal = principalOf(caller.arn)
  const is = (arn: string | undefined) => arn !== undefined && same(principalOf(arn).arn, principal.arn)
  if (is(known.admin)) return user(caller, principal, { username: 'kubernetes-admin', groups: ['system:masters'] })
  if (is(known.node)) {
    // An instance's role has the instance's name for its session, and nobody else can take that for the role.
    if (principal.session === undefined || !INSTANCE.test(principal.session)) return undefined
    const groups = ['system:bootstrappers', 'system:nodes']
    return user(caller, principal, { username: `system:node:${principal.session}`, groups })
  }
  const mapping = auth.mappings.find(({ arn }) => is(arn))
  if (mapping !== undefined) {
    const fill = (text: string) => filled(text, caller, principal)
    return user(caller, principal, { username: fill(mapping.username), groups: mapping.groups.map(fill) })
  }
  if (!auth.accounts.includes(caller.account)) return undefined
  return user(caller, principal, { username: principal.arn, groups: [] })
}

function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase()
}

function user(
  { arn, account, userId }: Caller,
  principal: Principal,
  of: { username: string; groups: readonly string[] }
): UserInfo | undefined {
  if (of.username === '') return undefined
  const session = principal.session === undefined ? {} : { sessionName: [principal.session] }
  const extra = { arn: [arn], canonicalArn: [principal.arn], principalId: [userId.split(':')[0] ?? ''], ...session }
  return { ...of, uid: `aws-iam-authenticator:${account}:${userId.split(':')[0]}`, extra }
}

/** {{EC2PrivateDNSName}} is the instance: Wherry's nodes are called as their instances. */
function filled(text: string, { account }: Caller, { session = '' }: Principal): string {
  const values: Readonly<Record<string, string>> = {
    AccountID: account,
    SessionName: session.replaceAll('@', '-'),
    SessionNameRaw: session,
    EC2PrivateDNSName: session
  }
  return text.replace(/\{\{\s*(\w+)\s*\}\}/g, (whole, name: string) => values[name] ?? whole)
}

/**
 * The ConfigMap's data. What is not as it should be is left out and told to `complain`, so that one wrong entry does
 * not shut everybody out.
 */
export function parseAwsAuth(
  data: Readonly<Record<string, string>>,
  parse: (yaml: string) => unknown,
  complain: (problem: string) => void
): AwsAuth {
  const list = (field: string): readonly unknown[] => {
    const text = data[field]
    if (text === undefined || text.trim() === '') return []
    try {
      const value = parse(text) ?? []
      if (Array.isArray(value)) return value
      complain(`${field} is not a list`)
    } catch (error) {
      complain(`${field}: ${error instanceof Error ? error.message : String(error)}`)
    }
    return []
  }
  const mappings = (field: string, key: string) =>
    list(field).flatMap((entry, at) => {
      const { [key]: arn, username, groups = [] } = (entry ?? {}) as Record<string, unknown>
      const isList = Array.isArray(groups) && groups.every((group) => typeof group === 'string')
      if (typeof arn === 'string' && isList && (username === undefined || typeof username === 'string'))
        return [{ arn: arn.trim(), username: username ?? arn.trim(), groups: groups as string[] }]
      complain(`${field}[${at}] is not {${key}, username, groups}`)
      return []
    })
  return {
    mappings: [...mappings('mapRoles', 'rolearn'), ...mappings('mapUsers', 'userarn')],
    accounts: list('mapAccounts').map(String)
  }
}
