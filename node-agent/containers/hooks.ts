/** postStart and preStop. */
import type { Container, LifecycleHandler } from '../../core/kinds/types.ts'
import { sleep } from '../../core/ports.ts'
import { httpGet, type ProbeTarget, urlOf } from '../probes/run-probe.ts'

/** A hook without an end of its own (postStart) is given up after this long. */
export const HOOK_MS = 600_000

/** Runs the hook; resolves to what went wrong, or undefined. `signal` aborts when the time for it is over. */
export async function runHook(
  target: ProbeTarget,
  handler: LifecycleHandler,
  limits: { readonly timeoutMs: number; readonly signal?: AbortSignal }
): Promise<string | undefined> {
  const { exec, httpGet: get, sleep: pause } = handler
  try {
    if (exec !== undefined) {
      const command = exec.command ?? []
      const seconds = Math.max(1, Math.ceil(limits.timeoutMs / 1000))
      const answer = await target.runtime.exec(target.containerId, command, seconds)
      if (answer.exitCode === 0) return undefined
      return `Exec lifecycle hook (${JSON.stringify(command)}) failed - error: command '${command.join(' ')}' exited with ${answer.exitCode}: ${answer.stderr}, message: "${answer.stdout}${answer.stderr}"`
    }
    if (get !== undefined) {
      const url = urlOf(target, get)
      const { status } = await httpGet(url, get, { timeoutMs: limits.timeoutMs, ports: target.ports })
      return status >= 200 && status < 400 ? undefined : `HTTP lifecycle hook (${get.path ?? ''}) failed: ${status}`
    }
    if (pause !== undefined) {
      const ms = Math.min(pause.seconds * 1000, limits.timeoutMs)
      await sleep(target.ports.clock, ms, limits.signal)
    }
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

export function hookOf(container: Container, when: 'postStart' | 'preStop'): LifecycleHandler | undefined {
  return container.lifecycle?.[when]
}
