/**
 * Runs the pods of the node `fargate` as tasks, and writes back what becomes of them. All that it knows lies in the pod
 * and with the platform: a task is found by its pod's uid and the number of the run, so that whoever dies after asking
 * for one asks for the same one again.
 */
import { ApiError, isReason } from '../../../core/errors.ts'
import { configMaps, nodes, pods, secrets } from '../../../core/kinds/refs.ts'
import type { Pod, PodStatus } from '../../../core/kinds/types.ts'
import type { RunResult } from '../../../core/loop.ts'
import { keyOf, splitKey } from '../../../core/object.ts'
import { ConfigError, environmentOf } from '../../../core/pod-environment.ts'
import { FARGATE, FARGATE_TAINT } from '../../../core/virtual-node.ts'
import type { Controller, ControllerContext, FargateProvisioning, KeyMap } from '../controller.ts'
import { taskDefinition } from '../fargate/task-definition.ts'
import { podStatusOf, type Waiting } from '../fargate/task-status.ts'
import { type Task, type TaskDefinition, TaskRefused, type Tasks } from '../fargate/tasks.ts'
import { semanticEqual } from '../objects.ts'
import { planTask, virtualNode } from './fargate-plan.ts'

/** The key of the node; the others are "UID NAMESPACE/NAME", or "UID" of a task whose pod is not known. */
const NODE = 'node'
const UNSUPPORTED = 'NotSupportedByFargate'
/** Nothing rings when a missing ConfigMap comes, or the platform changes its mind. */
const RETRY_MS = 30_000
/** Of a task that was just asked for. */
const STARTING_MS = 5_000

export function fargateController({ tasks, arch }: FargateProvisioning): Controller {
  return {
    name: 'fargate-controller',
    watches: {
      pods: podKeys,
      nodes: (changes) => (changes.some(({ key, type }) => key === FARGATE && type === 'deleted') ? [NODE] : [])
    },
    start: async ({ client }) => {
      const { items } = await client.list(pods, { index: { name: 'node', value: FARGATE } })
      const known = new Set(items.map(({ metadata }) => metadata.uid ?? ''))
      const strays = (await tasks.running()).filter((uid) => !known.has(uid))
      return [NODE, ...items.map(podKey), ...strays]
    },
    reconcile: async (key, context) => {
      if (key === NODE) return await keepNode(arch ?? 'arm64', context)
      const [uid = '', name] = key.split(' ')
      const pod = name === undefined ? undefined : await context.client.find(pods, splitKey(name))
      if (pod?.metadata.uid !== uid) return await end(uid, tasks)
      return await reconcilePod(pod, tasks, context)
    }
  }
}

function podKey({ metadata }: Pod): string {
  return `${metadata.uid ?? ''} ${keyOf(metadata)}`
}

const podKeys: KeyMap = (changes) =>
  changes
    .map(({ object }) => object as Pod)
    .filter(({ spec }) => spec?.nodeName === FARGATE)
    .map(podKey)

async function keepNode(arch: 'arm64' | 'amd64', { client, ports }: ControllerContext): Promise<undefined> {
  const wanted = virtualNode(arch, ports.clock.now())
  const at = { name: FARGATE }
  if ((await client.find(nodes, at)) === undefined) {
    const { status, ...object } = wanted
    await client.create(nodes, object)
  }
  await client.patch(nodes, at, { type: 'merge', subresource: 'status', body: { status: wanted.status } })
  const { taints = [] } = (await client.get(nodes, at)).spec ?? {}
  if (taints.length === 1 && taints[0]?.key === FARGATE_TAINT) return undefined
  // A node is born with the mark of one that is being prepared; there is no agent to take it away.
  await client.patch(nodes, at, { type: 'merge', body: { spec: { taints: wanted.spec?.taints } } })
}

/** The pod is no more, whoever removed it. What a task was defined by may go before it has stopped. */
async function end(uid: string, tasks: Tasks): Promise<undefined> {
  const task = await tasks.find(uid)
  if (task?.state === 'starting' || task?.state === 'running') await tasks.stop(task.id, 'its pod was deleted')
  await tasks.forget(uid)
  return undefined
}

