/** What the outside world gives to otherwise pure code. Only entry files construct the real ones (`systemPorts`). */

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Runs `callback` once, `delayMs` from now. A pending timer does not keep the process alive. */
  after(delayMs: number, callback: () => void): Timer
}

export interface Random {
  /** A number in [0, 1). */
  next(): number
}

export interface Ids {
  /** A UUID (v4), as in metadata.uid. */
  uid(): string
  /** `length` characters of the alphabet that Kubernetes uses for generated names (no vowels, no 0, 1 or 3). */
  suffix(length: number): string
}

export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface Ports {
  readonly clock: Clock
  readonly random: Random
  readonly ids: Ids
  readonly log: Log
}

/** The alphabet of generated names (k8s.io/apimachinery/pkg/util/rand). */
export const NAME_ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'

/** Resolves after `ms`, or at once when `signal` aborts (it never rejects). */
export function sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    const done = () => {
      timer.cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.after(ms, done)
    signal?.addEventListener('abort', done)
  })
}

/** The time as Kubernetes writes metav1.Time: whole seconds, UTC. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`
}

/** The time as Kubernetes writes metav1.MicroTime (leases, events). */
export function microTimestamp(ms: number): string {
  return new Date(ms).toISOString().replace('Z', '000Z')
}
