/** A cluster on an emulator of AWS on this machine: where its files are, and the process that keeps it. */
import { fork } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { CliError } from '../errors.ts'
import { writeAtomically } from '../files.ts'
import { isAlive, type ProcessRecord, readProcess } from '../running.ts'

/** What the keeper writes for the other commands. */
export interface LocalRecord extends ProcessRecord {
  /** The emulator's: "http://127.0.0.1:4566". */
  readonly endpoint: string
  /** The cluster's API, behind TLS: "https://127.0.0.1:7443/prod". */
  readonly server: string
  readonly emulator: 'ministack' | 'LocalStack' | 'given'
}

export interface LocalPaths {
  readonly dir: string
  readonly record: string
  readonly keys: string
  /** PEM of the authority that the proxy's certificate is from. */
  readonly authority: string
  readonly apiId: string
  readonly log: string
}

/** Files of deployments: logs, and what belongs to emulators. */
export function deploymentDir(name: string): string {
  const base = process.env.XDG_STATE_HOME || join(homedir(), '.local', 'state')
  return join(base, 'wherry', name)
}

export function localPaths(name: string): LocalPaths {
  const dir = join(deploymentDir(name), 'emulator')
  const at = (file: string) => join(dir, file)
  const keys = at('keys')
  return { dir, record: at('run.json'), keys, authority: join(keys, 'ca.crt'), apiId: at('api'), log: at('log') }
}

export function readLocal(name: string): LocalRecord | undefined {
  return readProcess<LocalRecord>(localPaths(name).record)
}

export function requireLocal(name: string): LocalRecord {
  const record = readLocal(name)
  if (record !== undefined) return record
  throw new CliError(`no cluster called ${name} runs on an emulator here`, {
    hint: `start it with: ./wherry deploy --emulator --name ${name}`
  })
}

/** What the keeper tells the one who started it. */
export type LocalMessage = { readonly ready: true } | { readonly failed: string }

/** Starts the keeper, a process of its own that outlives this one, unless it runs. */
export async function startLocal(name: string): Promise<LocalRecord> {
  const running = readLocal(name)
  if (running !== undefined) return running
  const paths = localPaths(name)
  mkdirSync(paths.dir, { recursive: true, mode: 0o700 })
  const log = openSync(paths.log, 'w')
  const keeper = fork(join(import.meta.dirname, '..', 'emulator', 'keeper.ts'), [name], {
    stdio: ['ignore', log, log, 'ipc'],
    detached: true,
    cwd: '/'
  })
  closeSync(log)
  const message = await new Promise<LocalMessage>((resolve) => {
    keeper.once('message', (told: LocalMessage) => resolve(told))
    keeper.once('error', (error) => resolve({ failed: error.message }))
    keeper.once('exit', () => resolve({ failed: readFileSync(paths.log, 'utf8').trim() || 'the emulator ended' }))
  })
  if ('failed' in message)
    throw new CliError(`the emulator did not start: ${message.failed}`, { hint: `see ${paths.log}` })
  keeper.unref()
  if (keeper.connected) keeper.disconnect()
  return requireLocal(name)
}

const STOP_MS = 30_000

/** Ends the keeper, and the emulator where it started that; what was deployed is gone with it. */
export async function stopLocal(name: string): Promise<void> {
  const record = readLocal(name)
  if (record !== undefined) {
    process.kill(record.pid, 'SIGTERM')
    for (const end = Date.now() + STOP_MS; isAlive(record); await wait(50)) {
      if (Date.now() > end) throw new CliError(`process ${record.pid}, which keeps the emulator, does not end`)
    }
  }
  rmSync(deploymentDir(name), { recursive: true, force: true })
}

export function writeApiId(name: string, id: string): void {
  writeAtomically(localPaths(name).apiId, `${id}\n`)
}
