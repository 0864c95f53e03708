/**
 * Counts what a quota has not counted yet: a new one, or one whose limits changed. From then on the API keeps the count
 * in the transactions of the objects themselves (pkg/controller/resourcequota recounts, which ours need not).
 */
import type { ResourceRef } from '../../../core/kinds/refs.ts'
import type { ResourceQuota } from '../../../core/kinds/types.ts'
import type { KubeObject, Resource } from '../../../core/object.ts'
import { quantityText } from '../../../core/quantity.ts'
import { countedNames, isCounted, QUOTAS, totalUsage } from '../../../core/quota.ts'
import type { Controller, ControllerContext, ServedKind } from '../controller.ts'
import { at, keysOfAll, ownKeys, semanticEqual, updateStatus } from '../objects.ts'

const quotas: ResourceRef<ResourceQuota> = {
  group: '',
  version: 'v1',
  resource: QUOTAS,
  kind: 'ResourceQuota',
  namespaced: true
}

export function resourceQuotaController(): Controller {
  return {
    name: 'resourcequota-controller',
    watches: { [QUOTAS]: ownKeys },
    start: ({ reader }) => keysOfAll(reader, quotas),
    reconcile
  }
}

async function reconcile(key: string, context: ControllerContext): Promise<undefined> {
  const { client, reader, config } = context
  const { namespace, name } = at(key)
  const { items } = await reader.list(quotas, { namespace, fieldSelector: `metadata.name=${name}` })
  const quota = items[0]
  if (quota === undefined || semanticEqual(quota.spec?.hard, quota.status?.hard)) return
  const names = Object.keys(quota.spec?.hard ?? {})
  const kinds = (await config.kinds()).filter((kind) => isListed(kind) && countedNames(kind, names).length > 0)
  const objects = await Promise.all(
    kinds.map(async (kind) => {
      const list = await reader.list(kind, { namespace })
      return list.items.map((object) => ({ kind, object: object as unknown as KubeObject }))
    })
  )
  const used = totalUsage(quota, objects.flat())
  const shown = Object.fromEntries([...used].map(([resource, amount]) => [resource, quantityText(amount)]))
  // A Conflict is tried again: something was counted, or came to be, meanwhile.
  await updateStatus(client, quotas, { object: quota, status: { hard: { ...quota.spec?.hard }, used: shown } })
}

function isListed(kind: ServedKind & ResourceRef<Resource>): boolean {
  return kind.namespaced && kind.verbs.includes('list') && isCounted(kind)
}
