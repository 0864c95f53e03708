/** Validation of security contexts, sysctls and profiles. */
import { duplicate, forbidden, invalid, notSupported, required, tooLong } from '../field-errors.ts'
import { byteLength } from '../names.ts'
import type { Errors } from './checks.ts'
import { goStruct } from './go-structs.ts'
import { checkDescendingPath } from './paths.ts'
import { checkWindowsOptions } from './pod-windows.ts'
import type { AppArmorProfile, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext } from './types.ts'

const MOST_ID = 2 ** 31 - 1

/** User and group ids: 0 to 2147483647. */
export function checkId(id: number | undefined, path: string, errors: Errors): void {
  if (id !== undefined && (id < 0 || id > MOST_ID))
    errors.push(invalid(path, id, `must be between 0 and ${MOST_ID}, inclusive`))
}

export function checkContainerSecurity(
  context: SecurityContext,
  path: string,
  { errors, hostUsers }: { errors: Errors; hostUsers: boolean }
): void {
  checkId(context.runAsUser, `${path}.runAsUser`, errors)
  checkId(context.runAsGroup, `${path}.runAsGroup`, errors)
  const { procMount, seccompProfile, privileged, allowPrivilegeEscalation } = context
  if (procMount !== undefined) {
    if (procMount !== 'Default' && procMount !== 'Unmasked')
      errors.push(notSupported(`${path}.procMount`, procMount, ['Default', 'Unmasked']))
    if (hostUsers && procMount === 'Unmasked')
      errors.push(invalid(`${path}.procMount`, procMount, '`hostUsers` must be false to use `Unmasked`'))
  }
  if (seccompProfile !== undefined) checkSeccomp(seccompProfile, `${path}.seccompProfile`, errors)
  if (allowPrivilegeEscalation === false) {
    const refuse = (other: string) =>
      void errors.push(
        invalid(
          path,
          goStruct('SecurityContext', context),
          `cannot set \`allowPrivilegeEscalation\` to false and ${other}`
        )
      )
    if (privileged === true) refuse('`privileged` to true')
    for (const capability of context.capabilities?.add ?? [])
      if (capability === 'CAP_SYS_ADMIN') refuse('`capabilities.Add` CAP_SYS_ADMIN')
  }
  if (context.windowsOptions !== undefined)
    checkWindowsOptions(context.windowsOptions, `${path}.windowsOptions`, errors)
  if (context.appArmorProfile !== undefined) checkAppArmor(context.appArmorProfile, `${path}.appArmorProfile`, errors)
}

