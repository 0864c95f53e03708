/** Services. Addresses and node ports are handed out elsewhere (admission); here is everything about them but that. */
import { age } from '../duration.ts'
import type { KubeObject } from '../object.ts'
import type { Kind, Rules } from './kind.ts'
import { row } from './row.ts'
import { defaultFamilies, defaultService } from './service-defaults.ts'
import { prepareServiceUpdate, validateServiceUpdate } from './service-update.ts'
import { validateLoadBalancerStatus, validateService } from './service-validate.ts'
import { serviceWarnings } from './service-warnings.ts'
import { labelsText } from './template-cells.ts'
import type { LoadBalancerStatus, Service, ServicePort, ServiceSpec } from './types.ts'

const asService = (object: KubeObject) => object as unknown as Service
const NONE = '<none>'

const rules: Rules = {
  name: 'label1035',
  defaults: (object) => defaultService(asService(object)),
  prepareCreate: (object) => {
    object.status = { loadBalancer: {} }
    defaultFamilies(asService(object).spec ?? {})
  },
  prepareUpdate: (next, old) => {
    next.status = old.status
    prepareServiceUpdate(asService(next), asService(old))
  },
  prepareStatus: (next, old) => {
    next.spec = old.spec
  },
  validate: (object) => validateService(asService(object)),
  metadataOnUpdate: 'also as new',
  validateUpdate: (next, old) => validateServiceUpdate(asService(next), asService(old)),
  validateStatus: (next) => validateLoadBalancerStatus(asService(next)),
  warnings: (object) => serviceWarnings(asService(object)),
  fields: {
    'spec.clusterIP': (object) => asService(object).spec?.clusterIP ?? '',
    'spec.type': (object) => asService(object).spec?.type ?? ''
  },
  cells: (object, now) => {
    const { metadata, spec = {}, status } = asService(object)
    return [
      metadata.name ?? '',
      spec.type ?? '',
      spec.clusterIPs?.[0] || spec.clusterIP || NONE,
      externalAddress(spec, status?.loadBalancer),
      portsText(spec.ports),
      age(metadata.creationTimestamp, now),
      labelsText(spec.selector)
    ]
  }
}

function externalAddress(spec: ServiceSpec, loadBalancer: LoadBalancerStatus | undefined): string {
  const own = spec.externalIPs ?? []
  switch (spec.type) {
    case 'ClusterIP':
    case 'NodePort':
      return own.length === 0 ? NONE : own.join(',')
    case 'LoadBalancer': {
      const given = (loadBalancer?.ingress ?? []).map(({ ip, hostname }) => ip || (hostname ?? '')).filter(Boolean)
      const all = [...new Set(given), ...own]
      return all.length === 0 ? '<pending>' : all.join(',')
    }
    case 'ExternalName':
      return spec.externalName ?? ''
    default:
      return '<unknown>'
  }
}

function portsText(ports: readonly ServicePort[] | undefined): string {
  if (ports === undefined || ports.length === 0) return NONE
  return ports
    .map(({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol ?? ''}`)
    .join(',')
}

export const serviceKinds: readonly Kind[] = [row('v1', 'services', rules)]
