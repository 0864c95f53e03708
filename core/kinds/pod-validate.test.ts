import { describe, expect, test } from '@jest/globals'
import type { FieldError } from '../errors.ts'
import { errorBody } from '../field-errors.ts'
import { decode } from '../validate.ts'
import { checkPodTemplate, validatePod } from './pod-validate.ts'
import { podKinds } from './pods.ts'
import type { Pod, PodTemplateSpec } from './types.ts'

const kind = podKinds[0]
if (kind === undefined) throw new Error('no pods')

/** As the API does it before validation: decoded, with defaults. */
function podOf(spec: object, metadata: object = {}): Pod {
  const body = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a', ...metadata }, spec }
  const { object } = decode(kind as NonNullable<typeof kind>, body)
  kind?.rules.defaults?.(object)
  return object as unknown as Pod
}

function errorsOf(pod: Pod): string[] {
  return validatePod(pod).map((error) => `${error.field}: ${errorBody(error)}`)
}

const container = (more: object = {}) => ({ name: 'c', image: 'busybox', ...more })
const spec = (more: object = {}) => ({ containers: [container()], ...more })
const withContainer = (more: object, rest: object = {}) => spec({ containers: [container(more)], ...rest })
const DNS_LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"

const CASES: Record<string, readonly [string, object, readonly string[]][]> = {
  containers: [
    ['none', {}, ['spec.containers: Required value']],
    ['a plain one', spec(), []],
    [
      'name and image missing',
      { containers: [{}] },
      ['spec.containers[0].name: Required value', 'spec.containers[0].image: Required value']
    ],
    ['a bad name', withContainer({ name: 'C_1' }), [`spec.containers[0].name: Invalid value: "C_1": ${DNS_LABEL}`]],
    [
      'the same name twice',
      spec({ containers: [container(), container()] }),
      ['spec.containers[1].name: Duplicate value: "c"']
    ],
    [
      'space around the image',
      withContainer({ image: ' busybox' }),
      ['spec.containers[0].image: Invalid value: " busybox": must not have leading or trailing whitespace']
    ],
    [
      'a wrong pull policy',
      withContainer({ imagePullPolicy: 'Sometimes' }),
      [
        'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"'
      ]
    ],
    [
      'a wrong message policy',
      withContainer({ terminationMessagePolicy: 'x' }),
      [
        'spec.containers[0].terminationMessagePolicy: Unsupported value: "x": supported values: "File", "FallbackToLogsOnError"'
      ]
    ],
    [
      'wrong policies of the pod',
      spec({ restartPolicy: 'x', dnsPolicy: 'y' }),
      [
        'spec.restartPolicy: Unsupported value: "x": supported values: "Always", "OnFailure", "Never"',
        'spec.dnsPolicy: Unsupported value: "y": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"'
      ]
    ]
  ],
  ports: [
    [
      'numbers out of range',
      withContainer({ ports: [{ containerPort: 70000 }, { containerPort: 80, hostPort: -1 }, {}] }),
      [
        'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive',
        'spec.containers[0].ports[1].hostPort: Invalid value: -1: must be between 1 and 65535, inclusive',
        'spec.containers[0].ports[2].containerPort: Required value'
      ]
    ],
    [
      'names',
      withContainer({
        ports: [
          { name: 'web', containerPort: 80 },
          { name: 'web', containerPort: 81 },
          { name: 'much-too-long-name', containerPort: 82 }
        ]
      }),
      [
        'spec.containers[0].ports[1].name: Duplicate value: "web"',
        'spec.containers[0].ports[2].name: Invalid value: "much-too-long-name": must be no more than 15 characters'
      ]
    ],
    [
      'a protocol that is none',
      withContainer({ ports: [{ containerPort: 80, protocol: 'tcp' }] }),
      ['spec.containers[0].ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"']
    ],
    [
      'one host port twice',
      spec({
        containers: [
          container({ ports: [{ containerPort: 80, hostPort: 80 }] }),
          container({ name: 'd', ports: [{ containerPort: 81, hostPort: 80 }] })
        ]
      }),
      ['spec.containers[1].ports[0].hostPort: Duplicate value: "TCP//80"']
    ],
    [
      'another host port on the host network',
      withContainer({ ports: [{ containerPort: 80, hostPort: 8080 }] }, { hostNetwork: true }),
      [
        'spec.containers[0].ports[0].hostPort: Invalid value: 8080: must match `containerPort` when `hostNetwork` is true'
      ]
    ]
  ],
  environment: [
    [
      'names',
      withContainer({ env: [{ value: 'x' }, { name: 'a=b' }, { name: 'any thing!' }] }),
      [
        'spec.containers[0].env[0].name: Required value',
        'spec.containers[0].env[1].name: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than \'=\''
      ]
    ],
    [
      'sources',
      withContainer({
        env: [
          { name: 'A', valueFrom: {} },
          { name: 'B', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
          { name: 'C', valueFrom: { fieldRef: { fieldPath: 'metadata.whatever' } } },
          { name: 'D', valueFrom: { fieldRef: { fieldPath: 'status.phase' } } },
          { name: 'E', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
          { name: 'F', valueFrom: { secretKeyRef: { name: 's' } } },
          { name: 'G', valueFrom: { resourceFieldRef: { resource: 'limits.gpu' } } },
          { name: 'H', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '2' } } }
        ]
      }),
      [
        'spec.containers[0].env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
        'spec.containers[0].env[1].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
        'spec.containers[0].env[2].valueFrom.fieldRef.fieldPath: Invalid value: "metadata.whatever": error converting fieldPath: field label not supported: metadata.whatever',
        'spec.containers[0].env[3].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
        'spec.containers[0].env[5].valueFrom.secretKeyRef.key: Required value',
        'spec.containers[0].env[6].valueFrom.resourceFieldRef.resource: Unsupported value: "limits.gpu": supported values: "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"',
        'spec.containers[0].env[7].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": only divisor\'s values 1m and 1 are supported with the cpu resource'
      ]
    ],
    [
      'whole maps',
      withContainer({ envFrom: [{}, { configMapRef: {}, secretRef: { name: 's' } }] }),
      [
        'spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
        'spec.containers[0].envFrom[1].configMapRef.name: Required value',
        'spec.containers[0].envFrom: Invalid value: "": may not have more than one field specified at a time'
      ]
    ]
  ],
  mounts: [
    [
      'volumes that are not there, paths that are taken',
      withContainer(
        {
          volumeMounts: [
            { name: 'v', mountPath: '/x' },
            { name: 'w', mountPath: '/x' },
            { name: 'v', subPath: '../y' }
          ]
        },
        { volumes: [{ name: 'v', emptyDir: {} }] }
      ),
      [
        'spec.containers[0].volumeMounts[1].name: Not found: "w"',
        'spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/x": must be unique',
        'spec.containers[0].volumeMounts[2].mountPath: Required value',
        'spec.containers[0].volumeMounts.subPath: Invalid value: "../y": must not contain \'..\''
      ]
    ],
    [
      'propagation',
      withContainer(
        { volumeMounts: [{ name: 'v', mountPath: '/x', mountPropagation: 'Bidirectional' }] },
        { volumes: [{ name: 'v', emptyDir: {} }] }
      ),
      [
        'spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers'
      ]
    ],
    [
      'a device that is no claim',
      withContainer(
        { volumeDevices: [{ name: 'v', devicePath: '/dev/x' }] },
        { volumes: [{ name: 'v', emptyDir: {} }] }
      ),
      [
        'spec.containers[0].volumeDevices[0].name: Invalid value: "v": can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode'
      ]
    ]
  ],
  volumes: [
    [
      'names and sources',
      spec({
        volumes: [
          { emptyDir: {} },
          { name: 'a', emptyDir: {}, hostPath: { path: '/x' } },
          { name: 'b', emptyDir: {} },
          { name: 'b', emptyDir: {} }
        ]
      }),
      [
        'spec.volumes[0].name: Required value',
        'spec.volumes[1].hostPath: Forbidden: may not specify more than 1 volume type',
        'spec.volumes[3].name: Duplicate value: "b"'
      ]
    ],
    [
      'missing fields',
      spec({
        volumes: [
          { name: 'a', hostPath: { path: '' } },
          { name: 'b', secret: {} },
          { name: 'c', configMap: {} },
          { name: 'd', persistentVolumeClaim: {} },
          { name: 'e', nfs: {} },
          { name: 'f', csi: {} }
        ]
      }),
      [
        'spec.volumes[0].hostPath.path: Required value',
        'spec.volumes[1].secret.secretName: Required value',
        'spec.volumes[2].configMap.name: Required value',
        'spec.volumes[3].persistentVolumeClaim.claimName: Required value',
        'spec.volumes[4].nfs.server: Required value',
        'spec.volumes[4].nfs.path: Required value',
        'spec.volumes[4].nfs.path: Invalid value: "": must be an absolute path',
        'spec.volumes[5].csi.driver: Required value'
      ]
    ],
    [
      'modes, types and paths',
      spec({
        volumes: [
          { name: 'a', hostPath: { path: '/a/../b', type: 'Folder' } },
          { name: 'b', secret: { secretName: 's', defaultMode: 512, items: [{ key: 'k', path: '/abs' }] } },
          { name: 'c', configMap: { name: 'm', items: [{ path: '..x', mode: -1 }] } }
        ]
      }),
      [
        'spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain \'..\'',
        'spec.volumes[0].hostPath.type: Unsupported value: "Folder": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
        'spec.volumes[1].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive',
        'spec.volumes[1].secret.items[0].path: Invalid value: "/abs": must be a relative path',
        'spec.volumes[2].configMap.items[0].key: Required value',
        'spec.volumes[2].configMap.items[0].path: Invalid value: "..x": must not start with \'..\'',
        'spec.volumes[2].configMap.items[0].mode: Invalid value: -1: must be a number between 0 and 0777 (octal), both inclusive'
      ]
    ],
    [
      'projected',
      spec({
        serviceAccountName: 'default',
        volumes: [
          {
            name: 'a',
            projected: {
              sources: [
                { serviceAccountToken: { path: 't', expirationSeconds: 60 } },
                {
                  secret: { name: 's', items: [{ key: 'k', path: 'p' }] },
                  configMap: { name: 'm', items: [{ key: 'k', path: 'p' }] }
                },
                { downwardAPI: { items: [{ path: 'x' }] } }
              ]
            }
          }
        ]
      }),
      [
        'spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
        'spec.volumes[0].projected: Invalid value: "m": conflicting duplicate paths',
        'spec.volumes[0].projected.sources[1]: Forbidden: may not specify more than 1 volume type per source',
        'spec.volumes[0].projected.sources[2].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required'
      ]
    ],
    [
      'a token without an account',
      spec({ volumes: [{ name: 'a', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } }] }),
      [
        'spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set'
      ]
    ],
    [
      'an ephemeral claim',
      spec({ volumes: [{ name: 'a', ephemeral: { volumeClaimTemplate: { spec: { accessModes: ['Sometimes'] } } } }] }),
      [
        'spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Unsupported value: "Sometimes": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
        'spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value'
      ]
    ],
    ['no source is an empty directory', spec({ volumes: [{ name: 'a' }] }), []]
  ],
  probes: [
    [
      'handlers',
      withContainer({
        livenessProbe: {},
        readinessProbe: { exec: {}, tcpSocket: { port: 80 } },
        startupProbe: { httpGet: { port: 'http', scheme: 'ftp', httpHeaders: [{ name: 'a b', value: 'c' }] } }
      }),
      [
        'spec.containers[0].livenessProbe: Required value: must specify a handler type',
        'spec.containers[0].readinessProbe.exec.command: Required value',
        'spec.containers[0].readinessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type',
        'spec.containers[0].startupProbe.httpGet.scheme: Unsupported value: "ftp": supported values: "HTTP", "HTTPS"',
        "spec.containers[0].startupProbe.httpGet.httpHeaders: Invalid value: \"a b\": a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')"
      ]
    ],
    [
      'numbers',
      withContainer({
        livenessProbe: { tcpSocket: { port: 0 }, successThreshold: 2, periodSeconds: -1 },
        readinessProbe: { tcpSocket: { port: 80 }, terminationGracePeriodSeconds: 5 }
      }),
      [
        'spec.containers[0].livenessProbe.tcpSocket.port: Invalid value: 0: must be between 1 and 65535, inclusive',
        'spec.containers[0].livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0',
        'spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1',
        'spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes'
      ]
    ],
    [
      'hooks',
      withContainer({ lifecycle: { preStop: { sleep: { seconds: 31 } }, postStart: {} } }),
      [
        'spec.containers[0].lifecycle.postStart: Required value: must specify a handler type',
        'spec.containers[0].lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)'
      ]
    ]
  ],
  resources: [
    [
      'names and amounts',
      withContainer({
        resources: { limits: { cpu: '-1', gpu: '1', 'example.com/gpu': '500m' }, requests: { memory: '-1' } }
      }),
      [
        'spec.containers[0].resources.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        'spec.containers[0].resources.limits[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
        'spec.containers[0].resources.limits[gpu]: Invalid value: "gpu": must be a standard resource for containers',
        'spec.containers[0].resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer',
        'spec.containers[0].resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0',
        'spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
        'spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
        'spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard resource for containers',
        'spec.containers[0].resources.requests[example.com/gpu]: Invalid value: "500m": must be an integer'
      ]
    ],
    [
      'requests above limits, in canonical words',
      withContainer({
        resources: { requests: { cpu: '2000m', memory: '2048Mi' }, limits: { cpu: '1.5', memory: '1Gi' } }
      }),
      [
        'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1500m',
        'spec.containers[0].resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi'
      ]
    ],
    [
      'what cannot be shared',
      withContainer({ resources: { requests: { 'example.com/gpu': '1' } } }),
      ['spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources']
    ],
    [
      'huge pages alone',
      withContainer({ resources: { limits: { 'hugepages-2Mi': '3Mi' } } }),
      [
        'spec.containers[0].resources.limits[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
        'spec.containers[0].resources.requests[hugepages-2Mi]: Invalid value: "3Mi": 3Mi is not positive integer multiple of hugepages-2Mi',
        'spec.containers[0].resources: Forbidden: HugePages require cpu or memory'
      ]
    ],
    [
      'claims',
      withContainer({ resources: { claims: [{ name: 'x' }] } }),
      [
        'spec.containers[0].resources.claims[0]: Not found: "x": must be one of the names in pod.spec.resourceClaims which is empty'
      ]
    ],
    [
      'less for the pod than for its containers',
      withContainer({ resources: { requests: { cpu: '2' } } }, { resources: { requests: { cpu: '1' } } }),
      [
        'spec.resources.requests[cpu]: Invalid value: "1": must be greater than or equal to aggregate container requests of 2'
      ]
    ]
  ],
  'init containers': [
    [
      'names shared with others, probes of those that end',
      spec({ initContainers: [container({ livenessProbe: { tcpSocket: { port: 1 } } })] }),
      [
        'spec.initContainers[0].name: Duplicate value: "c"',
        'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always'
      ]
    ],
    [
      'a sidecar has probes',
      spec({
        initContainers: [container({ name: 's', restartPolicy: 'Always', livenessProbe: { tcpSocket: { port: 1 } } })]
      }),
      []
    ],
    [
      'a wrong policy',
      spec({ initContainers: [container({ name: 's', restartPolicy: 'Often' })] }),
      [
        'spec.initContainers[0].restartPolicy: Unsupported value: "Often": supported values: "Always", "Never", "OnFailure"'
      ]
    ],
    [
      'rules without a policy',
      withContainer({ restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [1] } }] }),
      ['spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used']
    ]
  ],
  scheduling: [
    [
      'tolerations',
      spec({
        tolerations: [
          { operator: 'Equal' },
          { key: 'a', operator: 'Exists', value: 'b' },
          { key: 'a', tolerationSeconds: 3 },
          { key: 'a', effect: 'Never' },
          { key: 'a', operator: 'Gt', value: '1' }
        ]
      }),
      [
        'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
        'spec.tolerations[1].operator: Invalid value: "b": value must be empty when `operator` is \'Exists\'',
        'spec.tolerations[2].effect: Invalid value: "": effect must be \'NoExecute\' when `tolerationSeconds` is set',
        'spec.tolerations[3].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
        'spec.tolerations[4].operator: Unsupported value: "Gt": supported values: "Equal", "Exists", "Lt", "Gt"'
      ]
    ],
    [
      'node affinity',
      spec({
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                {
                  matchExpressions: [
                    { key: 'a', operator: 'In' },
                    { key: 'b', operator: 'Gt', values: ['1', '2'] }
                  ],
                  matchFields: [{ key: 'metadata.uid', operator: 'Exists' }]
                }
              ]
            },
            preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 101, preference: {} }]
          }
        }
      }),
      [
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified when `operator` is 'In' or 'NotIn'",
        "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[1].values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'",
        'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].operator: Invalid value: "Exists": not a valid selector operator',
        'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchFields[0].key: Invalid value: "metadata.uid": not a valid field selector key',
        'spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100'
      ]
    ],
    [
      'pod affinity',
      spec({
        affinity: { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ namespaces: ['A'] }] } }
      }),
      [
        `spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].namespace: Invalid value: "A": ${DNS_LABEL}`,
        'spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty',
        'spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": name part must be non-empty',
        `spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`
      ]
    ],
    [
      'spreading',
      spec({
        topologySpreadConstraints: [
          { topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway', minDomains: 2 },
          { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway', matchLabelKeys: ['a'] },
          { maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'Perhaps' }
        ]
      }),
      [
        'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
        'spec.topologySpreadConstraints[0].{topologyKey, whenUnsatisfiable}: Duplicate value: "{zone, ScheduleAnyway}"',
        'spec.topologySpreadConstraints[0].minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway',
        'spec.topologySpreadConstraints[1].matchLabelKeys: Forbidden: must not be specified when labelSelector is not set',
        'spec.topologySpreadConstraints[2].whenUnsatisfiable: Unsupported value: "Perhaps": supported values: "DoNotSchedule", "ScheduleAnyway"'
      ]
    ],
    [
      'gates',
      spec({ schedulingGates: [{ name: 'a.b/c' }, { name: 'a.b/c' }] }),
      ['spec.schedulingGates[1]: Duplicate value: "a.b/c"']
    ]
  ],
  security: [
    [
      'ids',
      spec({ securityContext: { runAsUser: -1, fsGroup: 2147483648, supplementalGroups: [-5] } }),
      [
        'spec.securityContext.fsGroup: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive',
        'spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive',
        'spec.securityContext.supplementalGroups[0]: Invalid value: -5: must be between 0 and 2147483647, inclusive'
      ]
    ],
    [
      'sysctls',
      spec({
        hostNetwork: true,
        securityContext: {
          sysctls: [
            { name: 'net.ipv4.tcp_syncookies', value: '1' },
            { name: 'A', value: '' }
          ]
        }
      }),
      [
        'spec.securityContext.sysctls[0].name: Invalid value: "net.ipv4.tcp_syncookies": may not be specified when \'hostNetwork\' is true',
        'spec.securityContext.sysctls[1].name: Invalid value: "A": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$'
      ]
    ],
    [
      'escalation of a privileged container',
      withContainer({ securityContext: { privileged: true, allowPrivilegeEscalation: false } }),
      [
        'spec.containers[0].securityContext: Invalid value: {"Capabilities":null,"Privileged":true,"SELinuxOptions":null,"WindowsOptions":null,"RunAsUser":null,"RunAsGroup":null,"RunAsNonRoot":null,"ReadOnlyRootFilesystem":null,"AllowPrivilegeEscalation":false,"ProcMount":null,"SeccompProfile":null,"AppArmorProfile":null}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true'
      ]
    ],
    [
      'profiles',
      spec({ securityContext: { seccompProfile: { type: 'Localhost' }, appArmorProfile: { type: 'Mine' } } }),
      [
        'spec.securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost',
        'spec.securityContext.appArmorProfile.type: Unsupported value: "Mine": supported values: "Localhost", "RuntimeDefault", "Unconfined"'
      ]
    ],
    [
      'a user namespace beside the host network',
      spec({ hostUsers: false, hostNetwork: true, hostPID: true }),
      ['spec.hostNetwork: Forbidden: when `hostUsers` is false', 'spec.HostPID: Forbidden: when `hostUsers` is false']
    ],
    [
      'the other operating system',
      spec({ os: { name: 'windows' }, hostPID: true, securityContext: { runAsUser: 1 } }),
      [
        'spec.hostPID: Forbidden: cannot be set for a windows pod',
        'spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod'
      ]
    ],
    [
      'no operating system',
      spec({ os: { name: 'plan9' } }),
      ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"']
    ]
  ],
  'names and numbers': [
    [
      'of the pod',
      spec({ hostname: 'A.b', activeDeadlineSeconds: 0, terminationGracePeriodSeconds: 0, preemptionPolicy: 'Always' }),
      [
        'spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive',
        `spec.hostname: Invalid value: "A.b": ${DNS_LABEL}`,
        'spec.preemptionPolicy: Unsupported value: "Always": supported values: "PreemptLowerPriority", "Never"'
      ]
    ],
    [
      'resolver',
      spec({ dnsPolicy: 'None' }),
      ['spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None']
    ],
    [
      'resolver options',
      spec({
        dnsConfig: { nameservers: ['1.2.3', '1.1.1.1'], searches: ['.', 'a_b.c.', '-x'], options: [{ value: '1' }] },
        hostAliases: [{ ip: 'x', hostnames: ['A'] }]
      }),
      [
        'spec.dnsConfig.nameservers[0]: Invalid value: "1.2.3": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        expect.stringContaining('spec.dnsConfig.searches[2]: Invalid value: "-x": a lowercase RFC 1123 subdomain'),
        'spec.dnsConfig.options[0]: Required value: must not be empty',
        'spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        expect.stringContaining('spec.hostAliases[0].hostnames[0]: Invalid value: "A": a lowercase RFC 1123 subdomain')
      ] as string[]
    ]
  ]
}

