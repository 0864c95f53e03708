/** HorizontalPodAutoscalers: stored as autoscaling/v2, served as v1 too. */
import { age } from '../duration.ts'
import type { FieldError } from '../errors.ts'
import { invalid, notSupported, required } from '../field-errors.ts'
import type { KubeObject } from '../object.ts'
import { canonicalQuantity, parseQuantity } from '../quantity.ts'
import { checkMetrics, checkReference, metricsText } from './autoscaling-metrics.ts'
import { fromV2, toV2 } from './autoscaling-v1.ts'
import { checkNonnegative, type Errors, NEGATIVE } from './checks.ts'
import type { Cell, Kind, Rules } from './kind.ts'
import { row } from './row.ts'
import { specAndStatus } from './spec-and-status.ts'
import type { AutoscalingV2HorizontalPodAutoscaler as Autoscaler, HPAScalingPolicy, HPAScalingRules } from './types.ts'

const asScaler = (object: KubeObject) => object as unknown as Autoscaler
const PERCENT = 80
/** Seconds. */
const MOST_WINDOW = 3600
const MOST_PERIOD = 1800

const policy = (type: string, value: number): HPAScalingPolicy => ({ type, value, periodSeconds: 15 })

function withDefaults(rules: HPAScalingRules | undefined, defaults: HPAScalingRules): HPAScalingRules {
  return { ...defaults, ...Object.fromEntries(Object.entries(rules ?? {}).filter(([, value]) => value !== undefined)) }
}

function defaultScaler(object: KubeObject): void {
  const { spec, status } = asScaler(object)
  if (status !== undefined) status.desiredReplicas ??= 0
  if (spec === undefined) return
  spec.minReplicas ??= 1
  if ((spec.metrics ?? []).length === 0) spec.metrics = [cpuMetric(PERCENT)]
  const { behavior } = spec
  if (behavior === undefined) return
  behavior.scaleUp = withDefaults(behavior.scaleUp, {
    stabilizationWindowSeconds: 0,
    selectPolicy: 'Max',
    policies: [policy('Pods', 4), policy('Percent', 100)]
  })
  behavior.scaleDown = withDefaults(behavior.scaleDown, { selectPolicy: 'Max', policies: [policy('Percent', 100)] })
}

function cpuMetric(percent: number) {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } } }
}

function checkScalingRules(rules: HPAScalingRules | undefined, path: string, errors: Errors): void {
  if (rules === undefined) return
  const { stabilizationWindowSeconds: window, selectPolicy, policies = [], tolerance } = rules
  const at = `${path}.stabilizationWindowSeconds`
  if (window !== undefined && window < 0) errors.push(invalid(at, window, 'must be greater than or equal to zero'))
  if (window !== undefined && window > MOST_WINDOW)
    errors.push(invalid(at, window, `must be less than or equal to ${MOST_WINDOW}`))
  const choices = ['Disabled', 'Max', 'Min']
  if (selectPolicy !== undefined && !choices.includes(selectPolicy))
    errors.push(notSupported(`${path}.selectPolicy`, selectPolicy, choices))
  if (policies.length === 0) errors.push(required(`${path}.policies`, 'must specify at least one Policy'))
  policies.forEach((one, i) => {
    checkPolicy(one, `${path}.policies[${i}]`, errors)
  })
  if (tolerance !== undefined && parseQuantity(tolerance).nano < 0n)
    errors.push(invalid(`${path}.tolerance`, canonicalQuantity(tolerance), NEGATIVE))
}

function checkPolicy({ type, value, periodSeconds }: HPAScalingPolicy, path: string, errors: Errors): void {
  if (type !== 'Pods' && type !== 'Percent') errors.push(notSupported(`${path}.type`, type, ['Percent', 'Pods']))
  if (value <= 0) errors.push(invalid(`${path}.value`, value, 'must be greater than zero'))
  const at = `${path}.periodSeconds`
  if (periodSeconds <= 0) errors.push(invalid(at, periodSeconds, 'must be greater than zero'))
  if (periodSeconds > MOST_PERIOD)
    errors.push(invalid(at, periodSeconds, `must be less than or equal to ${MOST_PERIOD}`))
}

