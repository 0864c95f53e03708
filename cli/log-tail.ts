import { closeSync, fstatSync, openSync, readSync } from 'node:fs'

export interface LogLine {
  readonly level: number
  /** Milliseconds since 1970. */
  readonly time: number
  readonly msg: string
  readonly error?: unknown
  readonly err?: unknown
}

const TAIL_BYTES = 256 * 1024
const ERROR_LEVEL = 50

/** The newest error that the log tells of since then (milliseconds since 1970), in one line of text. */
export function lastError(file: string, since: number): string | undefined {
  const found = tail(file).findLast((line) => line.level >= ERROR_LEVEL && line.time >= since)
  return found === undefined ? undefined : textOf(found)
}

function textOf(line: LogLine): string {
  const cause = line.error ?? line.err
  const text = typeof cause === 'object' && cause !== null ? (cause as { message?: string }).message : cause
  const words = typeof text === 'string' ? text.replace(/^(\w*Error: )+/, '').split('\n')[0] : undefined
  return words === undefined || words === '' ? line.msg : `${line.msg}: ${words}`
}

function tail(file: string): LogLine[] {
  return readTail(file)
    .split('\n')
    .flatMap((line) => {
      if (!line.startsWith('{')) return []
      try {
        return [JSON.parse(line) as LogLine]
      } catch {
        return []
      }
    })
}

function readTail(file: string): string {
  let handle: number
  try {
    handle = openSync(file, 'r')
  } catch {
    return ''
  }
  try {
    const { size } = fstatSync(handle)
    const buffer = Buffer.alloc(Math.min(size, TAIL_BYTES))
    readSync(handle, buffer, 0, buffer.length, size - buffer.length)
    return buffer.toString('utf8')
  } finally {
    closeSync(handle)
  }
}
