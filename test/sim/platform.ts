/**
 * The platform of the functions, simulated: time that passes only when nothing can go on, processes that die with all
 * they hold in memory, a stream whose records come late, twice and out of order, a queue with delays and visibility
 * timeouts. What happens depends on the seed alone.
 */
import type { Leases } from '../../core/leases.ts'
import type { Clock, Ports } from '../../core/ports.ts'
import { silentLog } from '../../core/system-ports.ts'
import type { FunctionTriggers } from '../../core/triggers.ts'
import type { TimerQueue } from '../../lambdas/reconciler/queue-timers.ts'
import type { Backend, TransactionItem } from '../../store/backend.ts'
import { MemoryBackend } from '../../store/backends/memory.ts'
import { ManualClock, seeded } from '../contract/store-clock.ts'
import { type Call, intercept, shared } from '../contract/store-faults.ts'

export interface LogNumber {
  readonly resource: string
  readonly version: number
}

/** A process of a function. What it waits for never comes once it has died. */
export interface Process {
  readonly ports: Ports
  readonly backend: Backend
  readonly leases: Leases
  /** Of another's queue: sending is a call as any other. */
  queue(to: Queue): TimerQueue
  readonly died: Promise<void>
  isDead(): boolean
  kill(): void
  /** It is not called any more. */
  retired: boolean
}

export type Fault = 'throw before' | 'throw after' | 'kill before' | 'kill after' | 'stall' | 'hang'
const FAULTS: readonly Fault[] = ['throw before', 'throw after', 'kill before', 'kill after', 'stall', 'hang']

/** Where the platform keeps things: in memory, unless said otherwise. Its time is the simulation's. */
export interface Ground {
  readonly backend: Backend
  readonly leases?: Leases
}

export interface FaultPlan {
  /** Of all calls of functions. */
  readonly rate: number
  /** At most so many. */
  readonly budget: number
  /** Exactly this call, counted from 1, fails so. */
  readonly at?: { readonly call: number; readonly fault: Fault }
  /** Default: memory. */
  readonly on?: (clock: ManualClock) => Ground
}

/** Calls take up to so long, and records up to so long to the stream's readers, in milliseconds: as the seed has it. */
const SLOWEST_MS = [3, 8, 40]
const LATEST_RECORD_MS = [10, 60, 300]
const LONGEST_STALL_MS = 1_500
const DUPLICATES = 0.03

export class Platform {
  readonly clock = new ManualClock()
  readonly random: () => number
  /** Faults that took place, for the report. */
  readonly faults: string[] = []
  calls = 0
  private readonly plan: FaultPlan
  private readonly truth: Backend
  private readonly streams: ((record: LogNumber) => void)[] = []
  private readonly held = new Map<string, { holder: string; until: number }>()
  private readonly leases: Leases
  private readonly slowestMs: number
  private readonly latestRecordMs: number
  private failure: unknown

  constructor(seed: number, plan: FaultPlan) {
    this.random = seeded(seed)
    this.plan = plan
    const ground = plan.on?.(this.clock) ?? { backend: shared(new MemoryBackend()) }
    this.truth = ground.backend
    this.leases = ground.leases ?? { take: async (...of) => this.take(...of), give: async (...of) => this.give(...of) }
    this.slowestMs = SLOWEST_MS[this.pick(SLOWEST_MS.length)] ?? 0
    this.latestRecordMs = LATEST_RECORD_MS[this.pick(LATEST_RECORD_MS.length)] ?? 0
  }

  /** Ends what the ground needs. */
  async close(): Promise<void> {
    await this.truth.close()
  }

  pick(count: number): number {
    return Math.floor(this.random() * count)
  }

  /** `watch` is told of each commit as it takes place. */
  onCommit(watch: (items: readonly TransactionItem[]) => void): void {
    this.commits.push(watch)
  }
  private readonly commits: ((items: readonly TransactionItem[]) => void)[] = []

