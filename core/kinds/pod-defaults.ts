/** What Kubernetes fills in pods and pod templates where the user said nothing (pkg/apis/core/v1/defaults.go). */
import { addQuantity, compareQuantity, parseQuantity, quantityText } from '../quantity.ts'
import { defaultPullPolicy } from './pod-image.ts'
import { aggregateRequests } from './pod-resources.ts'
import { defaultVolume } from './pod-volume-defaults.ts'
import { isHugePages, isPodLevelResource } from './resource-rules.ts'
import type {
  Container,
  ContainerState,
  ContainerStatus,
  EphemeralContainer,
  LifecycleHandler,
  Pod,
  PodSpec,
  PodStatus,
  PodTemplateSpec,
  Probe,
  Quantity
} from './types.ts'

export function defaultPod(pod: Pod): void {
  pod.spec ??= { containers: [] }
  pod.status ??= {}
  const { spec } = pod
  defaultSpec(spec)
  // Kubernetes' conversion does it, so that nobody ever sees the negative number.
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) spec.terminationGracePeriodSeconds = 1
  defaultRequests(spec)
  spec.enableServiceLinks ??= true
  if (spec.hostNetwork === true) {
    for (const container of spec.containers ?? []) defaultHostPorts(container)
    for (const container of spec.initContainers ?? []) defaultHostPorts(container)
  }
  defaultStatus(pod.status)
}

export function defaultPodTemplate(template: PodTemplateSpec): void {
  template.metadata ??= {}
  template.spec ??= { containers: [] }
  defaultSpec(template.spec)
}

function defaultSpec(spec: PodSpec): void {
  spec.restartPolicy ||= 'Always'
  spec.terminationGracePeriodSeconds ??= 30
  spec.dnsPolicy ||= 'ClusterFirst'
  spec.securityContext ??= {}
  spec.schedulerName ||= 'default-scheduler'
  // serviceAccount is the field's old name; the API keeps both, and the new one wins.
  const account = spec.serviceAccountName || spec.serviceAccount
  if (account) {
    spec.serviceAccountName = account
    spec.serviceAccount = account
  }
  for (const container of spec.containers ?? []) defaultContainer(container)
  for (const container of spec.initContainers ?? []) defaultContainer(container)
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container)
  for (const volume of spec.volumes ?? []) defaultVolume(volume)
  if (spec.hostAliases !== undefined) for (const alias of spec.hostAliases) alias.ip ??= ''
}

function defaultContainer(container: Container | EphemeralContainer): void {
  container.imagePullPolicy ||= defaultPullPolicy(container.image)
  container.terminationMessagePath ||= '/dev/termination-log'
  container.terminationMessagePolicy ||= 'File'
  container.resources ??= {}
  if (container.ports !== undefined) for (const port of container.ports) port.protocol ||= 'TCP'
  if (container.env !== undefined)
    for (const { valueFrom } of container.env) {
      if (valueFrom === undefined) continue
      if (valueFrom.fieldRef !== undefined) valueFrom.fieldRef.apiVersion ||= 'v1'
      if (valueFrom.resourceFieldRef !== undefined) valueFrom.resourceFieldRef.divisor ??= '0'
      if (valueFrom.fileKeyRef !== undefined) valueFrom.fileKeyRef.optional ??= false
    }
  if (container.livenessProbe !== undefined) defaultProbe(container.livenessProbe)
  if (container.readinessProbe !== undefined) defaultProbe(container.readinessProbe)
  if (container.startupProbe !== undefined) defaultProbe(container.startupProbe)
  if (container.lifecycle?.postStart !== undefined) defaultHandler(container.lifecycle.postStart)
  if (container.lifecycle?.preStop !== undefined) defaultHandler(container.lifecycle.preStop)
}

function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ||= 1
  probe.periodSeconds ||= 10
  probe.successThreshold ||= 1
  probe.failureThreshold ||= 3
  if (probe.grpc !== undefined) probe.grpc.service ??= ''
  defaultHandler(probe)
}

function defaultHandler({ httpGet }: LifecycleHandler | Probe): void {
  if (httpGet === undefined) return
  httpGet.path ||= '/'
  httpGet.scheme ||= 'HTTP'
}

function defaultHostPorts({ ports }: Container): void {
  for (const port of ports ?? []) if (!port.hostPort) port.hostPort = port.containerPort
}

/** A limit without a request is the request too: of each container, and of the pod as a whole. */
function defaultRequests(spec: PodSpec): void {
  for (const container of spec.containers ?? []) requestLimits(container)
  for (const container of spec.initContainers ?? []) requestLimits(container)
  const { resources } = spec
  if (resources === undefined) return
  const { limits } = resources
  if (limits === undefined && resources.requests === undefined) return
  const requests: Record<string, Quantity> = { ...resources.requests }
  for (const [name, amount] of aggregateRequests(spec))
    if (requests[name] === undefined && isPodLevelResource(name)) requests[name] = quantityText(amount)
  for (const name in limits) {
    const limit = limits[name]
    if (limit !== undefined && requests[name] === undefined && isPodLevelResource(name)) requests[name] = limit
  }
  if (Object.keys(requests).length > 0) resources.requests = requests
  defaultHugePageLimits(spec)
}

function requestLimits({ resources }: Container): void {
  const limits = resources?.limits
  if (resources === undefined || limits === undefined) return
  resources.requests ??= {}
  for (const name in limits) {
    const limit = limits[name]
    if (limit !== undefined) resources.requests[name] ??= limit
  }
}

/** Huge pages cannot be shared: what the containers' limits sum up to is the pod's. */
function defaultHugePageLimits({ resources, containers }: PodSpec): void {
  if (resources === undefined) return
  for (const { resources: own } of containers ?? [])
    for (const name in own?.limits) {
      if (!isHugePages(name) || resources.limits?.[name] !== undefined) continue
      let sum = parseQuantity('0')
      for (const other of containers) sum = addQuantity(sum, parseQuantity(other.resources?.limits?.[name] ?? '0'))
      if (compareQuantity(sum, parseQuantity('0')) > 0)
        resources.limits = { ...resources.limits, [name]: quantityText(sum) }
    }
}

/** Go prints an unset time as null, where it cannot leave the field out. */
const UNSET = null as unknown as string

function defaultStatus(status: PodStatus): void {
  defaultAddresses(status)
  for (const condition of status.conditions ?? []) {
    condition.lastProbeTime ??= UNSET
    condition.lastTransitionTime ??= UNSET
  }
  for (const container of status.initContainerStatuses ?? []) defaultContainerStatus(container)
  for (const container of status.containerStatuses ?? []) defaultContainerStatus(container)
  for (const container of status.ephemeralContainerStatuses ?? []) defaultContainerStatus(container)
}

function defaultContainerStatus(status: ContainerStatus): void {
  status.state ??= {}
  status.lastState ??= {}
  defaultState(status.state)
  defaultState(status.lastState)
}

function defaultState({ running, terminated }: ContainerState): void {
  if (running !== undefined) running.startedAt ??= UNSET
  if (terminated === undefined) return
  terminated.startedAt ??= UNSET
  terminated.finishedAt ??= UNSET
}

/** podIP and the first of podIPs are one thing; an older agent that sets only podIP is believed. */
function defaultAddresses(status: PodStatus): void {
  const { podIP, podIPs } = status
  const first = podIPs?.[0]?.ip
  if (podIP) {
    if (first !== podIP) status.podIPs = [{ ip: podIP }]
  } else if (first) status.podIP = first
}
