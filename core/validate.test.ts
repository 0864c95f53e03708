import { describe, expect, test } from '@jest/globals'
import fc from 'fast-check'
import { duplicateKeys } from './duplicate-keys.ts'
import { ApiError } from './errors.ts'
import { row } from './kinds/row.ts'
import { decode, type FieldValidation } from './validate.ts'

const pods = row('v1', 'pods')
const deployments = row('apps/v1', 'deployments')
const configMaps = row('v1', 'configmaps')
const secrets = row('v1', 'secrets')
const services = row('v1', 'services')
const leases = row('coordination.k8s.io/v1', 'leases')
const events = row('v1', 'events')

const container = (more: object) => ({ spec: { containers: [{ name: 'c', ...more }] } })

function message(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof ApiError) return error.message
    throw error
  }
  return 'no error'
}

describe('what decoding keeps', () => {
  const cases: [string, typeof pods, object, object][] = [
    [
      'kind and apiVersion come first',
      configMaps,
      { data: { a: 'b' }, apiVersion: 'v1', kind: 'ConfigMap' },
      { kind: 'ConfigMap', apiVersion: 'v1', metadata: {}, data: { a: 'b' } }
    ],
    [
      'null fields go',
      configMaps,
      { data: null, metadata: { name: 'a', creationTimestamp: null } },
      { metadata: { name: 'a' } }
    ],
    ['empty maps and lists go', configMaps, { data: {}, metadata: { labels: {}, finalizers: [] } }, { metadata: {} }],
    ['null in a map of strings is empty', configMaps, { data: { a: null } }, { metadata: {}, data: { a: '' } }],
    ['unknown fields go', configMaps, { dta: {}, metadata: { nme: 1 } }, { metadata: {} }],
    [
      'empty structs stay',
      pods,
      { spec: { containers: [], securityContext: {}, volumes: [{ name: 'v', emptyDir: {} }] } },
      { metadata: {}, spec: { containers: [], securityContext: {}, volumes: [{ name: 'v', emptyDir: {} }] } }
    ],
    [
      'zero values held by value go',
      pods,
      container({ stdin: false, image: '', ports: [{ containerPort: 1, hostPort: 0 }] }),
      { metadata: {}, ...container({ ports: [{ containerPort: 1 }] }) }
    ],
    [
      'zero values held by pointer stay',
      deployments,
      { spec: { replicas: 0, paused: false, minReadySeconds: 0, revisionHistoryLimit: 0 } },
      { metadata: {}, spec: { replicas: 0, revisionHistoryLimit: 0 } }
    ],
    [
      'pointers to false and "" stay',
      pods,
      { spec: { containers: [], automountServiceAccountToken: false, hostNetwork: false, runtimeClassName: '' } },
      { metadata: {}, spec: { containers: [], automountServiceAccountToken: false, runtimeClassName: '' } }
    ],
    [
      'quantities become canonical',
      pods,
      container({ resources: { limits: { cpu: 0.5, memory: '1024Mi', 'example.com/x': null } } }),
      { metadata: {}, ...container({ resources: { limits: { cpu: '500m', memory: '1Gi', 'example.com/x': '0' } } }) }
    ],
    [
      'ints or strings stay what they are',
      services,
      {
        spec: {
          ports: [
            { port: 1, targetPort: 'http' },
            { port: 2, targetPort: 80 }
          ]
        }
      },
      {
        metadata: {},
        spec: {
          ports: [
            { port: 1, targetPort: 'http' },
            { port: 2, targetPort: 80 }
          ]
        }
      }
    ],
    [
      'times become UTC',
      leases,
      {
        metadata: { creationTimestamp: '2026-01-02T03:04:05.6+01:00' },
        spec: { renewTime: '2026-01-02T03:04:05.123456+01:00' }
      },
      { metadata: { creationTimestamp: '2026-01-02T02:04:05Z' }, spec: { renewTime: '2026-01-02T02:04:05.123456Z' } }
    ],
    [
      'bytes lose line ends',
      secrets,
      { data: { a: 'c2Vj\ncmV0', b: '' } },
      { metadata: {}, data: { a: 'c2VjcmV0', b: '' } }
    ],
    [
      'required scalars are filled',
      pods,
      { spec: { containers: [{ image: 'x' }] } },
      { metadata: {}, spec: { containers: [{ image: 'x', name: '' }] } }
    ]
  ]
  test.each(cases)('%s', (_, kind, value, expected) => {
    expect(decode(kind, value).object).toEqual(expected)
    expect(Object.keys(decode(kind, value).object)).toEqual(Object.keys(expected))
  })

  test('a map may hold __proto__, a struct may not, and neither pollutes', () => {
    const value = JSON.parse('{"__proto__":{"x":1},"constructor":{"prototype":{}},"data":{"__proto__":"p"}}')
    const { object, warnings } = decode(configMaps, value, 'Warn')
    expect(JSON.stringify(object)).toBe('{"metadata":{},"data":{"__proto__":"p"}}')
    expect(Object.getPrototypeOf(object)).toBe(Object.prototype)
    expect(Object.getPrototypeOf(object.data)).toBe(Object.prototype)
    expect(warnings).toEqual(['unknown field "__proto__"', 'unknown field "constructor"'])
  })

  test('the copy is private', () => {
    const value = { metadata: { labels: { a: 'b' } }, data: { k: 'v' } }
    const { object } = decode(configMaps, value)
    expect(object.metadata.labels).not.toBe(value.metadata.labels)
  })

  test('a kind without a schema takes anything', () => {
    expect(decode({ kind: 'X', version: 'v1', schema: '' }, { a: { b: 1 } }).object).toEqual({
      metadata: {},
      a: { b: 1 }
    })
  })
})

