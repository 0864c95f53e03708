import fc from 'fast-check'
import type { Deployment, DeploymentSpec, ReplicaSet } from '../../../core/kinds/types.ts'
import { maxSurge, maxUnavailable, templateHash } from './deployment-math.ts'
import { planRollout, type SetAction } from './deployment-plan.ts'
import { planDeploymentStatus } from './deployment-status.ts'

interface SetRow {
  readonly image: string
  readonly replicas: number
  readonly available?: number
  readonly actual?: number
  readonly revision?: number
  readonly desired?: number
  readonly max?: number
  readonly age?: number
}

const now = Date.UTC(2026, 0, 1)

function template(image: string) {
  return { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image }] } }
}

function deployment(image: string, spec: Partial<DeploymentSpec> = {}): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: 'shop', uid: 'd', generation: 2, annotations: { team: 'a' } },
    spec: {
      replicas: 3,
      selector: { matchLabels: { app: 'web' } },
      template: template(image),
      progressDeadlineSeconds: 600,
      revisionHistoryLimit: 10,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      ...spec
    },
    status: {}
  }
}

function set(row: SetRow): ReplicaSet {
  const { image, replicas, available = replicas, actual = replicas, revision = 1, desired = 3, max = 4, age = 0 } = row
  const hash = templateHash(template(image), undefined)
  return {
    metadata: {
      name: `web-${image}`,
      namespace: 'shop',
      uid: image,
      generation: 1,
      creationTimestamp: new Date(now - age * 1000).toISOString(),
      labels: { app: 'web', 'pod-template-hash': hash },
      annotations: {
        team: 'a',
        'deployment.kubernetes.io/revision': String(revision),
        'deployment.kubernetes.io/desired-replicas': String(desired),
        'deployment.kubernetes.io/max-replicas': String(max)
      }
    },
    spec: {
      replicas,
      selector: { matchLabels: { app: 'web', 'pod-template-hash': hash } },
      template: { ...template(image), metadata: { labels: { app: 'web', 'pod-template-hash': hash } } }
    },
    status: { replicas: actual, readyReplicas: available, availableReplicas: available, observedGeneration: 1 }
  }
}

/** "web-a 3->2", "+web-b 1", "-web-c". */
function told(actions: readonly SetAction[]): string[] {
  return actions.map((action) => {
    const image = action.set.spec?.template?.spec?.containers[0]?.image
    if (action.do === 'create') return `+${image} ${action.set.spec?.replicas}`
    return action.do === 'delete' ? `-${image}` : `${image} ${action.from}->${action.to}`
  })
}

function plan(wanted: Deployment, rows: readonly SetRow[], withPods: string[] = []) {
  return planRollout(wanted, { sets: rows.map(set), withPods: new Set(withPods) })
}

