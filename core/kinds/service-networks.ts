/** ServiceCIDRs and the IPAddresses that are taken of them. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { invalid, required } from '../field-errors.ts'
import { cidrFamily } from '../ip.ts'
import { strictCidrComplaints } from '../ip-strict.ts'
import { isPathSegmentName } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { checkSubdomain, complaints, type Errors, IMMUTABLE, sameValue } from './checks.ts'
import { goStruct } from './go-structs.ts'
import type { Kind, Rules } from './kind.ts'
import { row } from './row.ts'
import { keepMetadataField } from './spec-and-status.ts'
import type { IPAddress, ServiceCIDR } from './types.ts'

const asAddress = (object: KubeObject) => object as unknown as IPAddress
const asNetwork = (object: KubeObject) => object as unknown as ServiceCIDR

function validateAddress(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const parent = asAddress(object).spec?.parentRef
  if (parent === undefined) return [required('spec.parentRef')]
  const { group, resource, name, namespace } = parent
  if (group) checkSubdomain(group, 'spec.parentRef.group', errors)
  for (const [field, value, needed] of [
    ['resource', resource, true],
    ['name', name, true],
    ['namespace', namespace, false]
  ] as const) {
    const path = `spec.parentRef.${field}`
    if (value) errors.push(...complaints(path, value, isPathSegmentName(value)))
    else if (needed) errors.push(required(path))
  }
  return errors
}

const addressRules: Rules = {
  name: 'ip',
  validate: validateAddress,
  validateUpdate: (next, old) => {
    const [now, before] = [asAddress(next).spec?.parentRef, asAddress(old).spec?.parentRef]
    if (sameValue(now, before)) return []
    return [invalid('spec.parentRef', now === undefined ? null : goStruct('ParentReference', now), IMMUTABLE)]
  },
  fields: {
    'spec.parentRef.group': (object) => asAddress(object).spec?.parentRef?.group ?? '',
    'spec.parentRef.resource': (object) => asAddress(object).spec?.parentRef?.resource ?? '',
    'spec.parentRef.namespace': (object) => asAddress(object).spec?.parentRef?.namespace ?? '',
    'spec.parentRef.name': (object) => asAddress(object).spec?.parentRef?.name ?? ''
  },
  cells: (object, now) => {
    const { metadata, spec } = asAddress(object)
    const parent = spec?.parentRef
    const resource = parent?.group ? `${parent.resource}.${parent.group}` : (parent?.resource ?? '')
    const namespace = parent?.namespace ? `/${parent.namespace}` : ''
    return [
      metadata.name ?? '',
      parent === undefined ? '<none>' : `${resource.toLowerCase()}${namespace}/${parent.name}`,
      age(metadata.creationTimestamp, now)
    ]
  }
}

function checkCidrs(cidrs: readonly string[], errors: Errors): void {
  const path = 'spec.cidrs'
  if (cidrs.length === 0) return void errors.push(required(path, 'at least one CIDR required'))
  if (cidrs.length > 2)
    return void errors.push(invalid(path, goStruct('ServiceCIDRSpec', { cidrs }), 'may only hold up to 2 values'))
  cidrs.forEach((cidr, i) => {
    errors.push(...complaints(`${path}[${i}]`, cidr, strictCidrComplaints(cidr)))
  })
  const [first, second] = cidrs.map(cidrFamily)
  if (cidrs.length === 2 && first !== undefined && first === second)
    errors.push(
      invalid(path, cidrs, 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64')
    )
}

const networkRules: Rules = {
  prepareStatus: (next, old) => {
    next.spec = old.spec
    for (const field of ['labels', 'annotations', 'ownerReferences', 'finalizers'] as const)
      keepMetadataField(next, old, field)
  },
  validate: (object, old) => {
    const errors: FieldError[] = []
    if (old === undefined) checkCidrs(asNetwork(object).spec?.cidrs ?? [], errors)
    return errors
  },
  validateUpdate: (next, old) => {
    const errors: FieldError[] = []
    const [now = [], before = []] = [next, old].map((object) => asNetwork(object).spec?.cidrs ?? [])
    const grown = before.length === 1 && now.length === 2
    if (now.length !== before.length && !grown) return [invalid('spec.cidrs', now, IMMUTABLE)]
    before.forEach((cidr, i) => {
      if (cidr !== now[i]) errors.push(invalid(`spec.cidrs[${i}]`, now[i] ?? '', IMMUTABLE))
    })
    if (grown) checkCidrs(now, errors)
    return errors
  },
  cells: (object, now) => {
    const { metadata, spec } = asNetwork(object)
    return [metadata.name ?? '', (spec?.cidrs ?? []).join(','), age(metadata.creationTimestamp, now)]
  }
}

export const serviceNetworkKinds: readonly Kind[] = [
  row('networking.k8s.io/v1', 'ipaddresses', addressRules),
  row('networking.k8s.io/v1', 'servicecidrs', networkRules)
]
