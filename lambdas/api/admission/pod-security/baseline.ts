/** The checks of the level "baseline" (k8s.io/pod-security-admission/policy). */
import { goQuote } from '../../../../core/go-text.ts'
import type { LifecycleHandler, Probe, SELinuxOptions } from '../../../../core/kinds/types.ts'
import {
  type Check,
  type CheckPod,
  containerNames,
  containersOf,
  namesWhere,
  plural,
  quoted,
  setters,
  sortedSet,
  unlessOwnUsers
} from './check.ts'

const APP_ARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/'
const APP_ARMOR_TYPES: readonly string[] = ['RuntimeDefault', 'Localhost']

const appArmor: CheckPod = ({ annotations, spec }) => {
  const bad = (type: string | undefined) => type !== undefined && !APP_ARMOR_TYPES.includes(type)
  const podType = spec.securityContext?.appArmorProfile?.type
  const names = namesWhere(spec, (container) => bad(container.securityContext?.appArmorProfile?.type))
  const types = containersOf(spec).map((container) => container.securityContext?.appArmorProfile?.type)
  const values = [...sortedSet([podType, ...types].filter((type) => type !== undefined && bad(type)) as string[])]
  const marked = Object.entries(annotations).filter(
    ([key, value]) =>
      key.startsWith(APP_ARMOR_ANNOTATION) &&
      value !== '' &&
      value !== 'runtime/default' &&
      !value.startsWith('localhost/')
  )
  values.push(...marked.map(([key, value]) => `${key}=${goQuote(value)}`).sort())
  const who = [setters(bad(podType), names), ...(marked.length > 0 ? [plural('annotation', marked)] : [])]
  const named = who.filter((part) => part !== undefined).join(' and ')
  if (named === '') return undefined
  return {
    reason: plural('forbidden AppArmor profile', values),
    detail: `${named} must not set AppArmor profile type to ${quoted(values)}`
  }
}

const DEFAULT_CAPABILITIES: ReadonlySet<string> = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT'
])

const capabilities: CheckPod = ({ spec }) => {
  const found: string[] = []
  const names = namesWhere(spec, ({ securityContext }) => {
    const more = (securityContext?.capabilities?.add ?? []).filter((name) => !DEFAULT_CAPABILITIES.has(name))
    found.push(...more)
    return more.length > 0
  })
  if (names.length === 0) return undefined
  const list = quoted(sortedSet(found))
  return {
    reason: 'non-default capabilities',
    detail: `${containerNames(names)} must not include ${list} in securityContext.capabilities.add`
  }
}

const hostNamespaces: CheckPod = ({ spec }) => {
  const set = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((field) => spec[field] === true)
  if (set.length === 0) return undefined
  return { reason: 'host namespaces', detail: set.map((field) => `${field}=true`).join(', ') }
}

const hostPaths: CheckPod = ({ spec }) => {
  const names = (spec.volumes ?? []).filter(({ hostPath }) => hostPath !== undefined).map(({ name }) => name)
  if (names.length === 0) return undefined
  return { reason: 'hostPath volumes', detail: `${plural('volume', names)} ${quoted(names)}` }
}

const hostPorts: CheckPod = ({ spec }) => {
  const found: string[] = []
  const names = namesWhere(spec, ({ ports }) => {
    const here = (ports ?? []).flatMap(({ hostPort = 0 }) => (hostPort === 0 ? [] : [String(hostPort)]))
    found.push(...here)
    return here.length > 0
  })
  if (names.length === 0) return undefined
  const list = sortedSet(found)
  const uses = plural('uses', names, 'use')
  return {
    reason: 'hostPort',
    detail: `${containerNames(names)} ${uses} ${plural('hostPort', list)} ${list.join(', ')}`
  }
}

const probeHosts: CheckPod = ({ spec }) => {
  const hostsOf = (handler: Probe | LifecycleHandler | undefined) =>
    [handler?.httpGet?.host, handler?.tcpSocket?.host].filter((host) => host !== undefined && host !== '') as string[]
  const found: string[] = []
  const names = namesWhere(spec, ({ livenessProbe, readinessProbe, startupProbe, lifecycle }) => {
    const handlers = [livenessProbe, readinessProbe, startupProbe, lifecycle?.postStart, lifecycle?.preStop]
    const here = handlers.flatMap(hostsOf)
    found.push(...here)
    return here.length > 0
  })
  if (names.length === 0) return undefined
  const [who, hosts] = [sortedSet(names), sortedSet(found)]
  const uses = plural('uses', who, 'use')
  return {
    reason: 'probe or lifecycle host',
    detail: `${containerNames(who)} ${uses} ${plural('probe or lifecycle host', hosts)} ${quoted(hosts)}`
  }
}

const privileged: CheckPod = ({ spec }) => {
  const names = namesWhere(spec, ({ securityContext }) => securityContext?.privileged === true)
  if (names.length === 0) return undefined
  return { reason: 'privileged', detail: `${containerNames(names)} must not set securityContext.privileged=true` }
}

export const procMount: CheckPod = ({ spec }) => {
  const found: string[] = []
  const names = namesWhere(spec, ({ securityContext }) => {
    const mount = securityContext?.procMount
    if (mount === undefined || mount === 'Default') return false
    found.push(mount)
    return true
  })
  if (names.length === 0) return undefined
  return {
    reason: 'procMount',
    detail: `${containerNames(names)} must not set securityContext.procMount to ${quoted(sortedSet(found))}`
  }
}

const SELINUX_TYPES = ['', 'container_t', 'container_init_t', 'container_kvm_t']

