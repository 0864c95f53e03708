import { mkdirSync, readFileSync, renameSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { CliError } from './errors.ts'

/** Makes the data folder, for its owner's eyes only. Throws a CliError where that cannot be. */
export function makeFolder(dir: string): void {
  if (isFolder(dir)) return
  if (dirname(dir) !== dir) makeFolder(dirname(dir))
  // Step by step: Node's own `recursive` never ends in /proc.
  try {
    mkdirSync(dir, { mode: 0o700 })
  } catch (error) {
    if (codeOf(error) === 'ENOENT') throw new CliError(`no folder can be made at ${dir}`)
    if (codeOf(error) !== 'EEXIST') throw fileFailure(error, dir)
  }
}

/** Throws where something else is in its place. */
function isFolder(dir: string): boolean {
  try {
    if (statSync(dir).isDirectory()) return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    if (codeOf(error) !== 'ENOTDIR') throw fileFailure(error, dir)
  }
  throw new CliError(`${dir} is not a folder`, { hint: 'choose a folder with --data-dir' })
}

/** Whole or not at all. A draft that could not be written is removed. */
export function writeAtomically(file: string, text: string, mode = 0o600): void {
  const draft = `${file}.${process.pid}.new`
  try {
    writeFileSync(draft, text, { mode, flush: true })
    renameSync(draft, file)
  } catch (error) {
    rmSync(draft, { force: true })
    throw fileFailure(error, file)
  }
}

/** Whether the file is there with just this text: a full disk does not matter then. */
export function holds(file: string, text: string): boolean {
  try {
    return readFileSync(file, 'utf8') === text
  } catch {
    return false
  }
}

/** Bytes. LMDB kills the process where it cannot have the first page that it needs. */
const LEAST_FREE = 1024 * 1024

/** Throws where the folder's disk is full. */
export function requireSpace(dir: string): void {
  const { bavail, bsize } = statfsSync(dir)
  if (bavail * bsize >= LEAST_FREE) return
  throw fileFailure(Object.assign(new Error('no space'), { code: 'ENOSPC' }), dir)
}

const MENDING: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  EACCES: ['no permission to use', 'run as root, or choose a folder of your own with --data-dir'],
  EPERM: ['no permission to use', 'run as root, or choose a folder of your own with --data-dir'],
  EROFS: ['a read-only file system holds', 'choose another folder with --data-dir'],
  ENOSPC: ['no space left on the disk of', 'free some space, or choose a folder on another disk with --data-dir'],
  EDQUOT: ['the disk quota is used up at', 'free some space, or choose a folder on another disk with --data-dir'],
  EEXIST: ['a file is in the place of a folder:', 'move it away'],
  ENOTDIR: ['a file is in the place of a folder:', 'move it away'],
  EISDIR: ['a folder is in the place of a file:', 'move it away'],
  EMFILE: ['too many open files to use', 'raise the limit: ulimit -n 65536'],
  ENAMETOOLONG: ['too long a name:', 'choose a shorter folder with --data-dir']
}

/** A failure of the file system in words; anything else as it is. */
export function fileFailure(error: unknown, file?: string): unknown {
  if (error instanceof CliError) return error
  const { path } = (error ?? {}) as NodeJS.ErrnoException
  const known = MENDING[codeOf(error) ?? '']
  return known === undefined ? error : new CliError(`${known[0]} ${file ?? path ?? 'a file'}`, { hint: known[1] })
}

/** The system's code of a failure: "ENOENT". */
export function codeOf(error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : undefined
}
