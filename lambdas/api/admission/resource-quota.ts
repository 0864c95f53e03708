/** Refuses what a quota has no room for, before it is tried; quota-effect.ts counts it, in the object's transaction. */
import { keyOf } from '../../../core/object.ts'
import { checkQuotas } from '../quota-effect.ts'
import type { AdmissionPlugin } from '../types.ts'

export const resourceQuota: AdmissionPlugin = {
  name: 'ResourceQuota',
  async validate({ kind, operation, subresource, object, store }) {
    if (operation !== 'CREATE' || subresource !== undefined || object === undefined) return
    const change = { kind, key: keyOf(object.metadata), old: undefined, next: object }
    await checkQuotas(change, store)
  }
}
