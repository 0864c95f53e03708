import { describe, expect, test } from '@jest/globals'
import type { FieldError } from '../errors.ts'
import { errorBody } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import { decode } from '../validate.ts'
import { serviceKinds } from './services.ts'

const [kind] = serviceKinds
if (kind === undefined) throw new Error('no services')
const { rules } = kind
const context = { now: 0, random: () => 0 }

function serviceOf(spec: object, more: object = {}): KubeObject {
  const { object } = decode(kind as NonNullable<typeof kind>, { metadata: { name: 'a' }, spec, ...more })
  rules.defaults?.(object)
  const { status } = object
  rules.prepareCreate?.(object, context)
  if (status !== undefined) object.status = status
  return object
}
const texts = (errors: readonly FieldError[] | undefined) =>
  (errors ?? []).map((error) => `${error.field}: ${errorBody(error)}`)
const ports = [{ port: 80 }]

describe('defaults', () => {
  const cases: [string, object, object][] = [
    [
      'of session affinity',
      { ports, sessionAffinity: 'ClientIP' },
      { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } } }
    ],
    [
      'of a load balancer',
      { ports, type: 'LoadBalancer' },
      { allocateLoadBalancerNodePorts: true, externalTrafficPolicy: 'Cluster', internalTrafficPolicy: 'Cluster' }
    ],
    ['with external addresses', { ports, externalIPs: ['1.2.3.4'] }, { externalTrafficPolicy: 'Cluster' }],
    [
      'without selector and address',
      { ports, clusterIP: 'None' },
      { clusterIPs: ['None'], ipFamilies: ['IPv4', 'IPv6'], ipFamilyPolicy: 'RequireDualStack' }
    ],
    [
      'families follow addresses',
      { ports, clusterIP: '10.96.0.7' },
      { clusterIPs: ['10.96.0.7'], ipFamilies: ['IPv4'], ipFamilyPolicy: 'SingleStack' }
    ],
    [
      'no family for an address that no cluster of ours has',
      { ports, clusterIP: 'fd00::1' },
      { clusterIPs: ['fd00::1'] }
    ],
    [
      'a preference stays',
      { ports, ipFamilyPolicy: 'PreferDualStack' },
      { ipFamilies: ['IPv4'], ipFamilyPolicy: 'PreferDualStack' }
    ]
  ]
  test.each(cases)('%s', (_, spec, expected) => {
    expect(serviceOf(spec).spec).toMatchObject(expected)
  })
})

