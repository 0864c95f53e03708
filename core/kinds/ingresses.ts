/** Ingresses and their classes. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { forbidden, invalid, notSupported, required, tooLong } from '../field-errors.ts'
import { checkIp, ipFamily } from '../ip.ts'
import {
  byteLength,
  isDNS1035Label,
  isDNS1123Subdomain,
  isPathSegmentName,
  isPortName,
  isPortNumber,
  isWildcardDNS1123Subdomain
} from '../names.ts'
import type { KubeObject } from '../object.ts'
import { checkDomainPath, checkLabel, checkSubdomain, complaints, type Errors, IMMUTABLE } from './checks.ts'
import type { Kind, Rules } from './kind.ts'
import { row } from './row.ts'
import { specAndStatus } from './spec-and-status.ts'
import type {
  HTTPIngressPath,
  Ingress,
  IngressBackend,
  IngressClass,
  IngressClassParametersReference,
  IngressRule,
  IngressTLS,
  TypedLocalObjectReference
} from './types.ts'

const asIngress = (object: KubeObject) => object as unknown as Ingress
const asClass = (object: KubeObject) => object as unknown as IngressClass

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class'
const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix']
const BAD_SEQUENCES = ['//', '/./', '/../', '%2f', '%2F']
const BAD_ENDINGS = ['/..', '/.']
const MOST_CONTROLLER = 250
const SCOPES = ['Cluster', 'Namespace']

// --- Ingresses

/** What an old Ingress may go on having, since former versions let it in. */
interface Leniency {
  readonly errors: Errors
  readonly anySecretName: boolean
  readonly anyWildcardRule: boolean
}

function checkHost(host: string, path: string, errors: Errors): void {
  const check = host.includes('*') ? isWildcardDNS1123Subdomain : isDNS1123Subdomain
  errors.push(...complaints(path, host, check(host)))
}

function checkTls({ hosts = [], secretName }: IngressTLS, path: string, { errors, anySecretName }: Leniency): void {
  hosts.forEach((host, i) => {
    checkHost(host, `${path}.hosts[${i}]`, errors)
  })
  if (secretName && !anySecretName) checkSubdomain(secretName, `${path}.secretName`, errors)
}

function checkRule({ host, http }: IngressRule, path: string, { errors, anyWildcardRule }: Leniency): void {
  if (host) {
    if (ipFamily(host) !== undefined)
      errors.push(invalid(`${path}.host`, host, 'must be a DNS name, not an IP address'))
    checkHost(host, `${path}.host`, errors)
    if (host.includes('*') && anyWildcardRule) return
  }
  if (http !== undefined) checkHttp(http.paths ?? [], `${path}.http.paths`, errors)
}

function checkHttp(paths: readonly HTTPIngressPath[], path: string, errors: Errors): void {
  if (paths.length === 0) errors.push(required(path))
  paths.forEach((one, i) => {
    checkPath(one, `${path}[${i}]`, errors)
  })
}

function checkPath({ path: value = '', pathType, backend }: HTTPIngressPath, path: string, errors: Errors): void {
  if (!pathType) {
    errors.push(required(`${path}.pathType`, 'pathType must be specified'))
    return
  }
  const at = `${path}.path`
  const refuse = (why: string) => void errors.push(invalid(at, value, why))
  if (pathType === 'Exact' || pathType === 'Prefix') {
    if (!value.startsWith('/')) refuse('must be an absolute path')
    for (const bad of BAD_SEQUENCES) if (value.includes(bad)) refuse(`must not contain '${bad}'`)
    for (const bad of BAD_ENDINGS) if (value.endsWith(bad)) refuse(`cannot end with '${bad}'`)
  } else if (pathType === 'ImplementationSpecific') {
    if (value !== '' && !value.startsWith('/')) refuse('must be an absolute path')
  } else errors.push(notSupported(`${path}.pathType`, pathType, PATH_TYPES))
  checkBackend(backend, `${path}.backend`, errors)
}

function checkBackend({ resource, service }: IngressBackend, path: string, errors: Errors): void {
  const refuse = (why: string) => void errors.push(invalid(path, '', why))
  if (resource !== undefined && service !== undefined) refuse('cannot set both resource and service backends')
  else if (resource !== undefined) checkReference(resource, `${path}.resource`, errors)
  else if (service !== undefined) {
    const { name, port = {} } = service
    if (!name) errors.push(required(`${path}.service.name`))
    else errors.push(...complaints(`${path}.service.name`, name, isDNS1035Label(name)))
    if (port.name && port.number) refuse('cannot set both port name & port number')
    else if (port.name) errors.push(...complaints(`${path}.service.port.name`, port.name, isPortName(port.name)))
    else if (port.number)
      errors.push(...complaints(`${path}.service.port.number`, port.number, isPortNumber(port.number)))
    else errors.push(required(path, 'port name or number is required'))
  } else refuse('resource or service backend is required')
}

function checkReference({ apiGroup, kind, name }: TypedLocalObjectReference, path: string, errors: Errors): void {
  if (apiGroup !== undefined) checkSubdomain(apiGroup, `${path}.apiGroup`, errors)
  for (const [field, value] of [
    ['kind', kind],
    ['name', name]
  ] as const) {
    if (!value) errors.push(required(`${path}.${field}`))
    else errors.push(...complaints(`${path}.${field}`, value, isPathSegmentName(value)))
  }
}

