import { planPod } from '../pod.ts'
import { at, container, iso, podOf, ran, type Scene, sandbox, scene } from './fixture.ts'

const statusOf = (given: Scene) => planPod(scene(given)).status
const exited = (name: string, exitCode: number, more: Parameters<typeof ran>[1] = {}) =>
  ran(name, { state: 'exited', exitCode, ...more })
const condition = (given: Scene, type: string) => {
  const found = statusOf(given).conditions?.find((one) => one.type === type)
  return [found?.status, found?.reason, found?.message].filter((text) => text !== undefined).join(' | ')
}
const off = [sandbox({ ready: false, ips: [] })]
const deletedAt = { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 0 }

describe('phase', () => {
  const withInit = podOf({ initContainers: [container('i')] })
  const policy = (restartPolicy: string, count = 1) =>
    podOf({ restartPolicy, containers: ['c', 'd'].slice(0, count).map((name) => container(name)) })
  test.each<[string, Scene, string]>([
    ['nothing yet', { sandboxes: [] }, 'Pending'],
    ['init runs', { pod: withInit, containers: [ran('i')] }, 'Pending'],
    [
      'init failed for good',
      {
        pod: {
          ...withInit,
          spec: { ...policy('Never').spec, containers: [container('c')], initContainers: [container('i')] }
        },
        containers: [exited('i', 1)]
      },
      'Failed'
    ],
    ['one of two runs, the other waits', { pod: policy('Always', 2), containers: [ran('c')] }, 'Pending'],
    ['runs', { containers: [ran('c')] }, 'Running'],
    ['Always restarts', { pod: policy('Always'), containers: [exited('c', 0)] }, 'Running'],
    ['OnFailure restarts a failure', { pod: policy('OnFailure'), containers: [exited('c', 1)] }, 'Running'],
    ['OnFailure is done after success', { pod: policy('OnFailure'), containers: [exited('c', 0)] }, 'Succeeded'],
    ['Never, success', { pod: policy('Never'), containers: [exited('c', 0)] }, 'Succeeded'],
    ['Never, failure', { pod: policy('Never'), containers: [exited('c', 1)] }, 'Failed'],
    ['Never, one failed and one runs', { pod: policy('Never', 2), containers: [exited('c', 1), ran('d')] }, 'Running'],
    ['deleted, ended well', { pod: podOf({}, deletedAt), sandboxes: off, containers: [exited('c', 0)] }, 'Succeeded'],
    ['deleted, killed', { pod: podOf({}, deletedAt), sandboxes: off, containers: [exited('c', 137)] }, 'Failed'],
    [
      'a final phase stays',
      { status: { phase: 'Succeeded' }, sandboxes: off, containers: [exited('c', 1)] },
      'Succeeded'
    ]
  ])('%s', (_, given, phase) => expect(statusOf(given).phase).toBe(phase))
})

