import { describe, expect, test } from '@jest/globals'
import type { Affinity, PodAffinityTerm, TopologySpreadConstraint } from '../../../core/kinds/types.ts'
import { type NodeGiven, nodeLedger, type PodGiven, pod, reasons, world } from '../fixture.ts'

const ZONE = 'topology.kubernetes.io/zone'
const HOST = 'kubernetes.io/hostname'

/** Where one pod goes on nodes a, b ...; '' where it cannot. */
function choice(nodes: readonly NodeGiven[], given: PodGiven): string {
  const ledgers = nodes.map((node, i) => nodeLedger(String.fromCharCode(97 + i), node))
  const answer = world(ledgers).schedule(pod('p', given))
  return answer.includes(' nodes are available') ? reasons(answer).replace(/^0\/\d+ nodes are available: /, '') : answer
}

const taint = (effect: string, key = 'k', value = 'v') => ({ key, value, effect })

test.each<[string, NodeGiven[], PodGiven, string]>([
  ['cordoned', [{ unschedulable: true }], {}, '1 node(s) were unschedulable.'],
  ['cordoned, tolerated', [{ unschedulable: true }], { tolerations: [{ operator: 'Exists' }] }, 'a'],
  ['tainted', [{ taints: [taint('NoSchedule')] }], {}, '1 node(s) had untolerated taint(s).'],
  ['tainted NoExecute', [{ taints: [taint('NoExecute')] }], {}, '1 node(s) had untolerated taint(s).'],
  ['tolerated by value', [{ taints: [taint('NoSchedule')] }], { tolerations: [{ key: 'k', value: 'v' }] }, 'a'],
  ['tolerated by key', [{ taints: [taint('NoSchedule')] }], { tolerations: [{ key: 'k', operator: 'Exists' }] }, 'a'],
  [
    'another value',
    [{ taints: [taint('NoSchedule')] }],
    { tolerations: [{ key: 'k', value: 'w' }] },
    '1 node(s) had untolerated taint(s).'
  ],
  [
    'another effect',
    [{ taints: [taint('NoSchedule')] }],
    { tolerations: [{ key: 'k', operator: 'Exists', effect: 'NoExecute' }] },
    '1 node(s) had untolerated taint(s).'
  ],
  ['PreferNoSchedule is avoided', [{ taints: [taint('PreferNoSchedule')] }, {}], {}, 'b'],
  [
    'PreferNoSchedule is not avoided where tolerated',
    [{ taints: [taint('PreferNoSchedule')], cpu: '8' }, {}],
    { tolerations: [{ key: 'k', value: 'v' }] },
    'a'
  ],
  ['node selector', [{}, { labels: { disk: 'ssd' } }], { nodeSelector: { disk: 'ssd' } }, 'b'],
  [
    'node selector, none',
    [{}, { labels: { disk: 'hdd' } }],
    { nodeSelector: { disk: 'ssd' } },
    "2 node(s) didn't match Pod's node affinity/selector."
  ],
  [
    'several reasons of one node',
    [{ cpu: '1', memory: '1Gi' }],
    { requests: { cpu: '2', memory: '2Gi' } },
    '1 Insufficient cpu, 1 Insufficient memory.'
  ],
  [
    'each node its reason',
    [{ cpu: '1' }, { taints: [taint('NoSchedule')] }, { cpu: '1' }],
    { requests: { cpu: '2' } },
    '1 node(s) had untolerated taint(s), 2 Insufficient cpu.'
  ],
  ['no room for another pod', [{ pods: '0' }], {}, '1 Too many pods.'],
  [
    'a device that no node has',
    [{}],
    { requests: { 'example.com/device': '1' } },
    '1 Insufficient example.com/device.'
  ],
  ['a device', [{}, { devices: '1' }], { requests: { 'example.com/device': '1' } }, 'b'],
  ['the emptier node', [{ cpu: '2' }, { cpu: '8' }], { requests: { cpu: '1', memory: '1Gi' } }, 'b'],
  [
    'a balanced node',
    [
      { cpu: '16', memory: '4Gi' },
      { cpu: '4', memory: '16Gi' },
      { cpu: '8', memory: '8Gi' }
    ],
    { requests: { cpu: '2', memory: '2Gi' } },
    'c'
  ]
])('%s', (_, nodes, given, expected) => expect(choice(nodes, given)).toBe(expected))

