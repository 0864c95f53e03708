/** POST serviceaccounts/NAME/token: a token for a service account, bound to a pod, a secret or a node if so wished. */
import { invalid, invalidError } from '../../../core/field-errors.ts'
import type { AuthenticationTokenRequest, BoundObjectReference, Pod } from '../../../core/kinds/types.ts'
import type { KubeObject } from '../../../core/object.ts'
import { timestamp } from '../../../core/ports.ts'
import { decode } from '../../../core/validate.ts'
import type { Entry, StoreApi } from '../../../store/store.ts'
import { admit } from '../admit.ts'
import { valueAnswer } from '../answers.ts'
import { bodyOf, readObject } from '../body.ts'
import { badRequest, conflict, notFound } from '../failures.ts'
import type { SigningKey } from '../keys.ts'
import {
  EXTENDABLE_SECONDS,
  EXTENDED_SECONDS,
  SERVICE_ACCOUNT_ISSUER,
  type ServiceAccountClaims,
  signServiceAccountToken
} from '../tokens.ts'
import type { ResourceHandler } from '../types.ts'

const KIND = {
  group: 'authentication.k8s.io',
  version: 'v1',
  kind: 'TokenRequest',
  schema: 'io.k8s.api.authentication.v1.TokenRequest'
} as const
const DEFAULT_SECONDS = 3600
const MIN_SECONDS = 600
const MAX_SECONDS = 2 ** 32

type Claims = { -readonly [K in keyof ServiceAccountClaims]: ServiceAccountClaims[K] }

export function tokenHandler(key: SigningKey): ResourceHandler {
  return async (at, context) => {
    const { namespace = '', name = '' } = at
    const { store, ports } = context
    const value = readObject(await bodyOf(at.request), KIND)
    const request = decode(KIND, value).object as unknown as AuthenticationTokenRequest
    const account = await store.get('serviceaccounts', `${namespace}/${name}`)
    if (account === undefined) throw notFound({ group: '', resource: 'serviceaccounts' }, name)
    prepare(request, { name, namespace })
    const what = {
      operation: 'CREATE',
      name,
      object: request as unknown as KubeObject,
      old: undefined,
      dryRun: at.request.query.has('dryRun')
    } as const
    await admit('mutate', at, { context, what })
    check(request)
    await admit('validate', at, { context, what })
    const claims: Claims = { namespace, serviceaccount: { name, uid: account.value.metadata.uid ?? '' } }
    await bind(claims, request.spec.boundObjectRef ?? undefined, store)
    const { audiences, expirationSeconds = DEFAULT_SECONDS } = request.spec
    const now = Math.floor(ports.clock.now() / 1000)
    let expiresSeconds = expirationSeconds
    // The volume of every pod asks for exactly this; old clients in it never read their token again.
    if (
      expirationSeconds === EXTENDABLE_SECONDS &&
      audiences.every((audience) => audience === SERVICE_ACCOUNT_ISSUER)
    ) {
      expiresSeconds = EXTENDED_SECONDS
      claims.warnafter = now + expirationSeconds
    }
    const { token } = await signServiceAccountToken(key, { claims, audiences, expiresSeconds, ports })
    return valueAnswer(201, {
      kind: KIND.kind,
      apiVersion: `${KIND.group}/${KIND.version}`,
      metadata: { name, namespace, uid: ports.ids.uid(), creationTimestamp: timestamp(now * 1000) },
      spec: { audiences, expirationSeconds, boundObjectRef: request.spec.boundObjectRef ?? null },
      status: { token, expirationTimestamp: timestamp((now + expirationSeconds) * 1000) }
    })
  }
}

function prepare(request: AuthenticationTokenRequest, at: { name: string; namespace: string }): void {
  const { metadata } = request
  if (metadata?.name !== undefined && metadata.name !== '' && metadata.name !== at.name)
    throw invalidError(KIND, at.name, [
      invalid('metadata.name', metadata.name, 'must match the service account name if specified')
    ])
  if (metadata?.namespace !== undefined && metadata.namespace !== '' && metadata.namespace !== at.namespace)
    throw invalidError(KIND, at.name, [
      invalid('metadata.namespace', metadata.namespace, 'must match the service account namespace if specified')
    ])
  request.metadata = { ...metadata, ...at }
  request.spec ??= { audiences: [] }
  request.spec.expirationSeconds ??= DEFAULT_SECONDS
  if ((request.spec.audiences ?? []).length === 0) request.spec.audiences = [SERVICE_ACCOUNT_ISSUER]
}

function check({ spec }: AuthenticationTokenRequest): void {
  const seconds = spec.expirationSeconds ?? DEFAULT_SECONDS
  const fail = (detail: string) => invalidError(KIND, '', [invalid('spec.expirationSeconds', seconds, detail)])
  if (seconds < MIN_SECONDS) throw fail('may not specify a duration less than 10 minutes')
  if (seconds > MAX_SECONDS) throw fail('may not specify a duration larger than 2^32 seconds')
}

/** Ties the token's life to the object's. */
async function bind(claims: Claims, ref: BoundObjectReference | undefined, store: StoreApi): Promise<void> {
  if (ref === undefined) return
  const { apiVersion = '', kind = '', name = '' } = ref
  const { namespace } = claims
  switch (`${apiVersion}/${kind}`) {
    case 'v1/Pod': {
      const entry = await bound(store, { resource: 'pods', key: `${namespace}/${name}` }, ref)
      const { spec } = entry.value as unknown as Pod
      const account = claims.serviceaccount.name
      if (spec?.serviceAccountName !== account)
        throw badRequest(
          `cannot bind token for serviceaccount "${account}" to pod running with different serviceaccount name.`
        )
      claims.pod = { name, uid: entry.value.metadata.uid ?? '' }
      const node = spec.nodeName ?? ''
      if (node !== '') claims.node = withUid(node, await store.get('nodes', node))
      return
    }
    case 'v1/Secret': {
      const entry = await bound(store, { resource: 'secrets', key: `${namespace}/${name}` }, ref)
      claims.secret = { name, uid: entry.value.metadata.uid ?? '' }
      return
    }
    case 'v1/Node':
      claims.node = withUid(name, await bound(store, { resource: 'nodes', key: name }, ref))
      return
    default: {
      const group = apiVersion.includes('/') ? apiVersion : `/${apiVersion}`
      throw badRequest(`cannot bind token to object of type ${group}, Kind=${kind}`)
    }
  }
}

function withUid(name: string, node: Entry | undefined): { name: string; uid?: string } {
  const uid = node?.value.metadata.uid
  return uid === undefined ? { name } : { name, uid }
}

async function bound(
  store: StoreApi,
  at: { resource: string; key: string },
  { name = '', uid = '', kind = '' }: BoundObjectReference
): Promise<Entry> {
  const entry = await store.get(at.resource, at.key)
  if (entry === undefined) throw notFound({ group: '', resource: at.resource }, name)
  if (uid !== '' && uid !== entry.value.metadata.uid)
    throw conflict(
      { group: '', resource: kind },
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`
    )
  return entry
}
