import type { Container, Pod, PodSpec } from '../core/kinds/types.ts'
import { admit, podRequests } from './admission.ts'
import { container, podOf } from './pod/fixture.ts'

const cpu = (amount: string, more: Partial<Container> = {}) =>
  container('c', { resources: { requests: { cpu: amount } }, ...more })
const port = (hostPort: number, more: object = {}) =>
  container('c', { ports: [{ containerPort: 80, hostPort, ...more }] })
const node = (others: Pod[] = []) => ({
  allocatable: { cpu: '2', memory: '1Gi', pods: '3' },
  labels: { zone: 'a', size: '5' },
  nodeName: 'n',
  others
})
const affinity = (key: string, operator: string, values?: string[]): Partial<PodSpec> => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) }] }]
      }
    }
  }
})
const done = (pod: Pod): Pod => ({ ...pod, status: { phase: 'Succeeded' } })

test.each<[string, Partial<PodSpec>, Pod[], string | undefined]>([
  ['fits', { containers: [cpu('2')] }, [], undefined],
  ['too much', { containers: [cpu('2001m')] }, [], 'OutOfcpu'],
  ['too much beside others', { containers: [cpu('1')] }, [podOf({ containers: [cpu('1500m')] })], 'OutOfcpu'],
  [
    'those that have ended do not count',
    { containers: [cpu('1')] },
    [done(podOf({ containers: [cpu('1500m')] }))],
    undefined
  ],
  [
    'unknown resources',
    { containers: [container('c', { resources: { requests: { 'x.com/gpu': '1' } } })] },
    [],
    'OutOfx.com/gpu'
  ],
  ['too many pods', {}, [podOf(), podOf(), podOf()], 'OutOfpods'],
  ['its selector', { nodeSelector: { zone: 'a' } }, [], undefined],
  ['another selector', { nodeSelector: { zone: 'b' } }, [], 'NodeAffinity'],
  ['In', affinity('zone', 'In', ['a', 'b']), [], undefined],
  ['NotIn', affinity('zone', 'NotIn', ['a']), [], 'NodeAffinity'],
  ['Exists', affinity('none', 'Exists'), [], 'NodeAffinity'],
  ['Gt', affinity('size', 'Gt', ['4']), [], undefined],
  ['Lt', affinity('size', 'Lt', ['4']), [], 'NodeAffinity'],
  ['a host port', { containers: [port(80)] }, [podOf({ containers: [port(81)] })], undefined],
  ['a taken one', { containers: [port(80)] }, [podOf({ containers: [port(80)] })], 'NodePorts'],
  [
    'the same of another protocol',
    { containers: [port(80)] },
    [podOf({ containers: [port(80, { protocol: 'UDP' })] })],
    undefined
  ],
  [
    'the same on other addresses',
    { containers: [port(80, { hostIP: '1.1.1.1' })] },
    [podOf({ containers: [port(80, { hostIP: '2.2.2.2' })] })],
    undefined
  ]
])('%s', (_, spec, others, reason) => expect(admit(podOf(spec), node(others))?.reason).toBe(reason))

test('init containers count by their peak, sidecars beside everything', () => {
  const total = (spec: Partial<PodSpec>) => Number(podRequests(podOf(spec)).get('cpu')?.nano ?? 0n) / 1e9
  const side = cpu('1', { restartPolicy: 'Always' })
  expect(total({ containers: [cpu('2'), cpu('1')], initContainers: [cpu('5'), cpu('4')] })).toBe(5)
  expect(total({ containers: [cpu('2')], initContainers: [side, cpu('4')] })).toBe(5)
  expect(total({ containers: [cpu('2')], initContainers: [cpu('2'), side] })).toBe(3)
  expect(total({ containers: [cpu('2')], overhead: { cpu: '250m' } })).toBe(2.25)
})
