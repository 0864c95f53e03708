/** What a pod asks of its node: the scheduler books it, quotas and quality of service count it. */
import { type Quantity as Amount, addQuantity, compareQuantity, parseQuantity } from '../quantity.ts'
import { isPodLevelResource } from './resource-rules.ts'
import type { Container, Pod, PodSpec } from './types.ts'

type Amounts = Map<string, Amount>

/** CPU in thousandths of a core; memory, storage and huge pages in bytes; anything else in pieces. */
export type PodRequests = Readonly<Record<string, number>>

const UNIT = 1_000_000_000n
const MILLI = 1_000_000n

/**
 * All that the pod requests: the larger of what its containers need together and what its initialisation needs at its
 * worst moment (sidecars run through both), or what is set for the whole pod; and the overhead of its runtime.
 */
export function podRequests(pod: Pick<Pod, 'spec'>): PodRequests {
  return numbers(total(pod.spec, 'requests'))
}

/** As podRequests, of limits. A resource that some container does not limit counts with the others' limits only. */
export function podLimits(pod: Pick<Pod, 'spec'>): PodRequests {
  return numbers(total(pod.spec, 'limits'))
}

/** What the containers request together, without what is set for the whole pod. */
export function aggregateRequests(spec: PodSpec): ReadonlyMap<string, Amount> {
  return aggregate(spec, 'requests')
}

/** The same with their units and formats, as quotas add them up. */
export function podTotals(spec: PodSpec | undefined, which: 'requests' | 'limits'): ReadonlyMap<string, Amount> {
  return total(spec, which)
}

function total(spec: PodSpec | undefined, which: 'requests' | 'limits'): Amounts {
  if (spec === undefined) return new Map()
  const sum = aggregate(spec, which)
  const ofPod = spec.resources?.[which]
  for (const name in ofPod) {
    const value = ofPod[name]
    if (value !== undefined && isPodLevelResource(name)) sum.set(name, parseQuantity(value))
  }
  if (spec.overhead !== undefined && (which === 'requests' || sum.size > 0))
    for (const name in spec.overhead)
      if (which === 'requests' || sum.has(name)) addTo(sum, name, parseQuantity(spec.overhead[name] ?? 0))
  return sum
}

function aggregate(spec: PodSpec, which: 'requests' | 'limits'): Amounts {
  const sum: Amounts = new Map()
  for (const container of spec.containers ?? []) addAll(sum, amountsOf(container, which))
  if (spec.initContainers === undefined) return sum
  const sidecars: Amounts = new Map()
  const worst: Amounts = new Map()
  for (const container of spec.initContainers) {
    const own = amountsOf(container, which)
    if (container.restartPolicy === 'Always') {
      addAll(sum, own)
      addAll(sidecars, own)
      raiseTo(worst, sidecars)
    } else {
      const moment: Amounts = new Map(sidecars)
      addAll(moment, own)
      raiseTo(worst, moment)
    }
  }
  raiseTo(sum, worst)
  return sum
}

function amountsOf({ resources }: Container, which: 'requests' | 'limits'): [string, Amount][] {
  const list = resources?.[which]
  const amounts: [string, Amount][] = []
  for (const name in list) amounts.push([name, parseQuantity(list[name] ?? '0')])
  return amounts
}

function addTo(sum: Amounts, name: string, value: Amount): void {
  const before = sum.get(name)
  sum.set(name, before === undefined ? value : addQuantity(before, value))
}

function addAll(sum: Amounts, more: Iterable<[string, Amount]>): void {
  for (const [name, value] of more) addTo(sum, name, value)
}

function raiseTo(sum: Amounts, least: Amounts): void {
  for (const [name, value] of least) {
    const before = sum.get(name)
    if (before === undefined || compareQuantity(value, before) > 0) sum.set(name, value)
  }
}

function numbers(amounts: Amounts): PodRequests {
  const out: Record<string, number> = {}
  for (const [name, { nano }] of amounts) {
    const unit = name === 'cpu' ? MILLI : UNIT
    out[name] = Number((nano + unit - 1n) / unit)
  }
  return out
}
