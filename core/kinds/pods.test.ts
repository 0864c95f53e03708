import { describe, expect, test } from '@jest/globals'
import type { FieldError } from '../errors.ts'
import { errorBody } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import { decode } from '../validate.ts'
import { defaultPullPolicy } from './pod-image.ts'
import { qosClass } from './pod-qos.ts'
import { podLimits, podRequests } from './pod-resources.ts'
import { podChanges, podGracePeriod, podKinds } from './pods.ts'
import type { Pod, PodSpec, ResourceRequirements } from './types.ts'

const [kind] = podKinds
if (kind === undefined) throw new Error('no pods')
const { rules } = kind
const NOW = Date.parse('2026-01-01T01:00:00Z')

function decoded(body: object): KubeObject {
  const { object } = decode(kind as NonNullable<typeof kind>, body)
  rules.defaults?.(object)
  return object
}

const podOf = (spec: object, more: object = {}) => decoded({ metadata: { name: 'a' }, spec, ...more })
const container = (more: object = {}) => ({ name: 'c', image: 'busybox', ...more })
const texts = (errors: readonly FieldError[] | undefined) =>
  (errors ?? []).map((error) => `${error.field}: ${errorBody(error)}`)

describe('defaults', () => {
  test.each([
    ['busybox', 'Always'],
    ['busybox:latest', 'Always'],
    ['busybox:1.36', 'IfNotPresent'],
    ['registry.example.com:5000/a/b', 'Always'],
    ['registry.example.com:5000/a/b:v1', 'IfNotPresent'],
    ['a@sha256:0000', 'IfNotPresent'],
    ['a:latest@sha256:0000', 'Always'],
    ['UPPER CASE', 'IfNotPresent'],
    ['', 'IfNotPresent']
  ])('the pull policy of %s is %s', (image, policy) => {
    expect(defaultPullPolicy(image)).toBe(policy)
  })

  test('of probes, hooks, sources and requests', () => {
    const pod = podOf({
      hostNetwork: true,
      serviceAccount: 'me',
      containers: [
        container({
          ports: [{ containerPort: 53, protocol: 'UDP' }, { containerPort: 80 }],
          livenessProbe: { grpc: { port: 1 }, initialDelaySeconds: 0 },
          lifecycle: { preStop: { httpGet: { port: 'x' } } },
          env: [{ name: 'A', value: '', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } }],
          resources: { limits: { cpu: '0.5', memory: '1024Mi' }, requests: { cpu: '0.25' } }
        })
      ]
    }) as unknown as Pod
    expect(pod.spec?.containers[0]).toEqual({
      name: 'c',
      image: 'busybox',
      imagePullPolicy: 'Always',
      terminationMessagePath: '/dev/termination-log',
      terminationMessagePolicy: 'File',
      ports: [
        { containerPort: 53, protocol: 'UDP', hostPort: 53 },
        { containerPort: 80, protocol: 'TCP', hostPort: 80 }
      ],
      livenessProbe: {
        grpc: { port: 1, service: '' },
        timeoutSeconds: 1,
        periodSeconds: 10,
        successThreshold: 1,
        failureThreshold: 3
      },
      lifecycle: { preStop: { httpGet: { port: 'x', path: '/', scheme: 'HTTP' } } },
      env: [{ name: 'A', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '0' } } }],
      resources: { limits: { cpu: '500m', memory: '1Gi' }, requests: { cpu: '250m', memory: '1Gi' } }
    })
    expect(pod.spec).toMatchObject({ serviceAccount: 'me', serviceAccountName: 'me', enableServiceLinks: true })
  })

  test('a gated pod says so from the start, and keys of labels become its own values', () => {
    const term = { topologyKey: 'zone', labelSelector: {}, matchLabelKeys: ['v'], mismatchLabelKeys: ['w'] }
    const pod = podOf(
      {
        containers: [container()],
        schedulingGates: [{ name: 'x/y' }],
        affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [term] } }
      },
      { metadata: { name: 'a', labels: { v: '1', w: '2' } }, status: { phase: 'Running' } }
    )
    rules.prepareCreate?.(pod, { now: 0, random: () => 0 })
    expect(pod.status).toEqual({
      phase: 'Pending',
      qosClass: 'BestEffort',
      conditions: [
        {
          type: 'PodScheduled',
          status: 'False',
          reason: 'SchedulingGated',
          message: 'Scheduling is blocked due to non-empty scheduling gates',
          lastProbeTime: null,
          lastTransitionTime: '1970-01-01T00:00:00Z'
        }
      ]
    })
    const [filled] =
      (pod as unknown as Pod).spec?.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []
    expect(filled?.labelSelector?.matchExpressions).toEqual([
      { key: 'v', operator: 'In', values: ['1'] },
      { key: 'w', operator: 'NotIn', values: ['2'] }
    ])
  })

  test('podIP and podIPs are one', () => {
    expect(podOf({}, { status: { podIP: '10.0.0.1' } }).status).toEqual({
      podIP: '10.0.0.1',
      podIPs: [{ ip: '10.0.0.1' }]
    })
    expect(podOf({}, { status: { podIPs: [{ ip: '10.0.0.1' }] } }).status).toMatchObject({ podIP: '10.0.0.1' })
  })
})

