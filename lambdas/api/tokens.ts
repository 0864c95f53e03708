/**
 * Bearer tokens: service accounts' (ES256, the claims of kube-apiserver) and the cluster's own user tokens (HS256, made
 * by `wherry token`). They differ in issuer, algorithm and key, so that one can never pass for the other.
 */
import type { KeyObject } from 'node:crypto'
import type { JWTPayload } from 'jose'
import type { UserInfo } from '../../core/http.ts'
import type { Ports } from '../../core/ports.ts'
import type { SigningKey } from './keys.ts'

export const SERVICE_ACCOUNT_ISSUER = 'https://kubernetes.default.svc.cluster.local'
export const USER_TOKEN_ISSUER = 'wherry.dev/user-token'

/** kube-apiserver's --service-account-extend-token-expiration: 3607 s become a year for clients that never reload. */
export const EXTENDED_SECONDS = 365 * 24 * 3600
export const EXTENDABLE_SECONDS = 3607

export interface ObjectReference {
  readonly name: string
  readonly uid: string
}

/** What a service account token says of its bearer: the claim "kubernetes.io". */
export interface ServiceAccountClaims {
  readonly namespace: string
  readonly serviceaccount: ObjectReference
  readonly pod?: ObjectReference
  readonly secret?: ObjectReference
  readonly node?: { readonly name: string; readonly uid?: string }
  readonly warnafter?: number
}

export interface ServiceAccountToken {
  readonly claims: ServiceAccountClaims
  readonly audiences: readonly string[]
  /** jti, shown as credential-id. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly expires: number
}

export interface TokenRequest {
  readonly claims: ServiceAccountClaims
  readonly audiences: readonly string[]
  readonly expiresSeconds: number
  readonly ports: Ports
}

/** A service account token. Returns the JWT and its expiry in milliseconds. */
export async function signServiceAccountToken(
  key: SigningKey,
  request: TokenRequest
): Promise<{ token: string; expires: number }> {
  const { SignJWT } = (await import('./jwt.ts')).jwt
  const now = Math.floor(request.ports.clock.now() / 1000)
  const { claims } = request
  const token = await new SignJWT({ 'kubernetes.io': { ...claims } })
    .setProtectedHeader({ alg: 'ES256', kid: key.id })
    .setIssuer(SERVICE_ACCOUNT_ISSUER)
    .setAudience([...request.audiences])
    .setIssuedAt(now)
    .setNotBefore(now)
    .setExpirationTime(now + request.expiresSeconds)
    .setJti(request.ports.ids.uid())
    .setSubject(serviceAccountName(claims.namespace, claims.serviceaccount.name))
    .sign(key.privateKey)
  return { token, expires: (now + request.expiresSeconds) * 1000 }
}

/** The token's claims; undefined when it is not a valid token of this cluster for one of `audiences` at this time. */
export async function verifyServiceAccountToken(
  token: string,
  options: { readonly key: SigningKey; readonly audiences: readonly string[]; readonly now: number }
): Promise<ServiceAccountToken | undefined> {
  const { jwtVerify } = (await import('./jwt.ts')).jwt
  const payload = await claimsOf(
    jwtVerify(token, options.key.publicKey, {
      algorithms: ['ES256'],
      issuer: SERVICE_ACCOUNT_ISSUER,
      audience: [...options.audiences],
      currentDate: new Date(options.now)
    })
  )
  const claims = payload?.['kubernetes.io']
  if (payload === undefined || payload.exp === undefined || !isServiceAccountClaims(claims)) return undefined
  if (payload.sub !== serviceAccountName(claims.namespace, claims.serviceaccount.name)) return undefined
  const audiences = typeof payload.aud === 'string' ? [payload.aud] : (payload.aud ?? [])
  return { claims, audiences, id: payload.jti ?? '', expires: payload.exp * 1000 }
}

export interface UserTokenRequest {
  readonly user: string
  readonly groups: readonly string[]
  /** Absent: it does not expire. */
  readonly expiresSeconds?: number
  readonly ports: Ports
}

/** A bearer token for anybody, signed by the cluster: what `wherry token --user U --group G` prints. */
export async function mintUserToken(key: KeyObject, request: UserTokenRequest): Promise<string> {
  const { SignJWT } = (await import('./jwt.ts')).jwt
  const now = Math.floor(request.ports.clock.now() / 1000)
  const token = new SignJWT({ groups: [...request.groups] })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(USER_TOKEN_ISSUER)
    .setAudience(USER_TOKEN_ISSUER)
    .setIssuedAt(now)
    .setJti(request.ports.ids.uid())
    .setSubject(request.user)
  if (request.expiresSeconds !== undefined) token.setExpirationTime(now + request.expiresSeconds)
  return await token.sign(key)
}

/** The user and the token's expiry (milliseconds; Infinity: never); undefined when it is no valid user token. */
export async function verifyUserToken(
  token: string,
  key: KeyObject,
  now: number
): Promise<{ user: UserInfo; expires: number } | undefined> {
  const { jwtVerify } = (await import('./jwt.ts')).jwt
  const payload = await claimsOf(
    jwtVerify(token, key, {
      algorithms: ['HS256'],
      issuer: USER_TOKEN_ISSUER,
      audience: USER_TOKEN_ISSUER,
      currentDate: new Date(now)
    })
  )
  if (payload?.sub === undefined || payload.sub === '') return undefined
  const groups = Array.isArray(payload.groups) ? payload.groups.filter((group) => typeof group === 'string') : []
  return {
    user: { username: payload.sub, groups },
    expires: payload.exp === undefined ? Number.POSITIVE_INFINITY : payload.exp * 1000
  }
}

/** The public keys that verify service account tokens, as GET /openid/v1/jwks answers them. */
export function publicKeys(key: SigningKey): { keys: object[] } {
  const { kty, crv, x, y } = key.publicKey.export({ format: 'jwk' })
  return { keys: [{ use: 'sig', kty, kid: key.id, crv, alg: 'ES256', x, y }] }
}

export function serviceAccountName(namespace: string, name: string): string {
  return `system:serviceaccount:${namespace}:${name}`
}

/** Who issued it, unverified: only to choose the way to verify it. */
export function issuerOf(token: string): string | undefined {
  const part = token.split('.')[1]
  if (part === undefined) return undefined
  try {
    const payload: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    const issuer = typeof payload === 'object' && payload !== null ? Reflect.get(payload, 'iss') : undefined
    return typeof issuer === 'string' ? issuer : undefined
  } catch {
    return undefined
  }
}

async function claimsOf(verified: Promise<{ payload: JWTPayload }>): Promise<JWTPayload | undefined> {
  try {
    return (await verified).payload
  } catch {
    // Whatever is wrong with a token, its bearer learns only that it is not accepted.
    return undefined
  }
}

function isServiceAccountClaims(value: unknown): value is ServiceAccountClaims {
  if (typeof value !== 'object' || value === null) return false
  const { namespace, serviceaccount } = value as Record<string, unknown>
  return typeof namespace === 'string' && isReference(serviceaccount)
}

function isReference(value: unknown): value is ObjectReference {
  if (typeof value !== 'object' || value === null) return false
  const { name, uid } = value as Record<string, unknown>
  return typeof name === 'string' && typeof uid === 'string'
}
