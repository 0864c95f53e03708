/** Reads a container's log as `kubectl logs` asks for it. */
import { watch } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { type LogLine, parseLogLine } from './log-line.ts'

export interface LogOptions {
  readonly tailLines?: number
  /** Milliseconds since 1970: only what is newer. */
  readonly since?: number
  readonly timestamps: boolean
  readonly limitBytes?: number
  readonly stream?: 'stdout' | 'stderr'
  readonly follow: boolean
}

export interface LogSource {
  readonly file: string
  /** Following ends when the container no longer runs and all is read. */
  readonly running: () => boolean
  /** Called when `running` may have changed; returns its removal. */
  readonly onEnd: (listener: () => void) => () => void
  readonly signal: AbortSignal
}

const BLOCK = 64 * 1024
const NEWLINE = 0x0a

/** Chunks of text. Ends when all is read; when following, when the container or the reader ends. */
export async function* readLog(source: LogSource, options: LogOptions): AsyncGenerator<Buffer> {
  const render = createRenderer(options)
  let file = await LogFile.open(source.file)
  let left = options.limitBytes ?? Number.POSITIVE_INFINITY
  const changes = options.follow ? listen(source) : undefined
  try {
    if (options.tailLines !== undefined) await file.seekTail(options.tailLines)
    while (left > 0 && !source.signal.aborted) {
      const running = source.running()
      const seen = changes?.count()
      const lines = await file.readLines()
      const chunk = render(lines).subarray(0, left)
      left -= chunk.length
      if (chunk.length > 0) yield chunk
      if (lines.length > 0) continue
      if (changes === undefined) return
      if (await file.isReplaced()) {
        await file.close()
        file = await LogFile.open(source.file)
        continue
      }
      if (!running) return
      await changes.after(seen ?? 0)
    }
  } finally {
    changes?.stop()
    await file.close()
  }
}

/** Counts what has happened to the file, so that nothing between a read and a wait is missed. */
function listen(source: LogSource) {
  let count = 0
  let wake: (() => void) | undefined
  const changed = () => {
    count++
    wake?.()
  }
  // The folder, not the file: rotation puts another file under the name.
  const watcher = watch(dirname(source.file), (_, name) => {
    if (name === null || name.startsWith(basename(source.file))) changed()
  })
  watcher.on('error', changed)
  const forget = source.onEnd(changed)
  source.signal.addEventListener('abort', changed, { once: true })
  return {
    count: () => count,
    after: async (seen: number) => {
      if (count > seen || source.signal.aborted) return
      await new Promise<void>((resolve) => {
        wake = resolve
      })
      wake = undefined
    },
    stop: () => {
      watcher.close()
      forget()
      source.signal.removeEventListener('abort', changed)
    }
  }
}

class LogFile {
  private readonly path: string
  private readonly handle: FileHandle
  private position = 0
  private rest: Buffer = Buffer.alloc(0)

  private constructor(path: string, handle: FileHandle) {
    this.path = path
    this.handle = handle
  }

  static async open(path: string): Promise<LogFile> {
    return new LogFile(path, await open(path))
  }

  /** To the beginning of the last `lines` lines. */
  async seekTail(lines: number): Promise<void> {
    const { size } = await this.handle.stat()
    this.position = size
    if (lines <= 0) return
    let found = 0
    const block = Buffer.alloc(BLOCK)
    for (let end = size; end > 0; ) {
      const start = Math.max(0, end - BLOCK)
      const { bytesRead } = await this.handle.read(block, 0, end - start, start)
      for (let index = bytesRead - 1; index >= 0; index--) {
        // The file's last newline ends the last line and begins none.
        if (block[index] !== NEWLINE || start + index === size - 1) continue
        found++
        if (found < lines) continue
        this.position = start + index + 1
        return
      }
      end = start
    }
    this.position = 0
  }

  /** Complete lines of the next block; none: the end, for now. */
  async readLines(): Promise<LogLine[]> {
    for (;;) {
      const block = Buffer.alloc(BLOCK)
      const { bytesRead } = await this.handle.read(block, 0, BLOCK, this.position)
      if (bytesRead === 0) return []
      this.position += bytesRead
      const bytes = Buffer.concat([this.rest, block.subarray(0, bytesRead)])
      const end = bytes.lastIndexOf(NEWLINE)
      this.rest = bytes.subarray(end + 1)
      if (end < 0) continue
      const lines = splitLines(bytes.subarray(0, end)).flatMap((line) => parseLogLine(line) ?? [])
      if (lines.length > 0) return lines
    }
  }

  /** Another file has its name, and this one is read to its end. */
  async isReplaced(): Promise<boolean> {
    const [own, named] = await Promise.all([this.handle.stat(), stat(this.path).catch(() => undefined)])
    return named !== undefined && named.ino !== own.ino && own.size === this.position
  }

  async close(): Promise<void> {
    await this.handle.close()
  }
}

function splitLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let start = 0
  for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    lines.push(bytes.subarray(start, end))
    start = end + 1
  }
  lines.push(bytes.subarray(start))
  return lines
}

const LINE_END = Buffer.from('\n')

/** Parts of one line are joined, with one timestamp before them. */
function createRenderer(options: LogOptions): (lines: readonly LogLine[]) => Buffer {
  let atStart = true
  return (lines) => {
    const parts: Buffer[] = []
    for (const line of lines) {
      if (options.stream !== undefined && line.stream !== options.stream) continue
      if (options.since !== undefined && Date.parse(line.time) < options.since) continue
      if (options.timestamps && atStart) parts.push(Buffer.from(`${line.time} `))
      parts.push(line.text)
      if (line.full) parts.push(LINE_END)
      atStart = line.full
    }
    return Buffer.concat(parts)
  }
}