describe('what a pod requests', () => {
  const one = (requests: object, more: object = {}) => container({ resources: { requests }, ...more })
  const cases: [string, object, object][] = [
    ['nothing', { containers: [container()] }, {}],
    [
      'its containers together',
      { containers: [one({ cpu: '100m' }), one({ cpu: '1', memory: '1Ki' })] },
      { cpu: 1100, memory: 1024 }
    ],
    [
      'the largest init container',
      { containers: [one({ cpu: '1' })], initContainers: [one({ cpu: '3', memory: '5' }), one({ cpu: '2' })] },
      { cpu: 3000, memory: 5 }
    ],
    [
      'sidecars beside both',
      {
        containers: [one({ cpu: '1' })],
        initContainers: [
          one({ cpu: '2' }, { restartPolicy: 'Always' }),
          one({ cpu: '5' }),
          one({ cpu: '1' }, { restartPolicy: 'Always' })
        ]
      },
      { cpu: 7000 }
    ],
    ['overhead', { containers: [one({ cpu: '1' })], overhead: { cpu: '250m', memory: '1' } }, { cpu: 1250, memory: 1 }],
    [
      'what is set for the pod',
      { containers: [one({ cpu: '1', memory: '7' })], resources: { requests: { cpu: '4' } } },
      { cpu: 4000, memory: 7 }
    ],
    [
      'other things',
      { containers: [one({ 'example.com/gpu': '2', 'ephemeral-storage': '1k' })] },
      { 'example.com/gpu': 2, 'ephemeral-storage': 1000 }
    ]
  ]
  test.each(cases)('%s', (_, spec, requests) => {
    expect(podRequests({ spec: spec as PodSpec })).toEqual(requests)
  })
  test('limits', () => {
    const spec = {
      containers: [container({ resources: { limits: { cpu: '1' } } })],
      overhead: { cpu: '1', memory: '1' }
    }
    expect(podLimits({ spec: spec as unknown as PodSpec })).toEqual({ cpu: 2000 })
  })
})

describe('quality of service', () => {
  const all = { cpu: '1', memory: '1Gi' }
  const cases: [string, ResourceRequirements[], string][] = [
    ['nothing', [{}], 'BestEffort'],
    ['zero', [{ requests: { cpu: '0' } }], 'BestEffort'],
    ['storage only', [{ requests: { 'ephemeral-storage': '1Gi' } }], 'BestEffort'],
    ['a request', [{ requests: { cpu: '1' } }], 'Burstable'],
    ['equal requests and limits', [{ requests: all, limits: all }], 'Guaranteed'],
    ['equal in other words', [{ requests: { cpu: '1000m', memory: '1024Mi' }, limits: all }], 'Guaranteed'],
    ['one resource of two', [{ requests: { cpu: '1' }, limits: { cpu: '1' } }], 'Burstable'],
    ['one container of two', [{ requests: all, limits: all }, {}], 'Burstable'],
    ['less than the limit', [{ requests: { cpu: '1', memory: '1' }, limits: all }], 'Burstable']
  ]
  test.each(cases)('%s', (_, requirements, expected) => {
    const containers = requirements.map((resources, i) => ({ name: `c${i}`, resources }))
    expect(qosClass({ spec: { containers } })).toBe(expected)
  })
  test('of the pod as a whole', () => {
    expect(qosClass({ spec: { containers: [{ name: 'c' }], resources: { requests: all, limits: all } } })).toBe(
      'Guaranteed'
    )
  })
})

