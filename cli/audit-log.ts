/** The audit log's file: a line for each event, turned over when it grows too large. */
import { appendFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type { Ports } from '../core/ports.ts'

export interface AuditLogOptions {
  readonly file: string
  /** Bytes (kube-apiserver's --audit-log-maxsize is in megabytes; its default is no limit, ours 100 MB). */
  readonly maxBytes: number
  /** How many former files are kept; 0: all. */
  readonly backups: number
  readonly ports: Ports
}

export interface AuditLog {
  write(line: string): void
  /** Everything that was written is in the file. */
  flush(): Promise<void>
}

export function openAuditLog(options: AuditLogOptions): AuditLog {
  return new FileLog(options)
}

class FileLog implements AuditLog {
  private readonly options: AuditLogOptions
  private waiting: string[] = []
  private busy: Promise<void> | undefined
  /** Of the file; undefined: not looked yet. */
  private size: number | undefined

  constructor(options: AuditLogOptions) {
    this.options = options
  }

  write(line: string): void {
    this.waiting.push(line)
    this.busy ??= this.drain().finally(() => {
      this.busy = undefined
    })
  }

  async flush(): Promise<void> {
    while (this.busy !== undefined) await this.busy
  }

  private async drain(): Promise<void> {
    // Lines of one turn of the event loop go out together.
    await Promise.resolve()
    while (this.waiting.length > 0) {
      const lines = this.waiting
      this.waiting = []
      try {
        await this.append(lines)
      } catch (error) {
        this.options.ports.log.error({ error, lost: lines.length }, 'the audit log cannot be written')
      }
    }
  }

  private async append(lines: readonly string[]): Promise<void> {
    const { file, maxBytes } = this.options
    this.size ??= await sizeOf(file)
    let text = ''
    let bytes = 0
    for (const line of lines) {
      const length = Buffer.byteLength(line) + 1
      if (this.size + bytes + length > maxBytes && this.size + bytes > 0) {
        await appendFile(file, text, { mode: 0o600 })
        await this.turnOver()
        text = ''
        bytes = 0
        this.size = 0
      }
      text += `${line}\n`
      bytes += length
    }
    await appendFile(file, text, { mode: 0o600 })
    this.size += bytes
  }

  /** "audit.log" becomes "audit-2026-01-02T03-04-05.678.log", as lumberjack names them. */
  private async turnOver(): Promise<void> {
    const { file, backups, ports } = this.options
    const [folder, end] = [dirname(file), extname(file)]
    const stem = basename(file, end)
    const time = new Date(ports.clock.now()).toISOString().replace(/:/g, '-').replace('Z', '')
    await rename(file, join(folder, `${stem}-${time}${end}`))
    if (backups === 0) return
    const isFormer = (name: string) => name.startsWith(`${stem}-2`) && name.endsWith(end)
    const former = (await readdir(folder)).filter(isFormer).sort()
    for (const name of former.slice(0, Math.max(0, former.length - backups)))
      await rm(join(folder, name), { force: true })
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size
  } catch {
    return 0
  }
}
