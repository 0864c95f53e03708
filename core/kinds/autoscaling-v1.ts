/**
 * autoscaling/v1 as it stands beside v2: it has a field for the CPU only, everything else travels in annotations. Field
 * by field as pkg/apis/autoscaling/v1/conversion.go of Kubernetes.
 */
import { isObject, type JsonObject } from '../json.ts'
import type { KubeObject } from '../object.ts'
import { goStruct } from './go-structs.ts'
import type {
  AutoscalingV2HorizontalPodAutoscaler as Autoscaler,
  MetricSpec,
  MetricStatus,
  AutoscalingV1HorizontalPodAutoscaler as OldAutoscaler
} from './types.ts'

const PREFIX = 'autoscaling.alpha.kubernetes.io/'
const METRICS = `${PREFIX}metrics`
const CURRENT = `${PREFIX}current-metrics`
const CONDITIONS = `${PREFIX}conditions`
const BEHAVIOR = `${PREFIX}behavior`
const OURS = new Set(
  [METRICS, CURRENT, CONDITIONS, BEHAVIOR].concat([`${PREFIX}scale-down-tolerance`, `${PREFIX}scale-up-tolerance`])
)
const PERCENT = 80

function defined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T
}

function withoutOurs(annotations: Readonly<Record<string, string>> | undefined): Record<string, string> | undefined {
  if (annotations === undefined || !Object.keys(annotations).some((key) => OURS.has(key))) return annotations
  const rest = Object.entries(annotations).filter(([key]) => !OURS.has(key))
  return rest.length === 0 ? undefined : Object.fromEntries(rest)
}

function isCpu(metric: MetricSpec): boolean {
  return (
    metric.type === 'Resource' &&
    metric.resource?.name === 'cpu' &&
    metric.resource.target.averageUtilization !== undefined
  )
}

function metadataWith(object: KubeObject, annotations: Record<string, string> | undefined): KubeObject['metadata'] {
  const { annotations: _, ...rest } = object.metadata
  return annotations === undefined ? rest : { ...rest, annotations }
}

export function fromV2(stored: KubeObject): KubeObject {
  const { spec, status } = stored as unknown as Autoscaler
  const own: Record<string, string> = {}
  const others = (spec?.metrics ?? []).filter((metric) => !isCpu(metric)).map(oldMetric)
  if (others.length > 0) own[METRICS] = JSON.stringify(others)
  const current = status?.currentMetrics ?? []
  if (current.length > 0) own[CURRENT] = JSON.stringify(current.map(oldStatus))
  if (spec?.behavior !== undefined) own[BEHAVIOR] = JSON.stringify(goStruct('HPABehavior', spec.behavior))
  if ((status?.conditions ?? []).length > 0) own[CONDITIONS] = JSON.stringify((status?.conditions ?? []).map(condition))
  const rest = withoutOurs(stored.metadata.annotations)
  const annotations = Object.keys(own).length === 0 ? rest : { ...rest, ...own }
  const cpu = spec?.metrics?.find(isCpu)?.resource?.target.averageUtilization
  const used = current.find(({ type, resource }) => type === 'Resource' && resource?.name === 'cpu')
  return {
    kind: 'HorizontalPodAutoscaler',
    apiVersion: 'autoscaling/v1',
    metadata: metadataWith(stored, annotations),
    spec: defined({
      scaleTargetRef: spec?.scaleTargetRef,
      minReplicas: spec?.minReplicas,
      maxReplicas: spec?.maxReplicas ?? 0,
      targetCPUUtilizationPercentage: cpu
    }),
    status: defined({
      observedGeneration: status?.observedGeneration,
      lastScaleTime: status?.lastScaleTime,
      currentReplicas: status?.currentReplicas ?? 0,
      desiredReplicas: status?.desiredReplicas ?? 0,
      currentCPUUtilizationPercentage: used?.resource?.current.averageUtilization
    })
  }
}

