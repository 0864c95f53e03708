/** Validation of volume sources of particular storage systems, most of which only CSI drivers serve today. */
import { invalid, notSupported, required, tooLong } from '../field-errors.ts'
import { byteLength, isDNS1123Subdomain, rangeError } from '../names.ts'
import { checkLabel, complaints, type Errors } from './checks.ts'
import { checkDescendingPath } from './paths.ts'
import type { SourceCheck } from './pod-volumes.ts'
import type {
  AWSElasticBlockStoreVolumeSource,
  AzureDiskVolumeSource,
  AzureFileVolumeSource,
  CephFSVolumeSource,
  CinderVolumeSource,
  CSIVolumeSource,
  FCVolumeSource,
  FlexVolumeSource,
  FlockerVolumeSource,
  GCEPersistentDiskVolumeSource,
  GitRepoVolumeSource,
  GlusterfsVolumeSource,
  ISCSIVolumeSource,
  NFSVolumeSource,
  PersistentVolumeClaimVolumeSource,
  PhotonPersistentDiskVolumeSource,
  PortworxVolumeSource,
  QuobyteVolumeSource,
  RBDVolumeSource,
  ScaleIOVolumeSource,
  StorageOSVolumeSource,
  VsphereVirtualDiskVolumeSource
} from './types.ts'

function need(values: Readonly<Record<string, unknown>>, path: string, errors: Errors): void {
  for (const name in values) {
    const value = values[name]
    if (value === undefined || value === '' || (Array.isArray(value) && value.length === 0))
      errors.push(required(`${path}.${name}`))
  }
}

export const gitRepo: SourceCheck<GitRepoVolumeSource> = ({ repository, directory }, path, { errors }) => {
  need({ repository }, path, errors)
  checkDescendingPath(directory ?? '', `${path}.directory`, errors)
}

function checkPartition(partition: number | undefined, path: string, errors: Errors): void {
  if (partition !== undefined && (partition < 0 || partition > 255))
    errors.push(invalid(`${path}.partition`, partition, rangeError(1, 255)))
}

export const gceDisk: SourceCheck<GCEPersistentDiskVolumeSource> = ({ pdName, partition }, path, { errors }) => {
  need({ pdName }, path, errors)
  checkPartition(partition, path, errors)
}

export const awsDisk: SourceCheck<AWSElasticBlockStoreVolumeSource> = ({ volumeID, partition }, path, { errors }) => {
  need({ volumeID }, path, errors)
  checkPartition(partition, path, errors)
}

export const nfs: SourceCheck<NFSVolumeSource> = (source, path, { errors }) => {
  need({ server: source.server, path: source.path }, path, errors)
  if (!source.path?.startsWith('/')) errors.push(invalid(`${path}.path`, source.path ?? '', 'must be an absolute path'))
}

/** An iSCSI name has at most 223 bytes; far longer ones are not worth a search. */
const MOST_NAME = 1024
const IQN = /iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)$/
const EUI = /^eui.[A-Za-z0-9]{16}$/
const NAA = /^naa.[A-Za-z0-9]{32}$/

function qualifiedNameError(name: string): string | undefined {
  const patterns = { iqn: IQN, eui: EUI, naa: NAA }
  for (const [prefix, pattern] of Object.entries(patterns))
    if (name.startsWith(prefix))
      return name.length <= MOST_NAME && pattern.test(name) ? undefined : 'must be valid format'
  return 'must be valid format starting with iqn, eui, or naa'
}

export const iscsi: SourceCheck<ISCSIVolumeSource> = (source, path, { errors, volume }) => {
  need({ targetPortal: source.targetPortal, iqn: source.iqn }, path, errors)
  const wrong = source.iqn ? qualifiedNameError(source.iqn) : undefined
  if (wrong !== undefined) errors.push(invalid(`${path}.iqn`, source.iqn, wrong))
  const lun = source.lun ?? 0
  if (lun < 0 || lun > 255) errors.push(invalid(`${path}.lun`, lun, rangeError(0, 255)))
  if ((source.chapAuthDiscovery === true || source.chapAuthSession === true) && source.secretRef === undefined)
    errors.push(required(`${path}.secretRef`))
  const { initiatorName } = source
  if (initiatorName === undefined) return
  const wrongName = qualifiedNameError(initiatorName)
  if (wrongName !== undefined) errors.push(invalid(`${path}.initiatorname`, initiatorName, wrongName))
  if (byteLength(`${volume.name}:${source.targetPortal}`) > 64)
    errors.push(
      invalid(
        `${path.slice(0, -'.iscsi'.length)}.name`,
        volume.name,
        'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.'
      )
    )
}

export const glusterfs: SourceCheck<GlusterfsVolumeSource> = (source, path, { errors }) => {
  need({ endpoints: source.endpoints, path: source.path }, path, errors)
}

export const flocker: SourceCheck<FlockerVolumeSource> = ({ datasetName, datasetUUID }, path, { errors }) => {
  if (!datasetName && !datasetUUID) errors.push(required(path, 'one of datasetName and datasetUUID is required'))
  if (datasetName && datasetUUID)
    errors.push(invalid(path, 'resource', 'datasetName and datasetUUID can not be specified simultaneously'))
  if (datasetName?.includes('/') === true)
    errors.push(invalid(`${path}.datasetName`, datasetName, "must not contain '/'"))
}

export const claim: SourceCheck<PersistentVolumeClaimVolumeSource> = ({ claimName }, path, { errors }) => {
  need({ claimName }, path, errors)
}

export const vsphere: SourceCheck<VsphereVirtualDiskVolumeSource> = ({ volumePath }, path, { errors }) => {
  need({ volumePath }, path, errors)
}

