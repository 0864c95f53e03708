/**
 * The controllers in one process. A change rings the doorbell; each controller says which of its keys it concerns; a
 * loop per controller reconciles those keys from current state, a few at once, again and later while they fail.
 *
 * On one machine the process lives on (startReconciler). On AWS each invocation is a process as far as this is concerned
 * (function.ts): what it leaves undone goes through timers that are kept elsewhere, and other processes may be at work.
 */
import type { Client } from '../../core/client.ts'
import { isReason } from '../../core/errors.ts'
import { createEventRecorder, type EventRecorder } from '../../core/events.ts'
import type { Change } from '../../core/feed.ts'
import type { Leases } from '../../core/leases.ts'
import { createLoop, type FailingKey, type Loop, persist, type RunResult } from '../../core/loop.ts'
import { loopMeter } from '../../core/loop-meter.ts'
import type { Metrics } from '../../core/metrics.ts'
import type { Ports } from '../../core/ports.ts'
import type { TimersFor } from '../../core/timers.ts'
import type { Controller, ControllerContext, KeyMap, ReconcilerConfig } from './controller.ts'
import { controllers } from './controllers/registry.ts'
import { GIVE_UP_AFTER } from './dead-letters.ts'
import { exclusively } from './exclusive.ts'

export interface ReconcilerOptions {
  /** The client of each controller: its name is its service account in kube-system. */
  readonly clients: (controllerName: string) => Client
  /** The client of the user system:kube-controller-manager, which may list everything. */
  readonly reader: Client
  readonly ports: Ports
  readonly config: ReconcilerConfig
  /** Default: all of the registry. */
  readonly controllers?: readonly Controller[]
  /** Where the controllers' queues are counted. */
  readonly metrics?: Metrics
  /** Set where this process is one of many, and soon gone. */
  readonly shared?: Shared
}

export interface Shared {
  readonly timers: TimersFor
  readonly leases: Leases
  /** Outlives this reconciler: what it knows of earlier events saves writes. */
  readonly recorder: (controller: Controller) => EventRecorder
  /** The changes at this number of a resource: none, where it is kept no more. */
  readonly changes: (resource: string, version: number) => Promise<readonly Change[]>
  readonly giveUp: (loop: string, failing: FailingKey) => void
}

export interface Reconciler {
  ring(changes: readonly Change[]): void
  /** A change that could not be read: whom it may concern tries again later. */
  unheard(at: { readonly resource: string; readonly version: number }, error: unknown): void
  /** Everything that the controllers are responsible for is looked at. */
  look(): void
  /** A minute has passed. Resolves when it is known what there is to do. */
  tick(): Promise<void>
  /** Keys whose last run failed, by controller. */
  failing(): readonly (FailingKey & { readonly controller: string })[]
  /** Resolves when no controller has anything to do now; timers may still be set. */
  idle(): Promise<void>
  stop(): Promise<void>
  /** No further run begins here: see Loop.leave and Loop.abandon. */
  leave(): void
  /** False: it is not known yet whom some changes concern, so they must be told once more. */
  abandon(): boolean
}

/** Must be called once the API answers; controllers begin with a look at everything they are responsible for. */
export function startReconciler(
  options: ReconcilerOptions & {
    /** The change feed; returns the end of the subscription. */
    readonly feed: (listener: (changes: readonly Change[]) => void) => () => void
  }
): Reconciler {
  const reconciler = createReconciler(options)
  const unsubscribe = options.feed((changes) => reconciler.ring(changes))
  reconciler.look()
  const stop = async () => {
    unsubscribe()
    await reconciler.stop()
  }
  return { ...reconciler, stop }
}