export function checkPodSecurity(context: PodSecurityContext, path: string, scope: { errors: Errors; spec: PodSpec }) {
  const { errors, spec } = scope
  checkId(context.fsGroup, `${path}.fsGroup`, errors)
  checkId(context.runAsUser, `${path}.runAsUser`, errors)
  checkId(context.runAsGroup, `${path}.runAsGroup`, errors)
  context.supplementalGroups?.forEach((id, i) => {
    checkId(id, `${path}.supplementalGroups[${i}]`, errors)
  })
  if (spec.shareProcessNamespace === true && spec.hostPID === true)
    errors.push(
      invalid(`${path}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled')
    )
  checkSysctls(context, `${path}.sysctls`, scope)
  checkChoice(context.fsGroupChangePolicy, `${path}.fsGroupChangePolicy`, {
    allowed: ['Always', 'OnRootMismatch'],
    errors
  })
  if (context.seccompProfile !== undefined) checkSeccomp(context.seccompProfile, `${path}.seccompProfile`, errors)
  if (context.windowsOptions !== undefined)
    checkWindowsOptions(context.windowsOptions, `${path}.windowsOptions`, errors)
  if (context.appArmorProfile !== undefined) checkAppArmor(context.appArmorProfile, `${path}.appArmorProfile`, errors)
  checkChoice(context.supplementalGroupsPolicy, `${path}.supplementalGroupsPolicy`, {
    allowed: ['Merge', 'Strict'],
    errors
  })
  checkChoice(context.seLinuxChangePolicy, `${path}.seLinuxChangePolicy`, {
    allowed: ['Recursive'],
    errors
  })
}

function checkChoice(
  value: string | undefined,
  path: string,
  { allowed, errors }: { allowed: readonly string[]; errors: Errors }
): void {
  if (value !== undefined && !allowed.includes(value)) errors.push(notSupported(path, value, allowed))
}

const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/
const SYSCTL_TEXT = '^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$'
const SYSCTL_BYTES = 253
const IPC_SYSCTLS = /^(kernel[./](sem|shm_rmid_forced|msg.*|shm.*)|fs[./]mqueue[./].*)$/

function checkSysctls({ sysctls }: PodSecurityContext, path: string, scope: { errors: Errors; spec: PodSpec }): void {
  if (sysctls === undefined) return
  const { errors, spec } = scope
  const seen = new Set<string>()
  sysctls.forEach(({ name = '' }, i) => {
    const at = `${path}[${i}].name`
    if (name === '') errors.push(required(at))
    else if (byteLength(name) > SYSCTL_BYTES || !SYSCTL.test(name))
      errors.push(invalid(at, name, `must have at most ${SYSCTL_BYTES} characters and match regex ${SYSCTL_TEXT}`))
    else if (seen.has(name)) errors.push(duplicate(at, name))
    if (spec.hostNetwork === true && /^net[./]/.test(name))
      errors.push(invalid(at, name, "may not be specified when 'hostNetwork' is true"))
    else if (spec.hostIPC === true && IPC_SYSCTLS.test(name))
      errors.push(invalid(at, name, "may not be specified when 'hostIPC' is true"))
    seen.add(name)
  })
}

const PROFILE_TYPES = ['Localhost', 'RuntimeDefault', 'Unconfined']

function checkSeccomp(profile: SeccompProfile, path: string, errors: Errors): void {
  const { type, localhostProfile } = profile
  if (!type) errors.push(required(`${path}.type`, 'type is required when seccompProfile is set'))
  else if (!PROFILE_TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, PROFILE_TYPES))
  const at = `${path}.localhostProfile`
  if (type === 'Localhost') {
    if (localhostProfile === undefined) errors.push(required(at, 'must be set when seccomp type is Localhost'))
    else checkDescendingPath(localhostProfile, at, errors)
  } else if (localhostProfile !== undefined)
    errors.push(invalid(at, goStruct('SeccompProfile', profile), 'can only be set when seccomp type is Localhost'))
}

/** PATH_MAX - 1. */
const PROFILE_BYTES = 4095

function checkAppArmor({ type, localhostProfile }: AppArmorProfile, path: string, errors: Errors): void {
  const at = `${path}.localhostProfile`
  if (type === 'Localhost') {
    if (localhostProfile === undefined || localhostProfile === '')
      errors.push(required(at, 'must be set when AppArmor type is Localhost'))
    else if (localhostProfile.trim() !== localhostProfile)
      errors.push(invalid(at, localhostProfile, 'must not be padded with whitespace'))
    if (byteLength(localhostProfile ?? '') > PROFILE_BYTES) errors.push(tooLong(at, PROFILE_BYTES))
  } else if (!type) errors.push(required(`${path}.type`, 'type is required when appArmorProfile is set'))
  else if (!PROFILE_TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, PROFILE_TYPES))
  else if (localhostProfile !== undefined)
    errors.push(invalid(at, localhostProfile, 'can only be set when AppArmor type is Localhost'))
}

/** A pod in a user namespace of its own may not share the host's others. */
export function checkHostUsers(spec: PodSpec, path: string, errors: Errors): void {
  if (spec.hostUsers !== false) return
  const detail = 'when `hostUsers` is false'
  if (spec.hostNetwork === true) errors.push(forbidden(`${path}.hostNetwork`, detail))
  if (spec.hostPID === true) errors.push(forbidden(`${path}.HostPID`, detail))
  if (spec.hostIPC === true) errors.push(forbidden(`${path}.HostIPC`, detail))
}
