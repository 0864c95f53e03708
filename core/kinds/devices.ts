/** resource.k8s.io: classes of devices, claims of them, and what drivers offer. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { forbidden, invalid, required, tooLong } from '../field-errors.ts'
import { byteLength, isDNS1123Subdomain } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { checkLabel, checkSubdomain, complaints, type Errors, IMMUTABLE, NOT_POSITIVE, sameValue } from './checks.ts'
import {
  type At,
  checkConfiguration,
  checkDeviceClaim,
  checkEach,
  checkQualifiedDeviceName,
  checkSelectors,
  defaultClaimDevices,
  MOST
} from './device-claims.ts'
import { goStruct } from './go-structs.ts'
import type { Cell, Kind, Rules } from './kind.ts'
import { checkNodeSelector } from './pod-scheduling.ts'
import { checkDriverName } from './pod-volume-sources.ts'
import { row } from './row.ts'
import { keepMetadataField, specAndStatus } from './spec-and-status.ts'
import { dropFields } from './switched-off.ts'
import type {
  Device,
  DeviceAttribute,
  DeviceClass,
  ResourceResourceClaim as ResourceClaim,
  ResourceClaimTemplate,
  ResourceSlice,
  ResourceSliceSpec
} from './types.ts'

const asClass = (object: KubeObject) => object as unknown as DeviceClass
const asClaim = (object: KubeObject) => object as unknown as ResourceClaim
const asTemplate = (object: KubeObject) => object as unknown as ResourceClaimTemplate
const asSlice = (object: KubeObject) => object as unknown as ResourceSlice

function nameAndAge({ metadata }: KubeObject, now: number): Cell[] {
  return [metadata.name ?? '', age(metadata.creationTimestamp, now)]
}

const OFF_IN_CLASSES = ['spec.extendedResourceName']

const classRules: Rules = {
  generation: true,
  prepareCreate: (object) => dropFields(object, OFF_IN_CLASSES),
  prepareUpdate: (next) => dropFields(next, OFF_IN_CLASSES),
  validate: (object) => {
    const errors: FieldError[] = []
    const { selectors, config } = asClass(object).spec
    checkSelectors(selectors, { path: 'spec.selectors', errors })
    checkEach(config, MOST.configs, {
      path: 'spec.config',
      errors,
      check: (one, path) => checkConfiguration(one, { path, errors })
    })
    return errors
  },
  cells: nameAndAge
}

// --- Claims

function claimState({ metadata, status }: ResourceClaim): string {
  const deleted = metadata.deletionTimestamp !== undefined
  if (status?.allocation === undefined) return deleted ? 'deleted' : 'pending'
  const reserved = (status.reservedFor ?? []).length > 0
  return [...(deleted ? ['deleted'] : []), 'allocated', ...(reserved ? ['reserved'] : [])].join(',')
}

function validateClaimStatus(nextObject: KubeObject, oldObject: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const [{ status = {}, metadata }, old] = [asClaim(nextObject), asClaim(oldObject)]
  const path = 'status.reservedFor'
  checkEach(status.reservedFor, MOST.reserved, {
    path,
    errors,
    key: ({ uid }) => uid,
    check: (one, at) => {
      for (const field of ['resource', 'name', 'uid'] as const) if (!one[field]) errors.push(required(`${at}.${field}`))
    }
  })
  const reserved = status.reservedFor ?? []
  const before = new Set(old.status?.reservedFor?.map(({ uid }) => uid))
  if (reserved.length > 0 && status.allocation === undefined)
    errors.push(forbidden(path, 'may not be specified when `allocated` is not set'))
  else if (metadata.deletionTimestamp !== undefined && reserved.some(({ uid }) => !before.has(uid)))
    errors.push(
      forbidden(path, 'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set')
    )
  const [allocation, oldAllocation] = [status.allocation, old.status?.allocation]
  if (allocation !== undefined && oldAllocation !== undefined && !sameValue(allocation, oldAllocation))
    errors.push(invalid('status.allocation', goStruct('AllocationResult', allocation), IMMUTABLE))
  return errors
}

/** What a request asks for beyond a device of a class. */
const offInClaims = (path: string) => [
  `${path}.devices.requests[].exactly.capacity`,
  `${path}.devices.requests[].exactly.tolerations`,
  `${path}.devices.requests[].firstAvailable[].capacity`,
  `${path}.devices.requests[].firstAvailable[].tolerations`,
  `${path}.devices.constraints[].distinctAttribute`
]
const OFF_IN_CLAIMS = offInClaims('spec')
const OFF_IN_TEMPLATES = offInClaims('spec.spec')
const OFF_IN_SLICES = [
  'spec.sharedCounters',
  'spec.perDeviceNodeSelection',
  ...[
    'allNodes',
    'allowMultipleAllocations',
    'bindingConditions',
    'bindingFailureConditions',
    'bindsToNode',
    'consumesCounters',
    'nodeName',
    'nodeSelector',
    'taints',
    'capacity.{}.requestPolicy'
  ].map((field) => `spec.devices[].${field}`)
]

