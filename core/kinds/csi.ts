/** What CSI drivers say of themselves: CSIDrivers, CSINodes, CSIStorageCapacities and VolumeAttachments. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { duplicate, forbidden, invalid, notSupported, required, tooLong } from '../field-errors.ts'
import { byteLength, isDNS1123Subdomain, rangeError } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { canonicalQuantity, parseQuantity } from '../quantity.ts'
import {
  checkLabelSelector,
  checkNonnegative,
  checkQualifiedName,
  checkSubdomain,
  complaints,
  type Errors,
  IMMUTABLE,
  NEGATIVE,
  printedSelector,
  sameValue
} from './checks.ts'
import { goStruct } from './go-structs.ts'
import type { Kind, Rules } from './kind.ts'
import { checkInlineVolume } from './persistent-volumes.ts'
import { checkDriverName } from './pod-volume-sources.ts'
import { row } from './row.ts'
import { keepMetadataField, specAndStatus } from './spec-and-status.ts'
import type {
  CSIDriver,
  CSINode,
  CSINodeDriver,
  CSIStorageCapacity,
  StorageTokenRequest,
  VolumeAttachment,
  VolumeError
} from './types.ts'

const asDriver = (object: KubeObject) => object as unknown as CSIDriver
const asNode = (object: KubeObject) => object as unknown as CSINode
const asCapacity = (object: KubeObject) => object as unknown as CSIStorageCapacity
const asAttachment = (object: KubeObject) => object as unknown as VolumeAttachment

// --- Drivers

const GROUP_POLICIES = ['File', 'None', 'ReadWriteOnceWithFSType']
const LIFECYCLES = ['Persistent', 'Ephemeral']
/** Seconds. */
const LEAST_TOKEN = 600
const MOST_TOKEN = 2 ** 32
const LEAST_PERIOD = 10

function checkTokens(requests: readonly StorageTokenRequest[], path: string, errors: Errors): void {
  const seen = new Set<string>()
  requests.forEach(({ audience, expirationSeconds: seconds }, i) => {
    if (seen.has(audience)) {
      errors.push(duplicate(`${path}[${i}].audience`, audience))
      return
    }
    seen.add(audience)
    if (seconds === undefined) return
    const at = `${path}[${i}].expirationSeconds`
    if (seconds < LEAST_TOKEN) errors.push(invalid(at, seconds, 'may not specify a duration less than 10 minutes'))
    if (seconds > MOST_TOKEN) errors.push(invalid(at, seconds, 'may not specify a duration larger than 2^32 seconds'))
  })
}

const driverRules: Rules = {
  // A new one has no generation yet; the first change makes it 1.
  prepareUpdate: (next, old) => {
    if (!sameValue(next.spec, old.spec)) next.metadata.generation = (old.metadata.generation ?? 0) + 1
  },
  defaults: (object) => {
    const { spec } = asDriver(object)
    spec.attachRequired ??= true
    spec.podInfoOnMount ??= false
    spec.storageCapacity ??= false
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType'
    if ((spec.volumeLifecycleModes ?? []).length === 0) spec.volumeLifecycleModes = ['Persistent']
    spec.requiresRepublish ??= false
    spec.seLinuxMount ??= false
  },
  validate: (object) => {
    const errors: FieldError[] = []
    const { spec } = asDriver(object)
    const { fsGroupPolicy: policy, tokenRequests = [], nodeAllocatableUpdatePeriodSeconds: period } = spec
    if (policy !== undefined && !GROUP_POLICIES.includes(policy))
      errors.push(notSupported('spec.fsGroupPolicy', policy, GROUP_POLICIES))
    checkTokens(tokenRequests, 'spec.tokenRequests', errors)
    for (const mode of spec.volumeLifecycleModes ?? [])
      if (!LIFECYCLES.includes(mode)) errors.push(notSupported('spec.volumeLifecycleModes', mode, LIFECYCLES))
    if (period !== undefined && period < LEAST_PERIOD)
      errors.push(
        invalid('spec.nodeAllocatableUpdatePeriodSeconds', period, 'must be greater than or equal to 10 seconds')
      )
    const inSecrets = spec.serviceAccountTokenInSecrets
    if (inSecrets !== undefined && tokenRequests.length === 0)
      errors.push(
        invalid(
          'spec.serviceAccountTokenInSecrets',
          inSecrets,
          'serviceAccountTokenInSecrets is set but no tokenRequests are specified'
        )
      )
    return errors
  },
  validateUpdate: (next, old) => {
    const [now, before] = [asDriver(next).spec, asDriver(old).spec]
    const errors: FieldError[] = []
    if (now.attachRequired !== before.attachRequired)
      errors.push(invalid('spec.attachedRequired', now.attachRequired ?? null, IMMUTABLE))
    if (!sameValue(now.volumeLifecycleModes, before.volumeLifecycleModes))
      errors.push(invalid('spec.volumeLifecycleModes', now.volumeLifecycleModes ?? null, IMMUTABLE))
    return errors
  },
  warnings: (object) => {
    const { spec } = asDriver(object)
    if ((spec.tokenRequests ?? []).length === 0 || spec.serviceAccountTokenInSecrets !== undefined) return []
    return [
      'spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes'
    ]
  },
  cells: (object, now) => {
    const { metadata, spec } = asDriver(object)
    return [
      metadata.name ?? '',
      spec.attachRequired ?? true,
      spec.podInfoOnMount ?? false,
      spec.storageCapacity ?? false,
      spec.tokenRequests === undefined ? '<unset>' : spec.tokenRequests.map(({ audience }) => audience).join(','),
      spec.requiresRepublish ?? false,
      (spec.volumeLifecycleModes ?? []).join(',') || '<none>',
      age(metadata.creationTimestamp, now)
    ]
  }
}

