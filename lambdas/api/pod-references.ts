import type { Container, EphemeralContainer, Pod, Volume } from '../../core/kinds/types.ts'

/** Names of what a pod refers to in its own namespace. */
export interface PodReferences {
  readonly secrets: ReadonlySet<string>
  readonly configMaps: ReadonlySet<string>
  readonly claims: ReadonlySet<string>
  /** Whether it asks for a service account token in a projected volume. */
  readonly tokens: boolean
}

interface Found {
  secrets: Set<string>
  configMaps: Set<string>
  claims: Set<string>
  tokens: boolean
}

export function referencesOf(pod: Pod): PodReferences {
  const found: Found = { secrets: new Set(), configMaps: new Set(), claims: new Set(), tokens: false }
  const { spec } = pod
  if (spec === undefined) return found
  for (const { name } of spec.imagePullSecrets ?? []) add(found.secrets, name)
  for (const volume of spec.volumes ?? []) visitVolume(volume, found)
  for (const container of [...(spec.initContainers ?? []), ...spec.containers, ...(spec.ephemeralContainers ?? [])])
    visitContainer(container, found)
  return found
}

function visitVolume(volume: Volume, found: Found): void {
  add(found.secrets, volume.secret?.secretName)
  add(found.configMaps, volume.configMap?.name)
  add(found.claims, volume.persistentVolumeClaim?.claimName)
  add(found.secrets, volume.csi?.nodePublishSecretRef?.name)
  for (const source of volume.projected?.sources ?? []) {
    add(found.secrets, source.secret?.name)
    add(found.configMaps, source.configMap?.name)
    if (source.serviceAccountToken !== undefined) found.tokens = true
  }
}

function visitContainer(container: Container | EphemeralContainer, found: Found): void {
  for (const { valueFrom } of container.env ?? []) {
    add(found.secrets, valueFrom?.secretKeyRef?.name)
    add(found.configMaps, valueFrom?.configMapKeyRef?.name)
  }
  for (const source of container.envFrom ?? []) {
    add(found.secrets, source.secretRef?.name)
    add(found.configMaps, source.configMapRef?.name)
  }
}

function add(names: Set<string>, name: string | undefined): void {
  if (name !== undefined && name !== '') names.add(name)
}
