/** A pod's volumes on this node: set up before its containers, kept current while it lives, taken down after it. */
import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Pod, Volume } from '../../core/kinds/types.ts'
import { quantityNumber } from '../../core/quantity.ts'
import { mountPoints, unmountBelow } from '../runtime/processes.ts'
import { writeAtomically } from './atomic-writer.ts'
import { checkHostPath } from './host-path.ts'
import { isProjected, type Payload, type ProjectionInput, payloadOf, VolumeError } from './projection.ts'

const run = promisify(execFile)

export interface VolumeFolders {
  /** Files that survive: DIR/pods. */
  readonly pods: string
  /** In memory only, for what comes from the API: secrets must not reach a disk. */
  readonly volatile: string
}

/** Volumes by name -> their path on the host. */
export type VolumePaths = ReadonlyMap<string, string>

/** What was last written into a projected volume, so that an update without a change touches nothing. */
export type Written = Map<string, Payload>

/** Mounts the memory that projected volumes lie in. Idempotent. */
export async function ensureVolatile(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  if (mountPoints().includes(folder)) return
  await run('mount', ['-t', 'tmpfs', '-o', 'mode=0711,nosuid,nodev', 'wherry-volumes', folder])
}

export interface SetUp {
  readonly folders: VolumeFolders
  readonly input: ProjectionInput
  readonly written: Written
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Throws VolumeError with Kubernetes' words for what is in the way. Idempotent. */
export async function setUpVolumes(setUp: SetUp): Promise<VolumePaths> {
  const { pod } = setUp.input
  const paths = new Map<string, string>()
  for (const volume of pod.spec?.volumes ?? []) {
    try {
      paths.set(volume.name, await setUpVolume(setUp, volume))
    } catch (error) {
      if (!(error instanceof VolumeError)) throw error
      throw new VolumeError(`MountVolume.SetUp failed for volume "${volume.name}" : ${error.message}`)
    }
  }
  return paths
}

/** Rewrites what the API's objects have changed. Throws like setUpVolumes. */
export async function updateVolumes(setUp: SetUp): Promise<void> {
  for (const volume of setUp.input.pod.spec?.volumes ?? []) {
    if (isProjected(volume)) await project(setUp, volume)
  }
}

async function setUpVolume(setUp: SetUp, volume: Volume): Promise<string> {
  const { hostPath, emptyDir } = volume
  if (hostPath !== undefined) {
    await checkHostPath(hostPath.path, hostPath.type ?? '')
    return hostPath.path
  }
  if (emptyDir !== undefined) return await makeEmptyDir(setUp, volume)
  if (isProjected(volume)) return await project(setUp, volume)
  const kind = Object.keys(volume).find((key) => key !== 'name') ?? 'unknown'
  throw new VolumeError(`volumes of type ${kind} are not supported by this node`)
}

async function makeEmptyDir({ folders, input }: SetUp, volume: Volume): Promise<string> {
  const { pod } = input
  const folder = join(folders.pods, pod.metadata.uid ?? '', 'volumes', volume.name)
  const inMemory = volume.emptyDir?.medium === 'Memory'
  await mkdir(folder, { recursive: true })
  if (inMemory && !mountPoints().includes(folder)) {
    const limit = volume.emptyDir?.sizeLimit
    const size = limit === undefined || quantityNumber(limit) === 0 ? [] : [`size=${quantityNumber(limit)}`]
    await run('mount', ['-t', 'tmpfs', '-o', ['mode=01777', ...size].join(','), 'tmpfs', folder])
  }
  await ownFolder(folder, pod, inMemory ? 0o1777 : 0o777)
  return folder
}

/** Everybody may write; with an fsGroup, what is made inside belongs to that group. */
async function ownFolder(folder: string, pod: Pod, mode: number): Promise<void> {
  const group = pod.spec?.securityContext?.fsGroup
  if (group !== undefined) await chown(folder, 0, group)
  await chmod(folder, group === undefined ? mode : mode | 0o2000)
}

async function project(setUp: SetUp, volume: Volume): Promise<string> {
  const { folders, input, written, now } = setUp
  const { pod } = input
  const folder = join(folders.volatile, pod.metadata.uid ?? '', volume.name)
  const payload = await payloadOf(input, volume)
  if (samePayload(written.get(volume.name), payload)) return folder
  await writeAtomically(folder, payload, { now, group: pod.spec?.securityContext?.fsGroup })
  written.set(volume.name, payload)
  return folder
}

function samePayload(a: Payload | undefined, b: Payload): boolean {
  if (a === undefined || a.size !== b.size) return false
  for (const [path, file] of b) {
    const other = a.get(path)
    if (other === undefined || other.mode !== file.mode || !other.content.equals(file.content)) return false
  }
  return true
}

/** Unmounts and removes all that the node kept for the pod. */
export async function tearDownVolumes(folders: VolumeFolders, podUid: string): Promise<void> {
  const own = join(folders.pods, podUid)
  await unmountBelow(own)
  await rm(own, { recursive: true, force: true })
  await rm(join(folders.volatile, podUid), { recursive: true, force: true })
}