const required = (...matchExpressions: { key: string; operator: string; values?: string[] }[]): PodGiven => ({
  affinity: {
    nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } }
  }
})

test.each<[string, PodGiven, string]>([
  ['In', required({ key: 'n', operator: 'In', values: ['5', '7'] }), 'b'],
  ['NotIn', required({ key: 'n', operator: 'NotIn', values: ['5', '3'] }), 'c'],
  ['Exists', required({ key: 'm', operator: 'Exists' }), 'a'],
  ['DoesNotExist', required({ key: 'n', operator: 'DoesNotExist' }), 'c'],
  ['Gt', required({ key: 'n', operator: 'Gt', values: ['4'] }), 'b'],
  ['Lt', required({ key: 'n', operator: 'Lt', values: ['4'] }), 'a'],
  [
    'all of a term',
    required({ key: 'm', operator: 'Exists' }, { key: 'n', operator: 'In', values: ['5'] }),
    "3 node(s) didn't match Pod's node affinity/selector."
  ],
  ['an empty term selects nothing', required(), "3 node(s) didn't match Pod's node affinity/selector."]
])('node affinity: %s', (_, given, expected) => {
  expect(choice([{ labels: { n: '3', m: '' } }, { labels: { n: '5' } }, {}], given)).toBe(expected)
})

test('a pod for one node alone, as a DaemonSet makes it', () => {
  const named = (...values: string[]): PodGiven => ({
    affinity: {
      nodeAffinity: {
        requiredDuringSchedulingIgnoredDuringExecution: {
          nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values }] }]
        }
      }
    }
  })
  expect(choice([{}, {}], named('b'))).toBe('b')
  expect(choice([{}, {}], { ...named('b'), requests: { cpu: '9' } })).toBe(
    "1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) [NodeAffinity]."
  )
  expect(choice([{}, {}], named('z'))).toBe("2 node(s) didn't match Pod's node affinity/selector.")
})

test('preferred node affinity', () => {
  const term = (value: string, weight: number) => ({
    weight,
    preference: { matchExpressions: [{ key: 'z', operator: 'In', values: [value] }] }
  })
  const affinity: Affinity = {
    nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [term('x', 1), term('y', 5)] }
  }
  expect(choice([{ labels: { z: 'x' } }, { labels: { z: 'y' } }, {}], { affinity })).toBe('b')
})

test('host ports: one address and all addresses, one protocol and the other', () => {
  const on = (hostPort: number, extra: object = {}): PodGiven => ({
    containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 1, hostPort, ...extra }] }]
  })
  const w = world([nodeLedger('a')])
  w.place(pod('web', on(80, { hostIP: '10.0.0.1' })), 'a')
  const refused = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
  expect(reasons(w.schedule(pod('p1', on(80))))).toBe(refused)
  expect(reasons(w.schedule(pod('p2', on(80, { hostIP: '10.0.0.1' }))))).toBe(refused)
  expect(w.schedule(pod('p3', on(80, { hostIP: '10.0.0.2' })))).toBe('a')
  expect(w.schedule(pod('p4', on(80, { protocol: 'UDP' })))).toBe('a')
  expect(w.schedule(pod('p5', on(81)))).toBe('a')
  expect(reasons(w.schedule(pod('p6', on(81))))).toBe(refused)
})

const zoned = () =>
  world([
    nodeLedger('a1', { labels: { [ZONE]: 'a' } }),
    nodeLedger('a2', { labels: { [ZONE]: 'a' } }),
    nodeLedger('b1', { labels: { [ZONE]: 'b' } }),
    nodeLedger('bare')
  ])

