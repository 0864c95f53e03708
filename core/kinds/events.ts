import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { invalid, required } from '../field-errors.ts'
import { byteLength, isDNS1123Subdomain, isQualifiedName } from '../names.ts'
import type { KubeObject } from '../object.ts'
import type { Cell, Kind } from './kind.ts'
import { row } from './row.ts'
import type { Event } from './types.ts'

const event = (object: KubeObject) => object as unknown as Event

/** Go's struct has these by value and without "omitempty": they are always printed. */
function fillEvent(object: KubeObject): void {
  for (const field of ['firstTimestamp', 'lastTimestamp', 'eventTime'] as const) object[field] ??= null
  for (const field of ['reportingComponent', 'reportingInstance'] as const) object[field] ??= ''
  for (const field of ['source', 'involvedObject'] as const) object[field] ??= {}
  const { series } = object as { series?: Record<string, unknown> }
  if (series !== undefined) series.lastObservedTime ??= null
}

const hasTime = (time: string | null | undefined): time is string => time !== undefined && time !== null && time !== ''

const OTHER_NAMESPACE = 'does not match event.namespace'

function validateEvent(object: KubeObject): FieldError[] {
  const it = event(object)
  const own = it.metadata.namespace ?? ''
  const involved = it.involvedObject?.namespace ?? ''
  const modern = hasTime(it.eventTime)
  const homes = modern ? ['default', 'kube-system'] : ['', 'default']
  const agree = involved === '' ? homes.includes(own) : modern || involved === own
  const errors = agree ? [] : [invalid('involvedObject.namespace', involved, OTHER_NAMESPACE)]
  if (modern) errors.push(...validateModernEvent(it))
  errors.push(...isDNS1123Subdomain(own).map((message) => invalid('namespace', own, message)))
  return errors
}

/** Events of the newer recorders, which set eventTime. Limits in bytes. */
function validateModernEvent(it: Event): FieldError[] {
  const errors: FieldError[] = []
  const component = it.reportingComponent ?? ''
  if (component === '') errors.push(required('reportingComponent'))
  errors.push(...isQualifiedName(component).map((message) => invalid('reportingComponent', component, message)))
  for (const field of ['reportingInstance', 'action', 'reason'] as const) {
    const value = it[field] ?? ''
    if (value === '') errors.push(required(field))
    if (byteLength(value) > 128) errors.push(invalid(field, '', 'can have at most 128 characters'))
  }
  if (byteLength(it.message ?? '') > 1024) errors.push(invalid('message', '', 'can have at most 1024 characters'))
  return errors
}

function eventCells(object: KubeObject, now: number): Cell[] {
  const it = event(object)
  const { involvedObject: involved = {}, series, source = {} } = it
  const first = age(hasTime(it.firstTimestamp) ? it.firstTimestamp : it.eventTime, now)
  const last = hasTime(it.lastTimestamp) ? age(it.lastTimestamp, now) : first
  const kind = (involved.kind ?? '').toLowerCase()
  const component = source.component || it.reportingComponent || ''
  const instance = source.host || it.reportingInstance || ''
  return [
    series === undefined ? last : age(series.lastObservedTime, now),
    it.type ?? '',
    it.reason ?? '',
    (involved.name ?? '') === '' ? kind : `${kind}/${involved.name}`,
    involved.fieldPath ?? '',
    instance === '' ? component : `${component}, ${instance}`,
    (it.message ?? '').trim(),
    first,
    series === undefined ? it.count || 1 : (series.count ?? 0),
    it.metadata.name ?? ''
  ]
}

const INVOLVED = ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'] as const

export const eventKinds: readonly Kind[] = [
  row('v1', 'events', {
    name: 'path',
    defaults: fillEvent,
    validate: validateEvent,
    fields: {
      ...Object.fromEntries(
        INVOLVED.map((part) => [
          `involvedObject.${part}`,
          (object: KubeObject) => event(object).involvedObject?.[part] ?? ''
        ])
      ),
      reason: (object) => event(object).reason ?? '',
      reportingComponent: (object) => event(object).reportingComponent ?? '',
      source: (object) => event(object).source?.component || event(object).reportingComponent || '',
      type: (object) => event(object).type ?? ''
    },
    cells: eventCells
  })
]
