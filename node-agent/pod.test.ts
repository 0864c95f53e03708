import type { Container } from '../core/kinds/types.ts'
import { at, container, NOW, podOf, ran, type Scene, sandbox, scene } from './pod/fixture.ts'
import type { Action } from './pod/input.ts'
import { planPod } from './pod.ts'

/** Actions as a short text each: what a table can be read by. */
function actionsOf(given: Scene): string[] {
  return planPod(scene(given)).actions.map(shown)
}

function shown(action: Action): string {
  switch (action.do) {
    case 'start':
      return `start ${action.containers.map((one) => `${one.name}#${one.attempt}+${one.backoffMs / 1000}s`).join(' ')}`
    case 'stop':
      return `stop ${action.containers.map((one) => `${one.id}@${(one.until - NOW) / 1000}s`).join(' ')}`
    case 'createSandbox':
      return `createSandbox ${action.attempt}`
    case 'stopSandbox':
    case 'removeSandbox':
    case 'removeContainer':
      return `${action.do} ${action.id}`
    case 'event':
      return `event ${action.reason}`
    default:
      return action.do
  }
}

const backoff = (seconds: number) => ({ 'wherry.io/restart-backoff-ms': String(seconds * 1000) })
const exited = (name: string, exitCode: number, more: Parameters<typeof ran>[1] = {}) =>
  ran(name, { state: 'exited', exitCode, ...more })
const two: Container[] = [container('a'), container('b')]
const deleted = (grace: number) => ({ deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: grace })

describe('a pod on its way to run', () => {
  test.each<[string, Scene, string[]]>([
    ['volumes first', { prepared: false, sandboxes: [] }, ['prepare']],
    ['nothing twice', { prepared: false, sandboxes: [], busy: { preparing: true } }, []],
    ['a failed preparation waits', { prepared: false, sandboxes: [], prepareAfter: at(1) }, []],
    ['then the sandbox', { sandboxes: [] }, ['createSandbox 0']],
    ['one sandbox at a time', { sandboxes: [], busy: { sandbox: true } }, []],
    ['a failed sandbox waits', { sandboxes: [], sandboxAfter: at(1) }, []],
    ['then containers, in order', { pod: podOf({ containers: two }) }, ['start a#0+0s b#0+0s']],
    ['none while others start', { busy: { starting: new Set(['c']) } }, []],
    ['nothing to do', { containers: [ran('c')] }, []],
    [
      'a start that was interrupted is made anew',
      { containers: [ran('c', { state: 'created' })] },
      ['start c#1+0s', 'removeContainer c0']
    ]
  ])('%s', (_, given, expected) => expect(actionsOf(given)).toEqual(expected))
})

describe('restart policies', () => {
  test.each<[string, string, number, string[]]>([
    ['Always', 'after success', 0, ['start c#1+10s']],
    ['Always', 'after failure', 1, ['start c#1+10s']],
    ['OnFailure', 'after failure', 1, ['start c#1+10s']],
    ['OnFailure', 'after success', 0, ['stopSandbox s0']],
    ['Never', 'after failure', 1, ['stopSandbox s0']],
    ['Never', 'after success', 0, ['stopSandbox s0']]
  ])('%s %s', (restartPolicy, _, exitCode, expected) => {
    const pod = podOf({ restartPolicy })
    expect(actionsOf({ pod, containers: [exited('c', exitCode)] })).toEqual(expected)
  })

  test.each<[string, Partial<Container>, number, string[]]>([
    ['its own policy wins', { restartPolicy: 'Never' }, 1, ['stopSandbox s0']],
    ['its own OnFailure', { restartPolicy: 'OnFailure' }, 1, ['start c#1+10s']],
    [
      'a rule for the exit code',
      {
        restartPolicy: 'Never',
        restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }]
      },
      42,
      ['start c#1+10s']
    ],
    [
      'a rule for other exit codes',
      {
        restartPolicy: 'Never',
        restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'NotIn', values: [42] } }]
      },
      42,
      ['stopSandbox s0']
    ]
  ])('container: %s', (_, more, exitCode, expected) => {
    const pod = podOf({ containers: [container('c', more)] })
    expect(actionsOf({ pod, containers: [exited('c', exitCode)] })).toEqual(expected)
  })

  test('one of two containers ends for good: the pod goes on', () => {
    const pod = podOf({ containers: two, restartPolicy: 'Never' })
    expect(actionsOf({ pod, containers: [exited('a', 0), ran('b')] })).toEqual([])
  })
})

