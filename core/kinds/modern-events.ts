/** events.k8s.io/v1: the events of the core group under other names, and stored as those. */
import type { FieldError } from '../errors.ts'
import { invalid, required } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import { validateMetadata } from '../validate-metadata.ts'
import { IMMUTABLE, sameValue } from './checks.ts'
import { checkEvent, eventCells } from './events.ts'
import { goStruct } from './go-structs.ts'
import type { Kind } from './kind.ts'
import { row } from './row.ts'
import type { Event, EventsEvent } from './types.ts'

const asEvent = (object: KubeObject) => object as unknown as EventsEvent
const asCore = (object: KubeObject) => object as unknown as Event

/** Names here, and in the core group. */
const RENAMED = [
  ['regarding', 'involvedObject'],
  ['note', 'message'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
  ['reportingController', 'reportingComponent']
] as const
const TO_CORE = new Map<string, string>(RENAMED)
const FROM_CORE = new Map<string, string>(RENAMED.map(([here, there]) => [there, here]))

function renamed(object: KubeObject, names: ReadonlyMap<string, string>, apiVersion: string): KubeObject {
  const out: KubeObject = { kind: 'Event', apiVersion, metadata: { ...object.metadata } }
  for (const [field, value] of Object.entries(object))
    if (field !== 'kind' && field !== 'apiVersion' && field !== 'metadata' && value !== undefined)
      out[names.get(field) ?? field] = value
  return out
}

function toCore(object: KubeObject): KubeObject {
  const event = renamed(object, TO_CORE, 'v1')
  for (const field of ['reportingComponent', 'reportingInstance']) event[field] ??= ''
  return event
}

function fromCore(object: KubeObject): KubeObject {
  const event = renamed(object, FROM_CORE, 'events.k8s.io/v1')
  for (const field of ['reportingController', 'reportingInstance']) if (event[field] === '') delete event[field]
  return event
}

function checkSeries({ series }: EventsEvent): FieldError[] {
  if (series === undefined) return []
  return [
    ...(series.count < 2 ? [invalid('series.count', '', 'should be at least 2')] : []),
    ...(series.lastObservedTime ? [] : [required('series.lastObservedTime')])
  ]
}

function validateCreation(object: KubeObject): FieldError[] {
  const event = asEvent(object)
  const errors = [...validateMetadata(modernEvents, object), ...checkSeries(event)]
  const unset = (field: string) => void errors.push(invalid(field, '', 'needs to be unset'))
  if (!event.eventTime) errors.push(required('eventTime'))
  if (event.type !== 'Normal' && event.type !== 'Warning')
    errors.push(invalid('type', '', `has invalid value: ${event.type ?? ''}`))
  if (event.deprecatedFirstTimestamp) unset('firstTimestamp')
  if (event.deprecatedLastTimestamp) unset('lastTimestamp')
  if (event.deprecatedCount) unset('count')
  if (event.deprecatedSource?.component || event.deprecatedSource?.host) unset('source')
  return errors
}

/** In the order in which Kubernetes compares them; reason twice, as there. */
const KEPT: readonly (readonly [keyof Event, string, string?])[] = [
  ['involvedObject', 'involvedObject', 'ObjectReference'],
  ['reason', 'reason'],
  ['message', 'message'],
  ['source', 'source', 'EventSource'],
  ['firstTimestamp', 'firstTimestamp'],
  ['lastTimestamp', 'lastTimestamp'],
  ['count', 'count'],
  ['reason', 'reason'],
  ['type', 'type'],
  ['eventTime', 'eventTime'],
  ['action', 'action'],
  ['related', 'related', 'ObjectReference'],
  ['reportingComponent', 'reportingController'],
  ['reportingInstance', 'reportingInstance']
]

function validateUpdate(next: KubeObject, old: KubeObject): FieldError[] {
  const [now, before] = [toCore(next), toCore(old)]
  const errors = sameValue(asEvent(next).series, asEvent(old).series) ? [] : checkSeries(asEvent(next))
  for (const [field, path, struct] of KEPT) {
    const value = now[field]
    if (sameValue(value ?? '', before[field] ?? '')) continue
    const empty = field === 'count' ? 0 : typeof before[field] === 'string' && !path.includes('Time') ? '' : null
    const shown = struct === undefined || value === undefined ? (value ?? empty) : goStruct(struct, value as object)
    errors.push(invalid(path, shown, IMMUTABLE))
  }
  return errors
}

const REGARDING = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'] as const

const modernEvents: Kind = {
  ...row('events.k8s.io/v1', 'events', {
    validate: (object, old) => [
      ...checkEvent(toCore(object), 'reportingController'),
      ...(old === undefined ? validateCreation(object) : [])
    ],
    validateUpdate,
    fields: {
      ...Object.fromEntries(
        REGARDING.map((part) => [`regarding.${part}`, (object: KubeObject) => asEvent(object).regarding?.[part] ?? ''])
      ),
      reason: (object) => asEvent(object).reason ?? '',
      reportingController: (object) => asEvent(object).reportingController ?? '',
      type: (object) => asEvent(object).type ?? ''
    },
    cells: (object, now) => eventCells(asCore(toCore(object)) as unknown as KubeObject, now)
  }),
  storage: 'events',
  convert: { toStorage: toCore, fromStorage: fromCore }
}

export const modernEventKinds: readonly Kind[] = [modernEvents]
