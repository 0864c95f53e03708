/** The metrics of a HorizontalPodAutoscaler: validation, and how a table shows them. */
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { isPathSegmentName } from '../names.ts'
import { canonicalQuantity, parseQuantity } from '../quantity.ts'
import { checkLabel, complaints, type Errors } from './checks.ts'
import { checkContainerResourceName } from './resource-rules.ts'
import type {
  AutoscalingV2CrossVersionObjectReference as CrossVersionObjectReference,
  MetricIdentifier,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus
} from './types.ts'

/** Field of the source by type, in the order in which Kubernetes looks at them. */
const SOURCES = {
  Object: 'object',
  External: 'external',
  Pods: 'pods',
  Resource: 'resource',
  ContainerResource: 'containerResource'
} as const
type Type = keyof typeof SOURCES
type SourceField = (typeof SOURCES)[Type]
const TYPES = Object.keys(SOURCES).sort()

function isType(type: string): type is Type {
  return Object.hasOwn(SOURCES, type)
}

/** Whether its apiVersion may be wrong, or without a group. */
export interface ReferenceLeniency {
  readonly anyVersion: boolean
  readonly noGroup: boolean
}

export function checkReference(
  { kind, name, apiVersion = '' }: CrossVersionObjectReference,
  path: string,
  { errors, anyVersion, noGroup }: ReferenceLeniency & { errors: Errors }
): void {
  for (const [field, value] of [
    ['kind', kind],
    ['name', name]
  ] as const) {
    if (!value) errors.push(required(`${path}.${field}`))
    else errors.push(...complaints(`${path}.${field}`, value, isPathSegmentName(value)))
  }
  if (anyVersion) return
  const slashes = apiVersion.split('/').length - 1
  const refuse = (why: string) => void errors.push(invalid(`${path}.apiVersion`, apiVersion, why))
  if (slashes > 1) refuse(`unexpected GroupVersion string: ${apiVersion}`)
  else if (slashes === 0 && !noGroup) refuse('apiVersion must specify API group')
}

export function checkMetrics(
  metrics: readonly MetricSpec[],
  path: string,
  { errors, minReplicas }: { errors: Errors; minReplicas: number | undefined }
): void {
  metrics.forEach((metric, i) => {
    checkMetric(metric, `${path}[${i}]`, errors)
  })
  if (minReplicas === 0 && !metrics.some(({ type }) => type === 'Object' || type === 'External'))
    errors.push(
      forbidden(path, 'must specify at least one Object or External metric to support scaling to zero replicas')
    )
}

function checkMetric(metric: MetricSpec, path: string, errors: Errors): void {
  const { type } = metric
  if (!type) errors.push(required(`${path}.type`, 'must specify a metric source type'))
  if (!isType(type)) errors.push(notSupported(`${path}.type`, type, TYPES))
  const present = Object.values(SOURCES).filter((field) => metric[field] !== undefined)
  const [first] = present
  if (first !== undefined) CHECKS[first](metric, `${path}.${first}`, errors)
  const expected = isType(type) ? SOURCES[type] : undefined
  if (expected === undefined) errors.push(notSupported(`${path}.type`, type, TYPES))
  else if (metric[expected] === undefined)
    errors.push(required(`${path}.${expected}`, 'must populate information for the given metric source'))
  if (present.length === 1) return
  for (const field of present)
    if (field !== expected) errors.push(forbidden(`${path}.${field}`, 'must populate the given metric source only'))
}

