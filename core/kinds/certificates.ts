/** CertificateSigningRequests: made by those who need a certificate, approved and signed along paths of their own. */
import { age, humanDuration } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { duplicate, forbidden, invalid, notSupported, required, tooLong } from '../field-errors.ts'
import { goQuote } from '../go-text.ts'
import { byteLength, isDNS1123Label, isDNS1123Subdomain } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { timestamp } from '../ports.ts'
import { unifiedDiff } from '../unified-diff.ts'
import { certificateRequestProblem, issuedCertificateProblem } from './certificate-request.ts'
import { type Errors, sameValue } from './checks.ts'
import { goStruct } from './go-structs.ts'
import type { Kind, Rules } from './kind.ts'
import { row } from './row.ts'
import type { CertificateSigningRequest, CertificateSigningRequestCondition as Condition } from './types.ts'

const asRequest = (object: KubeObject) => object as unknown as CertificateSigningRequest

const USAGES = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping'
]
const LEAST_SECONDS = 600
const LEGACY_SIGNER = 'kubernetes.io/legacy-unknown'
/** These are said once and for good: their status can only be True. */
const DECISIONS = ['Approved', 'Denied', 'Failed']

export function checkSignerName(name: string, path: string, errors: Errors): void {
  if (!name) {
    errors.push(required(path))
    return
  }
  const [domain = '', signer = '', ...rest] = name.split('/')
  if (!name.includes('/') || rest.length > 0) {
    errors.push(invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'"))
    return
  }
  if (byteLength(domain) > 253) errors.push(tooLong(path, 253))
  const labels = domain.split('.')
  const check = (value: string, parts: readonly string[], isRight: (text: string) => readonly string[]) => {
    const wrong = parts.find((part) => isRight(part).length > 0)
    if (wrong === undefined) return
    for (const problem of isRight(wrong))
      errors.push(invalid(path, value, `validating label ${goQuote(wrong)}: ${problem}`))
  }
  check(domain, labels, isDNS1123Label)
  if (labels.length < 2)
    errors.push(invalid(path, domain, 'should be a domain with at least two segments separated by dots'))
  check(signer, signer.split('.'), isDNS1123Subdomain)
  if (byteLength(name) > 571) errors.push(tooLong(path, 571))
}

function hasTwice(list: readonly string[]): boolean {
  return new Set(list).size < list.length
}

const conditionsOf = (request: CertificateSigningRequest | undefined) => request?.status?.conditions ?? []

function checkSpec({ spec }: CertificateSigningRequest, old: CertificateSigningRequest | undefined, errors: Errors) {
  const problem = certificateRequestProblem(spec.request)
  if (problem !== undefined) errors.push(invalid('spec.request', spec.request, problem))
  const usages = spec.usages ?? []
  const before = old?.spec.usages ?? []
  if (usages.length === 0) errors.push(required('spec.usages'))
  if (before.every((usage) => USAGES.includes(usage)))
    usages.forEach((usage, i) => {
      if (!USAGES.includes(usage)) errors.push(notSupported(`spec.usages[${i}]`, usage, USAGES))
    })
  if (!hasTwice(before))
    usages.forEach((usage, i) => {
      if (usages.indexOf(usage) < i) errors.push(duplicate(`spec.usages[${i}]`, usage))
    })
  if (spec.signerName === LEGACY_SIGNER && old?.spec.signerName !== LEGACY_SIGNER)
    errors.push(
      invalid('spec.signerName', spec.signerName, 'the legacy signerName is not allowed via this API version')
    )
  else checkSignerName(spec.signerName, 'spec.signerName', errors)
  const seconds = spec.expirationSeconds
  if (seconds !== undefined && seconds < LEAST_SECONDS)
    errors.push(
      invalid('spec.expirationSeconds', seconds, 'may not specify a duration less than 600 seconds (10 minutes)')
    )
}

function checkConditions(
  request: CertificateSigningRequest,
  old: CertificateSigningRequest | undefined,
  errors: Errors
): void {
  const path = 'status.conditions'
  const types = conditionsOf(old).map(({ type }) => type)
  const lenient = {
    both: types.includes('Approved') && types.includes('Denied'),
    twice: hasTwice(types),
    empty: types.includes('')
  }
  const seen = new Set<string>()
  conditionsOf(request).forEach(({ type, status }, i) => {
    const at = `${path}[${i}]`
    if (!type && !lenient.empty) errors.push(required(`${at}.type`))
    const allowed = DECISIONS.includes(type) ? ['True'] : ['False', 'True', 'Unknown']
    if (!status) errors.push(required(`${at}.status`))
    else if (!allowed.includes(status)) errors.push(notSupported(`${at}.status`, status, allowed))
    const other = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined
    if (other !== undefined && !lenient.both && seen.has(other))
      errors.push(invalid(path, type, 'Approved and Denied conditions are mutually exclusive'))
    if (!lenient.twice && seen.has(type)) errors.push(duplicate(`${at}.type`, type))
    seen.add(type)
  })
}

function validateRequest(request: CertificateSigningRequest, old?: CertificateSigningRequest): FieldError[] {
  const errors: FieldError[] = []
  checkSpec(request, old, errors)
  checkConditions(request, old, errors)
  const { certificate } = request.status ?? {}
  if (certificate && certificate !== old?.status?.certificate) {
    const problem = issuedCertificateProblem(certificate)
    if (problem !== undefined) errors.push(invalid('status.certificate', '<certificate data>', problem))
  }
  return errors
}

/** What a path may change. */
interface Rights {
  readonly approval: boolean
  readonly certificate: boolean
}

function validateChange(nextObject: KubeObject, oldObject: KubeObject, rights: Rights): FieldError[] {
  const [next, old] = [asRequest(nextObject), asRequest(oldObject)]
  const errors = validateRequest(next, old)
  const path = 'status.conditions'
  const of = (request: CertificateSigningRequest, type: string) =>
    conditionsOf(request).filter((condition) => condition.type === type)
  for (const type of DECISIONS)
    if (of(next, type).length < of(old, type).length)
      errors.push(forbidden(path, `updates may not remove a condition of type ${goQuote(type)}`))
  if (!rights.approval)
    for (const type of ['Approved', 'Denied']) {
      const [now, before] = [of(next, type), of(old, type)]
      if (now.length > before.length)
        errors.push(forbidden(path, `updates may not add a condition of type ${goQuote(type)}`))
      else if (now.length === before.length && !sameValue(now, before)) {
        const shown = [before, now].map((list) => list.map((one) => goStruct('CertificateCondition', one)))
        const diff = unifiedDiff(shown[0], shown[1])
        errors.push(forbidden(path, `updates may not modify a condition of type ${goQuote(type)}\n${diff}`))
      }
    }
  const [certificate = '', before = ''] = [next.status?.certificate, old.status?.certificate]
  if (certificate === before) return errors
  if (!rights.certificate) errors.push(forbidden('status.certificate', 'updates may not set certificate content'))
  else if (before !== '')
    errors.push(forbidden('status.certificate', 'updates may not modify existing certificate content'))
  return errors
}

/** Times that a condition lacks: now, or since when it has been so. */
function fillTimes(next: CertificateSigningRequest, old: CertificateSigningRequest, now: number): void {
  for (const condition of conditionsOf(next)) {
    condition.lastUpdateTime ||= timestamp(now)
    const same = (one: Condition) => one.type === condition.type && one.status === condition.status
    condition.lastTransitionTime ||= conditionsOf(old).find(same)?.lastTransitionTime || timestamp(now)
  }
}

function keepDecisions(next: CertificateSigningRequest, old: CertificateSigningRequest): void {
  for (const type of ['Approved', 'Denied']) {
    const before = conditionsOf(old).filter((one) => one.type === type)
    const now = conditionsOf(next)
    if (now.filter((one) => one.type === type).length !== before.length || next.status === undefined) continue
    let at = 0
    next.status.conditions = now.map((one) => (one.type === type ? (before[at++] ?? one) : one))
  }
}

/** The approval path: only the conditions change. */
export const approval = {
  prepare: (next: KubeObject, old: KubeObject, now: number): void => {
    fillTimes(asRequest(next), asRequest(old), now)
    const conditions = asRequest(next).status?.conditions
    next.spec = old.spec
    next.status = { ...asRequest(old).status, ...(conditions === undefined ? {} : { conditions }) }
  },
  validate: (next: KubeObject, old: KubeObject): FieldError[] =>
    validateChange(next, old, { approval: true, certificate: false })
}

function statusText({ status = {} }: CertificateSigningRequest): string {
  const has = (type: string) => status.conditions?.some((one) => one.type === type) === true
  const decision = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending'
  return `${decision}${has('Failed') ? ',Failed' : ''}${status.certificate ? ',Issued' : ''}`
}

const rules: Rules = {
  name: 'path',
  prepareCreate: (object) => {
    object.status = {}
  },
  prepareUpdate: (next, old) => {
    next.spec = old.spec
    next.status = old.status
  },
  prepareStatus: (next, old, { now }) => {
    next.spec = old.spec
    keepDecisions(asRequest(next), asRequest(old))
    fillTimes(asRequest(next), asRequest(old), now)
  },
  validate: (object, old) => (old === undefined ? validateRequest(asRequest(object)) : []),
  validateUpdate: (next, old) => validateChange(next, old, { approval: false, certificate: false }),
  validateStatus: (next, old) => validateChange(next, old, { approval: false, certificate: true }),
  fields: { 'spec.signerName': (object) => asRequest(object).spec?.signerName ?? '' },
  cells: (object, now) => {
    const request = asRequest(object)
    const { metadata, spec } = request
    return [
      metadata.name ?? '',
      age(metadata.creationTimestamp, now),
      spec?.signerName || '<none>',
      spec?.username ?? '',
      spec?.expirationSeconds === undefined ? '<none>' : humanDuration(spec.expirationSeconds * 1000),
      statusText(request)
    ]
  }
}

export const certificateKinds: readonly Kind[] = [row('certificates.k8s.io/v1', 'certificatesigningrequests', rules)]