export function createReconciler(options: ReconcilerOptions): Reconciler {
  const running = (options.controllers ?? controllers(options.config)).map((controller) => run(controller, options))
  const every = async (what: (one: Running) => Promise<unknown>) => void (await Promise.all(running.map(what)))
  return {
    ring: (changes) => {
      const byResource = Map.groupBy(changes, (change) => change.resource)
      for (const { ring } of running) ring(changes, byResource)
    },
    unheard: (at, error) => {
      for (const one of running) one.unheard(at, error)
    },
    look: () => {
      for (const { look } of running) look()
    },
    tick: () => every((one) => one.tick()),
    failing: () => running.flatMap(({ name, loop }) => loop.failing().map((key) => ({ ...key, controller: name }))),
    idle: async () => {
      while (running.some((one) => one.busy())) await every((one) => one.idle())
    },
    stop: () => every((one) => one.stop()),
    leave: () => {
      for (const { loop } of running) loop.leave()
    },
    abandon: () => {
      for (const { loop } of running) loop.abandon()
      return !running.some(({ mapping }) => mapping.size > 0)
    }
  }
}

interface Running {
  readonly name: string
  readonly loop: Loop
  /** Look-ups of keys under way. */
  readonly mapping: ReadonlySet<Promise<unknown>>
  /** Enqueues what the changes concern. */
  ring(changes: readonly Change[], byResource: ReadonlyMap<string, readonly Change[]>): void
  unheard(at: { readonly resource: string; readonly version: number }, error: unknown): void
  look(): void
  tick(): Promise<void>
  busy(): boolean
  idle(): Promise<void>
  stop(): Promise<void>
}

/** Before a resource and a number: a key that stands for a change whose keys could not be found. */
const HEARD = ' change '
/** A key that stands for all keys, which could not be found. */
const LOOK = ' everything'

/** Two controllers may share a service account; no two share this. */
export function loopName({ name, component = name }: Controller): string {
  return component
}

function run(controller: Controller, options: ReconcilerOptions): Running {
  const { ports, config, shared } = options
  const client = options.clients(controller.name)
  const name = loopName(controller)
  const events = shared?.recorder(controller) ?? createEventRecorder({ client, component: name, ports })
  const aborter = new AbortController()
  const mapping = new Set<Promise<unknown>>()
  const holder = ports.ids.uid()
  const loop = createLoop({
    name,
    ports,
    workers: controller.workers ?? 5,
    restRatio: shared === undefined ? (controller.restRatio ?? 0) : 0,
    expected: isExpected,
    run: (key) => reconcile(key),
    meter: options.metrics === undefined ? undefined : loopMeter(options.metrics, name),
    ...(shared === undefined ? {} : sharedLoop(shared, name))
  })
  const enqueue = (key: string, delayMs?: number) =>
    delayMs === undefined ? loop.add(key) : loop.addAfter(key, delayMs)
  const context: ControllerContext = { client, reader: options.reader, events, ports, config, enqueue }
  const mapper = createMapper(controller, { context, loop, mapping, persists: shared === undefined, aborter })

  const reconcile = async (key: string): Promise<RunResult | undefined> => {
    if (shared === undefined) return await controller.reconcile(key, context)
    if (key === LOOK || key.startsWith(HEARD)) {
      for (const found of await mapper.again(key, shared)) loop.add(found)
      return undefined
    }
    if (controller.exclusive !== true) return withoutTicks(controller, await controller.reconcile(key, context))
    return await exclusively(
      { leases: shared.leases, ports, holder, signal: aborter.signal },
      `${name} ${key}`,
      async (stillMine) => controller.reconcile(key, { ...context, client: client.guarded(stillMine) })
    )
  }

  return {
    name,
    loop,
    mapping,
    ring: mapper.ring,
    unheard: ({ resource, version }, error) => {
      const { watches } = controller
      if ('*' in watches || resource in watches) loop.fail(heardKey(resource, version), error)
    },
    look: mapper.look,
    tick: async () => {
      try {
        for (const key of (await controller.everyMinute?.(context)) ?? []) loop.add(key)
      } catch (error) {
        ports.log.warn({ controller: name, error: String(error) }, 'the next minute is waited for')
      }
    },
    busy: () => mapping.size > 0 || loop.size() > 0,
    idle: async () => {
      while (mapping.size > 0 || loop.size() > 0) {
        await Promise.all(mapping)
        await loop.idle()
      }
      if (shared === undefined) await events.flush()
    },
    stop: async () => {
      aborter.abort()
      await loop.stop()
    }
  }
}

