/**
 * Pods, and what a kubelet of Kubernetes 1.35.4 on the same containerd said of them: each row was run on it, and its
 * words are the expectations here.
 */
import type { Container, Pod, PodSpec } from '../../core/kinds/types.ts'
import { IMAGE } from './cluster.ts'

export interface Row {
  readonly name: string
  readonly spec: Partial<PodSpec>
  /** When to look. */
  readonly until: (pod: Pod) => boolean
  /** What the status has, among more. */
  readonly status: object
  /** "False Reason: message", as much of it as there is. */
  readonly conditions?: Readonly<Record<string, string>>
  /** "Type Reason fieldPath: message", by their beginnings. */
  readonly events?: readonly string[]
  readonly log?: string
  /** Past the scheduler. */
  readonly bound?: boolean
}

export const sh = (script: string, more: Partial<Container> = {}): Container => ({
  name: 'c',
  image: IMAGE,
  command: ['sh', '-c', script],
  ...more
})
/** Ends at once when it is asked to. */
export const STAYS = 'trap "exit 0" TERM; sleep 1000 & wait'

const once = (script: string, more: Partial<Container> = {}) => ({
  restartPolicy: 'Never',
  containers: [sh(script, more)]
})
const stays = (more: Partial<Container> = {}) => ({ containers: [sh(STAYS, more)] })
const volumeMounts = [{ name: 'v', mountPath: '/v' }]

const first = (pod: Pod) => pod.status?.containerStatuses?.[0]
const ended = ({ status }: Pod) => status?.phase === 'Succeeded' || status?.phase === 'Failed'
const waits = (reason: string) => (pod: Pod) => first(pod)?.state?.waiting?.reason === reason
const hasCondition = (type: string, status: string) => (pod: Pod) =>
  pod.status?.conditions?.some((one) => one.type === type && one.status === status) === true
const isReady = hasCondition('Ready', 'True')
const restarted = (pod: Pod) => (first(pod)?.restartCount ?? 0) > 0
const runs = (pod: Pod) => first(pod)?.state?.running !== undefined

const terminated = (exitCode: number, reason: string, more: object = {}) => ({
  state: { terminated: { exitCode, reason, ...more } }
})
const PULLED = `Normal Pulled spec.containers{c}: Container image "${IMAGE}" already present on machine and can be accessed by the pod`