const term = (app: string, topologyKey = ZONE, extra: Partial<PodAffinityTerm> = {}): PodAffinityTerm => ({
  labelSelector: { matchLabels: { app } },
  topologyKey,
  ...extra
})
const near = (...terms: PodAffinityTerm[]): PodGiven => ({
  affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } }
})
const apart = (...terms: PodAffinityTerm[]): PodGiven => ({
  affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: terms } }
})

describe('affinity between pods', () => {
  test('near others, by zone', () => {
    const w = zoned()
    expect(reasons(w.schedule(pod('p', near(term('db')))))).toBe(
      "0/4 nodes are available: 4 node(s) didn't match pod affinity rules."
    )
    w.place(pod('db', { labels: { app: 'db' } }), 'b1')
    expect(w.schedule(pod('q', near(term('db'))))).toBe('b1')
  })

  test('the first of its kind may go anywhere that has the label; the next follow', () => {
    const w = zoned()
    const one = () => w.schedule(pod(`p${w.counts()}`, { labels: { app: 'x' }, ...near(term('x')) }))
    const first = one()
    expect(first).not.toBe('bare')
    expect(one()[0]).toBe(first[0])
  })

  test('apart from others, by host', () => {
    const w = world([nodeLedger('a'), nodeLedger('b')])
    const one = (name: string) => w.schedule(pod(name, { labels: { app: 'x' }, ...apart(term('x', HOST)) }))
    expect([one('p'), one('q')].sort()).toEqual(['a', 'b'])
    expect(reasons(one('r'))).toBe("0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.")
  })

  test('those that are there may not want it', () => {
    const w = zoned()
    w.place(pod('shy', { labels: { app: 'shy' }, ...apart(term('loud')) }), 'a1')
    expect(['b1', 'bare']).toContain(w.schedule(pod('p', { labels: { app: 'loud' } })))
    const onA = { labels: { app: 'loud' }, nodeSelector: { [ZONE]: 'a' } }
    expect(reasons(w.schedule(pod('q', onA)))).toBe(
      "0/4 nodes are available: 2 node(s) didn't match Pod's node affinity/selector, 2 node(s) didn't satisfy existing pods anti-affinity rules."
    )
  })

  test('namespaces: the own one, listed ones, selected ones', () => {
    const w = world([nodeLedger('a'), nodeLedger('b')], { x: { team: 't' }, default: {} })
    w.place(pod('db', { namespace: 'x', labels: { app: 'db' } }), 'b')
    expect(w.schedule(pod('p', near(term('db', HOST))))).toMatch('affinity rules')
    expect(w.schedule(pod('q', near(term('db', HOST, { namespaces: ['x'] }))))).toBe('b')
    const selected = (team: string) => near(term('db', HOST, { namespaceSelector: { matchLabels: { team } } }))
    expect(w.schedule(pod('r', selected('t')))).toBe('b')
    expect(w.schedule(pod('s', selected('u')))).toMatch('affinity rules')
    expect(w.schedule(pod('t', near(term('db', HOST, { namespaceSelector: {} }))))).toBe('b')
  })

  test('preferences of the pod, and of those that are there', () => {
    const w = zoned()
    w.place(pod('db', { labels: { app: 'db' } }), 'b1')
    const weighted = (podAffinityTerm: PodAffinityTerm) => ({
      preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 10, podAffinityTerm }]
    })
    expect(w.schedule(pod('p', { affinity: { podAffinity: weighted(term('db')) } }))).toBe('b1')
    expect(w.schedule(pod('q', { affinity: { podAntiAffinity: weighted(term('db')) } }))).not.toBe('b1')
    w.place(pod('host', { labels: { app: 'host' }, affinity: { podAffinity: weighted(term('guest')) } }), 'a1')
    expect(w.schedule(pod('guest', { labels: { app: 'guest' } }))[0]).toBe('a')
  })
})

