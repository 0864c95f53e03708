/** When an ended container starts again, and how long that waits. */
import type { Container, Pod } from '../../core/kinds/types.ts'
import type { RuntimeContainer } from '../runtime/runtime.ts'
import { formatPod } from './input.ts'

/** Kubernetes' numbers: 10 s, doubled to 300 s, forgotten after 10 minutes of health. */
const FIRST_BACKOFF_MS = 10_000
const MAX_BACKOFF_MS = 300_000
const FORGET_AFTER_MS = 2 * MAX_BACKOFF_MS

/** The annotation in which a container keeps how long its successor has to wait, so that a new agent knows it too. */
export const BACKOFF_ANNOTATION = 'wherry.io/restart-backoff-ms'

/** Whether the policy wants another run after `last`; never run, killed half-way and lost containers always start. */
export function wantsRun(pod: Pod, container: Container, last: RuntimeContainer | undefined): boolean {
  if (last === undefined || last.state === 'created' || last.state === 'unknown') return true
  if (last.state === 'running') return false
  const rule = container.restartPolicyRules?.find((one) => matches(one.exitCodes, last.exitCode))
  if (rule?.action === 'Restart') return true
  return policyWantsRun(container.restartPolicy ?? pod.spec?.restartPolicy ?? 'Always', last.exitCode)
}

/** The same for one that initialises: a success is final. */
export function wantsInitRun(pod: Pod, container: Container, last: RuntimeContainer): boolean {
  if (last.state !== 'exited') return true
  if (last.exitCode === 0) return false
  const rule = container.restartPolicyRules?.find((one) => matches(one.exitCodes, last.exitCode))
  if (rule?.action === 'Restart') return true
  return (container.restartPolicy ?? pod.spec?.restartPolicy ?? 'Always') !== 'Never'
}

function policyWantsRun(policy: string, exitCode: number): boolean {
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0)
}

function matches(
  condition: { operator: string; values?: readonly number[] | undefined } | undefined,
  exitCode: number
): boolean {
  if (condition === undefined) return false
  const listed = condition.values?.includes(exitCode) === true
  return condition.operator === 'In' ? listed : condition.operator === 'NotIn' ? !listed : false
}

export interface Backoff {
  /** Milliseconds since 1970 from which a start is allowed. */
  readonly until: number
  /** How long the wait is, and what the container started next keeps for its successor. */
  readonly currentMs: number
  readonly nextMs: number
}

/** After the end of `last`. The first restart is immediate. */
export function backoffAfter(last: RuntimeContainer): Backoff {
  const kept = Number(last.annotations[BACKOFF_ANNOTATION] ?? '0')
  // Asked of the moment when the wait was last raised, which is the container's creation.
  const forgotten = last.finishedAt - last.createdAt > FORGET_AFTER_MS
  if (kept === 0 || forgotten) return { until: last.finishedAt, currentMs: 0, nextMs: FIRST_BACKOFF_MS }
  return { until: last.finishedAt + kept, currentMs: kept, nextMs: Math.min(kept * 2, MAX_BACKOFF_MS) }
}

/** As Go prints a duration: "10s", "1m20s", "5m0s". */
export function goSeconds(ms: number): string {
  const seconds = Math.round(ms / 1000)
  return seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`
}

export function crashLoopMessage(pod: Pod, name: string, backoffMs: number): string {
  return `back-off ${goSeconds(backoffMs)} restarting failed container=${name} pod=${formatPod(pod)}`
}
