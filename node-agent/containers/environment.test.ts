import { expand } from '../../core/expansion.ts'
import type { Container, EnvVar, Pod, Service } from '../../core/kinds/types.ts'
import { ConfigError, environmentOf, type ObjectReader, serviceVariables } from '../../core/pod-environment.ts'
import { container, podOf } from '../pod/fixture.ts'

const place = { podIPs: ['10.0.0.7', 'fd00::7'], hostIPs: ['192.0.2.1'], allocatable: { cpu: '2', memory: '1Gi' } }
const objects: ObjectReader = {
  configMap: async (namespace, name) =>
    name === 'cm' ? { metadata: { namespace, name }, data: { a: '1', b: 'x' } } : undefined,
  secret: async (namespace, name) =>
    name === 's' ? { metadata: { namespace, name }, data: { pw: Buffer.from('geheim').toString('base64') } } : undefined
}
const pod: Pod = podOf(
  { nodeName: 'n', serviceAccountName: 'sa', enableServiceLinks: false },
  { labels: { l: 'v', a: 'b"c' }, annotations: { 'x/y': 'z' } }
)
const of = (more: Partial<Container>) =>
  environmentOf({ pod, container: container('c', more), place, objects, services: [] })
const value = async (env: EnvVar[], name: string) => (await of({ env })).get(name)

describe('$(NAME)', () => {
  const values: Readonly<Record<string, string>> = { A: 'a', B: '$(A)', E: '' }
  test.each([
    ['$(A)', 'a'],
    ['x$(A)y$(A)', 'xaya'],
    ['$(B)', '$(A)'],
    ['$(NOPE)', '$(NOPE)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$a'],
    ['$A {A} $', '$A {A} $'],
    ['$(E)-', '-'],
    ['$(A', '$(A']
  ])('%s -> %s', (text, expected) => expect(expand(text, (name) => values[name])).toBe(expected))
})