// --- Nodes

const MOST_NODE_ID = 256

function checkNodeDriver(driver: CSINodeDriver, path: string, { seen, errors }: { seen: Set<string>; errors: Errors }) {
  const { name, nodeID, allocatable, topologyKeys } = driver
  checkDriverName(name, `${path}.name`, errors)
  if (!nodeID) errors.push(required(`${path}.nodeID`))
  if (byteLength(nodeID) > MOST_NODE_ID)
    errors.push(invalid(`${path}.nodeID`, nodeID, `must be ${MOST_NODE_ID} characters or less`))
  checkNonnegative(allocatable?.count, `${path}.allocatable.count`, errors)
  if (seen.has(name)) errors.push(duplicate(`${path}.name`, name))
  seen.add(name)
  const keys = new Set<string>()
  for (const key of topologyKeys ?? []) {
    if (key === '') errors.push(required(path))
    if (keys.has(key)) errors.push(duplicate(path, key))
    keys.add(key)
    checkQualifiedName(key, path, errors)
  }
}

function validateNode(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  asNode(object).spec.drivers?.forEach((driver, i) => {
    checkNodeDriver(driver, `spec.drivers[${i}]`, { seen, errors })
  })
  return errors
}

const nodeRules: Rules = {
  validate: validateNode,
  validateUpdate: (next, old) => {
    // Kubernetes checks an update twice.
    const errors = validateNode(next)
    const without = ({ allocatable: _, ...driver }: CSINodeDriver) => driver
    for (const before of asNode(old).spec.drivers ?? [])
      for (const now of asNode(next).spec.drivers ?? []) {
        if (now.name !== before.name || sameValue(without(now), without(before))) continue
        errors.push(invalid('spec.drivers', goStruct('CSINodeDriver', without(now)), IMMUTABLE))
      }
    return errors
  },
  cells: (object, now) => {
    const { metadata, spec } = asNode(object)
    return [metadata.name ?? '', spec.drivers?.length ?? 0, age(metadata.creationTimestamp, now)]
  }
}

// --- Capacities

const capacityRules: Rules = {
  validate: (object) => {
    const errors: FieldError[] = []
    const { nodeTopology, storageClassName, capacity } = asCapacity(object)
    checkLabelSelector(nodeTopology, 'nodeTopology', errors)
    errors.push(...complaints('storageClassName', storageClassName, isDNS1123Subdomain(storageClassName)))
    if (capacity !== undefined && parseQuantity(capacity).nano < 0n)
      errors.push(invalid('capacity', canonicalQuantity(capacity), NEGATIVE))
    return errors
  },
  validateUpdate: (next, old) => {
    const [now, before] = [asCapacity(next), asCapacity(old)]
    const errors: FieldError[] = []
    if (!sameValue(now.nodeTopology, before.nodeTopology)) {
      const shown = now.nodeTopology === undefined ? null : printedSelector(now.nodeTopology)
      errors.push(invalid('nodeTopology', shown, IMMUTABLE))
    }
    if (now.storageClassName !== before.storageClassName)
      errors.push(invalid('storageClassName', now.storageClassName, IMMUTABLE))
    return errors
  },
  cells: ({ metadata }) => [metadata.name ?? '', metadata.creationTimestamp ?? '']
}

