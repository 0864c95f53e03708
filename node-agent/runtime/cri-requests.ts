/** The agent's sandbox and container configurations as CRI's messages. */
import type { ContainerConfig, NamespaceModes, SandboxConfig, SeccompProfile } from './runtime.ts'

export function sandboxRequest(config: SandboxConfig): object {
  return {
    metadata: { name: config.name, uid: config.podUid, namespace: config.namespace, attempt: config.attempt },
    hostname: config.hostname,
    log_directory: config.logDirectory,
    dns_config: config.dns,
    port_mappings: config.portMappings.map((mapping) => ({
      protocol: mapping.protocol,
      container_port: mapping.containerPort,
      host_port: mapping.hostPort,
      host_ip: mapping.hostIP
    })),
    labels: config.labels,
    annotations: config.annotations,
    linux: {
      cgroup_parent: config.cgroupParent,
      sysctls: config.sysctls,
      security_context: {
        namespace_options: namespaceOptions(config.namespaces),
        privileged: config.privileged,
        supplemental_groups: config.supplementalGroups,
        seccomp: seccomp(config.seccomp),
        ...user(config)
      }
    }
  }
}

export function containerRequest(config: ContainerConfig): object {
  return {
    metadata: { name: config.name, attempt: config.attempt },
    image: { image: config.image },
    command: config.command,
    args: config.args,
    working_dir: config.workingDir,
    envs: config.env.map(({ name, value }) => ({ key: name, value })),
    mounts: config.mounts.map((mount) => ({
      container_path: mount.containerPath,
      host_path: mount.hostPath,
      readonly: mount.readOnly,
      propagation: PROPAGATION[mount.propagation]
    })),
    labels: config.labels,
    annotations: config.annotations,
    log_path: config.logPath,
    stdin: config.stdin,
    stdin_once: config.stdinOnce,
    tty: config.tty,
    linux: { resources: resourcesRequest(config.resources), security_context: securityContext(config.security) }
  }
}

const PROPAGATION = {
  None: 'PROPAGATION_PRIVATE',
  HostToContainer: 'PROPAGATION_HOST_TO_CONTAINER',
  Bidirectional: 'PROPAGATION_BIDIRECTIONAL'
} as const

/** What the runtime hides of /proc and /sys, and what it lets be read only (kubelet's defaults for procMount). */
const MASKED_PATHS = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap'
]
const READ_ONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger']

export function resourcesRequest(limits: ContainerConfig['resources']): object {
  return {
    cpu_period: limits.cpuPeriod,
    cpu_quota: limits.cpuQuota,
    cpu_shares: limits.cpuShares,
    memory_limit_in_bytes: limits.memoryLimit,
    oom_score_adj: limits.oomScoreAdj
  }
}

function securityContext(security: ContainerConfig['security']): object {
  const open = security.privileged || security.unmaskedProc
  return {
    capabilities: { add_capabilities: security.addCapabilities, drop_capabilities: security.dropCapabilities },
    privileged: security.privileged,
    namespace_options: namespaceOptions(security.namespaces),
    readonly_rootfs: security.readOnlyRootFilesystem,
    supplemental_groups: security.supplementalGroups,
    no_new_privs: security.noNewPrivileges,
    masked_paths: open ? [] : MASKED_PATHS,
    readonly_paths: open ? [] : READ_ONLY_PATHS,
    seccomp: seccomp(security.seccomp),
    ...user(security)
  }
}

function namespaceOptions(modes: NamespaceModes): object {
  return { network: modes.network, pid: modes.pid, ipc: modes.ipc, target_id: modes.target ?? '' }
}

function seccomp(profile: SeccompProfile): object {
  return { profile_type: profile.type, localhost_ref: profile.path ?? '' }
}

function user(from: { readonly runAsUser?: number | undefined; readonly runAsGroup?: number | undefined }): object {
  return {
    ...(from.runAsUser === undefined ? {} : { run_as_user: { value: from.runAsUser } }),
    ...(from.runAsGroup === undefined ? {} : { run_as_group: { value: from.runAsGroup } })
  }
}