function validateIngress(object: KubeObject, old?: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { metadata, spec = {} } = asIngress(object)
  const before = old === undefined ? undefined : asIngress(old).spec
  const { rules = [], tls = [], defaultBackend, ingressClassName } = spec
  const leniency: Leniency = {
    errors,
    anySecretName:
      before?.tls?.some(({ secretName }) => secretName && isDNS1123Subdomain(secretName).length > 0) === true,
    anyWildcardRule: before?.rules?.some((rule) => isWrongWildcard(rule)) === true
  }
  if (rules.length === 0 && defaultBackend === undefined)
    errors.push(invalid('spec', spec.rules ?? null, 'either `defaultBackend` or `rules` must be specified'))
  if (defaultBackend !== undefined) checkBackend(defaultBackend, 'spec.defaultBackend', errors)
  rules.forEach((rule, i) => {
    checkRule(rule, `spec.rules[${i}]`, leniency)
  })
  tls.forEach((one, i) => {
    checkTls(one, `spec.tls[${i}]`, leniency)
  })
  if (ingressClassName !== undefined) checkSubdomain(ingressClassName, 'spec.ingressClassName', errors)
  const annotated = metadata.annotations?.[CLASS_ANNOTATION]
  if (old === undefined && annotated !== undefined && ingressClassName !== undefined && annotated !== ingressClassName)
    errors.push(
      invalid(`annotations.${CLASS_ANNOTATION}`, annotated, 'must match `ingressClassName` when both are specified')
    )
  return errors
}

function isWrongWildcard({ host, http }: IngressRule): boolean {
  if (host?.includes('*') !== true || http === undefined) return false
  const errors: FieldError[] = []
  checkHttp(http.paths ?? [], '', errors)
  return errors.length > 0
}

function validateStatus(next: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  asIngress(next).status?.loadBalancer?.ingress?.forEach(({ ip, hostname }, i) => {
    const path = `status.loadBalancer.ingress[${i}]`
    if (ip) checkIp(ip, `${path}.ip`, errors)
    if (!hostname) return
    checkSubdomain(hostname, `${path}.hostname`, errors)
    if (ipFamily(hostname) !== undefined)
      errors.push(invalid(`${path}.hostname`, hostname, 'must be a DNS name, not an IP address'))
  })
  return errors
}

/** Hosts that a table shows. */
const SHOWN = 3

function hostsText(rules: readonly IngressRule[]): string {
  const shown: string[] = []
  let more = false
  for (const { host } of rules) {
    if (shown.length === SHOWN) more = true
    else if (host) shown.push(host)
  }
  if (shown.length === 0) return '*'
  return more ? `${shown.join(',')} + ${rules.length - SHOWN} more...` : shown.join(',')
}

function addressText({ status }: Ingress): string {
  const given = (status?.loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || (hostname ?? ''))
  return [...new Set(given.filter(Boolean))].sort().join(',')
}

const ingressRules: Rules = {
  ...specAndStatus(() => ({ loadBalancer: {} })),
  validate: validateIngress,
  validateStatus,
  warnings: (next, old) => {
    const { metadata, spec } = asIngress(next)
    if (old !== undefined || metadata.annotations?.[CLASS_ANNOTATION] === undefined) return []
    if (spec?.ingressClassName !== undefined) return []
    return [`annotation "${CLASS_ANNOTATION}" is deprecated, please use 'spec.ingressClassName' instead`]
  },
  generation: true,
  cells: (object, now) => {
    const ingress = asIngress(object)
    const { metadata, spec = {} } = ingress
    return [
      metadata.name ?? '',
      spec.ingressClassName ?? '<none>',
      hostsText(spec.rules ?? []),
      addressText(ingress),
      (spec.tls ?? []).length > 0 ? '80, 443' : '80',
      age(metadata.creationTimestamp, now)
    ]
  }
}

// --- Classes

function checkParameters(parameters: IngressClassParametersReference, path: string, errors: Errors): void {
  const { apiGroup, kind, name, scope, namespace } = parameters
  checkReference({ apiGroup, kind, name }, path, errors)
  if (scope === undefined || scope === null) errors.push(required(`${path}.scope`))
  else if (!SCOPES.includes(scope)) errors.push(notSupported(`${path}.scope`, scope, SCOPES))
  else if (scope === 'Namespace') {
    if (namespace === undefined) errors.push(required(`${path}.namespace`, "`parameters.scope` is set to 'Namespace'"))
    else checkLabel(namespace, `${path}.namespace`, errors)
  } else if (namespace !== undefined)
    errors.push(forbidden(`${path}.namespace`, "`parameters.scope` is set to 'Cluster'"))
}

const classRules: Rules = {
  generation: true,
  defaults: (object) => {
    const parameters = asClass(object).spec?.parameters
    if (parameters !== undefined) parameters.scope ??= 'Cluster'
  },
  validate: (object) => {
    const errors: FieldError[] = []
    const { controller = '', parameters } = asClass(object).spec ?? {}
    if (byteLength(controller) > MOST_CONTROLLER) errors.push(tooLong('spec.controller', MOST_CONTROLLER))
    checkDomainPath(controller, 'spec.controller', errors)
    if (parameters !== undefined) checkParameters(parameters, 'spec.parameters', errors)
    return errors
  },
  validateUpdate: (next, old) => {
    const [now = '', before = ''] = [next, old].map((object) => asClass(object).spec?.controller)
    return now === before ? [] : [invalid('spec.controller', now, IMMUTABLE)]
  },
  cells: (object, now) => {
    const { metadata, spec = {} } = asClass(object)
    const { parameters } = spec
    const group = parameters?.apiGroup === undefined ? '' : `.${parameters.apiGroup}`
    return [
      metadata.name ?? '',
      spec.controller ?? '',
      parameters === undefined ? '<none>' : `${parameters.kind}${group}/${parameters.name}`,
      age(metadata.creationTimestamp, now)
    ]
  }
}

export const ingressKinds: readonly Kind[] = [
  row('networking.k8s.io/v1', 'ingresses', ingressRules),
  row('networking.k8s.io/v1', 'ingressclasses', classRules)
]