function validateScaler(object: KubeObject, old?: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { spec } = asScaler(object)
  if (spec === undefined) return errors
  const before = old === undefined ? undefined : asScaler(old).spec
  const { minReplicas, maxReplicas, scaleTargetRef, metrics = [], behavior } = spec
  // Scaling to zero is an alpha feature; who has it may keep it.
  const least = before?.minReplicas === 0 ? 0 : 1
  if (minReplicas !== undefined && minReplicas < least)
    errors.push(invalid('spec.minReplicas', minReplicas, `must be greater than or equal to ${least}`))
  if (maxReplicas < 1) errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than 0'))
  if (minReplicas !== undefined && maxReplicas < minReplicas)
    errors.push(invalid('spec.maxReplicas', maxReplicas, 'must be greater than or equal to `minReplicas`'))
  const target = before?.scaleTargetRef
  checkReference(scaleTargetRef, 'spec.scaleTargetRef', {
    errors,
    anyVersion:
      target !== undefined && target.apiVersion === scaleTargetRef.apiVersion && target.kind === scaleTargetRef.kind,
    noGroup: scaleTargetRef.kind === 'ReplicationController'
  })
  checkMetrics(metrics, 'spec.metrics', { errors, minReplicas })
  checkScalingRules(behavior?.scaleUp, 'spec.behavior.scaleUp', errors)
  checkScalingRules(behavior?.scaleDown, 'spec.behavior.scaleDown', errors)
  return errors
}

function validateStatus(next: KubeObject): FieldError[] {
  const errors: FieldError[] = []
  const { status } = asScaler(next)
  checkNonnegative(status?.currentReplicas, 'status.currentReplicas', errors)
  checkNonnegative(status?.desiredReplicas, 'status.desiredReplicas', errors)
  return errors
}

function cells(object: KubeObject, now: number): Cell[] {
  const { metadata, spec, status } = asScaler(object)
  return [
    metadata.name ?? '',
    `${spec?.scaleTargetRef.kind ?? ''}/${spec?.scaleTargetRef.name ?? ''}`,
    metricsText(spec?.metrics ?? [], status?.currentMetrics ?? []),
    spec?.minReplicas === undefined ? '<unset>' : String(spec.minReplicas),
    spec?.maxReplicas ?? 0,
    status?.currentReplicas ?? 0,
    age(metadata.creationTimestamp, now)
  ]
}

const rules: Rules = {
  ...specAndStatus(() => ({ desiredReplicas: 0, currentMetrics: null })),
  defaults: defaultScaler,
  validate: validateScaler,
  validateStatus,
  cells
}

/** As version 2 rules it, told by what the object is there. */
const rulesOfV1: Rules = {
  ...specAndStatus(() => ({ currentReplicas: 0, desiredReplicas: 0 })),
  defaults: (object) => {
    const { spec } = asScaler(object)
    if (spec !== undefined) spec.minReplicas ??= 1
  },
  // What follows from the annotations counts, and what they hold is told in this version's own way.
  prepareCreate: (object) => {
    object.status = { currentReplicas: 0, desiredReplicas: 0 }
    restate(object)
  },
  prepareUpdate: (next, old) => {
    next.status = old.status
    restate(next)
  },
  validate: (object, old) => validateScaler(toV2(object), old === undefined ? undefined : toV2(old)),
  validateStatus: (next) => validateStatus(toV2(next)),
  cells: (object, now) => cells(toV2(object), now)
}

function restate(object: KubeObject): void {
  const { metadata, spec } = fromV2(toV2(object))
  const { annotations } = metadata
  if (annotations === undefined) delete object.metadata.annotations
  else object.metadata.annotations = annotations
  object.spec = spec
}

const v2 = row('autoscaling/v2', 'horizontalpodautoscalers', rules)

export const autoscalingKinds: readonly Kind[] = [
  v2,
  {
    ...row('autoscaling/v1', 'horizontalpodautoscalers', rulesOfV1),
    convert: { toStorage: toV2, fromStorage: fromV2 }
  }
]
