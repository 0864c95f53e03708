import { eventually, TestCluster } from './cluster.ts'
import { createNodes } from './nodes.ts'

// A Deployment of 1,000 pods on 100 nodes that exist only in the API is fully bound, with no node sold twice.

test('a Deployment of 1,000 pods on 100 nodes is fully bound', async () => {
  const cluster = await TestCluster.start('--control-plane-only')
  try {
    await createNodes(cluster, 100)
    await cluster.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: big}
spec:
  replicas: 1000
  selector: {matchLabels: {app: big}}
  template:
    metadata: {labels: {app: big}}
    spec:
      containers: [{name: c, image: x, resources: {requests: {cpu: 100m, memory: 64Mi}}}]
`)
    type Pods = { items: { spec: { nodeName?: string } }[] }
    const bound = await eventually(
      '1,000 bound pods',
      async () => {
        const { items } = await cluster.json<Pods>('get', 'pods')
        return items.length === 1000 && items.every((pod) => pod.spec.nodeName !== undefined) && items
      },
      60_000
    )
    const perNode = Map.groupBy(bound, (pod) => pod.spec.nodeName)
    // Each node has room for exactly ten.
    expect([...perNode.values()].map((pods) => pods.length)).toEqual(Array.from({ length: 100 }, () => 10))
  } finally {
    await cluster.stop()
  }
}, 120_000)
