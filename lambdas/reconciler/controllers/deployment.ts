/** Rolls a Deployment's template out through its ReplicaSets (pkg/controller/deployment). */
import { isReason } from '../../../core/errors.ts'
import { deployments, pods, replicaSets } from '../../../core/kinds/refs.ts'
import type { Deployment, DeploymentStatus, ReplicaSet } from '../../../core/kinds/types.ts'
import type { RunResult } from '../../../core/loop.ts'
import { controllerOf, isTerminating, keyOf } from '../../../core/object.ts'
import { labelSelectorMatcher, labelSelectorText } from '../../../core/selector.ts'
import type { Controller, ControllerContext, KeyMap } from '../controller.ts'
import {
  adopt,
  at,
  controllerKeys,
  controllerReference,
  copyOf,
  keysOfAll,
  ownKeys,
  planClaims,
  release,
  semanticEqual
} from '../objects.ts'
import { isFinished } from '../pods.ts'
import { hasTemplateOf, isRollingUpdate, REVISION, replicasOf } from './deployment-math.ts'
import { planRollout, type RolloutPlan, type SetAction } from './deployment-plan.ts'
import { planCreationFailure, planDeploymentStatus } from './deployment-status.ts'
import { isNamespaceTerminating } from './replicaset.ts'

/** Before a key: look for ReplicaSets that nobody owns, and do no more. */
const ORPHANS = 'orphans:'

export function deploymentController(): Controller {
  return {
    name: 'deployment-controller',
    exclusive: true,
    restRatio: 2,
    watches: { 'apps/deployments': ownKeys, 'apps/replicasets': replicaSetKeys },
    start: async ({ client }) => {
      const keys = await keysOfAll(client, deployments)
      return keys.flatMap((key) => [`${ORPHANS}${key}`, key])
    },
    reconcile: (key, context) =>
      key.startsWith(ORPHANS) ? adoptOrphans(key.slice(ORPHANS.length), context) : reconcile(key, context)
  }
}

const ownerKeys = controllerKeys(deployments)

const replicaSetKeys: KeyMap = (changes, context) => {
  const keys = ownerKeys(changes)
  const orphans = changes
    .filter(({ type, object }) => type !== 'deleted' && controllerOf(object) === undefined && !isTerminating(object))
    .map(({ object }) => object as ReplicaSet)
  return orphans.length === 0 ? keys : orphanKeys(orphans, context).then((more) => [...keys, ...more])
}

async function orphanKeys(orphans: readonly ReplicaSet[], { client }: ControllerContext): Promise<string[]> {
  const keys: string[] = []
  for (const [namespace, sets] of Map.groupBy(orphans, (set) => set.metadata.namespace)) {
    const { items } = await client.list(deployments, { namespace })
    for (const { metadata, spec } of items) {
      const selector = labelSelectorMatcher(spec?.selector)
      if (sets.some((set) => selector.matches(set.metadata.labels))) keys.push(`${ORPHANS}${keyOf(metadata)}`)
    }
  }
  return keys
}

async function reconcile(key: string, context: ControllerContext): Promise<RunResult | undefined> {
  const deployment = await context.client.find(deployments, at(key))
  if (deployment === undefined) return undefined
  if (labelSelectorMatcher(deployment.spec?.selector).everything) return await refuse(deployment, context)
  // A selector is immutable, so sets that were there first can only matter before the first status.
  if (deployment.status?.observedGeneration === undefined) await adoptOrphans(key, context)
  const sets = await claimSets(deployment, context)
  const plan = planRollout(deployment, { sets, withPods: await setsWithPods(deployment, sets, context) })
  let created: string | undefined
  for (const action of plan.actions) {
    if (action.do !== 'create') await act(action, deployment, context)
    else if (await create(action.set, deployment, context)) created = action.set.metadata.name
    else return { again: 0 }
  }
  const { status, again } = planDeploymentStatus(deployment, { ...plan, created, now: context.ports.clock.now() })
  await writeStatus(deployment, { status, revision: revisionFor(deployment, plan) }, context)
  return { again }
}

async function refuse(deployment: Deployment, context: ControllerContext): Promise<undefined> {
  const message = 'This deployment is selecting all pods. A non-empty selector is required.'
  context.events.event(deployment, 'Warning', 'SelectingAll', message)
  const { generation = 0 } = deployment.metadata
  if ((deployment.status?.observedGeneration ?? 0) < generation) {
    const status = { ...deployment.status, observedGeneration: generation }
    await writeStatus(deployment, { status, revision: undefined }, context)
  }
}

/** The sets' change of owner then wakes the deployment's own key. */
async function adoptOrphans(key: string, context: ControllerContext): Promise<undefined> {
  const deployment = await context.client.find(deployments, at(key))
  if (deployment === undefined || isTerminating(deployment)) return
  const selector = labelSelectorMatcher(deployment.spec?.selector)
  if (selector.everything) return
  const { namespace } = deployment.metadata
  const { items } = await context.client.list(replicaSets, { namespace, labelSelector: labelSelectorText(selector) })
  const owner = controllerReference(deployments, deployment.metadata)
  const { adopt: adoptable } = planClaims(deployment, items, (set) => selector.matches(set.metadata.labels))
  for (const object of adoptable) await adopt(context.client, replicaSets, { object, owner })
}

