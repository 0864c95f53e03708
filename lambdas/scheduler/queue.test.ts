import { beforeEach, expect, test } from '@jest/globals'
import type { Pod } from '../../core/kinds/types.ts'
import { type FakePorts, fakePorts } from '../../test/fake-ports.ts'
import { pod as fixture, type PodGiven } from './fixture.ts'
import type { Waker } from './plugins/plugin.ts'
import { awaitsNode, SchedulingQueue } from './queue.ts'

let ports: FakePorts
let queue: SchedulingQueue
let woken: number

beforeEach(() => {
  ports = fakePorts()
  woken = 0
  queue = new SchedulingQueue(ports, () => woken++)
})

let version = 1000
const pod = (name: string, given: PodGiven = {}): Pod => {
  const made = fixture(name, given)
  return { ...made, metadata: { ...made.metadata, uid: name, resourceVersion: String(++version) } }
}
const taken = (max = 10) => queue.take(max).map(({ key }) => key.slice('default/'.length))
const fail = (name: string, ...wakers: Waker[]) => queue.failed(`default/${name}`, new Set(wakers))

test('by priority, then in the order of coming', () => {
  for (const [name, priority] of [
    ['a', 0],
    ['b', 5],
    ['c', 0],
    ['d', 5]
  ] as const)
    queue.update(pod(name, { priority }))
  expect(taken(3)).toEqual(['b', 'd', 'a'])
  expect(taken()).toEqual(['c'])
  expect(taken()).toEqual([])
})

test.each<[string, Partial<Pod['spec']>, Partial<Pod>, boolean]>([
  ['plain', {}, {}, true],
  ['on a node', { nodeName: 'n' }, {}, false],
  ['another scheduler’s', { schedulerName: 'mine' }, {}, false],
  ['gated', { schedulingGates: [{ name: 'g' }] }, {}, false],
  ['ended', {}, { status: { phase: 'Failed' } }, false],
  ['going', {}, { metadata: { name: 'p', deletionTimestamp: '2026-01-01T00:00:00Z' } }, false]
])('whose business: %s', (_, spec, extra, expected) =>
  expect(awaitsNode({ ...pod('p', spec), ...extra })).toBe(expected)
)

test('old news does not bring back what is known better', () => {
  const before = pod('a')
  const after = pod('a')
  queue.update(after)
  queue.update(before)
  expect(queue.take(1)[0]?.pod).toBe(after)
  queue.remove('default/a', Number(before.metadata.resourceVersion))
  expect(queue.size().all).toBe(1)
  queue.remove('default/a', Number(after.metadata.resourceVersion))
  expect(queue.size().all).toBe(0)
})

test('a pod that no node takes waits for what could help it, while others are waiting longer after each failure', async () => {
  queue.update(pod('a', { priority: 1 }))
  queue.update(pod('busy'))
  const active = () => queue.size().active
  for (const backoff of [1000, 2000, 4000, 8000, 10_000, 10_000]) {
    expect(taken(1)).toEqual(['a'])
    fail('a', 'node', 'room')
    queue.wake('neighbour')
    await ports.advance(backoff - 100)
    expect(active()).toBe(1)
    queue.wake('room')
    await ports.advance(99)
    expect(active()).toBe(1)
    await ports.advance(1)
    expect(active()).toBe(2)
  }
})

test('with nothing else to do, it is tried as soon as something happens that concerns it', () => {
  queue.update(pod('a'))
  taken()
  fail('a', 'node')
  queue.wake('room')
  expect(taken()).toEqual([])
  queue.wake('node', () => false)
  expect(taken()).toEqual([])
  queue.wake('node')
  expect(taken()).toEqual(['a'])
})

test('what happens while it is decided upon is not missed', () => {
  queue.update(pod('a'))
  taken()
  queue.wake('node')
  fail('a', 'node')
  expect(taken()).toEqual(['a'])
  fail('a', 'node')
  expect(taken()).toEqual([])
})

test('its own condition is no reason to try again; its labels and its spec are', async () => {
  const first = pod('a')
  queue.update(first)
  taken()
  fail('a', 'node')
  const next = (extra: Partial<Pod>): Pod => ({
    ...first,
    ...extra,
    metadata: { ...first.metadata, ...extra.metadata, resourceVersion: String(++version) }
  })
  queue.update(next({ status: { phase: 'Pending' } }))
  expect(taken()).toEqual([])
  queue.update(next({ metadata: { labels: { a: 'b' } } }))
  expect(taken()).toEqual(['a'])
  queue.update(next({ spec: { ...(first.spec ?? { containers: [] }), tolerations: [{ operator: 'Exists' }] } }))
  fail('a', 'node')
  expect(taken()).toEqual(['a'])
})

test('a pod that lost its place comes again; one that was bound or deleted does not', async () => {
  for (const name of ['a', 'b', 'c']) queue.update(pod(name))
  taken()
  queue.again('default/a', 20)
  queue.update(pod('b', { nodeName: 'n' }))
  queue.remove('default/c')
  fail('b', 'node')
  fail('c', 'node')
  await ports.advance(20)
  expect(taken()).toEqual(['a'])
  queue.wake('node')
  expect(taken()).toEqual([])
})

test('a new pod of the same name is another one', async () => {
  queue.update(pod('a'))
  taken()
  fail('a', 'node')
  const other = pod('a')
  queue.update({ ...other, metadata: { ...other.metadata, uid: 'other' } })
  expect(queue.take(1)).toMatchObject([{ attempts: 0, pod: { metadata: { uid: 'other' } } }])
})

test('even if nothing happens, it is tried again after some minutes', async () => {
  queue.update(pod('a'))
  taken()
  fail('a', 'node')
  await ports.advance(299_000)
  expect(taken()).toEqual([])
  await ports.advance(60_000)
  expect(taken()).toEqual(['a'])
})

test('it says when there is something to take, and leaves no timers', () => {
  queue.update(pod('a'))
  expect(woken).toBe(1)
  taken()
  queue.again('default/a', 50)
  queue.stop()
  expect(ports.timers()).toBe(0)
})
