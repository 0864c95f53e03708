/** What a container said of its end: its message file, or the end of its log. */
import { open, stat } from 'node:fs/promises'
import { MESSAGE_FILE_ANNOTATION } from './containers/config.ts'
import { readLog } from './logs/read-log.ts'
import type { RuntimeContainer } from './runtime/runtime.ts'

/** Kubernetes' limits, bytes and lines. */
const MOST_MESSAGE = 4096
const MOST_LOG = 2048
const MOST_LOG_LINES = 80

/** The runtime's word on the end, and what the container said itself. */
export async function terminationMessage(container: RuntimeContainer): Promise<string> {
  const own = await ownMessage(container)
  return [container.message, own].filter((text) => text !== '').join(': ')
}

async function ownMessage(container: RuntimeContainer): Promise<string> {
  const file = container.annotations[MESSAGE_FILE_ANNOTATION]
  const text = file === undefined ? '' : await readEnd(file, MOST_MESSAGE)
  if (text !== '') return text
  const policy = container.annotations['io.kubernetes.container.terminationMessagePolicy']
  if (policy !== 'FallbackToLogsOnError' || container.exitCode === 0) return ''
  return await endOfLog(container.logPath)
}

async function endOfLog(file: string): Promise<string> {
  const source = { file, running: () => false, onEnd: () => () => {}, signal: new AbortController().signal }
  let end = Buffer.alloc(0)
  try {
    for await (const chunk of readLog(source, { tailLines: MOST_LOG_LINES, timestamps: false, follow: false })) {
      end = Buffer.concat([end, chunk]).subarray(-MOST_LOG)
    }
  } catch {
    // No log: it never ran.
  }
  return end.toString()
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
