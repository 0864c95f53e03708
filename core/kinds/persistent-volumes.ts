import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { isDNS1123Subdomain } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { timestamp } from '../ports.ts'
import { canonicalQuantity, parseQuantity, quantityValue } from '../quantity.ts'
import { unifiedDiff } from '../unified-diff.ts'
import { checkLabel, checkSubdomain, complaints, type Errors, IMMUTABLE, NOT_POSITIVE, sameValue } from './checks.ts'
import { ACCESS_MODES, VOLUME_MODES } from './claim-spec.ts'
import { goStruct } from './go-structs.ts'
import type { Kind, Rules } from './kind.ts'
import { checkNoBacksteps } from './paths.ts'
import { accessModesText, CLASS_ANNOTATION, sizeText } from './persistent-volume-claims.ts'
import { checkNodeSelector } from './pod-scheduling.ts'
import * as sources from './pod-volume-sources.ts'
import { hostPath, type SourceCheck } from './pod-volumes.ts'
import { roundResources } from './resource-lists.ts'
import { row } from './row.ts'
import type {
  CinderPersistentVolumeSource,
  CSIPersistentVolumeSource,
  GlusterfsPersistentVolumeSource,
  LocalVolumeSource,
  PersistentVolume,
  PersistentVolumeSpec,
  SecretReference
} from './types.ts'

const asVolume = (object: KubeObject) => object as unknown as PersistentVolume
const RECLAIM_POLICIES = ['Delete', 'Recycle', 'Retain']
const MOUNT_OPTIONS = 'volume.beta.kubernetes.io/mount-options'

function defaultVolume(object: KubeObject): void {
  const { spec = {}, status = {} } = asVolume(object)
  status.phase ||= 'Pending'
  object.status = status
  spec.persistentVolumeReclaimPolicy ||= 'Retain'
  spec.volumeMode ??= 'Filesystem'
  roundResources(spec.capacity)
  const { hostPath: host, iscsi, rbd, azureDisk, scaleIO } = spec
  if (host !== undefined) host.type ??= ''
  if (iscsi !== undefined) iscsi.iscsiInterface ||= 'default'
  if (rbd !== undefined) {
    rbd.pool ||= 'rbd'
    rbd.user ||= 'admin'
    rbd.keyring ||= '/etc/ceph/keyring'
  }
  if (azureDisk !== undefined) {
    azureDisk.cachingMode ??= 'ReadWrite'
    azureDisk.kind ??= 'Shared'
    azureDisk.fsType ??= 'ext4'
    azureDisk.readOnly ??= false
  }
  if (scaleIO !== undefined) {
    scaleIO.storageMode ||= 'ThinProvisioned'
    scaleIO.fsType ||= 'xfs'
  }
}

type Check<T> = (source: T, path: string, errors: Errors) => void
type SourceName = {
  [K in keyof PersistentVolumeSpec]-?: NonNullable<PersistentVolumeSpec[K]> extends string | readonly unknown[]
    ? never
    : K
}[keyof PersistentVolumeSpec]

interface SourceRow {
  readonly name: SourceName
  readonly check: (source: unknown, path: string, scope: { errors: Errors; volumeName: string }) => void
  /** Where Kubernetes' messages name the source otherwise than its field. */
  readonly path: string
  readonly pathOfSecond: string
}

function own<T>(name: SourceName, check: Check<T>): SourceRow {
  return {
    name,
    path: name,
    pathOfSecond: name,
    check: (source, path, { errors }) => check(source as T, path, errors)
  }
}

/** Checked as the same source of a pod's volume. */
function shared<T>(name: SourceName, check: SourceCheck<T>, paths: Partial<SourceRow> = {}): SourceRow {
  return {
    name,
    path: name,
    pathOfSecond: name,
    ...paths,
    check: (source, path, { errors, volumeName }) =>
      check(source as T, path, { errors, metadata: undefined, isPod: false, volume: { name: volumeName } })
  }
}

function need(values: Readonly<Record<string, unknown>>, path: string, errors: Errors): void {
  for (const [field, value] of Object.entries(values)) if (!value) errors.push(required(`${path}.${field}`))
}

