/** The files of configMap, secret, downwardAPI and projected volumes, as data. */
import type {
  ConfigMapVolumeSource,
  Container,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  ProjectedVolumeSource,
  SecretVolumeSource,
  ServiceAccountTokenProjection,
  Volume
} from '../../core/kinds/types.ts'
import type { ObjectReader } from '../../core/pod-environment.ts'
import { fieldValue, type PodPlace, resourceValue } from '../../core/pod-fields.ts'

export interface ProjectedFile {
  readonly content: Buffer
  readonly mode: number
  /** Owner, where a token belongs to the pod's one user. */
  readonly user?: number
}

/** By path relative to the volume. */
export type Payload = ReadonlyMap<string, ProjectedFile>

export interface ProjectionInput {
  readonly pod: Pod
  readonly place: PodPlace
  readonly objects: ObjectReader
  readonly token: (projection: ServiceAccountTokenProjection) => Promise<string>
}

/** A volume that cannot be set up now. The message is Kubernetes' and becomes the FailedMount event's end. */
export class VolumeError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'VolumeError'
  }
}

const DEFAULT_MODE = 0o644

export function isProjected(volume: Volume): boolean {
  const { configMap, secret, downwardAPI, projected } = volume
  return configMap !== undefined || secret !== undefined || downwardAPI !== undefined || projected !== undefined
}

/** Throws VolumeError. */
export async function payloadOf(input: ProjectionInput, volume: Volume): Promise<Payload> {
  if (volume.configMap !== undefined) return await configMapFiles(input, volume.configMap, modeOf(volume.configMap))
  if (volume.secret !== undefined) return await secretFiles(input, volume.secret, modeOf(volume.secret))
  if (volume.downwardAPI !== undefined) {
    return downwardFiles(input, volume.downwardAPI.items ?? [], modeOf(volume.downwardAPI))
  }
  return await projectedFiles(input, volume.projected ?? {})
}

function modeOf(source: { readonly defaultMode?: number | undefined }): number {
  return source.defaultMode ?? DEFAULT_MODE
}

async function projectedFiles(input: ProjectionInput, source: ProjectedVolumeSource): Promise<Payload> {
  const mode = modeOf(source)
  const all = new Map<string, ProjectedFile>()
  const problems: string[] = []
  for (const one of source.sources ?? []) {
    try {
      if (one.configMap !== undefined) merge(all, await configMapFiles(input, one.configMap, mode))
      else if (one.secret !== undefined) {
        const { name, ...rest } = one.secret
        merge(all, await secretFiles(input, { ...rest, secretName: name }, mode))
      } else if (one.downwardAPI !== undefined) merge(all, downwardFiles(input, one.downwardAPI.items ?? [], mode))
      else if (one.serviceAccountToken !== undefined) {
        all.set(one.serviceAccountToken.path, await tokenFile(input, one.serviceAccountToken, mode))
      } else throw new VolumeError('this source of a projected volume is not supported')
    } catch (error) {
      if (!(error instanceof VolumeError)) throw error
      problems.push(error.message)
    }
  }
  if (problems.length === 1) throw new VolumeError(problems[0] ?? '')
  if (problems.length > 1) throw new VolumeError(`[${problems.join(', ')}]`)
  return all
}

async function tokenFile(
  input: ProjectionInput,
  projection: ServiceAccountTokenProjection,
  mode: number
): Promise<ProjectedFile> {
  const user = commonUser(input.pod)
  const group = input.pod.spec?.securityContext?.fsGroup
  const content = Buffer.from(await input.token(projection))
  const own = user !== undefined || group !== undefined ? 0o600 : mode
  return { content, mode: own, ...(user === undefined ? {} : { user }) }
}

/** The user that every container of the pod runs as, where it is one. */
function commonUser(pod: Pod): number | undefined {
  const shared = pod.spec?.securityContext?.runAsUser
  const containers: readonly Container[] = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
  const users = new Set(containers.map((container) => container.securityContext?.runAsUser ?? shared))
  const [user] = users
  return users.size === 1 ? user : undefined
}

function merge(into: Map<string, ProjectedFile>, files: Payload): void {
  for (const [path, file] of files) into.set(path, file)
}

async function configMapFiles(
  { pod, objects }: ProjectionInput,
  source: ConfigMapVolumeSource,
  mode: number
): Promise<Payload> {
  const namespace = pod.metadata.namespace ?? ''
  const object = await objects.configMap(namespace, source.name ?? '')
  if (object === undefined) {
    if (source.optional === true) return new Map()
    throw new VolumeError(`configmap "${source.name ?? ''}" not found`)
  }
  const data = new Map<string, Buffer>()
  for (const [key, text] of Object.entries(object.data ?? {})) data.set(key, Buffer.from(text))
  for (const [key, base64] of Object.entries(object.binaryData ?? {})) data.set(key, Buffer.from(base64, 'base64'))
  return select(data, source, { mode, missing: 'configmap references non-existent config key' })
}

async function secretFiles(
  { pod, objects }: ProjectionInput,
  source: SecretVolumeSource,
  mode: number
): Promise<Payload> {
  const namespace = pod.metadata.namespace ?? ''
  const object = await objects.secret(namespace, source.secretName ?? '')
  if (object === undefined) {
    if (source.optional === true) return new Map()
    throw new VolumeError(`secret "${source.secretName ?? ''}" not found`)
  }
  const data = new Map<string, Buffer>()
  for (const [key, base64] of Object.entries(object.data ?? {})) data.set(key, Buffer.from(base64, 'base64'))
  return select(data, source, { mode, missing: 'references non-existent secret key' })
}

interface Selection {
  readonly items?: readonly KeyToPath[] | undefined
  readonly optional?: boolean | undefined
}

function select(
  data: ReadonlyMap<string, Buffer>,
  { items, optional }: Selection,
  { mode, missing }: { readonly mode: number; readonly missing: string }
): Payload {
  const files = new Map<string, ProjectedFile>()
  if (items === undefined || items.length === 0) {
    for (const [key, content] of data) files.set(key, { content, mode })
    return files
  }
  for (const item of items) {
    const content = data.get(item.key)
    if (content !== undefined) files.set(item.path, { content, mode: item.mode ?? mode })
    else if (optional !== true) throw new VolumeError(`${missing}: ${item.key}`)
  }
  return files
}

function downwardFiles(input: ProjectionInput, items: readonly DownwardAPIVolumeFile[], mode: number): Payload {
  const { pod, place } = input
  const files = new Map<string, ProjectedFile>()
  for (const item of items) {
    let text = ''
    if (item.fieldRef !== undefined) text = fieldValue(pod, item.fieldRef.fieldPath, place) ?? ''
    else if (item.resourceFieldRef !== undefined) {
      text = resourceValue(pod, { name: '' }, { ...item.resourceFieldRef, ...place })
    }
    files.set(item.path, { content: Buffer.from(text), mode: item.mode ?? mode })
  }
  return files
}
