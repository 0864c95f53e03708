/** ID tokens of an OpenID Connect issuer outside the cluster, as kube-apiserver's --oidc-* flags describe it. */
import { readFileSync } from 'node:fs'
import { get } from 'node:https'
import type { JSONWebKeySet, JWTPayload } from 'jose'
import type { UserInfo } from '../../core/http.ts'
import type { Ports } from '../../core/ports.ts'
import type { IssuerVerifier } from './authn.ts'

export interface OidcSettings {
  /** "https://accounts.example.com", as tokens have it in "iss". */
  readonly issuerUrl: string
  /** One of the token's audiences. */
  readonly clientId: string
  /** Default "sub". */
  readonly usernameClaim?: string
  /** Default: nothing before "email", the issuer's URL and # before all others; "-" is nothing. */
  readonly usernamePrefix?: string
  readonly groupsClaim?: string
  readonly groupsPrefix?: string
  /** Claims that a token must have, with these values. */
  readonly requiredClaims?: Readonly<Record<string, string>>
  /** Default RS256. */
  readonly signingAlgorithms?: readonly string[]
  /** A file of certificates (PEM) that the issuer's is signed by; default: the system's. */
  readonly caFile?: string
}

/** Keys that a token names and that are not known are looked for no more often than this. */
const REFRESH_MS = 10_000
const FETCH_MS = 10_000
const MOST_BYTES = 1024 * 1024
/** Verified tokens kept. */
const CACHE_SIZE = 1000

export function oidcVerifier(settings: OidcSettings, ports: Ports): IssuerVerifier {
  const keys = new IssuerKeys(settings, ports)
  const cache = new Map<string, { readonly user: UserInfo; readonly expires: number }>()
  return {
    issuer: settings.issuerUrl,
    async verify(token) {
      const now = ports.clock.now()
      const known = cache.get(token)
      if (known !== undefined) return known.expires > now ? known.user : undefined
      const claims = await verified(token, { settings, keys, now })
      const user = claims === undefined ? undefined : userOf(claims, settings)
      if (claims === undefined || user === undefined) return undefined
      if (cache.size >= CACHE_SIZE) cache.clear()
      cache.set(token, { user, expires: (claims.exp ?? 0) * 1000 })
      return user
    }
  }
}

async function verified(
  token: string,
  { settings, keys, now }: { settings: OidcSettings; keys: IssuerKeys; now: number }
): Promise<JWTPayload | undefined> {
  const { createLocalJWKSet, jwtVerify, errors } = await import('jose')
  const check = async (set: JSONWebKeySet) => {
    const { payload } = await jwtVerify(token, createLocalJWKSet(set), {
      issuer: settings.issuerUrl,
      audience: settings.clientId,
      algorithms: [...(settings.signingAlgorithms ?? ['RS256'])],
      requiredClaims: ['exp'],
      currentDate: new Date(now)
    })
    return payload
  }
  try {
    return await check(await keys.current())
  } catch (error) {
    if (!(error instanceof errors.JWKSNoMatchingKey)) return refused(error, errors.JOSEError)
    try {
      return await check(await keys.refreshed())
    } catch (again) {
      return refused(again, errors.JOSEError)
    }
  }
}

/** A token that is wrong is nobody's; an issuer that does not answer is another matter. */
function refused(error: unknown, wrong: abstract new (...args: never[]) => Error): undefined {
  if (error instanceof wrong) return undefined
  throw error
}

function userOf(claims: JWTPayload, settings: OidcSettings): UserInfo | undefined {
  for (const [name, value] of Object.entries(settings.requiredClaims ?? {}))
    if (claims[name] !== value) return undefined
  const { usernameClaim = 'sub', groupsClaim, groupsPrefix = '' } = settings
  const name = claims[usernameClaim]
  if (typeof name !== 'string' || name === '') return undefined
  if (usernameClaim === 'email' && claims.email_verified !== undefined && claims.email_verified !== true)
    return undefined
  const given = groupsClaim === undefined ? [] : (claims[groupsClaim] ?? [])
  const groups = typeof given === 'string' ? [given] : given
  if (!Array.isArray(groups) || groups.some((group) => typeof group !== 'string')) return undefined
  return {
    username: `${prefixOf(settings, usernameClaim)}${name}`,
    groups: groups.map((group) => `${groupsPrefix}${String(group)}`),
    ...(claims.jti === undefined
      ? {}
      : { extra: { 'authentication.kubernetes.io/credential-id': [`JTI=${claims.jti}`] } })
  }
}

function prefixOf({ usernamePrefix, issuerUrl }: OidcSettings, claim: string): string {
  if (usernamePrefix === '-') return ''
  return usernamePrefix ?? (claim === 'email' ? '' : `${issuerUrl}#`)
}

/** The issuer's public keys, from where its discovery document says. */
class IssuerKeys {
  private readonly settings: OidcSettings
  private readonly ports: Ports
  private readonly authorities: string | undefined
  private known: Promise<JSONWebKeySet> | undefined
  private readAt = Number.NEGATIVE_INFINITY

  constructor(settings: OidcSettings, ports: Ports) {
    this.settings = settings
    this.ports = ports
    this.authorities = settings.caFile === undefined ? undefined : readFileSync(settings.caFile, 'utf8')
  }

  async current(): Promise<JSONWebKeySet> {
    this.known ??= this.read()
    try {
      return await this.known
    } catch (error) {
      this.known = undefined
      throw error
    }
  }

  async refreshed(): Promise<JSONWebKeySet> {
    if (this.ports.clock.now() - this.readAt >= REFRESH_MS) this.known = undefined
    return await this.current()
  }

  private async read(): Promise<JSONWebKeySet> {
    this.readAt = this.ports.clock.now()
    const base = this.settings.issuerUrl.replace(/\/$/, '')
    const document = (await this.fetch(`${base}/.well-known/openid-configuration`)) as {
      jwks_uri?: unknown
      issuer?: unknown
    }
    if (document.issuer !== this.settings.issuerUrl || typeof document.jwks_uri !== 'string')
      throw new Error(`${base} is not the issuer ${this.settings.issuerUrl}`)
    return (await this.fetch(document.jwks_uri)) as JSONWebKeySet
  }

  private fetch(url: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const options = this.authorities === undefined ? {} : { ca: this.authorities }
      const sent = get(url, options, (response) => {
        const chunks: Buffer[] = []
        let size = 0
        response.on('data', (chunk: Buffer) => {
          size += chunk.length
          chunks.push(chunk)
          if (size > MOST_BYTES) sent.destroy(new Error(`${url} answers too much`))
        })
        response.on('error', reject)
        response.on('end', () => {
          if (response.statusCode !== 200) return reject(new Error(`${url} answers ${response.statusCode}`))
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString()))
          } catch (error) {
            reject(error)
          }
        })
      })
      const timer = this.ports.clock.after(FETCH_MS, () => sent.destroy(new Error(`${url} does not answer`)))
      sent.on('error', reject)
      sent.on('close', () => timer.cancel())
    })
  }
}