describe('back-off', () => {
  const ended = (kept: number, ago: number) => [
    exited('c', 1, { attempt: 3, finishedAt: at(-ago), createdAt: at(-ago - 5), annotations: backoff(kept) })
  ]
  test.each<[string, number, number, string[]]>([
    ['10 s: not yet', 10, 9, ['event BackOff']],
    ['10 s are over, the next is 20', 10, 10, ['start c#4+20s']],
    ['80 s: not yet', 80, 79, ['event BackOff']],
    ['80 s are over, the next is 160', 80, 81, ['start c#4+160s']],
    ['never more than 300 s', 160, 161, ['start c#4+300s']],
    ['300 s stay 300', 300, 301, ['start c#4+300s']]
  ])('%s', (_, kept, ago, expected) => expect(actionsOf({ containers: ended(kept, ago) })).toEqual(expected))

  test('ten minutes of health are a new beginning', () => {
    const last = exited('c', 1, { createdAt: at(-700), finishedAt: at(-1), annotations: backoff(300) })
    expect(actionsOf({ containers: [last] })).toEqual(['start c#1+10s'])
  })

  test('says how long, looks again in time, and tells it once', () => {
    const input = scene({ containers: ended(40, 10) })
    const plan = planPod(input)
    const message = 'back-off 40s restarting failed container=c pod=p_ns(u)'
    expect(plan.status.containerStatuses?.[0]?.state).toEqual({ waiting: { reason: 'CrashLoopBackOff', message } })
    expect(plan.status.containerStatuses?.[0]?.lastState?.terminated?.exitCode).toBe(1)
    expect(plan.again).toBe(at(30))
    expect(planPod({ ...input, status: plan.status }).actions).toEqual([])
  })

  test('a failed pull waits, and its name changes once', () => {
    const failure = {
      reason: 'ErrImagePull',
      message: 'no',
      until: at(9),
      later: { from: at(-1), reason: 'ImagePullBackOff', message: 'Back-off', event: 'Back-off pulling image "i:1"' }
    }
    const input = scene({ failures: new Map([['c', failure]]) })
    const plan = planPod(input)
    expect(plan.actions.map(shown)).toEqual(['event BackOff', 'event Failed'])
    expect(plan.status.containerStatuses?.[0]?.state?.waiting?.reason).toBe('ImagePullBackOff')
    expect(plan.again).toBe(at(9))
    expect(planPod({ ...input, status: plan.status }).actions).toEqual([])
    expect(planPod({ ...input, now: at(9), status: plan.status }).actions.map(shown)).toEqual(['start c#0+0s'])
  })
})

describe('init containers', () => {
  const pod = podOf({ initContainers: [container('i'), container('j')] })
  const never = podOf({ initContainers: [container('i')], restartPolicy: 'Never' })
  test.each<[string, Scene, string[]]>([
    ['the first', { pod }, ['start i#0+0s']],
    ['it runs', { pod, containers: [ran('i')] }, []],
    ['then the second', { pod, containers: [exited('i', 0)] }, ['start j#0+0s']],
    ['then the rest', { pod, containers: [exited('j', 0), exited('i', 0)] }, ['start c#0+0s']],
    ['never again once they are done', { pod, containers: [ran('c')] }, []],
    ['a failure is repeated', { pod, containers: [exited('i', 1)] }, ['start i#1+10s']],
    ['not where the policy says Never', { pod: never, containers: [exited('i', 1)] }, ['stopSandbox s0']]
  ])('%s', (_, given, expected) => expect(actionsOf(given)).toEqual(expected))
})

