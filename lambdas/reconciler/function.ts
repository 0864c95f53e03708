/**
 * The controllers where each invocation may be another process: it is given changes, timers or a minute's tick, runs
 * the controllers until nothing is left to do now, and hands what is to be done later to the queue of timers. Whoever
 * called it may forget what it brought once it resolves; if it rejects, or is killed, the same is brought again.
 */
import type { Client } from '../../core/client.ts'
import { ApiError } from '../../core/errors.ts'
import { createEventRecorder, type EventRecorder } from '../../core/events.ts'
import type { Change } from '../../core/feed.ts'
import type { Leases } from '../../core/leases.ts'
import { type Ports, sleep } from '../../core/ports.ts'
import type { Controller, ReconcilerConfig } from './controller.ts'
import { type DeadKey, deadLetterBody } from './dead-letters.ts'
import { QueueTimers, type TimerQueue } from './queue-timers.ts'
import { createReconciler, loopName, type Reconciler } from './reconciler.ts'

export interface FunctionOptions {
  readonly clients: (controllerName: string) => Client
  readonly reader: Client
  readonly ports: Ports
  readonly config: ReconcilerConfig
  readonly controllers: () => readonly Controller[]
  /** What happened at these numbers of a resource: none, where it is kept no more. */
  readonly changes: (resource: string, versions: readonly number[]) => Promise<readonly Change[]>
  readonly leases: Leases
  readonly timers: TimerQueue
  readonly dead: TimerQueue
  /** Of the code: when it is new, everything is looked at. */
  readonly version: string
  /** Whether there is nothing that a minute's passing could matter to. Default: there may be. */
  readonly rests?: () => Promise<boolean>
  /** Something did not end in time. What this process holds may wait for it for ever: it should not be used again. */
  readonly stuck?: () => void
}

export interface Invocation {
  /** Milliseconds until the function is killed. */
  remainingMs(): number
}

/** A record of the log that the stream told of. */
export interface LogNumber {
  readonly resource: string
  readonly version: number
}

export interface Delivered {
  readonly body: string
  /** How often it was delivered so far, this time included. */
  readonly receives: number
}

export interface ReconcilerFunction {
  stream(numbers: readonly LogNumber[], invocation: Invocation): Promise<void>
  timers(messages: readonly Delivered[], invocation: Invocation): Promise<void>
  tick(invocation: Invocation): Promise<void>
}

/** So long before its end an invocation begins nothing new, in milliseconds; runs end meanwhile. */
const LEAVE_MS = 12_000
/** So long before its end it waits for nothing but the queue, in milliseconds. */
const ABANDON_MS = 5_000
/** Events are written beside the work, and not waited for longer, in milliseconds: they are for people. */
const EVENTS_MS = 2_000

/** Whoever looks at everything has so long to do it; then another may. */
const LOOKING_MS = 300_000
/** The stream keeps what was missed for a day: so often everything is looked at, whatever was lost. */
const LOOK_EVERY_MS = 86_400_000

/** Kept by a warm process. */
interface Memory {
  readonly recorders: Map<string, EventRecorder>
  /** Milliseconds since 1970: nobody needs to look at everything before. */
  nextLook: number
}

interface Running {
  readonly reconciler: Reconciler
  readonly timers: QueueTimers
}

export function createReconcilerFunction(options: FunctionOptions): ReconcilerFunction {
  const memory: Memory = { recorders: new Map(), nextLook: 0 }
  const invoke = (invocation: Invocation, begin: (running: Running) => Promise<void>) =>
    runInvocation({ options, memory, invocation }, begin)
  return {
    stream: (numbers, invocation) => invoke(invocation, async ({ reconciler }) => hear(numbers, reconciler, options)),
    timers: (messages, invocation) => {
      const { alone, others } = suspects(messages)
      return invoke(invocation, async ({ timers }) => {
        for (const { body, receives } of others) timers.pass(body, receives > 1 ? 1 : 0)
        if (others.length > 0) await timers.send()
        for (const { body } of alone) timers.receive(body)
      })
    },
    tick: async (invocation) => {
      const look = await looksNow(options, memory)
      if (look === undefined && (await options.rests?.()) === true) return
      await invoke(invocation, async ({ reconciler }) => {
        if (look !== undefined) reconciler.look()
        await reconciler.tick()
      })
      await look?.done()
    }
  }
}

interface InvocationParts {
  readonly options: FunctionOptions
  readonly memory: Memory
  readonly invocation: Invocation
}

