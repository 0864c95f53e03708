/**
 * Deletes pods that nobody will finish: of a node that is gone, leaving without ever having had one, or finished and
 * too many (pkg/controller/podgc).
 *
 * Keys: "used NAME" looks whether a node with pods is there, and "gone NAME" some time later whether it is still not;
 * "broken NAME" frees pods of a node that somebody has declared out of service; "pod NAMESPACE/NAME"; "finished".
 */
import { isReason } from '../../../core/errors.ts'
import { nodes, pods } from '../../../core/kinds/refs.ts'
import type { Node, Pod } from '../../../core/kinds/types.ts'
import { timestamp } from '../../../core/ports.ts'
import type { Controller, ControllerContext, KeyMap } from '../controller.ts'
import { timeOf } from '../objects.ts'
import { isFinished } from '../pods.ts'

/** A node may be registered a little after its first pods: so long it may be missing (quarantineTime). */
const QUARANTINE_MS = 40_000
/** gcCheckPeriod */
const PERIOD_MS = 20_000
const FINISHED_MAX = 12_500

const OUT_OF_SERVICE = 'node.kubernetes.io/out-of-service'

export function podGarbageCollector(): Controller {
  return {
    name: 'pod-garbage-collector',
    watches: { pods: podKeys, nodes: nodeKeys },
    start: async ({ reader, enqueue }) => {
      const { items } = await reader.list(pods)
      for (const nodeName of new Set(items.map(nodeOf))) if (nodeName !== '') enqueue(`used ${nodeName}`, PERIOD_MS)
      return ['finished', ...items.filter(isStranded).map(podKey)]
    },
    reconcile: async (key, context) => {
      const [what, name = ''] = key.split(' ')
      if (what === 'used') await checkNode(name, context)
      else if (what === 'gone') await removeOrphans(name, context)
      else if (what === 'broken') await freePods(name, context)
      else if (what === 'pod') await removeStranded(name, context)
      else await removeFinished(context)
      return undefined
    }
  }
}

const podKeys: KeyMap = (changes, { enqueue }) => {
  const keys: string[] = []
  for (const { type, object, previous } of changes) {
    if (type === 'deleted') continue
    const [pod, before] = [object as Pod, previous as Pod | undefined]
    const nodeName = nodeOf(pod)
    if (nodeName !== '' && (before === undefined || nodeOf(before) === '')) enqueue(`used ${nodeName}`, PERIOD_MS)
    if (nodeName !== '' && isLeaving(pod) && (before === undefined || !isLeaving(before)))
      keys.push(`broken ${nodeName}`)
    if (isStranded(pod)) keys.push(podKey(pod))
    if (isFinished(pod) && (before === undefined || !isFinished(before))) enqueue('finished', PERIOD_MS)
  }
  return keys
}

const nodeKeys: KeyMap = (changes, { enqueue }) => {
  const keys: string[] = []
  for (const change of changes) {
    if (change.type === 'deleted') enqueue(`gone ${change.key}`, QUARANTINE_MS)
    else if (isOutOfService(change.object as Node)) keys.push(`broken ${change.key}`)
  }
  return keys
}

function nodeOf({ spec }: Pod): string {
  return spec?.nodeName ?? ''
}

function isLeaving({ metadata }: Pod): boolean {
  return metadata.deletionTimestamp !== undefined
}

/** Leaving, and no node agent will confirm it. */
function isStranded(pod: Pod): boolean {
  return isLeaving(pod) && nodeOf(pod) === ''
}

function podKey({ metadata }: Pod): string {
  return `pod ${metadata.namespace}/${metadata.name}`
}

function isOutOfService({ spec, status }: Node): boolean {
  const isReady = status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true
  return !isReady && spec?.taints?.some(({ key }) => key === OUT_OF_SERVICE) === true
}

async function checkNode(nodeName: string, { client, enqueue }: ControllerContext): Promise<void> {
  if ((await client.find(nodes, { name: nodeName })) === undefined) enqueue(`gone ${nodeName}`, QUARANTINE_MS)
}

async function removeOrphans(nodeName: string, context: ControllerContext): Promise<void> {
  if ((await context.client.find(nodes, { name: nodeName })) !== undefined) return
  for (const pod of await podsOn(nodeName, context)) await remove(pod, 'PodGC: node no longer exists', context)
}

/** Those that leave already: nobody will confirm that they have. */
async function freePods(nodeName: string, context: ControllerContext): Promise<void> {
  const node = await context.client.find(nodes, { name: nodeName })
  if (node === undefined || !isOutOfService(node)) return
  const leaving = (await podsOn(nodeName, context)).filter(isLeaving)
  for (const pod of leaving) await remove(pod, 'PodGC: node is out of service', context)
}

async function podsOn(nodeName: string, { client }: ControllerContext): Promise<readonly Pod[]> {
  return (await client.list(pods, { index: { name: 'node', value: nodeName } })).items
}

async function removeStranded(key: string, context: ControllerContext): Promise<void> {
  const [namespace = '', name = ''] = key.split('/')
  const { items } = await context.client.list(pods, { namespace, fieldSelector: `metadata.name=${name}` })
  for (const pod of items.filter(isStranded)) await remove(pod, undefined, context)
}

/** Evicted ones first, then by age. */
async function removeFinished(context: ControllerContext): Promise<void> {
  const threshold = context.config.terminatedPodThreshold ?? FINISHED_MAX
  if (threshold <= 0) return
  const finished = (await context.reader.list(pods)).items.filter((pod) => isFinished(pod) && !isLeaving(pod))
  const surplus = finished.length - threshold
  if (surplus <= 0) return
  const rank = ({ status, metadata }: Pod) =>
    (status?.reason === 'Evicted' ? 0 : 1e15) + (timeOf(metadata.creationTimestamp) ?? 0)
  for (const pod of finished.toSorted((a, b) => rank(a) - rank(b)).slice(0, surplus))
    await remove(pod, undefined, context)
}

/** At once: there is nobody to wait for. A pod that has not finished is said to have failed first. */
async function remove(pod: Pod, why: string | undefined, { client, ports }: ControllerContext): Promise<void> {
  const { namespace, name = '', uid } = pod.metadata
  try {
    if (!isFinished(pod)) {
      const body = { metadata: { uid }, status: failedStatus(why, ports.clock.now()) }
      await client.patch(pods, { namespace, name }, { type: 'strategic', body, subresource: 'status' })
    }
    const preconditions = uid === undefined ? {} : { preconditions: { uid } }
    await client.delete(pods, { namespace, name }, { gracePeriodSeconds: 0, ...preconditions })
  } catch (error) {
    if (!isReason(error, 'NotFound', 'Conflict')) throw error
  }
}

function failedStatus(why: string | undefined, now: number) {
  if (why === undefined) return { phase: 'Failed' }
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByPodGC',
    message: why,
    lastTransitionTime: timestamp(now)
  }
  return { phase: 'Failed', conditions: [condition] }
}
