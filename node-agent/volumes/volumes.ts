/** A pod's volumes on this node: set up before its containers, kept current while it lives, taken down after it. */
import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { podLimits } from '../../core/kinds/pod-resources.ts'
import type { Container, Pod, Volume } from '../../core/kinds/types.ts'
import type { PodPlace } from '../../core/pod-fields.ts'
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

/** What is in the way of a pod's volumes, in Kubernetes' words: one text for each of them. */
export class MountError extends Error {
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(problems.join('; '))
    this.name = 'MountError'
    this.problems = problems
  }
}

/** Throws MountError. Idempotent. */
export async function setUpVolumes(setUp: SetUp): Promise<VolumePaths> {
  const { pod } = setUp.input
  const paths = new Map<string, string>()
  const problems: string[] = []
  for (const volume of pod.spec?.volumes ?? []) {
    try {
      paths.set(volume.name, await setUpVolume(setUp, volume))
    } catch (error) {
      if (!(error instanceof VolumeError)) throw error
      problems.push(`MountVolume.SetUp failed for volume "${volume.name}" : ${error.message}`)
    }
  }
  if (problems.length > 0) throw new MountError(problems)
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
    const most = memoryVolumeSize(pod, volume, input.place)
    const size = most === 0 ? [] : [`size=${most}`]
    await run('mount', ['-t', 'tmpfs', '-o', ['mode=01777', ...size].join(','), 'tmpfs', folder])
  }
  await ownFolder(folder, pod, inMemory ? 0o1777 : 0o777)
  return folder
}

/** Bytes; 0: no limit. What counts against the pod's memory cannot be larger than that, nor than the node's. */
export function memoryVolumeSize(pod: Pod, volume: Volume, { allocatable }: Pick<PodPlace, 'allocatable'>): number {
  const own = volume.emptyDir?.sizeLimit
  const { resources, initContainers = [], containers = [] } = pod.spec ?? {}
  const limited = (one: Container) => one.resources?.limits?.memory !== undefined
  const isLimited = resources?.limits?.memory !== undefined || [...initContainers, ...containers].every(limited)
  const ofPod = isLimited ? (podLimits(pod).memory ?? 0) : 0
  const limits = [quantityNumber(allocatable.memory ?? '0'), ofPod, quantityNumber(own ?? '0')]
  const set = limits.filter((limit) => limit > 0)
  return set.length === 0 ? 0 : Math.min(...set)
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
