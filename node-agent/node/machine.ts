/** What the agent reports of the machine it runs on. */
import { readFile, statfs } from 'node:fs/promises'
import { availableParallelism, release } from 'node:os'

export interface Machine {
  readonly cpus: number
  /** Bytes. */
  readonly memory: number
  /** Bytes. */
  readonly swap: number
  /** Bytes of the file system that pods write to. */
  readonly storage: number
  readonly machineID: string
  readonly systemUUID: string
  readonly bootID: string
  readonly kernelVersion: string
  readonly osImage: string
  /** "amd64" or "arm64". */
  readonly architecture: string
}

/** What changes: for the pressure conditions. */
export interface Pressure {
  /** Bytes. */
  readonly memoryAvailable: number
  readonly storageAvailable: number
  readonly storage: number
  readonly processes: number
  readonly maxProcesses: number
}

export async function readMachine(dataDir: string): Promise<Machine> {
  const [memory, disk, machineID, systemUUID, bootID, osRelease] = await Promise.all([
    memoryInfo(),
    statfs(dataDir),
    text('/etc/machine-id'),
    text('/sys/class/dmi/id/product_uuid'),
    text('/proc/sys/kernel/random/boot_id'),
    text('/etc/os-release')
  ])
  return {
    cpus: availableParallelism(),
    memory: memory.total,
    swap: memory.swap,
    storage: disk.blocks * disk.bsize,
    machineID,
    systemUUID: systemUUID === '' ? machineID : systemUUID,
    bootID,
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?(.*?)"?$/m.exec(osRelease)?.[1] ?? 'Linux',
    architecture: process.arch === 'x64' ? 'amd64' : process.arch
  }
}

export async function readPressure(dataDir: string): Promise<Pressure> {
  const [memory, disk, load, maxPid] = await Promise.all([
    memoryInfo(),
    statfs(dataDir),
    text('/proc/loadavg'),
    text('/proc/sys/kernel/pid_max')
  ])
  return {
    memoryAvailable: memory.available,
    storageAvailable: disk.bavail * disk.bsize,
    storage: disk.blocks * disk.bsize,
    processes: Number(/\/(\d+)/.exec(load)?.[1] ?? 0),
    maxProcesses: Number(maxPid) || 32_768
  }
}

async function memoryInfo(): Promise<{ total: number; available: number; swap: number }> {
  const info = await text('/proc/meminfo')
  const kib = (name: string) => Number(new RegExp(`^${name}:\\s*(\\d+)`, 'm').exec(info)?.[1] ?? 0) * 1024
  return { total: kib('MemTotal'), available: kib('MemAvailable'), swap: kib('SwapTotal') }
}

async function text(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch {
    return ''
  }
}
