/** What a client is told about a pod, or a template of pods, that is taken as it is (pkg/api/pod/warnings.go). */
import { goQuote } from '../go-text.ts'
import { isDNS1123Label, isLabelValue } from '../names.ts'
import type { KubeObject } from '../object.ts'
import { canonicalQuantity, quantityMilli } from '../quantity.ts'
import { ipWarnings } from './ip-warnings.ts'
import type { Rules } from './kind.ts'
import { virtualPathWarnings } from './pod-volume-warnings.ts'
import type {
  Container,
  ContainerPort,
  EnvVar,
  NodeSelectorTerm,
  ObjectMeta,
  PodAffinity,
  PodAntiAffinity,
  PodSpec,
  PodTemplateSpec,
  Volume
} from './types.ts'

const OLD_NODE_LABELS: ReadonlyMap<string, string> = new Map([
  ['beta.kubernetes.io/arch', 'deprecated since v1.14; use "kubernetes.io/arch" instead'],
  ['beta.kubernetes.io/os', 'deprecated since v1.14; use "kubernetes.io/os" instead'],
  ['failure-domain.beta.kubernetes.io/region', 'deprecated since v1.17; use "topology.kubernetes.io/region" instead'],
  ['failure-domain.beta.kubernetes.io/zone', 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'],
  ['beta.kubernetes.io/instance-type', 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead'],
  ['app.kubernetes.io/created-by', 'deprecated since v1.9'],
  ['scheduler.alpha.kubernetes.io/preferAvoidPods', 'deprecated since v1.22; use Taints and Tolerations instead'],
  ['node-role.kubernetes.io/master', 'use "node-role.kubernetes.io/control-plane" instead']
])

const OLD_ANNOTATIONS = [
  ['scheduler.alpha.kubernetes.io/critical-pod', 'non-functional in v1.16+; use the "priorityClassName" field instead'],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  ['security.alpha.kubernetes.io/unsafe-sysctls', 'non-functional in v1.11+; use the "sysctls" field instead']
] as const

const OLD_VOLUMES: readonly (readonly [keyof Volume, string])[] = [
  ['photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['gitRepo', 'deprecated in v1.11, and disabled by default in v1.33+'],
  ['scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['flocker', 'deprecated in v1.22, non-functional in v1.25+'],
  ['storageos', 'deprecated in v1.22, non-functional in v1.25+'],
  ['quobyte', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['rbd', 'deprecated in v1.28, non-functional in v1.31+']
]
/** The one volume whose message has another spelling than its field. */
const SPELLED: Readonly<Record<string, string>> = { storageos: 'storageOS' }

const SECCOMP_POD = 'seccomp.security.alpha.kubernetes.io/pod'
const SECCOMP_CONTAINER = 'container.seccomp.security.alpha.kubernetes.io/'
const APPARMOR = 'container.apparmor.security.beta.kubernetes.io/'
const USE_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
const USE_APPARMOR = 'deprecated since v1.30; use the "appArmorProfile" field instead'
const NULL_SELECTOR = 'a null labelSelector results in matching no pod'

/** Names that become hosts' names; `where` says what they are used in. */
export function hostnameWarnings(name: string | undefined, where: string): string[] {
  const wrong = isDNS1123Label(name ?? '')
  if (wrong.length === 0) return []
  return [
    `metadata.name: this is used in ${where}, which can result in surprising behavior; a DNS label is recommended: [${wrong.join(' ')}]`
  ]
}

/** `path`: "" for a pod, "spec.template" or "template" for the template of one. */
export function podWarnings({ metadata, spec }: PodTemplateSpec, path: string): string[] {
  if (spec === undefined) return []
  const at = path === '' ? '' : `${path}.`
  const walk: Walk = { spec, metadata: metadata ?? {}, at, isTemplate: path !== '', warnings: [] }
  warnAboutNodes(walk)
  warnAboutAnnotations(walk)
  warnAboutVolumes(walk)
  warnAboutDuplicates(walk)
  eachContainer(walk, (container, place) => warnAboutContainer(walk, container, place))
  warnAboutPorts(walk)
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0)
    walk.warnings.push(
      `${at}spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`
    )
  warnAboutAffinity(walk, 'podAffinity', spec.affinity?.podAffinity)
  warnAboutAffinity(walk, 'podAntiAffinity', spec.affinity?.podAntiAffinity)
  spec.dnsConfig?.nameservers?.forEach((address, i) => {
    walk.warnings.push(...ipWarnings(`${at}spec.dnsConfig.nameservers[${i}]`, address))
  })
  spec.hostAliases?.forEach(({ ip }, i) => {
    walk.warnings.push(...ipWarnings(`${at}spec.hostAliases[${i}].ip`, ip))
  })
  return walk.warnings
}

/** Of objects that hold a template: told when the object is new or its generation changes. */
export function templateWarnings(
  template: (object: KubeObject) => PodTemplateSpec | undefined,
  path: string
): NonNullable<Rules['warnings']> {
  return (next, old) => {
    if (old !== undefined && next.metadata.generation === old.metadata.generation) return []
    return podWarnings(template(next) ?? {}, path)
  }
}

interface Walk {
  readonly spec: PodSpec
  readonly metadata: Pick<ObjectMeta, 'annotations'>
  /** "" or "spec.template." */
  readonly at: string
  readonly isTemplate: boolean
  readonly warnings: string[]
}

function eachContainer({ spec, at }: Walk, visit: (container: Container, place: string) => void): void {
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const)
    spec[list]?.forEach((container, i) => {
      visit(container as Container, `${at}spec.${list}[${i}]`)
    })
}

function warnAboutNodes({ spec, at, warnings }: Walk): void {
  for (const key in spec.nodeSelector) {
    const old = OLD_NODE_LABELS.get(key)
    if (old !== undefined) warnings.push(`${at}spec.nodeSelector[${key}]: ${old}`)
  }
  const affinity = spec.affinity?.nodeAffinity
  const place = `${at}spec.affinity.nodeAffinity`
  affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms?.forEach((term, i) => {
    const path = `${place}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${i}]`
    warnings.push(...termWarnings(term, path, false))
  })
  affinity?.preferredDuringSchedulingIgnoredDuringExecution?.forEach(({ preference }, i) => {
    const path = `${place}.preferredDuringSchedulingIgnoredDuringExecution[${i}].preference`
    warnings.push(...termWarnings(preference, path, true))
  })
  spec.topologySpreadConstraints?.forEach(({ topologyKey, labelSelector }, i) => {
    const path = `${at}spec.topologySpreadConstraints[${i}]`
    const old = OLD_NODE_LABELS.get(topologyKey)
    if (old !== undefined) warnings.push(`${path}.topologyKey: ${topologyKey} is ${old}`)
    if (labelSelector === undefined) warnings.push(`${path}.labelSelector: ${NULL_SELECTOR}`)
  })
}

function termWarnings(term: NodeSelectorTerm | undefined, path: string, checkValues: boolean): string[] {
  return (term?.matchExpressions ?? []).flatMap(({ key, values }, i) => {
    const old = OLD_NODE_LABELS.get(key)
    const place = `${path}.matchExpressions[${i}]`
    const bad = (values ?? []).flatMap((value, j) =>
      isLabelValue(value).map((message) => `${place}.values[${j}]: ${value} is invalid, ${message}`)
    )
    return [...(old === undefined ? [] : [`${place}.key: ${key} is ${old}`]), ...(checkValues ? bad : [])]
  })
}

function warnAboutAnnotations({ spec, metadata, at, warnings }: Walk): void {
  const { annotations } = metadata
  if (annotations === undefined) return
  for (const [key, message] of OLD_ANNOTATIONS)
    if (Object.hasOwn(annotations, key)) warnings.push(`${at}metadata.annotations[${key}]: ${message}`)
  if (spec.securityContext?.seccompProfile === undefined && Object.hasOwn(annotations, SECCOMP_POD))
    warnings.push(`${at}metadata.annotations[${SECCOMP_POD}]: ${USE_SECCOMP}`)
}

function warnAboutVolumes({ spec, at, warnings }: Walk): void {
  spec.volumes?.forEach((volume, i) => {
    const path = `${at}spec.volumes[${i}]`
    for (const [source, message] of OLD_VOLUMES)
      if (volume[source] !== undefined) warnings.push(`${path}.${SPELLED[source] ?? source}: ${message}`)
    const claim = volume.ephemeral?.volumeClaimTemplate?.spec.resources
    for (const list of ['requests', 'limits'] as const)
      warnFraction(claim?.[list], 'storage', {
        path: `${path}.ephemeral.volumeClaimTemplate.spec.resources.${list}`,
        warnings
      })
  })
  warnings.push(...virtualPathWarnings(spec.volumes ?? []))
}

/** Bytes cannot be divided. */
function warnFraction(
  amounts: Readonly<Record<string, string | number>> | undefined,
  resource: string,
  { path, warnings }: { path: string; warnings: string[] }
): void {
  const value = amounts?.[resource]
  if (value === undefined || quantityMilli(value) % 1000 === 0) return
  const shown = goQuote(canonicalQuantity(value))
  warnings.push(`${path}[${resource}]: fractional byte value ${shown} is invalid, must be an integer`)
}

function warnAboutDuplicates({ spec, at, warnings }: Walk): void {
  warnRepeated(
    spec.hostAliases?.map(({ ip }) => ip),
    (i, ip) => {
      warnings.push(`${at}spec.hostAliases[${i}].ip: duplicate ip ${goQuote(ip)}`)
    }
  )
  const secrets = spec.imagePullSecrets?.map(({ name }) => name ?? '')
  warnRepeated(secrets, (i, name) => {
    warnings.push(`${at}spec.imagePullSecrets[${i}].name: duplicate name ${goQuote(name)}`)
  })
  secrets?.forEach((name, i) => {
    if (name === '') warnings.push(`${at}spec.imagePullSecrets[${i}].name: invalid empty name ""`)
  })
  for (const resource of ['memory', 'ephemeral-storage'])
    warnFraction(spec.overhead, resource, { path: `${at}spec.overhead`, warnings })
}

function warnRepeated(names: readonly string[] | undefined, warn: (i: number, name: string) => void): void {
  names?.forEach((name, i) => {
    if (names.indexOf(name) < i) warn(i, name)
  })
}

function warnAboutContainer(walk: Walk, container: Container, place: string): void {
  const { metadata, spec, at, warnings } = walk
  const { annotations } = metadata
  if (annotations !== undefined) {
    const seccomp = SECCOMP_CONTAINER + container.name
    if (container.securityContext?.seccompProfile === undefined && Object.hasOwn(annotations, seccomp))
      warnings.push(`${at}metadata.annotations[${seccomp}]: ${USE_SECCOMP}`)
    const appArmor = APPARMOR + container.name
    const hasField = container.securityContext?.appArmorProfile ?? spec.securityContext?.appArmorProfile
    if (walk.isTemplate && hasField === undefined && Object.hasOwn(annotations, appArmor))
      warnings.push(`${at}metadata.annotations[${appArmor}]: ${USE_APPARMOR}`)
  }
  for (const resource of ['memory', 'ephemeral-storage'])
    for (const list of ['limits', 'requests'] as const)
      warnFraction(container.resources?.[list], resource, { path: `${place}.resources.${list}`, warnings })
  warnHidden(container.env, `${place}.env`, warnings)
}

/** A second value of a variable is fine as long as it builds upon the first: X="$(X)1". */
function warnHidden(env: readonly EnvVar[] | undefined, path: string, warnings: string[]): void {
  env?.forEach(({ name, value = '', valueFrom }, i) => {
    if (env.findIndex((one) => one.name === name) === i) return
    const reference = `$(${name})`
    if (valueFrom === undefined && value !== reference && value.includes(reference)) return
    warnings.push(`${path}[${i}]: hides previous definition of ${goQuote(name)}, which may be dropped when using apply`)
  })
}

function warnAboutPorts(walk: Walk): void {
  const { warnings } = walk
  const seen = new Map<string, { readonly place: string; readonly port: ContainerPort }[]>()
  const names = new Map<string, string>()
  const late: string[] = []
  eachContainer(walk, ({ ports }, container) => {
    ports?.forEach((port, i) => {
      const place = `${container}.ports[${i}]`
      if ((port.hostIP ?? '') !== '' && (port.hostPort ?? 0) === 0)
        warnings.push(`${place}: hostIP set without hostPort: ${printedPort(port)}`)
      const key = `${port.containerPort}/${port.protocol}`
      const others = seen.get(key) ?? []
      for (const other of others) {
        const clash = portClash(port, other.port)
        if (clash !== undefined) warnings.push(`${place}: ${clash} port definition with ${other.place}`)
      }
      seen.set(key, [...others, { place, port }])
      const { name = '' } = port
      if (name === '') return
      const first = names.get(name)
      if (first === undefined) names.set(name, place)
      else
        late.push(
          `${place}: duplicate port name ${goQuote(name)} with ${first}, services and probes that select ports by name will use ${first}`
        )
    })
  })
  warnings.push(...late)
}

function portClash(one: ContainerPort, other: ContainerPort): string | undefined {
  const [address, elsewhere] = [one.hostIP ?? '', other.hostIP ?? '']
  const [port, taken] = [one.hostPort ?? 0, other.hostPort ?? 0]
  if (address === elsewhere && port === taken) return 'duplicate'
  if (port === 0 || taken === 0) return 'overlapping'
  return port === taken && (address === '') !== (elsewhere === '') ? 'dangerously ambiguous' : undefined
}

/** As `%+v` prints the struct. */
function printedPort({ name = '', hostPort = 0, containerPort, protocol = '', hostIP = '' }: ContainerPort): string {
  return `{Name:${name} HostPort:${hostPort} ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`
}

function warnAboutAffinity(
  { at, warnings }: Walk,
  which: string,
  affinity: PodAffinity | PodAntiAffinity | undefined
): void {
  const path = `${at}spec.affinity.${which}`
  affinity?.requiredDuringSchedulingIgnoredDuringExecution?.forEach(({ labelSelector }, i) => {
    if (labelSelector === undefined)
      warnings.push(`${path}.requiredDuringSchedulingIgnoredDuringExecution[${i}].labelSelector: ${NULL_SELECTOR}`)
  })
  affinity?.preferredDuringSchedulingIgnoredDuringExecution?.forEach(({ podAffinityTerm }, i) => {
    if (podAffinityTerm?.labelSelector === undefined)
      warnings.push(
        `${path}.preferredDuringSchedulingIgnoredDuringExecution[${i}].podAffinityTerm.labelSelector: ${NULL_SELECTOR}`
      )
  })
}
