import type { Container, Pod, PodSpec, Volume } from '../../../core/kinds/types.ts'
import { roundUp } from './fargate-sizes.ts'
import { refusalsOf } from './refusals.ts'
import { taskDefinition } from './task-definition.ts'
import { podStatusOf, restartAt } from './task-status.ts'
import type { ContainerRun, Task } from './tasks.ts'

const NOW = Date.UTC(2026, 0, 1)

function pod(spec: Partial<PodSpec> = {}, status: Pod['status'] = {}): Pod {
  return {
    metadata: { name: 'web', namespace: 'default', uid: 'u' },
    spec: { containers: [{ name: 'c', image: 'i' }], restartPolicy: 'Always', ...spec },
    status
  }
}

const with_ = (container: Partial<Container>, spec: Partial<PodSpec> = {}): Pod =>
  pod({ ...spec, containers: [{ name: 'c', image: 'i', ...container }] })
const volume = (fields: Partial<Volume>): Pod => pod({ volumes: [{ name: 'v', ...fields }] })

test.each([
  [0, 0, '256/512'],
  [256, 513, '256/1024'],
  [256, 1025, '256/2048'],
  [256, 2049, '512/3072'],
  [257, 512, '512/1024'],
  [1024, 2000, '1024/2048'],
  [1000, 9000, '2048/9216'],
  [4096, 30_721, '8192/32768'],
  [8192, 17_000, '8192/20480'],
  [16_384, 122_880, '16384/122880'],
  [16_385, 1, 'none'],
  [1, 122_881, 'none']
])('%i units and %i MiB are %s', (cpu, memory, expected) => {
  const size = roundUp(cpu, memory)
  expect(size === undefined ? 'none' : `${size.cpu}/${size.memory}`).toBe(expected)
})

const exec = { exec: { command: ['true'] } }
const httpGet = { httpGet: { port: 80 } }
const token = { projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }

test.each<[string, Pod, string[]]>([
  ['a plain pod', pod(), []],
  [
    'what a task has of its own',
    with_({ readinessProbe: exec, resources: { requests: { cpu: '1' } }, env: [{ name: 'A', value: 'b' }] }),
    []
  ],
  ['the token of its service account', pod({ volumes: [{ name: 'kube-api-access-x', ...token }] }), []],
  ['an empty volume', volume({ emptyDir: {} }), []],
  ['hostNetwork', pod({ hostNetwork: true }), ['spec.hostNetwork']],
  ['hostPID and hostIPC', pod({ hostPID: true, hostIPC: true }), ['spec.hostPID', 'spec.hostIPC']],
  ['hostPath', volume({ hostPath: { path: '/' } }), ['spec.volumes[v].hostPath']],
  ['configMap', volume({ configMap: { name: 'c' } }), ['spec.volumes[v].configMap']],
  ['a claim', volume({ persistentVolumeClaim: { claimName: 'c' } }), ['spec.volumes[v].persistentVolumeClaim']],
  ['a volume of memory', volume({ emptyDir: { medium: 'Memory' } }), ['spec.volumes[v].emptyDir.medium']],
  ['another projected volume', pod({ volumes: [{ name: 'mine', ...token }] }), ['spec.volumes[mine].projected']],
  ['privileged', with_({ securityContext: { privileged: true } }), ['spec.containers[c].securityContext.privileged']],
  [
    'a capability',
    with_({ securityContext: { capabilities: { add: ['NET_ADMIN', 'SYS_PTRACE'] } } }),
    ['spec.containers[c].securityContext.capabilities.add: NET_ADMIN']
  ],
  ['a liveness probe', with_({ livenessProbe: exec }), ['spec.containers[c].livenessProbe']],
  ['readiness over HTTP', with_({ readinessProbe: httpGet }), ['spec.containers[c].readinessProbe.httpGet']],
  ['hooks', with_({ lifecycle: { preStop: exec } }), ['spec.containers[c].lifecycle']],
  ['a port of the host', with_({ ports: [{ containerPort: 1, hostPort: 1 }] }), ['spec.containers[c].ports: hostPort']],
  [
    'a device',
    with_({ resources: { limits: { 'nvidia.com/gpu': '1' } } }),
    ['spec.containers[c].resources: nvidia.com/gpu']
  ],
  [
    'an unknown user',
    with_({ securityContext: { runAsNonRoot: true } }),
    ['spec.containers[c].securityContext.runAsNonRoot without runAsUser']
  ],
  ['a known one', with_({ securityContext: { runAsNonRoot: true, runAsUser: 5 } }), []],
  ['a long grace', pod({ terminationGracePeriodSeconds: 121 }), ['spec.terminationGracePeriodSeconds: more than 120']],
  [
    'its own address',
    with_({ env: [{ name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }] }),
    ['spec.containers[c].env: fields of the status, which is not known before the task runs']
  ],
  [
    'in an init container',
    pod({ initContainers: [{ name: 'i', image: 'i', lifecycle: { postStart: exec } }] }),
    ['spec.initContainers[i].lifecycle']
  ],
  [
    'several that end by themselves',
    pod({ restartPolicy: 'Never', containers: [{ name: 'a' }, { name: 'b' }] }),
    ['spec.several containers where restartPolicy is not Always: the first to end would end the others']
  ]
])('refused by name: %s', (_, given, expected) => expect(refusalsOf(given)).toEqual(expected))

