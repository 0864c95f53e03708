import type { TestCluster } from './cluster.ts'

/** Makes `count` nodes that have no agent, Ready through the API, each with room for ten pods of 100m. */
export async function createNodes(cluster: TestCluster, count: number): Promise<void> {
  const names = Array.from({ length: count }, (_, index) => `n${index}`)
  const items = names.map((name) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name } }
  }))
  const list = cluster.writeFile('nodes.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
  await cluster.k('create', '-f', list)
  const room = { cpu: '1', memory: '4Gi', pods: '110' }
  const lastHeartbeatTime = new Date().toISOString().replace(/\.\d+/, '')
  const conditions = [{ type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime }]
  const status = cluster.writeFile(
    'status.json',
    JSON.stringify({ status: { allocatable: room, capacity: room, conditions } })
  )
  await cluster.k('patch', 'nodes', ...names, '--subresource=status', `--patch-file=${status}`)
  await cluster.kubectl(['taint', 'nodes', '--all', 'node.kubernetes.io/not-ready-'])
}