describe('wrong types, in the words of Go', () => {
  const cases: [typeof pods, object, string][] = [
    [
      deployments,
      { spec: { replicas: 'three' } },
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32'
    ],
    [
      deployments,
      { spec: { replicas: 1.5 } },
      'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32'
    ],
    [
      deployments,
      { spec: { replicas: 3e9 } },
      'json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32'
    ],
    [
      services,
      { spec: { type: 5 } },
      'json: cannot unmarshal number into Go struct field ServiceSpec.spec.type of type v1.ServiceType'
    ],
    [
      services,
      { spec: { ipFamilies: [5] } },
      'json: cannot unmarshal number into Go struct field ServiceSpec.spec.ipFamilies of type v1.IPFamily'
    ],
    [
      pods,
      container({ securityContext: { capabilities: { add: 'x' } } }),
      'json: cannot unmarshal string into Go struct field Capabilities.spec.containers.securityContext.capabilities.add of type []v1.Capability'
    ],
    [
      pods,
      { metadata: { ownerReferences: [{ uid: 5 }] } },
      'json: cannot unmarshal number into Go struct field OwnerReference.metadata.ownerReferences.uid of type types.UID'
    ],
    [
      pods,
      { spec: { volumes: [{ configMap: { name: 5 } }] } },
      'json: cannot unmarshal number into Go struct field ConfigMapVolumeSource.spec.volumes.VolumeSource.configMap.LocalObjectReference.name of type string'
    ],
    [
      pods,
      container({ livenessProbe: { exec: 'x' } }),
      'json: cannot unmarshal string into Go struct field Probe.spec.containers.livenessProbe.ProbeHandler.exec of type v1.ExecAction'
    ],
    [
      deployments,
      { spec: { paused: 1 } },
      'json: cannot unmarshal number into Go struct field DeploymentSpec.spec.paused of type bool'
    ],
    [
      deployments,
      { spec: 'x' },
      'json: cannot unmarshal string into Go struct field Deployment.spec of type v1.DeploymentSpec'
    ],
    [
      pods,
      { spec: { containers: {} } },
      'json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container'
    ],
    [
      pods,
      { spec: { containers: ['x'] } },
      'json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type v1.Container'
    ],
    [
      pods,
      container({ env: [{ name: 'a', value: 1 }] }),
      'json: cannot unmarshal number into Go struct field EnvVar.spec.containers.env.value of type string'
    ],
    [
      pods,
      container({ command: 'sh' }),
      'json: cannot unmarshal string into Go struct field Container.spec.containers.command of type []string'
    ],
    [
      pods,
      container({ command: [['x']] }),
      'json: cannot unmarshal array into Go struct field Container.spec.containers.command of type string'
    ],
    [
      pods,
      { metadata: { labels: { a: 1 } } },
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string'
    ],
    [
      pods,
      { metadata: { labels: ['a'] } },
      'json: cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map[string]string'
    ],
    [
      pods,
      container({ resources: { limits: 'x' } }),
      'json: cannot unmarshal string into Go struct field ResourceRequirements.spec.containers.resources.limits of type v1.ResourceList'
    ],
    [
      pods,
      container({ resources: { limits: { cpu: 'lots' } } }),
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    ],
    [
      pods,
      container({ resources: { limits: { cpu: true } } }),
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    ],
    [
      services,
      { spec: { ports: [{ targetPort: true }] } },
      'json: cannot unmarshal bool into Go struct field ServicePort.spec.ports.targetPort of type int32'
    ],
    [
      pods,
      { metadata: { creationTimestamp: 5 } },
      'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string'
    ],
    [
      pods,
      { metadata: { creationTimestamp: 'soon' } },
      'parsing time "soon" as "2006-01-02T15:04:05Z07:00": cannot parse "soon" as "2006"'
    ],
    [
      pods,
      { metadata: { creationTimestamp: '2026-02-30T00:00:00Z' } },
      'parsing time "2026-02-30T00:00:00Z": day out of range'
    ],
    [
      pods,
      { metadata: { creationTimestamp: '2026-13-30T00:00:00Z' } },
      'parsing time "2026-13-30T00:00:00Z": month out of range'
    ],
    [
      events,
      { eventTime: '2026-01-02T03:04:05Z' },
      'parsing time "2026-01-02T03:04:05Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"'
    ],
    [secrets, { data: { a: '%' } }, 'illegal base64 data at input byte 0'],
    [secrets, { data: { a: 'abc' } }, 'illegal base64 data at input byte 0'],
    [secrets, { data: { a: 'c2VjcmV0c' } }, 'illegal base64 data at input byte 8'],
    [secrets, { data: { a: 7 } }, 'json: cannot unmarshal number into Go struct field Secret.data of type []uint8']
  ]
  test.each(cases)('%#: %s %j', (kind, value, expected) => {
    expect(message(() => decode(kind, value))).toBe(
      `${kind.kind} in version "v1" cannot be handled as a ${kind.kind}: ${expected}`
    )
  })
})

