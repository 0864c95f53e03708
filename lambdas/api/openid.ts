/** What others need to verify the cluster's service account tokens: plain paths and what they answer. */
import type { ApiResponse } from '../../core/http.ts'
import type { SigningKey } from './keys.ts'
import { publicKeys, SERVICE_ACCOUNT_ISSUER } from './tokens.ts'

const KEYS_PATH = '/openid/v1/jwks'

/** By path: the handler of a GET. RBAC decides who may ask (system:service-account-issuer-discovery). */
export function openIdPaths(key: SigningKey): Readonly<Record<string, () => ApiResponse>> {
  const json = (value: object, type: string): (() => ApiResponse) => {
    const text = JSON.stringify(value)
    return () => ({
      status: 200,
      headers: { 'content-type': type, 'cache-control': 'public, max-age=3600' },
      body: { text }
    })
  }
  return {
    [KEYS_PATH]: json(publicKeys(key), 'application/jwk-set+json'),
    '/.well-known/openid-configuration': json(
      {
        issuer: SERVICE_ACCOUNT_ISSUER,
        jwks_uri: `${SERVICE_ACCOUNT_ISSUER}${KEYS_PATH}`,
        response_types_supported: ['id_token'],
        subject_types_supported: ['public'],
        id_token_signing_alg_values_supported: ['ES256']
      },
      'application/json'
    )
  }
}
