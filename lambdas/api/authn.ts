/** Who sends a request: a client certificate of the cluster's CA, or a bearer token that the cluster signed. */
import { ApiError } from '../../core/errors.ts'
import type { ApiRequest, UserInfo } from '../../core/http.ts'
import type { Ports } from '../../core/ports.ts'
import type { StoreApi } from '../../store/store.ts'
import type { Keys } from './keys.ts'
import {
  issuerOf,
  SERVICE_ACCOUNT_ISSUER,
  type ServiceAccountClaims,
  type ServiceAccountToken,
  serviceAccountName,
  USER_TOKEN_ISSUER,
  verifyServiceAccountToken,
  verifyUserToken
} from './tokens.ts'
import type { Authenticator, Peer } from './types.ts'

const AUTHENTICATED = 'system:authenticated'
const EXTRA = 'authentication.kubernetes.io'
/** Verified tokens kept: each pod has one, and a signature costs about 0.2 ms to check. */
const CACHE_SIZE = 10_000

/** Whoever shows no credentials; RBAC lets it see health and version only. */
export const ANONYMOUS: UserInfo = { username: 'system:anonymous', groups: ['system:unauthenticated'] }

export interface AuthenticatorOptions {
  readonly keys: Pick<Keys, 'serviceAccount' | 'userToken'>
  readonly store: StoreApi
  readonly ports: Ports
  /** Asked in turn for tokens that begin as theirs do. */
  readonly tokens?: readonly TokenVerifier[]
  /** Issuers outside the cluster whose ID tokens it accepts. */
  readonly issuers?: readonly IssuerVerifier[]
}

/** JSON web tokens of one issuer. */
export interface IssuerVerifier {
  /** As tokens have it in "iss". */
  readonly issuer: string
  /** Whose it is; undefined where it is not accepted. May throw where it cannot tell. */
  verify(token: string): Promise<UserInfo | undefined>
}

/** Tokens of others than this cluster, which it accepts: those that begin with `prefix`. */
export interface TokenVerifier {
  readonly prefix: string
  /** Whose it is; undefined where it is not accepted. May throw where it cannot tell. */
  verify(token: string): Promise<UserInfo | undefined>
}

export interface TokenAuthenticator extends Authenticator {
  /**
   * The user of a token and for which of `audiences` it is good; undefined when it is not accepted. No audiences: the
   * API server's own.
   */
  reviewToken(token: string, audiences: readonly string[]): Promise<TokenUser | undefined>
}

export interface TokenUser {
  readonly user: UserInfo
  readonly audiences: readonly string[]
}

type Verified =
  | { readonly kind: 'user'; readonly user: UserInfo; readonly expires: number }
  | { readonly kind: 'account'; readonly token: ServiceAccountToken; readonly expires: number }

export function createAuthenticator(options: AuthenticatorOptions): TokenAuthenticator {
  const verify = cachedVerifier(options)
  const reviewToken = async (token: string, audiences: readonly string[]): Promise<TokenUser | undefined> => {
    const wanted = audiences.length === 0 ? [SERVICE_ACCOUNT_ISSUER] : audiences
    const foreign =
      options.tokens?.find(({ prefix }) => token.startsWith(prefix)) ??
      options.issuers?.find(({ issuer }) => issuer === issuerOf(token))
    if (foreign !== undefined) {
      const user = await foreign.verify(token)
      return user === undefined ? undefined : { user: authenticated(user), audiences: wanted }
    }
    const verified = await verify(token, wanted)
    if (verified === undefined) return undefined
    if (verified.kind === 'user') return { user: authenticated(verified.user), audiences: wanted }
    if (!(await stillExists(options.store, verified.token.claims))) return undefined
    const good = wanted.filter((audience) => verified.token.audiences.includes(audience))
    return { user: serviceAccountUser(verified.token), audiences: good }
  }
  return {
    reviewToken,
    async authenticate(request: ApiRequest, peer: Peer): Promise<UserInfo | undefined> {
      const { certificate } = peer
      if (certificate !== undefined && certificate.commonName !== '')
        return authenticated({ username: certificate.commonName, groups: certificate.organizations })
      const token = bearerToken(request.headers.authorization)
      if (token === undefined) return undefined
      const known = await reviewToken(token, [])
      if (known === undefined) throw new ApiError('Unauthorized', 'Unauthorized')
      return known.user
    }
  }
}

