/** Validation of the spec of a PersistentVolumeClaim, also inside pods and StatefulSets. */
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { isDNS1123Subdomain } from '../names.ts'
import { canonicalQuantity, parseQuantity } from '../quantity.ts'
import { checkAnnotations, checkLabelSelector, checkLabels, complaints, type Errors, NOT_POSITIVE } from './checks.ts'
import { checkQuantity } from './resource-rules.ts'
import type { ObjectMeta, PersistentVolumeClaimSpec, PersistentVolumeClaimTemplate } from './types.ts'

const ACCESS_MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod']
const VOLUME_MODES = ['Block', 'Filesystem']

export function checkClaimTemplate(template: PersistentVolumeClaimTemplate, path: string, errors: Errors): void {
  checkTemplateMetadata(template.metadata, `${path}.metadata`, errors)
  checkClaimSpec(template.spec, `${path}.spec`, errors)
}

/** A template's metadata holds labels and annotations only. */
function checkTemplateMetadata(metadata: ObjectMeta | undefined, path: string, errors: Errors): void {
  if (metadata === undefined) return
  checkAnnotations(metadata.annotations, `${path}.annotations`, errors)
  checkLabels(metadata.labels, `${path}.labels`, errors)
  for (const key in metadata)
    if (key !== 'annotations' && key !== 'labels' && metadata[key as keyof ObjectMeta])
      errors.push(forbidden(`${path}.${key === 'uid' ? 'uID' : key}`, 'cannot be set'))
}

export function checkClaimSpec(spec: PersistentVolumeClaimSpec, path: string, errors: Errors): void {
  const modes = spec.accessModes ?? []
  if (modes.length === 0) errors.push(required(`${path}.accessModes`, 'at least 1 access mode is required'))
  checkLabelSelector(spec.selector, `${path}.selector`, errors)
  for (const mode of modes)
    if (!ACCESS_MODES.includes(mode)) errors.push(notSupported(`${path}.accessModes`, mode, ACCESS_MODES))
  if (modes.includes('ReadWriteOncePod') && modes.some((mode) => mode !== 'ReadWriteOncePod'))
    errors.push(forbidden(`${path}.accessModes`, 'may not use ReadWriteOncePod with other access modes'))
  const storage = spec.resources?.requests?.storage
  const at = `${path}.resources[storage]`
  if (storage === undefined) errors.push(required(at))
  else {
    if (parseQuantity(storage).nano <= 0n) errors.push(invalid(at, canonicalQuantity(storage), NOT_POSITIVE))
    else checkQuantity('storage', storage, { path: at, errors })
  }
  const { storageClassName, volumeMode } = spec
  if (storageClassName)
    errors.push(...complaints(`${path}.storageClassName`, storageClassName, isDNS1123Subdomain(storageClassName)))
  if (volumeMode !== undefined && !VOLUME_MODES.includes(volumeMode))
    errors.push(notSupported(`${path}.volumeMode`, volumeMode, VOLUME_MODES))
}
