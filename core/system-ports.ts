import { randomBytes, randomUUID } from 'node:crypto'
import { type Log, NAME_ALPHABET, type Ports } from './ports.ts'

/** The real clock, randomness and ids. For entry files only. */
export function systemPorts(log: Log): Ports {
  return {
    log,
    clock: {
      now: () => Date.now(),
      after: (delayMs, callback) => {
        const timer = setTimeout(callback, delayMs)
        timer.unref()
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