describe('conditions', () => {
  const withInit = podOf({ initContainers: [container('i')] })
  const gated = podOf({ readinessGates: [{ conditionType: 'example.com/x' }] })
  const probed = podOf({ containers: [container('c', { readinessProbe: {} })] })
  const gate = (status: string) => ({ conditions: [{ type: 'example.com/x', status }] })
  const never = podOf({ restartPolicy: 'Never' })
  test.each<[string, Scene, string, string]>([
    ['no sandbox', { sandboxes: [] }, 'PodReadyToStartContainers', 'False'],
    ['a sandbox with an address', {}, 'PodReadyToStartContainers', 'True'],
    ['without init containers', { sandboxes: [] }, 'Initialized', 'True'],
    [
      'init waits',
      { pod: withInit },
      'Initialized',
      'False | ContainersNotInitialized | containers with incomplete status: [i]'
    ],
    ['init is done', { pod: withInit, containers: [exited('i', 0)] }, 'Initialized', 'True'],
    ['nothing runs', {}, 'Ready', 'False | ContainersNotReady | containers with unready status: [c]'],
    ['it runs', { containers: [ran('c')] }, 'Ready', 'True'],
    [
      'its probe has not spoken',
      { pod: probed, containers: [ran('c')] },
      'ContainersReady',
      'False | ContainersNotReady | containers with unready status: [c]'
    ],
    [
      'its probe says yes',
      { pod: probed, containers: [ran('c')], health: new Map([['c0', { ready: true }]]) },
      'Ready',
      'True'
    ],
    [
      'a gate is missing',
      { pod: gated, containers: [ran('c')] },
      'Ready',
      'False | ReadinessGatesNotReady | corresponding condition of pod readiness gate "example.com/x" does not exist.'
    ],
    [
      'a gate is closed',
      { pod: gated, containers: [ran('c')], status: gate('False') },
      'Ready',
      'False | ReadinessGatesNotReady | the status of pod readiness gate "example.com/x" is not "True", but False'
    ],
    ['a gate is open', { pod: gated, containers: [ran('c')], status: gate('True') }, 'Ready', 'True'],
    ['completed', { pod: never, containers: [exited('c', 0)] }, 'Ready', 'False | PodCompleted'],
    ['completed', { pod: never, containers: [exited('c', 0)] }, 'Initialized', 'True | PodCompleted'],
    ['failed', { pod: never, containers: [exited('c', 1)] }, 'ContainersReady', 'False | PodFailed']
  ])('%s: %s', (_, given, type, expected) => expect(condition(given, type)).toBe(expected))

  test('keep the time of their last change and the generation they saw', () => {
    const status = { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: iso(-60) }] }
    const conditions = statusOf({ status, containers: [ran('c')] }).conditions ?? []
    expect(conditions.map((one) => one.type)).toEqual([
      'PodReadyToStartContainers',
      'Initialized',
      'Ready',
      'ContainersReady',
      'PodScheduled'
    ])
    expect(conditions.find((one) => one.type === 'Ready')).toMatchObject({
      lastTransitionTime: iso(-60),
      observedGeneration: 1
    })
    expect(conditions.find((one) => one.type === 'ContainersReady')?.lastTransitionTime).toBe(iso(0))
  })
})