describe('sidecars', () => {
  const side = container('s', { restartPolicy: 'Always' })
  const pod = podOf({ initContainers: [side, container('i')] })
  const probed = podOf({ initContainers: [{ ...side, startupProbe: {} }] })
  const leaving = podOf({ initContainers: [side, { ...side, name: 't' }] }, deleted(20))
  test.each<[string, Scene, string[]]>([
    ['first', { pod }, ['start s#0+0s']],
    ['then what comes after them', { pod, containers: [ran('s')] }, ['start i#0+0s']],
    ['their startup probe is waited for', { pod: probed, containers: [ran('s')] }, []],
    [
      'then others start',
      { pod: probed, containers: [ran('s')], health: new Map([['s0', { started: true }]]) },
      ['start c#0+0s']
    ],
    ['restarted beside the others', { pod, containers: [exited('s', 0), ran('c')] }, ['start s#1+10s']],
    ['they end after all others', { pod: leaving, containers: [ran('c'), ran('t'), ran('s')] }, ['stop c0@20s']],
    ['the last first', { pod: leaving, containers: [exited('c', 0), ran('t'), ran('s')] }, ['stop t0@20s']],
    [
      'with what is left of the grace',
      { pod: leaving, containers: [exited('c', 0), ran('s')], endingSince: at(-5) },
      ['stop s0@15s']
    ],
    [
      'all at once when it is over',
      { pod: leaving, containers: [ran('c'), ran('t'), ran('s')], endingSince: at(-20) },
      ['stop c0@0s t0@0s s0@0s']
    ]
  ])('%s', (_, given, expected) => expect(actionsOf(given)).toEqual(expected))

  test('a job is done when all but its sidecars are', () => {
    const job = podOf({ initContainers: [side], restartPolicy: 'Never' })
    const plan = planPod(scene({ pod: job, containers: [exited('c', 0), ran('s')] }))
    expect(plan.actions.map(shown)).toEqual(['stop s0@30s'])
  })
})

describe('probes', () => {
  const sick = new Map([['c0', { failure: { probe: 'liveness' as const, graceSeconds: undefined } }]])
  const own = new Map([['c0', { failure: { probe: 'startup' as const, graceSeconds: 3 } }]])
  test.each<[string, Scene, string[]]>([
    ['a sick container is stopped with the pod’s grace', { containers: [ran('c')], health: sick }, ['stop c0@30s']],
    ['or with the probe’s', { containers: [ran('c')], health: own }, ['stop c0@3s']],
    ['once', { containers: [ran('c')], health: sick, busy: { stopping: new Map([['c0', at(30)]]) } }, []]
  ])('%s', (_, given, expected) => expect(actionsOf(given)).toEqual(expected))

  const told = (given: Scene) => planPod(scene({ health: sick, ...given })).actions.flatMap(messages)
  const sidecar = { initContainers: [container('s', { restartPolicy: 'Always' })] }
  test.each<[string, Scene, string[]]>([
    ['it will run again', { containers: [ran('c')] }, ['Container c failed liveness probe, will be restarted']],
    [
      'it will not',
      {
        pod: podOf({ restartPolicy: 'Never', containers: [container('c'), container('d')] }),
        containers: [ran('c'), ran('d')]
      },
      ['Container c failed liveness probe']
    ],
    ['nothing will', { pod: podOf({ restartPolicy: 'Never' }), containers: [ran('c')] }, ['Stopping container c']],
    [
      'a sidecar',
      {
        pod: podOf({ restartPolicy: 'Never', ...sidecar }),
        containers: [ran('s', { id: 'c0' }), ran('c', { id: 'c' })]
      },
      ['Init container s failed liveness probe']
    ]
  ])('the event: %s', (_, given, expected) => expect(told(given)).toEqual(expected))
})

function messages(action: Action): string[] {
  return action.do === 'stop' ? action.containers.map((one) => one.message) : []
}