export const photon: SourceCheck<PhotonPersistentDiskVolumeSource> = ({ pdID }, path, { errors }) => {
  need({ pdID }, path, errors)
}

export const portworx: SourceCheck<PortworxVolumeSource> = ({ volumeID }, path, { errors }) => {
  need({ volumeID }, path, errors)
}

export const rbd: SourceCheck<RBDVolumeSource> = ({ monitors, image }, path, { errors }) => {
  need({ monitors: monitors ?? [], image }, path, errors)
}

export const cinder: SourceCheck<CinderVolumeSource> = ({ volumeID, secretRef }, path, { errors }) => {
  need({ volumeID }, path, errors)
  if (secretRef !== undefined) need({ name: secretRef.name }, `${path}.secretRef`, errors)
}

export const cephfs: SourceCheck<CephFSVolumeSource> = ({ monitors }, path, { errors }) => {
  need({ monitors: monitors ?? [] }, path, errors)
}

const REGISTRY = 'must be a host:port pair or multiple pairs separated by commas'

export const quobyte: SourceCheck<QuobyteVolumeSource> = ({ registry, tenant, volume }, path, { errors }) => {
  if (!registry) errors.push(required(`${path}.registry`, REGISTRY))
  else if ((tenant ?? '').length >= 65)
    errors.push(required(`${path}.tenant`, 'must be a UUID and may not exceed a length of 64 characters'))
  else
    for (const pair of registry.split(','))
      if (!/^(\[[^[\]]*\]|[^:[\]]*):[^:]*$/.test(pair)) errors.push(invalid(`${path}.registry`, registry, REGISTRY))
  need({ volume }, path, errors)
}

export const fc: SourceCheck<FCVolumeSource> = ({ targetWWNs = [], wwids = [], lun }, path, { errors }) => {
  if (targetWWNs.length === 0 && wwids.length === 0)
    errors.push(required(`${path}.targetWWNs`, 'must specify either targetWWNs or wwids, but not both'))
  if (targetWWNs.length > 0 && wwids.length > 0)
    errors.push(invalid(`${path}.targetWWNs`, targetWWNs, 'targetWWNs and wwids can not be specified simultaneously'))
  if (targetWWNs.length === 0) return
  if (lun === undefined) errors.push(required(`${path}.lun`, 'lun is required if targetWWNs is specified'))
  else if (lun < 0 || lun > 255) errors.push(invalid(`${path}.lun`, lun, rangeError(0, 255)))
}

export const flexVolume: SourceCheck<FlexVolumeSource> = ({ driver, options }, path, { errors }) => {
  need({ driver }, path, errors)
  for (const key in options) {
    const namespace = `.${(key.split('/', 1)[0] ?? '').toLowerCase()}`
    if (namespace.endsWith('.kubernetes.io') || namespace.endsWith('.k8s.io'))
      errors.push(invalid(`${path}.options[${key}]`, key, 'kubernetes.io and k8s.io namespaces are reserved'))
  }
}

export const azureFile: SourceCheck<AzureFileVolumeSource> = ({ secretName, shareName }, path, { errors }) => {
  need({ secretName, shareName }, path, errors)
}

const MANAGED_DISK = '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}'
const BLOB_DISK = 'https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd'

export const azureDisk: SourceCheck<AzureDiskVolumeSource> = (source, path, { errors }) => {
  const { diskName, diskURI, cachingMode, kind } = source
  need({ diskName, diskURI }, path, errors)
  const modes = ['None', 'ReadOnly', 'ReadWrite']
  if (cachingMode !== undefined && !modes.includes(cachingMode))
    errors.push(notSupported(`${path}.cachingMode`, cachingMode, modes))
  const kinds = ['Dedicated', 'Managed', 'Shared']
  if (kind === undefined) return
  if (!kinds.includes(kind)) errors.push(notSupported(`${path}.kind`, kind, kinds))
  if (kind === 'Managed' && !diskURI?.startsWith('/subscriptions/'))
    errors.push(notSupported(`${path}.diskURI`, diskURI ?? '', [MANAGED_DISK]))
  if (kind !== 'Managed' && !diskURI?.startsWith('https://'))
    errors.push(notSupported(`${path}.diskURI`, diskURI ?? '', [BLOB_DISK]))
}

export const storageos: SourceCheck<StorageOSVolumeSource> = (source, path, { errors }) => {
  const { volumeName, volumeNamespace, secretRef } = source
  if (!volumeName) errors.push(required(`${path}.volumeName`))
  else checkLabel(volumeName, `${path}.volumeName`, errors)
  if (volumeNamespace) checkLabel(volumeNamespace, `${path}.volumeNamespace`, errors)
  if (secretRef !== undefined) need({ name: secretRef.name }, `${path}.secretRef`, errors)
}

export const scaleIO: SourceCheck<ScaleIOVolumeSource> = ({ gateway, system, volumeName }, path, { errors }) => {
  need({ gateway, system, volumeName }, path, errors)
}

export function checkDriverName(driver: string | undefined, path: string, errors: Errors): void {
  const name = driver ?? ''
  if (name === '') {
    errors.push(required(path))
    return
  }
  if (byteLength(name) > 63) errors.push(tooLong(path, 63))
  errors.push(...complaints(path, name, isDNS1123Subdomain(name.toLowerCase())))
}

export const csi: SourceCheck<CSIVolumeSource> = ({ driver, nodePublishSecretRef }, path, { errors }) => {
  checkDriverName(driver, `${path}.driver`, errors)
  if (nodePublishSecretRef === undefined) return
  const { name } = nodePublishSecretRef
  if (!name) errors.push(required(`${path}.nodePublishSecretRef.name`))
  else errors.push(...complaints(`${path}.name`, name, isDNS1123Subdomain(name)))
}