async function runInvocation(
  { options, memory, invocation }: InvocationParts,
  begin: (running: Running) => Promise<void>
): Promise<void> {
  const { ports } = options
  const { clock, log } = ports
  const gate = { open: true }
  const dead: Promise<void>[] = []
  const timers = new QueueTimers({ clock, log, queue: options.timers })
  const reconciler = openReconciler({ options, memory, gate, timers, dead })
  const [leaving, over] = [new AbortController(), new AbortController()]
  const remaining = invocation.remainingMs()
  const alarms = [
    clock.after(remaining - LEAVE_MS, () => {
      leaving.abort()
      timers.leave()
      reconciler.leave()
    }),
    clock.after(remaining - ABANDON_MS, () => over.abort())
  ]
  try {
    let begun = false
    const work = begin({ reconciler, timers }).then(async () => {
      begun = true
      await drain(reconciler, timers, leaving.signal)
    })
    await Promise.race([work, aborted(over.signal)])
    if (over.signal.aborted) options.stuck?.()
    const known = !over.signal.aborted || (reconciler.abandon() && begun)
    const flushed = Promise.all([...memory.recorders.values()].map((recorder) => recorder.flush()))
    const waited = new AbortController()
    await Promise.race([flushed, sleep(clock, EVENTS_MS, waited.signal)])
    waited.abort()
    await Promise.all(dead)
    await timers.flush()
    if (!known) throw new ApiError('Timeout', 'it was not found out in time whom the changes concern')
  } finally {
    gate.open = false
    for (const alarm of alarms) alarm.cancel()
    void reconciler.stop()
  }
}

/** Until no controller has anything to do now, or within a moment that is worth waiting for. */
async function drain(reconciler: Reconciler, timers: QueueTimers, leaving: AbortSignal): Promise<void> {
  for (;;) {
    await reconciler.idle()
    if (leaving.aborted || !timers.waits()) return
    await timers.delivered()
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

interface OpenParts extends Omit<InvocationParts, 'invocation'> {
  /** What is still under way when the invocation ends may go on in another one, and must not act then. */
  readonly gate: { readonly open: boolean }
  readonly timers: QueueTimers
  readonly dead: Promise<void>[]
}

function openReconciler({ options, memory, gate, timers, dead }: OpenParts): Reconciler {
  const { ports, leases, changes } = options
  const check = () => {
    if (!gate.open) throw new ApiError('ServiceUnavailable', 'the invocation is over')
  }
  return createReconciler({
    clients: (name) => options.clients(name).guarded(check),
    reader: options.reader.guarded(check),
    ports,
    config: options.config,
    controllers: options.controllers(),
    shared: {
      timers: timers.forLoop,
      leases,
      recorder: (controller) => recorderOf(controller, options, memory),
      changes: (resource, version) => changes(resource, [version]),
      giveUp: (controller, { key, failures, error }) => {
        const letter: DeadKey = { controller, key, failures, error: String(error), at: ports.clock.now() }
        ports.log.error(letter, 'given up')
        const sent = options.dead.send([{ body: deadLetterBody(letter), delaySeconds: 0 }])
        sent.catch(() => {})
        dead.push(sent)
      }
    }
  })
}

function recorderOf(controller: Controller, { clients, ports }: FunctionOptions, { recorders }: Memory): EventRecorder {
  const component = loopName(controller)
  const known = recorders.get(component)
  if (known !== undefined) return known
  const made = createEventRecorder({ client: clients(controller.name), component, ports })
  recorders.set(component, made)
  return made
}

/** Reads what the stream told of. A record that cannot be read is left to timers: the stream must not wait for it. */
async function hear(numbers: readonly LogNumber[], reconciler: Reconciler, options: FunctionOptions): Promise<void> {
  const byResource = Map.groupBy(numbers, ({ resource }) => resource)
  const heard = await Promise.all(
    Array.from(byResource, async ([resource, some]) => {
      const versions = some.map(({ version }) => version)
      try {
        return await options.changes(resource, versions)
      } catch (error) {
        options.ports.log.warn({ resource, error: String(error) }, 'changes could not be read together')
        return await oneByOne(resource, versions, { reconciler, options })
      }
    })
  )
  reconciler.ring(heard.flat())
}

async function oneByOne(
  resource: string,
  versions: readonly number[],
  { reconciler, options }: { readonly reconciler: Reconciler; readonly options: FunctionOptions }
): Promise<readonly Change[]> {
  const changes: Change[] = []
  for (const version of new Set(versions)) {
    try {
      changes.push(...(await options.changes(resource, [version])))
    } catch (error) {
      reconciler.unheard({ resource, version }, error)
    }
  }
  return changes
}

/**
 * A message that comes back has lost its function: one such is run alone, so that what kills functions takes no other
 * with it into the dead-letter queue. The others go round once more, first.
 */
function suspects(messages: readonly Delivered[]): {
  readonly alone: readonly Delivered[]
  readonly others: readonly Delivered[]
} {
  const suspect = messages.find(({ receives }) => receives > 1)
  if (suspect === undefined) return { alone: messages, others: [] }
  return { alone: [suspect], others: messages.filter((message) => message !== suspect) }
}

/** Whether everything is to be looked at, which one process does when the code is new and then each day. */
async function looksNow(
  { leases, ports, version }: FunctionOptions,
  memory: Memory
): Promise<{ done(): Promise<void> } | undefined> {
  const now = ports.clock.now()
  if (now < memory.nextLook) return undefined
  const [name, holder] = [`look ${version}`, ports.ids.uid()]
  memory.nextLook = now + LOOKING_MS
  if (!(await leases.take(name, { holder, ttlMs: LOOKING_MS }))) return undefined
  return {
    done: async () => {
      if (await leases.take(name, { holder, ttlMs: LOOK_EVERY_MS })) memory.nextLook = now + LOOK_EVERY_MS
    }
  }
}