  spawn(name: string): Process {
    const life = { dead: false }
    const { promise: died, resolve: die } = Promise.withResolvers<void>()
    const kill = () => {
      life.dead = true
      die()
    }
    const call = <T>(what: string, proceed: () => Promise<T>) =>
      this.travel({ life, kill, what: `${name}: ${what}` }, proceed)
    const clock: Clock = {
      now: () => this.clock.now(),
      after: (delayMs, callback) => this.clock.after(whole(delayMs), () => void (life.dead || callback()))
    }
    const uid = () =>
      Math.floor(this.random() * 2 ** 48)
        .toString(16)
        .padStart(12, '0')
    const suffix = (length: number) => uid().slice(-length)
    const backend = intercept(this.truth, ({ method, args, proceed }: Call) =>
      call(`${method} ${String(args[0])}`, async () => await this.record(method, args, proceed))
    )
    const leases: Leases = {
      take: (lease, by) => call(`take ${lease}`, () => this.leases.take(lease, by)),
      give: (lease, holder) => call(`give ${lease}`, () => this.leases.give(lease, holder))
    }
    return {
      ports: { clock, random: { next: this.random }, ids: { uid, suffix }, log: silentLog },
      backend,
      leases,
      queue: (to) => ({ send: (messages) => call(`send ${to.name}`, async () => to.send(messages)) }),
      died,
      isDead: () => life.dead,
      kill,
      retired: false
    }
  }

  /** Every record of the log, late and sometimes twice. */
  subscribe(listener: (record: LogNumber) => void): void {
    this.streams.push(listener)
  }

  /** Time passes until `done`; rejects with the first failure, or when it took longer than `limitMs`. */
  async until(done: () => boolean, limitMs: number, what: () => string): Promise<void> {
    const end = this.clock.now() + limitMs
    while (this.failure === undefined && !done()) {
      for (let turns = 0; turns < 2; turns++) await new Promise((resolve) => setImmediate(resolve))
      await this.clock.free()
      const next = this.clock.untilNext()
      if (next === undefined || this.clock.now() > end) throw new Error(`it never happened: ${what()}`)
      this.clock.advance(Math.max(0, next))
    }
    if (this.failure !== undefined) throw this.failure
  }

  fail(error: unknown): void {
    this.failure ??= error
  }

  private async travel<T>(
    { life, kill, what }: { life: { dead: boolean }; kill: () => void; what: string },
    proceed: () => Promise<T>
  ): Promise<T> {
    const never = new Promise<never>(() => {})
    if (life.dead) return await never
    const fault = this.faultOf(what)
    const stall = fault === 'stall' ? this.random() * LONGEST_STALL_MS : 0
    await this.pause(this.random() * this.slowestMs + stall)
    if (life.dead) return await never
    if (fault === 'kill before') kill()
    if (fault === 'throw before') throw new Error('the call was lost')
    if (life.dead || fault === 'hang') return await never
    const result = await this.clock.hold(proceed)
    if (fault === 'kill after') kill()
    await this.pause(this.random() * this.slowestMs)
    if (life.dead) return await never
    if (fault === 'throw after') throw new Error('the answer was lost')
    return result
  }

  private faultOf(what: string): Fault | undefined {
    this.calls++
    const { rate, budget, at } = this.plan
    let fault: Fault | undefined
    if (at !== undefined && at.call === this.calls) fault = at.fault
    else if (this.random() < rate && this.faults.length < budget) fault = FAULTS[this.pick(FAULTS.length)]
    if (fault !== undefined) this.faults.push(`${fault} ${what} (call ${this.calls})`)
    return fault
  }

