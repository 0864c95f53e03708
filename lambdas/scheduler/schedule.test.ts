import { expect, test } from '@jest/globals'
import { nodeLedger, pod, world } from './fixture.ts'
import { enoughNodes } from './schedule.ts'

const tainted = { taints: [{ key: 'k', effect: 'NoSchedule' }] }
const claims = 'no new claims to deallocate, preemption:'

test('why there is no node, as Kubernetes 1.35 says it', () => {
  const full = world([nodeLedger('a'), nodeLedger('b', tainted), nodeLedger('c', tainted)])
  full.place(pod('x', { requests: { cpu: '3' } }), 'a')
  expect(full.schedule(pod('p', { requests: { cpu: '2' } }))).toBe(
    `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). ${claims} 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling.`
  )
  expect(full.schedule(pod('q', { requests: { cpu: '5' } }))).toBe(
    `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). ${claims} 0/3 nodes are available: 3 Preemption is not helpful for scheduling.`
  )
  expect(full.schedule(pod('r', { requests: { cpu: '2' }, preemptionPolicy: 'Never' }))).toBe(
    `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). ${claims} not eligible due to preemptionPolicy=Never.`
  )
  expect(world([]).schedule(pod('s'))).toBe('no nodes available to schedule pods')
})

test('a batch sees its own bookings', () => {
  const w = world([nodeLedger('a', { cpu: '1' }), nodeLedger('b', { cpu: '1' })])
  const one = (name: string) => w.schedule(pod(name, { requests: { cpu: '600m' } }))
  expect([one('p'), one('q')].sort()).toEqual(['a', 'b'])
  expect(one('r')).toMatch('2 Insufficient cpu')
})

test('sidecars, initialisation and overhead count', () => {
  const w = world([nodeLedger('a', { cpu: '1' })])
  const container = (cpu: string) => ({ name: 'c', image: 'i', resources: { requests: { cpu } } })
  const fits = (spec: object) => !w.schedule(pod('p', spec)).includes('Insufficient')
  expect(
    fits({ containers: [container('600m')], initContainers: [{ ...container('600m'), restartPolicy: 'Always' }] })
  ).toBe(false)
  expect(fits({ containers: [container('600m')], overhead: { cpu: '500m' } })).toBe(false)
  expect(fits({ containers: [container('100m')], initContainers: [container('900m')] })).toBe(true)
})

test.each([
  [5, 5],
  [99, 99],
  [150, 100],
  [500, 230],
  [5000, 500],
  [10_000, 500]
])('of %d nodes %d that fit are enough to choose from', (nodes, expected) => expect(enoughNodes(nodes)).toBe(expected))

test('in a large cluster every node has its turn', () => {
  const w = world(Array.from({ length: 300 }, (_, i) => nodeLedger(`n${i}`)))
  for (let i = 0; i < 300; i++) w.schedule(pod(`p${i}`, { requests: { cpu: '1' } }))
  expect(Math.max(...w.counts())).toBeLessThanOrEqual(2)
  expect(w.counts().filter((count) => count === 0).length).toBeLessThan(60)
})
