/** /stats/summary: what the containers of the node use. */
import type { Pod } from '../core/kinds/types.ts'
import { type Ports, timestamp } from '../core/ports.ts'
import type { Runtime } from './runtime/runtime.ts'

export interface StatsSource {
  readonly nodeName: string
  readonly runtime: Runtime
  readonly ports: Ports
  readonly pods: () => readonly Pod[]
}

export async function summaryOf(source: StatsSource): Promise<object> {
  const time = timestamp(source.ports.clock.now())
  const usage = await source.runtime.usage()
  const pods = source.pods().map((pod) => {
    const { name, namespace, uid, creationTimestamp } = pod.metadata
    const own = usage.filter((one) => one.podUid === uid)
    const containers = own.map((one) => ({ name: one.name, ...amounts(time, one) }))
    return { podRef: { name, namespace, uid }, startTime: creationTimestamp, containers, ...amounts(time, sum(own)) }
  })
  return { node: { nodeName: source.nodeName, ...amounts(time, sum(usage)) }, pods }
}

interface Amounts {
  readonly cpuNanoSeconds: number
  readonly workingSetBytes: number
  readonly usageBytes: number
  readonly rssBytes: number
}

function sum(all: readonly Amounts[]): Amounts {
  const add = (of: (one: Amounts) => number) => all.reduce((total, one) => total + of(one), 0)
  return {
    cpuNanoSeconds: add((one) => one.cpuNanoSeconds),
    workingSetBytes: add((one) => one.workingSetBytes),
    usageBytes: add((one) => one.usageBytes),
    rssBytes: add((one) => one.rssBytes)
  }
}

function amounts(time: string, used: Amounts): object {
  return {
    cpu: { time, usageCoreNanoSeconds: used.cpuNanoSeconds },
    memory: { time, usageBytes: used.usageBytes, workingSetBytes: used.workingSetBytes, rssBytes: used.rssBytes }
  }
}