const ENDS: readonly Row[] = [
  {
    name: 'ends-well',
    spec: once('exit 0'),
    until: ended,
    status: {
      phase: 'Succeeded',
      observedGeneration: 1,
      qosClass: 'BestEffort',
      containerStatuses: [{ ready: false, started: false, restartCount: 0, ...terminated(0, 'Completed') }]
    },
    conditions: {
      PodReadyToStartContainers: 'False',
      Initialized: 'True PodCompleted',
      Ready: 'False PodCompleted',
      ContainersReady: 'False PodCompleted',
      PodScheduled: 'True'
    },
    events: [
      PULLED,
      'Normal Created spec.containers{c}: Container created',
      'Normal Started spec.containers{c}: Container started'
    ]
  },
  {
    name: 'ends-ill',
    spec: once('printf "the end" > /dev/termination-log; exit 3'),
    until: ended,
    status: { phase: 'Failed', containerStatuses: [terminated(3, 'Error', { message: 'the end' })] },
    conditions: { Initialized: 'True', Ready: 'False PodFailed' }
  },
  {
    name: 'tells-by-its-log',
    spec: once('echo one; printf two; exit 1', { terminationMessagePolicy: 'FallbackToLogsOnError' }),
    until: ended,
    status: { containerStatuses: [terminated(1, 'Error', { message: 'one\ntwo' })] }
  },
  {
    name: 'crashes',
    spec: { containers: [sh('exit 1')] },
    until: waits('CrashLoopBackOff'),
    status: {
      phase: 'Running',
      containerStatuses: [
        {
          restartCount: 1,
          lastState: { terminated: { exitCode: 1, reason: 'Error' } },
          state: {
            waiting: { message: expect.stringMatching(/^back-off 10s restarting failed container=c pod=crashes_/) }
          }
        }
      ]
    },
    conditions: { Ready: 'False ContainersNotReady: containers with unready status: [c]' },
    events: ['Warning BackOff spec.containers{c}: Back-off restarting failed container c in pod crashes_default(']
  },
  {
    name: 'no-such-command',
    spec: { restartPolicy: 'Never', containers: [{ name: 'c', image: IMAGE, command: ['nosuch'] }] },
    until: ended,
    status: {
      phase: 'Failed',
      containerStatuses: [
        terminated(128, 'StartError', {
          message: expect.stringContaining('exec: "nosuch": executable file not found in $PATH'),
          startedAt: '1970-01-01T00:00:00Z'
        })
      ]
    },
    events: ['Warning Failed spec.containers{c}: Error: failed to create containerd task']
  },
  {
    name: 'out-of-memory',
    spec: once('sleep 1; tail /dev/zero', { resources: { limits: { memory: '16Mi' } } }),
    until: ended,
    status: {
      qosClass: 'Burstable',
      containerStatuses: [
        {
          ...terminated(137, 'OOMKilled'),
          resources: { limits: { memory: '16Mi' }, requests: { memory: '16Mi' } },
          allocatedResources: { memory: '16Mi' }
        }
      ]
    }
  },
  {
    name: 'too-late',
    spec: { ...once('sleep 100'), activeDeadlineSeconds: 10, terminationGracePeriodSeconds: 1 },
    until: ended,
    status: {
      phase: 'Failed',
      reason: 'DeadlineExceeded',
      message: 'Pod was active on the node longer than the specified deadline',
      containerStatuses: [terminated(137, 'Error')]
    },
    events: [
      'Normal DeadlineExceeded : Pod was active on the node longer than the specified deadline',
      'Normal Killing spec.containers{c}: Stopping container c'
    ]
  },
  {
    name: 'init-fails',
    spec: { ...once(STAYS), initContainers: [sh('exit 1', { name: 'i' }), sh('exit 0', { name: 'j' })] },
    until: ended,
    status: {
      phase: 'Failed',
      initContainerStatuses: [
        { name: 'i', ...terminated(1, 'Error') },
        { name: 'j', state: { waiting: { reason: 'PodInitializing' } } }
      ],
      containerStatuses: [{ state: { waiting: { reason: 'PodInitializing' } } }]
    },
    conditions: {
      Initialized: 'False ContainersNotInitialized: containers with incomplete status: [i j]',
      Ready: 'False PodFailed'
    }
  },
  {
    name: 'with-a-sidecar',
    spec: {
      ...once('sleep 1'),
      initContainers: [sh(STAYS, { name: 's', restartPolicy: 'Always' }), sh('exit 0', { name: 'i' })]
    },
    until: ended,
    status: {
      phase: 'Succeeded',
      initContainerStatuses: [
        { name: 's', ...terminated(0, 'Completed') },
        { name: 'i', ...terminated(0, 'Completed') }
      ]
    },
    events: ['Normal Killing spec.initContainers{s}: Stopping container s']
  }
]

