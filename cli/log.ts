import { pino } from 'pino'
import type { Log } from '../core/ports.ts'

/** One JSON object a line, appended to `file`. WHERRY_LOG_LEVEL (debug, info, warn, error) says from which level on. */
export function fileLog(file: string): Log {
  return pino(
    { level: process.env.WHERRY_LOG_LEVEL ?? 'info' },
    pino.destination({ dest: file, append: true, sync: false })
  )
}
