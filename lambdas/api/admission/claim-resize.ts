/** A claim may grow only where its class says that volumes can be expanded. */
import { CLASS_ANNOTATION } from '../../../core/kinds/persistent-volume-claims.ts'
import type { PersistentVolumeClaim, StorageClass } from '../../../core/kinds/types.ts'
import { compareQuantities } from '../../../core/quantity.ts'
import type { StoreApi } from '../../../store/store.ts'
import type { AdmissionPlugin } from '../types.ts'
import { refuse } from './refuse.ts'

const CLASSES = 'storage.k8s.io/storageclasses'

export const claimResize: AdmissionPlugin = {
  name: 'PersistentVolumeClaimResize',
  resources: ['persistentvolumeclaims'],
  async validate(request) {
    const { kind, operation, subresource, store } = request
    if (operation !== 'UPDATE' || subresource !== undefined || kind.storage !== 'persistentvolumeclaims') return
    const [next, old] = [request.object, request.old] as unknown as [PersistentVolumeClaim, PersistentVolumeClaim]
    if (compareQuantities(sizeOf(next), sizeOf(old)) <= 0) return
    if (old.status?.phase !== 'Bound') throw refuse(request, 'Only bound persistent volume claims can be expanded')
    if (!(await canGrow(store, next, old)))
      throw refuse(
        request,
        'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize'
      )
  }
}

function sizeOf({ spec }: PersistentVolumeClaim): string {
  return String(spec?.resources?.requests?.storage ?? '0')
}

async function canGrow(store: StoreApi, next: PersistentVolumeClaim, old: PersistentVolumeClaim): Promise<boolean> {
  const name = classOf(next)
  if (name === '' || name !== classOf(old)) return false
  const found = (await store.get(CLASSES, name))?.value as StorageClass | undefined
  return found?.allowVolumeExpansion === true
}

function classOf({ metadata, spec }: PersistentVolumeClaim): string {
  return metadata.annotations?.[CLASS_ANNOTATION] ?? spec?.storageClassName ?? ''
}