describe('refusals', () => {
  const cases: [string, object, string[]][] = [
    ['nothing', { ports, clusterIP: '10.0.0.1' }, []],
    ['no ports', {}, ['spec.ports: Required value']],
    ['no ports needed', { clusterIP: 'None' }, []],
    [
      'ports',
      {
        ports: [
          { name: 'a', port: 0 },
          { name: 'a', port: 1, protocol: 'X' },
          { name: 'B', port: 2, targetPort: 'UPPER' }
        ]
      },
      [
        'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
        'spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive',
        'spec.ports[1].name: Duplicate value: "a"',
        'spec.ports[1].protocol: Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
        "spec.ports[2].name: Invalid value: \"B\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        'spec.ports[2].targetPort: Invalid value: "UPPER": must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)',
        'spec.ports[2].targetPort: Invalid value: "UPPER": must contain at least one letter (a-z)'
      ]
    ],
    [
      'node ports',
      {
        type: 'NodePort',
        ports: [
          { name: 'a', port: 1, nodePort: 30000 },
          { name: 'b', port: 2, nodePort: 30000 },
          { name: 'c', port: 2, nodePort: 30000, protocol: 'UDP' }
        ]
      },
      ['spec.ports[1].nodePort: Duplicate value: 30000']
    ],
    [
      'node ports of a service without',
      { ports: [{ port: 1, nodePort: 30000 }] },
      ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"]
    ],
    [
      'a type that is none',
      { ports, type: 'Magic' },
      [
        'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'
      ]
    ],
    [
      'an external name',
      { type: 'ExternalName', externalName: '', clusterIP: '10.0.0.1', ipFamilies: ['IPv4'] },
      [
        'spec.clusterIPs: Forbidden: may not be set for ExternalName services',
        'spec.ipFamilies: Forbidden: may not be set for ExternalName services',
        'spec.externalName: Required value'
      ]
    ],
    ['an external name with a dot at its end', { type: 'ExternalName', externalName: 'a.b.' }, []],
    [
      'a headless node port',
      { type: 'NodePort', ports, clusterIP: 'None', selector: { a: 'b' } },
      ['spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services']
    ],
    [
      'addresses',
      { ports, clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.2', 'x'] },
      [
        'spec.clusterIPs: Invalid value: ["10.0.0.2","x"]: first value must match `clusterIP`',
        'spec.clusterIPs[1]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
      ]
    ],
    [
      'families',
      { ports, clusterIP: '10.0.0.1', ipFamilies: ['IPv6', 'IPv6', 'IPX'], ipFamilyPolicy: 'Any' },
      [
        'spec.ipFamilies[1]: Duplicate value: "IPv6"',
        'spec.ipFamilies[2]: Unsupported value: "IPX": supported values: "IPv4", "IPv6"',
        'spec.ipFamilyPolicy: Unsupported value: "Any": supported values: "PreferDualStack", "RequireDualStack", "SingleStack"',
        'spec.clusterIPs[0]: Invalid value: "10.0.0.1": expected an IPv6 value as indicated by `ipFamilies[0]`'
      ]
    ],
    [
      'external addresses',
      { ports, externalIPs: ['127.0.0.1', '169.254.1.1', 'x'] },
      [
        'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
        'spec.externalIPs[1]: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
        'spec.externalIPs[2]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
      ]
    ],
    [
      'affinity',
      { ports, sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 86401 } } },
      [
        'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 86401: must be greater than 0 and less than 86400'
      ]
    ],
    [
      'traffic policies',
      {
        ports,
        externalTrafficPolicy: 'Local',
        internalTrafficPolicy: 'x',
        trafficDistribution: 'y',
        healthCheckNodePort: 1
      },
      [
        'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
        "spec.healthCheckNodePort: Invalid value: 1: may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        'spec.internalTrafficPolicy: Unsupported value: "x": supported values: "Cluster", "Local"',
        'spec.trafficDistribution: Unsupported value: "y": supported values: "PreferClose", "PreferSameZone", "PreferSameNode"'
      ]
    ],
    [
      'fields of load balancers',
      { ports, allocateLoadBalancerNodePorts: false, loadBalancerClass: 'x', loadBalancerSourceRanges: ['1.2.3.4/33'] },
      [
        "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
        'spec.LoadBalancerSourceRanges[0]: Invalid value: "1.2.3.4/33": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
        "spec.allocateLoadBalancerNodePorts: Forbidden: may only be used when `type` is 'LoadBalancer'",
        "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'"
      ]
    ]
  ]
  test.each(cases)('%s', (_, spec, errors) => {
    expect(texts(rules.validate?.(serviceOf(spec)))).toEqual(errors)
  })
})