describe('container states', () => {
  const first = (given: Scene) => statusOf(given).containerStatuses?.[0]
  test('waiting to be made, with and without init containers', () => {
    expect(first({ sandboxes: [] })?.state).toEqual({ waiting: { reason: 'ContainerCreating' } })
    const pod = podOf({ initContainers: [container('i')] })
    expect(first({ pod })?.state).toEqual({ waiting: { reason: 'PodInitializing' } })
  })

  test('running, and what it is made of', () => {
    const pod = podOf({
      containers: [
        container('c', {
          resources: { requests: { cpu: '1' }, limits: { memory: '1Gi' } },
          volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: true }]
        })
      ]
    })
    expect(first({ pod, containers: [ran('c')] })).toEqual({
      name: 'c',
      state: { running: { startedAt: iso(-50) } },
      lastState: {},
      ready: true,
      started: true,
      restartCount: 0,
      image: 'i:1',
      imageID: 'sha256:1',
      containerID: 'containerd://c0',
      resources: { requests: { cpu: '1' }, limits: { memory: '1Gi' } },
      allocatedResources: { cpu: '1' },
      volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: true, recursiveReadOnly: 'Disabled' }]
    })
  })

  test('a hook under way: not there yet', () => {
    const status = first({ containers: [ran('c')], busy: { starting: new Set(['c']) } })
    expect(status).toMatchObject({ ready: false, started: false, state: { waiting: { reason: 'ContainerCreating' } } })
  })

  test('a startup probe holds back started and ready', () => {
    const pod = podOf({ containers: [container('c', { startupProbe: {} })] })
    expect(first({ pod, containers: [ran('c')] })).toMatchObject({ ready: false, started: false })
    const health = new Map([['c0', { started: true }]])
    expect(first({ pod, containers: [ran('c')], health })).toMatchObject({ ready: true, started: true })
  })

  test('the end before, its message and its count', () => {
    const containers = [
      ran('c', { attempt: 4 }),
      exited('c', 137, { attempt: 3, reason: 'OOMKilled', finishedAt: at(-51) })
    ]
    expect(first({ containers, messages: new Map([['c3', 'bye']]) })).toMatchObject({
      restartCount: 4,
      state: { running: {} },
      lastState: {
        terminated: {
          exitCode: 137,
          reason: 'OOMKilled',
          message: 'bye',
          containerID: 'containerd://c3',
          finishedAt: iso(-51)
        }
      }
    })
  })

  test('a failed start shows its reason, and the end before it moves', () => {
    const failures = new Map([['c', { reason: 'RunContainerError', message: 'no such file', until: at(1) }]])
    expect(first({ containers: [exited('c', 128, { reason: 'StartError' })], failures })).toMatchObject({
      state: { waiting: { reason: 'RunContainerError', message: 'no such file' } },
      lastState: { terminated: { reason: 'StartError', exitCode: 128 } }
    })
  })

  test('a container that was lost when its pod ended', () => {
    const pod = podOf({}, deletedAt)
    const running = {
      name: 'c',
      image: 'i:1',
      imageID: '',
      ready: true,
      restartCount: 2,
      containerID: 'containerd://x',
      state: { running: {} }
    }
    const status = first({ pod, sandboxes: off, status: { containerStatuses: [running] } })
    expect(status).toMatchObject({
      restartCount: 2,
      state: {
        terminated: {
          exitCode: 137,
          reason: 'ContainerStatusUnknown',
          message: 'The container could not be located when the pod was terminated'
        }
      }
    })
  })
})

test('addresses: the sandbox’s, the node’s on its network, the last ones after the end', () => {
  expect(statusOf({})).toMatchObject({ podIP: '10.0.0.7', podIPs: [{ ip: '10.0.0.7' }], hostIP: '192.0.2.1' })
  expect(statusOf({ pod: podOf({ hostNetwork: true }), sandboxes: [sandbox({ ips: [] })] })).toMatchObject({
    podIP: '192.0.2.1'
  })
  const done = { phase: 'Succeeded', podIP: '10.0.0.9', podIPs: [{ ip: '10.0.0.9' }] }
  expect(statusOf({ status: done, sandboxes: off })).toMatchObject({ podIP: '10.0.0.9' })
  expect(statusOf({ sandboxes: [] }).podIP).toBeUndefined()
})

test('a refused pod says why and nothing of containers', () => {
  const status = statusOf({
    rejected: { reason: 'OutOfcpu', message: 'm' },
    status: { phase: 'Pending', qosClass: 'Burstable' },
    sandboxes: []
  })
  expect(status).toEqual({
    phase: 'Failed',
    reason: 'OutOfcpu',
    message: 'Pod was rejected: m',
    qosClass: 'Burstable',
    startTime: iso(0),
    observedGeneration: 1
  })
})

test('a deadline says what happened', () => {
  const pod = podOf({ activeDeadlineSeconds: 60 })
  const status = statusOf({ pod, status: { phase: 'Running', startTime: iso(-60) }, containers: [ran('c')] })
  expect(status).toMatchObject({
    phase: 'Failed',
    reason: 'DeadlineExceeded',
    message: 'Pod was active on the node longer than the specified deadline'
  })
})