const CANNOT_START: readonly Row[] = [
  {
    name: 'image-missing',
    spec: { containers: [{ name: 'c', image: '127.0.0.1:9/none:1' }] },
    until: waits('ImagePullBackOff'),
    status: {
      phase: 'Pending',
      containerStatuses: [
        {
          imageID: '',
          state: {
            waiting: {
              message: expect.stringMatching(
                /^Back-off pulling image "127.0.0.1:9\/none:1": ErrImagePull: failed to pull and unpack image/
              )
            }
          }
        }
      ]
    },
    conditions: { PodReadyToStartContainers: 'True' },
    events: [
      'Normal Pulling spec.containers{c}: Pulling image "127.0.0.1:9/none:1"',
      'Warning Failed spec.containers{c}: Failed to pull image "127.0.0.1:9/none:1": failed to pull and unpack image',
      'Warning Failed spec.containers{c}: Error: ErrImagePull',
      'Normal BackOff spec.containers{c}: Back-off pulling image "127.0.0.1:9/none:1"',
      'Warning Failed spec.containers{c}: Error: ImagePullBackOff'
    ]
  },
  {
    name: 'image-never-pulled',
    spec: { containers: [{ name: 'c', image: 'wherry.local/none:1', imagePullPolicy: 'Never' }] },
    until: waits('ErrImageNeverPull'),
    status: { phase: 'Pending' },
    events: [
      'Warning ErrImageNeverPull spec.containers{c}: Container image "wherry.local/none:1" is not present with pull policy of Never',
      'Warning Failed spec.containers{c}: Error: ErrImageNeverPull'
    ]
  },
  {
    name: 'image-misnamed',
    spec: { containers: [{ name: 'c', image: 'Foo/Bar:1:2' }] },
    until: waits('InvalidImageName'),
    status: {},
    events: [
      'Warning InspectFailed spec.containers{c}: Failed to apply default image tag "Foo/Bar:1:2": couldn\'t parse image name "Foo/Bar:1:2": invalid reference format: repository name (Bar) must be lowercase'
    ]
  },
  {
    name: 'config-missing',
    spec: stays({ env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'none', key: 'k' } } }] }),
    until: waits('CreateContainerConfigError'),
    status: { containerStatuses: [{ state: { waiting: { message: 'configmap "none" not found' } } }] },
    events: [PULLED, 'Warning Failed spec.containers{c}: Error: configmap "none" not found']
  },
  {
    name: 'key-missing',
    spec: stays({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'secret', key: 'none' } } }] }),
    until: waits('CreateContainerConfigError'),
    status: {
      containerStatuses: [{ state: { waiting: { message: "couldn't find key none in Secret default/secret" } } }]
    }
  },
  {
    name: 'must-not-be-root',
    spec: { ...stays(), securityContext: { runAsNonRoot: true } },
    until: waits('CreateContainerConfigError'),
    status: {
      containerStatuses: [
        {
          state: {
            waiting: {
              message: expect.stringMatching(
                /^container has runAsNonRoot and image will run as root \(pod: "must-not-be-root_default\(.*\)", container: c\)$/
              )
            }
          }
        }
      ]
    }
  },
  {
    name: 'volume-missing',
    spec: { ...stays({ volumeMounts }), volumes: [{ name: 'v', configMap: { name: 'none' } }] },
    until: hasCondition('PodReadyToStartContainers', 'False'),
    status: {
      phase: 'Pending',
      containerStatuses: [
        { state: { waiting: { reason: 'ContainerCreating' } }, volumeMounts: expect.arrayContaining(volumeMounts) }
      ]
    },
    events: ['Warning FailedMount : MountVolume.SetUp failed for volume "v" : configmap "none" not found']
  },
  {
    name: 'name-too-long',
    spec: { ...stays(), hostname: 'h'.repeat(50), subdomain: 'sub', setHostnameAsFQDN: true },
    until: hasCondition('PodReadyToStartContainers', 'False'),
    status: { phase: 'Pending' },
    events: [
      'Warning FailedCreatePodSandBox : Failed to create pod sandbox: failed to construct FQDN from pod hostname and cluster domain'
    ]
  }
]

const REFUSED: readonly Row[] = [
  {
    name: 'too-big',
    spec: stays({ resources: { requests: { cpu: '6400' } } }),
    bound: true,
    until: ended,
    status: {
      phase: 'Failed',
      reason: 'OutOfcpu',
      message: expect.stringMatching(
        /^Pod was rejected: Node didn't have enough resource: cpu, requested: 6400000, used: \d+, capacity: \d+$/
      )
    },
    events: ["Warning OutOfcpu : Node didn't have enough resource: cpu, requested: 6400000"]
  },
  {
    name: 'elsewhere',
    spec: { ...stays(), nodeSelector: { none: 'x' } },
    bound: true,
    until: ended,
    status: {
      reason: 'NodeAffinity',
      message: "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    }
  },
  {
    name: 'unsafe-sysctl',
    spec: { ...stays(), securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '65536' }] } },
    until: ended,
    status: {
      reason: 'SysctlForbidden',
      message: 'Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted'
    }
  }
]

const PROBED: readonly Row[] = [
  {
    name: 'not-alive',
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [
        sh('sleep 100', {
          livenessProbe: { exec: { command: ['sh', '-c', 'echo bad; exit 2'] }, periodSeconds: 1, failureThreshold: 2 }
        })
      ]
    },
    until: restarted,
    status: { containerStatuses: [{ lastState: { terminated: { exitCode: 137, reason: 'Error' } } }] },
    events: [
      'Warning Unhealthy spec.containers{c}: Liveness probe failed: bad',
      'Normal Killing spec.containers{c}: Container c failed liveness probe, will be restarted'
    ]
  },
  {
    name: 'never-ready',
    spec: stays({ readinessProbe: { tcpSocket: { port: 81 }, periodSeconds: 1 } }),
    until: runs,
    status: { phase: 'Running', containerStatuses: [{ started: true, ready: false }] },
    conditions: { Ready: 'False ContainersNotReady: containers with unready status: [c]' },
    events: ['Warning Unhealthy spec.containers{c}: Readiness probe failed: dial tcp 10.']
  },
  {
    name: 'ready-in-a-while',
    spec: {
      containers: [
        sh(`sleep 2; touch /tmp/up; ${STAYS}`, {
          startupProbe: { exec: { command: ['test', '-f', '/tmp/up'] }, periodSeconds: 1, failureThreshold: 20 },
          readinessProbe: { exec: { command: ['true'] } }
        })
      ]
    },
    until: isReady,
    status: { containerStatuses: [{ started: true, ready: true, restartCount: 0 }] }
  },
  {
    name: 'hook-fails',
    spec: {
      ...stays({ lifecycle: { postStart: { exec: { command: ['false'] } } } }),
      terminationGracePeriodSeconds: 1
    },
    until: (pod) => first(pod)?.lastState?.terminated !== undefined,
    status: {},
    events: [
      'Warning FailedPostStartHook spec.containers{c}: PostStartHook failed',
      'Normal Killing spec.containers{c}: FailedPostStartHook'
    ]
  }
]

