/** What the conditions of a terminating namespace say (pkg/controller/namespace/deletion/status_condition_utils.go). Pure. */
import type { NamespaceCondition } from '../../../core/kinds/types.ts'
import { timestamp } from '../../../core/ports.ts'
import type { ServedKind } from '../controller.ts'

/** What is left of one resource. */
export interface Remaining {
  readonly kind: ServedKind
  readonly count: number
  /** Finalizer -> how many objects wait for it. */
  readonly finalizers: ReadonlyMap<string, number>
}

export interface ContentView {
  readonly remaining: readonly Remaining[]
  /** What went wrong, by resource. */
  readonly errors: readonly string[]
  readonly discoveryError: string | undefined
  /** Milliseconds since 1970. */
  readonly now: number
}

type Judgement = readonly [type: string, status: 'True' | 'False', reason: string, message: string]

export function planConditions(known: readonly NamespaceCondition[], view: ContentView): NamespaceCondition[] {
  const judged: readonly Judgement[] = [
    view.discoveryError === undefined
      ? ['NamespaceDeletionDiscoveryFailure', 'False', 'ResourcesDiscovered', 'All resources successfully discovered']
      : ['NamespaceDeletionDiscoveryFailure', 'True', 'DiscoveryFailed', view.discoveryError],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      'False',
      'ParsedGroupVersions',
      'All legacy kube types successfully parsed'
    ],
    contentFailure(view.errors),
    contentRemaining(view.remaining),
    finalizersRemaining(view.remaining)
  ]
  const conditions = judged.map(([type, status, reason, message]): NamespaceCondition => {
    const before = known.find((condition) => condition.type === type)
    const lastTransitionTime = before?.status === status ? before.lastTransitionTime : timestamp(view.now)
    return { type, status, lastTransitionTime, reason, message }
  })
  const types = new Set(judged.map(([type]) => type))
  return [...known.filter(({ type }) => !types.has(type)), ...conditions]
}

function contentFailure(errors: readonly string[]): Judgement {
  if (errors.length === 0)
    return [
      'NamespaceDeletionContentFailure',
      'False',
      'ContentDeleted',
      'All content successfully deleted, may be waiting on finalization'
    ]
  const message = `Failed to delete all resource types, ${errors.length} remaining: ${errors.toSorted().join(', ')}`
  return ['NamespaceDeletionContentFailure', 'True', 'ContentDeletionFailed', message]
}

function contentRemaining(remaining: readonly Remaining[]): Judgement {
  const texts = remaining
    .filter(({ count }) => count > 0)
    .map(({ kind, count }) => `${kind.resource}.${kind.group} has ${count} resource instances`)
    .toSorted()
  if (texts.length === 0)
    return ['NamespaceContentRemaining', 'False', 'ContentRemoved', 'All content successfully removed']
  const message = `Some resources are remaining: ${texts.join(', ')}`
  return ['NamespaceContentRemaining', 'True', 'SomeResourcesRemain', message]
}

function finalizersRemaining(remaining: readonly Remaining[]): Judgement {
  const totals = new Map<string, number>()
  for (const { finalizers } of remaining)
    for (const [finalizer, count] of finalizers) totals.set(finalizer, (totals.get(finalizer) ?? 0) + count)
  if (totals.size === 0)
    return [
      'NamespaceFinalizersRemaining',
      'False',
      'ContentHasNoFinalizers',
      'All content-preserving finalizers finished'
    ]
  const texts = Array.from(totals, ([finalizer, count]) => `${finalizer} in ${count} resource instances`).toSorted()
  const message = `Some content in the namespace has finalizers remaining: ${texts.join(', ')}`
  return ['NamespaceFinalizersRemaining', 'True', 'SomeFinalizersRemain', message]
}