/** undefined where there is no bearer token: another scheme counts as no credentials, as in Kubernetes. */
function bearerToken(header: string | undefined): string | undefined {
  const [scheme, token] = (header ?? '').trim().split(' ')
  return scheme?.toLowerCase() === 'bearer' && token !== undefined && token !== '' ? token : undefined
}

/** Signatures are checked once for each token; what may change (the account, the pod) is looked up every time. */
function cachedVerifier(
  options: AuthenticatorOptions
): (token: string, audiences: readonly string[]) => Promise<Verified | undefined> {
  const { keys, ports } = options
  const cache = new Map<string, Verified>()
  return async (token, audiences) => {
    const now = ports.clock.now()
    const known = cache.get(token)
    if (known !== undefined) {
      if (known.expires <= now) {
        cache.delete(token)
        return undefined
      }
      return accepts(known, audiences) ? known : undefined
    }
    const verified = await verifySignature(token, { keys, audiences, now })
    if (verified === undefined) return undefined
    if (cache.size >= CACHE_SIZE) for (const oldest of cache.keys()) if (cache.delete(oldest)) break
    cache.set(token, verified)
    return verified
  }
}

function accepts(verified: Verified, audiences: readonly string[]): boolean {
  return verified.kind === 'user' || verified.token.audiences.some((audience) => audiences.includes(audience))
}

async function verifySignature(
  token: string,
  options: { keys: AuthenticatorOptions['keys']; audiences: readonly string[]; now: number }
): Promise<Verified | undefined> {
  const { keys, audiences, now } = options
  switch (issuerOf(token)) {
    case USER_TOKEN_ISSUER: {
      const verified = await verifyUserToken(token, keys.userToken, now)
      return verified && { kind: 'user', ...verified }
    }
    case SERVICE_ACCOUNT_ISSUER: {
      const verified = await verifyServiceAccountToken(token, { key: keys.serviceAccount, audiences, now })
      return verified && { kind: 'account', token: verified, expires: verified.expires }
    }
    default:
      return undefined
  }
}

/** A token dies with its account and with what it is bound to, whether deleted or made anew under the same name. */
async function stillExists(store: StoreApi, claims: ServiceAccountClaims): Promise<boolean> {
  const { namespace, serviceaccount, pod, secret, node } = claims
  const exists = async (resource: string, key: string, uid: string) =>
    (await store.get(resource, key))?.value.metadata.uid === uid
  if (!(await exists('serviceaccounts', `${namespace}/${serviceaccount.name}`, serviceaccount.uid))) return false
  if (pod !== undefined && !(await exists('pods', `${namespace}/${pod.name}`, pod.uid))) return false
  if (secret !== undefined && !(await exists('secrets', `${namespace}/${secret.name}`, secret.uid))) return false
  // A pod's token names its node only for information; the pod itself answers for it.
  if (node?.uid !== undefined && pod === undefined) return await exists('nodes', node.name, node.uid)
  return true
}

function authenticated(user: UserInfo): UserInfo {
  if (user.groups.includes(AUTHENTICATED)) return user
  return { ...user, groups: [...user.groups, AUTHENTICATED] }
}

function serviceAccountUser(token: ServiceAccountToken): UserInfo {
  const { namespace, serviceaccount, pod, node } = token.claims
  const extra: Record<string, readonly string[]> = { [`${EXTRA}/credential-id`]: [`JTI=${token.id}`] }
  if (node !== undefined) {
    extra[`${EXTRA}/node-name`] = [node.name]
    if (node.uid !== undefined) extra[`${EXTRA}/node-uid`] = [node.uid]
  }
  if (pod !== undefined) {
    extra[`${EXTRA}/pod-name`] = [pod.name]
    extra[`${EXTRA}/pod-uid`] = [pod.uid]
  }
  return {
    username: serviceAccountName(namespace, serviceaccount.name),
    uid: serviceaccount.uid,
    groups: serviceAccountGroups(namespace),
    extra
  }
}

export function serviceAccountGroups(namespace: string): readonly string[] {
  return ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, AUTHENTICATED]
}
