/** A claim that names no class gets the default one: of several, the one that was marked last. */
import { CLASS_ANNOTATION } from '../../../core/kinds/persistent-volume-claims.ts'
import { isDefaultClass } from '../../../core/kinds/storage-classes.ts'
import type { PersistentVolumeClaim } from '../../../core/kinds/types.ts'
import type { StoreApi } from '../../../store/store.ts'
import type { AdmissionPlugin } from '../types.ts'

const CLASSES = 'storage.k8s.io/storageclasses'

export const defaultStorageClass: AdmissionPlugin = {
  name: 'DefaultStorageClass',
  resources: ['persistentvolumeclaims'],
  async mutate({ kind, operation, subresource, object, store }) {
    if (operation !== 'CREATE' || subresource !== undefined || kind.storage !== 'persistentvolumeclaims') return
    const claim = object as unknown as PersistentVolumeClaim
    if (claim.spec === undefined || claim.spec.storageClassName !== undefined) return
    if (claim.metadata.annotations?.[CLASS_ANNOTATION] !== undefined) return
    const name = await defaultClass(store)
    if (name !== undefined) claim.spec.storageClassName = name
  }
}

async function defaultClass(store: StoreApi): Promise<string | undefined> {
  const { entries } = await store.list(CLASSES)
  const defaults = entries.map((entry) => entry.value).filter(isDefaultClass)
  const newest = defaults.sort((a, b) => {
    const [left = '', right = ''] = [a, b].map(({ metadata }) => metadata.creationTimestamp)
    if (left !== right) return left < right ? 1 : -1
    return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1
  })
  return newest[0]?.metadata.name
}
