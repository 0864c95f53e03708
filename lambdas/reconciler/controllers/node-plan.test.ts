import type { Node, Pod, Taint, Toleration } from '../../../core/kinds/types.ts'
import { lostIn, mayEvict, planLost, planTaints } from './node-plan.ts'
import { evictionTime } from './taint-eviction.ts'

const now = Date.UTC(2026, 0, 1)
const ago = (seconds: number) => new Date(now - seconds * 1000).toISOString()

function node(ready: string | undefined, more: { taints?: Taint[]; unschedulable?: boolean } = {}): Node {
  const conditions = ready === undefined ? [] : [{ type: 'Ready', status: ready, lastHeartbeatTime: ago(300) }]
  return { metadata: { name: 'n', creationTimestamp: ago(1000) }, spec: more, status: { conditions } }
}

const view = { now, since: 0, graceMs: 40_000, startupGraceMs: 60_000, lease: undefined }
const lease = (seconds: number) => ({ metadata: {}, spec: { renewTime: ago(seconds) } })

test.each([
  ['a fresh lease', node('True'), { lease: lease(10) }, 30_000],
  ['an old lease', node('True'), { lease: lease(41) }, -1_000],
  ['no lease, but an old report', node('True'), {}, -260_000],
  ['nobody listened until now', node('True'), { lease: lease(500), since: now - 5_000 }, 35_000],
  ['a new node that never reported', { ...node(undefined), metadata: { creationTimestamp: ago(20) } }, {}, 40_000]
])('%s', (_, which, more, expected) => {
  expect(lostIn(which, { ...view, ...more })).toBe(expected)
})

test('a lost node: what it reported becomes unknown, what it never reported too', () => {
  const [ready, memory] = planLost(node('True'), now) ?? []
  expect(ready).toEqual({
    type: 'Ready',
    status: 'Unknown',
    reason: 'NodeStatusUnknown',
    message: 'Kubelet stopped posting node status.',
    lastHeartbeatTime: ago(300),
    lastTransitionTime: '2026-01-01T00:00:00Z'
  })
  expect(memory).toEqual({
    type: 'MemoryPressure',
    status: 'Unknown',
    reason: 'NodeStatusNeverUpdated',
    message: 'Kubelet never posted node status.',
    lastHeartbeatTime: ago(1000),
    lastTransitionTime: '2026-01-01T00:00:00Z'
  })
  const lost = { ...node('True'), status: { conditions: planLost(node('True'), now) } }
  expect(planLost(lost, now + 9000)).toBeUndefined()
})

const notReady = 'node.kubernetes.io/not-ready'
const unreachable = 'node.kubernetes.io/unreachable'
const own: Taint = { key: 'team', value: 'a', effect: 'NoSchedule' }

test.each([
  ['ready', node('True'), true, undefined],
  [
    'ready again',
    node('True', { taints: [own, { key: unreachable, effect: 'NoExecute' }] }),
    true,
    ['team:NoSchedule']
  ],
  [
    'not ready',
    node('False', { taints: [own] }),
    true,
    ['team:NoSchedule', `${notReady}:NoSchedule`, `${notReady}:NoExecute`]
  ],
  ['unknown', node('Unknown'), true, [`${unreachable}:NoSchedule`, `${unreachable}:NoExecute`]],
  ['unknown, in a disrupted cluster', node('Unknown'), false, [`${unreachable}:NoSchedule`]],
  ['cordoned', node('True', { unschedulable: true }), true, ['node.kubernetes.io/unschedulable:NoSchedule']],
  [
    'from not ready to unknown',
    node('Unknown', { taints: [{ key: notReady, effect: 'NoSchedule' }] }),
    false,
    [`${unreachable}:NoSchedule`]
  ]
])('taints of a node that is %s', (_, which, evict, expected) => {
  expect(planTaints(which, { evict, now })?.map(({ key, effect }) => `${key}:${effect}`)).toEqual(expected)
})

test.each([
  ['TTTU', true],
  ['TU', true],
  ['U', false],
  ['UUU', false],
  ['TTUUU', false],
  ['TTTUUU', true],
  ['TTTTTUUUUU', true]
])('of nodes %s, may pods be evicted: %s', (states, expected) => {
  const status: Record<string, string> = { T: 'True', U: 'Unknown' }
  expect(mayEvict(Array.from(states, (state) => node(status[state])))).toBe(expected)
})

const taint: Taint = { key: unreachable, effect: 'NoExecute' }
const other: Taint = { key: 'gpu', value: 'broken', effect: 'NoExecute' }

function pod(...tolerations: Toleration[]): Pod {
  return { metadata: { creationTimestamp: ago(600) }, spec: { containers: [], tolerations } }
}

test.each([
  ['tolerates nothing', pod(), [taint], 0],
  [
    'tolerates it for 300 s',
    pod({ key: unreachable, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }),
    [taint],
    now + 300_000
  ],
  ['tolerates it for ever', pod({ key: unreachable, operator: 'Exists' }), [taint], undefined],
  ['tolerates everything', pod({ operator: 'Exists' }), [taint, other], undefined],
  ['tolerates one of two', pod({ key: unreachable, operator: 'Exists' }), [taint, other], 0],
  ['tolerates by value', pod({ key: 'gpu', value: 'broken', tolerationSeconds: 5 }), [other], now + 5_000],
  ['tolerates another value', pod({ key: 'gpu', value: 'fine' }), [other], 0],
  ['tolerates another effect', pod({ key: unreachable, operator: 'Exists', effect: 'NoSchedule' }), [taint], 0],
  [
    'the shorter counts',
    pod(
      { key: unreachable, operator: 'Exists', tolerationSeconds: 60 },
      { key: 'gpu', operator: 'Exists', tolerationSeconds: 10 }
    ),
    [taint, other],
    now + 10_000
  ]
])('a pod that %s', (_, which, taints, expected) => {
  const times = new Map(taints.map(({ key, value = '', effect }) => [`${key}=${value}:${effect}`, now]))
  expect(evictionTime(which, taints, times)).toBe(expected)
})