/** In the order in which Kubernetes looks at them. */
const SOURCES: readonly SourceRow[] = [
  shared('hostPath', hostPath),
  shared('gcePersistentDisk', sources.gceDisk, { path: 'persistentDisk' }),
  shared('awsElasticBlockStore', sources.awsDisk),
  own<GlusterfsPersistentVolumeSource>('glusterfs', ({ endpoints, path: at, endpointsNamespace }, path, errors) => {
    need({ endpoints, path: at }, path, errors)
    if (endpointsNamespace === '')
      errors.push(
        invalid(`${path}.endpointsNamespace`, '', 'if the endpointnamespace is set, it must be a valid namespace name')
      )
    else if (endpointsNamespace !== undefined) checkLabel(endpointsNamespace, `${path}.endpointsNamespace`, errors)
  }),
  shared('flocker', sources.flocker),
  shared('nfs', sources.nfs),
  shared('rbd', sources.rbd),
  shared('quobyte', sources.quobyte),
  shared('cephfs', sources.cephfs, { pathOfSecond: 'cephFS' }),
  shared('iscsi', sources.iscsi),
  own<CinderPersistentVolumeSource>('cinder', ({ volumeID, secretRef }, path, errors) => {
    need({ volumeID }, path, errors)
    if (secretRef !== undefined)
      need({ name: secretRef.name, namespace: secretRef.namespace }, `${path}.secretRef`, errors)
  }),
  shared('fc', sources.fc),
  shared('flexVolume', sources.flexVolume),
  own<{ secretName?: string; shareName?: string; secretNamespace?: string }>('azureFile', (source, path, errors) => {
    need({ secretName: source.secretName, shareName: source.shareName }, path, errors)
    if (source.secretNamespace === '') errors.push(required(`${path}.secretNamespace`))
  }),
  shared('vsphereVolume', sources.vsphere),
  shared('photonPersistentDisk', sources.photon),
  shared('portworxVolume', sources.portworx),
  shared('azureDisk', sources.azureDisk),
  shared('scaleIO', sources.scaleIO),
  own<LocalVolumeSource>('local', (source, path, errors) => {
    if (source.path) checkNoBacksteps(source.path, `${path}.path`, errors)
    else errors.push(required(`${path}.path`))
  }),
  shared('storageos', sources.storageos),
  own<CSIPersistentVolumeSource>('csi', checkCsi)
]

function checkCsi(source: CSIPersistentVolumeSource, path: string, errors: Errors): void {
  sources.checkDriverName(source.driver, `${path}.driver`, errors)
  need({ volumeHandle: source.volumeHandle }, path, errors)
  for (const field of [
    'controllerPublishSecretRef',
    'controllerExpandSecretRef',
    'nodePublishSecretRef',
    'nodeExpandSecretRef'
  ] as const)
    if (source[field] !== undefined) checkSecretReference(source[field], `${path}.${field}`, errors)
}

function checkSecretReference({ name, namespace }: SecretReference, path: string, errors: Errors): void {
  if (name) checkSubdomain(name, `${path}.name`, errors)
  else errors.push(required(`${path}.name`))
  if (namespace) checkLabel(namespace, `${path}.namespace`, errors)
  else errors.push(required(`${path}.namespace`))
}

/** A volume that stands in its attachment, as migrated pods have it: of a CSI driver, and nothing but its source. */
export function checkInlineVolume(spec: PersistentVolumeSpec, path: string, errors: Errors): void {
  const inline = 'in the context of inline volumes'
  const refuse = (field: string) => void errors.push(forbidden(`${path}.${field}`, `may not be specified ${inline}`))
  if (spec.claimRef !== undefined) refuse('claimRef')
  if (Object.keys(spec.capacity ?? {}).length > 0) refuse('capacity')
  if (spec.csi === undefined) errors.push(required(`${path}.csi`, `has to be specified ${inline}`))
  checkAccessModes(spec.accessModes ?? [], path, errors)
  const { persistentVolumeReclaimPolicy: policy, volumeMode: mode } = spec
  if (policy && policy !== 'Retain')
    errors.push(forbidden(`${path}.persistentVolumeReclaimPolicy`, `may only be Retain ${inline}`))
  if (spec.nodeAffinity !== undefined) refuse('nodeAffinity')
  checkSources(spec, { path, volumeName: '', errors })
  if (spec.storageClassName) refuse('storageClassName')
  if (mode !== undefined && mode !== 'Filesystem')
    errors.push(forbidden(`${path}.volumeMode`, `may not specify volumeMode other than Filesystem ${inline}`))
}

