/**
 * The node's own queue, by which it is rung (docs/adr/0006-aws.md): one long poll after the other. Messages are hints,
 * so one that is lost, late or doubled does no harm, and one that nobody understands is removed.
 */
import { type Ports, sleep } from '../../core/ports.ts'

/** SQS, as far as it is needed. Failures are thrown. */
export interface Queue {
  readonly url: string
  /** Waits up to 20 s for messages; then there are none. */
  receive(signal: AbortSignal): Promise<readonly QueueMessage[]>
  remove(messages: readonly QueueMessage[]): Promise<void>
}

export interface QueueMessage {
  readonly id: string
  readonly handle: string
  readonly body: string
}

export interface RelayRing {
  readonly id: string
  /** "/containerLogs/default/web/c?follow=true" */
  readonly path: string
  /** Milliseconds since 1970; nobody reads it after that. */
  readonly until: number
}

export interface QueueListener {
  readonly ports: Ports
  readonly signal: AbortSignal
  /** The store's names of resources that changed. */
  readonly onRing: (resources: readonly string[]) => void
  readonly onRelay: (relay: RelayRing) => void
  /** Rings may have been lost meanwhile. */
  readonly onRecovery: () => void
}

const FIRST_PAUSE_MS = 500
const MAX_PAUSE_MS = 30_000

/** Until `signal` aborts; never rejects. While the queue cannot be read, tries again in growing pauses. */
export async function listenToQueue(queue: Queue, listener: QueueListener): Promise<void> {
  const { ports, signal } = listener
  let failures = 0
  while (!signal.aborted) {
    try {
      const messages = await queue.receive(signal)
      if (failures > 0) listener.onRecovery()
      failures = 0
      if (messages.length === 0) continue
      deliver(messages, listener)
      // What cannot be removed comes again, which does no harm.
      await queue.remove(messages).catch((error: unknown) => {
        ports.log.warn({ error: String(error) }, 'messages could not be removed from the queue')
      })
    } catch (error) {
      if (signal.aborted) return
      ports.log.warn({ error: String(error) }, 'the queue of this node could not be read')
      const pause = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures, 10))
      await sleep(ports.clock, pause * (0.5 + ports.random.next()), signal)
      failures++
    }
  }
}

function deliver(messages: readonly QueueMessage[], { ports, onRing, onRelay }: QueueListener): void {
  const resources = new Set<string>()
  for (const { id, body } of messages) {
    const message = parse(body)
    if (message === undefined) ports.log.warn({ id }, 'a message of the queue was not understood')
    else if ('relay' in message) onRelay(message.relay)
    else for (const resource of message.resources) resources.add(resource)
  }
  if (resources.size > 0) onRing([...resources])
}

function parse(body: string): { resources: readonly string[] } | { relay: RelayRing } | undefined {
  try {
    const { resources, relay } = JSON.parse(body) as { resources?: unknown; relay?: Partial<RelayRing> }
    if (Array.isArray(resources)) return { resources: resources.map(String) }
    const { id, path, until } = relay ?? {}
    if (typeof id !== 'string' || typeof path !== 'string' || typeof until !== 'number') return undefined
    return { relay: { id, path, until } }
  } catch {
    return undefined
  }
}
