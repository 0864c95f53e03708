/** What to do next with a pod of Fargate, from the pod and its newest task. Pure. */
import type { Node, Pod } from '../../../core/kinds/types.ts'
import { timestamp } from '../../../core/ports.ts'
import { COMPUTE, FARGATE, FARGATE_TAINT, VIRTUAL } from '../../../core/virtual-node.ts'
import { attemptOf, hasRun, restartAt } from '../fargate/task-status.ts'
import type { Task } from '../fargate/tasks.ts'
import { timeOf } from '../objects.ts'
import { isFinished } from '../pods.ts'

export type TaskAction =
  | { readonly do: 'run'; readonly attempt: number }
  | { readonly do: 'stop' }
  /** The pod has ended and may go. */
  | { readonly do: 'remove' }
  /** It ran, and nobody knows how it ended. */
  | { readonly do: 'lost' }
  | { readonly do: 'nothing' }

export interface TaskPlan {
  readonly action: TaskAction
  /** Look again after so many milliseconds. */
  readonly again?: number
}

/** While something is about to change; while a task runs, nobody rings, so it is looked at now and then. */
const SOON_MS = 5_000
const RUNNING_MS = 60_000
/** Beyond the grace: the platform has had its time, and the pod need not wait for it. */
const STOP_LIMIT_MS = 180_000

export function planTask(pod: Pod, task: Task | undefined, now: number): TaskPlan {
  if (pod.metadata.deletionTimestamp !== undefined) return planEnd(pod, task, now)
  const live = task !== undefined && task.state !== 'stopped'
  if (isFinished(pod)) {
    if (!live) return { action: { do: 'nothing' } }
    return { action: { do: task.state === 'stopping' ? 'nothing' : 'stop' }, again: SOON_MS }
  }
  if (task === undefined) {
    if (!hasRun(pod)) return { action: { do: 'run', attempt: attemptOf(pod) }, again: SOON_MS }
    if (pod.spec?.restartPolicy === 'Never') return { action: { do: 'lost' } }
    return { action: { do: 'run', attempt: attemptOf(pod) + 1 }, again: SOON_MS }
  }
  if (task.state !== 'stopped') {
    const settled = task.state === 'running' && isReady(pod)
    return { action: { do: 'nothing' }, again: settled ? RUNNING_MS : SOON_MS }
  }
  const due = restartAt(pod, task)
  if (due === undefined) return { action: { do: 'nothing' } }
  if (due > now) return { action: { do: 'nothing' }, again: due - now }
  return { action: { do: 'run', attempt: task.attempt + 1 }, again: SOON_MS }
}

function planEnd(pod: Pod, task: Task | undefined, now: number): TaskPlan {
  if (task === undefined || task.state === 'stopped') return { action: { do: 'remove' } }
  const asked = timeOf(pod.metadata.deletionTimestamp) ?? now
  if (now >= asked + STOP_LIMIT_MS) return { action: { do: 'remove' } }
  return { action: { do: task.state === 'stopping' ? 'nothing' : 'stop' }, again: SOON_MS }
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true
}

/** The node that stands for Fargate. Its room is a limit that nobody should meet before AWS' own. */
export function virtualNode(arch: 'arm64' | 'amd64', now: number): Node {
  const at = timestamp(now)
  const healthy = (type: string, status: string, reason: string) => {
    return { type, status, reason, lastHeartbeatTime: at, lastTransitionTime: at, message: '' }
  }
  const room = { cpu: '16k', memory: '100Ti', 'ephemeral-storage': '100Ti', pods: '5k' }
  return {
    metadata: {
      name: FARGATE,
      labels: {
        [COMPUTE]: FARGATE,
        [VIRTUAL]: 'true',
        'kubernetes.io/arch': arch,
        'kubernetes.io/hostname': FARGATE,
        'kubernetes.io/os': 'linux',
        'node.kubernetes.io/instance-type': FARGATE
      }
    },
    spec: { taints: [{ key: FARGATE_TAINT, effect: 'NoSchedule' }] },
    status: {
      capacity: room,
      allocatable: room,
      conditions: [
        healthy('Ready', 'True', 'FargateReady'),
        healthy('MemoryPressure', 'False', 'FargateHasSufficientMemory'),
        healthy('DiskPressure', 'False', 'FargateHasNoDiskPressure'),
        healthy('PIDPressure', 'False', 'FargateHasSufficientPID')
      ],
      nodeInfo: {
        architecture: arch,
        operatingSystem: 'linux',
        kubeletVersion: 'v1.35.0',
        containerRuntimeVersion: 'fargate://1.4.0',
        bootID: '',
        kernelVersion: '',
        kubeProxyVersion: '',
        machineID: '',
        osImage: 'AWS Fargate',
        systemUUID: ''
      }
    }
  }
}