describe.each(Object.entries(CASES))('%s', (_, cases) => {
  test.each(cases)('%s', (_name, given, errors) => {
    expect(errorsOf(podOf(given))).toEqual(errors)
  })
})

test('annotations that the server reads', () => {
  const annotations = {
    'controller.kubernetes.io/pod-deletion-cost': 'much',
    'kubernetes.io/config.mirror': 'x',
    'container.apparmor.security.beta.kubernetes.io/z': 'odd'
  }
  expect(errorsOf(podOf(spec(), { annotations }))).toEqual([
    'metadata.annotations[controller.kubernetes.io/pod-deletion-cost]: Invalid value: "much": must be a 32bit integer',
    'metadata.annotations[kubernetes.io/config.mirror]: Invalid value: "x": must set spec.nodeName if mirror pod annotation is set',
    'metadata.annotations[container.apparmor.security.beta.kubernetes.io/z]: Invalid value: "z": container not found',
    'metadata.annotations[container.apparmor.security.beta.kubernetes.io/z]: Invalid value: "odd": invalid AppArmor profile name: "odd"'
  ])
})

test('a creation with ephemeral containers names everything that is wrong', () => {
  const pod = podOf({ containers: [], ephemeralContainers: [container({ name: 'e', ports: [{ containerPort: 1 }] })] })
  const create = () => kind?.rules.prepareCreate?.(pod as never, { now: 0, random: () => 0 })
  expect(create).toThrow(
    'Pod "a" is invalid: [spec.containers: Required value, ' +
      'spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container, ' +
      'spec.ephemeralContainers: Forbidden: cannot be set on create]'
  )
})

