import { emptyFleet, type Fleet, type Launch } from '../../../core/fleet.ts'
import type { Affinity, Node, Pod, PodSpec, Taint } from '../../../core/kinds/types.ts'
import { type LedgerPod, ledgerNode, ledgerPod, type NodeLedger } from '../../../core/ledger.ts'
import { timestamp } from '../../../core/ports.ts'
import { seekerOf } from '../nodes/bins.ts'
import type { Daemon, ProvisionView } from '../nodes/fleet-view.ts'
import type { Instance } from '../nodes/instances.ts'
import type { NodeSettings } from '../nodes/offers.ts'
import { planNodes } from './node-provision-plan.ts'

const NOW = Date.UTC(2026, 0, 1)
const MINUTE = 60_000
const settings: NodeSettings = { arch: 'arm64', zones: ['z-1a'], maxNodes: 5, maxCpus: 200 }
const id = (n: number) => `i-0000000${n}`

interface Given extends PodSpec {
  readonly cpu?: string
  readonly memory?: string
  readonly labels?: Record<string, string>
  readonly since?: number
}

let uids = 0

function pod(
  name: string,
  { cpu = '100m', memory = '64Mi', labels, since = NOW, ...spec }: Given = { containers: [] }
): Pod {
  return {
    metadata: { name, namespace: 'default', uid: `${name}-${++uids}`, ...(labels === undefined ? {} : { labels }) },
    spec: { ...spec, containers: [{ name: 'c', image: 'i', resources: { requests: { cpu, memory } } }] },
    status: {
      conditions: [
        { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', lastTransitionTime: timestamp(since) }
      ]
    }
  }
}

const given = (fields: Omit<Given, 'containers'> = {}): Given => ({ containers: [], ...fields })

function node(
  n: number,
  more: { ready?: boolean; since?: number; cordoned?: boolean; memory?: string; taints?: Taint[] } = {}
): Node {
  const { ready = true, since = NOW, cordoned, memory = '1500Mi', taints } = more
  return {
    metadata: { name: id(n), uid: `node-${n}`, labels: { 'kubernetes.io/arch': 'arm64' } },
    spec: { ...(cordoned === true ? { unschedulable: true } : {}), ...(taints === undefined ? {} : { taints }) },
    status: {
      allocatable: { cpu: '2', memory, pods: '110' },
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'Unknown', lastTransitionTime: timestamp(since) }]
    }
  }
}

function ledger(of: Node, pods: Record<string, LedgerPod> = {}): NodeLedger {
  return { metadata: { name: of.metadata.name }, node: ledgerNode(of), pods }
}

function instance(n: number, more: Partial<Instance> = {}): Instance {
  return { id: id(n), launch: `l-${n}`, type: 't4g.small', zone: 'z-1a', state: 'running', launchedAt: NOW, ...more }
}

function launchOf(n: number, pods: readonly Pod[], more: Partial<Launch> = {}): Launch {
  const covered = pods.map(({ metadata }) => ({ key: `default/${metadata.name}`, uid: metadata.uid ?? '' }))
  return { id: `l-${n}`, type: 't4g.small', zone: 'z-1a', pods: covered, at: NOW, ...more }
}

function plan(view: Partial<Omit<ProvisionView, 'fleet'>> & { fleet?: Partial<Fleet> }) {
  let ids = 0
  const { fleet, nodes = [], ...rest } = view
  return planNodes({
    pods: [],
    ledgers: nodes.map((one) => ledger(one)),
    instances: [],
    states: new Map(),
    daemons: [],
    settings,
    now: NOW,
    newId: () => `new-${++ids}`,
    ...rest,
    nodes,
    fleet: { ...emptyFleet(), ...fleet }
  })
}

const launched = (view: Parameters<typeof plan>[0]) =>
  plan(view).fleet.launches.map(
    ({ type, zone, pods }) => `${type} ${zone} ${pods.map(({ key }) => key.slice(8)).join()}`
  )

const many = (count: number, fields: Omit<Given, 'containers'> = {}) =>
  Array.from({ length: count }, (_, i) => pod(`p${i}`, given(fields)))

const affinity = (terms: { key: string; operator: string; values?: string[] }[]): Affinity => ({
  nodeAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions: terms }] }
  }
})
const apart: Affinity = {
  podAntiAffinity: {
    requiredDuringSchedulingIgnoredDuringExecution: [
      { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'x' } } }
    ]
  }
}
const taint: Taint = { key: 'team', value: 'a', effect: 'NoSchedule' }

