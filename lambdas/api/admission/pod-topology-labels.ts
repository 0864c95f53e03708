/** A pod bears the zone and region of the node that it is bound to. */
import type { Binding, Pod } from '../../../core/kinds/types.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../types.ts'

const LABELS = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region']

export const podTopologyLabels: AdmissionPlugin = {
  name: 'PodTopologyLabels',
  resources: ['pods'],
  async mutate(request) {
    const { kind, operation, object } = request
    if (operation !== 'CREATE' || kind.storage !== 'pods' || object === undefined) return
    const name = nodeOf(request)
    if (name === undefined || name === '') return
    const labels = (await request.store.get('nodes', name))?.value.metadata.labels
    if (labels === undefined) return
    for (const key of LABELS) {
      const value = labels[key]
      if (value !== undefined) object.metadata.labels = { ...object.metadata.labels, [key]: value }
    }
  }
}

/** The node that a new pod or a binding names. */
function nodeOf({ subresource, object }: AdmissionRequest): string | undefined {
  if (subresource === undefined) return (object as unknown as Pod).spec?.nodeName
  if (subresource !== 'binding') return undefined
  // The binding is checked later, and may lack anything.
  const { target } = object as unknown as Partial<Binding>
  return target?.kind === 'Node' ? target.name : undefined
}
