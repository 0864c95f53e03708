/** Validation of a pod's volumes; the rarely used sources are in pod-volume-sources.ts. */
import { duplicate, forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { isDNS1123Subdomain } from '../names.ts'
import { parseQuantity } from '../quantity.ts'
import { checkLabel, checkOneOf, type Errors } from './checks.ts'
import { checkClaimTemplate } from './claim-spec.ts'
import { checkMode, checkNoBacksteps } from './paths.ts'
import { projectedVolume } from './pod-projected.ts'
import { checkDownwardFile, checkKeyToPath } from './pod-volume-files.ts'
import * as sources from './pod-volume-sources.ts'
import type {
  ConfigMapVolumeSource,
  DownwardAPIVolumeSource,
  EmptyDirVolumeSource,
  EphemeralVolumeSource,
  ImageVolumeSource,
  KeyToPath,
  ObjectMeta,
  SecretVolumeSource,
  Volume
} from './types.ts'

export interface VolumeScope {
  readonly errors: Errors
  /** Of the pod itself; undefined in a template. */
  readonly metadata: ObjectMeta | undefined
  readonly isPod: boolean
}

export type SourceCheck<T> = (source: T, path: string, scope: VolumeScope & { readonly volume: Volume }) => void

type SourceName = Exclude<keyof Volume, 'name'>
interface SourceRow<K extends SourceName> {
  readonly name: K
  readonly check: SourceCheck<NonNullable<Volume[K]>>
  /** Where Kubernetes' messages name the source otherwise than its field. */
  readonly path?: string
  readonly pathOfSecond?: string
}

function source<K extends SourceName>(
  name: K,
  check: SourceRow<K>['check'],
  names: { path?: string; pathOfSecond?: string } = {}
): SourceRow<SourceName> {
  return { name, check, ...names } as unknown as SourceRow<SourceName>
}

/** In the order in which Kubernetes looks at them: the first one found is the volume, each further one an error. */
const SOURCES: readonly SourceRow<SourceName>[] = [
  source('emptyDir', emptyDir),
  source('hostPath', hostPath),
  source('gitRepo', sources.gitRepo),
  source('gcePersistentDisk', sources.gceDisk, { path: 'persistentDisk', pathOfSecond: 'gcePersistentDisk' }),
  source('awsElasticBlockStore', sources.awsDisk),
  source('secret', secret),
  source('nfs', sources.nfs),
  source('iscsi', sources.iscsi),
  source('glusterfs', sources.glusterfs),
  source('flocker', sources.flocker),
  source('persistentVolumeClaim', sources.claim),
  source('rbd', sources.rbd),
  source('cinder', sources.cinder),
  source('cephfs', sources.cephfs, { path: 'cephfs', pathOfSecond: 'cephFS' }),
  source('quobyte', sources.quobyte),
  source('downwardAPI', downwardAPI, { path: 'downwardAPI', pathOfSecond: 'downwarAPI' }),
  source('fc', sources.fc),
  source('flexVolume', sources.flexVolume),
  source('configMap', configMap),
  source('azureFile', sources.azureFile),
  source('vsphereVolume', sources.vsphere),
  source('photonPersistentDisk', sources.photon),
  source('portworxVolume', sources.portworx),
  source('azureDisk', sources.azureDisk),
  source('storageos', sources.storageos),
  source('projected', projectedVolume),
  source('scaleIO', sources.scaleIO),
  source('csi', sources.csi),
  source('ephemeral', ephemeral),
  source('image', image)
]
const SOURCE_NAMES: ReadonlySet<string> = new Set(SOURCES.map(({ name }) => name))

export type Volumes = ReadonlyMap<string, Volume>

/** Answers with the volumes that are right: mounts of others are "not found". */
export function checkVolumes(volumes: readonly Volume[] | undefined, path: string, scope: VolumeScope): Volumes {
  const found = new Map<string, Volume>()
  if (volumes === undefined) return found
  const { errors, metadata } = scope
  const created = new Set<string>()
  if (metadata?.name)
    for (const volume of volumes) if (volume.ephemeral !== undefined) created.add(`${metadata.name}-${volume.name}`)
  volumes.forEach((volume, i) => {
    const at = `${path}[${i}]`
    const before = errors.length
    checkSource(volume, at, scope)
    if (!volume.name) errors.push(required(`${at}.name`))
    else checkLabel(volume.name, `${at}.name`, errors)
    if (found.has(volume.name)) errors.push(duplicate(`${at}.name`, volume.name))
    if (errors.length === before) found.set(volume.name, volume)
    const claim = volume.persistentVolumeClaim?.claimName
    if (claim !== undefined && created.has(claim))
      errors.push(
        invalid(
          `${at}.persistentVolumeClaim.claimName`,
          claim,
          'must not reference a PVC that gets created for an ephemeral volume'
        )
      )
  })
  return found
}

function checkSource(volume: Volume, path: string, scope: VolumeScope): void {
  let present = 0
  for (const key in volume) if (SOURCE_NAMES.has(key) && volume[key as SourceName] !== undefined) present++
  if (present === 0) return void scope.errors.push(required(path, 'must specify a volume type'))
  let first = true
  for (const { name, check, path: field = name, pathOfSecond = name } of SOURCES) {
    const value = volume[name]
    if (value === undefined) continue
    if (first) check(value, `${path}.${field}`, { ...scope, volume })
    else scope.errors.push(forbidden(`${path}.${pathOfSecond}`, 'may not specify more than 1 volume type'))
    first = false
    if (--present === 0) return
  }
}

/** Sorted, as Kubernetes lists them. */
const HOST_PATH_TYPES = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket'
]

