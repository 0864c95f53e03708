import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { createServer } from 'node:net'
import { basename } from 'node:path'
import { claims } from './claims.ts'
import { CliError } from './errors.ts'
import { codeOf } from './files.ts'
import { dataDirFlag, pathsOf } from './paths.ts'
import { readRunning } from './running.ts'

/** The state LISTEN in /proc/net/tcp. */
const LISTEN = '0A'

/** Throws when nobody could listen there, and says who does. */
export async function requirePort(port: number): Promise<void> {
  const code = await tryPort(port)
  if (code === undefined) return
  const choose = 'choose another port with --port'
  if (code === 'EACCES') throw new CliError(`port ${port} may not be used without root`, { hint: choose })
  if (code !== 'EADDRINUSE') throw new CliError(`port ${port} cannot be used: ${code}`, { hint: choose })
  const pid = whoListens(port)
  const cluster = claims().find(({ dir }) => pid !== undefined && readRunning(pathsOf(dir))?.pid === Number(pid))?.dir
  if (cluster === undefined) {
    throw new CliError(`port ${port} is already taken${pid === undefined ? '' : ` by ${described(pid)}`}`, {
      hint: choose
    })
  }
  throw new CliError(`port ${port} is already taken by the cluster in ${cluster}`, {
    hint: `${choose}, or stop that one: ./wherry down${dataDirFlag(pathsOf(cluster))}`
  })
}

/** Why nobody could listen there (an error code of the system), or undefined. */
export async function tryPort(port: number): Promise<string | undefined> {
  return await new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', (error) => resolve(codeOf(error) ?? error.message))
    probe.listen({ port, host: '0.0.0.0', exclusive: true }, () => probe.close(() => resolve(undefined)))
  })
}

/** The process that listens on a TCP port, where it can be told: only root sees other users' sockets. */
export function whoListens(port: number): string | undefined {
  const sockets = new Set(listeners(port).map((inode) => `socket:[${inode}]`))
  return sockets.size === 0 ? undefined : pids().find((pid) => filesOf(pid).some((file) => sockets.has(file)))
}

/** As "process 123 (nginx)". */
export function described(pid: string): string {
  const [program = ''] = readText(`/proc/${pid}/cmdline`).split('\0')
  const name = program === '' ? '' : ` (${basename(program).split(' ')[0]})`
  return `process ${pid}${name}`
}

/** Inodes of the sockets. Lines of /proc/net/tcp: sl local_address rem_address st ... uid timeout inode. */
function listeners(port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((file) =>
    readText(file)
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => local?.endsWith(suffix) === true && state === LISTEN)
      .map((fields) => fields[9] ?? '')
  )
}

function pids(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
}

/** Files that it closes meanwhile are left out; of another user's process nothing can be told. */
function filesOf(pid: string): string[] {
  const dir = `/proc/${pid}/fd`
  try {
    return readdirSync(dir).map((fd) => linkOf(`${dir}/${fd}`))
  } catch {
    return []
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