function seLinux(types: readonly string[]): CheckPod {
  return ({ spec }) => {
    const found: string[] = []
    let [user, role] = [false, false]
    const offends = (options: SELinuxOptions | undefined) => {
      if (options === undefined) return false
      const [badUser, badRole] = [(options.user ?? '') !== '', (options.role ?? '') !== '']
      const badType = !types.includes(options.type ?? '')
      if (badType) found.push(options.type ?? '')
      user ||= badUser
      role ||= badRole
      return badType || badUser || badRole
    }
    const pod = offends(spec.securityContext?.seLinuxOptions)
    const who = setters(
      pod,
      namesWhere(spec, ({ securityContext }) => offends(securityContext?.seLinuxOptions))
    )
    if (who === undefined) return undefined
    const list = sortedSet(found)
    const what = [
      ...(list.length > 0 ? [`${plural('type', list)} ${quoted(list)}`] : []),
      ...(user ? ['user may not be set'] : []),
      ...(role ? ['role may not be set'] : [])
    ]
    return {
      reason: 'seLinuxOptions',
      detail: `${who} set forbidden securityContext.seLinuxOptions: ${what.join('; ')}`
    }
  }
}

const SECCOMP_POD = 'seccomp.security.alpha.kubernetes.io/pod'
const SECCOMP_CONTAINER = 'container.seccomp.security.alpha.kubernetes.io/'

/** Before 1.19 profiles were named by annotations. */
const seccompAnnotations: CheckPod = ({ annotations, spec }) => {
  const keys = [SECCOMP_POD, ...containersOf(spec).map(({ name }) => SECCOMP_CONTAINER + name)]
  const bad = sortedSet(
    keys.flatMap((key) => {
      const value = annotations[key]
      if (value === undefined || value === 'runtime/default' || value === 'docker/default') return []
      return value.startsWith('localhost/') ? [] : [`${key}=${goQuote(value)}`]
    })
  )
  if (bad.length === 0) return undefined
  return { reason: 'seccompProfile', detail: `forbidden ${plural('annotation', bad)} ${bad.join(', ')}` }
}

const SECCOMP_TYPES: readonly string[] = ['Localhost', 'RuntimeDefault']
export const isBadSeccomp = (type: string | undefined) => type !== undefined && !SECCOMP_TYPES.includes(type)

export const seccomp: CheckPod = ({ spec }) => {
  const podType = spec.securityContext?.seccompProfile?.type
  const types = containersOf(spec).map(({ securityContext }) => securityContext?.seccompProfile?.type)
  const names = namesWhere(spec, ({ securityContext }) => isBadSeccomp(securityContext?.seccompProfile?.type))
  const who = setters(isBadSeccomp(podType), names)
  if (who === undefined) return undefined
  const values = sortedSet([podType, ...types].filter(isBadSeccomp) as string[])
  return {
    reason: 'seccompProfile',
    detail: `${who} must not set securityContext.seccompProfile.type to ${quoted(values)}`
  }
}

const SYSCTLS_0 = [
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.ping_group_range',
  'net.ipv4.ip_unprivileged_port_start'
]
const SYSCTLS_27 = [...SYSCTLS_0, 'net.ipv4.ip_local_reserved_ports']
const SYSCTLS_29 = [
  ...SYSCTLS_27,
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes'
]
const SYSCTLS_32 = [...SYSCTLS_29, 'net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem']

function sysctls(allowed: readonly string[]): CheckPod {
  return ({ spec }) => {
    const bad = (spec.securityContext?.sysctls ?? []).map(({ name }) => name).filter((name) => !allowed.includes(name))
    return bad.length === 0 ? undefined : { reason: 'forbidden sysctls', detail: bad.join(', ') }
  }
}

const hostProcess: CheckPod = ({ spec }) => {
  const pod = spec.securityContext?.windowsOptions?.hostProcess === true
  const names = namesWhere(spec, ({ securityContext }) => securityContext?.windowsOptions?.hostProcess === true)
  const who = setters(pod, names)
  if (who === undefined) return undefined
  return { reason: 'hostProcess', detail: `${who} must not set securityContext.windowsOptions.hostProcess=true` }
}

function baseline(id: string, ...versions: Check['versions']): Check {
  return { id, level: 'baseline', versions }
}

export const baselineChecks: readonly Check[] = [
  baseline('appArmorProfile', { since: 0, check: appArmor }),
  baseline('capabilities_baseline', { since: 0, check: capabilities }),
  baseline('hostNamespaces', { since: 0, check: hostNamespaces }),
  baseline('hostPathVolumes', { since: 0, check: hostPaths }),
  baseline('hostPorts', { since: 0, check: hostPorts }),
  baseline('hostProbesAndHostLifecycle', { since: 34, check: probeHosts }),
  baseline('privileged', { since: 0, check: privileged }),
  baseline('procMount', { since: 0, check: procMount }, { since: 35, check: unlessOwnUsers(procMount) }),
  baseline(
    'seLinuxOptions',
    { since: 0, check: seLinux(SELINUX_TYPES) },
    { since: 31, check: seLinux([...SELINUX_TYPES, 'container_engine_t']) }
  ),
  baseline('seccompProfile_baseline', { since: 0, check: seccompAnnotations }, { since: 19, check: seccomp }),
  baseline(
    'sysctls',
    { since: 0, check: sysctls(SYSCTLS_0) },
    { since: 27, check: sysctls(SYSCTLS_27) },
    { since: 29, check: sysctls(SYSCTLS_29) },
    { since: 32, check: sysctls(SYSCTLS_32) }
  ),
  baseline('windowsHostProcess', { since: 0, check: hostProcess })
]
