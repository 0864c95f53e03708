/** The mounts of one container: its volumes, and the files that the agent keeps for it. */
import { constants } from 'node:fs'
import { access, chmod, lstat, mkdir, realpath, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expand } from '../../core/expansion.ts'
import type { Container, VolumeMount } from '../../core/kinds/types.ts'
import { ConfigError } from '../../core/pod-environment.ts'
import type { ContainerMount } from '../runtime/runtime.ts'
import type { VolumePaths } from './volumes.ts'

export interface MountInput {
  readonly container: Container
  readonly volumes: VolumePaths
  readonly environment: ReadonlyMap<string, string>
  /** Undefined on the node's own network namespace without a hosts file to give. */
  readonly hostsFile: string
  readonly messageFile: string
}

const DEFAULT_MESSAGE_PATH = '/dev/termination-log'

/** Throws ConfigError. */
export async function mountsOf(input: MountInput): Promise<ContainerMount[]> {
  const { container } = input
  const mounts: ContainerMount[] = []
  for (const mount of container.volumeMounts ?? []) mounts.push(await volumeMount(input, mount))
  const taken = new Set(mounts.map((mount) => mount.containerPath))
  if (!taken.has('/etc/hosts')) mounts.push(plain('/etc/hosts', input.hostsFile))
  const messagePath = container.terminationMessagePath ?? DEFAULT_MESSAGE_PATH
  if (!taken.has(messagePath)) mounts.push(plain(messagePath, input.messageFile))
  return mounts
}

function plain(containerPath: string, hostPath: string): ContainerMount {
  return { containerPath, hostPath, readOnly: false, propagation: 'None' }
}

async function volumeMount(input: MountInput, mount: VolumeMount): Promise<ContainerMount> {
  const volume = input.volumes.get(mount.name)
  if (volume === undefined) throw new ConfigError(`volume "${mount.name}" is not mounted`)
  const subPath = subPathOf(input, mount)
  return {
    containerPath: resolve('/', mount.mountPath),
    hostPath: subPath === '' ? volume : await insideVolume(volume, subPath, mount),
    readOnly: mount.readOnly === true,
    propagation: (mount.mountPropagation as ContainerMount['propagation'] | undefined) ?? 'None'
  }
}

function subPathOf({ environment }: MountInput, mount: VolumeMount): string {
  if (mount.subPathExpr === undefined || mount.subPathExpr === '') return mount.subPath ?? ''
  const missing: string[] = []
  const path = expand(mount.subPathExpr, (name) => {
    const value = environment.get(name)
    if (value === undefined) missing.push(name)
    return value
  })
  if (missing.length > 0) {
    throw new ConfigError(`missing value for ${missing[0]}`)
  }
  return path
}

/** A link inside the volume must not lead out of it. */
async function insideVolume(volume: string, subPath: string, mount: VolumeMount): Promise<string> {
  const path = join(volume, subPath)
  const failed = `failed to prepare subPath for volumeMount "${mount.name}" of container`
  if (subPath.startsWith('/') || subPath.split('/').includes('..')) throw new ConfigError(failed)
  const info = await lstat(path).catch(() => undefined)
  if (info === undefined) {
    await mkdir(path, { recursive: true })
    await chmod(path, (await stat(volume)).mode & 0o7777)
  }
  await access(path, constants.F_OK)
  const [real, root] = await Promise.all([realpath(path), realpath(volume)])
  if (real !== root && !real.startsWith(`${root}/`)) throw new ConfigError(failed)
  return real
}
