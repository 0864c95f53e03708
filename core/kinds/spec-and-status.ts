/** The usual strategy of a kind with a spec and a status: each path changes its own part only. */
import type { KubeObject } from '../object.ts'
import type { Rules } from './kind.ts'

/** `empty`: the status of a new object. */
export function specAndStatus(
  empty: () => unknown = () => ({})
): Required<Pick<Rules, 'prepareCreate' | 'prepareUpdate' | 'prepareStatus'>> {
  return {
    prepareCreate: (object) => {
      object.status = empty()
    },
    prepareUpdate: (next, old) => {
      next.status = old.status
    },
    prepareStatus: (next, old) => {
      next.spec = old.spec
    }
  }
}

/** Gives an update the labels, annotations and the like that its path may not change. */
export function keepMetadataField(
  next: KubeObject,
  old: KubeObject,
  field: 'labels' | 'annotations' | 'ownerReferences' | 'finalizers'
): void {
  const { [field]: kept } = old.metadata
  if (kept === undefined) delete next.metadata[field]
  else Object.assign(next.metadata, { [field]: kept })
}
