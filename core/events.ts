/**
 * Kubernetes Events as the legacy recorder of client-go writes them: the same event again only counts up, many alike
 * are combined, and one object cannot flood the API (client-go tools/record, events_cache.go).
 */
import type { Client } from './client.ts'
import { ApiError, isReason } from './errors.ts'
import { events } from './kinds/refs.ts'
import type { Event, ObjectReference } from './kinds/types.ts'
import type { Resource } from './object.ts'
import { type Ports, sleep, timestamp } from './ports.ts'

export interface EventRecorder {
  /** Returns at once and never throws; what cannot be written is dropped, as in Kubernetes. */
  event(about: Resource | ObjectReference, type: 'Normal' | 'Warning', reason: string, message: string): void
  /** Resolves when all that was recorded so far is written or dropped. */
  flush(): Promise<void>
}

export interface EventRecorderOptions {
  readonly client: Client
  /** source.component: "deployment-controller", "kubelet". */
  readonly component: string
  /** source.host: the node of a node agent. */
  readonly host?: string
  readonly ports: Ports
}

/** Numbers of client-go's EventCorrelator. */
const COMBINE_AFTER = 10
const COMBINE_WITHIN_MS = 600_000
const COMBINED = '(combined from similar events): '
const SPAM_BURST = 25
const SPAM_REFILL_MS = 300_000
const REMEMBERED = 4096
/** Events waiting to be written; more are dropped (client-go's broadcaster holds as many). */
const PENDING_MAX = 1000
const TRIES = 12
const RETRY_MS = 10_000
/** An etcd of Kubernetes keeps the name of an event for so long: a count is not continued on an older one. */
const SERIES_MS = 3_600_000

interface Series {
  name: string
  namespace: string
  first: number
  last: number
  count: number
}

interface Group {
  readonly messages: Set<string>
  last: number
}

interface Bucket {
  tokens: number
  at: number
}

interface Occurrence {
  readonly reference: ObjectReference
  readonly type: string
  readonly reason: string
  readonly message: string
  readonly at: number
}

/** A reference as an Event or a Binding carries it. */
export function referenceTo(object: Resource, fieldPath?: string): ObjectReference {
  const { namespace, name, uid, resourceVersion } = object.metadata
  const reference: ObjectReference = { kind: object.kind, namespace, name, uid, apiVersion: object.apiVersion }
  if (resourceVersion !== undefined) reference.resourceVersion = resourceVersion
  if (namespace === undefined) delete reference.namespace
  if (fieldPath !== undefined) reference.fieldPath = fieldPath
  return reference
}

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { ports } = options
  const correlate = createCorrelator(() => ports.clock.now())
  const pending: Occurrence[] = []
  let draining: Promise<void> | undefined

  const drain = async () => {
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
      await record(options, next, correlate.series(next))
    }
    draining = undefined
  }

  return {
    event(about, type, reason, message) {
      const reference = 'metadata' in about ? referenceTo(about as Resource) : about
      const occurrence = correlate.admit({ reference, type, reason, message, at: ports.clock.now() })
      if (occurrence === undefined || pending.length >= PENDING_MAX) return
      pending.push(occurrence)
      draining ??= drain()
    },
    flush: async () => {
      while (draining !== undefined) await draining
    }
  }
}

/** Decides what becomes of an occurrence: dropped, combined with others, or counted onto an earlier event. */
function createCorrelator(now: () => number) {
  const buckets = new Map<string, Bucket>()
  const groups = new Map<string, Group>()
  const series = new Map<string, Series>()

  const spends = (key: string): boolean => {
    const at = now()
    const bucket = recall(buckets, key, () => ({ tokens: SPAM_BURST, at }))
    bucket.tokens = Math.min(SPAM_BURST, bucket.tokens + (at - bucket.at) / SPAM_REFILL_MS)
    bucket.at = at
    if (bucket.tokens < 1) return false
    bucket.tokens -= 1
    return true
  }

  const combined = (key: string, message: string): string => {
    const at = now()
    const group = recall(groups, key, () => ({ messages: new Set<string>(), last: at }))
    if (at - group.last > COMBINE_WITHIN_MS) group.messages.clear()
    group.last = at
    // The tenth of different messages is the first that is combined.
    if (group.messages.size < COMBINE_AFTER - 1) group.messages.add(message)
    return group.messages.has(message) ? message : `${COMBINED}${message}`
  }

  return {
    admit(occurrence: Occurrence): Occurrence | undefined {
      const object = objectKey(occurrence.reference)
      const group = `${object}|${occurrence.type}|${occurrence.reason}`
      const message = combined(group, occurrence.message)
      return spends(object) ? { ...occurrence, message } : undefined
    },
    /** The event that this occurrence continues; a fresh one has count 0. All combined messages are one series. */
    series(occurrence: Occurrence): Series {
      const { reference, type, reason, message, at } = occurrence
      const text = message.startsWith(COMBINED) ? '' : message
      const key = `${objectKey(reference)}|${reference.fieldPath ?? ''}|${type}|${reason}|${text}`
      const known = recall(series, key, () => fresh(reference, at))
      if (at - known.last > SERIES_MS) Object.assign(known, fresh(reference, at))
      return known
    }
  }
}

