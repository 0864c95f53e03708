/** Keeps the logs of running containers small: 10 MiB a file, five files a container (kubelet's defaults). */
import { readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Runtime, RuntimeContainer } from '../runtime/runtime.ts'

export interface RotationLimits {
  /** Bytes. */
  readonly maxSize: number
  /** With the one that is written. */
  readonly maxFiles: number
}

export const ROTATION: RotationLimits = { maxSize: 10 * 1024 * 1024, maxFiles: 5 }

/** `now`: milliseconds since 1970. */
export async function rotateLogs(
  runtime: Runtime,
  containers: readonly RuntimeContainer[],
  { now, limits }: { readonly now: number; readonly limits: RotationLimits }
): Promise<void> {
  for (const container of containers) {
    const { size } = await stat(container.logPath).catch(() => ({ size: 0 }))
    if (size <= limits.maxSize) continue
    const rotated = `${container.logPath}.${stamp(now)}`
    await rename(container.logPath, rotated)
    try {
      await runtime.reopenLog(container.id)
    } catch (error) {
      // The container writes on into the renamed file: give it its name back.
      await rename(rotated, container.logPath)
      throw error
    }
    await removeOldest(container.logPath, limits.maxFiles)
  }
}

async function removeOldest(path: string, keep: number): Promise<void> {
  const folder = dirname(path)
  const names = await readdir(folder)
  const rotated = names.filter((name) => name.startsWith(`${basename(path)}.`)).sort()
  const excess = rotated.slice(0, Math.max(0, rotated.length - (keep - 1)))
  for (const name of excess) await rm(join(folder, name), { force: true })
}

/** As in 20261123-154812, with milliseconds so that two rotations of one second keep their order. */
function stamp(now: number): string {
  const [date = '', time = ''] = new Date(now).toISOString().split('T')
  return `${date.replaceAll('-', '')}-${time.replaceAll(':', '').replace('.', '').replace('Z', '')}`
}