const CASES: readonly (readonly [string, Deployment, readonly SetRow[], readonly string[]])[] = [
  ['a new deployment gets its set at once', deployment('a'), [], ['+a 3']],
  ['a new template starts within the surge', deployment('b'), [{ image: 'a', replicas: 3 }], ['+b 1']],
  [
    'an old set shrinks once a new pod is available',
    deployment('b'),
    [
      { image: 'a', replicas: 3, age: 9 },
      { image: 'b', replicas: 1, revision: 2 }
    ],
    ['a 3->2']
  ],
  [
    'nothing moves while the new pod is not available',
    deployment('b'),
    [
      { image: 'a', replicas: 3, age: 9 },
      { image: 'b', replicas: 1, available: 0, revision: 2 }
    ],
    []
  ],
  [
    'unhealthy old pods go first, however few are available',
    deployment('c', { replicas: 10, strategy: rolling(2, 2) }),
    [
      { image: 'a', replicas: 8, available: 0, desired: 10, max: 12, age: 9 },
      { image: 'c', replicas: 4, available: 0, revision: 2, desired: 10, max: 12 }
    ],
    []
  ],
  [
    'the unhealthy of an old set go down to what must be available',
    deployment('c', { replicas: 10, strategy: rolling(2, 4) }),
    [
      { image: 'a', replicas: 8, available: 5, desired: 10, max: 12, age: 9 },
      { image: 'c', replicas: 4, available: 4, revision: 2, desired: 10, max: 12 }
    ],
    // 12 - 6 = 6 may go: 3 unhealthy, then 9 - 6 = 3 available ones.
    ['a 8->2']
  ],
  [
    'surge 0, unavailable 1: one goes before one comes',
    deployment('b', { strategy: rolling(0, 1) }),
    [{ image: 'a', replicas: 3, max: 3 }],
    // The set is made, with no room for pods yet; the old one then shrinks in the same run.
    ['+b 0', 'a 3->2']
  ],
  [
    'scaled while settled: the only set follows',
    deployment('a', { replicas: 5 }),
    [{ image: 'a', replicas: 3 }],
    ['a 3->5']
  ],
  [
    'scaled up in the middle of a rollout: each set gets its share, the largest what is left',
    deployment('b', { replicas: 20, strategy: rolling('50%', 0) }),
    [
      { image: 'a', replicas: 10, desired: 10, max: 15, age: 9 },
      { image: 'b', replicas: 5, available: 0, revision: 2, desired: 10, max: 15 }
    ],
    ['a 10->20', 'b 5->10']
  ],
  [
    'scaled down in the middle of a rollout',
    deployment('b', { replicas: 5, strategy: rolling('50%', 0) }),
    [
      { image: 'a', replicas: 10, desired: 10, max: 15, age: 9 },
      { image: 'b', replicas: 5, available: 0, revision: 2, desired: 10, max: 15 }
    ],
    ['a 10->5', 'b 5->3']
  ],
  [
    'scaled to zero in the middle of a rollout',
    deployment('b', { replicas: 0 }),
    [
      { image: 'a', replicas: 2, age: 9 },
      { image: 'b', replicas: 2, available: 0, revision: 2 }
    ],
    ['a 2->0', 'b 2->0']
  ],
  [
    'paused: a new template waits, but a new size is taken',
    deployment('b', { paused: true, replicas: 4 }),
    [{ image: 'a', replicas: 3 }],
    ['a 3->4']
  ],
  [
    'back to a former template: its set becomes the newest again',
    deployment('a'),
    [
      { image: 'a', replicas: 0, revision: 1, age: 9 },
      { image: 'b', replicas: 3, revision: 2 }
    ],
    ['a 0->1']
  ],
  [
    'Recreate: first all old ones go',
    deployment('b', { strategy: { type: 'Recreate' } }),
    [{ image: 'a', replicas: 3, max: 3 }],
    ['a 3->0']
  ]
]

function rolling(maxSurge: number | string, maxUnavailable: number | string) {
  return { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } }
}

test.each(CASES)('%s', (_, wanted, rows, actions) => {
  expect(told(plan(wanted, rows).actions)).toEqual(actions)
})

test('Recreate waits for the last old pod, then starts all new ones', () => {
  const wanted = deployment('b', { strategy: { type: 'Recreate' } })
  const rows: SetRow[] = [{ image: 'a', replicas: 0, actual: 0, max: 3 }]
  expect(told(plan(wanted, rows, ['a']).actions)).toEqual([])
  expect(told(plan(wanted, rows, []).actions)).toEqual(['+b 3'])
})

test('the new set carries labels, selector, annotations and owner', () => {
  const wanted = deployment('b')
  const { current } = plan(wanted, [{ image: 'a', replicas: 3, revision: 4 }])
  const hash = templateHash(wanted.spec?.template, undefined)
  expect(hash).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/)
  const labels = { app: 'web', 'pod-template-hash': hash }
  expect(current).toMatchObject({
    metadata: {
      name: `web-${hash}`,
      labels,
      annotations: {
        team: 'a',
        'deployment.kubernetes.io/revision': '5',
        'deployment.kubernetes.io/desired-replicas': '3',
        'deployment.kubernetes.io/max-replicas': '4'
      },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'web', uid: 'd', controller: true }]
    },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels } } }
  })
})