describe('unknown and duplicate fields', () => {
  const text =
    '{"spec":{"replica":3,"template":{"spec":{"containers":[{"name":"a"},{"name":"b","nam":1,"name":"c"}]}}},"spec":{"replica":3,"template":{"spec":{"containers":[{"name":"a"},{"name":"b","nam":1,"name":"c"}]}}}}'
  test.each<[FieldValidation, string | undefined, readonly string[]]>([
    ['Ignore', undefined, []],
    ['Warn', undefined, ['unknown field "spec.replica"', 'unknown field "spec.template.spec.containers[1].nam"']],
    [
      'Warn',
      text,
      [
        'unknown field "spec.replica"',
        'unknown field "spec.template.spec.containers[1].nam"',
        'duplicate field "spec.template.spec.containers[1].name"',
        'duplicate field "spec"'
      ]
    ]
  ])('%s', (mode, json, expected) => {
    expect(decode(deployments, JSON.parse(text), { mode, text: json }).warnings).toEqual(expected)
  })

  test('Strict refuses', () => {
    expect(message(() => decode(configMaps, { dta: {}, metadata: { nme: '' } }, 'Strict'))).toBe(
      'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dta", unknown field "metadata.nme"'
    )
  })

  test.each<[string, string[]]>([
    ['{}', []],
    ['{"a":1,"b":{"a":2}}', []],
    ['{"a":1,"a":2,"a":3}', ['a']],
    ['[{"x":{"y":1,"y":2}},[{"z":1,"z":1}]]', ['[0].x.y', '[1][0].z']],
    ['{"a\\"b":1,"a\\u0022b":2}', ['a"b']],
    ['{"a":"\\\\","b":"\\"","b":"}{][,"}', ['b']],
    ['{"a":["b","b",{"b":"b"}],"b":"a"}', []]
  ])('duplicates in %s', (json, expected) => {
    expect(duplicateKeys(json)).toEqual(expected)
  })

  test('no text of distinct keys has duplicates', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        expect(duplicateKeys(JSON.stringify(JSON.parse(json), null, 1))).toEqual([])
      })
    )
  })

  test('any JSON is read or refused as a bad request, and reading twice changes nothing', () => {
    const key = fc.constantFrom(
      'metadata',
      'spec',
      'containers',
      'name',
      'labels',
      'env',
      'value',
      'limits',
      'resources',
      '__proto__',
      'x'
    )
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6 },
        fc.constantFrom('a', '', '1Gi', 0, 1.5, -3, true, false, null),
        fc.dictionary(key, tie('tree')),
        fc.array(tie('tree'), { maxLength: 3 })
      )
    }))
    fc.assert(
      fc.property(fc.dictionary(key, tree), (value) => {
        try {
          const { object } = decode(pods, value)
          expect(decode(pods, object).object).toEqual(object)
        } catch (error) {
          if (!(error instanceof ApiError)) throw error
          expect(error.reason).toBe('BadRequest')
        }
      }),
      { numRuns: 500 }
    )
  })

  test('deep nesting is refused, not a crash', () => {
    const deep: unknown = JSON.parse(`${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`)
    expect(message(() => decode(row('apps/v1', 'controllerrevisions'), { data: deep }))).toMatch(/exceeded max depth$/)
    expect(decode(configMaps, { unknown: deep }).object).toEqual({ metadata: {} })
  })
})
