import { beforeEach, expect, test } from '@jest/globals'
import { kindTable } from '../../core/kinds/table.ts'
import { LEDGERS, type NodeLedger } from '../../core/ledger.ts'
import type { KubeObject } from '../../core/object.ts'
import type { Entry } from '../../store/store.ts'
import { createTestApi, type TestApi } from '../../test/test-api.ts'
import { ledgerEffect } from './ledger-effect.ts'

let api: TestApi

beforeEach(async () => {
  api = await createTestApi({ effects: [ledgerEffect] })
})

const ledger = async (name = 'n1') => (await api.store.get(LEDGERS, name))?.value as unknown as NodeLedger | undefined
const version = async (name = 'n1') => (await api.store.get(LEDGERS, name))?.version
const podsIn = async (name = 'n1') => Object.keys((await ledger(name))?.pods ?? {})

const node = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'n1' },
  status: { allocatable: { cpu: '1', pods: '10' } }
}
const pod = (name: string, nodeName?: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: {
    ...(nodeName === undefined ? {} : { nodeName }),
    containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: '600m' } } }]
  }
})
const PODS = '/api/v1/namespaces/default/pods'
const create = (path: string, body: unknown) => api.ask('POST', path, { body })
const merge = (path: string, body: unknown) =>
  api.ask('PATCH', path, { body, headers: { 'content-type': 'application/merge-patch+json' } })

test('a node’s capacity, labels, taints and cordon are noted; a heartbeat writes nothing', async () => {
  await create('/api/v1/nodes', node)
  const first = await version()
  expect((await ledger())?.node).toMatchObject({ allocatable: { cpu: 1000, pods: 10 }, unschedulable: false })
  await merge('/api/v1/nodes/n1/status', {
    status: { conditions: [{ type: 'Ready', status: 'True', lastHeartbeatTime: '2026-01-01T00:00:00Z' }] }
  })
  await merge('/api/v1/nodes/n1', { metadata: { annotations: { a: 'b' } } })
  expect(await version()).toBe(first)
  await merge('/api/v1/nodes/n1', { spec: { unschedulable: true }, metadata: { labels: { a: 'b' } } })
  expect((await ledger())?.node).toMatchObject({ unschedulable: true, labels: { a: 'b' } })
  await merge('/api/v1/nodes/n1/status', { status: { allocatable: { cpu: '2' } } })
  expect((await ledger())?.node?.allocatable?.cpu).toBe(2000)
})

test('a pod that comes with its node is booked even beyond its room, and for a node that is not there yet', async () => {
  await create(PODS, pod('a', 'n1'))
  expect(await podsIn()).toEqual(['default/a'])
  expect((await ledger())?.node).toBeUndefined()
  await create('/api/v1/nodes', node)
  expect(await podsIn()).toEqual(['default/a'])
  await create(PODS, pod('b', 'n1'))
  expect(await podsIn()).toEqual(['default/a', 'default/b'])
})

test('status writes no ledger; an end and a removal release', async () => {
  await create('/api/v1/nodes', node)
  await create(PODS, pod('a', 'n1'))
  await create(PODS, pod('b', 'n1'))
  const before = await version()
  await merge(`${PODS}/a/status`, { status: { phase: 'Running', podIP: '10.0.0.1' } })
  expect(await version()).toBe(before)
  await merge(`${PODS}/a/status`, { status: { phase: 'Failed' } })
  expect(await podsIn()).toEqual(['default/b'])
  await api.ask('DELETE', `${PODS}/b?gracePeriodSeconds=0`)
  expect(await podsIn()).toEqual([])
})

test('labels of a bound pod are followed: others’ affinity looks at them', async () => {
  await create(PODS, pod('a', 'n1'))
  await merge(`${PODS}/a`, { metadata: { labels: { app: 'x' } } })
  expect((await ledger())?.pods['default/a']?.labels).toEqual({ app: 'x' })
})

test('nothing is kept of a node that has gone, once its pods have', async () => {
  await create('/api/v1/nodes', node)
  await create(PODS, pod('a', 'n1'))
  await api.ask('DELETE', '/api/v1/nodes/n1')
  expect(await ledger()).toMatchObject({ pods: { 'default/a': {} } })
  expect((await ledger())?.node).toBeUndefined()
  await api.ask('DELETE', `${PODS}/a?gracePeriodSeconds=0`)
  expect(await ledger()).toBeUndefined()
  await create('/api/v1/nodes', node)
  await api.ask('DELETE', '/api/v1/nodes/n1')
  expect(await ledger()).toBeUndefined()
})

test('bindings at once: each that fits takes place, no other', async () => {
  await create('/api/v1/nodes', { ...node, status: { allocatable: { cpu: '3', pods: '10' } } })
  const names = Array.from({ length: 12 }, (_, i) => `p${i}`)
  for (const name of names) await create(PODS, pod(name))
  const body = (name: string) => ({
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name },
    target: { kind: 'Node', name: 'n1' }
  })
  const answers = await Promise.all(names.map((name) => create(`${PODS}/${name}/binding`, body(name))))
  expect(answers.map(({ status }) => status).sort()).toEqual([...Array(5).fill(201), ...Array(7).fill(409)])
  expect((await podsIn()).length).toBe(5)
})

test('other kinds are none of its business', async () => {
  const object = { metadata: { name: 'c', namespace: 'default' } } as KubeObject
  const old = { value: object } as Entry
  const kind = kindTable.findByStorage('configmaps')
  if (kind === undefined) throw new Error('no config maps')
  expect(await ledgerEffect({ kind, key: 'default/c', old, next: object }, api.store)).toEqual([])
})
