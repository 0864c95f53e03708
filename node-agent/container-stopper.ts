/** One container's graceful end: its hook, then SIGTERM, and SIGKILL when the time that both share is over. */
import { hookOf, runHook } from './containers/hooks.ts'
import { type ContainerStop, containerNamed } from './pod/input.ts'
import { resizeMessage } from './pod/resize.ts'
import type { NodeContext } from './pod-tasks.ts'
import type { PodWorker } from './pod-worker.ts'

/** After a hook, a container gets at least this long to react to SIGTERM (kubelet's minimum). */
const LEAST_AFTER_HOOK_MS = 2000

export async function stopContainer(node: NodeContext, worker: PodWorker, stop: ContainerStop): Promise<void> {
  const { stopping } = worker.busy
  const overtaking = stopping.has(stop.id)
  stopping.set(stop.id, stop.until)
  const container = containerNamed(worker.pod, stop.name)
  try {
    if (stop.replace === true) worker.replaced.add(stop.id)
    if (stop.resize === true) {
      worker.resizing.add(stop.name)
      worker.event(undefined, 'Normal', { reason: 'ResizeStarted', message: resizeMessage(worker.pod, 'started') })
    }
    if (!overtaking) worker.event(container, 'Normal', { reason: 'Killing', message: stop.message })
    const hook = container === undefined || overtaking ? undefined : hookOf(container, 'preStop')
    let least = 0
    if (hook !== undefined && container !== undefined && stop.until > node.ports.clock.now()) {
      await preStop(node, worker, { stop, container, hook })
      least = LEAST_AFTER_HOOK_MS
    }
    const left = Math.max(least, (stopping.get(stop.id) ?? stop.until) - node.ports.clock.now(), 0)
    await node.runtime.stopContainer(stop.id, left / 1000)
  } finally {
    if (stopping.get(stop.id) === stop.until) stopping.delete(stop.id)
  }
}

async function preStop(
  node: NodeContext,
  worker: PodWorker,
  what: {
    readonly stop: ContainerStop
    readonly container: Parameters<typeof hookOf>[0]
    readonly hook: NonNullable<ReturnType<typeof hookOf>>
  }
): Promise<void> {
  const { stop, container, hook } = what
  const { runtime, ports } = node
  const left = stop.until - ports.clock.now()
  const over = new AbortController()
  const timer = ports.clock.after(left, () => over.abort())
  const target = { runtime, ports, container, containerId: stop.id, podIP: worker.status.podIP ?? '' }
  const aborted = new Promise<string>((resolve) =>
    over.signal.addEventListener('abort', () => resolve('the grace period is over'), { once: true })
  )
  const problem = await Promise.race([runHook(target, hook, { timeoutMs: left, signal: over.signal }), aborted])
  timer.cancel()
  if (problem !== undefined) {
    worker.event(container, 'Warning', { reason: 'FailedPreStopHook', message: 'PreStopHook failed' })
  }
}