const spread = (extra: Partial<TopologySpreadConstraint> = {}): PodGiven => ({
  labels: { app: 'x' },
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: ZONE,
      whenUnsatisfiable: 'DoNotSchedule',
      labelSelector: { matchLabels: { app: 'x' } },
      ...extra
    }
  ]
})

describe('spreading', () => {
  test('no zone is more than one ahead; a node without a zone is of no use', () => {
    const w = zoned()
    const placed = Array.from({ length: 6 }, (_, i) => w.schedule(pod(`p${i}`, spread()))[0])
    expect(placed.sort().join('')).toBe('aaabbb')
    expect(reasons(w.schedule(pod('q', { ...spread(), nodeSelector: { [HOST]: 'bare' } })))).toMatch(
      'missing required label'
    )
  })

  test('a full zone holds the others back', () => {
    const w = world([
      nodeLedger('a', { labels: { [ZONE]: 'a' }, pods: '1' }),
      nodeLedger('b', { labels: { [ZONE]: 'b' } })
    ])
    const one = (name: string) => w.schedule(pod(name, spread()))
    expect([one('p'), one('q')].sort()).toEqual(['a', 'b'])
    expect(one('r')).toBe('b')
    expect(reasons(one('s'))).toBe(
      "0/2 nodes are available: 1 Too many pods, 1 node(s) didn't match pod topology spread constraints."
    )
  })

  test('minDomains: as long as there are too few, each may hold as many as the skew', () => {
    const w = zoned()
    const one = (name: string) => w.schedule(pod(name, spread({ minDomains: 3 })))
    expect([one('p')[0], one('q')[0]].sort()).toEqual(['a', 'b'])
    expect(one('r')).toMatch("didn't match pod topology spread constraints")
  })

  test('only nodes that the pod may use count, and tainted ones not where it says so', () => {
    const tainted = world([
      nodeLedger('a', { labels: { [ZONE]: 'a' } }),
      nodeLedger('b', { labels: { [ZONE]: 'b' }, taints: [taint('NoSchedule')] })
    ])
    expect(tainted.schedule(pod('p', spread()))).toBe('a')
    expect(tainted.schedule(pod('q', spread()))).toMatch('topology spread')
    expect(tainted.schedule(pod('r', spread({ nodeTaintsPolicy: 'Honor' })))).toBe('a')
    const chosen = zoned()
    const inA = { nodeSelector: { [ZONE]: 'a' } }
    for (const name of ['p', 'q', 'r']) expect(chosen.schedule(pod(name, { ...spread(), ...inA }))[0]).toBe('a')
  })

  test('matchLabelKeys counts pods of the same value', () => {
    const w = zoned()
    const revision = (name: string, hash: string) =>
      w.schedule(pod(name, { ...spread({ matchLabelKeys: ['hash'] }), labels: { app: 'x', hash } }))[0]
    expect([revision('p', '1'), revision('q', '1')].sort()).toEqual(['a', 'b'])
    expect([revision('r', '2'), revision('s', '2')].sort()).toEqual(['a', 'b'])
  })

  test('ScheduleAnyway prefers, and never refuses', () => {
    const w = world([
      nodeLedger('a', { labels: { [ZONE]: 'a' } }),
      nodeLedger('b', { labels: { [ZONE]: 'b' }, pods: '1' })
    ])
    const one = (name: string) => w.schedule(pod(name, spread({ whenUnsatisfiable: 'ScheduleAnyway' })))
    expect([one('p'), one('q')].sort()).toEqual(['a', 'b'])
    expect(one('r')).toBe('a')
  })

  test('replicas are spread without being asked, over hosts and zones', () => {
    const w = world(
      ['a', 'b', 'c', 'd'].map((name) => nodeLedger(name, { labels: { [ZONE]: name < 'c' ? 'x' : 'y' } }))
    )
    for (let i = 0; i < 8; i++) w.schedule(pod(`p${i}`, { owner: 'rs-1' }))
    expect(w.counts()).toEqual([2, 2, 2, 2])
  })
})
