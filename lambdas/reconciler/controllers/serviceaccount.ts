/** Keeps the service account "default" in every active namespace (pkg/controller/serviceaccount). */
import { isReason } from '../../../core/errors.ts'
import { namespaces, serviceAccounts } from '../../../core/kinds/refs.ts'
import type { Controller, ControllerContext } from '../controller.ts'
import { keysOfAll, ownKeys } from '../objects.ts'
import { isNamespaceTerminating } from './replicaset.ts'

const NAME = 'default'

export function serviceAccountController(): Controller {
  return {
    name: 'service-account-controller',
    watches: {
      namespaces: ownKeys,
      serviceaccounts: (changes) =>
        changes
          .filter(({ type, object }) => type === 'deleted' && object.metadata.name === NAME)
          .map(({ object }) => object.metadata.namespace ?? '')
    },
    start: ({ reader }) => keysOfAll(reader, namespaces),
    reconcile
  }
}

async function reconcile(name: string, { client, reader }: ControllerContext): Promise<undefined> {
  if (!(await isActiveNamespace(reader, name))) return
  const existing = await reader.list(serviceAccounts, { namespace: name, fieldSelector: `metadata.name=${NAME}` })
  if (existing.items.length > 0) return
  try {
    await client.create(serviceAccounts, { metadata: { name: NAME, namespace: name } })
  } catch (error) {
    if (!isReason(error, 'AlreadyExists') && !isNamespaceTerminating(error)) throw error
  }
}

/** The reader may list, but not get. */
export async function isActiveNamespace(reader: ControllerContext['reader'], name: string): Promise<boolean> {
  const { items } = await reader.list(namespaces, { fieldSelector: `metadata.name=${name}` })
  return items.some(
    ({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.phase !== 'Terminating'
  )
}
