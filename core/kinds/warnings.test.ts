import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { cidrWarnings, ipWarnings } from './ip-warnings.ts'
import { hostnameWarnings, podWarnings, templateWarnings } from './pod-warnings.ts'
import { serviceWarnings } from './service-warnings.ts'
import { keyPairWarnings } from './tls-warnings.ts'
import type { PodSpec, ServiceSpec } from './types.ts'

const container = (more: object = {}) => ({ name: 'c', image: 'i', ...more })
const of = (spec: object, metadata: object = {}) =>
  podWarnings({ metadata, spec: { containers: [container()], ...spec } as PodSpec }, '')

describe('pods', () => {
  test.each<[string, object, string[]]>([
    ['nothing', {}, []],
    [
      'old labels of nodes',
      { nodeSelector: { 'beta.kubernetes.io/os': 'linux', a: 'b' } },
      ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead']
    ],
    [
      'spreading that matches nothing',
      { topologySpreadConstraints: [{ topologyKey: 'a' }, { topologyKey: 'a', labelSelector: {} }] },
      ['spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod']
    ],
    [
      'a variable hidden',
      { containers: [container({ env: [{ name: 'A' }, { name: 'A', value: '$(A)1' }, { name: 'A', value: '2' }] })] },
      ['spec.containers[0].env[2]: hides previous definition of "A", which may be dropped when using apply']
    ],
    [
      'parts of bytes',
      { initContainers: [container({ resources: { limits: { memory: '0.5' }, requests: { cpu: '0.5' } } })] },
      ['spec.initContainers[0].resources.limits[memory]: fractional byte value "500m" is invalid, must be an integer']
    ],
    [
      'ports twice',
      {
        containers: [
          container({
            ports: [
              { containerPort: 80, protocol: 'TCP', name: 'h' },
              { containerPort: 81, hostIP: '1.2.3.4' }
            ]
          }),
          container({
            ports: [
              { containerPort: 80, protocol: 'TCP', name: 'h' },
              { containerPort: 80, protocol: 'TCP', hostPort: 80 }
            ]
          })
        ]
      },
      [
        'spec.containers[0].ports[1]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:81 Protocol: HostIP:1.2.3.4}',
        'spec.containers[1].ports[0]: duplicate port definition with spec.containers[0].ports[0]',
        'spec.containers[1].ports[1]: overlapping port definition with spec.containers[0].ports[0]',
        'spec.containers[1].ports[1]: overlapping port definition with spec.containers[1].ports[0]',
        'spec.containers[1].ports[0]: duplicate port name "h" with spec.containers[0].ports[0], services and probes that select ports by name will use spec.containers[0].ports[0]'
      ]
    ],
    [
      'files over each other',
      {
        volumes: [
          { name: 'v', configMap: { name: 'm', items: [{ path: 'a' }, { path: 'a/b' }, { path: 'ab' }] } },
          {
            name: 'p',
            projected: {
              sources: [{}, { serviceAccountToken: { path: 't' } }, { secret: { name: 's', items: [{ path: 't/' }] } }]
            }
          }
        ]
      },
      [
        'volume "v" (ConfigMap "m"): overlapping paths: "a/b" with "a"',
        'volume "p" (Projected) has no sources provided',
        'volume "p" (Projected): overlapping paths: "t" (Secret "s") with "t" (ServiceAccountToken)'
      ]
    ],
    [
      'no time to end',
      { terminationGracePeriodSeconds: -1 },
      ['spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1']
    ]
  ])('%s', (_, spec, expected) => {
    expect(of(spec)).toEqual(expected)
  })

  test('old annotations, of pods and of templates', () => {
    const annotations = { 'container.apparmor.security.beta.kubernetes.io/c': 'unconfined' }
    expect(of({}, { annotations })).toEqual([])
    const spec = { containers: [container()] } as PodSpec
    expect(podWarnings({ metadata: { annotations }, spec }, 'spec.template')).toEqual([
      'spec.template.metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: deprecated since v1.30; use the "appArmorProfile" field instead'
    ])
  })

  test('names that make odd hosts', () => {
    expect(hostnameWarnings('a', "the Pod's hostname")).toEqual([])
    expect(hostnameWarnings('a.b', "the Pod's hostname")).toEqual([
      "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]"
    ])
  })

  test('templates are looked at when they may have changed', () => {
    const warn = templateWarnings(() => ({ spec: { containers: [], imagePullSecrets: [{}] } }), 'template')
    const object = (generation: number) => ({ apiVersion: 'v1', kind: 'K', metadata: { generation } })
    const warnings = ['template.spec.imagePullSecrets[0].name: invalid empty name ""']
    expect(warn(object(1), undefined)).toEqual(warnings)
    expect(warn(object(2), object(1))).toEqual(warnings)
    expect(warn(object(2), object(2))).toEqual([])
  })
})

