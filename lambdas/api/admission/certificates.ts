/** Who asks for a certificate is written into the request; approving and signing need rights on the signer. */
import { goQuote } from '../../../core/go-text.ts'
import { requestedOrganizations } from '../../../core/kinds/certificate-request.ts'
import type { CertificateSigningRequest } from '../../../core/kinds/types.ts'
import type { RbacAuthorizer } from '../authz.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../types.ts'
import { refuse } from './refuse.ts'

const GROUP = 'certificates.k8s.io'
const API_CLIENT = 'kubernetes.io/kube-apiserver-client'

export function certificateAdmission(authorizer: RbacAuthorizer): AdmissionPlugin {
  return {
    name: 'CertificateSigningRequests',
    resources: [`${GROUP}/certificatesigningrequests`],
    async complete(request) {
      const { kind, operation, subresource, object, user } = request
      if (kind.group !== GROUP || operation !== 'CREATE' || subresource !== undefined || object === undefined) return
      const { spec } = object as unknown as Partial<CertificateSigningRequest>
      if (spec === undefined) return
      spec.username = user.username
      if (user.uid === undefined || user.uid === '') delete spec.uid
      else spec.uid = user.uid
      spec.groups = [...user.groups]
      const extra = Object.entries(user.extra ?? {}).map(([key, values]) => [key, [...values]] as [string, string[]])
      if (extra.length === 0) delete spec.extra
      else spec.extra = Object.fromEntries(extra)
    },
    async validate(request) {
      const { kind, subresource, object, old } = request
      if (kind.group !== GROUP || object === undefined) return
      const [next, before] = [object, old] as unknown as (CertificateSigningRequest | undefined)[]
      if (before !== undefined && subresource === 'approval')
        await requireRight(request, authorizer, { verb: 'approve', before })
      if (before !== undefined && subresource === 'status' && isSigning(next, before))
        await requireRight(request, authorizer, { verb: 'sign', before })
      if (request.operation === 'CREATE' && next?.spec.signerName === API_CLIENT) checkSubject(request, next)
    }
  }
}

function isSigning(next: CertificateSigningRequest | undefined, before: CertificateSigningRequest): boolean {
  const failed = (request: CertificateSigningRequest | undefined) =>
    request?.status?.conditions?.some(({ type }) => type === 'Failed') === true
  return (next?.status?.certificate ?? '') !== (before.status?.certificate ?? '') || (failed(next) && !failed(before))
}

/** The right holds for the one signer, or for all of its domain ("example.com/*"). */
async function requireRight(
  request: AdmissionRequest,
  authorizer: RbacAuthorizer,
  { verb, before }: { verb: 'approve' | 'sign'; before: CertificateSigningRequest }
): Promise<void> {
  const { signerName } = before.spec
  for (const name of [signerName, `${signerName.slice(0, signerName.indexOf('/'))}/*`]) {
    const resource = { group: GROUP, version: 'v1', resource: 'signers', name }
    if ((await authorizer.authorize({ user: request.user, verb, resource })).allowed) return
  }
  throw refuse(request, `user not permitted to ${verb} requests with signerName ${goQuote(signerName)}`)
}

/** Nobody becomes an administrator by way of a client certificate. */
function checkSubject(request: AdmissionRequest, { spec }: CertificateSigningRequest): void {
  if (requestedOrganizations(spec.request).includes('system:masters'))
    throw refuse(request, 'use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed')
}
