import { describe, expect, test } from '@jest/globals'
import type { FieldError } from '../errors.ts'
import { errorBody } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import { decode } from '../validate.ts'
import { nodeKinds } from './nodes.ts'

const [kind] = nodeKinds
if (kind === undefined) throw new Error('no nodes')
const { rules } = kind

function nodeOf(body: object): KubeObject {
  const { object } = decode(kind as NonNullable<typeof kind>, { metadata: { name: 'n' }, ...body })
  rules.defaults?.(object)
  return object
}
const texts = (errors: readonly FieldError[] | undefined) =>
  (errors ?? []).map((error) => `${error.field}: ${errorBody(error)}`)

test('defaults', () => {
  const node = nodeOf({
    spec: { podCIDR: '10.1.0.0/24' },
    status: { capacity: { cpu: '2000m' }, conditions: [{ type: 'Ready', status: 'True' }] }
  })
  expect(node.spec).toEqual({ podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'] })
  expect(node.status).toMatchObject({
    capacity: { cpu: '2' },
    allocatable: { cpu: '2' },
    daemonEndpoints: { kubeletEndpoint: { Port: 0 } },
    conditions: [{ lastHeartbeatTime: null, lastTransitionTime: null }],
    nodeInfo: { kubeletVersion: '' }
  })
})

test('refusals', () => {
  const taint = { key: 'a', effect: 'NoSchedule' }
  const node = nodeOf({
    spec: {
      taints: [taint, { ...taint, value: 'x' }, { key: 'b', effect: 'Never' }, { key: 'c' }],
      podCIDRs: ['10.0.0.0/8', '10.0.0.0/8']
    },
    status: { capacity: { cpu: '-1', pods: '1500m' } }
  })
  expect(texts(rules.validate?.(node))).toEqual([
    'metadata.taints[1]: Duplicate value: {"Key":"a","Value":"x","Effect":"NoSchedule","TimeAdded":null}: taints must be unique by key and effect pair',
    'metadata.taints[2].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    'metadata.taints[3].effect: Required value',
    'status.capacity.cpu: Invalid value: "-1": must be greater than or equal to 0',
    'status.capacity.pods: Invalid value: "1500m": must be an integer',
    'status.allocatable.cpu: Invalid value: "-1": must be greater than or equal to 0',
    'status.allocatable.pods: Invalid value: "1500m": must be an integer',
    'spec.podCIDRs: Invalid value: ["10.0.0.0/8","10.0.0.0/8"]: may specify no more than one CIDR for each IP family'
  ])
})

test('what stays once it is set', () => {
  const old = nodeOf({ spec: { podCIDR: '10.1.0.0/24', providerID: 'a' } })
  const next = nodeOf({ spec: { podCIDR: '10.2.0.0/24', externalID: 'x' } })
  expect(texts(rules.validateUpdate?.(next, old))).toEqual([
    'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
    'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
    'spec.externalID: Forbidden: may not be updated'
  ])
  const addresses = [{ type: 'InternalIP', address: '1.1.1.1' }]
  const doubled = nodeOf({ spec: old.spec as object, status: { addresses: [...addresses, ...addresses] } })
  expect(texts(rules.validateStatus?.(doubled, old))).toEqual([
    'status.addresses[1]: Duplicate value: {"Type":"InternalIP","Address":"1.1.1.1"}'
  ])
})

describe('the table', () => {
  const cases: [string, object, unknown[]][] = [
    [
      'a new node',
      {},
      ['Unknown', '<none>', '<unknown>', '', '<none>', '<none>', '<unknown>', '<unknown>', '<unknown>']
    ],
    [
      'a ready one',
      {
        metadata: {
          name: 'n',
          labels: {
            'node-role.kubernetes.io/worker': '',
            'node-role.kubernetes.io/control-plane': '',
            'kubernetes.io/role': 'x'
          }
        },
        status: {
          conditions: [
            { type: 'DiskPressure', status: 'False' },
            { type: 'Ready', status: 'True' }
          ],
          addresses: [
            { type: 'Hostname', address: 'n' },
            { type: 'InternalIP', address: '10.0.0.1' }
          ],
          nodeInfo: {
            kubeletVersion: 'v1.35.0',
            osImage: 'Debian',
            kernelVersion: '6',
            containerRuntimeVersion: 'containerd://2'
          }
        }
      },
      ['Ready', 'control-plane,worker,x', '<unknown>', 'v1.35.0', '10.0.0.1', '<none>', 'Debian', '6', 'containerd://2']
    ],
    [
      'a cordoned one that is lost',
      { spec: { unschedulable: true }, status: { conditions: [{ type: 'Ready', status: 'Unknown' }] } },
      [
        'NotReady,SchedulingDisabled',
        '<none>',
        '<unknown>',
        '',
        '<none>',
        '<none>',
        '<unknown>',
        '<unknown>',
        '<unknown>'
      ]
    ]
  ]
  test.each(cases)('%s', (_, body, cells) => {
    expect(rules.cells?.(nodeOf(body), 0)).toEqual(['n', ...cells])
  })
})

test('selectable fields', () => {
  expect(rules.fields?.['spec.unschedulable']?.(nodeOf({}))).toBe('false')
  expect(rules.fields?.['spec.unschedulable']?.(nodeOf({ spec: { unschedulable: true } }))).toBe('true')
})
