/** How many results in a row it takes until a probe's word counts. Pure. */
import type { Probe } from '../../core/kinds/types.ts'

export type ProbeKind = 'startup' | 'liveness' | 'readiness'

export interface Streak {
  readonly last: 'success' | 'failure' | undefined
  readonly length: number
}

export const NO_STREAK: Streak = { last: undefined, length: 0 }

/** `settled`: what the probe now says, or undefined while a threshold is not reached. */
export function addResult(
  streak: Streak,
  result: 'success' | 'failure',
  probe: Probe
): { readonly streak: Streak; readonly settled: 'success' | 'failure' | undefined } {
  const length = streak.last === result ? streak.length + 1 : 1
  const threshold = result === 'success' ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3)
  return { streak: { last: result, length }, settled: length >= threshold ? result : undefined }
}
