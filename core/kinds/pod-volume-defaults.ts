/** What Kubernetes fills in volumes where the user said nothing. */

import { defaultPullPolicy } from './pod-image.ts'
import type {
  AzureDiskVolumeSource,
  DownwardAPIVolumeFile,
  ProjectedVolumeSource,
  ScaleIOVolumeSource,
  Volume
} from './types.ts'

/** rw-r--r--, octal 0644. */
const FILE_MODE = 0o644
/** An hour. */
const TOKEN_SECONDS = 3600

export function defaultVolume(volume: Volume): void {
  const { secret, configMap, downwardAPI, projected, hostPath } = volume
  if (secret !== undefined) secret.defaultMode ??= FILE_MODE
  else if (configMap !== undefined) configMap.defaultMode ??= FILE_MODE
  else if (projected !== undefined) defaultProjected(projected)
  else if (downwardAPI !== undefined) {
    downwardAPI.defaultMode ??= FILE_MODE
    defaultFiles(downwardAPI.items)
  } else if (hostPath !== undefined) hostPath.type ??= ''
  else if (volume.emptyDir === undefined) defaultOther(volume)
}

function defaultProjected(projected: ProjectedVolumeSource): void {
  projected.defaultMode ??= FILE_MODE
  for (const { serviceAccountToken, downwardAPI } of projected.sources ?? []) {
    if (serviceAccountToken !== undefined) serviceAccountToken.expirationSeconds ??= TOKEN_SECONDS
    if (downwardAPI !== undefined) defaultFiles(downwardAPI.items)
  }
}

function defaultFiles(files: readonly DownwardAPIVolumeFile[] | undefined): void {
  for (const { fieldRef, resourceFieldRef } of files ?? []) {
    if (fieldRef !== undefined) fieldRef.apiVersion ||= 'v1'
    if (resourceFieldRef !== undefined) resourceFieldRef.divisor ??= '0'
  }
}

/** Of sources that few use; a volume that names none is an empty directory. */
function defaultOther(volume: Volume): void {
  if (Object.keys(volume).every((key) => key === 'name' || volume[key as keyof Volume] === undefined)) {
    volume.emptyDir = {}
    return
  }
  const { iscsi, rbd, azureDisk, scaleIO, ephemeral, image } = volume
  if (iscsi !== undefined) iscsi.iscsiInterface ||= 'default'
  if (rbd !== undefined) {
    rbd.pool ||= 'rbd'
    rbd.user ||= 'admin'
    rbd.keyring ||= '/etc/ceph/keyring'
  }
  if (azureDisk !== undefined) defaultAzureDisk(azureDisk)
  if (scaleIO !== undefined) defaultScaleIO(scaleIO)
  const claim = ephemeral?.volumeClaimTemplate
  if (claim !== undefined) {
    claim.metadata ??= {}
    claim.spec ??= {}
    claim.spec.resources ??= {}
    claim.spec.volumeMode ??= 'Filesystem'
  }
  if (image !== undefined) image.pullPolicy ||= defaultPullPolicy(image.reference)
}

function defaultAzureDisk(disk: AzureDiskVolumeSource): void {
  disk.cachingMode ??= 'ReadWrite'
  disk.kind ??= 'Shared'
  disk.fsType ??= 'ext4'
  disk.readOnly ??= false
}

function defaultScaleIO(source: ScaleIOVolumeSource): void {
  source.storageMode ||= 'ThinProvisioned'
  source.fsType ||= 'xfs'
}
