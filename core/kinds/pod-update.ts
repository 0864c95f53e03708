/** What may change in a pod once it exists: by its user, in its status, and through its other subresources. */
import type { FieldError } from '../errors.ts'
import { duplicate, forbidden, invalid, notSupported } from '../field-errors.ts'
import { checkIp, ipFamily, isDualStack } from '../ip.ts'
import { isDNS1123Subdomain, isInRange, rangeError } from '../names.ts'
import { unifiedDiff } from '../unified-diff.ts'
import { checkQualifiedName, complaints, type Errors, IMMUTABLE, sameValue } from './checks.ts'
import { goPodSpec, goStruct } from './go-structs.ts'
import { checkAnnotationUpdate } from './pod-annotations.ts'
import { checkImageSpace } from './pod-containers.ts'
import { checkGatedChanges } from './pod-gated.ts'
import { checkId } from './pod-security.ts'
import type { Container, ContainerStatus, HostIP, Pod, PodIP, PodSpec, PodStatus, Toleration } from './types.ts'

const MAX_INT32 = 2 ** 31 - 1
const UPDATABLE = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'
].join(',')
const EMPTY_SPEC: PodSpec = { containers: [] }

/** Of an update of the pod itself, beyond what validatePod says of the new one. */
export function validatePodUpdate(next: Pod, old: Pod): FieldError[] {
  const errors: FieldError[] = []
  checkAnnotationUpdate(
    { next: next.metadata.annotations, old: old.metadata.annotations },
    'metadata.annotations',
    errors
  )
  const spec = next.spec ?? EMPTY_SPEC
  const before = old.spec ?? EMPTY_SPEC
  if (spec === before || sameValue(spec, before)) return errors
  if (!checkSameContainers(spec.containers, before.containers, { path: 'spec.containers', errors })) return errors
  if (!checkSameContainers(spec.initContainers, before.initContainers, { path: 'spec.initContainers', errors }))
    return errors
  if (!checkDeadline(spec.activeDeadlineSeconds, before.activeDeadlineSeconds, errors)) return errors
  checkAddedTolerations(spec.tolerations ?? [], before.tolerations ?? [], errors)
  const gates = new Set((before.schedulingGates ?? []).map(({ name }) => name))
  spec.schedulingGates?.forEach(({ name }, i) => {
    if (!gates.has(name))
      errors.push(
        forbidden(
          `spec.schedulingGates[${i}].name`,
          `only deletion is allowed, but found new scheduling gate '${name}'`
        )
      )
  })
  const restored = withOldFields(spec, before)
  if (gates.size > 0) checkGatedChanges(restored, before, errors)
  if (!sameValue(restored, before)) {
    const diff = unifiedDiff(goPodSpec(before), goPodSpec(restored))
    errors.push(forbidden('spec', `pod updates may not change fields other than ${UPDATABLE}\n${diff}`))
  }
  return errors
}

/** The new spec with everything that may change as it was before. */
function withOldFields(spec: PodSpec, before: PodSpec): PodSpec {
  const grace = before.terminationGracePeriodSeconds
  const restored: PodSpec = {
    ...spec,
    containers: withOldImages(spec.containers, before.containers) ?? [],
    initContainers: withOldImages(spec.initContainers, before.initContainers),
    activeDeadlineSeconds: before.activeDeadlineSeconds,
    schedulingGates: before.schedulingGates,
    tolerations: before.tolerations
  }
  if (grace !== undefined && grace < 0 && spec.terminationGracePeriodSeconds === 1)
    restored.terminationGracePeriodSeconds = grace
  return restored
}

function withOldImages(
  containers: readonly Container[] | undefined,
  before: readonly Container[] | undefined
): Container[] | undefined {
  return containers?.map((container, i) => ({ ...container, image: before?.[i]?.image }))
}

function checkSameContainers(
  containers: readonly Container[] | undefined,
  before: readonly Container[] | undefined,
  { path, errors }: { path: string; errors: Errors }
): boolean {
  if ((containers ?? []).length !== (before ?? []).length) {
    errors.push(forbidden(path, 'pod updates may not add or remove containers'))
    return false
  }
  containers?.forEach((container, i) => {
    if (!container.image) errors.push({ type: 'FieldValueRequired', field: `${path}[${i}].image`, detail: '' })
    checkImageSpace(container, `${path}[${i}]`, errors)
  })
  return true
}

/** It may be set, and lowered. Answers false where Kubernetes looks no further. */
function checkDeadline(deadline: number | undefined, before: number | undefined, errors: Errors): boolean {
  const path = 'spec.activeDeadlineSeconds'
  if (deadline === undefined) {
    if (before !== undefined) errors.push(invalid(path, null, 'must not update from a positive integer to nil value'))
    return true
  }
  if (isInRange(deadline, 0, MAX_INT32).length > 0) errors.push(invalid(path, deadline, rangeError(0, MAX_INT32)))
  else if (before !== undefined && before < deadline)
    errors.push(invalid(path, deadline, 'must be less than or equal to previous value'))
  else return true
  return false
}

function checkAddedTolerations(tolerations: readonly Toleration[], before: readonly Toleration[], errors: Errors) {
  const identity = ({ key = '', operator = '', value = '', effect = '' }: Toleration) =>
    JSON.stringify([key, operator, value, effect])
  const given = new Set(tolerations.map(identity))
  const kept = before.every((old) => given.has(identity(old)))
  if (!kept)
    errors.push(forbidden('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'))
}

