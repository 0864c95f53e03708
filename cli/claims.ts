import { existsSync, mkdirSync, readdirSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { codeOf } from './files.ts'
import { pathsOf } from './paths.ts'
import { readRunning } from './running.ts'

/** Every cluster of this machine holds one name here, a link to its data folder: it names links, tables and cgroups. */
export const CLAIMS = '/var/lib/wherry-clusters'

export interface Claim {
  readonly name: string
  readonly dir: string
}

/**
 * Whether `name` now belongs to this folder; else the folder that has it. Without the right to claim (not root) it does:
 * such a cluster has no node.
 */
export function claim(name: string, dir: string): true | string {
  const link = join(CLAIMS, name)
  try {
    mkdirSync(CLAIMS, { recursive: true })
    symlinkSync(dir, link)
    return true
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') return true
  }
  const holder = holderOf(link)
  if (holder === dir) return true
  if (holder !== undefined && isInUse(holder)) return holder
  try {
    rmSync(link)
  } catch {
    return link
  }
  return claim(name, dir)
}

/** A folder that is gone, or was purged by hand, has no claim. One at its first start has no cluster.json yet. */
function isInUse(dir: string): boolean {
  const paths = pathsOf(dir)
  return existsSync(paths.cluster) || readRunning(paths) !== undefined
}

function holderOf(link: string): string | undefined {
  try {
    return readlinkSync(link)
  } catch {
    return undefined
  }
}

/** Gives back every name of this folder. */
export function releaseClaims(dir: string): void {
  for (const held of claims()) if (held.dir === dir) rmSync(join(CLAIMS, held.name), { force: true })
}

export function claims(): Claim[] {
  try {
    return readdirSync(CLAIMS).flatMap((name) => {
      const dir = holderOf(join(CLAIMS, name))
      return dir === undefined ? [] : [{ name, dir }]
    })
  } catch {
    return []
  }
}