describe('updates', () => {
  const base = { containers: [container()], terminationGracePeriodSeconds: 30 }
  const OTHER =
    'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n'
  const cases: [string, object, object, (string | RegExp)[]][] = [
    ['nothing', base, base, []],
    ['an image', base, { ...base, containers: [container({ image: 'busybox:2', imagePullPolicy: 'Always' })] }, []],
    [
      'a container more',
      base,
      { ...base, containers: [container(), container({ name: 'd' })] },
      ['spec.containers: Forbidden: pod updates may not add or remove containers']
    ],
    [
      'the restart policy',
      base,
      { ...base, restartPolicy: 'Never' },
      [
        `${OTHER}@@ -35,7 +35,7 @@\n   }\n  ],\n  "EphemeralContainers": null,\n- "RestartPolicy": "Always",\n+ "RestartPolicy": "Never",\n  "TerminationGracePeriodSeconds": 30,\n  "ActiveDeadlineSeconds": null,\n  "DNSPolicy": "ClusterFirst",\n`
      ]
    ],
    ['a deadline set and lowered', { ...base, activeDeadlineSeconds: 9 }, { ...base, activeDeadlineSeconds: 8 }, []],
    [
      'a deadline raised',
      { ...base, activeDeadlineSeconds: 9 },
      { ...base, activeDeadlineSeconds: 10 },
      ['spec.activeDeadlineSeconds: Invalid value: 10: must be less than or equal to previous value']
    ],
    [
      'a deadline removed',
      { ...base, activeDeadlineSeconds: 9 },
      base,
      ['spec.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value']
    ],
    [
      'tolerations',
      { ...base, tolerations: [{ key: 'a', effect: 'NoExecute', operator: 'Exists' }] },
      {
        ...base,
        tolerations: [
          { key: 'b', operator: 'Exists' },
          { key: 'a', effect: 'NoExecute', operator: 'Exists', tolerationSeconds: 5 }
        ]
      },
      []
    ],
    [
      'a toleration less',
      { ...base, tolerations: [{ key: 'a', operator: 'Exists' }] },
      base,
      ['spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds']
    ],
    ['a gate less', { ...base, schedulingGates: [{ name: 'x/y' }] }, base, []],
    [
      'a gate more',
      base,
      { ...base, schedulingGates: [{ name: 'x/y' }] },
      ["spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'x/y'"]
    ],
    [
      'a negative grace period becomes 1',
      { ...base, terminationGracePeriodSeconds: -1 },
      { ...base, terminationGracePeriodSeconds: 1 },
      []
    ],
    [
      'the node selector of a gated pod',
      { ...base, schedulingGates: [{ name: 'x/y' }], nodeSelector: { a: '1' } },
      { ...base, schedulingGates: [{ name: 'x/y' }], nodeSelector: { a: '1', b: '2' } },
      []
    ],
    [
      'narrower only',
      { ...base, schedulingGates: [{ name: 'x/y' }], nodeSelector: { a: '1' } },
      { ...base, schedulingGates: [{ name: 'x/y' }], nodeSelector: { b: '2' } },
      [
        'spec.nodeSelector: Invalid value: {"b":"2"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)'
      ]
    ],
    [
      'the node of a bound pod',
      { ...base, nodeName: 'a' },
      { ...base, nodeName: 'b' },
      [/^spec: Forbidden: pod updates(?:.|\n)*-\s"NodeName": "a",\n\+ "NodeName": "b",/]
    ]
  ]
  test.each(cases)('%s', (_, before, after, errors) => {
    const found = texts(rules.validateUpdate?.(podOf(after), podOf(before)))
    expect(found).toEqual(errors.map((error) => (typeof error === 'string' ? error : expect.stringMatching(error))))
  })

  test('the status keeps to itself', () => {
    const old = podOf(base, {
      metadata: { name: 'a', ownerReferences: [{ apiVersion: 'v1', kind: 'X', name: 'x', uid: 'u' }] },
      status: { qosClass: 'Burstable' }
    })
    const next = podOf({ containers: [] }, { status: { phase: 'Running' } })
    rules.prepareStatus?.(next, old, { now: 0, random: () => 0 })
    expect(next.spec).toBe(old.spec)
    expect(next.metadata.ownerReferences).toEqual(old.metadata.ownerReferences)
    expect(next.status).toEqual({ phase: 'Running', qosClass: 'Burstable' })
    const update = podOf(base, { status: { phase: 'Failed' } })
    rules.prepareUpdate?.(update, old, { now: 0, random: () => 0 })
    expect(update.status).toBe(old.status)
  })

  test('a status that cannot be', () => {
    const ended = { name: 'c', state: { terminated: { exitCode: 0 } } }
    const old = podOf(
      { ...base, restartPolicy: 'OnFailure' },
      { status: { qosClass: 'Burstable', containerStatuses: [ended] } }
    )
    const next = podOf(
      { ...base, restartPolicy: 'OnFailure' },
      {
        status: {
          qosClass: 'BestEffort',
          containerStatuses: [{ name: 'c', state: { running: {} } }],
          podIPs: [{ ip: 'x' }],
          hostIP: '1.1.1.1',
          hostIPs: [{ ip: '1.1.1.2' }, { ip: '1.1.1.2' }],
          nominatedNodeName: 'A',
          conditions: [{ type: 'a b', status: 'True' }]
        }
      }
    )
    expect(texts(rules.validateStatus?.(next, old))).toEqual([
      expect.stringMatching(/^metadata.conditions\[0\].Type: Invalid value: "a b": name part must/),
      expect.stringMatching(/^status.nominatedNodeName: Invalid value: "A": a lowercase RFC 1123 subdomain/),
      'status.qosClass: Invalid value: "BestEffort": field is immutable',
      'status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state',
      'status.podIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      'status.hostIPs[0].ip: Invalid value: "1.1.1.2": must be equal to `hostIP`',
      'status.hostIPs: Invalid value: [{"IP":"1.1.1.2"},{"IP":"1.1.1.2"}]: may specify no more than one IP for each IP family',
      'status.hostIPs[1]: Duplicate value: {"IP":"1.1.1.2"}'
    ])
  })

  test('ephemeral containers are only added', () => {
    const change = podChanges.ephemeralcontainers
    const debug = { name: 'd', image: 'busybox' }
    const old = podOf({ ...base, ephemeralContainers: [debug] }) as unknown as Pod
    const next = podOf({
      containers: [],
      ephemeralContainers: [
        { ...debug, tty: true },
        { ...debug, name: 'e' }
      ]
    }) as unknown as Pod
    change.prepare(next, old)
    expect(next.spec?.containers).toEqual(old.spec?.containers)
    expect(texts(change.validate(next, old))).toEqual([
      'spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be changed\n@@ -27,6 +27,6 @@\n  "SecurityContext": null,\n  "Stdin": false,\n  "StdinOnce": false,\n- "TTY": false,\n+ "TTY": true,\n  "TargetContainerName": ""\n }\n'
    ])
  })

  test('a resize changes CPU and memory only', () => {
    const change = podChanges.resize
    const sized = (cpu: string, more: object = {}) => ({
      ...base,
      containers: [container({ resources: { requests: { cpu } }, ...more })]
    })
    const resize = (after: object) => {
      const old = podOf(sized('1')) as unknown as Pod
      const next = podOf(after) as unknown as Pod
      change.prepare(next, old)
      return texts(change.validate(next, old))
    }
    expect(resize(sized('2', { image: 'other' }))).toEqual([])
    expect(resize({ ...base })).toEqual([
      expect.stringContaining('spec: Invalid value: "": Pod QOS Class may not change as a result of resizing'),
      'spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed'
    ])
  })
})

