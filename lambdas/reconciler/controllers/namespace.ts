/** Empties a terminating namespace, pods first, then lets it go (pkg/controller/namespace/deletion). */
import { isReason } from '../../../core/errors.ts'
import { namespaces } from '../../../core/kinds/refs.ts'
import type { Namespace } from '../../../core/kinds/types.ts'
import type { RunResult } from '../../../core/loop.ts'
import type { Controller, ControllerContext, KeyMap, ServedKind } from '../controller.ts'
import { copyOf, keysOfAll, ownKeys, semanticEqual, updateStatus } from '../objects.ts'
import { planConditions, type Remaining } from './namespace-plan.ts'

const FINALIZER = 'kubernetes'

/** Milliseconds until leftovers are deleted again, should none of their deletions be announced meanwhile. */
const RETRY_MS = 5_000

export function namespaceController(): Controller {
  return {
    name: 'namespace-controller',
    workers: 10,
    restRatio: 1,
    watches: { namespaces: ownKeys, '*': goneFrom },
    start: ({ client }) => keysOfAll(client, namespaces),
    reconcile
  }
}

/** Something was deleted from it: perhaps the last that it waited for. */
const goneFrom: KeyMap = (changes) => {
  const names = new Set<string>()
  for (const { type, object } of changes) {
    const { namespace } = object.metadata
    if (type === 'deleted' && namespace !== undefined) names.add(namespace)
  }
  return [...names]
}

async function reconcile(name: string, context: ControllerContext): Promise<RunResult | undefined> {
  const { client } = context
  const namespace = await client.find(namespaces, { name })
  if (namespace?.metadata.deletionTimestamp === undefined) return undefined
  if (!(namespace.spec?.finalizers ?? []).includes(FINALIZER)) return undefined
  const terminating =
    namespace.status?.phase === 'Terminating'
      ? namespace
      : await updateStatus(client, namespaces, {
          object: namespace,
          status: { ...namespace.status, phase: 'Terminating' }
        })
  const content = await deleteContent(name, context)
  const written = await writeConditions(terminating, content, context)
  if (content.errors.length > 0 || content.discoveryError !== undefined || content.remaining.length > 0)
    return { again: RETRY_MS }
  await finalize(written, context)
  return undefined
}

interface Content {
  readonly remaining: readonly Remaining[]
  readonly errors: readonly string[]
  readonly discoveryError: string | undefined
}

/** Nothing that a pod may still use goes before all pods are gone (OrderedNamespaceDeletion). */
async function deleteContent(namespace: string, context: ControllerContext): Promise<Content> {
  let kinds: readonly ServedKind[]
  try {
    kinds = await context.config.kinds()
  } catch (error) {
    return { remaining: [], errors: [], discoveryError: textOf(error) }
  }
  const deletable = kinds.filter(
    ({ namespaced, verbs }) => namespaced && verbs.includes('delete') && verbs.includes('list')
  )
  const [pods, others] = [deletable.filter(isPods), deletable.filter((kind) => !isPods(kind))]
  const first = await deleteKinds(namespace, pods, context)
  if (first.remaining.length > 0 || first.errors.length > 0) return { ...first, discoveryError: undefined }
  return { ...(await deleteKinds(namespace, others, context)), discoveryError: undefined }
}

async function deleteKinds(
  namespace: string,
  kinds: readonly ServedKind[],
  context: ControllerContext
): Promise<{ remaining: Remaining[]; errors: string[] }> {
  const remaining: Remaining[] = []
  const errors: string[] = []
  for (const kind of kinds) {
    try {
      const left = await deleteKind(namespace, kind, context)
      if (left.count > 0) remaining.push(left)
    } catch (error) {
      errors.push(textOf(error))
    }
  }
  return { remaining, errors }
}

async function deleteKind(namespace: string, kind: ServedKind, { client }: ControllerContext): Promise<Remaining> {
  const finalizers = new Map<string, number>()
  const before = await client.list(kind, { namespace, limit: 1 })
  if (before.items.length === 0) return { kind, count: 0, finalizers }
  const options = { propagationPolicy: 'Background' }
  if (kind.verbs.includes('deletecollection')) await client.deleteCollection(kind, { namespace }, options)
  else await deleteEach(namespace, kind, client)
  const { items } = await client.list(kind, { namespace })
  for (const { metadata } of items)
    for (const finalizer of metadata.finalizers ?? []) finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1)
  return { kind, count: items.length, finalizers }
}

async function deleteEach(namespace: string, kind: ServedKind, client: ControllerContext['client']): Promise<void> {
  for (const { metadata } of (await client.list(kind, { namespace })).items) {
    try {
      await client.delete(kind, { namespace, name: metadata.name ?? '' }, { propagationPolicy: 'Background' })
    } catch (error) {
      if (!isReason(error, 'NotFound')) throw error
    }
  }
}

async function writeConditions(namespace: Namespace, content: Content, context: ControllerContext): Promise<Namespace> {
  const known = namespace.status?.conditions ?? []
  const conditions = planConditions(known, { ...content, now: context.ports.clock.now() })
  if (semanticEqual(conditions, known)) return namespace
  const status = { ...namespace.status, conditions }
  return await updateStatus(context.client, namespaces, { object: namespace, status })
}

async function finalize(namespace: Namespace, { client }: ControllerContext): Promise<void> {
  const next = copyOf(namespace)
  const finalizers = (next.spec?.finalizers ?? []).filter((finalizer) => finalizer !== FINALIZER)
  next.spec = { ...next.spec, finalizers }
  try {
    await client.update(namespaces, next, { subresource: 'finalize' })
  } catch (error) {
    if (!isReason(error, 'NotFound')) throw error
  }
}

function isPods({ group, resource }: ServedKind): boolean {
  return group === '' && resource === 'pods'
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