test.each<[ServiceSpec, string[]]>([
  [{ type: 'ClusterIP', clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] }, []],
  [
    { type: 'ClusterIP', clusterIP: 'None', sessionAffinity: 'ClientIP', loadBalancerIP: '1.1.1.1' },
    ['spec.loadBalancerIP is ignored for headless services', 'spec.SessionAffinity is ignored for headless services']
  ],
  [{ type: 'NodePort', externalName: 'x' }, ['spec.externalName is ignored when spec.type is not "ExternalName"']],
  [
    { trafficDistribution: 'PreferClose', type: 'ClusterIP' },
    ['spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"']
  ]
])('service %j', (spec, expected) => {
  expect(serviceWarnings({ metadata: {}, spec })).toEqual(expected)
})

test.each<[string, string[]]>([
  ['10.0.0.1', []],
  ['not one', []],
  ['fd00::1', []],
  ['1:0:0:2::3', []],
  ['FD00:0::1', ['p: IPv6 address "FD00:0::1" should be in RFC 5952 canonical format ("fd00::1")']],
  ['1:0:0:2:0:0:0:3', ['p: IPv6 address "1:0:0:2:0:0:0:3" should be in RFC 5952 canonical format ("1:0:0:2::3")']],
  [
    '010.0.0.1',
    ['p: non-standard IP address "010.0.0.1" will be considered invalid in a future Kubernetes release: use "10.0.0.1"']
  ],
  [
    '::ffff:10.0.0.1',
    [
      'p: non-standard IP address "::ffff:10.0.0.1" will be considered invalid in a future Kubernetes release: use "10.0.0.1"'
    ]
  ]
])('address %s', (text, expected) => {
  expect(ipWarnings('p', text)).toEqual(expected)
})

test.each<[string, string[]]>([
  ['10.0.0.0/8', []],
  ['fd00::/64', []],
  [
    '10.1.2.3/16',
    ['p: CIDR value "10.1.2.3/16" is ambiguous in this context (should be "10.1.0.0/16" or "10.1.2.3/32"?)']
  ],
  [
    '10.01.0.0/16',
    [
      'p: non-standard CIDR value "10.01.0.0/16" will be considered invalid in a future Kubernetes release: use "10.1.0.0/16"'
    ]
  ],
  ['fd00:0::/64', ['p: IPv6 CIDR value "fd00:0::/64" should be in RFC 5952 canonical format ("fd00::/64")']]
])('network %s', (text, expected) => {
  expect(cidrWarnings('p', text)).toEqual(expected)
})

test('keys and certificates', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const certificate = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n'
  expect(keyPairWarnings('x', key)).toEqual(['tls: failed to find any PEM data in certificate input'])
  expect(keyPairWarnings(key, key)).toEqual([
    'tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have been switched'
  ])
  expect(keyPairWarnings(certificate, '')).toEqual(['tls: failed to find any PEM data in key input'])
  expect(keyPairWarnings(certificate, certificate)).toEqual([
    'tls: found a certificate rather than a key in the PEM for the private key'
  ])
})
