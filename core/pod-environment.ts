/** The environment of a container: its variables, those of referred objects, and where services are. */

import { expand } from './expansion.ts'
import type { ConfigMap, Container, EnvVar, Pod, Secret, Service } from './kinds/types.ts'
import { fieldValue, type PodPlace, resourceValue } from './pod-fields.ts'

/** A container that cannot be made as it is described. `reason` is shown in its state. */
export class ConfigError extends Error {
  readonly reason: string

  constructor(message: string, reason = 'CreateContainerConfigError') {
    super(message)
    this.name = 'ConfigError'
    this.reason = reason
  }
}

/** Objects of the pod's namespace. undefined: it does not exist. Throws what the API answered otherwise. */
export interface ObjectReader {
  configMap(namespace: string, name: string): Promise<ConfigMap | undefined>
  secret(namespace: string, name: string): Promise<Secret | undefined>
}

export interface EnvironmentInput {
  readonly pod: Pod
  readonly container: Container
  readonly place: PodPlace
  readonly objects: ObjectReader
  /** All services that the node knows. */
  readonly services: readonly Service[]
}

/** Throws ConfigError. */
export async function environmentOf(input: EnvironmentInput): Promise<Map<string, string>> {
  const { container } = input
  const services = serviceVariables(input.pod, input.services)
  const variables = await fromObjects(input)
  for (const variable of container.env ?? []) {
    const value = await variableValue(input, variable, (name) => variables.get(name) ?? services.get(name))
    if (value !== undefined) variables.set(variable.name, value)
  }
  for (const [name, value] of services) if (!variables.has(name)) variables.set(name, value)
  return variables
}

async function fromObjects({ pod, container, objects }: EnvironmentInput): Promise<Map<string, string>> {
  const variables = new Map<string, string>()
  const namespace = pod.metadata.namespace ?? ''
  for (const source of container.envFrom ?? []) {
    const prefix = source.prefix ?? ''
    if (source.configMapRef !== undefined) {
      const { name = '', optional } = source.configMapRef
      const object = await objects.configMap(namespace, name)
      if (object === undefined && optional !== true) throw new ConfigError(`configmap "${name}" not found`)
      for (const [key, value] of Object.entries(object?.data ?? {})) variables.set(prefix + key, value)
    }
    if (source.secretRef !== undefined) {
      const { name = '', optional } = source.secretRef
      const object = await objects.secret(namespace, name)
      if (object === undefined && optional !== true) throw new ConfigError(`secret "${name}" not found`)
      for (const [key, value] of Object.entries(object?.data ?? {})) variables.set(prefix + key, decode(value))
    }
  }
  return variables
}

async function variableValue(
  input: EnvironmentInput,
  variable: EnvVar,
  known: (name: string) => string | undefined
): Promise<string | undefined> {
  const source = variable.valueFrom
  if (source === undefined) return expand(variable.value ?? '', known)
  if (source.fieldRef !== undefined) {
    const value = fieldValue(input.pod, source.fieldRef.fieldPath, input.place)
    if (value === undefined) throw new ConfigError(`unsupported fieldPath: ${source.fieldRef.fieldPath}`)
    return value
  }
  if (source.resourceFieldRef !== undefined) {
    return resourceValue(input.pod, input.container, { ...source.resourceFieldRef, ...input.place })
  }
  if (source.configMapKeyRef !== undefined) return await configMapKey(input, source.configMapKeyRef)
  if (source.secretKeyRef !== undefined) return await secretKey(input, source.secretKeyRef)
  throw new ConfigError(`the source of environment variable ${variable.name} is not supported`)
}

interface KeyRef {
  readonly key: string
  readonly name?: string | undefined
  readonly optional?: boolean | undefined
}

async function configMapKey({ pod, objects }: EnvironmentInput, ref: KeyRef): Promise<string | undefined> {
  const namespace = pod.metadata.namespace ?? ''
  const { name = '', key } = ref
  const object = await objects.configMap(namespace, name)
  const value = object?.data?.[key]
  if (value !== undefined || ref.optional === true) return value
  if (object === undefined) throw new ConfigError(`configmap "${name}" not found`)
  throw new ConfigError(`couldn't find key ${key} in ConfigMap ${namespace}/${name}`)
}

async function secretKey({ pod, objects }: EnvironmentInput, ref: KeyRef): Promise<string | undefined> {
  const namespace = pod.metadata.namespace ?? ''
  const { name = '', key } = ref
  const object = await objects.secret(namespace, name)
  const value = object?.data?.[key]
  if (value !== undefined) return decode(value)
  if (ref.optional === true) return undefined
  if (object === undefined) throw new ConfigError(`secret "${name}" not found`)
  throw new ConfigError(`couldn't find key ${key} in Secret ${namespace}/${name}`)
}

function decode(base64: string): string {
  return Buffer.from(base64, 'base64').toString()
}

/** Docker's link variables for the services of the pod's namespace, and always for default/kubernetes. */
export function serviceVariables(pod: Pod, services: readonly Service[]): Map<string, string> {
  const variables = new Map<string, string>()
  const links = pod.spec?.enableServiceLinks !== false
  const visible = services.filter(({ metadata }) => {
    if (metadata.namespace === 'default' && metadata.name === 'kubernetes') return true
    return links && metadata.namespace === pod.metadata.namespace
  })
  // A service of the pod's own namespace wins over default/kubernetes.
  visible.sort((a, b) => Number(a.metadata.namespace !== 'default') - Number(b.metadata.namespace !== 'default'))
  for (const service of visible) addService(variables, service)
  return variables
}

function addService(variables: Map<string, string>, service: Service): void {
  const host = service.spec?.clusterIP ?? ''
  const ports = service.spec?.ports ?? []
  const [first] = ports
  if (host === '' || host === 'None' || first === undefined) return
  const prefix = (service.metadata.name ?? '').toUpperCase().replaceAll('-', '_')
  variables.set(`${prefix}_SERVICE_HOST`, host)
  variables.set(`${prefix}_SERVICE_PORT`, String(first.port))
  for (const port of ports) {
    if (port.name === undefined || port.name === '') continue
    variables.set(`${prefix}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`, String(port.port))
  }
  const address = host.includes(':') ? `[${host}]` : host
  for (const [index, port] of ports.entries()) {
    const protocol = (port.protocol ?? 'TCP').toLowerCase()
    const url = `${protocol}://${address}:${port.port}`
    if (index === 0) variables.set(`${prefix}_PORT`, url)
    const link = `${prefix}_PORT_${port.port}_${protocol.toUpperCase()}`
    variables.set(link, url)
    variables.set(`${link}_PROTO`, protocol)
    variables.set(`${link}_PORT`, String(port.port))
    variables.set(`${link}_ADDR`, host)
  }
}
