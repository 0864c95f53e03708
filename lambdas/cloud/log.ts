import type { Log } from '../../core/ports.ts'

type Level = 'debug' | 'info' | 'warn' | 'error'
const ORDER: readonly Level[] = ['debug', 'info', 'warn', 'error']

/** One JSON object a line, as CloudWatch Logs Insights reads it. WHERRY_LOG_LEVEL says from which level on. */
export function jsonLog(write: (line: string) => void, from: string | undefined): Log {
  const lowest = Math.max(0, ORDER.indexOf((from ?? 'info') as Level))
  const at = (level: Level) => (fields: object, message: string) => {
    if (ORDER.indexOf(level) < lowest) return
    write(`${JSON.stringify({ level, message, ...fields }, shown)}\n`)
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** Errors have nothing that JSON sees. */
function shown(_key: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value
  const { name, message, stack } = value
  return { name, message, stack }
}