describe('a container that the pod now describes otherwise', () => {
  const pod = podOf({ restartPolicy: 'Never', containers: [container('c', { image: 'i:2' })] })
  const annotations = { 'wherry.io/image': 'i:1', ...backoff(20) }
  const old = ran('c', { annotations })
  const ended = exited('c', 0, { annotations })
  test('is stopped', () => {
    const { actions } = planPod(scene({ pod, containers: [old] }))
    expect(actions).toEqual([
      {
        do: 'stop',
        containers: [
          {
            id: 'c0',
            name: 'c',
            until: at(30),
            message: 'Container c definition changed, will be restarted',
            replace: true
          }
        ]
      }
    ])
  })
  test('and started again without waiting, whatever the policy', () => {
    const plan = planPod(scene({ pod, containers: [ended], replaced: new Set(['c0']) }))
    expect(plan.actions.map(shown)).toEqual(['start c#1+0s'])
    expect(plan.status.phase).toBe('Running')
  })
  test('one that had ended before stays so', () => {
    expect(planPod(scene({ pod, containers: [ended] })).status.phase).toBe('Succeeded')
  })
  test('one that nothing is known of is left alone', () => {
    expect(actionsOf({ pod, containers: [ran('c')] })).toEqual([])
  })
})

describe('ephemeral containers', () => {
  const pod = podOf({ initContainers: [container('i')], ephemeralContainers: [{ name: 'e', image: 'i:1' }] })
  test.each<[string, Scene, string[]]>([
    ['start beside everything', { pod, containers: [ran('i')] }, ['start e#0+0s']],
    ['run once', { pod, containers: [exited('e', 1), ran('i')] }, []],
    ['end with the pod', { pod: podOf({}, deleted(20)), containers: [ran('e')] }, ['stop e0@20s']]
  ])('%s', (_, given, expected) => expect(actionsOf(given)).toEqual(expected))
  test('have a status of their own, and no say in the pod’s', () => {
    const { status } = planPod(scene({ pod: podOf({ ephemeralContainers: [{ name: 'e' }] }), containers: [ran('c')] }))
    expect(status.phase).toBe('Running')
    expect(status.conditions?.find((one) => one.type === 'Ready')?.status).toBe('True')
    expect(status.containerStatuses?.map((one) => one.name)).toEqual(['c'])
    expect(status.ephemeralContainerStatuses).toMatchObject([{ name: 'e', ready: false, restartCount: 0 }])
    expect(status.ephemeralContainerStatuses?.[0]).not.toHaveProperty('started')
  })
})

describe('a lost sandbox', () => {
  const lost = sandbox({ ready: false, ips: [] })
  const onFailure = podOf({ restartPolicy: 'OnFailure' })
  test.each<[string, Scene, string[]]>([
    ['what runs in it ends', { sandboxes: [lost], containers: [ran('c')] }, ['stopSandbox s0']],
    ['then a new one', { sandboxes: [lost], containers: [exited('c', 137)] }, ['createSandbox 1']],
    [
      'not for a pod that has done its work',
      { pod: onFailure, sandboxes: [lost], containers: [exited('c', 0)] },
      ['finish']
    ],
    [
      'containers start in the new one',
      { sandboxes: [sandbox({ id: 's1', attempt: 1 }), lost], containers: [exited('c', 137)] },
      ['start c#1+10s']
    ],
    [
      'the old one goes when it is empty',
      { sandboxes: [sandbox({ id: 's1', attempt: 1 }), lost], containers: [ran('c', { sandboxId: 's1' })] },
      ['removeSandbox s0']
    ]
  ])('%s', (_, given, expected) => expect(actionsOf(given)).toEqual(expected))
})

