/**
 * The bearer token by which AWS principals show who they are, as EKS has it (docs/adr/0006-aws.md): `k8s-aws-v1.` and,
 * in base64url, the presigned URL of STS' GetCallerIdentity with the cluster's name as a signed header. Whoever holds it
 * can ask STS once more who signed it, and nothing else. Pure: given credentials and a time.
 */
import { Sha256 } from '@aws-crypto/sha256-js'
import { SignatureV4 } from '@smithy/signature-v4'

export const TOKEN_PREFIX = 'k8s-aws-v1.'
export const CLUSTER_HEADER = 'x-k8s-aws-id'

/** STS takes a presigned URL for 15 minutes after its date (aws-iam-authenticator, pkg/token/token.go). */
export const TOKEN_LIFE_MS = 15 * 60_000

/** What that URL itself says, as EKS' does; STS does not go by it. */
const EXPIRES_SECONDS = 60

export interface AwsCredentials {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

export interface TokenRequest {
  /** Name of the cluster that is to accept it; another one refuses it. */
  readonly cluster: string
  readonly region: string
  readonly credentials: AwsCredentials
  /** Milliseconds since 1970. */
  readonly now: number
  /** An emulator's URL, which stands for STS. */
  readonly endpoint?: string | undefined
}

export async function signToken(request: TokenRequest): Promise<string> {
  const { cluster, region, credentials, now } = request
  const { host, protocol, origin } = new URL(request.endpoint ?? `https://${stsHost(region)}`)
  const signer = new SignatureV4({ service: 'sts', region, credentials, sha256: Sha256 })
  const signed = await signer.presign(
    {
      method: 'GET',
      protocol,
      hostname: host,
      path: '/',
      query: { Action: 'GetCallerIdentity', Version: '2011-06-15' },
      headers: { host, [CLUSTER_HEADER]: cluster }
    },
    { expiresIn: EXPIRES_SECONDS, signingDate: new Date(now), unhoistableHeaders: new Set([CLUSTER_HEADER]) }
  )
  const query = Object.entries(signed.query ?? {}).map(
    ([name, value]) => `${name}=${encodeURIComponent(String(value))}`
  )
  return TOKEN_PREFIX + Buffer.from(`${origin}/?${query.join('&')}`).toString('base64url')
}

/** China's regions have a domain of their own. */
function stsHost(region: string): string {
  return `sts.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`
}