test('a set that becomes current again keeps its former revisions', () => {
  const { current } = plan(deployment('a'), [
    { image: 'a', replicas: 0, revision: 1, age: 9 },
    { image: 'b', replicas: 3, revision: 2 }
  ])
  expect(current?.metadata.annotations).toMatchObject({
    'deployment.kubernetes.io/revision': '3',
    'deployment.kubernetes.io/revision-history': '1'
  })
})

test('beyond the history limit, settled old sets go, lowest revision first', () => {
  const wanted = deployment('e', { revisionHistoryLimit: 1 })
  wanted.status = { replicas: 3, updatedReplicas: 3, availableReplicas: 3, observedGeneration: 2 }
  const rows = ['a', 'b', 'c', 'd'].map((image, i) => ({ image, replicas: 0, actual: 0, revision: i + 1, age: 9 - i }))
  const actions = plan(wanted, [...rows, { image: 'e', replicas: 3, revision: 5 }]).actions
  expect(told(actions)).toEqual(['-a', '-b', '-c'])
})

test('a rolling update always arrives, within surge and without missing more than may be missed', () => {
  const bound = fc.oneof(
    fc.integer({ min: 0, max: 6 }),
    fc.integer({ min: 0, max: 100 }).map((n) => `${n}%`)
  )
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 20 }),
      bound,
      bound,
      fc.infiniteStream(fc.boolean()),
      (replicas, surge, unavailable, coin) => {
        const wanted = deployment('new', { replicas, strategy: rolling(surge, unavailable) })
        let sets = [set({ image: 'old', replicas, desired: replicas, max: replicas + maxSurge(wanted), age: 9 })]
        const least = replicas - maxUnavailable(wanted)
        for (let step = 0; step < 400; step += 1) {
          const { actions, current, old } = planRollout(wanted, { sets, withPods: new Set() })
          sets = [...old, ...(current === undefined ? [] : [current])]
          const total = sets.reduce((sum, one) => sum + (one.spec?.replicas ?? 0), 0)
          expect(total).toBeLessThanOrEqual(Math.max(replicas, replicas + maxSurge(wanted)))
          sets = sets.map((one) => simulate(one, coin))
          const available = sets.reduce((sum, one) => sum + (one.status?.availableReplicas ?? 0), 0)
          expect(available).toBeGreaterThanOrEqual(least)
          if (actions.length === 0 && current?.status?.availableReplicas === replicas && sumOld(old) === 0) return
        }
        throw new Error('the rollout did not arrive')
      }
    ),
    { numRuns: 200 }
  )
})

function sumOld(old: readonly ReplicaSet[]): number {
  return old.reduce((sum, one) => sum + (one.spec?.replicas ?? 0), 0)
}

/** The set's controller: pods come at once, and become available when the coin says so. Deletions take available ones last. */
function simulate(one: ReplicaSet, coin: Iterator<boolean>): ReplicaSet {
  const replicas = one.spec?.replicas ?? 0
  let available = Math.min(one.status?.availableReplicas ?? 0, replicas)
  if (available < replicas && coin.next().value === true) available += 1
  return {
    ...one,
    metadata: { ...one.metadata, uid: one.metadata.uid ?? 'new', generation: 1 },
    status: { replicas, readyReplicas: available, availableReplicas: available, observedGeneration: 1 }
  }
}