// --- Attachments

const MOST_METADATA = 256 * 1024
const MOST_MESSAGE = 1024
const MAX_INT32 = 2 ** 31 - 1

function checkError(error: VolumeError | undefined, path: string, errors: Errors): void {
  if (error === undefined) return
  if (byteLength(error.message ?? '') > MOST_MESSAGE) errors.push(tooLong(`${path}.message`, MOST_METADATA))
  const { errorCode: code } = error
  if (code !== undefined && code < 0) errors.push(invalid(`${path}.errorCode`, code, rangeError(0, MAX_INT32)))
}

function checkAttachmentStatus({ status }: VolumeAttachment, errors: Errors): void {
  const pairs = Object.entries(status?.attachmentMetadata ?? {})
  const size = pairs.reduce((sum, [key, value]) => sum + byteLength(key) + byteLength(value), 0)
  if (size > MOST_METADATA) errors.push(tooLong('status.attachmentMetadata', MOST_METADATA))
  checkError(status?.attachError, 'status.attachError', errors)
  checkError(status?.detachError, 'status.detachError', errors)
}

const EXACTLY_ONE = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'

function validateAttachment(object: KubeObject, old?: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const attachment = asAttachment(object)
  const { attacher, source, nodeName } = attachment.spec
  const { inlineVolumeSpec: inline, persistentVolumeName: volume } = source
  if (!attacher) errors.push(required('spec.attacher'))
  const path = 'spec.source'
  if (inline === undefined && volume === undefined) errors.push(required(path, EXACTLY_ONE))
  else if (inline !== undefined && volume !== undefined) errors.push(forbidden(path, EXACTLY_ONE))
  else if (volume === '')
    errors.push(required(`${path}.persistentVolumeName`, 'must specify non empty persistentVolumeName'))
  else if (inline !== undefined) checkInlineVolume(inline, `${path}.inlineVolumeSpec`, errors)
  errors.push(...complaints('spec.nodeName', nodeName, isDNS1123Subdomain(nodeName)))
  checkAttachmentStatus(attachment, errors)
  if (old !== undefined) return errors
  checkDriverName(attacher, 'spec.attacher', errors)
  if (volume !== undefined) checkSubdomain(volume, 'spec.source.persistentVolumeName', errors)
  return errors
}

const attachmentStrategy = specAndStatus(() => ({ attached: false }))

const attachmentRules: Rules = {
  ...attachmentStrategy,
  defaults: (object) => {
    const { status } = asAttachment(object)
    if (status !== undefined) status.attached ??= false
  },
  prepareStatus: (next, old, context) => {
    attachmentStrategy.prepareStatus(next, old, context)
    for (const field of ['labels', 'annotations', 'ownerReferences', 'finalizers'] as const)
      keepMetadataField(next, old, field)
  },
  validate: validateAttachment,
  validateUpdate: (next, old) => {
    const [now, before] = [asAttachment(next).spec, asAttachment(old).spec]
    return sameValue(now, before) ? [] : [invalid('spec', goStruct('VolumeAttachmentSpec', now), IMMUTABLE)]
  },
  validateStatus: (next, old) => [
    ...validateAttachment(next, old),
    ...(attachmentRules.validateUpdate?.(next, old) ?? [])
  ],
  cells: (object, now) => {
    const { metadata, spec, status } = asAttachment(object)
    return [
      metadata.name ?? '',
      spec.attacher,
      spec.source.persistentVolumeName ?? '',
      spec.nodeName,
      status?.attached ?? false,
      age(metadata.creationTimestamp, now)
    ]
  }
}

const GROUP = 'storage.k8s.io/v1'

export const csiKinds: readonly Kind[] = [
  row(GROUP, 'csidrivers', driverRules),
  row(GROUP, 'csinodes', nodeRules),
  row(GROUP, 'csistoragecapacities', capacityRules),
  row(GROUP, 'volumeattachments', attachmentRules)
]
