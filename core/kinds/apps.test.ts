import { describe, expect, test } from '@jest/globals'
import type { FieldError } from '../errors.ts'
import { errorBody } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import { decode } from '../validate.ts'
import { appsKinds } from './apps.ts'
import type { Kind } from './kind.ts'

const kindOf = (resource: string): Kind => {
  const kind = appsKinds.find((one) => one.resource === resource)
  if (kind === undefined) throw new Error(resource)
  return kind
}
const deployments = kindOf('deployments')
const replicaSets = kindOf('replicasets')
const context = { now: 0, random: () => 0 }

function objectOf(kind: Kind, spec: object, more: object = {}): KubeObject {
  const { object } = decode(kind, { metadata: { name: 'a' }, spec, ...more })
  kind.rules.defaults?.(object)
  return object
}
const texts = (errors: readonly FieldError[] | undefined) =>
  (errors ?? []).map((error) => `${error.field}: ${errorBody(error)}`)
const podSpec = { containers: [{ name: 'c', image: 'busybox' }] }
const template = (more: object = {}) => ({ metadata: { labels: { app: 'a' } }, spec: { ...podSpec, ...more } })
const base = (more: object = {}) => ({ selector: { matchLabels: { app: 'a' } }, template: template(), ...more })

describe('what a Deployment is refused for', () => {
  const cases: [string, object, string[]][] = [
    ['nothing', base(), []],
    [
      'no selector, no template',
      {},
      [
        'spec.selector: Required value',
        'spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`',
        'spec.template.spec.containers: Required value'
      ]
    ],
    [
      'a selector of everything',
      base({ selector: {} }),
      ['spec.selector: Invalid value: {}: empty selector is invalid for deployment']
    ],
    [
      'a selector that cannot be read',
      base({ selector: { matchExpressions: [{ key: 'app', operator: 'Is', values: ['a'] }] } }),
      [
        'spec.selector.matchExpressions[0].operator: Invalid value: "Is": not a valid selector operator',
        'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Is","values":["a"]}]}: invalid label selector'
      ]
    ],
    [
      'pods that end',
      base({ template: template({ restartPolicy: 'Never', activeDeadlineSeconds: 5 }), replicas: -1 }),
      [
        'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported'
      ]
    ],
    [
      'a template that is wrong',
      base({
        template: {
          metadata: { labels: { app: 'a', 'b c': 'd' } },
          spec: { containers: [{ name: 'c' }], ephemeralContainers: [{ name: 'e', image: 'x' }] }
        }
      }),
      [
        "spec.template.labels: Invalid value: \"b c\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        'spec.template.spec.containers[0].image: Required value',
        'spec.template.spec.ephemeralContainers: Forbidden: ephemeral containers not allowed in pod template'
      ]
    ],
    [
      'space around an image, which templates may have',
      base({ template: template({ containers: [{ name: 'c', image: ' x' }] }) }),
      []
    ],
    [
      'no room to move',
      base({ strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: '0%' } } }),
      ['spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0']
    ],
    [
      'amounts that are none',
      base({ strategy: { rollingUpdate: { maxSurge: 'some', maxUnavailable: '101%' } } }),
      [
        "spec.strategy.rollingUpdate.maxSurge: Invalid value: \"some\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
        'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%'
      ]
    ],
    [
      'steps of a rollout that is none',
      base({ strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } }),
      ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"]
    ],
    [
      'a strategy that is none',
      base({ strategy: { type: 'Never' } }),
      [
        'spec.strategy: Unsupported value: {"Type":"Never","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate"'
      ]
    ],
    [
      'a deadline too early',
      base({ minReadySeconds: 600, revisionHistoryLimit: -1 }),
      [
        'spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0',
        'spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds'
      ]
    ]
  ]
  test.each(cases)('%s', (_, spec, errors) => {
    expect(texts(deployments.rules.validate?.(objectOf(deployments, spec)))).toEqual(errors)
  })
})

