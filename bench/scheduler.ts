/**
 * Pods scheduled per second, in process: the API with its admission, RBAC and ledgers, and one scheduler. First from the
 * first creation until the last pod is bound; then the scheduler alone, on pods that wait already.
 * Run: node bench/scheduler.ts [pods] [memory|lmdb]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from '../core/client.ts'
import { createEventRecorder } from '../core/events.ts'
import { nodes, pods, serviceAccounts } from '../core/kinds/refs.ts'
import { kindTable } from '../core/kinds/table.ts'
import type { Pod } from '../core/kinds/types.ts'
import { silentLog, systemPorts } from '../core/system-ports.ts'
import { DEFAULT_ADDRESSES } from '../lambdas/api/addresses.ts'
import { admissionEffects, admissionPlugins } from '../lambdas/api/admission/registry.ts'
import { createAuthorizer } from '../lambdas/api/authz.ts'
import { bootstrap } from '../lambdas/api/bootstrap.ts'
import { ledgerEffect } from '../lambdas/api/ledger-effect.ts'
import { createApi } from '../lambdas/api/server.ts'
import { type Scheduler, startScheduler } from '../lambdas/scheduler/scheduler.ts'
import { LmdbBackend } from '../store/backends/lmdb.ts'
import { MemoryBackend } from '../store/backends/memory.ts'
import { Store } from '../store/store.ts'
import { print } from './figures.ts'

const podCount = Number(process.argv[2] ?? 1000)
const kindOfStore = process.argv[3] ?? 'memory'
const CREATORS = 16

for (const nodeCount of [100, 500]) {
  const folder = mkdtempSync(join(tmpdir(), 'wherry-bench-scheduler-'))
  try {
    print(
      `${podCount} pods on ${nodeCount} nodes (${kindOfStore}), created while scheduled`,
      await measure(nodeCount, folder, 'at once')
    )
    print(
      `${podCount} pods on ${nodeCount} nodes (${kindOfStore}), waiting already`,
      await measure(nodeCount, `${folder}-2`, 'waiting')
    )
  } finally {
    rmSync(folder, { recursive: true })
    rmSync(`${folder}-2`, { recursive: true, force: true })
  }
}

async function measure(nodeCount: number, folder: string, when: 'at once' | 'waiting'): Promise<string> {
  const ports = systemPorts(silentLog)
  const backend = kindOfStore === 'lmdb' ? await LmdbBackend.open({ path: folder, ports }) : new MemoryBackend()
  const store = new Store({ backend, ports, indexes: (resource) => kindTable.findByStorage(resource)?.rules.indexes })
  await bootstrap({ store, ports, addresses: DEFAULT_ADDRESSES, endpoint: { address: '10.0.0.1', port: 6443 } })
  const authorizer = await createAuthorizer(store)
  const api = createApi({
    store,
    ports,
    kinds: kindTable.all,
    authorizer,
    admission: admissionPlugins({ ...DEFAULT_ADDRESSES, authorizer, store, ports, kinds: () => kindTable.all }),
    effects: [...admissionEffects.filter((effect) => effect !== ledgerEffect), ledgerEffect]
  })
  const clientOf = (username: string, ...groups: string[]) =>
    new Client(api.handle, { username, groups: [...groups, 'system:authenticated'] })
  const admin = clientOf('admin', 'system:masters')
  await admin.create(serviceAccounts, { metadata: { name: 'default', namespace: 'default' } })
  await makeNodes(admin, nodeCount)
  const done = bound(store)
  const start = () => {
    const client = clientOf('system:kube-scheduler')
    const recorder = createEventRecorder({ client, component: 'default-scheduler', ports })
    return startScheduler({ client, feed: (listener) => store.onChange(listener), ports, recorder })
  }
  let scheduler: Scheduler | undefined
  if (when === 'at once') scheduler = start()
  const began = performance.now()
  await makePods(admin)
  const created = performance.now()
  scheduler ??= start()
  await done
  const ended = performance.now()
  await scheduler.stop()
  authorizer.close()
  await store.close()
  const rate = (from: number) => `${Math.round((podCount * 1000) / (ended - from))} pods/s`
  return when === 'at once' ? `${rate(began)} (created in ${Math.round(created - began)} ms)` : rate(created)
}

/** Resolves when so many pods have a node. Keeps the process alive meanwhile. */
function bound(store: Store): Promise<void> {
  const keepAlive = setInterval(() => {}, 1000)
  let count = 0
  return new Promise((resolve) => {
    store.onChange((changes) => {
      for (const { resource, object, previous } of changes) {
        const [now, before] = [object, previous].map((one) => (one as Pod | undefined)?.spec?.nodeName)
        if (resource === 'pods' && now !== undefined && before === undefined) count++
      }
      if (count < podCount) return
      clearInterval(keepAlive)
      resolve()
    })
  })
}

async function makeNodes(admin: Client, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const name = `node-${i}`
    const labels = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': `zone-${i % 3}` }
    const status = {
      capacity: { cpu: '16', memory: '64Gi', pods: '110' },
      allocatable: { cpu: '16', memory: '64Gi', pods: '110' }
    }
    await admin.create(nodes, { metadata: { name, labels }, status })
    await admin.patch(nodes, { name }, { type: 'json', body: [{ op: 'remove', path: '/spec/taints' }] }).catch(() => {})
  }
}

async function makePods(admin: Client): Promise<void> {
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web', uid: 'c0ffee', controller: true }
  let next = 0
  const creator = async () => {
    for (let i = next++; i < podCount; i = next++) {
      await admin.create(pods, {
        metadata: { name: `web-${i}`, namespace: 'default', labels: { app: 'web' }, ownerReferences: [owner] },
        spec: { containers: [{ name: 'c', image: 'web', resources: { requests: { cpu: '100m', memory: '100Mi' } } }] }
      })
      if (i % 8 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await Promise.all(Array.from({ length: CREATORS }, creator))
}
