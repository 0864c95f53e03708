import { createHash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { CliError } from './errors.ts'
import { codeOf, writeAtomically } from './files.ts'
import { dataDirFlag, type Paths } from './paths.ts'

/** A process as it can be found again: a pid alone may have been given to another one meanwhile. */
export interface ProcessRecord {
  readonly pid: number
  /** When it started, in clock ticks since boot. */
  readonly startTicks: string
}

/** What `up` writes into run.json for the other commands. */
export interface Running extends ProcessRecord {
  readonly url: string
  readonly controlPlaneOnly: boolean
  /** False while it starts. */
  readonly ready: boolean
}

export function writeRunning(paths: Paths, running: Omit<Running, 'pid' | 'startTicks'>): void {
  const record: Running = { pid: process.pid, startTicks: startTicks(process.pid) ?? '', ...running }
  writeAtomically(paths.run, `${JSON.stringify(record)}\n`)
}

export function clearRunning(paths: Paths): void {
  rmSync(paths.run, { force: true })
}

/** The `up` that runs, or starts, on this folder now, if any. */
export function readRunning(paths: Paths): Running | undefined {
  return readProcess<Running>(paths.run)
}

/** The `up` that a command needs; throws where none runs. */
export function requireRunning(paths: Paths): Running {
  const running = readRunning(paths)
  if (running === undefined) {
    throw new CliError(`no cluster runs on ${paths.dir}`, {
      hint: `start it with: ./wherry up --detach${dataDirFlag(paths)}`
    })
  }
  if (running.ready) return running
  throw new CliError(`the cluster in ${paths.dir} is still starting`, {
    hint: `wait for it; its log is ${paths.log}`
  })
}

/** The process that a file records, as long as that very process lives. */
export function readProcess<T extends ProcessRecord>(file: string): T | undefined {
  try {
    const record = JSON.parse(readFileSync(file, 'utf8')) as T
    return isAlive(record) ? record : undefined
  } catch {
    return undefined
  }
}

export function isAlive(process: ProcessRecord): boolean {
  const ticks = startTicks(process.pid)
  return ticks !== undefined && ticks === process.startTicks
}

/** Field 22 of /proc/PID/stat; undefined when there is no such process, or when it is a zombie. */
export function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}

/**
 * Holds the data folder for this process. The lock is an abstract socket: the kernel drops it with the process, however
 * that ends, so there is no stale lock. Throws when another process has it.
 */
export async function lockFolder(paths: Paths): Promise<Server> {
  const name = `\0wherry/${createHash('sha256').update(paths.dir).digest('hex')}`
  const server = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(codeOf(error) === 'EADDRINUSE' ? inUse(paths) : error))
    server.listen(name, resolve)
  })
  server.unref()
  return server
}

function inUse(paths: Paths): CliError {
  const other = readRunning(paths)
  const by =
    other === undefined
      ? ' by a ./wherry that is starting or stopping it'
      : ` by process ${other.pid} (${other.url}${other.ready ? '' : ', starting'})`
  return new CliError(`${paths.dir} is already in use${by}`, {
    hint: `stop it with: ./wherry down${dataDirFlag(paths)}`
  })
}
