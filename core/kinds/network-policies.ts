import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { checkCidr } from '../ip.ts'
import { isStrictlyWithin, parseCidr } from '../ip-strict.ts'
import { isPortName, isPortNumber } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { selectorText } from './apps.ts'
import { checkLabelSelector, complaints, type Errors } from './checks.ts'
import type { Kind } from './kind.ts'
import { row } from './row.ts'
import type { IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from './types.ts'

const asPolicy = (object: KubeObject) => object as unknown as NetworkPolicy
const PROTOCOLS = ['TCP', 'UDP', 'SCTP']
const TYPES = ['Ingress', 'Egress']

function defaultPolicy(object: KubeObject): void {
  const { spec } = asPolicy(object)
  if (spec === undefined) return
  if ((spec.policyTypes ?? []).length === 0)
    spec.policyTypes = (spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress']
  for (const { ports = [] } of [...(spec.ingress ?? []), ...(spec.egress ?? [])])
    for (const port of ports) port.protocol ??= 'TCP'
}

function checkPort({ protocol, port, endPort }: NetworkPolicyPort, path: string, errors: Errors): void {
  if (protocol !== undefined && !PROTOCOLS.includes(protocol))
    errors.push(notSupported(`${path}.protocol`, protocol, PROTOCOLS))
  const end = `${path}.endPort`
  if (typeof port === 'number') {
    errors.push(...complaints(`${path}.port`, port, isPortNumber(port)))
    if (endPort === undefined) return
    if (endPort < port) errors.push(invalid(end, port, 'must be greater than or equal to `port`'))
    errors.push(...complaints(end, endPort, isPortNumber(endPort)))
    return
  }
  if (endPort !== undefined) {
    const when = port === undefined ? '`port` is not specified' : '`port` is non-numeric'
    errors.push(invalid(end, endPort, `may not be specified when ${when}`))
  }
  if (port !== undefined) errors.push(...complaints(`${path}.port`, port, isPortName(port)))
}

function checkPeer({ podSelector, namespaceSelector, ipBlock }: NetworkPolicyPeer, path: string, errors: Errors): void {
  checkLabelSelector(podSelector, `${path}.podSelector`, errors)
  checkLabelSelector(namespaceSelector, `${path}.namespaceSelector`, errors)
  if (ipBlock !== undefined) checkBlock(ipBlock, `${path}.ipBlock`, errors)
  const selectors = podSelector !== undefined || namespaceSelector !== undefined
  if (!selectors && ipBlock === undefined) errors.push(required(path, 'must specify a peer'))
  if (selectors && ipBlock !== undefined) errors.push(forbidden(path, 'may not specify both ipBlock and another peer'))
}

function checkBlock({ cidr, except = [] }: IPBlock, path: string, errors: Errors): void {
  if (!cidr) {
    errors.push(required(`${path}.cidr`))
    return
  }
  checkCidr(cidr, `${path}.cidr`, errors)
  const outer = parseCidr(cidr)
  if (outer === undefined) return
  except.forEach((text, i) => {
    const at = `${path}.except[${i}]`
    checkCidr(text, at, errors)
    const inner = parseCidr(text)
    if (inner !== undefined && !isStrictlyWithin(inner, outer))
      errors.push(invalid(at, text, 'must be a strict subset of `cidr`'))
  })
}

function validatePolicy(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { podSelector, ingress = [], egress = [], policyTypes = [] } = asPolicy(object).spec ?? {}
  checkLabelSelector(podSelector, 'spec.podSelector', errors)
  const check = (path: string, ports: readonly NetworkPolicyPort[], peers: [string, readonly NetworkPolicyPeer[]]) => {
    ports.forEach((port, i) => {
      checkPort(port, `${path}.ports[${i}]`, errors)
    })
    peers[1].forEach((peer, i) => {
      checkPeer(peer, `${path}.${peers[0]}[${i}]`, errors)
    })
  }
  ingress.forEach(({ ports = [], from = [] }, i) => {
    check(`spec.ingress[${i}]`, ports, ['from', from])
  })
  egress.forEach(({ ports = [], to = [] }, i) => {
    check(`spec.egress[${i}]`, ports, ['to', to])
  })
  if (policyTypes.length > TYPES.length)
    errors.push(invalid('spec.policyTypes', policyTypes, 'may not specify more than two policyTypes'))
  else
    policyTypes.forEach((type, i) => {
      if (!TYPES.includes(type)) errors.push(notSupported(`spec.policyTypes[${i}]`, type, TYPES))
    })
  return errors
}

export const networkPolicyKinds: readonly Kind[] = [
  row('networking.k8s.io/v1', 'networkpolicies', {
    generation: true,
    defaults: defaultPolicy,
    validate: validatePolicy,
    // Kubernetes checks an update twice.
    validateUpdate: validatePolicy,
    cells: (object, now) => {
      const { metadata, spec } = asPolicy(object)
      return [metadata.name ?? '', selectorText(spec?.podSelector) || '<none>', age(metadata.creationTimestamp, now)]
    }
  })
]