/** Of an update of the status. */
export function validatePodStatus(next: Pod, old: Pod): FieldError[] {
  const errors: FieldError[] = []
  const status = next.status ?? {}
  const before = old.status ?? {}
  checkAnnotationUpdate(
    { next: next.metadata.annotations, old: old.metadata.annotations },
    'metadata.annotations',
    errors
  )
  status.conditions?.forEach(({ type }, i) => {
    if (type === 'PodScheduled' || type === 'Ready' || type === 'Initialized') return
    checkQualifiedName(type ?? '', `metadata.conditions[${i}].Type`, errors)
  })
  const nominated = status.nominatedNodeName
  if (nominated && nominated !== before.nominatedNodeName)
    errors.push(...complaints('status.nominatedNodeName', nominated, isDNS1123Subdomain(nominated)))
  if (status.qosClass !== before.qosClass) errors.push(invalid('status.qosClass', status.qosClass ?? '', IMMUTABLE))
  checkTransitions(status, { before, spec: old.spec ?? EMPTY_SPEC, errors })
  checkAddresses(status.podIPs, 'status.podIPs', errors)
  checkHostAddresses(status, errors)
  for (const list of ['containerStatuses', 'initContainerStatuses', 'ephemeralContainerStatuses'] as const)
    status[list]?.forEach(({ user }, i) => {
      if (user?.linux !== undefined) checkUser(user.linux, `status.${list}[${i}].linux`, errors)
    })
  return errors
}

function checkUser(
  { uid, gid, supplementalGroups }: { uid: number; gid: number; supplementalGroups?: number[] | undefined },
  path: string,
  errors: Errors
): void {
  checkId(uid, `${path}.uid`, errors)
  checkId(gid, `${path}.gid`, errors)
  supplementalGroups?.forEach((id, i) => {
    checkId(id, `${path}.supplementalGroups[${i}]`, errors)
  })
}

/** A container that has ended for good stays ended. */
function checkTransitions(
  status: PodStatus,
  { before, spec, errors }: { before: PodStatus; spec: PodSpec; errors: Errors }
): void {
  const check = (list: 'containerStatuses' | 'initContainerStatuses' | 'ephemeralContainerStatuses') => {
    const policy = list === 'ephemeralContainerStatuses' ? 'Never' : spec.restartPolicy
    before[list]?.forEach((old, i) => {
      const ended = old.state?.terminated
      if (ended === undefined || mayRestart(old, { exitCode: ended.exitCode, policy, spec, list })) return
      for (const one of status[list] ?? [])
        if (one.name === old.name && one.state?.terminated === undefined)
          errors.push(forbidden(`status.${list}[${i}].state`, 'may not be transitioned to non-terminated state'))
    })
  }
  check('containerStatuses')
  check('initContainerStatuses')
  check('ephemeralContainerStatuses')
}

interface Ended {
  readonly exitCode: number
  readonly policy: string | undefined
  readonly spec: PodSpec
  readonly list: string
}

function mayRestart({ name }: ContainerStatus, { exitCode, policy, spec, list }: Ended): boolean {
  if (policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0)) return true
  const containers = list === 'initContainerStatuses' ? spec.initContainers : spec.containers
  const container = list === 'ephemeralContainerStatuses' ? undefined : containers?.find((one) => one.name === name)
  // A policy of its own, or rules for exit codes, may start it again.
  return container?.restartPolicy === 'Always' || (container?.restartPolicyRules ?? []).length > 0
    ? true
    : container?.restartPolicy === 'OnFailure' && exitCode !== 0
}

function checkAddresses(addresses: readonly (PodIP | HostIP)[] | undefined, path: string, errors: Errors): void {
  if (addresses === undefined) return
  addresses.forEach(({ ip }, i) => {
    checkIp(ip ?? '', `${path}[${i}]`, errors)
  })
  if (addresses.length < 2) return
  const families = addresses.map(({ ip }) => ipFamily(ip ?? ''))
  if (!isDualStack(families) || addresses.length > 2)
    errors.push(
      invalid(
        path,
        addresses.map(({ ip }) => ({ IP: ip })),
        'may specify no more than one IP for each IP family'
      )
    )
  const seen = new Set<string>()
  addresses.forEach(({ ip = '' }, i) => {
    if (seen.has(ip)) errors.push(duplicate(`${path}[${i}]`, { IP: ip }))
    seen.add(ip)
  })
}

function checkHostAddresses({ hostIP = '', hostIPs }: PodStatus, errors: Errors): void {
  const first = hostIPs?.[0]?.ip
  if (first === undefined) return
  if (first !== hostIP) errors.push(invalid('status.hostIPs[0].ip', first, 'must be equal to `hostIP`'))
  checkAddresses(hostIPs, 'status.hostIPs', errors)
}

/** Of the subresource ephemeralcontainers: containers are added, none is changed or removed. */
export function validateEphemeralContainers(next: Pod, old: Pod): FieldError[] {
  const errors: FieldError[] = []
  const path = 'spec.ephemeralContainers'
  const given = new Map((next.spec?.ephemeralContainers ?? []).map((container) => [container.name, container]))
  for (const before of old.spec?.ephemeralContainers ?? []) {
    const after = given.get(before.name)
    if (after === undefined)
      errors.push(forbidden(path, `existing ephemeral containers "${before.name}" may not be removed\n`))
    else if (!sameValue(before, after)) {
      const diff = unifiedDiff(goStruct('EphemeralContainer', before), goStruct('EphemeralContainer', after))
      errors.push(forbidden(path, `existing ephemeral containers "${before.name}" may not be changed\n${diff}`))
    }
  }
  return errors
}

/** Of a binding: which node it names. */
export function validateBindingTarget(target: { kind?: string | undefined; name?: string | undefined }): FieldError[] {
  const errors: FieldError[] = []
  if (target.kind && target.kind !== 'Node') errors.push(notSupported('target.kind', target.kind, ['Node', '<empty>']))
  if (!target.name) errors.push({ type: 'FieldValueRequired', field: 'target.name', detail: '' })
  return errors
}
