/**
 * Validation of pods and pod templates, with the errors of Kubernetes 1.35 (pkg/apis/core/validation) in its order. The
 * object has its defaults and its fields have the right types.
 */
import type { FieldError } from '../errors.ts'
import { duplicate, forbidden, invalid, notFound, notSupported, required } from '../field-errors.ts'
import { byteLength, isDNS1123Subdomain, isInRange } from '../names.ts'
import {
  checkAnnotations,
  checkLabel,
  checkLabels,
  checkOneOf,
  checkQualifiedName,
  checkSubdomain,
  complaints,
  type Errors
} from './checks.ts'
import { goStruct } from './go-structs.ts'
import { checkPodAnnotations } from './pod-annotations.ts'
import { checkContainers, checkEphemeralContainers, checkImageSpace, checkInitContainers } from './pod-containers.ts'
import { checkDnsConfig, checkHostAliases } from './pod-dns.ts'
import { checkPodLevelResources } from './pod-level-resources.ts'
import { checkAffinity, checkGates, checkSpread, checkTolerations } from './pod-scheduling.ts'
import { checkHostUsers, checkPodSecurity } from './pod-security.ts'
import { checkVolumes } from './pod-volumes.ts'
import { checkHostProcess, checkOs } from './pod-windows.ts'
import { checkRequirements } from './resource-rules.ts'
import type { ObjectMeta, Pod, PodResourceClaim, PodSpec, PodTemplateSpec } from './types.ts'

const RESTART_POLICIES = ['Always', 'OnFailure', 'Never']
const DNS_POLICIES = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None']
const PREEMPTION_POLICIES = ['PreemptLowerPriority', 'Never']
const MAX_INT32 = 2 ** 31 - 1
const NO_CONTAINERS: PodSpec = { containers: [] }
const NO_CLAIMS: ReadonlySet<string> = new Set()

export function validatePod(pod: Pod): FieldError[] {
  const errors: FieldError[] = []
  const spec = pod.spec ?? NO_CONTAINERS
  checkPodAnnotations(pod.metadata.annotations, 'metadata.annotations', { spec, errors })
  checkPodSpec(spec, 'spec', { errors, metadata: pod.metadata, isPod: true })
  if (!spec.serviceAccountName)
    spec.volumes?.forEach(({ projected }, v) => {
      projected?.sources?.forEach(({ serviceAccountToken }, s) => {
        if (serviceAccountToken !== undefined)
          errors.push(
            forbidden(
              `spec.volumes[${v}].projected.sources[${s}].serviceAccountToken`,
              'must not be specified when serviceAccountName is not set'
            )
          )
      })
    })
  spec.containers?.forEach((container, i) => {
    checkImageSpace(container, `spec.containers[${i}]`, errors)
  })
  spec.initContainers?.forEach((container, i) => {
    checkImageSpace(container, `spec.initContainers[${i}]`, errors)
  })
  return errors
}

/** What only a creation is refused for. */
export function validatePodCreation({ spec }: Pod): FieldError[] {
  const errors: FieldError[] = []
  if ((spec?.ephemeralContainers ?? []).length > 0)
    errors.push(forbidden('spec.ephemeralContainers', 'cannot be set on create'))
  if (spec?.nodeName && (spec.schedulingGates ?? []).length > 0)
    errors.push(forbidden('spec.nodeName', 'cannot be set until all schedulingGates have been cleared'))
  return errors
}

/** Of a workload's template at `path`: "spec.template". */
export function checkPodTemplate(template: PodTemplateSpec | undefined, path: string, errors: Errors): void {
  const metadata = template?.metadata
  const spec = template?.spec ?? NO_CONTAINERS
  checkLabels(metadata?.labels, `${path}.labels`, errors)
  checkAnnotations(metadata?.annotations, `${path}.annotations`, errors)
  checkPodAnnotations(metadata?.annotations, `${path}.annotations`, { spec, errors })
  checkPodSpec(spec, `${path}.spec`, { errors, metadata: undefined, isPod: false })
  if ((spec.ephemeralContainers ?? []).length > 0)
    errors.push(forbidden(`${path}.spec.ephemeralContainers`, 'ephemeral containers not allowed in pod template'))
}

