/**
 * The scheduler where each invocation may be another process. It remembers no queue: when something happened that may
 * help a pod, all pods that wait are found by an index, and tried. Whoever called it may forget what it brought once it
 * resolves; if it rejects, or is killed, the same is brought again.
 */
import type { Client } from '../../core/client.ts'
import { createEventRecorder, type EventRecorder } from '../../core/events.ts'
import type { Change } from '../../core/feed.ts'
import { pods } from '../../core/kinds/refs.ts'
import type { Pod } from '../../core/kinds/types.ts'
import { LEDGERS, type NodeLedger } from '../../core/ledger.ts'
import { type Ports, sleep } from '../../core/ports.ts'
import { awaitsNode, SCHEDULER_NAME } from './queue.ts'
import { lacksPodsOf, startScheduler } from './scheduler.ts'

export interface SchedulerFunctionOptions {
  /** Of the user system:kube-scheduler. */
  readonly client: Client
  readonly ports: Ports
  /** What happened at these numbers of a resource: none, where it is kept no more. */
  readonly changes: (resource: string, versions: readonly number[]) => Promise<readonly Change[]>
  /** Whether no pod waits for a node. Default: one may. */
  readonly rests?: () => Promise<boolean>
  /** Something did not end in time. What this process holds may wait for it for ever: it should not be used again. */
  readonly stuck?: () => void
}

interface Invocation {
  /** Milliseconds until the function is killed. */
  remainingMs(): number
}

export interface SchedulerFunction {
  stream(numbers: readonly { resource: string; version: number }[], invocation: Invocation): Promise<void>
  tick(invocation: Invocation): Promise<void>
}

/** So long before its end an invocation gives up, in milliseconds. */
const LEAVE_MS = 5_000
/** Events are for people: they are not waited for longer, in milliseconds. */
const EVENTS_MS = 2_000

export function createSchedulerFunction(options: SchedulerFunctionOptions): SchedulerFunction {
  const { client, ports } = options
  const recorder = createEventRecorder({ client, component: 'default-scheduler', ports })
  return {
    stream: async (numbers, invocation) => {
      if (await mayHelp(numbers, options)) await scheduleAll(options, recorder, invocation)
    },
    tick: async (invocation) => {
      if ((await options.rests?.()) !== true) await scheduleAll(options, recorder, invocation)
    }
  }
}

/** Whether a pod waits for its first look, or something happened that pods may have waited for. */
async function mayHelp(
  numbers: readonly { resource: string; version: number }[],
  { changes, ports }: SchedulerFunctionOptions
): Promise<boolean> {
  const byResource = Map.groupBy(numbers, ({ resource }) => resource)
  const answers = await Promise.all(
    Array.from(byResource, async ([resource, some]) => {
      try {
        const versions = some.map(({ version }) => version)
        return (await changes(resource, versions)).some(helps)
      } catch (error) {
        // One that cannot be read must not hold up the others, and a look for nothing costs little.
        ports.log.warn({ resource, error: String(error) }, 'changes could not be read')
        return true
      }
    })
  )
  return answers.includes(true)
}

/** What makes a ledger's change a reason to look: the node itself, room, or a new neighbour for pods with affinity. */
function helps({ resource, type, object, previous }: Change): boolean {
  if (type === 'deleted') return false
  if (resource === 'pods') return awaitsNode(object as Pod)
  if (resource !== LEDGERS) return false
  const [ledger, before] = [object as unknown as NodeLedger, previous as NodeLedger | undefined]
  if (before === undefined || JSON.stringify(ledger.node) !== JSON.stringify(before.node)) return true
  return lacksPodsOf(ledger, before) || lacksPodsOf(before, ledger)
}

async function scheduleAll(
  { client, ports, stuck }: SchedulerFunctionOptions,
  recorder: EventRecorder,
  invocation: Invocation
): Promise<void> {
  const over = new AbortController()
  const alarm = ports.clock.after(invocation.remainingMs() - LEAVE_MS, () => over.abort())
  const gate = { open: true }
  const guarded = client.guarded(() => {
    if (!gate.open) throw new Error('the invocation is over')
  })
  const scheduler = startScheduler({ client: guarded, feed: () => () => {}, ports, recorder, terse: true })
  try {
    const all = await scheduler.settled(over.signal)
    const waited = new AbortController()
    await Promise.race([recorder.flush(), sleep(ports.clock, EVENTS_MS, waited.signal)])
    waited.abort()
    if (over.signal.aborted) stuck?.()
    if (!all) throw new Error('not all pods could be tried in time')
  } finally {
    gate.open = false
    alarm.cancel()
    void scheduler.stop()
  }
}

/** Whether no pod waits for a node, as far as this scheduler is concerned. */
export async function nobodyWaits(client: Client): Promise<boolean> {
  const index = { name: 'pending', value: SCHEDULER_NAME }
  return (await client.list(pods, { index, limit: 1 })).items.length === 0
}
