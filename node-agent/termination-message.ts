/** What a container said of its end: its message file, or the end of its log. */
import { open, stat } from 'node:fs/promises'
import { MESSAGE_FILE_ANNOTATION } from './containers/config.ts'
import type { RuntimeContainer } from './runtime/runtime.ts'

/** Kubernetes' limits, bytes and lines. */
const MOST_MESSAGE = 4096
const MOST_LOG = 2048
const MOST_LOG_LINES = 80

export async function terminationMessage(container: RuntimeContainer): Promise<string> {
  const file = container.annotations[MESSAGE_FILE_ANNOTATION]
  const text = file === undefined ? '' : await readEnd(file, MOST_MESSAGE)
  if (text !== '') return text
  const policy = container.annotations['io.kubernetes.container.terminationMessagePolicy']
  if (policy !== 'FallbackToLogsOnError' || container.exitCode === 0) return container.message
  // Log lines carry about 40 bytes of their own.
  const log = await readEnd(container.logPath, MOST_LOG + MOST_LOG_LINES * 64)
  const lines = log.split('\n').flatMap((line) => {
    const parts = /^\S+ (?:stdout|stderr) [FP](?:\S*) (.*)$/.exec(line)
    return parts === null ? [] : [parts[1] ?? '']
  })
  const kept = lines.slice(-MOST_LOG_LINES).join('\n')
  return kept === '' ? container.message : `${Buffer.from(`${kept}\n`).subarray(-MOST_LOG).toString()}`
}

async function readEnd(file: string, most: number): Promise<string> {
  try {
    const { size } = await stat(file)
    if (size === 0) return ''
    const handle = await open(file)
    try {
      const length = Math.min(size, most)
      const buffer = Buffer.alloc(length)
      await handle.read(buffer, 0, length, size - length)
      return buffer.toString()
    } finally {
      await handle.close()
    }
  } catch {
    return ''
  }
}
