/** Processes, mounts and cgroups of this machine, from /proc and /sys. */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Ports, sleep } from '../../core/ports.ts'

const run = promisify(execFile)

/** Runs `work` and keeps this process alive meanwhile: the clock's timers do not (a `wherry down` would just end). */
export async function stayingAlive<T>(work: () => Promise<T>): Promise<T> {
  const { port1 } = new MessageChannel()
  port1.ref()
  try {
    return await work()
  } finally {
    port1.close()
  }
}

/** A pid is used again some day; with the time of its start it is one process for ever. */
export interface ProcessId {
  readonly pid: number
  /** Clock ticks from the machine's start to the process's. */
  readonly startTicks: string
}

export function processId(pid: number): ProcessId | undefined {
  try {
    // The name, in parentheses, may hold anything: count fields from behind it.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : { pid, startTicks: fields[19] ?? '' }
  } catch {
    return undefined
  }
}

export function isRunning(process: ProcessId): boolean {
  return processId(process.pid)?.startTicks === process.startTicks
}

/** SIGTERM, then SIGKILL after `graceMs`. Resolves when it is gone. */
export async function endProcess(target: ProcessId, graceMs: number, ports: Ports): Promise<void> {
  const until = ports.clock.now() + graceMs
  signal(target, 'SIGTERM')
  while (isRunning(target)) {
    if (ports.clock.now() >= until) signal(target, 'SIGKILL')
    await sleep(ports.clock, 10)
  }
}

function signal(target: ProcessId, name: NodeJS.Signals): void {
  if (!isRunning(target)) return
  try {
    process.kill(target.pid, name)
  } catch {
    // gone in between
  }
}

/** Every process whose command line holds all of `words` as arguments of their own. */
export function processesWith(words: readonly string[]): ProcessId[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return []
    try {
      const args = readFileSync(`/proc/${entry}/cmdline`, 'utf8').split('\0')
      const id = words.every((word) => args.includes(word)) ? processId(Number(entry)) : undefined
      return id === undefined ? [] : [id]
    } catch {
      return []
    }
  })
}

/** Unmounts everything at or below the folder, what lies deepest first. */
export async function unmountBelow(folder: string): Promise<void> {
  // A mount on a mount shows once each: go on until none is left, or none goes.
  for (let round = 0; round < 5; round++) {
    const points = mountPoints().filter((point) => point === folder || point.startsWith(`${folder}/`))
    if (points.length === 0) return
    points.sort((a, b) => b.length - a.length)
    await run('umount', ['-l', ...points]).catch(() => {})
  }
}

export function mountPoints(): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  return lines.flatMap((line) => {
    const point = line.split(' ')[4]
    if (point === undefined) return []
    return [point.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))]
  })
}

const CGROUPS = '/sys/fs/cgroup'

/** The folders of one cgroup path in every hierarchy of this machine (one with cgroup v2, several with v1). */
function cgroupFolders(path: string): string[] {
  const roots = isCgroup2() ? [CGROUPS] : listFolders(CGROUPS).map((name) => join(CGROUPS, name))
  return roots.map((root) => join(root, path))
}

export function isCgroup2(): boolean {
  try {
    readFileSync(join(CGROUPS, 'cgroup.controllers'))
    return true
  } catch {
    return false
  }
}

/** Whether it has no cgroups below it, or does not exist. */
export function cgroupIsEmpty(path: string): boolean {
  return cgroupFolders(path).every((folder) => listFolders(folder).length === 0)
}

/** Removes a cgroup and all below it, wherever it exists. With `kill`, ends the processes inside first. */
export async function removeCgroup(path: string, options: { kill: boolean; ports: Ports }): Promise<void> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const left = cgroupFolders(path).filter((folder) => !removeTree(folder, options.kill))
    if (left.length === 0) return
    // A killed process leaves its cgroup a moment later; nothing tells when.
    await sleep(options.ports.clock, 20)
  }
}

function removeTree(folder: string, kill: boolean): boolean {
  const children = listFolders(folder)
  const clean = children.map((child) => removeTree(join(folder, child), kill)).every((gone) => gone)
  if (kill) killMembers(folder)
  if (!clean) return false
  try {
    rmdirSync(folder)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT'
  }
}

function killMembers(folder: string): void {
  try {
    for (const pid of readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n')) {
      if (pid !== '') process.kill(Number(pid), 'SIGKILL')
    }
  } catch {
    // no such cgroup, or the process ended by itself
  }
}

function listFolders(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
  } catch {
    return []
  }
}
