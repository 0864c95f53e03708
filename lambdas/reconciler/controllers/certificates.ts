/** Approves what nodes may ask for themselves, signs what was approved, and clears away what is done with. */
import { X509Certificate } from 'node:crypto'
import { isReason } from '../../../core/errors.ts'
import { certificateSigningRequests, subjectAccessReviews } from '../../../core/kinds/refs.ts'
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from '../../../core/kinds/types.ts'
import type { RunResult } from '../../../core/loop.ts'
import type { Controller, ControllerContext } from '../controller.ts'
import { copyOf, keysOfAll, ownKeys } from '../objects.ts'
import { type AutoApproval, type CertificatePlan, planCertificate } from './certificates-plan.ts'

export function certificateController(): Controller {
  return {
    name: 'certificate-controller',
    watches: { 'certificates.k8s.io/certificatesigningrequests': ownKeys },
    start: ({ reader }) => keysOfAll(reader, certificateSigningRequests),
    reconcile
  }
}

async function reconcile(name: string, context: ControllerContext): Promise<RunResult | undefined> {
  const { client, config, ports } = context
  if (config.signer === undefined) return undefined
  const request = await client.find(certificateSigningRequests, { name })
  if (request === undefined || request.metadata.deletionTimestamp !== undefined) return undefined
  const subject = await config.signer.subjectOf(request.spec.request)
  const certificateEnds = endOf(request.status?.certificate)
  const plan = planCertificate(request, { subject, now: ports.clock.now(), certificateEnds })
  await act(plan, request, context)
  return 'againMs' in plan && plan.againMs !== undefined ? { again: plan.againMs } : undefined
}

/** Of the issued certificate (base64 of PEM), milliseconds since 1970. */
function endOf(certificate: string | undefined): number | undefined {
  if (certificate === undefined || certificate === '') return undefined
  try {
    return Date.parse(new X509Certificate(Buffer.from(certificate, 'base64')).validTo)
  } catch {
    return undefined
  }
}

async function act(plan: CertificatePlan, request: CertificateSigningRequest, context: ControllerContext) {
  const { client, config } = context
  const { name = '' } = request.metadata
  switch (plan.type) {
    case 'nothing':
      return
    case 'delete':
      await client.delete(certificateSigningRequests, { name }).catch((error: unknown) => {
        if (!isReason(error, 'NotFound')) throw error
      })
      return
    case 'approve': {
      const right = await heldRight(plan.rights, request, context)
      if (right === undefined) return
      await write(request, context, {
        subresource: 'approval',
        condition: { type: 'Approved', status: 'True', reason: 'AutoApproved', message: right.message }
      })
      return
    }
    case 'fail':
      await write(request, context, {
        subresource: 'status',
        condition: { type: 'Failed', status: 'True', reason: 'SignerValidationFailure', message: plan.message }
      })
      return
    case 'sign': {
      const { usages = [] } = request.spec
      const pem = await config.signer?.sign(request.spec.request, { usages, seconds: plan.seconds })
      if (pem === undefined) return
      const certificate = Buffer.from(pem).toString('base64')
      await write(request, context, { subresource: 'status', certificate })
    }
  }
}

async function heldRight(
  rights: readonly AutoApproval[],
  { spec }: CertificateSigningRequest,
  { client }: ControllerContext
): Promise<AutoApproval | undefined> {
  for (const right of rights) {
    const { username: user = '', groups = [], uid, extra } = spec
    const resourceAttributes = {
      group: 'certificates.k8s.io',
      version: '*',
      resource: 'certificatesigningrequests',
      subresource: right.subresource,
      verb: 'create'
    }
    const more = { ...(uid === undefined ? {} : { uid }), ...(extra === undefined ? {} : { extra }) }
    const review = { metadata: {}, spec: { user, groups, ...more, resourceAttributes } }
    const answer = await client.create(subjectAccessReviews, review)
    if (answer.status?.allowed === true) return right
  }
  return undefined
}

interface Change {
  readonly subresource: 'approval' | 'status'
  readonly condition?: CertificateSigningRequestCondition
  readonly certificate?: string
}

async function write(
  request: CertificateSigningRequest,
  { client }: ControllerContext,
  { subresource, condition, certificate }: Change
): Promise<void> {
  const next = copyOf(request)
  next.status = {
    ...next.status,
    ...(condition === undefined ? {} : { conditions: [...(next.status?.conditions ?? []), condition] }),
    ...(certificate === undefined ? {} : { certificate })
  }
  await client.update(certificateSigningRequests, next, { subresource })
}