/** client-go names an event by its object and the time in nanoseconds; the counter keeps two of one moment apart. */
function fresh(reference: ObjectReference, at: number): Series {
  ticks = (ticks + 1) % 1_000_000
  const hex = (BigInt(at) * 1_000_000n + BigInt(ticks)).toString(16)
  const namespace = reference.namespace === undefined || reference.namespace === '' ? 'default' : reference.namespace
  return { name: `${reference.name ?? ''}.${hex}`, namespace, first: at, last: at, count: 0 }
}

let ticks = 0

async function record(options: EventRecorderOptions, occurrence: Occurrence, series: Series): Promise<void> {
  for (let tried = 1; tried <= TRIES; tried += 1) {
    try {
      await write(options, occurrence, series)
      return
    } catch (error) {
      if (!worthRetrying(error) || tried === TRIES) {
        const fields = { component: options.component, reason: occurrence.reason, error: String(error) }
        options.ports.log.debug(fields, 'an event was not written')
        return
      }
      await sleep(options.ports.clock, RETRY_MS)
    }
  }
}

async function write(options: EventRecorderOptions, occurrence: Occurrence, series: Series): Promise<void> {
  if (series.count > 0) {
    const body = {
      count: series.count + 1,
      lastTimestamp: timestamp(occurrence.at),
      message: occurrence.message
    }
    try {
      await options.client.patch(events, series, { type: 'strategic', body })
      series.count += 1
      series.last = occurrence.at
      return
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
      Object.assign(series, fresh(occurrence.reference, occurrence.at))
    }
  }
  try {
    await options.client.create(events, eventOf(options, occurrence, series))
  } catch (error) {
    if (!isReason(error, 'AlreadyExists')) throw error
    Object.assign(series, fresh(occurrence.reference, occurrence.at))
    await options.client.create(events, eventOf(options, occurrence, series))
  }
  series.count = 1
  series.last = occurrence.at
}

function eventOf(options: EventRecorderOptions, occurrence: Occurrence, series: Series): Event {
  const { component, host } = options
  // What client-go combines has lost its reporter.
  const isCombined = occurrence.message.startsWith(COMBINED)
  return {
    metadata: { name: series.name, namespace: series.namespace },
    involvedObject: occurrence.reference,
    reason: occurrence.reason,
    message: occurrence.message,
    source: host === undefined ? { component } : { component, host },
    firstTimestamp: timestamp(series.first),
    lastTimestamp: timestamp(occurrence.at),
    count: 1,
    type: occurrence.type,
    reportingComponent: isCombined ? '' : component,
    reportingInstance: isCombined ? '' : (host ?? '')
  }
}

function worthRetrying(error: unknown): boolean {
  if (!(error instanceof ApiError)) return true
  return isReason(error, 'ServiceUnavailable', 'Timeout', 'TooManyRequests')
}

function objectKey(reference: ObjectReference): string {
  return `${reference.kind ?? ''}|${reference.namespace ?? ''}|${reference.name ?? ''}|${reference.uid ?? ''}`
}

/** The entry of `key`, newest last; the oldest of too many is forgotten. */
function recall<T>(map: Map<string, T>, key: string, make: () => T): T {
  const value = map.get(key) ?? make()
  map.delete(key)
  map.set(key, value)
  if (map.size > REMEMBERED) {
    const oldest = map.keys().next().value
    if (oldest !== undefined) map.delete(oldest)
  }
  return value
}
