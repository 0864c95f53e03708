import { podRequests } from '../core/kinds/pod-resources.ts'
import type { Container, Pod, PodSpec } from '../core/kinds/types.ts'
import { admit, judgeResize } from './admission.ts'
import { container, podOf } from './pod/fixture.ts'

const cpu = (amount: string, more: Partial<Container> = {}) =>
  container('c', { resources: { requests: { cpu: amount } }, ...more })
const port = (hostPort: number, more: object = {}) =>
  container('c', { ports: [{ containerPort: 80, hostPort, ...more }] })
const node = (others: Pod[] = []) => ({
  allocatable: { cpu: '2', memory: '1Gi', pods: '3', 'x.com/chip': '1' },
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
const gpu = (amount: string) => container('c', { resources: { requests: { 'x.com/chip': amount } } })
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
    'resources of the cluster, not of the node',
    { containers: [container('c', { resources: { requests: { 'x.com/gpu': '1' } } })] },
    [],
    undefined
  ],
  ['too much of a known one', { containers: [gpu('2')] }, [], 'OutOfx.com/chip'],
  ['what the whole pod asks for', { resources: { requests: { cpu: '3' } } }, [], 'OutOfcpu'],
  ['another system', { os: { name: 'windows' } }, [], 'PodOSNotSupported'],
  ['this system', { os: { name: 'linux' } }, [], undefined],
  [
    'strict groups',
    { securityContext: { supplementalGroupsPolicy: 'Strict' } },
    [],
    'SupplementalGroupsPolicyNotSupported'
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
  const total = (spec: Partial<PodSpec>) => (podRequests(podOf(spec)).cpu ?? 0) / 1000
  const side = cpu('1', { restartPolicy: 'Always' })
  expect(total({ containers: [cpu('2'), cpu('1')], initContainers: [cpu('5'), cpu('4')] })).toBe(5)
  expect(total({ containers: [cpu('2')], initContainers: [side, cpu('4')] })).toBe(5)
  expect(total({ containers: [cpu('2')], initContainers: [cpu('2'), side] })).toBe(3)
  expect(total({ containers: [cpu('2')], overhead: { cpu: '250m' } })).toBe(2.25)
})

test.each<[string, Partial<PodSpec>, string | undefined]>([
  ['net.ipv4.tcp_rmem', {}, undefined],
  ['net/ipv4/tcp_rmem', {}, undefined],
  ['net.ipv4.tcp_rmem', { hostNetwork: true }, '"net.ipv4.tcp_rmem" not allowed with host Net enabled'],
  ['kernel.shm_rmid_forced', { hostNetwork: true }, undefined],
  ['kernel.shm_rmid_forced', { hostIPC: true }, '"kernel.shm_rmid_forced" not allowed with host IPC enabled'],
  ['kernel.msgmax', {}, '"kernel.msgmax" not allowlisted']
])('the sysctl %s, %j', (name, spec, problem) => {
  const pod = podOf({ ...spec, securityContext: { sysctls: [{ name, value: '1' }] } })
  const expected =
    problem === undefined ? undefined : { reason: 'SysctlForbidden', message: `forbidden sysctl: ${problem}` }
  expect(admit(pod, node())).toEqual(expected)
})

test.each<[string, object[], boolean]>([
  ['none', [], false],
  ['another key', [{ key: 'b', operator: 'Exists' }], false],
  ['the key', [{ key: 'a', operator: 'Exists' }], true],
  ['another value', [{ key: 'a', value: 'w' }], false],
  ['the value', [{ key: 'a', operator: 'Equal', value: 'v', effect: 'NoExecute' }], true],
  ['another effect', [{ key: 'a', operator: 'Exists', effect: 'NoSchedule' }], false],
  ['everything', [{ operator: 'Exists' }], true]
])('a taint that ends pods, tolerated by %s', (_, tolerations, fits) => {
  const taints = [
    { key: 'a', value: 'v', effect: 'NoExecute' },
    { key: 'n', effect: 'NoSchedule' }
  ]
  const pod = podOf({ tolerations: tolerations as NonNullable<PodSpec['tolerations']> })
  expect(admit(pod, { ...node(), taints })?.reason).toBe(fits ? undefined : 'TaintToleration')
})

test.each<[string, string, Pod[], object | undefined]>([
  ['fits', '2', [], undefined],
  ['fits when others end', '1', [podOf({ containers: [cpu('1500m')] })], { reason: 'Deferred' }],
  [
    'never',
    '3',
    [],
    { reason: 'Infeasible', message: "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000" }
  ]
])('a resize that %s', (_, amount, others, verdict) => {
  const judged = judgeResize(podOf({ containers: [cpu(amount)] }), node(others))
  if (verdict === undefined) expect(judged).toBeUndefined()
  else expect(judged).toMatchObject(verdict)
})