interface SpecScope {
  readonly errors: Errors
  /** Of the pod; undefined in a template. */
  readonly metadata: ObjectMeta | undefined
  readonly isPod: boolean
}

export function checkPodSpec(spec: PodSpec, path: string, scope: SpecScope): void {
  const { errors } = scope
  const gracePeriod = spec.terminationGracePeriodSeconds
  if (gracePeriod === undefined) errors.push(required(`${path}.terminationGracePeriodSeconds`))
  const volumes = checkVolumes(spec.volumes, `${path}.volumes`, scope)
  const claims = checkClaims(spec.resourceClaims, `${path}.resourceClaims`, errors)
  const hostUsers = spec.hostUsers !== false
  const containers = { errors, spec, volumes, claims, gracePeriod, hostUsers }
  checkContainers(spec.containers ?? [], `${path}.containers`, containers)
  checkInitContainers(spec.initContainers ?? [], `${path}.initContainers`, containers)
  checkEphemeralContainers(spec.ephemeralContainers ?? [], `${path}.ephemeralContainers`, containers)
  if (spec.resources !== undefined) checkPodLevelResources(spec, `${path}.resources`, { errors, claims })
  if (spec.hostNetwork === true) checkHostNetworkPorts(spec, path, scope)
  checkOneOf(spec.restartPolicy, `${path}.restartPolicy`, { allowed: RESTART_POLICIES, errors })
  checkOneOf(spec.dnsPolicy, `${path}.dnsPolicy`, { allowed: DNS_POLICIES, errors })
  checkLabels(spec.nodeSelector, `${path}.nodeSelector`, errors)
  if (spec.securityContext !== undefined)
    checkPodSecurity(spec.securityContext, `${path}.securityContext`, { errors, spec })
  if (spec.affinity !== undefined) checkAffinity(spec.affinity, `${path}.affinity`, errors)
  checkDnsConfig(spec, `${path}.dnsConfig`, errors)
  spec.readinessGates?.forEach(({ conditionType }, i) => {
    checkQualifiedName(conditionType ?? '', `${path}.readinessGates[${i}].conditionType`, errors)
  })
  if (spec.schedulingGates !== undefined) checkGates(spec.schedulingGates, `${path}.schedulingGates`, errors)
  if (spec.topologySpreadConstraints !== undefined)
    checkSpread(spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`, errors)
  checkHostProcess(spec, path, errors)
  checkHostUsers(spec, path, errors)
  checkNames(spec, path, errors)
  checkRest(spec, path, errors)
  checkFileKeyVolumes(spec, path, errors)
}

/** A variable is read of a file only in a volume that the pod itself fills. */
function checkFileKeyVolumes(spec: PodSpec, path: string, errors: Errors): void {
  const volumes = new Map((spec.volumes ?? []).map((volume) => [volume.name, volume]))
  for (const field of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    spec[field]?.forEach(({ env = [] }, c) => {
      env.forEach(({ valueFrom }, i) => {
        if (valueFrom?.fileKeyRef === undefined) return
        const { volumeName = '' } = valueFrom.fileKeyRef
        const at = `${path}.${field}[${c}].env[${i}].valueFrom.fileKeyRef.volumeName`
        const volume = volumes.get(volumeName)
        if (volume === undefined) errors.push(notFound(at, volumeName))
        else if (volume.emptyDir === undefined)
          errors.push(invalid(at, volumeName, 'referenced volume must be of type emptyDir'))
      })
    })
}

/** Names of other objects, and the pod's own in the network. */
function checkNames(spec: PodSpec, path: string, errors: Errors): void {
  if (spec.serviceAccountName) checkSubdomain(spec.serviceAccountName, `${path}.serviceAccountName`, errors)
  if (spec.nodeName) checkSubdomain(spec.nodeName, `${path}.nodeName`, errors)
  const deadline = spec.activeDeadlineSeconds
  if (deadline !== undefined)
    errors.push(...complaints(`${path}.activeDeadlineSeconds`, deadline, isInRange(deadline, 1, MAX_INT32)))
  if (spec.hostname) checkLabel(spec.hostname, `${path}.hostname`, errors)
  if (spec.subdomain) checkLabel(spec.subdomain, `${path}.subdomain`, errors)
  if (spec.hostnameOverride !== undefined) checkHostnameOverride(spec, path, errors)
}

/** Linux takes 64 bytes (HOST_NAME_MAX). */
const HOSTNAME_BYTES = 64

function checkHostnameOverride(spec: PodSpec, path: string, errors: Errors): void {
  const name = spec.hostnameOverride ?? ''
  const at = `${path}.hostnameOverride`
  errors.push(...complaints(at, name, isDNS1123Subdomain(name)))
  if (byteLength(name) > HOSTNAME_BYTES)
    errors.push(invalid(at, name, `must be no more than ${HOSTNAME_BYTES} characters`))
  if (spec.hostNetwork === true) errors.push(forbidden(at, 'may not be specified when hostNetwork is true'))
  if (spec.setHostnameAsFQDN === true) errors.push(forbidden(at, 'may not be specified when setHostnameAsFQDN is true'))
}

function checkRest(spec: PodSpec, path: string, errors: Errors): void {
  if (spec.tolerations !== undefined) checkTolerations(spec.tolerations, `${path}.tolerations`, errors)
  if (spec.hostAliases !== undefined) checkHostAliases(spec.hostAliases, `${path}.hostAliases`, errors)
  if (spec.priorityClassName) checkSubdomain(spec.priorityClassName, `${path}.priorityClassName`, errors)
  if (spec.runtimeClassName !== undefined) checkSubdomain(spec.runtimeClassName, `${path}.runtimeClassName`, errors)
  const { preemptionPolicy } = spec
  if (preemptionPolicy === '') errors.push(required(`${path}.preemptionPolicy`))
  else if (preemptionPolicy !== undefined && !PREEMPTION_POLICIES.includes(preemptionPolicy))
    errors.push(notSupported(`${path}.preemptionPolicy`, preemptionPolicy, PREEMPTION_POLICIES))
  if (spec.overhead !== undefined)
    checkRequirements({ limits: spec.overhead }, `${path}.overhead`, { errors, claims: NO_CLAIMS })
  checkOs(spec, path, errors)
}

/** With the host's network a container's port is the host's. A template may leave the host's out. */
function checkHostNetworkPorts(spec: PodSpec, path: string, { errors, isPod }: SpecScope): void {
  spec.containers?.forEach(({ ports }, c) => {
    ports?.forEach(({ hostPort = 0, containerPort = 0 }, p) => {
      if ((isPod || hostPort !== 0) && hostPort !== containerPort)
        errors.push(
          invalid(
            `${path}.containers[${c}].ports[${p}].hostPort`,
            hostPort,
            'must match `containerPort` when `hostNetwork` is true'
          )
        )
    })
  })
}

function checkClaims(
  claims: readonly PodResourceClaim[] | undefined,
  path: string,
  errors: Errors
): ReadonlySet<string> {
  if (claims === undefined) return NO_CLAIMS
  const seen = new Set<string>()
  claims.forEach((claim, i) => {
    const at = `${path}[${i}]`
    const { name, resourceClaimName, resourceClaimTemplateName } = claim
    if (!name) errors.push(required(`${at}.name`))
    else if (seen.has(name)) errors.push(duplicate(`${at}.name`, name))
    else checkLabel(name, `${at}.name`, errors)
    if (name) seen.add(name)
    const shown = () => goStruct('PodResourceClaim', claim)
    if (resourceClaimName !== undefined && resourceClaimTemplateName !== undefined)
      errors.push(
        invalid(at, shown(), 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified')
      )
    if (resourceClaimName === undefined && resourceClaimTemplateName === undefined)
      errors.push(invalid(at, shown(), 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`'))
    if (resourceClaimName !== undefined) checkSubdomain(resourceClaimName, `${at}.resourceClaimName`, errors)
    if (resourceClaimTemplateName !== undefined)
      checkSubdomain(resourceClaimTemplateName, `${at}.resourceClaimTemplateName`, errors)
  })
  return seen
}
