/**
 * The controllers in one process. A change rings the doorbell; each controller says which of its keys it concerns; a
 * loop per controller reconciles those keys from current state, a few at once, again and later while they fail.
 */
import type { Client } from '../../core/client.ts'
import { isReason } from '../../core/errors.ts'
import { createEventRecorder, type EventRecorder } from '../../core/events.ts'
import type { Change } from '../../core/feed.ts'
import { createLoop, type FailingKey, type Loop, persist } from '../../core/loop.ts'
import type { Ports } from '../../core/ports.ts'
import type { Controller, ControllerContext, KeyMap, ReconcilerConfig } from './controller.ts'
import { controllers } from './controllers/registry.ts'

export interface ReconcilerOptions {
  /** The client of each controller: its name is its service account in kube-system. */
  readonly clients: (controllerName: string) => Client
  /** The client of the user system:kube-controller-manager, which may list everything. */
  readonly reader: Client
  /** The change feed; returns the end of the subscription. */
  readonly feed: (listener: (changes: readonly Change[]) => void) => () => void
  readonly ports: Ports
  readonly config: ReconcilerConfig
  /** Default: all of the registry. */
  readonly controllers?: readonly Controller[]
}

export interface Reconciler {
  /** Keys whose last run failed, by controller. */
  failing(): readonly (FailingKey & { readonly controller: string })[]
  /** Resolves when no controller has anything to do now; timers may still be set. */
  idle(): Promise<void>
  stop(): Promise<void>
}

/** Must be called once the API answers; controllers begin with a look at everything they are responsible for. */
export function startReconciler(options: ReconcilerOptions): Reconciler {
  const running = (options.controllers ?? controllers(options.config)).map((controller) => run(controller, options))
  const unsubscribe = options.feed((changes) => {
    const byResource = Map.groupBy(changes, (change) => change.resource)
    for (const { ring } of running) ring(changes, byResource)
  })
  for (const { begin } of running) begin()

  return {
    failing: () =>
      running.flatMap(({ controller, loop }) => loop.failing().map((key) => ({ ...key, controller: controller.name }))),
    idle: async () => {
      while (running.some((one) => one.busy())) await Promise.all(running.map((one) => one.idle()))
    },
    stop: async () => {
      unsubscribe()
      await Promise.all(running.map((one) => one.stop()))
    }
  }
}

interface Running {
  readonly controller: Controller
  readonly loop: Loop
  /** Enqueues what the changes concern. */
  ring(changes: readonly Change[], byResource: ReadonlyMap<string, readonly Change[]>): void
  begin(): void
  busy(): boolean
  idle(): Promise<void>
  stop(): Promise<void>
}

function run(controller: Controller, options: ReconcilerOptions): Running {
  const { ports, config } = options
  const client = options.clients(controller.name)
  const events = createEventRecorder({ client, component: controller.component ?? controller.name, ports })
  const aborter = new AbortController()
  /** Look-ups of keys under way. */
  const mapping = new Set<Promise<unknown>>()

  const loop = createLoop({
    name: controller.name,
    ports,
    workers: controller.workers ?? 5,
    restRatio: controller.restRatio ?? 0,
    expected: isExpected,
    run: (key) => controller.reconcile(key, context)
  })
  const enqueue = (key: string, delayMs?: number) =>
    delayMs === undefined ? loop.add(key) : loop.addAfter(key, delayMs)
  const context: ControllerContext = { client, reader: options.reader, events, ports, config, enqueue }

  const addAll = (find: () => readonly string[] | Promise<readonly string[]>) => {
    const found = persist(ports, aborter.signal, async () => await find()).then((result) => {
      mapping.delete(found)
      for (const key of result?.value ?? []) loop.add(key)
    })
    mapping.add(found)
  }

  return {
    controller,
    loop,
    ring: (changes, byResource) => {
      for (const [resource, map] of Object.entries(controller.watches)) {
        const concerned = resource === '*' ? changes : byResource.get(resource)
        if (concerned !== undefined) mapNow(map, concerned, { context, loop, addAll })
      }
    },
    begin: () => addAll(() => controller.start(context)),
    busy: () => mapping.size > 0 || loop.size() > 0,
    idle: () => quiet(mapping, loop, events),
    stop: async () => {
      aborter.abort()
      await loop.stop()
    }
  }
}

/** Most maps only read the change: their keys are added at once. The others look something up, and may have to retry. */
function mapNow(
  map: KeyMap,
  changes: readonly Change[],
  to: { context: ControllerContext; loop: Loop; addAll: (find: () => Promise<readonly string[]>) => void }
): void {
  const keys = map(changes, to.context)
  if (!(keys instanceof Promise)) {
    for (const key of keys) to.loop.add(key)
    return
  }
  let first: Promise<readonly string[]> | undefined = keys
  to.addAll(async () => {
    const result = first ?? map(changes, to.context)
    first = undefined
    return await result
  })
}

async function quiet(mapping: ReadonlySet<Promise<unknown>>, loop: Loop, events: EventRecorder): Promise<void> {
  while (mapping.size > 0 || loop.size() > 0) {
    await Promise.all(mapping)
    await loop.idle()
  }
  await events.flush()
}

/** Somebody else wrote first, or the namespace is going away: the next try settles it. */
function isExpected(error: unknown): boolean {
  return isReason(error, 'Conflict', 'AlreadyExists', 'NotFound', 'ServiceUnavailable')
}
