import { shortages } from '../../../core/ledger.ts'
import { assumedOf, type NodeInfo } from '../snapshot.ts'
import { type FilterPlugin, MAX_SCORE, type ScorePlugin } from './plugin.ts'

/** Filters by what is free, and scores the emptier node higher (LeastAllocated over cpu and memory). */
export const nodeResourcesFit: FilterPlugin & ScorePlugin = {
  name: 'NodeResourcesFit',
  weight: 1,
  wakers: ['node', 'room'],
  filter: ({ candidate }) => {
    const { requests } = candidate.pod
    return ({ node, requested, pods }) => {
      const missing = shortages({ allocatable: node.allocatable ?? {}, requested, pods: pods.size }, requests)
      if (missing.length === 0) return undefined
      return { reasons: missing.map(({ reason }) => reason), hopeless: missing.some(({ hopeless }) => hopeless) }
    }
  },
  score: ({ candidate }, nodes) => {
    const wanted = assumedOf(candidate.pod.requests)
    return nodes.map((info) => {
      const shares = [free(info, 'cpu', wanted.cpu), free(info, 'memory', wanted.memory)]
      const known = shares.filter((share) => share !== undefined)
      return known.length === 0 ? 0 : Math.floor(known.reduce((sum, share) => sum + share, 0) / known.length)
    })
  }
}

/** 0 to 100 of what is left with the pod there; undefined where the node has none of the resource. */
function free({ node, assumed }: NodeInfo, resource: 'cpu' | 'memory', wanted: number): number | undefined {
  const has = node.allocatable?.[resource] ?? 0
  if (has === 0) return undefined
  const left = has - assumed[resource] - wanted
  return left <= 0 ? 0 : Math.floor((left * MAX_SCORE) / has)
}

/** Prefers nodes whose cpu and memory are taken to like shares. Pods without requests change no share. */
export const balancedAllocation: ScorePlugin = {
  name: 'NodeResourcesBalancedAllocation',
  weight: 1,
  score: ({ candidate }, nodes) => {
    const { cpu = 0, memory = 0 } = candidate.pod.requests
    if (cpu === 0 && memory === 0) return undefined
    return nodes.map(({ node, requested }) => {
      const shares = [
        share((requested.cpu ?? 0) + cpu, node.allocatable?.cpu),
        share((requested.memory ?? 0) + memory, node.allocatable?.memory)
      ].filter((one) => one !== undefined)
      const [a = 0, b = a] = shares
      // The standard deviation of two values is half their distance.
      return Math.floor((1 - Math.abs(a - b) / 2) * MAX_SCORE)
    })
  }
}

function share(taken: number, has = 0): number | undefined {
  return has === 0 ? undefined : Math.min(1, taken / has)
}