export function toV2(served: KubeObject): KubeObject {
  const { spec, status } = served as unknown as OldAutoscaler
  const { annotations = {} } = served.metadata
  const cpu = spec?.targetCPUUtilizationPercentage
  const metrics: MetricSpec[] = [
    ...listOf(annotations[METRICS]).map(newMetric),
    ...(cpu === undefined ? [] : [ofCpu(cpu)])
  ]
  const behavior = behaviorOf(annotations[BEHAVIOR])
  const current = annotations[CURRENT] === undefined ? undefined : listOf(annotations[CURRENT]).map(newStatus)
  const used = status?.currentCPUUtilizationPercentage
  const conditions = listOf(annotations[CONDITIONS])
  const inferred =
    used === undefined ? null : [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: used } } }]
  return {
    kind: 'HorizontalPodAutoscaler',
    apiVersion: 'autoscaling/v2',
    metadata: metadataWith(served, withoutOurs(served.metadata.annotations)),
    spec: defined({
      scaleTargetRef: spec?.scaleTargetRef ?? { kind: '', name: '' },
      minReplicas: spec?.minReplicas,
      maxReplicas: spec?.maxReplicas ?? 0,
      metrics: metrics.length === 0 ? [ofCpu(PERCENT)] : metrics,
      behavior
    }),
    status: defined({
      observedGeneration: status?.observedGeneration,
      lastScaleTime: status?.lastScaleTime,
      currentReplicas: status?.currentReplicas || undefined,
      desiredReplicas: status?.desiredReplicas ?? 0,
      currentMetrics: current ?? inferred,
      conditions: conditions.length === 0 ? undefined : conditions
    })
  }
}

function ofCpu(percent: number): MetricSpec {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: percent } } }
}

function listOf(text: string | undefined): JsonObject[] {
  if (text === undefined) return []
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value.filter(isObject) : []
  } catch {
    return []
  }
}

const condition = (one: object) => {
  const { type, status, lastTransitionTime, reason, message } = one as Record<string, unknown>
  return defined({ type, status, lastTransitionTime, reason, message })
}

// --- One metric, in the shape that v1's annotations have it

function oldMetric({ type, object, pods, resource, containerResource, external }: MetricSpec): JsonObject {
  return defined({
    type,
    object:
      object === undefined
        ? undefined
        : defined({
            target: object.describedObject,
            metricName: object.metric.name,
            targetValue: object.target.value ?? '0',
            selector: object.metric.selector,
            averageValue: object.target.averageValue
          }),
    pods:
      pods === undefined
        ? undefined
        : defined({
            metricName: pods.metric.name,
            targetAverageValue: pods.target.averageValue ?? '0',
            selector: pods.metric.selector
          }),
    resource: resource === undefined ? undefined : { name: resource.name, ...oldTarget(resource.target) },
    containerResource:
      containerResource === undefined
        ? undefined
        : {
            name: containerResource.name,
            ...oldTarget(containerResource.target),
            container: containerResource.container
          },
    external:
      external === undefined
        ? undefined
        : defined({
            metricName: external.metric.name,
            metricSelector: external.metric.selector,
            targetValue: external.target.value,
            targetAverageValue: external.target.averageValue
          })
  })
}

function oldTarget({ averageUtilization, averageValue }: { averageUtilization?: unknown; averageValue?: unknown }) {
  return defined({ targetAverageUtilization: averageUtilization, targetAverageValue: averageValue })
}

