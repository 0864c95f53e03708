import type { PodSpec, ResourceRequirements } from '../../core/kinds/types.ts'
import { container, podOf } from '../pod/fixture.ts'
import { resourcesOf } from './resources.ts'

const GiB = 1024 ** 3

test.each<[string, ResourceRequirements, PodSpec['resources'], [shares: number, quota: number, memory: number]]>([
  ['nothing', {}, undefined, [2, 0, 0]],
  ['requests', { requests: { cpu: '100m', memory: '1Gi' } }, undefined, [102, 0, 0]],
  ['limits stand in for requests', { limits: { cpu: '500m', memory: '1Gi' } }, undefined, [512, 50_000, GiB]],
  ['both', { requests: { cpu: '1' }, limits: { cpu: '2' } }, undefined, [1024, 200_000, 0]],
  ['the least that the kernel takes', { limits: { cpu: '1m' } }, undefined, [2, 1000, 0]],
  ['the whole pod’s limits', {}, { limits: { cpu: '200m', memory: '1Gi' } }, [204, 20_000, GiB]],
  [
    'its own before the pod’s',
    { limits: { cpu: '100m', memory: '1Gi' } },
    { limits: { cpu: '1', memory: '2Gi' } },
    [102, 10_000, GiB]
  ]
])('%s', (_, resources, ofPod, expected) => {
  const one = container('c', { resources })
  const pod = podOf({ containers: [one], ...(ofPod === undefined ? {} : { resources: ofPod }) })
  const { cpuShares, cpuQuota, memoryLimit } = resourcesOf(pod, one, 4 * GiB)
  expect([cpuShares, cpuQuota, memoryLimit]).toEqual(expected)
})