describe('the end of a pod', () => {
  const pod = podOf({}, deleted(20))
  const off = [sandbox({ ready: false, ips: [] })]
  test.each<[string, Scene, string[]]>([
    ['its containers stop, with grace', { pod, containers: [ran('c')] }, ['stop c0@20s']],
    ['once', { pod, containers: [ran('c')], busy: { stopping: new Map([['c0', at(20)]]) } }, []],
    [
      'less grace overtakes',
      { pod: podOf({}, deleted(0)), containers: [ran('c')], busy: { stopping: new Map([['c0', at(20)]]) } },
      ['stop c0@1s']
    ],
    ['a start under way is waited for', { pod, busy: { starting: new Set(['c']) } }, []],
    ['then the sandbox', { pod, containers: [exited('c', 0)] }, ['stopSandbox s0']],
    ['then volumes', { pod, sandboxes: off, containers: [exited('c', 0)] }, ['finish']],
    ['then the object', { pod, sandboxes: off, containers: [exited('c', 0)], finished: true }, ['delete']],
    [
      'a deadline ends it too',
      {
        pod: podOf({ activeDeadlineSeconds: 60 }),
        status: { startTime: '2026-01-01T00:09:00Z' },
        containers: [ran('c')]
      },
      ['event DeadlineExceeded', 'stop c0@30s']
    ],
    ['a refused pod just stays', { rejected: { reason: 'OutOfcpu', message: 'm' }, sandboxes: [] }, ['finish']],
    [
      'a finished pod that nobody deletes stays',
      { status: { phase: 'Succeeded' }, sandboxes: off, containers: [exited('c', 0)], finished: true },
      []
    ]
  ])('%s', (_, given, expected) => expect(actionsOf(given)).toEqual(expected))

  test('a deadline is looked forward to', () => {
    const pod = podOf({ activeDeadlineSeconds: 60 })
    const plan = planPod(scene({ pod, status: { startTime: '2026-01-01T00:09:30Z' }, containers: [ran('c')] }))
    expect(plan.again).toBe(at(30))
  })
})

test('one dead container of each name is kept', () => {
  const containers = [ran('c', { attempt: 2 }), exited('c', 1, { attempt: 1 }), exited('c', 1)]
  expect(actionsOf({ containers })).toEqual(['removeContainer c0'])
})

describe('a resize', () => {
  const spec = (resources: Container['resources'], more: Partial<Container> = {}) =>
    podOf({ containers: [container('c', { resources, ...more })] })
  const given = (cpu: string, memory = '1Gi') => ({ requests: { cpu, memory } })
  const pod = spec(given('200m'))
  const containers = [ran('c')]
  const reported = { containerID: 'containerd://c0', state: { running: {} }, resources: given('100m') }
  const status = {
    containerStatuses: [{ name: 'c', image: 'i:1', imageID: '', ready: true, restartCount: 0, ...reported }]
  }
  const before: Scene = { pod, status, containers }
  const verdict = { reason: 'Deferred' as const, message: 'full' }
  const pending = (message: string) => ({
    ...status,
    conditions: [{ type: 'PodResizePending', status: 'True', reason: 'Deferred', message }]
  })
  test.each<[string, Scene, string[]]>([
    ['of what runs otherwise', before, ['resize']],
    ['not of what is as it should be', { ...before, pod: spec(given('0.1')) }, []],
    ['not of what was never told otherwise', { pod, containers }, []],
    ['once', { ...before, busy: { resizing: true } }, []],
    ['not again', { ...before, resources: new Map([['c0', given('200m')]]) }, []],
    [
      'by a restart, where the resource asks for it',
      {
        ...before,
        pod: spec(given('200m'), { resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'RestartContainer' }] })
      },
      ['stop c0@30s']
    ],
    ['that the node cannot do is told', { ...before, resizeVerdict: verdict }, ['event ResizeDeferred']],
    ['but once', { ...before, status: pending('full'), resizeVerdict: verdict }, []],
    [
      'and again for another reason',
      { ...before, status: pending('old'), resizeVerdict: verdict },
      ['event ResizeDeferred']
    ]
  ])('%s', (_, scene, expected) => expect(actionsOf(scene)).toEqual(expected))

  const shownIn = (given: Scene) => {
    const { containerStatuses, conditions } = planPod(scene(given)).status
    const { resources, allocatedResources } = containerStatuses?.[0] ?? {}
    const types = conditions?.map(({ type }) => type).filter((type) => type.startsWith('PodResize'))
    return [resources?.requests?.cpu, allocatedResources?.cpu, types]
  }
  test.each<[string, Scene, unknown[]]>([
    ['under way', before, ['100m', '200m', ['PodResizeInProgress']]],
    ['waiting', { ...before, resizeVerdict: verdict }, ['100m', '100m', ['PodResizePending']]],
    ['done', { ...before, resources: new Map([['c0', given('200m')]]) }, ['200m', '200m', []]]
  ])('shown while %s', (_, scene, expected) => expect(shownIn(scene)).toEqual(expected))
})
