/** The checks that the level "restricted" has beyond the baseline's. */
import { isBadSeccomp, procMount, seccomp } from './baseline.ts'
import {
  type Check,
  type CheckPod,
  containerNames,
  namesWhere,
  plural,
  quoted,
  setters,
  sortedSet,
  unlessOwnUsers,
  unlessWindows
} from './check.ts'

const privilegeEscalation: CheckPod = ({ spec }) => {
  const names = namesWhere(spec, ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false)
  if (names.length === 0) return undefined
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${containerNames(names)} must set securityContext.allowPrivilegeEscalation=false`
  }
}

const capabilities: CheckPod = ({ spec }) => {
  const missing = namesWhere(spec, ({ securityContext }) => {
    return securityContext?.capabilities?.drop?.includes('ALL') !== true
  })
  const found: string[] = []
  const adding = namesWhere(spec, ({ securityContext }) => {
    const more = (securityContext?.capabilities?.add ?? []).filter((name) => name !== 'NET_BIND_SERVICE')
    found.push(...more)
    return more.length > 0
  })
  const details = [
    ...(missing.length > 0 ? [`${containerNames(missing)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding.length > 0
      ? [`${containerNames(adding)} must not include ${quoted(sortedSet(found))} in securityContext.capabilities.add`]
      : [])
  ]
  return details.length === 0 ? undefined : { reason: 'unrestricted capabilities', detail: details.join('; ') }
}

const ALLOWED_VOLUMES: ReadonlySet<string> = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret'
])

const volumes: CheckPod = ({ spec }) => {
  const types: string[] = []
  const names: string[] = []
  for (const volume of spec.volumes ?? []) {
    const sources = Object.entries(volume).flatMap(([field, value]) =>
      field === 'name' || value === undefined ? [] : [field]
    )
    if (sources.some((source) => ALLOWED_VOLUMES.has(source))) continue
    names.push(volume.name)
    types.push(sources[0] ?? 'unknown')
  }
  if (names.length === 0) return undefined
  const list = sortedSet(types)
  const uses = plural('uses', names, 'use')
  return {
    reason: 'restricted volume types',
    detail: `${plural('volume', names)} ${quoted(names)} ${uses} ${plural('restricted volume type', list)} ${quoted(list)}`
  }
}

const runAsNonRoot: CheckPod = ({ spec }) => {
  const pod = spec.securityContext?.runAsNonRoot
  const explicit = namesWhere(spec, ({ securityContext }) => securityContext?.runAsNonRoot === false)
  const who = setters(pod === false, explicit)
  const reason = 'runAsNonRoot != true'
  if (who !== undefined) return { reason, detail: `${who} must not set securityContext.runAsNonRoot=false` }
  if (pod === true) return undefined
  const implicit = namesWhere(spec, ({ securityContext }) => securityContext?.runAsNonRoot === undefined)
  if (implicit.length === 0) return undefined
  return { reason, detail: `pod or ${containerNames(implicit)} must set securityContext.runAsNonRoot=true` }
}

const runAsUser: CheckPod = ({ spec }) => {
  const names = namesWhere(spec, ({ securityContext }) => securityContext?.runAsUser === 0)
  const who = setters(spec.securityContext?.runAsUser === 0, names)
  return who === undefined ? undefined : { reason: 'runAsUser=0', detail: `${who} must not set runAsUser=0` }
}

const seccompRequired: CheckPod = (pod) => {
  const bad = seccomp(pod)
  if (bad !== undefined) return bad
  const { spec } = pod
  const own = spec.securityContext?.seccompProfile?.type
  if (own !== undefined && !isBadSeccomp(own)) return undefined
  const names = namesWhere(spec, ({ securityContext }) => securityContext?.seccompProfile === undefined)
  if (names.length === 0) return undefined
  return {
    reason: 'seccompProfile',
    detail: `pod or ${containerNames(names)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`
  }
}

function restricted(id: string, ...versions: Check['versions']): Check {
  return { id, level: 'restricted', versions }
}

const NO_CAPABILITIES = { overrides: ['capabilities_baseline'] }
const NO_SECCOMP = { overrides: ['seccompProfile_baseline'] }

export const restrictedChecks: readonly Check[] = [
  restricted(
    'allowPrivilegeEscalation',
    { since: 8, check: privilegeEscalation },
    { since: 25, check: unlessWindows(privilegeEscalation) }
  ),
  restricted(
    'capabilities_restricted',
    { since: 22, check: capabilities, ...NO_CAPABILITIES },
    { since: 25, check: unlessWindows(capabilities), ...NO_CAPABILITIES }
  ),
  restricted('procMount_restricted', { since: 35, check: procMount, overrides: ['procMount'] }),
  restricted('restrictedVolumes', { since: 0, check: volumes, overrides: ['hostPathVolumes'] }),
  restricted('runAsNonRoot', { since: 0, check: runAsNonRoot }, { since: 35, check: unlessOwnUsers(runAsNonRoot) }),
  restricted('runAsUser', { since: 23, check: runAsUser }, { since: 35, check: unlessOwnUsers(runAsUser) }),
  restricted(
    'seccompProfile_restricted',
    { since: 19, check: seccompRequired, ...NO_SECCOMP },
    { since: 25, check: unlessWindows(seccompRequired), ...NO_SECCOMP }
  )
]
