/** What a Fargate task cannot do of what a pod asks for, each by the name of its field. Pure. */
import type {
  Container,
  Pod,
  PodSecurityContext,
  PodSpec,
  Probe,
  SecurityContext,
  Volume
} from '../../../core/kinds/types.ts'
import { LONGEST_STOP } from './fargate-sizes.ts'

type Check<T> = readonly [string, (of: T) => boolean]

/** The volume that admission gives to every pod for its service account's token; a task goes without. */
export function isTokenVolume({ name, projected }: Volume): boolean {
  return projected !== undefined && name.startsWith('kube-api-access-')
}

export function isSidecar({ restartPolicy }: Container): boolean {
  return restartPolicy === 'Always'
}

const isSet = (value: unknown): boolean => {
  if (value === undefined || value === null || value === false || value === '') return false
  return !Array.isArray(value) || value.length > 0
}

/** Fields that must not be set at all. */
const POD_FIELDS = [
  'hostNetwork',
  'hostPID',
  'hostIPC',
  'hostAliases',
  'hostname',
  'setHostnameAsFQDN',
  'dnsConfig',
  'runtimeClassName',
  'ephemeralContainers',
  'imagePullSecrets',
  'activeDeadlineSeconds',
  'resourceClaims',
  'hostnameOverride'
] as const

const POD_CHECKS: readonly Check<PodSpec>[] = [
  ['dnsPolicy: None', ({ dnsPolicy }) => dnsPolicy === 'None'],
  ['os: windows', ({ os }) => os?.name === 'windows'],
  [
    `terminationGracePeriodSeconds: more than ${LONGEST_STOP}`,
    ({ terminationGracePeriodSeconds = 0 }) => terminationGracePeriodSeconds > LONGEST_STOP
  ],
  [
    'several containers where restartPolicy is not Always: the first to end would end the others',
    ({ restartPolicy, containers }) =>
      containers.length > 1 && restartPolicy !== undefined && restartPolicy !== 'Always'
  ]
]

const POD_SECURITY = ['sysctls', 'supplementalGroups', 'fsGroup', 'seLinuxOptions', 'windowsOptions', 'appArmorProfile']

const SECURITY_CHECKS: readonly Check<SecurityContext>[] = [
  ['privileged', ({ privileged }) => privileged === true],
  ['allowPrivilegeEscalation: false', ({ allowPrivilegeEscalation }) => allowPrivilegeEscalation === false],
  ['procMount', ({ procMount }) => procMount !== undefined && procMount !== 'Default'],
  ['seLinuxOptions', ({ seLinuxOptions }) => isSet(seLinuxOptions)],
  ['windowsOptions', ({ windowsOptions }) => isSet(windowsOptions)],
  ['appArmorProfile', ({ appArmorProfile }) => isSet(appArmorProfile)],
  ['seccompProfile: Localhost', ({ seccompProfile }) => seccompProfile?.type === 'Localhost']
]

/** Linux capabilities that a task may add. */
const CAPABILITIES = new Set(['SYS_PTRACE', 'CAP_SYS_PTRACE'])
const RESOURCES = new Set(['cpu', 'memory', 'ephemeral-storage'])
const VOLUME_KINDS = new Set(['emptyDir'])

const CONTAINER_CHECKS: readonly Check<Container>[] = [
  ['livenessProbe', ({ livenessProbe }) => isSet(livenessProbe)],
  ['startupProbe', ({ startupProbe }) => isSet(startupProbe)],
  ['lifecycle', ({ lifecycle }) => isSet(lifecycle?.postStart) || isSet(lifecycle?.preStop)],
  ['stdin', ({ stdin }) => stdin === true],
  ['volumeDevices', ({ volumeDevices }) => isSet(volumeDevices)],
  ['restartPolicyRules', (container) => isSet((container as { restartPolicyRules?: unknown }).restartPolicyRules)],
  ['ports: hostPort', ({ ports = [] }) => ports.some(({ hostPort }) => isSet(hostPort) && hostPort !== 0)],
  ['ports: SCTP', ({ ports = [] }) => ports.some(({ protocol }) => protocol === 'SCTP')],
  [
    'volumeMounts: subPath',
    ({ volumeMounts = [] }) => volumeMounts.some((one) => isSet(one.subPath) || isSet(one.subPathExpr))
  ],
  [
    'volumeMounts: mountPropagation',
    ({ volumeMounts = [] }) => volumeMounts.some(({ mountPropagation: how }) => isSet(how) && how !== 'None')
  ],
  [
    'env: fields of the status, which is not known before the task runs',
    ({ env = [] }) => env.some(({ valueFrom }) => valueFrom?.fieldRef?.fieldPath.startsWith('status.') === true)
  ]
]

