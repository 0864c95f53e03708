/** APIServices and ComponentStatuses: what the control plane says of itself. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { invalid, notSupported, required } from '../field-errors.ts'
import { goQuote } from '../go-text.ts'
import { isDNS1035Label, isDNS1123Subdomain, isPortNumber } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { timestamp } from '../ports.ts'
import { complaints, type Errors } from './checks.ts'
import type { Kind, Rules } from './kind.ts'
import { row } from './row.ts'
import { keepMetadataField } from './spec-and-status.ts'
import type { APIService, APIServiceCondition, ComponentStatus } from './types.ts'

const asService = (object: KubeObject) => object as unknown as APIService
const asComponent = (object: KubeObject) => object as unknown as ComponentStatus

/** Of an API that this server serves itself. `now` in milliseconds. */
export function localAvailable(now: number): APIServiceCondition {
  return {
    type: 'Available',
    status: 'True',
    lastTransitionTime: timestamp(now),
    reason: 'Local',
    message: 'Local APIServices are always available'
  }
}

function validateService(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { metadata, spec = { groupPriorityMinimum: 0, versionPriority: 0 } } = asService(object)
  const { group = '', version = '', groupPriorityMinimum: minimum, versionPriority: priority, caBundle } = spec
  const wanted = `${version}.${group}`
  if ((metadata.name ?? '') !== wanted)
    errors.push(
      invalid('metadata.name', metadata.name ?? '', `must be \`spec.version+"."+spec.group\`: ${goQuote(wanted)}`)
    )
  if (group === '' && version !== 'v1')
    errors.push(required('spec.group', 'only v1 may have an empty group and it better be legacy kube'))
  if (group !== '') errors.push(...complaints('spec.group', group, isDNS1123Subdomain(group)))
  errors.push(...complaints('spec.version', version, isDNS1035Label(version)))
  if (minimum <= 0 || minimum > 20_000)
    errors.push(invalid('spec.groupPriorityMinimum', minimum, 'must be positive and less than 20000'))
  if (priority <= 0 || priority > 1000)
    errors.push(invalid('spec.versionPriority', priority, 'must be positive and less than 1000'))
  if (spec.service !== undefined) {
    checkRemote(asService(object), errors)
    return errors
  }
  if (caBundle) {
    const size = `${Buffer.from(caBundle, 'base64').length} bytes`
    errors.push(invalid('spec.caBundle', size, 'local APIServices may not have a caBundle'))
  }
  if (spec.insecureSkipTLSVerify === true)
    errors.push(invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify'))
  return errors
}

function checkRemote({ spec }: APIService, errors: Errors): void {
  const { namespace, name, port = 443 } = spec?.service ?? {}
  if (!namespace) errors.push(required('spec.service.namespace'))
  if (!name) errors.push(required('spec.service.name'))
  const wrong = isPortNumber(port)
  if (wrong.length > 0) errors.push(invalid('spec.service.port', port, `port is not valid: ${wrong.join(', ')}`))
  if (spec?.insecureSkipTLSVerify === true && spec.caBundle)
    errors.push(invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'))
}

const STATUSES = ['True', 'False', 'Unknown']

const serviceRules: Rules = {
  name: 'path',
  defaults: (object) => {
    const service = asService(object).spec?.service
    if (service !== undefined) service.port ??= 443
  },
  prepareCreate: (object, { now }) => {
    const local = asService(object).spec?.service === undefined
    object.status = local ? { conditions: [localAvailable(now)] } : {}
  },
  prepareUpdate: (next, old) => {
    next.status = old.status
  },
  prepareStatus: (next, old) => {
    next.spec = old.spec
    for (const field of ['labels', 'annotations', 'ownerReferences', 'finalizers'] as const)
      keepMetadataField(next, old, field)
  },
  validate: validateService,
  validateStatus: (next) => {
    const errors: FieldError[] = []
    asService(next).status?.conditions?.forEach(({ status }, i) => {
      if (!STATUSES.includes(status)) errors.push(notSupported(`status.conditions[${i}].status`, status, STATUSES))
    })
    return errors
  },
  cells: (object, now) => {
    const { metadata, spec, status } = asService(object)
    const { service } = spec ?? {}
    const available = status?.conditions?.find(({ type }) => type === 'Available')
    const reason = available?.reason ? ` (${available.reason})` : ''
    return [
      metadata.name ?? '',
      service === undefined ? 'Local' : `${service.namespace ?? ''}/${service.name ?? ''}`,
      available === undefined ? 'Unknown' : available.status === 'True' ? 'True' : `${available.status}${reason}`,
      age(metadata.creationTimestamp, now)
    ]
  }
}

/** Never stored: they are asked at each request. */
export const COMPONENTS: readonly KubeObject[] = ['scheduler', 'etcd-0', 'controller-manager'].map((name) => ({
  kind: 'ComponentStatus',
  apiVersion: 'v1',
  metadata: { name },
  conditions: [{ type: 'Healthy', status: 'True', message: 'ok' }]
}))

export const selfDescribingKinds: readonly Kind[] = [
  {
    ...row('apiregistration.k8s.io/v1', 'apiservices', serviceRules),
    schema: 'io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService'
  },
  row('v1', 'componentstatuses', {
    cells: (object) => {
      const { metadata, conditions = [] } = asComponent(object)
      const healthy = conditions.find(({ type }) => type === 'Healthy')
      const status = healthy === undefined ? 'Unknown' : healthy.status === 'True' ? 'Healthy' : 'Unhealthy'
      return [metadata.name ?? '', status, healthy?.message ?? '', healthy?.error ?? '']
    }
  })
]
