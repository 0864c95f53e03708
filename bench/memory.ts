/**
 * The control plane's resident memory idle and with a Deployment of 1,000 bound pods on 100 nodes, and how long that
 * took from `kubectl apply`. Run: node bench/memory.ts
 */
import { eventually, TestCluster } from '../test/e2e/cluster.ts'
import { createNodes } from '../test/e2e/nodes.ts'
import { print, residentMB } from './figures.ts'

const PODS = 1_000
const NODES = 100

const cluster = await TestCluster.start('--control-plane-only')
try {
  const { pid } = cluster.running()
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  print('control plane idle, resident', `${residentMB(pid).toFixed(0)} MB`)
  await createNodes(cluster, NODES)
  const begin = performance.now()
  await cluster.apply(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: big}
spec:
  replicas: ${PODS}
  selector: {matchLabels: {app: big}}
  template:
    metadata: {labels: {app: big}}
    spec:
      containers: [{name: c, image: x, resources: {requests: {cpu: 100m, memory: 64Mi}}}]
`)
  await eventually(
    'all pods bound',
    async () => {
      const bound = await cluster.k('get', 'pods', '--field-selector', 'spec.nodeName!=', '-o', 'name')
      return bound.split('\n').filter(Boolean).length === PODS
    },
    120_000
  )
  print(
    `a Deployment of ${PODS} replicas on ${NODES} nodes, all bound`,
    `${((performance.now() - begin) / 1000).toFixed(1)} s`
  )
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  print(`control plane with ${PODS} pods, resident`, `${residentMB(pid).toFixed(0)} MB`)
} finally {
  await cluster.stop()
}
