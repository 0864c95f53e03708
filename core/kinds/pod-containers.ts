/** Validation of containers of all three sorts: regular, init (with sidecars) and ephemeral. */
import { duplicate, forbidden, invalid, notFound, notSupported, required, tooMany } from '../field-errors.ts'
import { isPortName, isPortNumber } from '../names.ts'
import { checkLabel, checkOneOf, complaints, type Errors } from './checks.ts'
import { checkEnv, checkEnvFrom } from './pod-env.ts'
import { checkDevices, checkMounts } from './pod-mounts.ts'
import { checkProbesOf } from './pod-probes.ts'
import { checkContainerSecurity } from './pod-security.ts'
import type { Volumes } from './pod-volumes.ts'
import { checkRequirements } from './resource-rules.ts'
import type { Container, ContainerPort, ContainerResizePolicy, EphemeralContainer, PodSpec } from './types.ts'

export interface ContainerScope {
  readonly errors: Errors
  readonly spec: PodSpec
  readonly volumes: Volumes
  /** Names in spec.resourceClaims. */
  readonly claims: ReadonlySet<string>
  readonly gracePeriod: number | undefined
  /** Whether the pod shares the host's user namespace. */
  readonly hostUsers: boolean
}

const PROTOCOLS = ['SCTP', 'TCP', 'UDP']
const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never']
const MESSAGE_POLICIES = ['File', 'FallbackToLogsOnError']

export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always'
}

export function checkContainers(containers: readonly Container[], path: string, scope: ContainerScope): void {
  const { errors } = scope
  if (containers.length === 0) {
    errors.push(required(path))
    return
  }
  const names = new Set<string>()
  containers.forEach((container, i) => {
    const at = `${path}[${i}]`
    checkCommon(container, at, scope)
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name))
    else names.add(container.name)
    checkProbesOf(container, at, scope)
    checkRestartPolicy(container, at, errors)
  })
  checkHostPorts(containers, path, errors)
}

export function checkInitContainers(containers: readonly Container[], path: string, scope: ContainerScope): void {
  const { errors, spec } = scope
  if (containers.length === 0) return
  const names = new Set((spec.containers ?? []).map(({ name }) => name))
  containers.forEach((container, i) => {
    const at = `${path}[${i}]`
    checkCommon(container, at, scope)
    checkInitRestartPolicy(container, at, errors)
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name))
    else if (container.name) names.add(container.name)
    checkHostPorts([container], path, errors)
    if (isSidecar(container)) checkProbesOf(container, at, scope)
    else
      for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const)
        if (container[field] !== undefined)
          errors.push(forbidden(`${at}.${field}`, 'may not be set for init containers without restartPolicy=Always'))
  })
}

/** Fields of a container that make no sense in one added to a running pod. */
const NOT_EPHEMERAL = [
  'ports',
  'resources',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle'
] as const

export function checkEphemeralContainers(
  containers: readonly EphemeralContainer[],
  path: string,
  scope: ContainerScope
): void {
  if (containers.length === 0) return
  const { errors, spec } = scope
  const others = new Set([...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ name }) => name))
  const names = new Set(others)
  containers.forEach((container, i) => {
    const at = `${path}[${i}]`
    checkCommon(container, at, scope)
    checkImageSpace(container, at, errors)
    if (names.has(container.name)) errors.push(duplicate(`${at}.name`, container.name))
    else names.add(container.name)
    const target = container.targetContainerName
    if (target && !others.has(target)) errors.push(notFound(`${at}.targetContainerName`, target))
    for (const field of NOT_EPHEMERAL)
      if (isSet(container, field)) errors.push(forbidden(`${at}.${field}`, 'cannot be set for an Ephemeral Container'))
    container.volumeMounts?.forEach(({ subPath, subPathExpr }, m) => {
      const mount = `${at}.volumeMounts[${m}]`
      if (subPath) errors.push(forbidden(`${mount}.subPath`, 'cannot be set for an Ephemeral Container'))
      if (subPathExpr) errors.push(forbidden(`${mount}.subPathExpr`, 'cannot be set for an Ephemeral Container'))
    })
  })
}

/** Go holds all of them by reference, so that an empty one counts too, but for the resources. */
function isSet(container: EphemeralContainer, field: (typeof NOT_EPHEMERAL)[number]): boolean {
  if (field === 'resources') return Object.keys(container.resources ?? {}).length > 0
  return container[field] !== undefined
}

/** Only in pods, not in templates, which always accepted it. */
export function checkImageSpace({ image }: { image?: string | undefined }, path: string, errors: Errors): void {
  if (image !== undefined && image !== image.trim())
    errors.push(invalid(`${path}.image`, image, 'must not have leading or trailing whitespace'))
}

