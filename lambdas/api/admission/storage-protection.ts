/** What is in use is not removed: volumes and claims wait for the controller that knows who uses them. */
import type { AdmissionPlugin } from '../types.ts'

const FINALIZERS: Readonly<Record<string, string>> = {
  persistentvolumeclaims: 'kubernetes.io/pvc-protection',
  persistentvolumes: 'kubernetes.io/pv-protection',
  'storage.k8s.io/volumeattributesclasses': 'kubernetes.io/vac-protection'
}

export const storageProtection: AdmissionPlugin = {
  name: 'StorageObjectInUseProtection',
  resources: Object.keys(FINALIZERS),
  async mutate({ kind, operation, subresource, object }) {
    if (operation !== 'CREATE' || subresource !== undefined || object === undefined) return
    const finalizer = Object.hasOwn(FINALIZERS, kind.storage) ? FINALIZERS[kind.storage] : undefined
    if (finalizer === undefined || object.metadata.finalizers?.includes(finalizer) === true) return
    object.metadata.finalizers = [...(object.metadata.finalizers ?? []), finalizer]
  }
}