export function hostPath({ path, type }: { path?: string; type?: string | undefined }, at: string, scope: VolumeScope) {
  if (!path) return void scope.errors.push(required(`${at}.path`))
  checkNoBacksteps(path, `${at}.path`, scope.errors)
  if (type !== undefined && !HOST_PATH_TYPES.includes(type))
    scope.errors.push(notSupported(`${at}.type`, type, HOST_PATH_TYPES))
}

function emptyDir({ sizeLimit }: EmptyDirVolumeSource, path: string, { errors }: VolumeScope): void {
  if (sizeLimit !== undefined && parseQuantity(sizeLimit).nano < 0n)
    errors.push(forbidden(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity'))
}

function secret(source: SecretVolumeSource, path: string, { errors }: VolumeScope): void {
  if (!source.secretName) errors.push(required(`${path}.secretName`))
  checkKeys(source, path, errors)
}

function configMap(source: ConfigMapVolumeSource, path: string, { errors }: VolumeScope): void {
  if (!source.name) errors.push(required(`${path}.name`))
  checkKeys(source, path, errors)
}

function checkKeys(
  { defaultMode, items }: { defaultMode?: number | undefined; items?: KeyToPath[] | undefined },
  path: string,
  errors: Errors
): void {
  checkMode(defaultMode, `${path}.defaultMode`, errors)
  items?.forEach((item, i) => {
    checkKeyToPath(item, `${path}.items[${i}]`, errors)
  })
}

function downwardAPI({ defaultMode, items }: DownwardAPIVolumeSource, path: string, { errors }: VolumeScope): void {
  checkMode(defaultMode, `${path}.defaultMode`, errors)
  for (const file of items ?? []) checkDownwardFile(file, path, errors)
}

type SourceScope = VolumeScope & { readonly volume: Volume }

function ephemeral({ volumeClaimTemplate: template }: EphemeralVolumeSource, path: string, scope: SourceScope): void {
  const { errors, metadata, volume } = scope
  if (template === undefined) errors.push(required(`${path}.volumeClaimTemplate`))
  else checkClaimTemplate(template, `${path}.volumeClaimTemplate`, errors)
  if (!metadata?.name || !volume.name) return
  const claim = `${metadata.name}-${volume.name}`
  const field = `${path.slice(0, -'.ephemeral'.length)}.name`
  for (const message of isDNS1123Subdomain(claim))
    errors.push(invalid(field, volume.name, `PVC name "${claim}": ${message}`))
}

function image({ reference, pullPolicy }: ImageVolumeSource, path: string, { errors, isPod }: VolumeScope): void {
  if (isPod && !reference) errors.push(required(`${path}.reference`))
  checkOneOf(pullPolicy, `${path}.pullPolicy`, { allowed: ['Always', 'IfNotPresent', 'Never'], errors })
}
