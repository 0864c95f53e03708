/** From a pod's specification to what the runtime is asked for. */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { expand } from '../../core/expansion.ts'
import type { Container, Pod, SeccompProfile as SpecSeccomp } from '../../core/kinds/types.ts'
import { ConfigError } from '../../core/pod-environment.ts'
import { IMAGE_ANNOTATION } from '../pod/input.ts'
import { BACKOFF_ANNOTATION } from '../pod/restart.ts'
import {
  type ContainerConfig,
  type ContainerMount,
  type Image,
  LABELS,
  type NamespaceModes,
  type SandboxConfig,
  type SeccompProfile
} from '../runtime/runtime.ts'
import { resourcesOf } from './resources.ts'

/** Where on the host a container writes its termination message. */
export const MESSAGE_FILE_ANNOTATION = 'wherry.io/termination-message-file'

export function sandboxConfig(
  pod: Pod,
  attempt: number,
  node: {
    readonly logs: string
    readonly cgroupParent: string
    readonly dns: SandboxConfig['dns']
    readonly clusterDomain: string
  }
): SandboxConfig {
  const { metadata, spec } = pod
  const hostNetwork = spec?.hostNetwork === true
  const containers = [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])]
  const security = spec?.securityContext
  return {
    name: metadata.name ?? '',
    namespace: metadata.namespace ?? '',
    podUid: metadata.uid ?? '',
    attempt,
    hostname: hostNetwork ? '' : kernelHostname(pod, node.clusterDomain),
    logDirectory: node.logs,
    dns: node.dns,
    portMappings: hostNetwork ? [] : portMappings(containers),
    labels: { ...metadata.labels, ...podLabels(pod) },
    annotations: {},
    cgroupParent: node.cgroupParent,
    namespaces: namespacesOf(pod),
    privileged: containers.some((container) => container.securityContext?.privileged === true),
    runAsUser: security?.runAsUser,
    runAsGroup: security?.runAsUser === undefined ? undefined : security.runAsGroup,
    supplementalGroups: groupsOf(pod),
    seccomp: { type: 'RuntimeDefault' },
    sysctls: Object.fromEntries((security?.sysctls ?? []).map(({ name, value }) => [name, value]))
  }
}

/** At most 63 characters, as the kernel takes it and DNS allows. */
export function hostnameOf(pod: Pod): string {
  const { metadata, spec } = pod
  const name = spec?.hostnameOverride ?? spec?.hostname ?? metadata.name ?? ''
  return name.slice(0, 63).replace(/[-.]+$/, '')
}

/** Under which the cluster's DNS knows the pod's hostname; '' without a subdomain. */
export function domainOf({ metadata, spec }: Pod, clusterDomain: string): string {
  const subdomain = spec?.subdomain ?? ''
  if (subdomain === '' || spec?.hostnameOverride !== undefined) return ''
  return `${subdomain}.${metadata.namespace ?? ''}.svc.${clusterDomain}`
}

/** The kernel's field has this many characters. */
const MOST_HOSTNAME = 64

/** Throws ConfigError where the name is asked for in full and does not fit. */
function kernelHostname(pod: Pod, clusterDomain: string): string {
  const hostname = hostnameOf(pod)
  const domain = domainOf(pod, clusterDomain)
  if (domain === '' || pod.spec?.setHostnameAsFQDN !== true) return hostname
  const full = `${hostname}.${domain}`
  if (full.length <= MOST_HOSTNAME) return full
  throw new ConfigError(
    `failed to construct FQDN from pod hostname and cluster domain, FQDN ${full} is too long (${MOST_HOSTNAME} characters is the max, ${full.length} characters requested)`
  )
}

function podLabels(pod: Pod): Record<string, string> {
  const { name = '', namespace = '', uid = '' } = pod.metadata
  return { [LABELS.podName]: name, [LABELS.podNamespace]: namespace, [LABELS.podUid]: uid }
}

function portMappings(containers: readonly Container[]): SandboxConfig['portMappings'] {
  return containers.flatMap((container) =>
    (container.ports ?? []).flatMap((port) =>
      port.hostPort === undefined || port.hostPort === 0
        ? []
        : [
            {
              protocol: port.protocol ?? 'TCP',
              containerPort: port.containerPort,
              hostPort: port.hostPort,
              hostIP: port.hostIP ?? ''
            }
          ]
    )
  )
}

function namespacesOf(pod: Pod): NamespaceModes {
  const { spec } = pod
  return {
    network: spec?.hostNetwork === true ? 'NODE' : 'POD',
    pid: spec?.hostPID === true ? 'NODE' : spec?.shareProcessNamespace === true ? 'POD' : 'CONTAINER',
    ipc: spec?.hostIPC === true ? 'NODE' : 'POD'
  }
}