test('defaults of a strategy', () => {
  const strategyOf = (strategy: object) =>
    (objectOf(deployments, base({ strategy })).spec as { strategy: object }).strategy
  expect(strategyOf({})).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } })
  expect(strategyOf({ rollingUpdate: { maxSurge: 0 } })).toEqual({
    type: 'RollingUpdate',
    rollingUpdate: { maxSurge: 0, maxUnavailable: '25%' }
  })
  expect(strategyOf({ type: 'Recreate' })).toEqual({ type: 'Recreate' })
})

describe('updates', () => {
  test.each([deployments, replicaSets])('of the selector of $resource', (kind) => {
    const old = objectOf(kind, base())
    const next = objectOf(kind, base({ selector: { matchExpressions: [{ key: 'app', operator: 'Exists' }] } }))
    expect(texts(kind.rules.validateUpdate?.(next, old))).toEqual([
      'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Exists"}]}: field is immutable'
    ])
    expect(kind.rules.validateUpdate?.(objectOf(kind, base({ replicas: 4 })), old)).toEqual([])
  })

  test('annotations count as changes of a Deployment', () => {
    const old = objectOf(deployments, base(), { metadata: { name: 'a', generation: 3 }, status: { replicas: 1 } })
    const next = objectOf(deployments, base(), { metadata: { name: 'a', generation: 3, annotations: { a: 'b' } } })
    deployments.rules.prepareUpdate?.(next, old, context)
    expect(next.metadata.generation).toBe(4)
    expect(next.status).toBe(old.status)
  })

  test('of the status of a Deployment leave labels alone, annotations not', () => {
    const old = objectOf(deployments, base(), { metadata: { name: 'a', labels: { a: '1' } } })
    const metadata = { name: 'a', labels: { a: '2' }, annotations: { r: '7' } }
    const next = objectOf(deployments, {}, { metadata, status: { readyReplicas: 2 } })
    deployments.rules.prepareStatus?.(next, old, context)
    expect(next.spec).toBe(old.spec)
    expect(next.metadata).toMatchObject({ labels: { a: '1' }, annotations: { r: '7' } })
  })

  test('of the status must add up', () => {
    const status = (more: object) => objectOf(deployments, base(), { status: more })
    expect(
      texts(
        deployments.rules.validateStatus?.(
          status({ replicas: 1, updatedReplicas: 2, availableReplicas: 1, unavailableReplicas: -1 }),
          status({ collisionCount: 1 })
        )
      )
    ).toEqual([
      'status.unavailableReplicas: Invalid value: -1: must be greater than or equal to 0',
      'status.updatedReplicas: Invalid value: 2: cannot be greater than status.replicas',
      'status.availableReplicas: Invalid value: 1: cannot be greater than readyReplicas',
      'status.collisionCount: Invalid value: null: cannot be decremented'
    ])
    const set = objectOf(replicaSets, base(), { status: { fullyLabeledReplicas: 1 } })
    expect(texts(replicaSets.rules.validateStatus?.(set, set))).toEqual([
      'status.fullyLabeledReplicas: Invalid value: 1: cannot be greater than status.replicas'
    ])
  })
})

test('tables, scale and fields', () => {
  const selector = {
    matchLabels: { b: '1', a: '2' },
    matchExpressions: [{ key: 'c', operator: 'In', values: ['y', 'x'] }]
  }
  const two = {
    containers: [
      { name: 'c', image: 'i' },
      { name: 'd', image: 'j' }
    ]
  }
  const more = {
    metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z' },
    status: { readyReplicas: 1, replicas: 2 }
  }
  const deployment = objectOf(deployments, { replicas: 3, selector, template: { spec: two } }, more)
  const now = Date.parse('2026-01-01T00:01:00Z')
  expect(deployments.rules.cells?.(deployment, now)).toEqual([
    'a',
    '1/3',
    0,
    0,
    '60s',
    'c,d',
    'i,j',
    'a=2,b=1,c in (x,y)'
  ])
  expect(deployments.rules.scale?.selector(deployment)).toBe('a=2,b=1,c in (x,y)')
  const set = objectOf(replicaSets, { replicas: 3, selector, template: { spec: two } }, more)
  expect(replicaSets.rules.cells?.(set, now)).toEqual(['a', 3, 2, 1, '60s', 'c,d', 'i,j', 'a=2,b=1,c in (x,y)'])
})