test('hostile sizes are checked in linear time', () => {
  const many = 20_000
  const names = Array.from({ length: many }, (_, i) => `n${i}`)
  const started = process.cpuUsage().user
  const pod = podOf(
    spec({
      containers: [
        container({
          volumeMounts: names.map((name) => ({ name, mountPath: `/${name}` })),
          volumeDevices: names.map((name) => ({ name, devicePath: `/dev/${name}` })),
          env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "['".repeat(500_000) } } }]
        })
      ],
      topologySpreadConstraints: names.map((topologyKey) => ({
        maxSkew: 1,
        topologyKey,
        whenUnsatisfiable: 'DoNotSchedule'
      }))
    })
  )
  expect(errorsOf(pod).length).toBeGreaterThan(many)
  expect((process.cpuUsage().user - started) / 1000).toBeLessThan(5000)
})

test('annotations are measured in bytes', () => {
  const template = { metadata: { annotations: { a: 'ä'.repeat(128 * 1024) } }, spec: spec() }
  const errors: FieldError[] = []
  checkPodTemplate(template as PodTemplateSpec, 'spec.template', errors)
  expect(errors.filter(({ type }) => type === 'FieldValueTooLong').map(errorBody)).toEqual([
    'Too long: may not be more than 262144 bytes'
  ])
})