describe('status', () => {
  const view = (rows: readonly SetRow[], created?: string) => {
    const sets = rows.map(set)
    const current = sets.find(({ metadata }) => metadata.name === 'web-a')
    return { current, old: sets.filter((one) => one !== current), created, judgeProgress: true, now }
  }
  const told = ({ status }: ReturnType<typeof planDeploymentStatus>) =>
    status.conditions?.map(({ type, status, reason, message }) => [type, status, reason, message])
  const unavailable = [
    'Available',
    'False',
    'MinimumReplicasUnavailable',
    'Deployment does not have minimum availability.'
  ]
  const available = ['Available', 'True', 'MinimumReplicasAvailable', 'Deployment has minimum availability.']

  test('a new set is told of; then it progresses; then it has arrived', () => {
    const first = deployment('a')
    const created = planDeploymentStatus(first, view([{ image: 'a', replicas: 3, actual: 0, available: 0 }], 'web-a'))
    expect(told(created)).toEqual([
      ['Progressing', 'True', 'NewReplicaSetCreated', 'Created new replica set "web-a"'],
      unavailable
    ])
    expect(created.status).toMatchObject({ observedGeneration: 2, unavailableReplicas: 3 })
    expect(created.status.replicas).toBeUndefined()
    expect(created.again).toBe(601_000)

    const second = { ...first, status: created.status }
    const moving = planDeploymentStatus(second, view([{ image: 'a', replicas: 3, available: 1 }]))
    expect(told(moving)).toEqual([
      unavailable,
      ['Progressing', 'True', 'ReplicaSetUpdated', 'ReplicaSet "web-a" is progressing.']
    ])

    const done = planDeploymentStatus({ ...first, status: moving.status }, view([{ image: 'a', replicas: 3 }]))
    expect(told(done)).toEqual([
      available,
      ['Progressing', 'True', 'NewReplicaSetAvailable', 'ReplicaSet "web-a" has successfully progressed.']
    ])
    expect(done.again).toBeUndefined()
    expect(done.status).toMatchObject({ replicas: 3, updatedReplicas: 3, readyReplicas: 3, availableReplicas: 3 })
  })

  test('past the deadline it has timed out, and says so once', () => {
    const late = deployment('a')
    const condition = {
      type: 'Progressing',
      status: 'True',
      reason: 'ReplicaSetUpdated',
      lastUpdateTime: new Date(now - 601_000).toISOString()
    }
    late.status = { replicas: 3, updatedReplicas: 3, conditions: [condition] }
    const { status, again } = planDeploymentStatus(late, view([{ image: 'a', replicas: 3, available: 0 }]))
    expect(status.conditions?.find(({ type }) => type === 'Progressing')).toMatchObject({
      status: 'False',
      reason: 'ProgressDeadlineExceeded',
      message: 'ReplicaSet "web-a" has timed out progressing.'
    })
    expect(again).toBeUndefined()
  })

  test('a pause and its end renew the condition', () => {
    const paused = deployment('a', { paused: true })
    const rows = [{ image: 'a', replicas: 3 }]
    const held = planDeploymentStatus(paused, { ...view(rows), judgeProgress: false })
    expect(told(held)?.[0]).toEqual(['Progressing', 'Unknown', 'DeploymentPaused', 'Deployment is paused'])
    const resumed = planDeploymentStatus(
      { ...deployment('a'), status: held.status },
      { ...view(rows), judgeProgress: false }
    )
    expect(told(resumed)).toContainEqual(['Progressing', 'Unknown', 'DeploymentResumed', 'Deployment is resumed'])
  })

  test('what a set could not do, the deployment says too', () => {
    const failing = set({ image: 'a', replicas: 3, actual: 0, available: 0 })
    const condition = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'quota' }
    failing.status = { replicas: 0, conditions: [condition] }
    const { status } = planDeploymentStatus(deployment('a'), { ...view([]), current: failing })
    expect(status.conditions).toContainEqual(expect.objectContaining(condition))
  })

  test('terminating replicas are told when every set tells them', () => {
    const one = set({ image: 'a', replicas: 3 })
    one.status = { ...one.status, replicas: 3, terminatingReplicas: 2 }
    expect(planDeploymentStatus(deployment('a'), { ...view([]), current: one }).status.terminatingReplicas).toBe(2)
    const other = set({ image: 'b', replicas: 0 })
    const both = planDeploymentStatus(deployment('a'), { ...view([]), current: one, old: [other] })
    expect(both.status.terminatingReplicas).toBeUndefined()
  })
})
