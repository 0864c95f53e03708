import type { Pod, ReplicaSet } from '../../../core/kinds/types.ts'
import { planReplicaSetStatus, planReplicas } from './replicaset-plan.ts'

const now = Date.UTC(2026, 0, 1)
const ago = (seconds: number) => new Date(now - seconds * 1000).toISOString()

interface PodRow {
  readonly node?: string
  readonly phase?: string
  /** Seconds since it became ready. */
  readonly ready?: number
  readonly cost?: string
  readonly age?: number
  readonly restarts?: number
  readonly labels?: Record<string, string>
}

function pod(name: string, row: PodRow = {}): Pod {
  const { node = 'n1', phase = 'Running', ready, cost, age = 100, restarts = 0, labels = { app: 'web' } } = row
  const conditions = ready === undefined ? [] : [{ type: 'Ready', status: 'True', lastTransitionTime: ago(ready) }]
  return {
    metadata: {
      name,
      uid: name,
      labels,
      creationTimestamp: ago(age),
      ...(cost === undefined ? {} : { annotations: { 'controller.kubernetes.io/pod-deletion-cost': cost } })
    },
    spec: { containers: [], ...(node === '' ? {} : { nodeName: node }) },
    status: {
      phase,
      conditions,
      containerStatuses: [{ name: 'c', image: 'i', imageID: '', ready: true, restartCount: restarts }]
    }
  }
}

function replicaSet(replicas: number, minReadySeconds = 0): ReplicaSet {
  return {
    metadata: { name: 'web', generation: 4 },
    spec: {
      replicas,
      minReadySeconds,
      selector: { matchLabels: { app: 'web' } },
      template: { metadata: { labels: { app: 'web', tier: 'front' } }, spec: { containers: [] } }
    }
  }
}

test.each([
  [3, 0, 3, 0],
  [3, 3, 0, 0],
  [3, 5, 0, 2],
  [0, 2, 0, 2],
  [2000, 0, 500, 0],
  [0, 600, 0, 500]
])('of %i wanted and %i there, %i are made and %i deleted', (wanted, there, made, deleted) => {
  const active = Array.from({ length: there }, (_, i) => pod(`p${i}`, { ready: 10 }))
  const plan = planReplicas(replicaSet(wanted), { active, related: active, now })
  expect([plan.create, plan.remove.length]).toEqual([made, deleted])
})

const RANKING: readonly (readonly [string, PodRow, PodRow])[] = [
  ['one without a node', { node: '', phase: 'Pending' }, { phase: 'Pending' }],
  ['a pending one', { phase: 'Pending' }, { phase: 'Unknown' }],
  ['one whose state is unknown', { phase: 'Unknown' }, {}],
  ['one that is not ready', {}, { ready: 5 }],
  ['the cheaper one', { ready: 500, cost: '-5' }, { ready: 5 }],
  ['the cheaper one, whatever its age', { ready: 5000, cost: '1' }, { ready: 5, cost: '2' }],
  ['the one that became ready later', { ready: 5 }, { ready: 5000 }],
  ['the one with more restarts', { restarts: 3, ready: 9 }, { restarts: 1, ready: 9 }],
  ['the younger', { age: 10 }, { age: 5000 }]
]

test.each(RANKING)('%s goes first', (_, first, second) => {
  for (const order of [
    [pod('first', first), pod('second', second)],
    [pod('second', second), pod('first', first)]
  ]) {
    const { remove } = planReplicas(replicaSet(1), { active: order, related: [], now })
    expect(remove.map(({ metadata }) => metadata.name)).toEqual(['first'])
  }
})

test('a cost that is not a plain integer counts as 0', () => {
  const active = [pod('a', { ready: 5, cost: '+9' }), pod('b', { ready: 5, cost: '1' })]
  expect(planReplicas(replicaSet(1), { active, related: [], now }).remove[0]?.metadata.name).toBe('a')
})

test('of equals, one that shares its node with more of the same deployment goes first', () => {
  const active = [pod('alone', { node: 'n1', ready: 5 }), pod('doubled', { node: 'n2', ready: 5000 })]
  const related = [...active, pod('sibling', { node: 'n2' })]
  expect(planReplicas(replicaSet(1), { active, related, now }).remove[0]?.metadata.name).toBe('doubled')
})

test('ages of one order of magnitude are equal: the uid decides, so that not always the youngest goes', () => {
  const active = [pod('b', { ready: 70 }), pod('a', { ready: 100 })]
  expect(planReplicas(replicaSet(1), { active, related: [], now }).remove[0]?.metadata.name).toBe('a')
})

describe('status', () => {
  test('counts labels, readiness, availability and those that leave', () => {
    const active = [
      pod('a', { ready: 31, labels: { app: 'web', tier: 'front' } }),
      pod('b', { ready: 20 }),
      pod('c', { ready: 5 }),
      pod('d')
    ]
    const view = { active, leaving: [pod('e')], failure: undefined, now }
    expect(planReplicaSetStatus(replicaSet(4, 30), view)).toEqual({
      status: {
        replicas: 4,
        fullyLabeledReplicas: 1,
        readyReplicas: 3,
        availableReplicas: 1,
        terminatingReplicas: 1,
        observedGeneration: 4
      },
      again: 10_000
    })
  })

  test('a failure becomes a condition, and leaves with the first success', () => {
    const view = { active: [], leaving: [], failure: 'exceeded quota', now }
    const { status } = planReplicaSetStatus(replicaSet(2), view)
    const [condition] = status.conditions ?? []
    expect(condition).toEqual({
      type: 'ReplicaFailure',
      status: 'True',
      reason: 'FailedCreate',
      message: 'exceeded quota',
      lastTransitionTime: '2026-01-01T00:00:00Z'
    })
    const failed = { ...replicaSet(2), status }
    expect(planReplicaSetStatus(failed, { ...view, failure: 'other', now: now + 9000 }).status.conditions).toEqual([
      condition
    ])
    expect(planReplicaSetStatus(failed, { ...view, failure: undefined }).status.conditions).toBeUndefined()
  })
})