function checkSources(
  spec: PersistentVolumeSpec,
  { path: root, volumeName, errors }: { path: string; volumeName: string; errors: Errors }
): void {
  let first = true
  for (const { name, check, path, pathOfSecond } of SOURCES) {
    const source = spec[name]
    if (source === undefined) continue
    if (first || name === 'flexVolume') check(source, `${root}.${path}`, { errors, volumeName })
    else errors.push(forbidden(`${root}.${pathOfSecond}`, 'may not specify more than 1 volume type'))
    if (first && name === 'local' && spec.nodeAffinity === undefined)
      errors.push(required(`${root}.nodeAffinity`, 'Local volume requires node affinity'))
    first = false
  }
  if (first) errors.push(required(root, 'must specify a volume type'))
}

function checkAccessModes(modes: readonly string[], path: string, errors: Errors): void {
  const at = `${path}.accessModes`
  if (modes.length === 0) errors.push(required(at))
  for (const mode of modes) if (!ACCESS_MODES.includes(mode)) errors.push(notSupported(at, mode, ACCESS_MODES))
  const others = modes.some((mode) => mode !== 'ReadWriteOncePod' && ACCESS_MODES.includes(mode))
  if (modes.includes('ReadWriteOncePod') && others)
    errors.push(forbidden(at, 'may not use ReadWriteOncePod with other access modes'))
}

function checkCapacity({ capacity = {} }: PersistentVolumeSpec, errors: Errors): void {
  const names = Object.keys(capacity)
  if (names.length === 0) errors.push(required('spec.capacity'))
  if (capacity.storage === undefined || names.length > 1) {
    const printed = names.length === 0 ? null : Object.fromEntries(names.sort().map((name) => [name, capacity[name]]))
    errors.push(notSupported('spec.capacity', printed, ['storage']))
  }
  for (const [name, value] of Object.entries(capacity)) {
    const path = `spec.capacity[${name}]`
    const whole = quantityValue(value)
    if (whole < 0) errors.push(invalid(path, whole, 'must be a valid resource quantity'))
    if (parseQuantity(value).nano <= 0n) errors.push(invalid(path, canonicalQuantity(value), NOT_POSITIVE))
  }
}

/** Of these, mount options may be annotated. */
const MOUNTABLE: readonly SourceName[] = [
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'nfs',
  'rbd',
  'quobyte',
  'iscsi',
  'cinder',
  'cephfs',
  'azureFile',
  'vsphereVolume',
  'azureDisk',
  'photonPersistentDisk'
]

