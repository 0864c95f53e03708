/** A platform of tasks in memory, for tests: tasks start when they are told to, or at once. */
import type { Clock } from '../../../core/ports.ts'
import { type RunRequest, type Task, TaskRefused, type Tasks } from './tasks.ts'

export interface FakeTasks extends Tasks {
  readonly ran: readonly RunRequest[]
  readonly forgotten: readonly string[]
  /** Of the pod's newest task; for tests that play its life. */
  change(pod: string, change: Partial<Task>): void
  /** As if it ended by itself: each container with this code. */
  exit(pod: string, exitCode: number): void
  /** As the platform does an hour after a task's end. */
  lose(pod: string): void
  /** Refuses what it is given from now on; undefined: no more. */
  refuse(message: string | undefined): void
}

export function fakeTasks(
  { clock }: { readonly clock: Clock },
  options: { readonly immediate?: boolean } = {}
): FakeTasks {
  const all = new Map<string, Task & { readonly pod: string }>()
  const ran: RunRequest[] = []
  const forgotten: string[] = []
  let refusal: string | undefined
  const newest = (pod: string) =>
    [...all.values()].filter((task) => task.pod === pod).sort((a, b) => b.attempt - a.attempt)[0]
  const change = (pod: string, with_: Partial<Task>) => {
    const task = newest(pod)
    if (task !== undefined) all.set(task.id, { ...task, ...with_ })
  }
  const ended = (task: Task, exitCode: number, reason: string) => endOf(task, { exitCode, reason, now: clock.now() })
  return {
    ran,
    forgotten,
    change,
    exit: (pod, exitCode) => {
      const task = newest(pod)
      if (task !== undefined) change(pod, ended(task, exitCode, 'Essential container in task exited'))
    },
    lose: (pod) => {
      for (const task of [...all.values()]) if (task.pod === pod) all.delete(task.id)
    },
    refuse: (message) => {
      refusal = message
    },
    run: async (request) => {
      const known = [...all.values()].find(({ pod, attempt }) => pod === request.pod && attempt === request.attempt)
      if (known !== undefined) return known.id
      if (refusal !== undefined) {
        throw new TaskRefused(refusal)
      }
      ran.push(request)
      const id = `task-${ran.length}`
      const immediate = options.immediate === true
      const containers = request.definition.containers.map(({ name }) => ({
        name,
        id: `ecs://${id}-${name}`,
        state: immediate ? ('running' as const) : ('pending' as const)
      }))
      const { pod, attempt } = request
      const started = immediate ? { startedAt: clock.now(), ip: `10.9.0.${ran.length}` } : {}
      all.set(id, {
        id,
        pod,
        attempt,
        state: immediate ? 'running' : 'starting',
        createdAt: clock.now(),
        containers,
        ...started
      })
      return id
    },
    find: async (pod) => newest(pod),
    stop: async (id, reason) => {
      const task = all.get(id)
      if (task !== undefined && task.state !== 'stopped') all.set(id, { ...task, ...ended(task, 0, reason) })
    },
    running: async () => [
      ...new Set([...all.values()].filter(({ state }) => state !== 'stopped').map(({ pod }) => pod))
    ],
    forget: async (pod) => void forgotten.push(pod)
  }
}

function endOf(
  task: Task,
  { exitCode, reason, now }: { exitCode: number; reason: string; now: number }
): Partial<Task> {
  return {
    state: 'stopped',
    stoppedAt: now,
    reason,
    containers: task.containers.map((one) => (one.state === 'stopped' ? one : { ...one, state: 'stopped', exitCode }))
  }
}
