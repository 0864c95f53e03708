/** No object without its namespace, nothing new in one that is being deleted, and the system's own are kept. */
import type { Namespace } from '../../../core/kinds/types.ts'
import type { AdmissionPlugin, AdmissionRequest } from '../types.ts'
import { missing, refuse } from './refuse.ts'

const NAME_LABEL = 'kubernetes.io/metadata.name'
const IMMORTAL: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public'])
const NAMESPACES = { group: '', resource: 'namespaces' } as const

export const namespaceLifecycle: AdmissionPlugin = { name: 'NamespaceLifecycle', mutate }

async function mutate(request: AdmissionRequest): Promise<void> {
  const { kind, operation, object } = request
  if (kind.group === '' && kind.resource === 'namespaces') {
    if (operation === 'DELETE' && IMMORTAL.has(request.name ?? ''))
      throw refuse(request, 'this namespace may not be deleted')
    const name = object?.metadata.name
    if (object !== undefined && request.subresource === undefined && name !== undefined && name !== '')
      object.metadata.labels = { ...object.metadata.labels, [NAME_LABEL]: name }
    return
  }
  // Subresources and updates belong to an object that exists, and so to a namespace that does.
  if (operation !== 'CREATE' || request.subresource !== undefined) return
  if (!kind.namespaced || kind.resource === 'localsubjectaccessreviews') return
  await requireNamespace(request)
}

async function requireNamespace(request: AdmissionRequest): Promise<void> {
  const { namespace = '' } = request
  const entry = await request.store.get('namespaces', namespace)
  if (entry === undefined) throw missing(NAMESPACES, namespace)
  if ((entry.value as Namespace).status?.phase !== 'Terminating') return
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  throw refuse(request, why, [
    {
      reason: 'NamespaceTerminating',
      message: `namespace ${namespace} is being terminated`,
      field: 'metadata.namespace'
    }
  ])
}