function validateVolume(object: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { metadata, spec = {} } = asVolume(object)
  checkAccessModes(spec.accessModes ?? [], 'spec', errors)
  checkCapacity(spec, errors)
  const policy = spec.persistentVolumeReclaimPolicy
  if (policy && !RECLAIM_POLICIES.includes(policy))
    errors.push(notSupported('spec.persistentVolumeReclaimPolicy', policy, RECLAIM_POLICIES))
  if (spec.nodeAffinity !== undefined) {
    const { required: terms } = spec.nodeAffinity
    if (terms === undefined)
      errors.push(required('spec.nodeAffinity.required', 'must specify required node constraints'))
    else checkNodeSelector(terms.nodeSelectorTerms ?? [], 'spec.nodeAffinity.required', errors)
  }
  checkSources(spec, { path: 'spec', volumeName: metadata.name ?? '', errors })
  if (spec.hostPath !== undefined && /^\/[/.]*$/.test(spec.hostPath.path) && policy === 'Recycle')
    errors.push(forbidden('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'"))
  const { storageClassName: storageClass, volumeMode } = spec
  if (storageClass) errors.push(...complaints('spec.storageClassName', storageClass, isDNS1123Subdomain(storageClass)))
  if (volumeMode !== undefined && !VOLUME_MODES.includes(volumeMode))
    errors.push(notSupported('spec.volumeMode', volumeMode, VOLUME_MODES))
  checkAttributesClass(spec, errors)
  if (metadata.annotations?.[MOUNT_OPTIONS] !== undefined && !MOUNTABLE.some((name) => spec[name] !== undefined))
    errors.push(
      forbidden(`metadata.annotations.${MOUNT_OPTIONS}`, 'may not specify mount options for this volume type')
    )
  return errors
}

function checkAttributesClass(spec: PersistentVolumeSpec, errors: Errors): void {
  const { volumeAttributesClassName: name } = spec
  if (name === undefined) return
  const path = 'spec.volumeAttributesClassName'
  if (name === '') errors.push(required(path, 'an empty string is disallowed'))
  else errors.push(...complaints(path, name, isDNS1123Subdomain(name)))
  if (spec.csi === undefined)
    errors.push(required('spec.csi', 'has to be specified when using volumeAttributesClassName'))
}

function sourceOf(spec: PersistentVolumeSpec | undefined): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  for (const { name } of SOURCES) if (spec?.[name] !== undefined) found[name] = spec[name]
  return found
}

function validateUpdate(nextObject: KubeObject, oldObject: KubeObject): FieldError[] {
  const [next, old] = [asVolume(nextObject), asVolume(oldObject)]
  // Kubernetes checks the new volume twice.
  const errors = validateVolume(nextObject)
  const [before, after] = [sourceOf(old.spec), sourceOf(next.spec)]
  const [oldCsi, csi] = [old.spec?.csi, next.spec?.csi]
  if (oldCsi !== undefined && oldCsi.controllerExpandSecretRef === undefined && csi !== undefined) {
    const { controllerExpandSecretRef: _, ...rest } = csi
    after.csi = rest
  }
  if (!sameValue(after, before)) {
    const [a, b] = [before, after].map((source) => goStruct('PersistentVolumeSource', source))
    const why = `spec.persistentvolumesource is immutable after creation\n${unifiedDiff(a, b)}`
    errors.push(forbidden('spec.persistentvolumesource', why))
  }
  if (next.spec?.volumeMode !== old.spec?.volumeMode)
    errors.push(invalid('volumeMode', next.spec?.volumeMode ?? null, IMMUTABLE))
  const affinity = old.spec?.nodeAffinity
  if (affinity !== undefined && !sameValue(affinity, next.spec?.nodeAffinity))
    errors.push(invalid('nodeAffinity', goStruct('VolumeNodeAffinity', next.spec?.nodeAffinity ?? {}), IMMUTABLE))
  if (old.spec?.volumeAttributesClassName !== undefined && next.spec?.volumeAttributesClassName === undefined)
    errors.push(forbidden('spec.volumeAttributesClassName', 'update from non-nil value to nil is forbidden'))
  return errors
}

const rules: Rules = {
  defaults: defaultVolume,
  prepareCreate: (object, { now }) => {
    object.status = { phase: 'Pending', lastPhaseTransitionTime: timestamp(now) }
  },
  prepareUpdate: (next, old) => {
    next.status = old.status
  },
  prepareStatus: (nextObject, oldObject, { now }) => {
    const [next, old] = [asVolume(nextObject), asVolume(oldObject)]
    nextObject.spec = oldObject.spec
    next.status ??= {}
    const before = old.status?.lastPhaseTransitionTime
    const time = next.status.lastPhaseTransitionTime
    if (next.status.phase === old.status?.phase) next.status.lastPhaseTransitionTime = time ?? before
    else if (time === undefined || time === before) next.status.lastPhaseTransitionTime = timestamp(now)
  },
  validate: validateVolume,
  validateUpdate,
  fields: { name: (object) => object.metadata.name ?? '' },
  cells: (object, now) => {
    const { metadata, spec = {}, status = {} } = asVolume(object)
    const claim = spec.claimRef
    return [
      metadata.name ?? '',
      sizeText(spec.capacity),
      accessModesText(spec.accessModes),
      spec.persistentVolumeReclaimPolicy ?? '',
      metadata.deletionTimestamp === undefined ? (status.phase ?? '') : 'Terminating',
      claim === undefined ? '' : `${claim.namespace ?? ''}/${claim.name ?? ''}`,
      metadata.annotations?.[CLASS_ANNOTATION] ?? spec.storageClassName ?? '',
      spec.volumeAttributesClassName ?? '<unset>',
      status.reason ?? '',
      age(metadata.creationTimestamp, now),
      spec.volumeMode ?? '<unset>'
    ]
  }
}

export const volumeKinds: readonly Kind[] = [row('v1', 'persistentvolumes', rules)]