function checkCommon(container: Container | EphemeralContainer, path: string, scope: ContainerScope): void {
  const { errors, spec } = scope
  if (!container.name) errors.push(required(`${path}.name`))
  else checkLabel(container.name, `${path}.name`, errors)
  if (!container.image) errors.push(required(`${path}.image`))
  const messages = { allowed: MESSAGE_POLICIES, errors }
  checkOneOf(container.terminationMessagePolicy, `${path}.terminationMessagePolicy`, messages)
  if (container.ports !== undefined) checkPorts(container.ports, `${path}.ports`, errors)
  if (container.env !== undefined) checkEnv(container.env, `${path}.env`, errors)
  if (container.envFrom !== undefined) checkEnvFrom(container.envFrom, `${path}.envFrom`, errors)
  checkMounts(container, `${path}.volumeMounts`, scope)
  checkDevices(container, `${path}.volumeDevices`, scope)
  checkOneOf(container.imagePullPolicy, `${path}.imagePullPolicy`, { allowed: PULL_POLICIES, errors })
  checkRequirements(container.resources, `${path}.resources`, scope)
  if (container.resizePolicy !== undefined)
    checkResizePolicy(container.resizePolicy, `${path}.resizePolicy`, { errors, spec })
  if (container.securityContext !== undefined)
    checkContainerSecurity(container.securityContext, `${path}.securityContext`, scope)
}

function checkPorts(ports: readonly ContainerPort[], path: string, errors: Errors): void {
  const names = new Set<string>()
  ports.forEach(({ name, containerPort, hostPort, protocol }, i) => {
    const at = `${path}[${i}]`
    if (name) {
      const messages = isPortName(name)
      if (messages.length > 0) errors.push(...complaints(`${at}.name`, name, messages))
      else if (names.has(name)) errors.push(duplicate(`${at}.name`, name))
      else names.add(name)
    }
    if (!containerPort) errors.push(required(`${at}.containerPort`))
    else errors.push(...complaints(`${at}.containerPort`, containerPort, isPortNumber(containerPort)))
    if (hostPort) errors.push(...complaints(`${at}.hostPort`, hostPort, isPortNumber(hostPort)))
    checkOneOf(protocol, `${at}.protocol`, { allowed: PROTOCOLS, errors })
  })
}

function checkHostPorts(containers: readonly Container[], path: string, errors: Errors): void {
  const taken = new Set<string>()
  containers.forEach(({ ports }, c) => {
    ports?.forEach(({ protocol = '', hostIP = '', hostPort }, p) => {
      if (!hostPort) return
      const key = `${protocol}/${hostIP}/${hostPort}`
      if (taken.has(key)) errors.push(duplicate(`${path}[${c}].ports[${p}].hostPort`, key))
      else taken.add(key)
    })
  })
}

function checkResizePolicy(
  policies: readonly ContainerResizePolicy[],
  path: string,
  { errors, spec }: { errors: Errors; spec: PodSpec }
): void {
  const seen = new Set<string>()
  policies.forEach(({ resourceName, restartPolicy }, i) => {
    if (seen.has(resourceName)) errors.push(duplicate(`${path}[${i}]`, resourceName))
    seen.add(resourceName)
    checkOneOf(resourceName, path, { allowed: ['cpu', 'memory'], errors })
    checkOneOf(restartPolicy, path, { allowed: ['NotRequired', 'RestartContainer'], errors })
    if (spec.restartPolicy === 'Never' && restartPolicy !== 'NotRequired')
      errors.push(invalid(path, restartPolicy ?? '', "must be 'NotRequired' when `restartPolicy` is 'Never'"))
  })
}

const RESTART_POLICIES = ['Always', 'Never', 'OnFailure']
const MOST_RULES = 20
const MOST_EXIT_CODES = 255

/** Without a policy, an init container's rules are only said to lack it. */
function checkInitRestartPolicy(container: Container, path: string, errors: Errors): void {
  const { restartPolicy, restartPolicyRules = [] } = container
  if (restartPolicy !== undefined) checkRestartPolicy(container, path, errors)
  else if (restartPolicyRules.length > 0) errors.push(NO_POLICY(path))
}

const NO_POLICY = (path: string) =>
  required(`${path}.restartPolicy`, 'must specify restartPolicy when restart rules are used')

function checkRestartPolicy(container: Container, path: string, errors: Errors): void {
  const { restartPolicy, restartPolicyRules: rules = [] } = container
  if (restartPolicy === undefined) {
    if (rules.length === 0) return
    errors.push(NO_POLICY(path))
  } else if (!RESTART_POLICIES.includes(restartPolicy))
    errors.push(notSupported(`${path}.restartPolicy`, restartPolicy, RESTART_POLICIES))
  if (rules.length > MOST_RULES) errors.push(tooMany(`${path}.restartPolicyRules`, rules.length, MOST_RULES))
  rules.forEach(({ action, exitCodes }, i) => {
    const at = `${path}.restartPolicyRules[${i}]`
    if (action !== 'Restart') errors.push(notSupported(`${at}.action`, action ?? '', ['Restart']))
    if (exitCodes === undefined) {
      errors.push(required(`${at}.exitCodes`, 'must be specified'))
      return
    }
    const { operator = '', values = [] } = exitCodes
    if (operator !== 'In' && operator !== 'NotIn')
      errors.push(notSupported(`${at}.exitCodes.operator`, operator, ['In', 'NotIn']))
    if (values.length > MOST_EXIT_CODES) errors.push(tooMany(`${at}.exitCodes.values`, values.length, MOST_EXIT_CODES))
  })
}
