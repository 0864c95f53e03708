import { createHash } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { type Paths, writeAtomically } from './cluster.ts'
import { CliError } from './errors.ts'

/** What `up` writes into run.json for the other commands. */
export interface Running {
  readonly pid: number
  /** When that process started, in clock ticks since boot: a pid alone may have been given to another. */
  readonly startTicks: string
  readonly url: string
  readonly controlPlaneOnly: boolean
}

export function writeRunning(paths: Paths, running: Omit<Running, 'pid' | 'startTicks'>): void {
  const record: Running = { pid: process.pid, startTicks: startTicks(process.pid) ?? '', ...running }
  writeAtomically(paths.run, `${JSON.stringify(record)}\n`)
}

export function clearRunning(paths: Paths): void {
  rmSync(paths.run, { force: true })
}

/** The `up` that runs on this folder now, if any. */
export function readRunning(paths: Paths): Running | undefined {
  try {
    const running = JSON.parse(readFileSync(paths.run, 'utf8')) as Running
    return isAlive(running) ? running : undefined
  } catch {
    return undefined
  }
}

export function isAlive(process: { readonly pid: number; readonly startTicks: string }): boolean {
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
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EADDRINUSE') return reject(error)
      const other = readRunning(paths)
      reject(
        new CliError(
          `${paths.dir} is already in use${other === undefined ? '' : ` by process ${other.pid} (${other.url})`}`,
          {
            hint: `stop it with: ./wherry down --data-dir ${paths.dir}`
          }
        )
      )
    })
    server.listen(name, resolve)
  })
  server.unref()
  return server
}
