/** A pod's quality of service: who is killed first when a node runs out of memory. */
import { type Quantity as Amount, addQuantity, compareQuantity, parseQuantity } from '../quantity.ts'
import type { Pod, Quantity, ResourceRequirements } from './types.ts'

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort'

const RESOURCES = ['cpu', 'memory'] as const
type Sums = { cpu?: Amount; memory?: Amount }

/** From CPU and memory of the pod itself where it sets them, else of its containers, init containers included. */
export function qosClass(pod: Pick<Pod, 'spec'>): QosClass {
  const { spec } = pod
  if (spec === undefined) return 'BestEffort'
  const requests: Sums = {}
  const limits: Sums = {}
  let allLimited = true
  const count = ({ requests: asked, limits: most }: ResourceRequirements) => {
    add(requests, asked)
    const limited = add(limits, most)
    if (limited < RESOURCES.length) allLimited = false
  }
  if (spec.resources !== undefined) count(spec.resources)
  else {
    for (const { resources } of spec.containers ?? []) count(resources ?? {})
    for (const { resources } of spec.initContainers ?? []) count(resources ?? {})
  }
  const asked = RESOURCES.filter((name) => requests[name] !== undefined)
  const limited = RESOURCES.filter((name) => limits[name] !== undefined)
  if (asked.length === 0 && limited.length === 0) return 'BestEffort'
  const equal = asked.every((name) => {
    const [request, limit] = [requests[name], limits[name]]
    return request !== undefined && limit !== undefined && compareQuantity(request, limit) === 0
  })
  return allLimited && equal && asked.length === limited.length ? 'Guaranteed' : 'Burstable'
}

/** Answers with how many of the two were above zero. */
function add(sums: Sums, list: Readonly<Record<string, Quantity>> | undefined): number {
  if (list === undefined) return 0
  let positive = 0
  for (const name of RESOURCES) {
    const text = list[name]
    if (text === undefined) continue
    const value = parseQuantity(text)
    if (value.nano <= 0n) continue
    positive++
    const before = sums[name]
    sums[name] = before === undefined ? value : addQuantity(before, value)
  }
  return positive
}