describe('what is launched', () => {
  test.each<[string, Parameters<typeof plan>[0], string[]]>([
    ['nothing for nobody', {}, []],
    ['the smallest that fits one small pod', { pods: [pod('p')] }, ['t4g.nano z-1a p']],
    ['a larger one for more memory', { pods: [pod('p', given({ memory: '3Gi' }))] }, ['t4g.medium z-1a p']],
    [
      'one for all that fit into one',
      { pods: many(10, { memory: '300Mi' }) },
      ['t4g.medium z-1a p0,p1,p2,p3,p4,p5,p6,p7,p8,p9']
    ],
    ['a larger one for more processors', { pods: [pod('p', given({ cpu: '3' }))] }, ['t4g.xlarge z-1a p']],
    [
      'several where one is not enough',
      { pods: many(3, { cpu: '40' }) },
      ['c7g.12xlarge z-1a p0', 'c7g.12xlarge z-1a p1', 'c7g.12xlarge z-1a p2']
    ],
    [
      'by a selector of the type',
      { pods: [pod('p', given({ nodeSelector: { 'node.kubernetes.io/instance-type': 'm7g.large' } }))] },
      ['m7g.large z-1a p']
    ],
    [
      'by affinity to a zone',
      {
        settings: { ...settings, zones: ['z-1a', 'z-1b'] },
        pods: [
          pod(
            'p',
            given({ affinity: affinity([{ key: 'topology.kubernetes.io/zone', operator: 'In', values: ['z-1b'] }]) })
          )
        ]
      },
      ['t4g.nano z-1b p']
    ],
    [
      'in the zone that has the fewest',
      {
        settings: { ...settings, zones: ['z-1a', 'z-1b'] },
        pods: [pod('p')],
        instances: [instance(1)],
        nodes: [node(1, { ready: false })],
        ledgers: []
      },
      ['t4g.nano z-1b p']
    ],
    ['nothing for a label that no new node has', { pods: [pod('p', given({ nodeSelector: { disk: 'ssd' } }))] }, []],
    [
      'by a label of the configuration',
      {
        settings: { ...settings, labels: { disk: 'ssd' } },
        pods: [pod('p', given({ nodeSelector: { disk: 'ssd' } }))]
      },
      ['t4g.nano z-1a p']
    ],
    [
      'nothing for pods that do not tolerate the taint',
      { settings: { ...settings, taints: [taint] }, pods: [pod('p')] },
      []
    ],
    [
      'for pods that do',
      {
        settings: { ...settings, taints: [taint] },
        pods: [pod('p', given({ tolerations: [{ key: 'team', operator: 'Exists' }] }))]
      },
      ['t4g.nano z-1a p']
    ],
    [
      'nothing for another architecture',
      { pods: [pod('p', given({ nodeSelector: { 'kubernetes.io/arch': 'amd64' } }))] },
      []
    ],
    [
      'one each for pods that avoid each other',
      { pods: many(2, { labels: { app: 'x' }, affinity: apart }) },
      ['t4g.nano z-1a p0', 't4g.nano z-1a p1']
    ],
    [
      'only what is allowed',
      { settings: { ...settings, types: ['m7g.*', 'r7g.large'] }, pods: [pod('p')] },
      ['m7g.medium z-1a p']
    ],
    [
      'no more than the limit of nodes',
      { settings: { ...settings, maxNodes: 1 }, pods: many(2, { cpu: '40' }) },
      ['c7g.12xlarge z-1a p0']
    ],
    [
      'no more than the limit of processors',
      { settings: { ...settings, maxCpus: 50 }, pods: many(2, { cpu: '40' }) },
      ['c7g.12xlarge z-1a p0']
    ],
    [
      'another type where the platform lacks one',
      { pods: [pod('p')], fleet: { unavailable: { 't4g.nano z-1a': NOW + 1 } } },
      ['t4g.micro z-1a p']
    ],
    [
      'the type again when that is long ago',
      { pods: [pod('p')], fleet: { unavailable: { 't4g.nano z-1a': NOW } } },
      ['t4g.nano z-1a p']
    ],
    [
      'by what a node of the type really had',
      { pods: [pod('p')], fleet: { allocatable: { 't4g.nano': { cpu: 2000, memory: 1, pods: 110 } } } },
      ['t4g.micro z-1a p']
    ],
    ['nothing while a node seems to have room', { pods: [pod('p')], nodes: [node(1)], instances: [instance(1)] }, []],
    [
      'one where the scheduler has had time to see it',
      { pods: [pod('p', given({ since: NOW - 2 * MINUTE }))], nodes: [node(1)], instances: [instance(1)] },
      ['t4g.nano z-1a p']
    ],
    [
      'one beside a node that is full',
      { pods: [pod('p')], nodes: [node(1, { memory: '10Mi' })], instances: [instance(1)] },
      ['t4g.nano z-1a p']
    ],
    [
      'one beside a node that is cordoned',
      { pods: [pod('p')], nodes: [node(1, { cordoned: true })], instances: [instance(1)] },
      ['t4g.nano z-1a p']
    ]
  ])('%s', (_, view, expected) => expect(launched(view)).toEqual(expected))

  test('room for what runs on every node is kept', () => {
    const daemon: Daemon = { uid: 'ds', template: seekerOf(pod('agent', given({ memory: '1Gi' }))) }
    expect(launched({ pods: [pod('p')], daemons: [daemon] })).toEqual(['t4g.small z-1a p'])
    const elsewhere: Daemon = {
      ...daemon,
      template: seekerOf(pod('gpu', given({ memory: '1Gi', nodeSelector: { gpu: 'a' } })))
    }
    expect(launched({ pods: [pod('p')], daemons: [elsewhere] })).toEqual(['t4g.nano z-1a p'])
  })

  test('what is under way is not launched again, and takes more pods where it has room', () => {
    const [first, second, large] = [pod('a'), pod('b'), pod('c', given({ memory: '10Gi' }))]
    const before = launchOf(1, [first])
    const { fleet } = plan({ pods: [first, second, large], fleet: { launches: [before] } })
    expect(fleet.launches.map(({ id, pods }) => [id, pods.map(({ key }) => key)])).toEqual([
      ['l-1', ['default/a', 'default/b']],
      ['new-1', ['default/c']]
    ])
  })

  test.each([
    [
      'no type would do',
      { pods: [pod('p', given({ cpu: '500' }))] },
      '0/31 instance types and zones would do: 31 Insufficient cpu'
    ],
    [
      'the limit is reached',
      { settings: { ...settings, maxNodes: 0 }, pods: [pod('p')] },
      'the limit of 0 instances is reached'
    ],
    [
      'processors are used up',
      { settings: { ...settings, maxCpus: 1, types: ['t4g.*'] }, pods: [pod('p')] },
      'the limit of 1 vCPUs is reached'
    ],
    [
      'the platform has none',
      {
        settings: { ...settings, types: ['t4g.nano'] },
        pods: [pod('p')],
        fleet: { unavailable: { 't4g.nano z-1a': NOW + 5 } }
      },
      'the platform has no capacity of the instance types that would do, for the moment'
    ]
  ])('a pod is told once that %s', (_, view, message) => {
    const first = plan(view)
    expect(first.events.map((event) => [event.type, event.reason, event.message])).toEqual([
      ['Warning', 'NoInstanceForPod', message]
    ])
    expect(plan({ ...view, fleet: first.fleet }).events).toEqual([])
  })
})

