/** Whether an object may stay, given what became of its owners (pkg/controller/garbagecollector). Pure. */
import type { OwnerReference } from '../../../core/kinds/types.ts'
import type { Resource } from '../../../core/object.ts'

export const FOREGROUND = 'foregroundDeletion'
export const ORPHAN = 'orphan'

/** What became of the owner that a reference names. */
export type OwnerState =
  /** It is there, or nobody can say that it is not. */
  | 'solid'
  /** Gone, or another object has its name now. */
  | 'dangling'
  /** Being deleted in the foreground: it waits for its dependents. */
  | 'waiting'

export interface Dependent {
  readonly object: Resource
  readonly owners: readonly { readonly reference: OwnerReference; readonly state: OwnerState }[]
  /** Objects that name this one as their owner. */
  readonly dependents: readonly Resource[]
}

export type GarbageAction =
  | { readonly do: 'nothing' }
  /** The references that remain; the object stays. */
  | { readonly do: 'keep'; readonly references: readonly OwnerReference[] }
  | { readonly do: 'delete'; readonly policy: 'Foreground' | 'Background' | 'Orphan' }
  /** First, since its dependents wait for it as it for them: it blocks nobody any more. */
  | {
      readonly do: 'unblock-and-delete'
      readonly references: readonly OwnerReference[]
      readonly policy: 'Foreground'
    }

export function stateOf(reference: OwnerReference, owner: Resource | undefined): OwnerState {
  if (owner === undefined || owner.metadata.uid !== reference.uid) return 'dangling'
  return isDeletingDependents(owner) ? 'waiting' : 'solid'
}

export function isDeletingDependents(object: Resource): boolean {
  return object.metadata.deletionTimestamp !== undefined && hasFinalizer(object, FOREGROUND)
}

export function hasFinalizer(object: Resource, finalizer: string): boolean {
  return object.metadata.finalizers?.includes(finalizer) === true
}

/** Only needs to know of dependents where an owner is waiting. */
export function planGarbage({ object, owners, dependents }: Dependent): GarbageAction {
  if (owners.length === 0 || object.metadata.deletionTimestamp !== undefined) return { do: 'nothing' }
  const solid = owners.filter(({ state }) => state === 'solid')
  if (solid.length === owners.length) return { do: 'nothing' }
  if (solid.length > 0) return { do: 'keep', references: solid.map(({ reference }) => reference) }
  const isWaitedFor = owners.some(({ state }) => state === 'waiting')
  if (!isWaitedFor || dependents.length === 0) return { do: 'delete', policy: policyOf(object) }
  if (!dependents.some(isDeletingDependents)) return { do: 'delete', policy: 'Foreground' }
  const references = owners.map(({ reference }) => ({ ...reference, blockOwnerDeletion: false }))
  return { do: 'unblock-and-delete', references, policy: 'Foreground' }
}

/** What a former deletion of the object asked for. */
function policyOf(object: Resource): 'Foreground' | 'Background' | 'Orphan' {
  if (hasFinalizer(object, ORPHAN)) return 'Orphan'
  return hasFinalizer(object, FOREGROUND) ? 'Foreground' : 'Background'
}

/** Those that must be gone before their owner may go. */
export function blocking(dependents: readonly Resource[], ownerUid: string): readonly Resource[] {
  return dependents.filter(({ metadata }) =>
    metadata.ownerReferences?.some(({ uid, blockOwnerDeletion }) => uid === ownerUid && blockOwnerDeletion === true)
  )
}