/** As in "spec.containers[web].livenessProbe". Empty: a task can do it all. */
export function refusalsOf(pod: Pod): readonly string[] {
  const { spec } = pod
  if (spec === undefined) return []
  const found: string[] = []
  for (const field of POD_FIELDS)
    if (isSet((spec as unknown as Record<string, unknown>)[field])) found.push(`spec.${field}`)
  for (const [name, refuses] of POD_CHECKS) if (refuses(spec)) found.push(`spec.${name}`)
  found.push(...podSecurity(spec.securityContext ?? {}))
  for (const volume of spec.volumes ?? []) found.push(...volumeRefusals(volume))
  for (const container of spec.initContainers ?? []) found.push(...containerRefusals(container, spec, 'initContainers'))
  for (const container of spec.containers) found.push(...containerRefusals(container, spec, 'containers'))
  return found
}

function podSecurity(context: PodSecurityContext): string[] {
  const fields = context as Readonly<Record<string, unknown>>
  const found = POD_SECURITY.filter((name) => isSet(fields[name]))
  if (context.seccompProfile?.type === 'Localhost') found.push('seccompProfile: Localhost')
  return found.map((name) => `spec.securityContext.${name}`)
}

function volumeRefusals(volume: Volume): string[] {
  if (isTokenVolume(volume)) return []
  const { name, ...sources } = volume
  const kinds = Object.keys(sources).filter((kind) => isSet((sources as Record<string, unknown>)[kind]))
  const found = kinds.filter((kind) => !VOLUME_KINDS.has(kind))
  if (isSet(volume.emptyDir?.medium)) found.push('emptyDir.medium')
  return found.map((kind) => `spec.volumes[${name}].${kind}`)
}

function containerRefusals(container: Container, spec: PodSpec, list: string): string[] {
  const { securityContext = {}, resources, name } = container
  const found: string[] = []
  for (const [field, refuses] of CONTAINER_CHECKS) if (refuses(container)) found.push(field)
  for (const [field, refuses] of SECURITY_CHECKS) if (refuses(securityContext)) found.push(`securityContext.${field}`)
  for (const capability of securityContext.capabilities?.add ?? [])
    if (!CAPABILITIES.has(capability)) found.push(`securityContext.capabilities.add: ${capability}`)
  if (needsUser(securityContext, spec.securityContext ?? {}))
    found.push('securityContext.runAsNonRoot without runAsUser')
  for (const resource of new Set([...Object.keys(resources?.requests ?? {}), ...Object.keys(resources?.limits ?? {})]))
    if (!RESOURCES.has(resource)) found.push(`resources: ${resource}`)
  if (list === 'initContainers' && isSet(container.readinessProbe)) found.push('readinessProbe')
  const probe = probeKind(container.readinessProbe)
  if (probe !== undefined && probe !== 'exec') found.push(`readinessProbe.${probe}`)
  return found.map((field) => `spec.${list}[${name}].${field}`)
}

/** The image's own user is not known. */
function needsUser(own: SecurityContext, ofPod: PodSecurityContext): boolean {
  const user = own.runAsUser ?? ofPod.runAsUser
  return (own.runAsNonRoot ?? ofPod.runAsNonRoot) === true && (user === undefined || user === 0)
}

function probeKind(probe: Probe | undefined): string | undefined {
  return ['exec', 'httpGet', 'tcpSocket', 'grpc'].find((kind) =>
    isSet((probe as Record<string, unknown> | undefined)?.[kind])
  )
}
