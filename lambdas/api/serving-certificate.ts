/** POST /wherry/v1/serving-certificate: a node's certificate for its pods' way to the API (docs/adr/0008-nodes-on-aws.md). */
import { API_SERVER_NAMES, API_SERVICE_IP } from '../../core/cluster-network.ts'
import type { ApiRequest, ApiResponse } from '../../core/http.ts'
import { valueAnswer } from './answers.ts'
import { badRequest } from './failures.ts'
import type { Keys } from './keys.ts'

export const SERVING_CERTIFICATE_PATH = '/wherry/v1/serving-certificate'

/** Renewed when a third of it is left. */
const DAYS = 30
/** A P-256 key has 178 characters. */
const MAX_KEY = 1_000

/**
 * {publicKey: PEM} -> {certificate: PEM}, for the API server's own names, whoever asks; RBAC says who may (nodes, by
 * bootstrap-node-agents.ts).
 */
export function servingCertificate(
  keys: Pick<Keys, 'certifyServingKey'>
): (request: ApiRequest) => Promise<ApiResponse> {
  return async (request) => {
    const publicKey = publicKeyOf(request)
    const name = { commonName: 'kube-apiserver', hosts: [...API_SERVER_NAMES, API_SERVICE_IP], days: DAYS }
    const certificate = await keys.certifyServingKey(publicKey, name).catch(() => {
      throw badRequest('publicKey is no P-256 public key in PEM')
    })
    return valueAnswer(200, { certificate })
  }
}

function publicKeyOf({ body }: ApiRequest): string {
  let value: unknown
  try {
    value = body === undefined ? {} : 'value' in body ? body.value : JSON.parse(Buffer.from(body.bytes).toString())
  } catch {
    throw badRequest('the body is no JSON')
  }
  const { publicKey } = (value ?? {}) as { publicKey?: unknown }
  if (typeof publicKey !== 'string' || publicKey.length > MAX_KEY) throw badRequest('the body has no publicKey')
  return publicKey
}
