/** The certificate under which this node's pods reach the API (docs/adr/0008-nodes-on-aws.md). */
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { ApiError } from '../../core/errors.ts'
import type { Send } from '../../core/http.ts'
import type { Status } from '../../core/kinds/types.ts'

/** PEM. The key never leaves this process. */
export interface ServingCertificate {
  readonly certificate: string
  readonly key: string
  /** Milliseconds since 1970. */
  readonly notAfter: number
}

const PATH = '/wherry/v1/serving-certificate'

/** Throws the API's refusal. */
export async function requestCertificate(send: Send): Promise<ServingCertificate> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { body } = await send({
    method: 'POST',
    path: PATH,
    query: new URLSearchParams(),
    headers: { 'content-type': 'application/json', accept: 'application/json' },
    body: { value: { publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString() } }
  })
  if (!('payload' in body)) throw new ApiError('InternalError', `${PATH} was not answered with an object`)
  const { certificate } = body.payload.value as { certificate?: string }
  if (certificate === undefined) throw ApiError.fromStatus(body.payload.value as Status)
  return {
    certificate,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    notAfter: Date.parse(new X509Certificate(certificate).validTo)
  }
}
