/** One line of a container's log file: "TIME stdout|stderr F|P text". P is a part of a longer line. */
export interface LogLine {
  /** RFC 3339 with nanoseconds, as written. */
  readonly time: string
  readonly stream: 'stdout' | 'stderr'
  /** The text ends the line that it belongs to. */
  readonly full: boolean
  readonly text: Buffer
}

const SPACE = 0x20

/** `bytes`: without the newline. undefined: not a log line. */
export function parseLogLine(bytes: Buffer): LogLine | undefined {
  const afterTime = bytes.indexOf(SPACE)
  const afterStream = bytes.indexOf(SPACE, afterTime + 1)
  const afterTag = bytes.indexOf(SPACE, afterStream + 1)
  if (afterTime <= 0 || afterStream < 0 || afterTag < 0) return undefined
  const stream = bytes.toString('latin1', afterTime + 1, afterStream)
  if (stream !== 'stdout' && stream !== 'stderr') return undefined
  const tag = bytes.toString('latin1', afterStream + 1, afterTag)
  return {
    time: bytes.toString('latin1', 0, afterTime),
    stream,
    full: tag.split(':')[0] !== 'P',
    text: bytes.subarray(afterTag + 1)
  }
}