describe('the table', () => {
  const running = { running: { startedAt: '2026-01-01T00:00:00Z' } }
  const status = (state: object, more: object = {}) => ({ name: 'c', ready: false, restartCount: 0, state, ...more })
  const ended = (exitCode: number, reason?: string, signal?: number) => ({
    terminated: { exitCode, finishedAt: '2026-01-01T00:55:00Z', ...(reason && { reason }), ...(signal && { signal }) }
  })
  const two = { containers: [container(), container({ name: 'd' })] }
  const init = (...names: string[]) => ({ ...two, initContainers: names.map((name) => container({ name })) })
  const sidecar = { ...two, initContainers: [container({ name: 's', restartPolicy: 'Always' })] }
  const cases: [string, object, object, unknown[]][] = [
    ['a new pod', two, { phase: 'Pending' }, ['0/2', 'Pending', '0']],
    [
      'being created',
      two,
      { phase: 'Pending', containerStatuses: [status({ waiting: { reason: 'ContainerCreating' } })] },
      ['0/2', 'ContainerCreating', '0']
    ],
    [
      'one of two ready',
      two,
      { phase: 'Running', containerStatuses: [status(running, { ready: true }), status(running)] },
      ['1/2', 'Running', '0']
    ],
    [
      'crashing',
      two,
      {
        phase: 'Running',
        containerStatuses: [
          status({ waiting: { reason: 'CrashLoopBackOff' } }, { restartCount: 3, lastState: ended(1, 'Error') }),
          status(running, { ready: true })
        ]
      },
      ['1/2', 'CrashLoopBackOff', '3 (5m ago)']
    ],
    ['failed', two, { phase: 'Failed', containerStatuses: [status(ended(1, 'Error'))] }, ['0/2', 'Error', '0']],
    [
      'killed by a signal',
      two,
      { phase: 'Failed', containerStatuses: [status(ended(137, undefined, 9))] },
      ['0/2', 'Signal:9', '0']
    ],
    [
      'ended without a word',
      two,
      { phase: 'Failed', containerStatuses: [status(ended(3))] },
      ['0/2', 'ExitCode:3', '0']
    ],
    [
      'completed',
      two,
      { phase: 'Succeeded', containerStatuses: [status(ended(0, 'Completed'))] },
      ['0/2', 'Completed', '0']
    ],
    [
      'half completed',
      two,
      {
        phase: 'Running',
        containerStatuses: [status(ended(0, 'Completed')), status(running, { ready: true })],
        conditions: [{ type: 'Ready', status: 'False' }]
      },
      ['1/2', 'NotReady', '0']
    ],
    ['evicted', two, { phase: 'Failed', reason: 'Evicted' }, ['0/2', 'Evicted', '0']],
    [
      'gated',
      two,
      { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] },
      ['0/2', 'SchedulingGated', '0']
    ],
    [
      'waiting for the second of its init containers',
      init('i', 'j'),
      { phase: 'Pending', initContainerStatuses: [status(ended(0), { name: 'i' }), status(running, { name: 'j' })] },
      ['0/2', 'Init:1/2', '0']
    ],
    [
      'init not begun',
      init('i'),
      { phase: 'Pending', initContainerStatuses: [status({ waiting: { reason: 'PodInitializing' } }, { name: 'i' })] },
      ['0/2', 'Init:0/1', '0']
    ],
    [
      'init that fails',
      init('i'),
      { phase: 'Pending', initContainerStatuses: [status(ended(1, 'Error'), { name: 'i', restartCount: 2 })] },
      ['0/2', 'Init:Error', '2']
    ],
    [
      'init that fails again and again',
      init('i'),
      {
        phase: 'Pending',
        initContainerStatuses: [
          status({ waiting: { reason: 'CrashLoopBackOff' } }, { name: 'i', restartCount: 2, lastState: ended(2) })
        ]
      },
      ['0/2', 'Init:CrashLoopBackOff', '2 (5m ago)']
    ],
    [
      'with a sidecar',
      sidecar,
      {
        phase: 'Running',
        initContainerStatuses: [status(running, { name: 's', started: true, ready: true, restartCount: 1 })],
        containerStatuses: [status(running, { ready: true })]
      },
      ['2/3', 'Running', '1']
    ],
    [
      'after initialisation',
      init('i'),
      {
        phase: 'Pending',
        initContainerStatuses: [status(ended(0), { name: 'i', restartCount: 4 })],
        containerStatuses: [status({ waiting: { reason: 'PodInitializing' } })]
      },
      ['0/2', 'PodInitializing', '0']
    ]
  ]
  test.each(cases)('%s', (_, spec, podStatus, cells) => {
    const pod = podOf(spec, { metadata: { name: 'a', creationTimestamp: '2026-01-01T00:00:00Z' }, status: podStatus })
    expect(rules.cells?.(pod, NOW)).toEqual(['a', ...cells, '60m', '<none>', '<none>', '<none>', '<none>'])
  })

  test('where it is, and while it goes', () => {
    const metadata = { name: 'a', deletionTimestamp: '2026-01-01T00:59:00Z' }
    const gates = { ...two, nodeName: 'n', readinessGates: [{ conditionType: 'x/y' }, { conditionType: 'x/z' }] }
    const pod = podOf(gates, {
      metadata,
      status: { phase: 'Running', podIP: '10.0.0.1', conditions: [{ type: 'x/y', status: 'True' }] }
    })
    expect(rules.cells?.(pod, NOW)).toEqual([
      'a',
      '0/2',
      'Terminating',
      '0',
      '<unknown>',
      '10.0.0.1',
      'n',
      '<none>',
      '1/2'
    ])
    const lost = podOf(two, { metadata, status: { phase: 'Running', reason: 'NodeLost' } })
    expect(rules.cells?.(lost, NOW)[2]).toBe('Unknown')
    const done = podOf(two, { metadata, status: { phase: 'Succeeded' } })
    expect(rules.cells?.(done, NOW)[2]).toBe('Succeeded')
  })
})

