/** Runs of one key, of which no two may be at once, in whatever process: each under a lease of the key. */
import { ApiError } from '../../core/errors.ts'
import type { Leases } from '../../core/leases.ts'
import type { Ports } from '../../core/ports.ts'

/** A function that was killed blocks its key for so long, in milliseconds. */
export const LEASE_MS = 10_000
const RENEW_MS = 3_000
/** Before its end the holder acts no more: what it asked for last must have arrived by then, clocks differ a little. */
const MARGIN_MS = 3_000

export interface Exclusion {
  readonly leases: Leases
  readonly ports: Ports
  /** Who this process is. One of its keys never runs twice at once, so it may take again what it holds. */
  readonly holder: string
  /** Aborted when nobody waits for the work any more: then the lease is left to run out, though the work may go on. */
  readonly signal?: AbortSignal
}

/**
 * Throws Conflict where another process runs the key: a later try has to see to it, because the other may have looked
 * before what this run is for. `work` is given what it has to call before each request: it throws once the lease is lost.
 */
export async function exclusively<T>(
  { leases, ports, holder, signal }: Exclusion,
  name: string,
  work: (stillMine: () => void) => Promise<T>
): Promise<T> {
  const { clock, log } = ports
  let until = clock.now() + LEASE_MS
  if (!(await leases.take(name, { holder, ttlMs: LEASE_MS })))
    throw new ApiError('Conflict', `another process is at work on ${name}`)
  let over = false
  const isOver = () => over || signal?.aborted === true
  const renew = async () => {
    if (isOver()) return
    const asked = clock.now()
    const held = await leases.take(name, { holder, ttlMs: LEASE_MS }).catch(() => undefined)
    if (held === true) until = Math.max(until, asked + LEASE_MS)
    else if (held === false) until = 0
    if (!isOver() && until > 0) timer = clock.after(RENEW_MS, () => void renew())
  }
  let timer = clock.after(RENEW_MS, () => void renew())
  try {
    return await work(() => {
      if (over || clock.now() > until - MARGIN_MS)
        throw new ApiError('ServiceUnavailable', `the lease on ${name} has run out`)
    })
  } finally {
    over = true
    timer.cancel()
    await leases
      .give(name, holder)
      .catch((error: unknown) => log.debug({ name, error: String(error) }, 'a lease was not given back'))
  }
}
