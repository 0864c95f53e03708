/** Ports whose time stands still until a test moves it, and whose ids count up. */
import { type Log, NAME_ALPHABET, type Ports, type Timer } from '../core/ports.ts'

export interface FakePorts extends Ports {
  /** Runs what is due, in order, each at its own time; promises are given a turn in between. */
  advance(ms: number): Promise<void>
  /** Pending timers. */
  timers(): number
  readonly warnings: { fields: object; message: string }[]
}

interface Pending {
  readonly due: number
  readonly callback: () => void
}

/** 2026-01-01T00:00:00Z, unless said otherwise. */
export function fakePorts(start = Date.UTC(2026, 0, 1)): FakePorts {
  let now = start
  let count = 0
  const pending = new Set<Pending>()
  const warnings: FakePorts['warnings'] = []
  const warn = (fields: object, message: string) => void warnings.push({ fields, message })
  const log: Log = { debug: () => {}, info: () => {}, warn, error: warn }

  const after = (delayMs: number, callback: () => void): Timer => {
    const timer = { due: now + Math.max(0, delayMs), callback }
    pending.add(timer)
    return { cancel: () => pending.delete(timer) }
  }

  const advance = async (ms: number) => {
    const until = now + ms
    for (;;) {
      const next = [...pending].filter(({ due }) => due <= until).sort((a, b) => a.due - b.due)[0]
      if (next === undefined) break
      pending.delete(next)
      now = next.due
      next.callback()
      await turn()
    }
    now = until
    await turn()
  }

  const suffix = (length: number) => {
    count += 1
    let [text, rest] = ['', count]
    for (; text.length < length; rest = Math.floor(rest / NAME_ALPHABET.length))
      text = `${NAME_ALPHABET[rest % NAME_ALPHABET.length]}${text}`
    return text
  }

  return {
    log,
    warnings,
    advance,
    timers: () => pending.size,
    clock: { now: () => now, after },
    random: { next: () => 0.5 },
    ids: {
      uid: () => {
        count += 1
        return `00000000-0000-4000-8000-${String(count).padStart(12, '0')}`
      },
      suffix
    }
  }
}

/** Lets promises and immediates settle. */
export async function turn(): Promise<void> {
  for (let round = 0; round < 3; round += 1) await new Promise((resolve) => setImmediate(resolve))
}