const claimStrategy = specAndStatus()

const claimRules: Rules = {
  ...claimStrategy,
  defaults: (object) => defaultClaimDevices(asClaim(object).spec.devices),
  prepareCreate: (object, context) => {
    claimStrategy.prepareCreate(object, context)
    dropFields(object, OFF_IN_CLAIMS)
  },
  prepareUpdate: (next, old, context) => {
    claimStrategy.prepareUpdate(next, old, context)
    dropFields(next, OFF_IN_CLAIMS)
  },
  prepareStatus: (next, old, context) => {
    claimStrategy.prepareStatus(next, old, context)
    for (const field of ['labels', 'annotations', 'ownerReferences', 'finalizers'] as const)
      if (field !== 'finalizers') keepMetadataField(next, old, field)
  },
  validate: (object, old) => {
    const errors: FieldError[] = []
    if (old === undefined) checkDeviceClaim(asClaim(object).spec.devices ?? {}, { path: 'spec.devices', errors })
    return errors
  },
  validateUpdate: (next, old) => {
    const { spec } = asClaim(next)
    return sameValue(spec, asClaim(old).spec) ? [] : [invalid('spec', goStruct('ResourceClaimSpec', spec), IMMUTABLE)]
  },
  validateStatus: validateClaimStatus,
  cells: (object, now) => {
    const claim = asClaim(object)
    return [claim.metadata.name ?? '', claimState(claim), age(claim.metadata.creationTimestamp, now)]
  }
}

const templateRules: Rules = {
  prepareCreate: (object) => dropFields(object, OFF_IN_TEMPLATES),
  prepareUpdate: (next) => dropFields(next, OFF_IN_TEMPLATES),
  defaults: (object) => {
    const { spec } = asTemplate(object)
    spec.metadata ??= {}
    defaultClaimDevices(spec.spec.devices)
  },
  validate: (object, old) => {
    const errors: FieldError[] = []
    if (old === undefined)
      checkDeviceClaim(asTemplate(object).spec.spec.devices ?? {}, { path: 'spec.spec.devices', errors })
    return errors
  },
  validateUpdate: (next, old) => {
    const { spec } = asTemplate(next)
    if (sameValue(spec, asTemplate(old).spec)) return []
    const shown = { ...spec.metadata, Spec: goStruct('ResourceClaimSpec', spec.spec) }
    return [invalid('spec', shown, IMMUTABLE)]
  },
  cells: nameAndAge
}

// --- Slices

const MOST_DEVICES = 128
const MOST_TAINTED_DEVICES = 64
const MOST_POOL_NAME = 253
const MOST_COUNTER_SETS = 8

function checkPool({ name, resourceSliceCount: count, generation }: ResourceSliceSpec['pool'], errors: Errors): void {
  const path = 'spec.pool.name'
  if (!name) errors.push(required(path))
  else {
    if (byteLength(name) > MOST_POOL_NAME) errors.push(tooLong(path, MOST_POOL_NAME))
    for (const part of name.split('/')) checkSubdomain(part, path, errors)
  }
  if (count <= 0) errors.push(invalid('spec.pool.resourceSliceCount', count, NOT_POSITIVE))
  if (generation < 0) errors.push(invalid('spec.pool.generation', generation, 'must be greater than or equal to zero'))
}

function checkPlace(spec: ResourceSliceSpec, errors: Errors): void {
  const { nodeName, nodeSelector, allNodes, perDeviceNodeSelection } = spec
  const set: string[] = []
  if (nodeName === '') errors.push(invalid('spec.nodeName', '', 'must be either unset or set to a non-empty string'))
  else if (nodeName !== undefined) {
    set.push('`nodeName`')
    errors.push(...complaints('spec.nodeName', nodeName, isDNS1123Subdomain(nodeName)))
  }
  if (nodeSelector !== undefined) {
    set.push('`nodeSelector`')
    const terms = nodeSelector.nodeSelectorTerms ?? []
    checkNodeSelector(terms, 'spec.nodeSelector', errors)
    if (terms.length !== 1)
      errors.push(
        invalid(
          'spec.nodeSelector.nodeSelectorTerms',
          terms.length === 0 ? null : terms.map((term) => goStruct('NodeSelectorTerm', term)),
          'must have exactly one node selector term'
        )
      )
  }
  for (const [field, value] of [
    ['allNodes', allNodes],
    ['perDeviceNodeSelection', perDeviceNodeSelection]
  ] as const) {
    if (value === true) set.push(`\`${field}\``)
    else if (value === false) errors.push(invalid(`spec.${field}`, false, 'must be either unset or set to true'))
  }
  const why = 'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required'
  if (set.length === 0) errors.push(required('spec', why))
  else if (set.length > 1) errors.push(invalid('spec', `{${set.join(', ')}}`, `${why}, but multiple fields are set`))
}

