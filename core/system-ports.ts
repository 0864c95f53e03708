import { randomBytes, randomUUID } from 'node:crypto'
import { type Log, NAME_ALPHABET, type Ports } from './ports.ts'

/**
 * The real clock, randomness and ids. For entry files only. `keepsAlive`: a pending timer keeps the process alive, as
 * Lambda needs it, which takes a process with nothing else to do for one that is done.
 */
export function systemPorts(log: Log, { keepsAlive = false }: { keepsAlive?: boolean } = {}): Ports {
  return {
    log,
    clock: {
      now: () => Date.now(),
      after: (delayMs, callback) => {
        const timer = setTimeout(callback, delayMs)
        if (!keepsAlive) timer.unref()
        return { cancel: () => clearTimeout(timer) }
      }
    },
    random: { next: () => Math.random() },
    ids: {
      uid: () => randomUUID(),
      suffix: (length) => Array.from(randomBytes(length), (byte) => NAME_ALPHABET[byte % NAME_ALPHABET.length]).join('')
    }
  }
}

export const silentLog: Log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