describe('what becomes of a launch', () => {
  const one = pod('a')
  const launches = [launchOf(1, [one], { instance: id(1) })]

  test('its instance is found by its tag, where the answer was lost', () => {
    const { fleet } = plan({ pods: [one], instances: [instance(1)], fleet: { launches: [launchOf(1, [one])] } })
    expect(fleet.launches[0]?.instance).toBe(id(1))
  })

  test('it is over when its pods run', () => {
    const { fleet } = plan({ nodes: [node(1)], instances: [instance(1)], fleet: { launches } })
    expect(fleet.launches).toEqual([])
    expect(fleet.allocatable['t4g.small']).toMatchObject({ cpu: 2000 })
  })

  test('a node that joined has a minute to take its pods; else they are tried later', () => {
    const view = { pods: [one], nodes: [node(1)], instances: [instance(1)], fleet: { launches } }
    const first = plan(view)
    expect(first.fleet.launches[0]?.readyAt).toBe(NOW)
    const later = plan({ ...view, now: NOW + MINUTE, fleet: first.fleet })
    expect(later.fleet.launches).toEqual([])
    expect(Object.values(later.fleet.tries)).toEqual([{ count: 1, notBefore: NOW + MINUTE + 30_000 }])
    const again = plan({ ...view, now: NOW + 2 * MINUTE, fleet: later.fleet })
    expect(again.fleet.launches).toHaveLength(1)
  })

  test('an instance that does not join is terminated, and replaced later and later', () => {
    const view = { pods: [one], instances: [instance(1)], fleet: { launches } }
    expect(plan({ ...view, now: NOW + 5 * MINUTE - 1 }).fleet.leaving).toEqual([])
    const { fleet, again } = plan({ ...view, now: NOW + 5 * MINUTE })
    expect(fleet.launches).toEqual([])
    expect(fleet.leaving).toMatchObject([{ instance: id(1), step: 'terminate' }])
    expect(again).toBeLessThanOrEqual(30_001)
    const gone = [instance(1, { state: 'gone' })]
    const second = plan({ ...view, instances: gone, now: NOW + 6 * MINUTE, fleet })
    expect(second.fleet.launches).toHaveLength(1)
    expect(second.fleet.leaving).toEqual([])
  })

  test('an instance that ends by itself is replaced', () => {
    const { fleet } = plan({ pods: [one], instances: [instance(1, { state: 'gone' })], fleet: { launches } })
    expect([fleet.launches, fleet.leaving]).toEqual([[], []])
    expect(Object.values(fleet.tries)[0]?.count).toBe(1)
  })
})