const defined = (given: Pod, variables: Record<string, string> = {}) => {
  const found = taskDefinition(given, new Map([['c', new Map(Object.entries(variables))]]))
  return 'definition' in found ? found.definition : found.refusals
}

describe('the definition', () => {
  test('sizes cover the larger of requests and limits of memory, and all init containers', () => {
    const given = pod({
      initContainers: [{ name: 'i', resources: { requests: { cpu: '900m' } } }],
      containers: [{ name: 'c', resources: { requests: { memory: '600Mi' }, limits: { memory: '1500Mi' } } }]
    })
    expect(defined(given)).toMatchObject({ cpu: 1024, memory: 2048, disk: 20 })
    expect(defined(with_({ resources: { requests: { 'ephemeral-storage': '50Gi' } } }))).toMatchObject({ disk: 50 })
    expect(defined(with_({ resources: { requests: { cpu: '17' } } }))).toEqual([
      'resources: more than the largest task has (16 vCPU, 120 GiB)'
    ])
  })

  test('commands are expanded, variables are given, users and mounts are kept', () => {
    const given = with_(
      {
        command: ['run', '$(COLOR)'],
        args: ['$$(COLOR)', '$(OTHER)'],
        volumeMounts: [
          { name: 'data', mountPath: '/data' },
          { name: 'kube-api-access-x', mountPath: '/var/run/secrets' }
        ],
        securityContext: { runAsUser: 1000 }
      },
      {
        volumes: [
          { name: 'data', emptyDir: {} },
          { name: 'kube-api-access-x', ...token }
        ],
        securityContext: { runAsGroup: 5 },
        terminationGracePeriodSeconds: 7
      }
    )
    expect(defined(given, { COLOR: 'red' })).toMatchObject({
      volumes: ['data'],
      containers: [
        {
          entryPoint: ['run', 'red'],
          command: ['$(COLOR)', '$(OTHER)'],
          environment: { COLOR: 'red' },
          user: '1000:5',
          mounts: [{ volume: 'data', path: '/data', readOnly: false }],
          stopTimeout: 7
        }
      ]
    })
  })

  test('init containers come one after the other, sidecars stay', () => {
    const given = pod({
      initContainers: [{ name: 'a' }, { name: 's', restartPolicy: 'Always' }, { name: 'b' }],
      containers: [{ name: 'c' }]
    })
    const found = defined(given)
    const after =
      'containers' in found
        ? found.containers.map((one) => [
            one.name,
            one.essential,
            one.after.map(({ name, condition }) => `${name} ${condition}`).join()
          ])
        : []
    expect(after).toEqual([
      ['a', false, ''],
      ['s', false, 'a SUCCESS'],
      ['b', false, 'a SUCCESS,s START'],
      ['c', true, 'a SUCCESS,s START,b SUCCESS']
    ])
  })
})

const task = (more: Partial<Task> = {}, run: Partial<ContainerRun> = {}): Task => ({
  id: 't',
  attempt: 0,
  state: 'running',
  createdAt: NOW,
  startedAt: NOW + 1_000,
  ip: '10.0.0.9',
  containers: [{ name: 'c', state: 'running', id: 'ecs://x', ...run }],
  ...more
})
const stopped = (exitCode: number | undefined, more: Partial<Task> = {}, run: Partial<ContainerRun> = {}) =>
  task(
    { state: 'stopped', stoppedAt: NOW + 2_000, ...more },
    { state: 'stopped', ...(exitCode === undefined ? {} : { exitCode }), ...run }
  )

