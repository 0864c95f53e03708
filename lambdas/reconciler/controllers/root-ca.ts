/** Keeps the cluster's CA where every pod can mount it (pkg/controller/certificates/rootcacertpublisher). */
import { isReason } from '../../../core/errors.ts'
import { configMaps, namespaces } from '../../../core/kinds/refs.ts'
import type { ConfigMap } from '../../../core/kinds/types.ts'
import type { Controller, ControllerContext } from '../controller.ts'
import { copyOf, keysOfAll, ownKeys } from '../objects.ts'
import { isNamespaceTerminating } from './replicaset.ts'
import { isActiveNamespace } from './serviceaccount.ts'

const NAME = 'kube-root-ca.crt'
const DESCRIPTION = 'kubernetes.io/description'
const DESCRIPTION_TEXT =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.'

export function rootCaController(): Controller {
  return {
    name: 'root-ca-cert-publisher',
    watches: {
      namespaces: ownKeys,
      configmaps: (changes) =>
        changes
          .filter(({ type, object }) => type !== 'created' && object.metadata.name === NAME)
          .map(({ object }) => object.metadata.namespace ?? '')
    },
    start: ({ reader }) => keysOfAll(reader, namespaces),
    reconcile
  }
}

async function reconcile(namespace: string, { client, reader, config }: ControllerContext): Promise<undefined> {
  if (!(await isActiveNamespace(reader, namespace))) return
  const { items } = await reader.list(configMaps, { namespace, fieldSelector: `metadata.name=${NAME}` })
  const next = planRootCa(items[0], { namespace, certificate: config.caCertificate })
  if (next === undefined) return
  try {
    if (items[0] === undefined) await client.create(configMaps, next)
    else await client.update(configMaps, next)
  } catch (error) {
    if (!isReason(error, 'AlreadyExists') && !isNamespaceTerminating(error)) throw error
  }
}

/** The ConfigMap as it should be; undefined when it is so. */
export function planRootCa(
  existing: ConfigMap | undefined,
  { namespace, certificate }: { namespace: string; certificate: string }
): ConfigMap | undefined {
  const data = { 'ca.crt': certificate }
  if (existing === undefined)
    return { metadata: { name: NAME, namespace, annotations: { [DESCRIPTION]: DESCRIPTION_TEXT } }, data }
  const hasData = existing.data?.['ca.crt'] === certificate && Object.keys(existing.data).length === 1
  if (hasData && existing.metadata.annotations?.[DESCRIPTION] === DESCRIPTION_TEXT) return undefined
  const next = copyOf(existing)
  next.data = data
  next.metadata.annotations = { ...next.metadata.annotations, [DESCRIPTION]: DESCRIPTION_TEXT }
  return next
}