async function reconcilePod(pod: Pod, tasks: Tasks, context: ControllerContext): Promise<RunResult | undefined> {
  const { client, ports } = context
  const uid = pod.metadata.uid ?? ''
  const now = ports.clock.now()
  const task = await tasks.find(uid)
  const { action, again } = planTask(pod, task, now)
  switch (action.do) {
    case 'run':
      return await run(pod, action.attempt, { tasks, context, last: task })
    case 'lost':
      await write(pod, failed(pod, { reason: 'TaskLost', message: 'nobody knows how the task ended' }, now), context)
      return undefined
    case 'remove': {
      const { namespace, name = '' } = pod.metadata
      if (task !== undefined) await write(pod, podStatusOf({ pod, task, now }), context)
      const options = { gracePeriodSeconds: 0, preconditions: { uid } }
      await client.delete(pods, { namespace, name }, options).catch(unlessMoved)
      await tasks.forget(uid)
      return undefined
    }
    case 'stop':
      if (task !== undefined) await tasks.stop(task.id, 'its pod is to end')
      break
    case 'nothing':
      break
  }
  if (task !== undefined) await write(pod, podStatusOf({ pod, task, now }), context)
  return again === undefined ? undefined : { again }
}

interface RunParts {
  readonly tasks: Tasks
  readonly context: ControllerContext
  /** The run before. */
  readonly last: Task | undefined
}

async function run(pod: Pod, attempt: number, { tasks, context, last }: RunParts): Promise<RunResult> {
  const { events, ports } = context
  const now = ports.clock.now()
  const waits = async (waiting: Waiting): Promise<RunResult> => {
    events.event(pod, 'Warning', waiting.reason, waiting.message)
    await write(pod, podStatusOf({ pod, task: last, waiting, now }), context)
    return { again: RETRY_MS }
  }
  let definition: TaskDefinition
  try {
    const translated = taskDefinition(pod, await environments(pod, context))
    if ('refusals' in translated) {
      const message = `Fargate cannot run this pod: ${translated.refusals.join('; ')}`
      events.event(pod, 'Warning', UNSUPPORTED, message)
      await write(pod, failed(pod, { reason: UNSUPPORTED, message }, now), context)
      return {}
    }
    definition = translated.definition
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return await waits({ reason: error.reason, message: error.message })
  }
  const request = { pod: pod.metadata.uid ?? '', key: keyOf(pod.metadata), attempt, definition }
  try {
    await tasks.run(request)
  } catch (error) {
    if (!(error instanceof TaskRefused)) throw error
    return await waits({ reason: 'CreateContainerError', message: error.message })
  }
  const task = await tasks.find(request.pod)
  if (task !== undefined) await write(pod, podStatusOf({ pod, task, now }), context)
  return { again: attempt === task?.attempt && task.state === 'running' ? 0 : STARTING_MS }
}

async function environments(
  pod: Pod,
  { client }: ControllerContext
): Promise<ReadonlyMap<string, ReadonlyMap<string, string>>> {
  const { initContainers = [], containers = [] } = pod.spec ?? {}
  const objects = {
    configMap: (namespace: string, name: string) => client.find(configMaps, { namespace, name }),
    secret: (namespace: string, name: string) => client.find(secrets, { namespace, name })
  }
  const place = { podIPs: [], hostIPs: [], allocatable: {} }
  const found = new Map<string, ReadonlyMap<string, string>>()
  // Services have addresses that only nodes know the way to.
  for (const container of [...initContainers, ...containers])
    found.set(container.name, await environmentOf({ pod, container, place, objects, services: [] }))
  return found
}

/** The end of a pod that never ran, or of which nobody knows. */
function failed(pod: Pod, why: { reason: string; message: string }, now: number): PodStatus {
  const { conditions, ...status } = podStatusOf({ pod, task: undefined, now })
  return { ...status, ...(conditions === undefined ? {} : { conditions }), phase: 'Failed', ...why }
}

async function write(pod: Pod, status: PodStatus, { client }: ControllerContext): Promise<void> {
  if (semanticEqual(pod.status, status)) return
  const { namespace, name = '', uid } = pod.metadata
  const body = { metadata: { uid }, status }
  await client.patch(pods, { namespace, name }, { type: 'merge', subresource: 'status', body }).catch(unlessMoved)
}

/** Gone, or another one by now: its own change rings. */
function unlessMoved(error: unknown): void {
  if (!(error instanceof ApiError) || !isReason(error, 'NotFound', 'Conflict')) throw error
}
