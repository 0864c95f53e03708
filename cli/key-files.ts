import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CliError } from './errors.ts'
import { codeOf, fileFailure } from './files.ts'

export interface DamagedKey {
  readonly file: string
  readonly mend: string
}

/** What is lost with a key that is made anew. */
const LOST: Readonly<Record<string, string>> = {
  ca: 'every certificate and kubeconfig of the cluster must be issued anew',
  sa: 'the tokens of service accounts become invalid, and pods get new ones',
  'user-token': 'the tokens of ./wherry token become invalid'
}

/** Files in the keys' folder that cannot be read as what their names say. */
export function damagedKeys(dir: string): DamagedKey[] {
  return names(dir)
    .filter((name) => !isSound(join(dir, name), name))
    .map((name) => {
      const file = join(dir, name)
      const pair = name.slice(0, name.lastIndexOf('.'))
      const lost = LOST[pair]
      const pattern = join(dir, `${pair}.*`)
      return {
        file,
        mend: `restore it from a backup, or remove it, to have it made anew${lost === undefined ? '' : ` (${lost})`}: rm ${pattern}`
      }
    })
}

function names(dir: string): string[] {
  try {
    return readdirSync(dir).filter((name) => /^[^.].*\.(key|crt|pub)$/.test(name))
  } catch {
    return []
  }
}

function isSound(file: string, name: string): boolean {
  try {
    const text = readFileSync(file, 'utf8')
    if (name === 'user-token.key') return Buffer.from(text.trim(), 'base64').length >= 32
    if (name.endsWith('.crt')) return new X509Certificate(text).subject !== ''
    return (name.endsWith('.pub') ? createPublicKey(text) : createPrivateKey(text)).type !== 'secret'
  } catch (error) {
    // Another's file may be well.
    return codeOf(error) === 'EACCES'
  }
}

/** A failure to use the keys, in words where a damaged file is the reason. */
export function keyFailure(error: unknown, dir: string): unknown {
  const damaged = damagedKeys(dir)[0]
  if (damaged === undefined) return fileFailure(error, dir)
  return new CliError(`${damaged.file} is damaged`, { hint: damaged.mend })
}

export interface Validity {
  readonly file: string
  /** Milliseconds since 1970. */
  readonly from: number
  readonly to: number
}

/** The times between which each certificate in the folder is valid. */
export function validities(dir: string): Validity[] {
  return names(dir)
    .filter((name) => name.endsWith('.crt'))
    .flatMap((name) => {
      try {
        const certificate = new X509Certificate(readFileSync(join(dir, name)))
        const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()]
        return [{ file: join(dir, name), from, to }]
      } catch {
        return []
      }
    })
}