const SEEN_INSIDE: readonly Row[] = [
  {
    name: 'environment',
    spec: {
      ...once('echo $B $N $L $M $C $CM_key $key'),
      enableServiceLinks: false,
      containers: [
        sh('echo $B $N $L $M $C $CM_key $key', {
          resources: { requests: { cpu: '100m' }, limits: { memory: '64Mi', cpu: '1500m' } },
          envFrom: [{ prefix: 'CM_', configMapRef: { name: 'config' } }, { secretRef: { name: 'secret' } }],
          env: [
            { name: 'A', value: 'a' },
            { name: 'B', value: '$(A)-$(NONE)-$$(A)-$(CM_key)' },
            { name: 'N', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
            { name: 'L', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
            { name: 'M', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
            { name: 'C', valueFrom: { resourceFieldRef: { resource: 'requests.cpu', divisor: '1m' } } }
          ]
        })
      ]
    },
    until: ended,
    status: {},
    log: 'a-$(NONE)-$(A)-value environment test 64 100 value hidden\n'
  },
  {
    name: 'volumes',
    spec: {
      restartPolicy: 'Never',
      containers: [
        sh('cd /v; stat -Lc "%n %a %u %g" a a/b c token; readlink a; cat a/b c labels; stat -c %a /m /v', {
          volumeMounts: [...volumeMounts, { name: 'm', mountPath: '/m' }]
        })
      ],
      securityContext: { runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000 },
      volumes: [
        { name: 'm', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
        {
          name: 'v',
          projected: {
            defaultMode: 0o400,
            sources: [
              { configMap: { name: 'config', items: [{ key: 'key', path: 'a/b', mode: 0o755 }] } },
              { secret: { name: 'secret', items: [{ key: 'key', path: 'c' }] } },
              { serviceAccountToken: { path: 'token' } },
              { downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } }
            ]
          }
        }
      ]
    },
    until: ended,
    status: { phase: 'Succeeded' },
    log: `a 2755 0 2000\na/b 755 0 2000\nc 440 0 2000\ntoken 640 1000 2000\n..data/a\nvaluehiddenapp="test"3777\n2777\n`
  },
  {
    name: 'security',
    spec: {
      ...once('touch /x 2>&1; grep -E "Cap(Eff|Bnd)|NoNew|Seccomp:" /proc/self/status', {
        securityContext: {
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ['ALL'], add: ['CHOWN', 'NET_BIND_SERVICE'] },
          seccompProfile: { type: 'RuntimeDefault' }
        }
      })
    },
    until: ended,
    status: {},
    log: 'touch: /x: Read-only file system\nCapEff:\t0000000000000401\nCapBnd:\t0000000000000401\nNoNewPrivs:\t1\nSeccomp:\t2\n'
  },
  {
    name: 'names',
    spec: {
      ...once('hostname; tail -1 /etc/hosts; cat /etc/resolv.conf; grep -c "hh.sub" /etc/hosts'),
      hostname: 'hh',
      subdomain: 'sub',
      setHostnameAsFQDN: true,
      hostAliases: [{ ip: '192.0.2.9', hostnames: ['x', 'y'] }],
      dnsPolicy: 'None',
      dnsConfig: { nameservers: ['192.0.2.8'], searches: ['a.b'], options: [{ name: 'ndots', value: '2' }] }
    },
    until: ended,
    status: {},
    log: 'hh.sub.default.svc.cluster.local\n192.0.2.9\tx\ty\nsearch a.b\nnameserver 192.0.2.8\noptions ndots:2\n1\n'
  }
]

export const ROWS: readonly Row[] = [...ENDS, ...CANNOT_START, ...REFUSED, ...PROBED, ...SEEN_INSIDE]