  private async pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => this.clock.after(whole(ms), resolve))
  }

  private async record(method: string, args: readonly unknown[], proceed: () => Promise<unknown>): Promise<unknown> {
    const result = await proceed()
    if (method === 'commit' && (result as { ok: boolean }).ok) {
      const items = args[0] as readonly TransactionItem[]
      for (const { resource, record } of items) this.tell({ resource, version: record.version })
      for (const commit of this.commits) commit(items)
    }
    if (method === 'fence' && result === true) this.tell({ resource: String(args[0]), version: Number(args[1]) })
    return result
  }

  private tell(record: LogNumber): void {
    for (const listener of this.streams) {
      const times = this.random() < DUPLICATES ? 2 : 1
      for (let i = 0; i < times; i++) this.clock.after(this.pick(this.latestRecordMs), () => listener(record))
    }
  }

  private take(name: string, { holder, ttlMs }: { holder: string; ttlMs: number }): boolean {
    const now = this.clock.now()
    const held = this.held.get(name)
    if (held !== undefined && held.holder !== holder && held.until > now) return false
    this.held.set(name, { holder, until: now + ttlMs })
    return true
  }

  private give(name: string, holder: string): void {
    if (this.held.get(name)?.holder === holder) this.held.delete(name)
  }
}

interface Message {
  readonly body: string
  visibleAt: number
  receives: number
}

/** SQS: at least once, in no order, after the delay; what is not deleted in time comes again. */
export class Queue {
  readonly name: string
  readonly messages = new Set<Message>()
  private readonly platform: Platform

  constructor(name: string, platform: Platform) {
    this.name = name
    this.platform = platform
  }

  send(messages: readonly { readonly body: string; readonly delaySeconds: number }[]): void {
    for (const { body, delaySeconds } of messages) {
      if (!Number.isInteger(delaySeconds) || delaySeconds < 0 || delaySeconds > 900) throw new Error('no such delay')
      const copies = this.platform.random() < DUPLICATES ? 2 : 1
      for (let i = 0; i < copies; i++)
        this.messages.add({ body, visibleAt: this.platform.clock.now() + delaySeconds * 1000, receives: 0 })
    }
  }

  receive(max: number, visibilityMs: number): readonly Message[] {
    const now = this.platform.clock.now()
    const visible = [...this.messages].filter(({ visibleAt }) => visibleAt <= now)
    const taken = visible.sort(() => this.platform.random() - 0.5).slice(0, max)
    for (const message of taken) {
      message.visibleAt = now + visibilityMs
      message.receives++
    }
    return taken
  }
}

/** How long after a function died the platform calls it again, in milliseconds, at most. */
const RETRY_MS = 1_000
const POLL_MS = 100
/** A warm process is given up now and then. */
const COLD = 0.1

/** What one function is in one process. */
export interface Instance {
  stream(records: readonly LogNumber[], invocation: { remainingMs(): number }): Promise<void>
  timers?(messages: readonly { body: string; receives: number }[], invocation: { remainingMs(): number }): Promise<void>
  tick(invocation: { remainingMs(): number }): Promise<void>
}

interface Warm {
  readonly process: Process
  readonly instance: Instance
}

/** A function with its event sources. */
export class LambdaFunction {
  invocations = 0
  /** Batches of the stream that failed too often. */
  readonly lost: LogNumber[] = []
  private readonly platform: Platform
  private readonly name: string
  private readonly triggers: FunctionTriggers
  private readonly make: (process: Process) => Instance
  private readonly warm: Warm[] = []
  private readonly shards: { readonly records: LogNumber[]; busy: boolean }[]
  private running = 0

  constructor(
    platform: Platform,
    of: {
      name: string
      triggers: FunctionTriggers
      hears: (resource: string) => boolean
      shards: number
      salt: number
    },
    make: (process: Process) => Instance
  ) {
    this.platform = platform
    this.name = of.name
    this.triggers = of.triggers
    this.make = make
    this.shards = Array.from({ length: of.shards }, () => ({ records: [], busy: false }))
    platform.subscribe((record) => {
      if (!of.hears(record.resource)) return
      const shard = this.shards[hash(`${of.salt} ${record.resource}`) % of.shards]
      shard?.records.push(record)
      this.pump()
    })
    this.tickLater()
  }