describe('what has to go', () => {
  const others = { nodes: [node(1)], instances: [instance(1)] }
  const busy = (owner?: string) => ({
    ledgers: [ledger(node(1), { 'default/x': { ...ledgerPod(pod('x')), ...(owner === undefined ? {} : { owner }) } })]
  })
  const daemons: Daemon[] = [{ uid: 'ds', template: seekerOf(pod('agent')) }]

  test.each([
    ['an empty node after its time', {}, true],
    ['not one with a pod', busy(), false],
    ['not one with a pod of a ReplicaSet', busy('rs'), false],
    ['one with a pod of a DaemonSet', { ...busy('ds'), daemons }, true],
    ['one with a pod of its own', busy('node-1'), true]
  ])('%s', (_, more, leaves) => {
    const first = plan({ ...others, ...more })
    expect(first.fleet.empty[id(1)]).toBe(leaves ? NOW : undefined)
    const { fleet } = plan({ ...others, ...more, now: NOW + 5 * MINUTE, fleet: first.fleet })
    expect(fleet.leaving.map(({ instance, step }) => [instance, step])).toEqual(leaves ? [[id(1), 'drain']] : [])
  })

  test('a node that had a pod meanwhile begins anew', () => {
    const first = plan(others)
    const second = plan({ ...others, ...busy(), now: NOW + MINUTE, fleet: first.fleet })
    expect(second.fleet.empty).toEqual({})
    expect(plan({ ...others, now: NOW + 6 * MINUTE, fleet: second.fleet }).fleet.empty[id(1)]).toBe(NOW + 6 * MINUTE)
  })

  const drain = { leaving: [{ instance: id(1), step: 'drain' as const, reason: '', since: NOW }] }
  const cordoned = { nodes: [node(1, { cordoned: true })], instances: [instance(1)] }

  test.each([
    ['waits for the cordon', { ...others, now: NOW + MINUTE }, ['drain']],
    ['waits for bindings under way', { ...cordoned, now: NOW + 5_000 }, ['drain']],
    ['ends', { ...cordoned, now: NOW + 10_000 }, ['terminate']],
    ['is called off by a pod that came', { ...cordoned, ...busy(), now: NOW + 10_000 }, []],
    ['is called off by a pod that would fit', { ...cordoned, pods: [pod('p')], now: NOW + 5_000 }, []],
    ['ends where the node has gone', { instances: [instance(1)], now: NOW + 1 }, ['terminate']],
    ['is over where both have gone', { instances: [instance(1, { state: 'gone' })], now: NOW + 1 }, []]
  ])('draining %s', (_, view, steps) => {
    expect(plan({ ...view, fleet: drain }).fleet.leaving.map(({ step }) => step)).toEqual(steps)
  })

  test('an instance of ours that is no node, and one that is not ready for long', () => {
    const lone = plan({ instances: [instance(1)], now: NOW + 5 * MINUTE })
    expect(lone.fleet.leaving).toMatchObject([{ instance: id(1), step: 'terminate' }])
    const dead = { nodes: [node(1, { ready: false })], instances: [instance(1)], ...busy() }
    expect(plan({ ...dead, now: NOW + 9 * MINUTE }).fleet.leaving).toEqual([])
    expect(plan({ ...dead, now: NOW + 10 * MINUTE }).fleet.leaving).toMatchObject([{ step: 'terminate' }])
  })

  test('nodes whose machine has gone, whoever made it; none that only cannot be heard', () => {
    const nodes = [1, 2, 3, 4].map((n) => node(n, { ready: false }))
    const { gone } = plan({
      nodes,
      instances: [instance(1, { state: 'gone' }), instance(2)],
      states: new Map([
        [id(3), 'gone'],
        [id(4), 'running']
      ])
    })
    expect(gone).toEqual([id(1), id(3)])
  })
})