const isHeavy = ({ taints = [], consumesCounters = [] }: Device) => taints.length > 0 || consumesCounters.length > 0

const MOST_ATTRIBUTES = 32
const MOST_ATTRIBUTE_TEXT = 64
/** Version 2.0.0 of semver.org. */
const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$/

function checkDevice({ name, attributes = {}, capacity = {} }: Device, { path, errors }: At): void {
  checkLabel(name, `${path}.name`, errors)
  const size = Object.keys(attributes).length + Object.keys(capacity).length
  if (size > MOST_ATTRIBUTES)
    errors.push(invalid(path, size, `the total number of attributes and capacities must not exceed ${MOST_ATTRIBUTES}`))
  for (const [key, attribute] of Object.entries(attributes)) {
    const at = `${path}.attributes[${key}]`
    checkQualifiedDeviceName(key, { path: at, errors })
    checkAttributeValue(attribute, { path: at, errors })
  }
  for (const key of Object.keys(capacity)) checkQualifiedDeviceName(key, { path: `${path}.capacity[${key}]`, errors })
}

function checkAttributeValue(attribute: DeviceAttribute, { path, errors }: At): void {
  const { string, version } = attribute
  if (string !== undefined && byteLength(string) > MOST_ATTRIBUTE_TEXT)
    errors.push(tooLong(`${path}.string`, MOST_ATTRIBUTE_TEXT))
  if (version !== undefined && !SEMVER.test(version))
    errors.push(invalid(`${path}.version`, version, 'must be a string compatible with semver.org spec 2.0.0'))
  if (version !== undefined && byteLength(version) > MOST_ATTRIBUTE_TEXT)
    errors.push(tooLong(`${path}.version`, MOST_ATTRIBUTE_TEXT))
  const given = Object.values(attribute).filter((value) => value !== undefined).length
  if (given === 0) errors.push(invalid(path, '', 'exactly one value must be specified'))
  else if (given > 1)
    errors.push(invalid(path, goStruct('DeviceAttribute', attribute), 'exactly one value must be specified'))
}

function validateSlice(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { spec } = asSlice(object)
  checkDriverName(spec.driver, 'spec.driver', errors)
  checkPool(spec.pool, errors)
  checkPlace(spec, errors)
  const { devices = [], sharedCounters } = spec
  if (sharedCounters !== undefined && devices.length > 0)
    errors.push(invalid('spec', '', 'only one of `sharedCounters` or `devices` is allowed'))
  checkEach(devices, devices.some(isHeavy) ? MOST_TAINTED_DEVICES : MOST_DEVICES, {
    path: 'spec.devices',
    errors,
    key: ({ name }) => name,
    check: (device, path) => checkDevice(device, { path, errors })
  })
  checkEach(sharedCounters, MOST_COUNTER_SETS, {
    path: 'spec.sharedCounters',
    errors,
    key: ({ name }) => name,
    check: ({ name, counters }, path) => {
      if (!name) errors.push(required(`${path}.name`))
      else checkLabel(name, `${path}.name`, errors)
      if (Object.keys(counters ?? {}).length === 0) errors.push(required(`${path}.counters`))
    }
  })
  return errors
}

const sliceRules: Rules = {
  generation: true,
  prepareCreate: (object) => dropFields(object, OFF_IN_SLICES),
  prepareUpdate: (next) => dropFields(next, OFF_IN_SLICES),
  validate: validateSlice,
  validateUpdate: (next, old) => {
    const [now, before] = [asSlice(next).spec, asSlice(old).spec]
    const errors: FieldError[] = []
    if (now.pool.name !== before.pool.name) errors.push(invalid('spec.pool.name', now.pool.name, IMMUTABLE))
    if (now.driver !== before.driver) errors.push(invalid('spec.driver', now.driver, IMMUTABLE))
    if (now.nodeName !== before.nodeName) errors.push(invalid('spec.nodeName', now.nodeName ?? null, IMMUTABLE))
    return errors
  },
  fields: {
    'spec.driver': (object) => asSlice(object).spec?.driver ?? '',
    'spec.nodeName': (object) => asSlice(object).spec?.nodeName ?? ''
  },
  cells: (object, now) => {
    const { metadata, spec } = asSlice(object)
    return [metadata.name ?? '', spec.nodeName ?? '', spec.driver, spec.pool.name, age(metadata.creationTimestamp, now)]
  }
}

const GROUP = 'resource.k8s.io/v1'

export const deviceKinds: readonly Kind[] = [
  row(GROUP, 'deviceclasses', classRules),
  row(GROUP, 'resourceclaims', claimRules),
  row(GROUP, 'resourceclaimtemplates', templateRules),
  row(GROUP, 'resourceslices', sliceRules)
]