describe('the status', () => {
  const short = (given: Pod, of: Task | undefined) => {
    const status = podStatusOf({ pod: given, task: of, now: NOW })
    const [one] = status.containerStatuses ?? []
    const { running, terminated, waiting } = one?.state ?? {}
    const state = running ? 'running' : terminated ? `${terminated.reason} ${terminated.exitCode}` : waiting?.reason
    const ready = status.conditions?.find(({ type }) => type === 'Ready')?.status
    return [status.phase, state, ready, one?.restartCount].join(' | ')
  }
  const never = { restartPolicy: 'Never' }

  test.each<[string, Pod, Task | undefined, string]>([
    ['no task yet', pod(), undefined, 'Pending | ContainerCreating | False | 0'],
    ['it starts', pod(), task({ state: 'starting' }, { state: 'pending' }), 'Pending | ContainerCreating | False | 0'],
    ['it runs', pod(), task(), 'Running | running | True | 0'],
    ['it runs, and is not ready', with_({ readinessProbe: exec }), task(), 'Running | running | False | 0'],
    [
      'it runs, and is ready',
      with_({ readinessProbe: exec }),
      task({}, { healthy: true }),
      'Running | running | True | 0'
    ],
    ['it is stopping', pod(), task({ state: 'stopping' }), 'Running | running | True | 0'],
    ['it ended well', pod(never), stopped(0), 'Succeeded | Completed 0 | False | 0'],
    ['it failed', pod(never), stopped(3), 'Failed | Error 3 | False | 0'],
    [
      'it failed, and will run again',
      pod({ restartPolicy: 'OnFailure' }),
      stopped(3),
      'Running | CrashLoopBackOff | False | 0'
    ],
    ['it ended, and will run again', pod(), stopped(0), 'Running | CrashLoopBackOff | False | 0'],
    [
      'it ended well on failure only',
      pod({ restartPolicy: 'OnFailure' }),
      stopped(0),
      'Succeeded | Completed 0 | False | 0'
    ],
    [
      'it ran out of memory',
      pod(never),
      stopped(137, {}, { reason: 'OutOfMemoryError: Container killed' }),
      'Failed | OOMKilled 137 | False | 0'
    ],
    ['a second run', pod(), task({ attempt: 1 }), 'Running | running | True | 1'],
    [
      'its image could not be pulled',
      pod(),
      {
        ...stopped(undefined, { reason: 'CannotPullContainerError: no such image' }),
        startedAt: undefined
      } as unknown as Task,
      'Pending | ImagePullBackOff | False | 0'
    ]
  ])('%s', (_, given, of, expected) => expect(short(given, of)).toBe(expected))

  test('addresses, times and ids', () => {
    const status = podStatusOf({ pod: pod(), task: task(), now: NOW })
    expect(status).toMatchObject({
      podIP: '10.0.0.9',
      podIPs: [{ ip: '10.0.0.9' }],
      startTime: '2026-01-01T00:00:00Z',
      containerStatuses: [
        { containerID: 'ecs://x', state: { running: { startedAt: '2026-01-01T00:00:01Z' } }, started: true }
      ]
    })
    const again = podStatusOf({ pod: { ...pod(), status }, task: task(), now: NOW + 60_000 })
    expect(again).toEqual(status)
  })

  test('a run that follows remembers how the last one ended', () => {
    const first = podStatusOf({ pod: pod(), task: stopped(3), now: NOW })
    const second = podStatusOf({ pod: { ...pod(), status: first }, task: task({ attempt: 1 }), now: NOW })
    expect(second.containerStatuses?.[0]).toMatchObject({ restartCount: 1, lastState: { terminated: { exitCode: 3 } } })
  })

  test('each run waits twice as long as the one before', () => {
    const waits = [0, 1, 2, 9].map((attempt) => (restartAt(pod(), stopped(1, { attempt })) ?? 0) - NOW - 2_000)
    expect(waits).toEqual([10_000, 20_000, 40_000, 300_000])
    expect(restartAt(pod(never), stopped(1))).toBeUndefined()
    expect(restartAt(pod(), task())).toBeUndefined()
  })
})
