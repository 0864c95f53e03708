/**
 * Writes a volume so that a reader sees all of the old files or all of the new ones: the files lie in a folder named by
 * the time, "..data" links to it, and each visible name links through "..data". Swapping that one link is the update.
 */
import { constants } from 'node:fs'
import { access, chmod, chown, mkdir, readdir, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Payload } from './projection.ts'

const DATA = '..data'

export interface WriteOptions {
  /** Milliseconds since 1970: names the folder. */
  readonly now: number
  /** The pod's fsGroup, which then may read every file. */
  readonly group: number | undefined
}

export async function writeAtomically(folder: string, payload: Payload, options: WriteOptions): Promise<void> {
  await mkdir(folder, { recursive: true })
  await own(folder, 0o777, options.group)
  const before = await readlink(join(folder, DATA)).catch(() => undefined)
  const name = await freshName(folder, options.now)
  const target = join(folder, name)
  await mkdir(target)
  await own(target, 0o755, options.group)
  for (const [path, file] of payload) {
    const full = join(target, path)
    await ownParents(target, dirname(path), options.group)
    await writeFile(full, file.content)
    if (file.user !== undefined || options.group !== undefined) await chown(full, file.user ?? 0, options.group ?? 0)
    await chmod(full, options.group === undefined ? file.mode : file.mode | 0o440)
  }
  await symlink(name, join(folder, `${DATA}_tmp`))
  await rename(join(folder, `${DATA}_tmp`), join(folder, DATA))
  await linkVisible(folder, payload)
  if (before !== undefined && before !== name) await rm(join(folder, before), { recursive: true, force: true })
}

/** With an fsGroup, a folder is the group's, and so is what is made inside. */
async function own(folder: string, mode: number, group: number | undefined): Promise<void> {
  if (group !== undefined) await chown(folder, 0, group)
  await chmod(folder, group === undefined ? mode : mode | 0o2000)
}

async function ownParents(target: string, path: string, group: number | undefined): Promise<void> {
  if (path === '.') return
  await ownParents(target, dirname(path), group)
  await mkdir(join(target, path), { recursive: true })
  await own(join(target, path), 0o755, group)
}

async function freshName(folder: string, now: number): Promise<string> {
  const at = new Date(now).toISOString()
  const stamp = `..${at.slice(0, 19).replaceAll('-', '_').replaceAll(':', '_').replace('T', '_')}`
  for (let part = now % 1000; ; part++) {
    const name = `${stamp}.${String(part).padStart(9, '0')}`
    const taken = await access(join(folder, name), constants.F_OK).then(
      () => true,
      () => false
    )
    if (!taken) return name
  }
}

/** A link for each first part of a path; links whose file is gone go too. */
async function linkVisible(folder: string, payload: Payload): Promise<void> {
  const visible = new Set([...payload.keys()].map((path) => path.split('/')[0] ?? path))
  const present = new Set((await readdir(folder)).filter((name) => !name.startsWith('..')))
  for (const name of visible) if (!present.has(name)) await symlink(join(DATA, name), join(folder, name))
  for (const name of present) if (!visible.has(name)) await rm(join(folder, name), { force: true })
}