const CHECKS: Readonly<Record<SourceField, (metric: MetricSpec, path: string, errors: Errors) => void>> = {
  object: ({ object: source }, path, errors) => {
    if (source === undefined) return
    const { describedObject, metric, target } = source
    checkReference(describedObject, `${path}.describedObject`, { errors, anyVersion: false, noGroup: true })
    checkIdentifier(metric, `${path}.metric`, errors)
    checkTarget(target, `${path}.target`, errors)
    if (target.value === undefined && target.averageValue === undefined)
      errors.push(required(`${path}.target.averageValue`, 'must set either a target value or averageValue'))
  },
  external: ({ external: source }, path, errors) => {
    if (source === undefined) return
    const { metric, target } = source
    checkIdentifier(metric, `${path}.metric`, errors)
    checkTarget(target, `${path}.target`, errors)
    const [value, average] = [target.value !== undefined, target.averageValue !== undefined]
    if (!value && !average)
      errors.push(
        required(`${path}.target.averageValue`, 'must set either a target value for metric or a per-pod target')
      )
    if (value && average)
      errors.push(forbidden(`${path}.target.value`, 'may not set both a target value for metric and a per-pod target'))
  },
  pods: ({ pods: source }, path, errors) => {
    if (source === undefined) return
    checkIdentifier(source.metric, `${path}.metric`, errors)
    checkTarget(source.target, `${path}.target`, errors)
    if (source.target.averageValue === undefined)
      errors.push(required(`${path}.target.averageValue`, 'must specify a positive target averageValue'))
  },
  resource: ({ resource: source }, path, errors) => {
    if (source === undefined) return
    if (!source.name) errors.push(required(`${path}.name`, 'must specify a resource name'))
    checkUtilization(source.target, path, errors)
  },
  containerResource: ({ containerResource: source }, path, errors) => {
    if (source === undefined) return
    if (!source.name) errors.push(required(`${path}.name`, 'must specify a resource name'))
    else checkContainerResourceName(source.name, `${path}.name`, errors)
    if (!source.container) errors.push(required(`${path}.container`, 'must specify a container'))
    else checkLabel(source.container, `${path}.container`, errors)
    checkUtilization(source.target, path, errors)
  }
}

function checkUtilization(target: MetricTarget, path: string, errors: Errors): void {
  checkTarget(target, `${path}.target`, errors)
  const [utilization, value] = [target.averageUtilization !== undefined, target.averageValue !== undefined]
  if (!utilization && !value)
    errors.push(
      required(`${path}.target.averageUtilization`, 'must set either a target raw value or a target utilization')
    )
  if (utilization && value)
    errors.push(
      forbidden(`${path}.target.averageValue`, 'may not set both a target raw value and a target utilization')
    )
}

function checkTarget(target: MetricTarget, path: string, errors: Errors): void {
  const { type, averageUtilization } = target
  if (!type) errors.push(required(`${path}.type`, 'must specify a metric target type'))
  if (type !== 'Utilization' && type !== 'Value' && type !== 'AverageValue')
    errors.push(invalid(`${path}.type`, type, 'must be either Utilization, Value, or AverageValue'))
  for (const field of ['value', 'averageValue'] as const) {
    const value = target[field]
    if (value !== undefined && parseQuantity(value).nano <= 0n)
      errors.push(invalid(`${path}.${field}`, canonicalQuantity(value), 'must be positive'))
  }
  if (averageUtilization !== undefined && averageUtilization < 1)
    errors.push(invalid(`${path}.averageUtilization`, averageUtilization, 'must be greater than 0'))
}

function checkIdentifier({ name }: MetricIdentifier, path: string, errors: Errors): void {
  if (!name) errors.push(required(`${path}.name`, 'must specify a metric name'))
  else errors.push(...complaints(`${path}.name`, name, isPathSegmentName(name)))
}

/** Metrics that a table shows. */
const SHOWN = 2

export function metricsText(specs: readonly MetricSpec[], statuses: readonly MetricStatus[]): string {
  if (specs.length === 0) return '<none>'
  const texts = specs.map((spec, i) => metricText(spec, statuses[i]))
  const shown = texts.slice(0, SHOWN).join(', ')
  return texts.length > SHOWN ? `${shown} + ${texts.length - SHOWN} more...` : shown
}

function metricText(spec: MetricSpec, status: MetricStatus | undefined): string {
  if (!isType(spec.type)) return '<unknown type>'
  const field = SOURCES[spec.type]
  const target = spec[field]?.target
  if (target === undefined) return '<unknown type>'
  const current = status?.[field]?.current
  const average = target.averageValue
  switch (spec.type) {
    case 'Pods':
      return `${amount(current?.averageValue)}/${amount(average)}`
    case 'External':
    case 'Object':
      return average === undefined
        ? `${amount(current?.value)}/${amount(target.value)}`
        : `${amount(current?.averageValue)}/${amount(average)} (avg)`
    default: {
      const name = spec.resource?.name ?? spec.containerResource?.name ?? ''
      if (average !== undefined) return `${name}: ${amount(current?.averageValue)}/${amount(average)}`
      return `${name}: ${percent(current?.averageUtilization, '<unknown>')}/${percent(target.averageUtilization, '<auto>')}`
    }
  }
}

function amount(value: MetricValueStatus['value']): string {
  return value === undefined ? '<unknown>' : canonicalQuantity(value)
}

function percent(value: number | undefined, absent: string): string {
  return value === undefined ? absent : `${value}%`
}