describe('updates', () => {
  const base = { ports, clusterIP: '10.0.0.1' }
  const update = (before: object, after: object) => {
    const old = serviceOf(before, { status: { loadBalancer: {} } })
    const next = serviceOf(after)
    rules.prepareUpdate?.(next, old, context)
    return { next, errors: texts([...(rules.validateUpdate?.(next, old) ?? []), ...(rules.validate?.(next) ?? [])]) }
  }
  test('an address that is left out stays', () => {
    const { next, errors } = update(base, { ports })
    expect(errors).toEqual([])
    expect(next.spec).toMatchObject({ clusterIP: '10.0.0.1', clusterIPs: ['10.0.0.1'] })
  })
  test('an address never changes', () => {
    expect(update(base, { ports, clusterIP: '10.0.0.2', clusterIPs: ['10.0.0.1'] }).errors).toEqual([
      'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'
    ])
  })
  test('a load balancer becomes an ordinary service', () => {
    const lb = { ...base, type: 'LoadBalancer', loadBalancerClass: 'x/y' }
    const { next, errors } = update(lb, {
      ...lb,
      type: 'ClusterIP',
      allocateLoadBalancerNodePorts: true,
      externalTrafficPolicy: 'Cluster'
    })
    expect(errors).toEqual([])
    for (const gone of ['loadBalancerClass', 'allocateLoadBalancerNodePorts', 'externalTrafficPolicy'])
      expect(next.spec).not.toHaveProperty(gone)
  })
  test('the class of a load balancer stays', () => {
    const lb = { ...base, type: 'LoadBalancer', loadBalancerClass: 'x/y' }
    expect(update(lb, { ...lb, loadBalancerClass: 'x/z' }).errors).toEqual([
      'spec.loadBalancerClass: Invalid value: "x/z": may not change once set'
    ])
  })
  test('the status belongs to load balancers', () => {
    const status = { loadBalancer: { ingress: [{ ip: '1.2.3.4' }, { hostname: '1.2.3.4' }] } }
    expect(texts(rules.validateStatus?.(serviceOf(base, { status }), serviceOf(base)))).toEqual([
      "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"
    ])
    const lb = serviceOf({ ...base, type: 'LoadBalancer' }, { status })
    expect(texts(rules.validateStatus?.(lb, lb))).toEqual([
      'status.loadBalancer.ingress[1].hostname: Invalid value: "1.2.3.4": must be a DNS name, not an IP address'
    ])
  })
})

describe('the table', () => {
  const cases: [string, object, object, unknown[]][] = [
    [
      'an ordinary one',
      { ports, clusterIP: '10.0.0.1', selector: { b: '1', a: '2' } },
      {},
      ['ClusterIP', '10.0.0.1', '<none>', '80/TCP', 'a=2,b=1']
    ],
    [
      'node ports',
      {
        type: 'NodePort',
        clusterIP: '10.0.0.1',
        ports: [
          { name: 'a', port: 80, nodePort: 30080 },
          { name: 'b', port: 53, protocol: 'UDP' }
        ],
        externalIPs: ['1.2.3.4']
      },
      {},
      ['NodePort', '10.0.0.1', '1.2.3.4', '80:30080/TCP,53/UDP', '<none>']
    ],
    [
      'a load balancer to come',
      { type: 'LoadBalancer', ports, clusterIP: '10.0.0.1' },
      {},
      ['LoadBalancer', '10.0.0.1', '<pending>', '80/TCP', '<none>']
    ],
    [
      'a load balancer',
      { type: 'LoadBalancer', ports, clusterIP: '10.0.0.1' },
      { loadBalancer: { ingress: [{ ip: '1.1.1.1' }, { hostname: 'a.example.com' }] } },
      ['LoadBalancer', '10.0.0.1', '1.1.1.1,a.example.com', '80/TCP', '<none>']
    ],
    [
      'a name',
      { type: 'ExternalName', externalName: 'a.example.com' },
      {},
      ['ExternalName', '<none>', 'a.example.com', '<none>', '<none>']
    ],
    ['a headless one', { clusterIP: 'None' }, {}, ['ClusterIP', 'None', '<none>', '<none>', '<none>']]
  ]
  test.each(cases)('%s', (_, spec, status, cells) => {
    const [selector, ...rest] = [...cells].reverse()
    expect(rules.cells?.(serviceOf(spec, { status }), 0)).toEqual(['a', ...rest.reverse(), '<unknown>', selector])
  })
})

test('selectable fields', () => {
  const service = serviceOf({ ports, clusterIP: '10.0.0.1' })
  expect(rules.fields?.['spec.clusterIP']?.(service)).toBe('10.0.0.1')
  expect(rules.fields?.['spec.type']?.(service)).toBe('ClusterIP')
})