/** The ReplicaSets that the deployment owns; those that it no longer selects are let go. */
async function claimSets(deployment: Deployment, { client }: ControllerContext): Promise<readonly ReplicaSet[]> {
  const { namespace, uid = '' } = deployment.metadata
  const selector = labelSelectorMatcher(deployment.spec?.selector)
  const { items } = await client.list(replicaSets, { namespace, index: { name: 'controller', value: uid } })
  const claims = planClaims(deployment, items, (set) => selector.matches(set.metadata.labels))
  for (const object of claims.release) await release(client, replicaSets, { object, ownerUid: uid })
  return claims.owned
}

/** Only Recreate asks: it waits until the last old pod is gone. */
async function setsWithPods(
  deployment: Deployment,
  sets: readonly ReplicaSet[],
  { client }: ControllerContext
): Promise<Set<string>> {
  const uids = new Set<string>()
  if (isRollingUpdate(deployment)) return uids
  for (const { metadata } of sets) {
    const { uid = '', namespace } = metadata
    const { items } = await client.list(pods, { namespace, index: { name: 'controller', value: uid } })
    if (items.some((pod) => !isFinished(pod))) uids.add(uid)
  }
  return uids
}

async function act(
  action: Exclude<SetAction, { do: 'create' }>,
  deployment: Deployment,
  { client, events }: ControllerContext
): Promise<void> {
  const { namespace, name = '', uid } = action.set.metadata
  if (action.do === 'delete') {
    try {
      await client.delete(replicaSets, { namespace, name }, uid === undefined ? {} : { preconditions: { uid } })
    } catch (error) {
      if (!isReason(error, 'NotFound', 'Conflict')) throw error
    }
    return
  }
  await client.update(replicaSets, copyOf(action.set))
  const { from, to } = action
  if (from === to) return
  const message = `Scaled ${to > from ? 'up' : 'down'} replica set ${name} from ${from} to ${to}`
  events.event(deployment, 'Normal', 'ScalingReplicaSet', message)
}

/** False: another has the name, and the next run will find its way. */
async function create(set: ReplicaSet, deployment: Deployment, context: ControllerContext): Promise<boolean> {
  const { client, events } = context
  const name = set.metadata.name ?? ''
  try {
    await client.create(replicaSets, structuredClone(set))
  } catch (error) {
    if (isNamespaceTerminating(error)) throw error
    if (isReason(error, 'AlreadyExists')) return await collide(set, deployment, context)
    const message = `Failed to create new replica set "${name}": ${error instanceof Error ? error.message : error}`
    const status = planCreationFailure(deployment, message, context.ports.clock.now())
    if (status !== undefined) await writeStatus(deployment, { status, revision: undefined }, context)
    events.event(deployment, 'Warning', 'ReplicaSetCreateError', message)
    throw error
  }
  const size = replicasOf(set)
  if (size > 0) {
    const message = `Scaled up replica set ${name} from 0 to ${size}`
    events.event(deployment, 'Normal', 'ScalingReplicaSet', message)
  }
  return true
}

/** A set of another template, or of another owner, has the name: the next hash includes a higher count. */
async function collide(set: ReplicaSet, deployment: Deployment, context: ControllerContext): Promise<false> {
  const { namespace, name = '' } = set.metadata
  const existing = await context.client.find(replicaSets, { namespace, name })
  if (existing === undefined) return false
  const isOurs = controllerOf(existing)?.uid === deployment.metadata.uid && hasTemplateOf(existing, deployment)
  if (isOurs) return false
  const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 }
  await writeStatus(deployment, { status, revision: undefined }, context)
  return false
}

function revisionFor(deployment: Deployment, { current }: RolloutPlan): string | undefined {
  const revision = current?.metadata.annotations?.[REVISION]
  return deployment.metadata.annotations?.[REVISION] === revision ? undefined : revision
}

interface Told {
  readonly status: DeploymentStatus
  /** For the annotation, if it changes. */
  readonly revision: string | undefined
}

/** Kubernetes lets a write of a Deployment's status carry annotations along; should the server not, they follow. */
async function writeStatus(
  deployment: Deployment,
  { status, revision }: Told,
  { client }: ControllerContext
): Promise<void> {
  const annotations =
    revision === undefined
      ? deployment.metadata.annotations
      : { ...deployment.metadata.annotations, [REVISION]: revision }
  if (revision === undefined && semanticEqual(status, deployment.status)) return
  const next = copyOf(deployment)
  next.status = status
  if (annotations !== undefined) next.metadata.annotations = annotations
  const written = await client.update(deployments, next, { subresource: 'status' })
  if (revision === undefined || written.metadata.annotations?.[REVISION] === revision) return
  const rest = copyOf(written)
  rest.metadata.annotations = { ...rest.metadata.annotations, [REVISION]: revision }
  await client.update(deployments, rest)
}
