/** hostPath volumes: the path must be what the pod says it is, because a missing one would become an empty folder. */
import { lstat, mkdir, open, stat } from 'node:fs/promises'
import { VolumeError } from './projection.ts'

type Check = (path: string) => Promise<boolean>

const isA =
  (test: 'isDirectory' | 'isFile' | 'isSocket' | 'isCharacterDevice' | 'isBlockDevice'): Check =>
  async (path) => {
    try {
      return (await stat(path))[test]()
    } catch {
      return false
    }
  }

const CHECKS: Readonly<Record<string, { readonly check: Check; readonly what: string }>> = {
  Directory: { check: isA('isDirectory'), what: 'a directory' },
  File: { check: isA('isFile'), what: 'a file' },
  Socket: { check: isA('isSocket'), what: 'a socket file' },
  CharDevice: { check: isA('isCharacterDevice'), what: 'a character device' },
  BlockDevice: { check: isA('isBlockDevice'), what: 'a block device' }
}

/** Throws VolumeError where the path is not of the type. */
export async function checkHostPath(path: string, type: string): Promise<void> {
  const exists = await lstat(path).then(
    () => true,
    () => false
  )
  if (type === 'DirectoryOrCreate' && !exists) await mkdir(path, { recursive: true, mode: 0o755 })
  if (type === 'FileOrCreate' && !exists) await (await open(path, 'a', 0o644)).close()
  const base = type.replace('OrCreate', '')
  const rule = CHECKS[base]
  if (rule === undefined || (await rule.check(path))) return
  throw new VolumeError(`hostPath type check failed: ${path} is not ${rule.what}`)
}