function sharedLoop({ timers, giveUp }: Shared, name: string) {
  return { timers, giveUp: { after: GIVE_UP_AFTER, tell: (failing: FailingKey) => giveUp(name, failing) } }
}

/** The minute asks for what the run would have waited for. */
function withoutTicks({ everyMinute }: Controller, result: RunResult | undefined): RunResult | undefined {
  return everyMinute === undefined || result?.again === 0 ? result : undefined
}

interface MapperParts {
  readonly context: ControllerContext
  readonly loop: Loop
  readonly mapping: Set<Promise<unknown>>
  /** What cannot be found is looked for in this process until it is; else it becomes a key that failed. */
  readonly persists: boolean
  readonly aborter: AbortController
}

type Find = () => readonly string[] | Promise<readonly string[]>

/** Finds the keys that changes concern. */
function createMapper(controller: Controller, { context, loop, mapping, persists, aborter }: MapperParts) {
  const { watches } = controller
  const addAll = (keys: readonly string[]) => {
    for (const key of keys) loop.add(key)
  }
  const track = (found: Promise<void>) => {
    const tracked: Promise<unknown> = found.finally(() => mapping.delete(tracked))
    mapping.add(tracked)
  }
  const insist = async (find: Find, otherwise: string | undefined, error: unknown) => {
    if (persists || otherwise === undefined)
      addAll((await persist(context.ports, aborter.signal, async () => await find()))?.value ?? [])
    else loop.fail(otherwise, error)
  }

  /** Changes whose keys cannot be found are split until it is known which they are: one must not hold up the others. */
  const split = async (map: KeyMap, changes: readonly Change[], error: unknown): Promise<void> => {
    const [first] = changes
    if (first === undefined) return
    if (changes.length === 1) return await insist(() => map(changes, context), heardKeyOf(first), error)
    const half = Math.ceil(changes.length / 2)
    const halves = [changes.slice(0, half), changes.slice(half)]
    await Promise.all(
      halves.map(async (some) => {
        try {
          addAll(await map(some, context))
        } catch (failure) {
          await split(map, some, failure)
        }
      })
    )
  }

  /** Most maps only read the change: their keys are added at once. The others look something up, and may fail. */
  const map = (how: KeyMap, changes: readonly Change[]): void => {
    try {
      const keys = how(changes, context)
      if (keys instanceof Promise) track(keys.then(addAll).catch((error: unknown) => split(how, changes, error)))
      else addAll(keys)
    } catch (error) {
      track(split(how, changes, error))
    }
  }

  return {
    ring: (changes: readonly Change[], byResource: ReadonlyMap<string, readonly Change[]>): void => {
      for (const [resource, how] of Object.entries(watches)) {
        const concerned = resource === '*' ? changes : byResource.get(resource)
        if (concerned !== undefined) map(how, concerned)
      }
    },
    look: (): void => {
      const find = () => controller.start(context)
      track(persists ? insist(find, undefined, undefined) : find().then(addAll, (error) => loop.fail(LOOK, error)))
    },
    /** What one of the keys stands for that came of a failure. */
    again: async (key: string, { changes }: Shared): Promise<readonly string[]> => {
      if (key === LOOK) return await controller.start(context)
      const [resource = '', version] = key.slice(HEARD.length).split(' ')
      const heard = await changes(resource, Number(version))
      const keys: string[] = []
      for (const [watched, how] of Object.entries(watches))
        if (watched === '*' || watched === resource) keys.push(...(await how(heard, context)))
      return keys
    }
  }
}

function heardKey(resource: string, version: number): string {
  return `${HEARD}${resource} ${version}`
}

function heardKeyOf({ resource, version }: Change): string | undefined {
  return version === undefined ? undefined : heardKey(resource, version)
}

/** Somebody else wrote first, or the namespace is going away: the next try settles it. */
function isExpected(error: unknown): boolean {
  return isReason(error, 'Conflict', 'AlreadyExists', 'NotFound', 'ServiceUnavailable')
}
