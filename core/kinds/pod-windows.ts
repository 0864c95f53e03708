/** Validation of what concerns the pod's operating system, Windows above all. */
import { forbidden, invalid, notSupported, required } from '../field-errors.ts'
import { byteLength, isDNS1123Subdomain } from '../names.ts'
import { complaints, type Errors } from './checks.ts'
import type {
  Container,
  EphemeralContainer,
  PodSecurityContext,
  PodSpec,
  SecurityContext,
  WindowsSecurityContextOptions
} from './types.ts'

const CREDENTIAL_KIB = 64
const DOMAIN_LENGTH = 256
const USER_LENGTH = 104
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it looks for
const CONTROL = /[\x00-\x1f\x7f]/
const NETBIOS = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/
const DNS_LABEL = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?'
const DOMAIN = new RegExp(`^${DNS_LABEL}(?:\\.${DNS_LABEL})*$`)

export function checkWindowsOptions(options: WindowsSecurityContextOptions, path: string, errors: Errors): void {
  const { gmsaCredentialSpecName: name, gmsaCredentialSpec: spec, runAsUserName } = options
  if (name !== undefined) errors.push(...complaints(`${path}.gmsaCredentialSpecName`, name, isDNS1123Subdomain(name)))
  if (spec === '')
    errors.push(invalid(`${path}.gmsaCredentialSpec`, spec, 'gmsaCredentialSpec cannot be an empty string'))
  else if (spec !== undefined && byteLength(spec) > CREDENTIAL_KIB * 1024)
    errors.push(
      invalid(`${path}.gmsaCredentialSpec`, spec, `gmsaCredentialSpec size must be under ${CREDENTIAL_KIB} KiB`)
    )
  if (runAsUserName !== undefined)
    for (const detail of userNameErrors(runAsUserName))
      errors.push(invalid(`${path}.runAsUserName`, runAsUserName, detail))
}

/** "USER" or "DOMAIN\USER". */
function userNameErrors(name: string): string[] {
  if (name === '') return ['runAsUserName cannot be an empty string']
  if (CONTROL.test(name)) return ['runAsUserName cannot contain control characters']
  const parts = name.split('\\')
  if (parts.length > 2) return ['runAsUserName cannot contain more than one backslash']
  const user = parts.at(-1) ?? ''
  const domain = parts.length === 2 ? (parts[0] ?? '') : undefined
  const errors: string[] = []
  if (domain !== undefined) {
    if (byteLength(domain) >= DOMAIN_LENGTH)
      errors.push(`runAsUserName's Domain length must be under ${DOMAIN_LENGTH} characters`)
    if (!NETBIOS.test(domain) && !DOMAIN.test(domain))
      errors.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format")
  }
  if (user === '') errors.push("runAsUserName's User cannot be empty")
  else if (byteLength(user) > USER_LENGTH)
    errors.push(`runAsUserName's User length must not be longer than ${USER_LENGTH} characters`)
  if (/^[. ]+$/.test(user)) errors.push("runAsUserName's User cannot contain only periods or spaces")
  if (/["/\\:;|=,+*?<>@[\]]/.test(user))
    errors.push(`runAsUserName's User cannot contain the following characters: "/\\:;|=,+*?<>@[]`)
  return errors
}

type AnyContainer = Container | EphemeralContainer

type Visitor = (container: AnyContainer, at: string) => void

function visit(spec: PodSpec, path: string, see: Visitor): void {
  spec.initContainers?.forEach((container, i) => {
    see(container, `${path}.initContainers[${i}]`)
  })
  spec.containers?.forEach((container, i) => {
    see(container, `${path}.containers[${i}]`)
  })
  spec.ephemeralContainers?.forEach((container, i) => {
    see(container, `${path}.ephemeralContainers[${i}]`)
  })
}

export function checkHostProcess(spec: PodSpec, path: string, errors: Errors): void {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess
  let containers = 0
  let hostProcesses = 0
  visit(spec, path, ({ securityContext }, at) => {
    containers++
    const own = securityContext?.windowsOptions?.hostProcess
    if (ofPod !== undefined && own !== undefined && ofPod !== own)
      errors.push(
        invalid(
          `${at}.securityContext.windowsOptions.hostProcess`,
          own,
          `pod hostProcess value must be identical if both are specified, was ${ofPod}`
        )
      )
    if ((own ?? ofPod) === true) hostProcesses++
  })
  if (hostProcesses === 0) return
  if (hostProcesses !== containers)
    errors.push(
      invalid(path, '', 'If pod contains any hostProcess containers then all containers must be HostProcess containers')
    )
  if (spec.hostNetwork !== true)
    errors.push(
      invalid(`${path}.hostNetwork`, false, 'hostNetwork must be true if pod contains any hostProcess containers')
    )
}

export function checkOs(spec: PodSpec, path: string, errors: Errors): void {
  const { os } = spec
  if (os === undefined) return
  if (!os.name) {
    errors.push(required(`${path}.os.name`))
    return
  }
  if (os.name === 'linux') checkLinux(spec, path, errors)
  else if (os.name === 'windows') checkWindows(spec, path, errors)
  else errors.push(notSupported(`${path}.os`, os.name, ['linux', 'windows']))
}

function checkLinux(spec: PodSpec, path: string, errors: Errors): void {
  const refuse = (at: string) =>
    void errors.push(forbidden(`${at}.securityContext.windowsOptions`, 'windows options cannot be set for a linux pod'))
  if (spec.securityContext?.windowsOptions !== undefined) refuse(path)
  visit(spec, path, ({ securityContext }, at) => {
    if (securityContext?.windowsOptions !== undefined) refuse(at)
  })
}

/** Linux' fields of the pod, in the order in which Kubernetes refuses them. */
const POD_FIELDS: readonly (readonly ['spec' | 'context', string])[] = [
  ['context', 'appArmorProfile'],
  ['context', 'seLinuxOptions'],
  ['spec', 'hostUsers'],
  ['spec', 'hostPID'],
  ['spec', 'hostIPC'],
  ['context', 'seccompProfile'],
  ['context', 'fsGroup'],
  ['context', 'fsGroupChangePolicy'],
  ['context', 'sysctls'],
  ['spec', 'shareProcessNamespace'],
  ['context', 'runAsUser'],
  ['context', 'runAsGroup'],
  ['context', 'supplementalGroups'],
  ['context', 'supplementalGroupsPolicy'],
  ['context', 'seLinuxChangePolicy']
]
const CONTAINER_FIELDS: readonly (keyof SecurityContext)[] = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup'
]

function checkWindows(spec: PodSpec, path: string, errors: Errors): void {
  const refuse = (at: string) => void errors.push(forbidden(at, 'cannot be set for a windows pod'))
  const context: PodSecurityContext = spec.securityContext ?? {}
  for (const [place, name] of POD_FIELDS) {
    const value = place === 'spec' ? spec[name as keyof PodSpec] : context[name as keyof PodSecurityContext]
    const plainBoolean = name === 'hostPID' || name === 'hostIPC'
    if (value === undefined || (plainBoolean && value === false)) continue
    refuse(place === 'spec' ? `${path}.${name}` : `${path}.securityContext.${name}`)
  }
  visit(spec, path, ({ securityContext }, at) => {
    if (securityContext === undefined) return
    for (const field of CONTAINER_FIELDS)
      if (securityContext[field] !== undefined) refuse(`${at}.securityContext.${field}`)
  })
}
