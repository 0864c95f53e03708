import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CliError } from '../errors.ts'

const cache = join(import.meta.dirname, '..', '..', '.cache', 'emulators')
const run = promisify(execFile)

/** Registries have bad minutes: how often a download is tried, and the pause before each further try. */
const PAUSES_MS = [2_000, 10_000, 30_000]
/** A download that hangs for longer is given up. */
const LONGEST_MS = 300_000

/** The folder of that name in the cache, made by `make` where it is not there: whole or not at all. */
export async function fetched(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const folder = join(cache, name)
  if (existsSync(folder)) return folder
  await mkdir(cache, { recursive: true })
  for (const pause of [...PAUSES_MS, undefined]) {
    const fresh = await mkdtemp(`${folder}.`)
    try {
      await make(fresh)
      await rename(fresh, folder)
      return folder
    } catch (error) {
      await rm(fresh, { recursive: true, force: true })
      // Another process may have been quicker.
      if (existsSync(folder)) return folder
      if (pause === undefined) throw new CliError(`${name} could not be fetched: ${reason(error)}`)
      await wait(pause)
    }
  }
  return folder
}

/** Runs a program that fetches something; what it printed is in the error. */
export async function fetchWith(program: string, args: readonly string[]): Promise<void> {
  await run(program, args, { timeout: LONGEST_MS, killSignal: 'SIGKILL' })
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { stderr } = error as { stderr?: string }
  return stderr === undefined || stderr.trim() === '' ? error.message : `${error.message}\n${stderr.trim()}`
}
