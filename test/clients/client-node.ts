/**
 * An informer of @kubernetes/client-node, as its users write one: follows the ConfigMaps of namespace "from". Each line of
 * standard input is answered with one line of JSON: {"cache": ..., "informer": ...}, names with their data's value "v" as
 * the informer's own cache has them and as its events told them.
 *   node client-node.ts KUBECONFIG
 */
import { createInterface } from 'node:readline'
import { CoreV1Api, KubeConfig, makeInformer, type V1ConfigMap } from '@kubernetes/client-node'

const config = new KubeConfig()
config.loadFromFile(process.argv[2] ?? '')
const api = config.makeApiClient(CoreV1Api)
const informer = makeInformer<V1ConfigMap>(config, '/api/v1/namespaces/from/configmaps', () =>
  api.listNamespacedConfigMap({ namespace: 'from' })
)
const told = new Map<string, string>()
const put = (object: V1ConfigMap) => told.set(object.metadata?.name ?? '', object.data?.v ?? '')
informer.on('add', put)
informer.on('update', put)
informer.on('delete', (object) => told.delete(object.metadata?.name ?? ''))
// It ends at an error; its users start it again.
const start = () => informer.start().catch(again)
const again = () => setTimeout(start, 100)
informer.on('error', again)
await start()

const lines = createInterface({ input: process.stdin })
for await (const _ of lines) {
  const cache = Object.fromEntries(informer.list().map((one) => [one.metadata?.name ?? '', one.data?.v ?? '']))
  process.stdout.write(`${JSON.stringify({ cache, informer: Object.fromEntries(told) })}\n`)
}
process.exit()