describe('in the end', () => {
  const notLocated = { terminated: expect.objectContaining({ exitCode: 137, reason: 'ContainerStatusUnknown' }) }
  const waits = { waiting: { reason: 'PodInitializing' } }
  const pair = { initContainers: [container('i'), container('j')] }
  test('a pod that never came to run has failed, and so have its containers', () => {
    const status = statusOf({ pod: podOf({}, deletedAt), sandboxes: [] })
    expect(status.phase).toBe('Failed')
    expect(status.containerStatuses?.[0]).toMatchObject({ name: 'c', restartCount: 0, state: notLocated })
  })
  test.each<[string, Parameters<typeof ran>[1] & { exitCode: number }, object[], object]>([
    ['in its first init container', { exitCode: 137 }, [{ terminated: { exitCode: 137 } }, waits], waits],
    ['after its first init container', { exitCode: 0 }, [{ terminated: { exitCode: 0 } }, waits], waits]
  ])('a pod that ended %s says nothing of what never began', (_, how, inits, main) => {
    const status = statusOf({
      pod: podOf(pair, deletedAt),
      sandboxes: off,
      containers: [exited('i', how.exitCode)]
    })
    expect(status).toMatchObject({ phase: 'Failed', containerStatuses: [{ state: main }] })
    expect(status.initContainerStatuses?.map((one) => one.state)).toMatchObject(inits)
  })
})

describe('a terminal phase is told when nothing runs any more', () => {
  const reportedOf = (given: Scene) => planPod(scene({ reported: { phase: 'Running' }, ...given })).reported
  const late = podOf({ activeDeadlineSeconds: 60 })
  const began = { phase: 'Running', startTime: iso(-60) }
  test.each<[string, Scene, [string | undefined, string | undefined]]>([
    ['a deadline, its container runs', { containers: [ran('c')] }, ['Running', undefined]],
    ['a deadline, its sandbox is there', { containers: [exited('c', 137)] }, ['Running', undefined]],
    ['a deadline, all is gone', { containers: [exited('c', 137)], sandboxes: off }, ['Failed', 'DeadlineExceeded']]
  ])('%s', (_, given, expected) => {
    const { phase, reason } = reportedOf({ pod: late, status: began, ...given })
    expect([phase, reason]).toEqual(expected)
  })
  test('a sidecar holds it back', () => {
    const pod = podOf({ restartPolicy: 'Never', initContainers: [container('s', { restartPolicy: 'Always' })] })
    const containers = [exited('c', 0), ran('s')]
    expect(reportedOf({ pod, containers }).phase).toBe('Running')
    expect(reportedOf({ pod, containers: [exited('c', 0), exited('s', 0)], sandboxes: off }).phase).toBe('Succeeded')
  })
  test('once told it stays', () => {
    const gone = { status: { phase: 'Succeeded' }, reported: { phase: 'Succeeded' }, containers: [ran('c')] }
    expect(reportedOf(gone).phase).toBe('Succeeded')
  })
  test('a refused pod is told at once', () => {
    expect(reportedOf({ rejected: { reason: 'OutOfcpu', message: 'm' } }).phase).toBe('Failed')
  })
})

test('volume mounts are told of a container that waits, too', () => {
  const volumeMounts = [
    { name: 'v', mountPath: '/v' },
    { name: 'w', mountPath: '/w', readOnly: true }
  ]
  const status = statusOf({ pod: podOf({ containers: [container('c', { volumeMounts })] }), sandboxes: [] })
  expect(status.containerStatuses?.[0]?.volumeMounts).toEqual([
    { name: 'v', mountPath: '/v' },
    { name: 'w', mountPath: '/w', readOnly: true, recursiveReadOnly: 'Disabled' }
  ])
})

test.each([
  [1, 4096],
  [4, 3072],
  [6, 2048]
])('the messages of %i containers have %i bytes each', (count, most) => {
  const names = Array.from({ length: count }, (_, index) => `c${index}`)
  const pod = podOf({ restartPolicy: 'Never', containers: names.map((name) => container(name)) })
  const containers = names.map((name) => exited(name, 1))
  const messages = new Map(containers.map(({ id }) => [id, 'm'.repeat(4096)]))
  const ends = statusOf({ pod, containers, messages }).containerStatuses?.map((one) => one.state?.terminated?.message)
  expect(ends?.map((message) => message?.length)).toEqual(names.map(() => most))
})