function groupsOf(pod: Pod): number[] {
  const security = pod.spec?.securityContext
  const groups = [...(security?.supplementalGroups ?? [])]
  if (security?.fsGroup !== undefined) groups.push(security.fsGroup)
  return groups
}

export interface ContainerInput {
  readonly pod: Pod
  readonly container: Container
  readonly attempt: number
  readonly backoffMs: number
  readonly image: Image
  readonly environment: ReadonlyMap<string, string>
  readonly mounts: readonly ContainerMount[]
  readonly messageFile: string
  /** The container whose processes it sees; only an ephemeral one has such a target. */
  readonly targetId?: string | undefined
  /** Bytes. */
  readonly nodeMemory: number
  /** The folder that Localhost seccomp profiles are relative to. */
  readonly seccompFolder: string
}

/** Throws ConfigError. */
export function containerConfig(input: ContainerInput): ContainerConfig {
  const { pod, container, environment } = input
  const value = (name: string) => environment.get(name)
  return {
    name: container.name,
    attempt: input.attempt,
    image: input.image.id,
    command: (container.command ?? []).map((text) => expand(text, value)),
    args: (container.args ?? []).map((text) => expand(text, value)),
    workingDir: container.workingDir ?? '',
    env: [...environment].map(([name, text]) => ({ name, value: text })),
    mounts: input.mounts,
    labels: { ...podLabels(pod), [LABELS.containerName]: container.name },
    annotations: {
      [MESSAGE_FILE_ANNOTATION]: input.messageFile,
      [BACKOFF_ANNOTATION]: String(input.backoffMs),
      [IMAGE_ANNOTATION]: container.image ?? '',
      'io.kubernetes.container.hash': createHash('sha256').update(JSON.stringify(container)).digest('hex').slice(0, 8),
      'io.kubernetes.container.terminationMessagePolicy': container.terminationMessagePolicy ?? 'File'
    },
    logPath: join(container.name, `${input.attempt}.log`),
    stdin: container.stdin === true,
    stdinOnce: container.stdinOnce === true,
    tty: container.tty === true,
    resources: resourcesOf(pod, container, input.nodeMemory),
    security: securityOf(input)
  }
}

function securityOf(input: ContainerInput): ContainerConfig['security'] {
  const { pod, container } = input
  const own = container.securityContext
  const shared = pod.spec?.securityContext
  const runAsUser = own?.runAsUser ?? shared?.runAsUser
  refuseRoot(input, runAsUser)
  const privileged = own?.privileged === true
  return {
    namespaces: {
      ...namespacesOf(pod),
      ...(input.targetId === undefined ? {} : { pid: 'TARGET', target: input.targetId })
    },
    privileged,
    // A group without a user is refused by the runtime: the image's own user goes with it.
    runAsUser: runAsUser ?? input.image.uid,
    runAsGroup: own?.runAsGroup ?? shared?.runAsGroup,
    readOnlyRootFilesystem: own?.readOnlyRootFilesystem === true,
    supplementalGroups: groupsOf(pod),
    noNewPrivileges: own?.allowPrivilegeEscalation === false,
    addCapabilities: own?.capabilities?.add ?? [],
    dropCapabilities: own?.capabilities?.drop ?? [],
    seccomp: privileged ? { type: 'Unconfined' } : seccompOf(own?.seccompProfile ?? shared?.seccompProfile, input),
    unmaskedProc: own?.procMount === 'Unmasked'
  }
}

/** Without a profile nothing is confined, as in Kubernetes. */
function seccompOf(profile: SpecSeccomp | undefined, input: ContainerInput): SeccompProfile {
  if (profile?.type === 'RuntimeDefault') return { type: 'RuntimeDefault' }
  if (profile?.type === 'Localhost') {
    return { type: 'Localhost', path: join(input.seccompFolder, profile.localhostProfile ?? '') }
  }
  return { type: 'Unconfined' }
}

function refuseRoot(input: ContainerInput, runAsUser: number | undefined): void {
  const { pod, container, image } = input
  const nonRoot = container.securityContext?.runAsNonRoot ?? pod.spec?.securityContext?.runAsNonRoot
  if (nonRoot !== true) return
  const where = `(pod: "${podText(pod)}", container: ${container.name})`
  if (runAsUser !== undefined) {
    if (runAsUser === 0) {
      throw new ConfigError(`container's runAsUser breaks non-root policy ${where}`)
    }
    return
  }
  if (image.uid === 0 || (image.uid === undefined && image.username === '')) {
    throw new ConfigError(`container has runAsNonRoot and image will run as root ${where}`)
  }
  if (image.uid === undefined) {
    throw new ConfigError(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`
    )
  }
}

function podText(pod: Pod): string {
  return `${pod.metadata.name ?? ''}_${pod.metadata.namespace ?? ''}(${pod.metadata.uid ?? ''})`
}
