/**
 * The bearer token of AWS principals (core/aws-token.ts), as its receiver sees it: a URL of STS that somebody else has
 * signed. Before anything is sent, it must be exactly GetCallerIdentity, at STS, signed for this cluster and not too
 * old; whatever else it says is refused. The rules are those of aws-iam-authenticator (pkg/token/token.go). Pure.
 */
import { CLUSTER_HEADER, TOKEN_LIFE_MS, TOKEN_PREFIX } from '../../core/aws-token.ts'

/** What is sent to STS, and until when its answer can be relied on (milliseconds since 1970). */
export interface StsRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly expires: number
}

/** Whom STS takes the signer for. */
export interface Caller {
  readonly arn: string
  readonly account: string
  readonly userId: string
}

export interface StsRules {
  /** The cluster's name: a token for another one is not accepted. */
  readonly cluster: string
  /** An emulator's URL, which is asked instead of AWS. */
  readonly emulator: string | undefined
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Presigned URLs with a session's token have about 2 KB. */
const MAX_TOKEN = 8 * 1024
/** A signer's clock may be ahead by so much, as STS allows. */
const SKEW_MS = 5 * 60_000
const MAX_EXPIRES_SECONDS = 900

/** STS' hosts: global, of a region, with FIPS or IPv6 endpoints, and China's. */
const STS_HOST =
  /^sts(-fips)?(\.[a-z]{2}(-[a-z]+)+-\d)?\.amazonaws\.com(\.cn)?$|^sts(-fips)?\.[a-z]{2}(-[a-z]+)+-\d\.api\.(aws|amazonwebservices\.com\.cn)$/

/** Each may come once, in whatever case; nothing else may come. */
const PARAMETERS = new Set([
  'action',
  'version',
  'x-amz-algorithm',
  'x-amz-credential',
  'x-amz-date',
  'x-amz-expires',
  'x-amz-security-token',
  'x-amz-signature',
  'x-amz-signedheaders',
  'x-amz-user-agent'
])

/** undefined: the token is not accepted, and STS is not asked. */
export function stsRequestOf(token: string, { cluster, emulator, now }: StsRules): StsRequest | undefined {
  const url = urlOf(token)
  if (url === undefined || !isSts(url, emulator)) return undefined
  const given = parametersOf(url)
  if (given === undefined) return undefined
  const expected = [
    given.get('action') === 'GetCallerIdentity',
    given.get('version') === '2011-06-15',
    given.get('x-amz-algorithm') === 'AWS4-HMAC-SHA256',
    /^[0-9a-f]{64}$/.test(given.get('x-amz-signature') ?? ''),
    // The scope of the signature: STS' own, of this day.
    /^\w+\/\d{8}\/[a-z0-9-]+\/sts\/aws4_request$/.test(given.get('x-amz-credential') ?? ''),
    isSignedForCluster(given.get('x-amz-signedheaders') ?? ''),
    isLifetime(given.get('x-amz-expires') ?? '')
  ]
  const signedAt = timeOf(given.get('x-amz-date') ?? '')
  if (expected.includes(false) || signedAt === undefined) return undefined
  // What the URL says of its own end does not bind STS, which takes it for a quarter of an hour.
  const expires = signedAt + TOKEN_LIFE_MS
  if (signedAt > now + SKEW_MS || expires <= now) return undefined
  const headers = { [CLUSTER_HEADER]: cluster, accept: 'application/json' }
  if (emulator === undefined) return { url: `${url.origin}/${url.search}`, headers, expires }
  // What was signed is the name that the signer has for STS.
  return { url: `${new URL(emulator).origin}/${url.search}`, headers: { ...headers, host: url.host }, expires }
}

/** STS' answer, JSON or XML; undefined where it is none. */
export function callerOf(text: string): Caller | undefined {
  const [arn, account, userId] = text.trimStart().startsWith('{') ? fromJson(text) : fromXml(text)
  if (arn === undefined || account === undefined || userId === undefined) return undefined
  return { arn, account, userId }
}

function urlOf(token: string): URL | undefined {
  if (!token.startsWith(TOKEN_PREFIX) || token.length > MAX_TOKEN) return undefined
  const encoded = token.slice(TOKEN_PREFIX.length)
  if (!/^[\w-]+=*$/.test(encoded)) return undefined
  try {
    return new URL(Buffer.from(encoded, 'base64url').toString())
  } catch {
    return undefined
  }
}

function isSts(url: URL, emulator: string | undefined): boolean {
  const bare = url.username === '' && url.password === '' && url.hash === '' && url.pathname === '/'
  if (!bare) return false
  // A name that the one who signs has for the emulator may not be the function's: only its own is ever asked.
  if (emulator !== undefined && url.origin === new URL(emulator).origin) return true
  return url.protocol === 'https:' && url.port === '' && STS_HOST.test(url.hostname)
}

function parametersOf(url: URL): ReadonlyMap<string, string> | undefined {
  const given = new Map<string, string>()
  for (const [name, value] of url.searchParams) {
    const lower = name.toLowerCase()
    if (!PARAMETERS.has(lower) || given.has(lower)) return undefined
    given.set(lower, value)
  }
  return given
}

/** The cluster's name is sent as we know it: a token for another cluster has another signature. */
function isSignedForCluster(signedHeaders: string): boolean {
  const names = signedHeaders.split(';')
  return names.length === 2 && names.includes('host') && names.includes(CLUSTER_HEADER)
}

function isLifetime(text: string): boolean {
  return /^\d{1,3}$/.test(text) && Number(text) <= MAX_EXPIRES_SECONDS
}

/** "20261123T191256Z" */
function timeOf(text: string): number | undefined {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  if (parts === null) return undefined
  const [, year, month, day, hour, minute, second] = parts
  const time = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  return Number.isNaN(time) ? undefined : time
}

type Found = readonly (string | undefined)[]

function fromJson(text: string): Found {
  try {
    const { GetCallerIdentityResponse: response } = JSON.parse(text) as {
      GetCallerIdentityResponse?: { GetCallerIdentityResult?: Partial<Record<'Arn' | 'Account' | 'UserId', string>> }
    }
    const { Arn, Account, UserId } = response?.GetCallerIdentityResult ?? {}
    return [Arn, Account, UserId]
  } catch {
    return []
  }
}

function fromXml(text: string): Found {
  return ['Arn', 'Account', 'UserId'].map((name) => new RegExp(`<${name}>([^<>&]+)</${name}>`).exec(text)?.[1])
}