function newMetric(old: JsonObject): MetricSpec {
  const { object, pods, resource, containerResource, external } = old as Record<string, JsonObject | undefined>
  return defined({
    type: old.type,
    object: object && {
      describedObject: object.target,
      metric: defined({ name: object.metricName, selector: object.selector }),
      target: defined({
        type: object.averageValue === undefined ? 'Value' : 'AverageValue',
        value: object.targetValue,
        averageValue: object.averageValue
      })
    },
    pods: pods && {
      metric: defined({ name: pods.metricName, selector: pods.selector }),
      target: { type: 'AverageValue', averageValue: pods.targetAverageValue }
    },
    resource: resource && { name: resource.name, target: newTarget(resource) },
    containerResource: containerResource && {
      name: containerResource.name,
      target: newTarget(containerResource),
      container: containerResource.container
    },
    external: external && {
      metric: defined({ name: external.metricName, selector: external.metricSelector }),
      target: defined({
        type: external.targetValue === undefined ? 'AverageValue' : 'Value',
        value: external.targetValue,
        averageValue: external.targetAverageValue
      })
    }
  }) as unknown as MetricSpec
}

function newTarget({ targetAverageUtilization: utilization, targetAverageValue: value }: JsonObject) {
  return defined({
    type: utilization === undefined ? 'AverageValue' : 'Utilization',
    averageValue: value,
    averageUtilization: utilization
  })
}

function oldStatus({ type, object, pods, resource, containerResource, external }: MetricStatus): JsonObject {
  return defined({
    type,
    object:
      object === undefined
        ? undefined
        : defined({
            target: object.describedObject,
            metricName: object.metric.name,
            currentValue: object.current.value ?? '0',
            selector: object.metric.selector,
            averageValue: object.current.averageValue
          }),
    pods:
      pods === undefined
        ? undefined
        : defined({
            metricName: pods.metric.name,
            currentAverageValue: pods.current.averageValue ?? '0',
            selector: pods.metric.selector
          }),
    resource: resource === undefined ? undefined : { name: resource.name, ...oldCurrent(resource.current) },
    containerResource:
      containerResource === undefined
        ? undefined
        : {
            name: containerResource.name,
            ...oldCurrent(containerResource.current),
            container: containerResource.container
          },
    external:
      external === undefined
        ? undefined
        : defined({
            metricName: external.metric.name,
            metricSelector: external.metric.selector,
            currentValue: external.current.value ?? '0',
            currentAverageValue: external.current.averageValue
          })
  })
}

function oldCurrent({ averageUtilization, averageValue }: { averageUtilization?: unknown; averageValue?: unknown }) {
  return defined({ currentAverageUtilization: averageUtilization, currentAverageValue: averageValue ?? '0' })
}

function newStatus(old: JsonObject): MetricStatus {
  const { object, pods, resource, containerResource, external } = old as Record<string, JsonObject | undefined>
  const current = ({ currentAverageUtilization, currentAverageValue }: JsonObject) =>
    defined({ averageValue: currentAverageValue, averageUtilization: currentAverageUtilization })
  return defined({
    type: old.type,
    object: object && {
      describedObject: object.target,
      metric: defined({ name: object.metricName, selector: object.selector }),
      current: defined({ value: object.currentValue, averageValue: object.averageValue })
    },
    pods: pods && {
      metric: defined({ name: pods.metricName, selector: pods.selector }),
      current: { averageValue: pods.currentAverageValue }
    },
    resource: resource && { name: resource.name, current: current(resource) },
    containerResource: containerResource && {
      name: containerResource.name,
      current: current(containerResource),
      container: containerResource.container
    },
    external: external && {
      metric: defined({ name: external.metricName, selector: external.metricSelector }),
      current: defined({ value: external.currentValue, averageValue: external.currentAverageValue })
    }
  }) as unknown as MetricStatus
}

/** The annotation holds Go's own names: "ScaleUp", "StabilizationWindowSeconds". */
function behaviorOf(text: string | undefined): JsonObject | undefined {
  if (text === undefined) return undefined
  try {
    const value = lowered(JSON.parse(text))
    return isObject(value) && Object.keys(value).length > 0 ? value : undefined
  } catch {
    return undefined
  }
}

function lowered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lowered)
  if (!isObject(value)) return value
  const fields = Object.entries(value).filter(([, field]) => field !== null)
  return Object.fromEntries(
    fields.map(([key, field]) => [`${key.charAt(0).toLowerCase()}${key.slice(1)}`, lowered(field)])
  )
}
