/** Nodes. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { duplicate, forbidden, internal, invalid, required } from '../field-errors.ts'
import { checkCidr, cidrFamily, isDualStack } from '../ip.ts'
import { isConfigMapKey, isDNS1123Label, isDNS1123Subdomain, isLabelValue } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { checkQualifiedName, complaints, type Errors } from './checks.ts'
import { goStruct } from './go-structs.ts'
import { cidrWarnings } from './ip-warnings.ts'
import type { Kind, Rules } from './kind.ts'
import { checkTaintEffect } from './pod-scheduling.ts'
import { checkQuantity } from './resource-rules.ts'
import { row } from './row.ts'
import { dropFields } from './switched-off.ts'
import type { ConfigMapNodeConfigSource, Node, NodeSpec, NodeStatus, NodeSystemInfo, Quantity, Taint } from './types.ts'

const asNode = (object: KubeObject) => object as unknown as Node
const UNSET = null as unknown as string
const ROLE_PREFIX = 'node-role.kubernetes.io/'
const ROLE_LABEL = 'kubernetes.io/role'

const NO_INFO: Readonly<NodeSystemInfo> = {
  architecture: '',
  bootID: '',
  containerRuntimeVersion: '',
  kernelVersion: '',
  kubeProxyVersion: '',
  kubeletVersion: '',
  machineID: '',
  operatingSystem: '',
  osImage: '',
  systemUUID: ''
}

function defaultNode(object: KubeObject): void {
  object.spec ??= {}
  object.status ??= {}
  const spec = object.spec as NodeSpec
  const status = object.status as NodeStatus
  // podCIDR and the first of podCIDRs are one thing.
  if (spec.podCIDR) {
    if (spec.podCIDRs?.[0] !== spec.podCIDR) spec.podCIDRs = [spec.podCIDR]
  } else if (spec.podCIDRs?.[0] !== undefined) spec.podCIDR = spec.podCIDRs[0]
  status.daemonEndpoints ??= {}
  status.daemonEndpoints.kubeletEndpoint ??= { Port: 0 }
  status.nodeInfo = status.nodeInfo === undefined ? { ...NO_INFO } : status.nodeInfo
  if (status.allocatable === undefined && status.capacity !== undefined) status.allocatable = { ...status.capacity }
  for (const condition of status.conditions ?? []) {
    condition.lastHeartbeatTime ??= UNSET
    condition.lastTransitionTime ??= UNSET
  }
  for (const image of status.images ?? []) {
    image.names ??= null as unknown as string[]
  }
}

function validateNode(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { spec, status } = asNode(object)
  if (spec?.taints !== undefined) checkTaints(spec.taints, 'metadata.taints', errors)
  checkAmounts(status?.capacity, 'status.capacity', errors)
  checkAmounts(status?.allocatable, 'status.allocatable', errors)
  if (spec?.podCIDRs !== undefined) checkPodNetworks(spec.podCIDRs, errors)
  return errors
}

function checkTaints(taints: readonly Taint[], path: string, errors: Errors): void {
  const seen = new Set<string>()
  taints.forEach((taint, i) => {
    const at = `${path}[${i}]`
    const { key = '', value = '', effect = '' } = taint
    checkQualifiedName(key, `${at}.key`, errors)
    const messages = isLabelValue(value)
    if (messages.length > 0) errors.push(invalid(`${at}.value`, value, messages.join(';')))
    checkTaintEffect(effect, `${at}.effect`, errors)
    if (seen.has(`${effect}/${key}`))
      errors.push({
        ...duplicate(at, goStruct('Taint', taint)),
        detail: 'taints must be unique by key and effect pair'
      })
    seen.add(`${effect}/${key}`)
  })
}

function checkAmounts(list: Readonly<Record<string, Quantity>> | undefined, path: string, errors: Errors): void {
  for (const name in list) checkQuantity(name, list[name] ?? 0, { path: `${path}.${name}`, errors })
}

function checkPodNetworks(networks: readonly string[], errors: Errors): void {
  const path = 'spec.podCIDRs'
  networks.forEach((network, i) => {
    checkCidr(network, `${path}[${i}]`, errors)
  })
  if (networks.length < 2) return
  const odd = networks.findIndex((network) => cidrFamily(network) === undefined)
  if (odd >= 0)
    errors.push(
      internal(
        path,
        `invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR[${odd}]: <nil> (invalid CIDR address: ${networks[odd]})`
      )
    )
  if (!isDualStack(networks.map(cidrFamily)) || networks.length > 2)
    errors.push(invalid(path, networks, 'may specify no more than one CIDR for each IP family'))
}

function validateNodeUpdate(next: KubeObject, old: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const spec = asNode(next).spec ?? {}
  const before = asNode(old).spec ?? {}
  // Both of Kubernetes' checks of an update look at the taints.
  if (spec.taints !== undefined) checkTaints(spec.taints, 'metadata.taints', errors)
  checkAddresses(asNode(next).status, errors)
  const networks = before.podCIDRs ?? []
  if (networks.length > 0) {
    const after = spec.podCIDRs ?? []
    const changed = networks.length === after.length ? networks.filter((one, i) => one !== after[i]) : ['']
    for (const _ of changed)
      errors.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'))
  }
  if (before.providerID && before.providerID !== spec.providerID)
    errors.push(forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'))
  if (spec.configSource !== undefined) checkConfigSource(spec.configSource.configMap, errors)
  if ((spec.externalID ?? '') !== (before.externalID ?? ''))
    errors.push(forbidden('spec.externalID', 'may not be updated'))
  return errors
}

function checkAddresses(status: NodeStatus | undefined, errors: Errors): void {
  const seen = new Set<string>()
  status?.addresses?.forEach(({ type, address }, i) => {
    const key = `${type} ${address}`
    if (seen.has(key)) errors.push(duplicate(`status.addresses[${i}]`, { Type: type, Address: address }))
    seen.add(key)
  })
}

function checkConfigSource(source: ConfigMapNodeConfigSource | undefined, errors: Errors): void {
  const path = 'spec.configSource.configMap'
  if (source === undefined)
    return void errors.push(
      invalid('spec.configSource', { ConfigMap: null }, 'exactly one reference subfield must be non-nil')
    )
  const { uid, resourceVersion, namespace, name, kubeletConfigKey } = source
  if (uid) errors.push(forbidden(`${path}.uid`, 'uid must not be set in spec'))
  if (resourceVersion) errors.push(forbidden(`${path}.resourceVersion`, 'resourceVersion must not be set in spec'))
  if (!namespace) errors.push(required(`${path}.namespace`, 'namespace must be set'))
  else errors.push(...complaints(`${path}.namespace`, namespace, isDNS1123Label(namespace)))
  if (!name) errors.push(required(`${path}.name`, 'name must be set'))
  else errors.push(...complaints(`${path}.name`, name, isDNS1123Subdomain(name)))
  if (!kubeletConfigKey) errors.push(required(`${path}.kubeletConfigKey`, 'kubeletConfigKey must be set'))
  else errors.push(...complaints(`${path}.kubeletConfigKey`, kubeletConfigKey, isConfigMapKey(kubeletConfigKey)))
}

/** "Ready", "NotReady" or "Unknown", and whether the node takes new pods. */
function statusText({ spec, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready')
  const words = [ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady']
  if (spec?.unschedulable === true) words.push('SchedulingDisabled')
  return words.join(',')
}

function rolesText(labels: Readonly<Record<string, string>> | undefined): string {
  const roles = new Set<string>()
  for (const key in labels) {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length) roles.add(key.slice(ROLE_PREFIX.length))
    else if (key === ROLE_LABEL && labels[key]) roles.add(labels[key])
  }
  return roles.size === 0 ? '<none>' : [...roles].sort().join(',')
}

function addressText({ status }: Node, type: string): string {
  return status?.addresses?.find((address) => address.type === type)?.address ?? '<none>'
}

function nodeWarnings(object: KubeObject): readonly string[] {
  const { spec = {} } = asNode(object)
  return [
    ...((spec.externalID ?? '') === ''
      ? []
      : ['spec.externalID: this field is deprecated, and is unused by Kubernetes']),
    ...(spec.podCIDRs ?? []).flatMap((range, i) => cidrWarnings(`spec.podCIDRs[${i}]`, range))
  ]
}

const OFF = ['spec.configSource', 'status.config', 'status.declaredFeatures']

const rules: Rules = {
  defaults: defaultNode,
  prepareCreate: (object) => dropFields(object, OFF),
  prepareUpdate: (next, old) => {
    dropFields(next, OFF)
    next.status = old.status
  },
  prepareStatus: (next, old) => {
    dropFields(next, OFF)
    next.spec = old.spec
  },
  validate: validateNode,
  metadataOnUpdate: 'also as new',
  validateUpdate: validateNodeUpdate,
  warnings: nodeWarnings,
  validateStatus: (next, old) => {
    const errors: FieldError[] = []
    const { status } = asNode(next)
    checkAmounts(status?.capacity, 'status.capacity', errors)
    checkAmounts(status?.allocatable, 'status.allocatable', errors)
    return [...errors, ...validateNodeUpdate(next, old)]
  },
  fields: { 'spec.unschedulable': (object) => String(asNode(object).spec?.unschedulable ?? false) },
  cells: (object, now) => {
    const node = asNode(object)
    const { metadata, status } = node
    const info = status?.nodeInfo
    return [
      metadata.name ?? '',
      statusText(node),
      rolesText(metadata.labels),
      age(metadata.creationTimestamp, now),
      info?.kubeletVersion ?? '',
      addressText(node, 'InternalIP'),
      addressText(node, 'ExternalIP'),
      info?.osImage || '<unknown>',
      info?.kernelVersion || '<unknown>',
      info?.containerRuntimeVersion || '<unknown>'
    ]
  }
}

export const nodeKinds: readonly Kind[] = [row('v1', 'nodes', rules)]