test('selectable fields and the index of nodes', () => {
  const pod = podOf({ containers: [container()], nodeName: 'n' }, { status: { phase: 'Running', podIP: '10.0.0.1' } })
  const fields = Object.entries(rules.fields ?? {}).map(([name, read]) => [name, read(pod)])
  expect(Object.fromEntries(fields)).toEqual({
    'spec.nodeName': 'n',
    'spec.restartPolicy': 'Always',
    'spec.schedulerName': 'default-scheduler',
    'spec.serviceAccountName': '',
    'spec.hostNetwork': 'false',
    'status.phase': 'Running',
    'status.podIP': '10.0.0.1',
    'status.nominatedNodeName': ''
  })
  expect(rules.indexes?.node?.(pod)).toEqual(['n'])
  expect(rules.indexes?.node?.(podOf({}))).toEqual([])
})

test.each<[string, object, object, number]>([
  ['not bound', {}, {}, 0],
  ['bound', { nodeName: 'n' }, { phase: 'Running' }, 30],
  ['finished', { nodeName: 'n' }, { phase: 'Failed' }, 0],
  ['of its own', { nodeName: 'n', terminationGracePeriodSeconds: 7 }, {}, 7],
  ['negative', { nodeName: 'n', terminationGracePeriodSeconds: -7 }, {}, 1]
])('grace period: %s', (_, spec, status, seconds) => {
  expect(podGracePeriod(podOf(spec, { status }) as unknown as Pod)).toBe(seconds)
})
