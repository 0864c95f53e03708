/** What is to be done about a certificate signing request (pkg/controller/certificates). */
import type { CertificateSubject } from '../../../core/certificate-signer.ts'
import type { CertificateSigningRequest } from '../../../core/kinds/types.ts'

export const CLIENT = 'kubernetes.io/kube-apiserver-client'
export const KUBELET_CLIENT = 'kubernetes.io/kube-apiserver-client-kubelet'
export const KUBELET_SERVING = 'kubernetes.io/kubelet-serving'
const SIGNERS: readonly string[] = [CLIENT, KUBELET_CLIENT, KUBELET_SERVING]

const HOUR_MS = 3_600_000
const DAY_S = 86_400
/** kube-controller-manager's --cluster-signing-duration. */
const MOST_SECONDS = 365 * DAY_S
const LEAST_SECONDS = 600

/** A right that lets a request through without anybody looking: whose, and what is said then. */
export interface AutoApproval {
  readonly subresource: 'selfnodeclient' | 'nodeclient'
  readonly message: string
}

export type CertificatePlan =
  | { readonly type: 'nothing'; readonly againMs?: number }
  | { readonly type: 'delete' }
  /** If the requester holds one of these rights, in this order. */
  | { readonly type: 'approve'; readonly rights: readonly AutoApproval[]; readonly againMs?: number }
  | { readonly type: 'fail'; readonly message: string }
  | { readonly type: 'sign'; readonly seconds: number }

/** `certificateEnds`: of the one that was issued, milliseconds since 1970. */
export function planCertificate(
  request: CertificateSigningRequest,
  { subject, now, certificateEnds }: { subject: CertificateSubject; now: number; certificateEnds: number | undefined }
): CertificatePlan {
  const ends = goneAt(request, certificateEnds)
  if (ends !== undefined && ends <= now) return { type: 'delete' }
  const later = ends === undefined ? {} : { againMs: ends - now }
  const { spec, status } = request
  const has = (type: string) => status?.conditions?.some((one) => one.type === type && one.status === 'True') === true
  if ((status?.certificate ?? '') !== '') return { type: 'nothing', ...later }
  if (!has('Approved') && !has('Denied')) {
    const rights = rightsFor(request, subject)
    return rights.length === 0 ? { type: 'nothing', ...later } : { type: 'approve', rights, ...later }
  }
  if (!has('Approved') || has('Denied') || has('Failed') || !SIGNERS.includes(spec.signerName))
    return { type: 'nothing', ...later }
  const problem = problemOf(request, subject)
  if (problem !== undefined) return { type: 'fail', message: problem }
  return { type: 'sign', seconds: secondsFor(spec.expirationSeconds) }
}

function secondsFor(asked: number | undefined): number {
  return asked === undefined ? MOST_SECONDS : Math.min(Math.max(asked, LEAST_SECONDS), MOST_SECONDS)
}

function rightsFor(request: CertificateSigningRequest, subject: CertificateSubject): readonly AutoApproval[] {
  const { signerName, username, usages } = request.spec
  if (signerName !== KUBELET_CLIENT || kubeletClientProblem(subject, usages ?? []) !== undefined) return []
  const words = 'kubelet client certificate after SubjectAccessReview.'
  const any = { subresource: 'nodeclient', message: `Auto approving ${words}` } as const
  const self = { subresource: 'selfnodeclient', message: `Auto approving self ${words}` } as const
  return username === subject.commonName ? [self, any] : [any]
}

function problemOf({ spec }: CertificateSigningRequest, subject: CertificateSubject): string | undefined {
  const usages = spec.usages ?? []
  switch (spec.signerName) {
    case CLIENT:
      return clientProblem(usages)
    case KUBELET_CLIENT:
      return kubeletClientProblem(subject, usages)
    default:
      return kubeletServingProblem(subject, usages)
  }
}

function clientProblem(usages: readonly string[]): string | undefined {
  const wrong = usages.find((usage) => !['digital signature', 'key encipherment', 'client auth'].includes(usage))
  if (wrong !== undefined) return `invalid usage for client certificate: ${wrong}`
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth'
}

function kubeletClientProblem(subject: CertificateSubject, usages: readonly string[]): string | undefined {
  if (!isOfNodes(subject)) return 'subject organization is not system:nodes'
  if (subject.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed'
  if (subject.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed'
  if (subject.ipAddresses.length > 0) return 'IP subjectAltNames are not allowed'
  if (subject.uris.length > 0) return 'URI subjectAltNames are not allowed'
  if (!subject.commonName.startsWith('system:node:')) return 'subject common name does not begin with system:node:'
  return usagesProblem(usages, 'client auth')
}

function kubeletServingProblem(subject: CertificateSubject, usages: readonly string[]): string | undefined {
  if (!isOfNodes(subject)) return 'subject organization is not system:nodes'
  if (subject.dnsNames.length === 0 && subject.ipAddresses.length === 0) return 'DNS or IP subjectAltName is required'
  if (subject.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed'
  if (subject.uris.length > 0) return 'URI subjectAltNames are not allowed'
  const problem = usagesProblem(usages, 'server auth')
  if (problem !== undefined) return problem
  return subject.commonName.startsWith('system:node:')
    ? undefined
    : 'subject common name does not begin with system:node:'
}

function isOfNodes({ organizations }: CertificateSubject): boolean {
  return organizations.length === 1 && organizations[0] === 'system:nodes'
}

/** Encipherment is for RSA only. */
function usagesProblem(usages: readonly string[], purpose: string): string | undefined {
  const wanted = ['digital signature', 'key encipherment', purpose].sort()
  const given = [...new Set([...usages, 'key encipherment'])].sort()
  return given.join() === wanted.join() ? undefined : `usages did not match [${wanted.join(' ')}]`
}

/** When nobody needs it any more (cleaner.go): decided ones after an hour, others after a day, or with the certificate. */
function goneAt(request: CertificateSigningRequest, certificateEnds: number | undefined): number | undefined {
  const { conditions = [], certificate = '' } = request.status ?? {}
  const since = (type: string) => {
    const found = conditions.find((one) => one.type === type)
    return found === undefined ? undefined : Date.parse(found.lastUpdateTime ?? '') + HOUR_MS
  }
  const decided = [since('Denied'), since('Failed'), certificate === '' ? undefined : since('Approved')]
  const made = Date.parse(request.metadata.creationTimestamp ?? '')
  const pending = conditions.length === 0 ? made + 24 * HOUR_MS : undefined
  const times = [...decided, pending, certificateEnds].filter((at) => at !== undefined && !Number.isNaN(at)) as number[]
  return times.length === 0 ? undefined : Math.min(...times)
}
