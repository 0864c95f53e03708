import { copyFileSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import type { Log } from '../core/ports.ts'

/** Bytes. One older file of the same size is kept as FILE.1. */
const LARGEST = 16 * 1024 * 1024
const CHECK_MS = 30_000
/** Bytes of our own after which the file is looked at without waiting for the timer. */
const CHECK_BYTES = 1024 * 1024

/** The numbers that pino gives the levels, as the node agent's lines in the same file have them. */
const LEVELS = { debug: 20, info: 30, warn: 40, error: 50 } as const
type Level = keyof typeof LEVELS

/**
 * One JSON object a line, appended to `file` at once, so that nothing is lost when the process is killed.
 * WHERRY_LOG_LEVEL (debug, info, warn, error) says from which level on; the default is info.
 */
export function fileLog(file: string): Log {
  const log = new FileLog(file, LEVELS[(process.env.WHERRY_LOG_LEVEL ?? 'info') as Level] ?? LEVELS.info)
  setInterval(() => log.rotate(), CHECK_MS).unref()
  return log
}

/** Opens the log for appending; the node agent's output goes to the same file. */
export function openLog(file: string): number {
  return openSync(file, 'a', 0o600)
}

class FileLog implements Log {
  private readonly file: string
  private readonly handle: number
  private readonly lowest: number
  private unchecked = 0

  constructor(file: string, lowest: number) {
    this.file = file
    this.lowest = lowest
    this.handle = openLog(file)
    this.rotate()
  }

  debug(fields: object, message: string): void {
    this.write(LEVELS.debug, fields, message)
  }

  info(fields: object, message: string): void {
    this.write(LEVELS.info, fields, message)
  }

  warn(fields: object, message: string): void {
    this.write(LEVELS.warn, fields, message)
  }

  error(fields: object, message: string): void {
    this.write(LEVELS.error, fields, message)
  }

  /** Copies and cuts: the agent and its children write to the same open file, and go on doing so. */
  rotate(): void {
    this.unchecked = 0
    try {
      if (fstatSync(this.handle).size <= LARGEST) return
      copyFileSync(this.file, `${this.file}.1`)
      ftruncateSync(this.handle, 0)
    } catch {
      // A full disk: the next look may have more luck.
    }
  }

  private write(level: number, fields: object, message: string): void {
    if (level < this.lowest) return
    const line = `${logLine({ level, time: Date.now(), component: 'control-plane' }, fields, message)}\n`
    try {
      this.unchecked += writeSync(this.handle, line)
    } catch {
      // A full disk must not end the control plane.
    }
    if (this.unchecked > CHECK_BYTES) this.rotate()
  }
}

/** JSON forgets what an Error says, and cannot say everything. */
export function logLine(head: object, fields: object, message: string): string {
  try {
    return JSON.stringify({ ...head, ...fields, msg: message }, plain)
  } catch (error) {
    return JSON.stringify({ ...head, msg: message, unprintable: String(error) })
  }
}

function plain(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString()
  if (!(value instanceof Error)) return value
  const { code } = value as NodeJS.ErrnoException
  return { message: value.message, ...(code === undefined ? {} : { code }), stack: value.stack }
}