describe('variables', () => {
  const field = (fieldPath: string) => ({ name: 'V', valueFrom: { fieldRef: { fieldPath } } })
  test.each([
    ['metadata.name', 'p'],
    ['metadata.namespace', 'ns'],
    ['metadata.uid', 'u'],
    ["metadata.labels['l']", 'v'],
    ["metadata.labels['none']", ''],
    ["metadata.annotations['x/y']", 'z'],
    ['metadata.labels', 'a="b\\"c"\nl="v"'],
    ['spec.nodeName', 'n'],
    ['spec.serviceAccountName', 'sa'],
    ['status.hostIP', '192.0.2.1'],
    ['status.podIP', '10.0.0.7'],
    ['status.podIPs', '10.0.0.7,fd00::7']
  ])('field %s', async (path, expected) => expect(await value([field(path)], 'V')).toBe(expected))

  const resources = { requests: { cpu: '250m', memory: '100Mi' }, limits: { memory: '1000Ki' } }
  test.each([
    ['requests.cpu', undefined, '1'],
    ['requests.cpu', '1m', '250'],
    ['limits.cpu', undefined, '2'],
    ['limits.memory', '1Mi', '1'],
    ['limits.memory', undefined, '1024000'],
    ['requests.memory', '1Mi', '100'],
    ['requests.ephemeral-storage', undefined, '0']
  ])('resource %s in %s', async (resource, divisor, expected) => {
    const from = { resource, ...(divisor === undefined ? {} : { divisor }) }
    const env = await of({ resources, env: [{ name: 'V', valueFrom: { resourceFieldRef: from } }] })
    expect(env.get('V')).toBe(expected)
  })

  test('of objects, with a prefix; what is named later wins', async () => {
    const env = await of({
      envFrom: [{ configMapRef: { name: 'cm' }, prefix: 'P_' }, { secretRef: { name: 's' } }],
      env: [
        { name: 'P_a', value: 'own' },
        { name: 'REF', value: '$(P_a)/$(pw)' },
        { name: 'KEY', valueFrom: { secretKeyRef: { name: 's', key: 'pw' } } },
        { name: 'GONE', valueFrom: { configMapKeyRef: { name: 'cm', key: 'none', optional: true } } }
      ]
    })
    expect(Object.fromEntries(env)).toEqual({ P_a: 'own', P_b: 'x', pw: 'geheim', REF: 'own/geheim', KEY: 'geheim' })
  })

  test.each<[Partial<Container>, string]>([
    [{ envFrom: [{ configMapRef: { name: 'none' } }] }, 'configmap "none" not found'],
    [{ envFrom: [{ secretRef: { name: 'none' } }] }, 'secret "none" not found'],
    [
      { env: [{ name: 'V', valueFrom: { configMapKeyRef: { name: 'none', key: 'k' } } }] },
      'configmap "none" not found'
    ],
    [
      { env: [{ name: 'V', valueFrom: { configMapKeyRef: { name: 'cm', key: 'k' } } }] },
      "couldn't find key k in ConfigMap ns/cm"
    ],
    [
      { env: [{ name: 'V', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] },
      "couldn't find key k in Secret ns/s"
    ]
  ])('that cannot be made: %#', async (more, message) => {
    await expect(of(more)).rejects.toEqual(new ConfigError(message))
  })

  test('optional objects may be missing', async () => {
    const env = await of({ envFrom: [{ configMapRef: { name: 'none', optional: true } }] })
    expect(env.size).toBe(0)
  })
})

describe('services', () => {
  const service = (name: string, namespace: string, more: object = {}): Service => ({
    metadata: { name, namespace },
    spec: {
      clusterIP: '10.96.0.9',
      ports: [
        { name: 'web', port: 80 },
        { name: 'dns-udp', port: 53, protocol: 'UDP' }
      ],
      ...more
    }
  })
  const kubernetes = service('kubernetes', 'default', { clusterIP: '10.96.0.1', ports: [{ name: 'https', port: 443 }] })

  test('as Docker links', () => {
    const variables = serviceVariables(podOf(), [service('my-svc', 'ns'), service('other', 'elsewhere'), kubernetes])
    expect(Object.fromEntries(variables)).toEqual({
      KUBERNETES_SERVICE_HOST: '10.96.0.1',
      KUBERNETES_SERVICE_PORT: '443',
      KUBERNETES_SERVICE_PORT_HTTPS: '443',
      KUBERNETES_PORT: 'tcp://10.96.0.1:443',
      KUBERNETES_PORT_443_TCP: 'tcp://10.96.0.1:443',
      KUBERNETES_PORT_443_TCP_PROTO: 'tcp',
      KUBERNETES_PORT_443_TCP_PORT: '443',
      KUBERNETES_PORT_443_TCP_ADDR: '10.96.0.1',
      MY_SVC_SERVICE_HOST: '10.96.0.9',
      MY_SVC_SERVICE_PORT: '80',
      MY_SVC_SERVICE_PORT_WEB: '80',
      MY_SVC_SERVICE_PORT_DNS_UDP: '53',
      MY_SVC_PORT: 'tcp://10.96.0.9:80',
      MY_SVC_PORT_80_TCP: 'tcp://10.96.0.9:80',
      MY_SVC_PORT_80_TCP_PROTO: 'tcp',
      MY_SVC_PORT_80_TCP_PORT: '80',
      MY_SVC_PORT_80_TCP_ADDR: '10.96.0.9',
      MY_SVC_PORT_53_UDP: 'udp://10.96.0.9:53',
      MY_SVC_PORT_53_UDP_PROTO: 'udp',
      MY_SVC_PORT_53_UDP_PORT: '53',
      MY_SVC_PORT_53_UDP_ADDR: '10.96.0.9'
    })
  })

  test('headless ones and unwanted links are left out', () => {
    expect(serviceVariables(podOf(), [service('h', 'ns', { clusterIP: 'None' })]).size).toBe(0)
    const names = [...serviceVariables(pod, [service('a', 'ns'), kubernetes]).keys()]
    expect(names.every((name) => name.startsWith('KUBERNETES'))).toBe(true)
  })
})
