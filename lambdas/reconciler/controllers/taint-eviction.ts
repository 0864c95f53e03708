/** Drives pods from nodes whose NoExecute taints they do not tolerate, or no longer (pkg/controller/tainteviction). */
import { isReason } from '../../../core/errors.ts'
import { nodes, pods } from '../../../core/kinds/refs.ts'
import type { Node, Pod, Taint, Toleration } from '../../../core/kinds/types.ts'
import type { RunResult } from '../../../core/loop.ts'
import { timestamp } from '../../../core/ports.ts'
import type { Controller, ControllerContext, KeyMap } from '../controller.ts'
import { keysOfAll, semanticEqual, timeOf } from '../objects.ts'

export function taintEvictionController(): Controller {
  return {
    name: 'node-controller',
    component: 'taint-eviction-controller',
    watches: { nodes: nodeKeys, pods: podKeys },
    start: ({ client }) => keysOfAll(client, nodes),
    reconcile
  }
}

const nodeKeys: KeyMap = (changes) =>
  changes
    .filter(({ object, previous }) => {
      const before = (previous as Node | undefined)?.spec?.taints
      return !semanticEqual(before, (object as Node).spec?.taints)
    })
    .map(({ key }) => key)

/** A pod that came to a node, or whose tolerations changed. */
const podKeys: KeyMap = (changes) => {
  const keys: string[] = []
  for (const { type, object, previous } of changes) {
    const [after, before] = [(object as Pod).spec, (previous as Pod | undefined)?.spec]
    const { nodeName = '' } = after ?? {}
    if (type === 'deleted' || nodeName === '') continue
    if (before?.nodeName !== nodeName || !semanticEqual(before.tolerations, after?.tolerations)) keys.push(nodeName)
  }
  return keys
}

async function reconcile(name: string, context: ControllerContext): Promise<RunResult | undefined> {
  const { client, ports } = context
  const node = await client.find(nodes, { name })
  const taints = (node?.spec?.taints ?? []).filter(({ effect }) => effect === 'NoExecute')
  if (node === undefined || taints.length === 0) return undefined
  const now = ports.clock.now()
  const times = timesOf(taints, now)
  const { items } = await client.list(pods, { index: { name: 'node', value: name } })
  let again: number | undefined
  for (const pod of items) {
    if (pod.metadata.deletionTimestamp !== undefined) continue
    const due = evictionTime(pod, taints, times)
    if (due === undefined) continue
    if (due <= now) await evict(pod, context)
    else again = Math.min(again ?? due - now, due - now)
  }
  // Somebody waits from the time of the taint on: the next to look, maybe another process, has to know it.
  if (again !== undefined && taints.some(({ timeAdded }) => timeAdded === undefined)) await noteTimes(node, context)
  return { again }
}

/** Kubernetes keeps in memory when it first saw a taint that has no time of its own. */
async function noteTimes({ metadata, spec }: Node, { client, ports }: ControllerContext): Promise<void> {
  const timeAdded = timestamp(ports.clock.now())
  const taints = spec?.taints?.map((taint) => (taint.effect === 'NoExecute' ? { timeAdded, ...taint } : taint))
  const { name = '', resourceVersion } = metadata
  await client.patch(nodes, { name }, { type: 'merge', body: { metadata: { resourceVersion }, spec: { taints } } })
}

function idOf({ key, value, effect }: Taint): string {
  return `${key}=${value ?? ''}:${effect}`
}

function timesOf(taints: readonly Taint[], now: number): Map<string, number> {
  return new Map(taints.map((taint) => [idOf(taint), timeOf(taint.timeAdded) ?? now] as const))
}

/**
 * When the pod must go (milliseconds since 1970); undefined: it may stay. The shortest of the tolerations that it
 * needs counts, from the time of the taint or of the pod's coming, whichever is later.
 */
export function evictionTime(
  pod: Pod,
  taints: readonly Taint[],
  times: ReadonlyMap<string, number>
): number | undefined {
  let [shortest, since] = [Number.POSITIVE_INFINITY, cameAt(pod)]
  for (const taint of taints) {
    const toleration = pod.spec?.tolerations?.find((candidate) => tolerates(candidate, taint))
    if (toleration === undefined) return 0
    since = Math.max(since, times.get(idOf(taint)) ?? 0)
    if (toleration.tolerationSeconds === undefined) continue
    shortest = Math.min(shortest, Math.max(0, toleration.tolerationSeconds))
  }
  return shortest === Number.POSITIVE_INFINITY ? undefined : since + shortest * 1000
}

function cameAt({ metadata, status }: Pod): number {
  const scheduled = status?.conditions?.find(({ type, status }) => type === 'PodScheduled' && status === 'True')
  return timeOf(scheduled?.lastTransitionTime) ?? timeOf(metadata.creationTimestamp) ?? 0
}

/** v1.Toleration.ToleratesTaint; an empty key with Exists tolerates everything. */
function tolerates({ key = '', operator, value = '', effect = '' }: Toleration, taint: Taint): boolean {
  if (effect !== '' && effect !== taint.effect) return false
  if (key !== '' && key !== taint.key) return false
  if (operator === 'Exists') return true
  return (operator === undefined || operator === '' || operator === 'Equal') && value === (taint.value ?? '')
}

async function evict(pod: Pod, { client, events, ports }: ControllerContext): Promise<void> {
  const { namespace, name = '', uid } = pod.metadata
  events.event(pod, 'Normal', 'TaintManagerEviction', `Marking for deletion Pod ${namespace}/${name}`)
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByTaintManager',
    message: 'Taint manager: deleting due to NoExecute taint',
    lastTransitionTime: timestamp(ports.clock.now())
  }
  const body = { metadata: { uid }, status: { conditions: [condition] } }
  try {
    await client.patch(pods, { namespace, name }, { type: 'strategic', body, subresource: 'status' })
    await client.delete(pods, { namespace, name }, uid === undefined ? {} : { preconditions: { uid } })
  } catch (error) {
    if (!isReason(error, 'NotFound', 'Conflict')) throw error
  }
}
