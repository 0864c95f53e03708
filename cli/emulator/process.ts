import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'

const START_TIMEOUT_MS = 60_000

export interface Emulator {
  /** "http://127.0.0.1:PORT" */
  readonly endpoint: string
  readonly pid: number
  /** Resolves when it has ended, however that came. */
  readonly ended: Promise<void>
  /** What it printed so far. */
  output(): Promise<string>
  stop(): Promise<void>
}

export interface EmulatorCommand {
  readonly command: readonly string[]
  /** Beside the environment of the caller. */
  readonly environment: Readonly<Record<string, string>>
}

/**
 * A shell that leads a process group of its own. It ends the whole group, with the functions that an emulator runs,
 * when the emulator ends or when its own standard input does, which comes with the end of this process.
 */
const KEEPER = '{ "$@"; kill -KILL 0; } </dev/null & read -r _; kill -KILL 0'

/** Runs an emulator as long as this process lives, in a folder that goes with it; resolves when it answers. */
export async function startProcess({ command, environment }: EmulatorCommand, endpoint: string): Promise<Emulator> {
  const folder = await mkdtemp(join(tmpdir(), 'wherry-emulator-'))
  const log = join(folder, 'output')
  const file = openSync(log, 'a')
  const keeper = spawn('sh', ['-c', KEEPER, 'sh', ...command], {
    cwd: folder,
    env: { ...process.env, ...environment, HOME: folder, TMPDIR: folder },
    stdio: ['pipe', file, file],
    detached: true
  })
  closeSync(file)
  const ended = new Promise<void>((resolve) => keeper.once('exit', () => resolve()))
  const output = async () => await readFile(log, 'utf8').catch(() => '')
  const stop = async () => {
    keeper.stdin?.end()
    await ended
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
  if (!(await answers(endpoint, keeper))) {
    const printed = await output()
    await stop()
    throw new Error(`${command[0]} did not answer:\n${printed}`)
  }
  return { endpoint, pid: keeper.pid ?? 0, ended, output, stop }
}

async function answers(endpoint: string, process: ChildProcess): Promise<boolean> {
  const runs = () => process.exitCode === null && process.signalCode === null
  for (const end = Date.now() + START_TIMEOUT_MS; Date.now() < end && runs(); await wait(50)) {
    const answered = await fetch(endpoint, { signal: AbortSignal.timeout(2_000) }).then(
      () => true,
      () => false
    )
    if (answered) return true
  }
  return false
}

/** One that nobody listens on now, on the loopback. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port was free')
  return address.port
}
