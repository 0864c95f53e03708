/** The call of a conversion webhook: a ConversionReview over HTTPS, to a URL or to a Service of the cluster. */
import { request as httpsRequest } from 'node:https'
import { goQuote } from '../../core/go-text.ts'
import { isObject } from '../../core/json.ts'
import type { Service, WebhookConversion } from '../../core/kinds/types.ts'
import type { KubeObject } from '../../core/object.ts'
import type { ApiContext } from './types.ts'

const TIMEOUT_MS = 30_000
const VERSIONS = ['v1', 'v1beta1']
/** Bytes of an answer; Kubernetes takes three megabytes of a request. */
const MOST_BYTES = 64 * 1024 * 1024

export interface ConversionRequest {
  readonly uid: string
  readonly desiredAPIVersion: string
  readonly objects: readonly KubeObject[]
}

export type ConversionAnswer = { readonly objects: readonly unknown[] } | { readonly error: string }

export async function callConversion(
  { clientConfig = {}, conversionReviewVersions }: WebhookConversion,
  request: ConversionRequest,
  context: ApiContext
): Promise<ConversionAnswer> {
  const version = conversionReviewVersions.find((one) => VERSIONS.includes(one))
  if (version === undefined) return { error: 'no supported conversion review versions' }
  const apiVersion = `apiextensions.k8s.io/${version}`
  const target = await targetOf(clientConfig, context)
  if ('error' in target) return target
  const body = JSON.stringify({ kind: 'ConversionReview', apiVersion, request })
  const sent = await post(target, body, clientConfig.caBundle)
  return 'error' in sent ? sent : readAnswer(sent.body, { apiVersion, uid: request.uid, strict: version === 'v1' })
}

interface Target {
  /** As messages name it. */
  readonly url: URL
  /** Where it is reached, where that is not by its name. */
  readonly address?: string
}

async function targetOf(
  { url, service }: NonNullable<WebhookConversion['clientConfig']>,
  { store }: ApiContext
): Promise<Target | { readonly error: string }> {
  if (url !== undefined) return { url: withTimeout(new URL(url)) }
  if (service === undefined) return { error: 'webhook has neither a url nor a service' }
  const { namespace, name, path = '', port = 443 } = service
  const found = (await store.get('services', `${namespace}/${name}`))?.value as unknown as Service | undefined
  if (found === undefined) return { error: `service ${goQuote(name)} not found` }
  const named = withTimeout(
    new URL(`https://${name}.${namespace}.svc:${port}${path.startsWith('/') ? path : `/${path}`}`)
  )
  if (found.spec?.type === 'ExternalName') return { url: named, address: found.spec.externalName ?? '' }
  const address = found.spec?.clusterIP ?? ''
  if (address === '' || address === 'None') return { error: `no endpoints available for service ${goQuote(name)}` }
  return { url: named, address }
}

function withTimeout(url: URL): URL {
  url.searchParams.set('timeout', `${TIMEOUT_MS / 1000}s`)
  return url
}

type Sent = { readonly body: string } | { readonly error: string }

function post({ url, address }: Target, body: string, caBundle: string | undefined): Promise<Sent> {
  const where = goQuote(
    url.port === '' && address !== undefined ? url.href.replace(url.hostname, `${url.hostname}:443`) : url.href
  )
  const port = url.port === '' ? 443 : Number(url.port)
  return new Promise((resolve) => {
    const fail = (why: string) => resolve({ error: `Post ${where}: ${why}` })
    const request = httpsRequest(
      {
        host: address ?? url.hostname.replace(/^\[(.*)\]$/, '$1'),
        port,
        path: url.pathname + url.search,
        method: 'POST',
        servername: url.hostname.startsWith('[') ? '' : url.hostname,
        headers: {
          host: url.host,
          'content-type': 'application/json',
          accept: 'application/json',
          'content-length': Buffer.byteLength(body)
        },
        timeout: TIMEOUT_MS,
        agent: false,
        ...(caBundle ? { ca: Buffer.from(caBundle, 'base64') } : {})
      },
      (response) => {
        const parts: Buffer[] = []
        let size = 0
        response.on('data', (part: Buffer) => {
          size += part.length
          if (size > MOST_BYTES) request.destroy(new Error('the answer is too large'))
          parts.push(part)
        })
        response.on('error', (error) => fail(error.message))
        response.on('end', () => {
          const text = Buffer.concat(parts).toString()
          const { statusCode: status = 0 } = response
          if (status >= 200 && status < 300) return resolve({ body: text })
          resolve({
            error:
              status === 404
                ? 'the server could not find the requested resource'
                : `an error on the server (${goQuote(text.trim())}) has prevented the request from succeeding`
          })
        })
      }
    )
    request.on('timeout', () => request.destroy(new Error('context deadline exceeded')))
    request.on('error', (error: NodeJS.ErrnoException) => fail(reasonOf(error, `${address ?? url.hostname}:${port}`)))
    request.end(body)
  })
}

function reasonOf(error: NodeJS.ErrnoException, address: string): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return `dial tcp ${address}: connect: connection refused`
    case 'ENOTFOUND':
      return `dial tcp: lookup ${address.replace(/:\d+$/, '')}: no such host`
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
      return 'tls: failed to verify certificate: x509: certificate signed by unknown authority'
    default:
      return error.message
  }
}

function readAnswer(
  text: string,
  { apiVersion, uid, strict }: { apiVersion: string; uid: string; strict: boolean }
): ConversionAnswer {
  let review: unknown
  try {
    review = JSON.parse(text)
  } catch {
    return { error: `couldn't get version/kind; json parse error: invalid character in ${goQuote(text.slice(0, 30))}` }
  }
  if (!isObject(review)) return { error: 'no response provided' }
  if (strict && (review.apiVersion !== apiVersion || review.kind !== 'ConversionReview')) {
    const got = `${String(review.apiVersion ?? '')}, Kind=${String(review.kind ?? '')}`
    return { error: `expected webhook response of ${apiVersion}, Kind=ConversionReview, got ${got}` }
  }
  const { response } = review
  if (!isObject(response)) return { error: 'no response provided' }
  if (strict && response.uid !== uid)
    return { error: `expected response.uid=${goQuote(uid)}, got ${goQuote(String(response.uid ?? ''))}` }
  const result = isObject(response.result) ? response.result : {}
  if (result.status !== 'Success') {
    const { message = '' } = result as { message?: string }
    return {
      error: message !== '' ? message : `response.result.status was '${String(result.status ?? '')}', not 'Success'`
    }
  }
  return { objects: Array.isArray(response.convertedObjects) ? response.convertedObjects : [] }
}