  isIdle(): boolean {
    return this.running === 0 && this.shards.every(({ records, busy }) => !busy && records.length === 0)
  }

  /** The queue calls the function. What was delivered too often goes to `dead`. */
  drain(queue: Queue, dead: Queue): void {
    const { timers } = this.triggers
    if (timers === undefined) throw new Error('no queue')
    const poll = () => {
      const messages = queue.receive(timers.batchSize, timers.visibilitySeconds * 1000)
      const alive = messages.filter((message) => {
        if (message.receives <= timers.maxReceives) return true
        queue.messages.delete(message)
        dead.send([{ body: message.body, delaySeconds: 0 }])
        return false
      })
      if (alive.length > 0)
        void this.invoke((instance, invocation) => instance.timers?.(alive, invocation) ?? Promise.resolve()).then(
          () => {
            for (const message of alive) queue.messages.delete(message)
          },
          () => {}
        )
      this.platform.clock.after(POLL_MS, poll)
    }
    poll()
  }

  private tickLater(): void {
    this.platform.clock.after(this.triggers.tickMinutes * 60_000, () => {
      this.invoke((instance, invocation) => instance.tick(invocation)).catch(() => {})
      this.tickLater()
    })
  }

  private pump(): void {
    for (const shard of this.shards) {
      if (shard.busy || shard.records.length === 0) continue
      shard.busy = true
      const size = 1 + this.platform.pick(this.triggers.stream.batchSize)
      void this.deliver(shard.records.splice(0, size), this.triggers.stream.retryAttempts).then(() => {
        shard.busy = false
        this.pump()
      })
    }
  }

  /** Until it is taken; halves where it fails, and each half has so many tries more. */
  private async deliver(batch: readonly LogNumber[], tries: number): Promise<void> {
    try {
      await this.invoke((instance, invocation) => instance.stream(batch, invocation))
      if (this.platform.random() < DUPLICATES)
        await this.invoke((instance, invocation) => instance.stream(batch, invocation)).catch(() => {})
    } catch {
      if (tries === 0) {
        this.lost.push(...batch)
        return
      }
      await new Promise<void>((resolve) => this.platform.clock.after(this.platform.pick(RETRY_MS), resolve))
      if (batch.length === 1) return await this.deliver(batch, tries - 1)
      const half = Math.ceil(batch.length / 2)
      await this.deliver(batch.slice(0, half), tries)
      await this.deliver(batch.slice(half), tries)
    }
  }

  /** Rejects where the function throws, dies, or has no time left. */
  private async invoke(
    call: (instance: Instance, invocation: { remainingMs(): number }) => Promise<void>
  ): Promise<void> {
    const { clock } = this.platform
    this.invocations++
    this.running++
    const warm = this.warm.pop() ?? this.cold()
    const end = clock.now() + this.triggers.timeoutSeconds * 1000
    const late = Promise.withResolvers<never>()
    const timeout = clock.after(end - clock.now(), () => late.reject(new Error('timed out')))
    late.promise.catch(() => {})
    try {
      await Promise.race([
        call(warm.instance, { remainingMs: () => end - clock.now() }),
        warm.process.died.then(() => Promise.reject(new Error('killed'))),
        late.promise
      ])
    } catch (error) {
      if (clock.now() >= end) warm.process.kill()
      throw error
    } finally {
      timeout.cancel()
      this.running--
      // A function that threw is still there; one that is frozen for good does nothing more.
      if (this.platform.random() < COLD || warm.process.retired) warm.process.kill()
      if (!warm.process.isDead()) this.warm.push(warm)
    }
  }

  private cold(): Warm {
    const process = this.platform.spawn(this.name)
    return { process, instance: this.make(process) }
  }
}

/** Clocks tell whole milliseconds. */
function whole(ms: number): number {
  return Math.max(0, Math.ceil(ms))
}

function hash(text: string): number {
  let value = 7
  for (const letter of text) value = (value * 31 + letter.charCodeAt(0)) % 1_000_003
  return value
}
