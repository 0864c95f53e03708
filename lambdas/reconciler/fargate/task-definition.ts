/** The task that does what a pod asks for. Pure. */
import { expand } from '../../../core/expansion.ts'
import { podLimits, podRequests } from '../../../core/kinds/pod-resources.ts'
import type { Container, Pod } from '../../../core/kinds/types.ts'
import { quantityMilli, quantityValue } from '../../../core/quantity.ts'
import { DISK, roundUp } from './fargate-sizes.ts'
import { isSidecar, isTokenVolume, refusalsOf } from './refusals.ts'
import type { TaskContainer, TaskDefinition } from './tasks.ts'

const MIB = 1024 * 1024
const GIB = 1024 * MIB
/** Kubernetes' default grace. */
const GRACE_SECONDS = 30

export type Translation = { readonly definition: TaskDefinition } | { readonly refusals: readonly string[] }

/** `environments`: of each container by its name, resolved. */
export function taskDefinition(pod: Pod, environments: ReadonlyMap<string, ReadonlyMap<string, string>>): Translation {
  const refusals = [...refusalsOf(pod)]
  const { spec } = pod
  const requests = podRequests(pod)
  const limits = podLimits(pod)
  const memory = Math.max(requests.memory ?? 0, limits.memory ?? 0)
  const size = roundUp(units(requests.cpu ?? 0), Math.ceil(memory / MIB))
  const disk = Math.ceil(Math.max(requests['ephemeral-storage'] ?? 0, limits['ephemeral-storage'] ?? 0) / GIB)
  if (size === undefined) refusals.push('resources: more than the largest task has (16 vCPU, 120 GiB)')
  if (disk > DISK.most) refusals.push(`resources: ephemeral-storage of more than ${DISK.most} GiB`)
  if (refusals.length > 0 || size === undefined || spec === undefined) return { refusals }
  const translate = (container: Container, role: Role) => taskContainer(container, { pod, environments, role })
  const inits = spec.initContainers ?? []
  return {
    definition: {
      ...size,
      disk: Math.max(DISK.included, disk),
      volumes: (spec.volumes ?? []).filter((volume) => !isTokenVolume(volume)).map(({ name }) => name),
      sharesProcesses: spec.shareProcessNamespace === true,
      containers: [
        ...inits.map((container, i) => translate(container, { essential: false, after: inits.slice(0, i) })),
        ...spec.containers.map((container) => translate(container, { essential: true, after: inits }))
      ]
    }
  }
}

/** Thousandths of a core as 1024ths. */
function units(milli: number): number {
  return Math.ceil((milli * 1024) / 1000)
}

interface Role {
  readonly essential: boolean
  /** Init containers that come before it. */
  readonly after: readonly Container[]
}

function taskContainer(
  container: Container,
  around: { pod: Pod; environments: ReadonlyMap<string, ReadonlyMap<string, string>>; role: Role }
): TaskContainer {
  const { spec } = around.pod
  const variables = around.environments.get(container.name) ?? new Map<string, string>()
  const expanded = (words: readonly string[]) => words.map((word) => expand(word, (name) => variables.get(name)))
  const { command, args, resources, workingDir, tty, securityContext } = container
  const tokens = new Set((spec?.volumes ?? []).filter(isTokenVolume).map(({ name }) => name))
  const limit = resources?.limits?.memory
  const request = resources?.requests?.memory
  const user = userOf(container, around.pod)
  const check = checkOf(container)
  return {
    name: container.name,
    image: container.image ?? '',
    essential: around.role.essential,
    ...(command === undefined || command.length === 0 ? {} : { entryPoint: expanded(command) }),
    ...(args === undefined || args.length === 0 ? {} : { command: expanded(args) }),
    environment: Object.fromEntries(variables),
    cpu: units(quantityMilli(resources?.requests?.cpu ?? '0')),
    ...(limit === undefined ? {} : { memory: Math.ceil(quantityValue(limit) / MIB) }),
    ...(request === undefined ? {} : { reserved: Math.ceil(quantityValue(request) / MIB) }),
    ...(workingDir === undefined || workingDir === '' ? {} : { workingDir }),
    ...(user === undefined ? {} : { user }),
    ...(securityContext?.readOnlyRootFilesystem === true ? { readOnlyRoot: true } : {}),
    ports: (container.ports ?? []).map(({ containerPort, protocol }) => ({
      port: containerPort,
      protocol: protocol === 'UDP' ? ('udp' as const) : ('tcp' as const)
    })),
    after: around.role.after.map((one) => ({ name: one.name, condition: isSidecar(one) ? 'START' : 'SUCCESS' })),
    mounts: (container.volumeMounts ?? [])
      .filter(({ name }) => !tokens.has(name))
      .map(({ name, mountPath, readOnly }) => ({ volume: name, path: mountPath, readOnly: readOnly === true })),
    ...(check === undefined ? {} : { check }),
    stopTimeout: Math.max(1, spec?.terminationGracePeriodSeconds ?? GRACE_SECONDS),
    tty: tty === true,
    addCapabilities: (securityContext?.capabilities?.add ?? []).map(bareCapability),
    dropCapabilities: (securityContext?.capabilities?.drop ?? []).map(bareCapability)
  }
}

function bareCapability(name: string): string {
  return name.replace(/^CAP_/, '')
}

function userOf({ securityContext }: Container, { spec }: Pod): string | undefined {
  const user = securityContext?.runAsUser ?? spec?.securityContext?.runAsUser
  const group = securityContext?.runAsGroup ?? spec?.securityContext?.runAsGroup
  if (user === undefined) return group === undefined ? undefined : `0:${group}`
  return group === undefined ? String(user) : `${user}:${group}`
}

/** ECS' bounds: interval 5 to 300 s, timeout 2 to 60 s, 1 to 10 tries, 0 to 300 s before they count. */
function checkOf({ readinessProbe: probe }: Container): TaskContainer['check'] {
  const command = probe?.exec?.command
  if (probe === undefined || command === undefined) return undefined
  const within = (value: number, least: number, most: number) => Math.min(most, Math.max(least, value))
  return {
    command: ['CMD', ...command],
    interval: within(probe.periodSeconds ?? 10, 5, 300),
    timeout: within(probe.timeoutSeconds ?? 1, 2, 60),
    retries: within(probe.failureThreshold ?? 3, 1, 10),
    startPeriod: within(probe.initialDelaySeconds ?? 0, 0, 300)
  }
}
