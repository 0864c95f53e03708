/** What several controllers do with objects: compare, copy, own, adopt, release. */
import type { Client } from '../../core/client.ts'
import type { Change } from '../../core/feed.ts'
import type { ResourceRef } from '../../core/kinds/refs.ts'
import type { ObjectMeta, OwnerReference } from '../../core/kinds/types.ts'
import { controllerOf, keyOf, type Resource, splitKey } from '../../core/object.ts'

/** Equal as equality.Semantic.DeepEqual sees it: absent, null, {} and [] are one. */
export function semanticEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (isEmpty(a) || isEmpty(b)) return isEmpty(a) && isEmpty(b)
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((item, index) => semanticEqual(item, b[index]))
  }
  const left = a as Record<string, unknown>
  const right = b as Record<string, unknown>
  for (const key of Object.keys(left)) if (!semanticEqual(left[key], right[key])) return false
  for (const key of Object.keys(right)) if (!(key in left) && !isEmpty(right[key])) return false
  return true
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true
  if (typeof value !== 'object') return false
  return Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0
}

/** A copy that may be changed and sent: what the client returns is shared. */
export function copyOf<T extends Resource>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata
  return structuredClone({ ...object, metadata })
}

/** Replaces the status, if nobody else wrote the object meanwhile (Conflict). */
export async function updateStatus<T extends Resource & { status?: unknown }>(
  client: Client,
  ref: ResourceRef<T>,
  change: { readonly object: T; readonly status: T['status'] }
): Promise<T> {
  const next = copyOf(change.object)
  next.status = change.status
  return await client.update(ref, next, { subresource: 'status' })
}

export function controllerReference(ref: ResourceRef<Resource>, owner: ObjectMeta): OwnerReference {
  return {
    apiVersion: ref.group === '' ? ref.version : `${ref.group}/${ref.version}`,
    kind: ref.kind,
    name: owner.name ?? '',
    uid: owner.uid ?? '',
    controller: true,
    blockOwnerDeletion: true
  }
}

/** What a controller does with the objects it may own (controller_ref_manager.go). */
export interface Claims<T> {
  readonly owned: readonly T[]
  readonly adopt: readonly T[]
  readonly release: readonly T[]
}

/** `matches`: the owner's selector. Candidates that belong to another are left alone. */
export function planClaims<T extends Resource>(
  owner: Resource,
  candidates: readonly T[],
  matches: (candidate: T) => boolean
): Claims<T> {
  const owned: T[] = []
  const adopt: T[] = []
  const release: T[] = []
  const ownerLeaves = owner.metadata.deletionTimestamp !== undefined
  for (const candidate of candidates) {
    const controller = controllerOf(candidate)
    if (controller === undefined) {
      if (!ownerLeaves && matches(candidate) && candidate.metadata.deletionTimestamp === undefined)
        adopt.push(candidate)
    } else if (controller.uid === owner.metadata.uid) {
      if (matches(candidate)) owned.push(candidate)
      else if (!ownerLeaves) release.push(candidate)
    }
  }
  return { owned, adopt, release }
}

export async function adopt<T extends Resource>(
  client: Client,
  ref: ResourceRef<T>,
  pair: { readonly object: T; readonly owner: OwnerReference }
): Promise<T> {
  const { name = '', namespace, uid } = pair.object.metadata
  const body = { metadata: { ownerReferences: [pair.owner], uid } }
  return await client.patch(ref, { namespace, name }, { type: 'strategic', body })
}

export async function release<T extends Resource>(
  client: Client,
  ref: ResourceRef<T>,
  pair: { readonly object: T; readonly ownerUid: string }
): Promise<void> {
  const { name = '', namespace, uid } = pair.object.metadata
  const body = { metadata: { ownerReferences: [{ $patch: 'delete', uid: pair.ownerUid }], uid } }
  await client.patch(ref, { namespace, name }, { type: 'strategic', body })
}

/** The key map of a controller's own resource. */
export function ownKeys(changes: readonly Change[]): string[] {
  return changes.map((change) => change.key)
}

/** Keys of the controllers (of that kind and group) that own the changed objects, or owned them before. */
export function controllerKeys(ref: ResourceRef<Resource>): (changes: readonly Change[]) => string[] {
  return (changes) => {
    const keys: string[] = []
    for (const change of changes) {
      for (const object of change.previous === undefined ? [change.object] : [change.object, change.previous]) {
        const owner = controllerOf(object)
        if (owner?.kind !== ref.kind || groupOf(owner.apiVersion) !== ref.group) continue
        keys.push(keyOf({ namespace: object.metadata.namespace, name: owner.name }))
      }
    }
    return keys
  }
}

export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/')
  return slash < 0 ? '' : apiVersion.slice(0, slash)
}

export async function keysOfAll(client: Client, ref: ResourceRef<Resource>): Promise<string[]> {
  const { items } = await client.list(ref)
  return items.map((item) => keyOf(item.metadata))
}

export function at(key: string): { namespace: string | undefined; name: string } {
  return splitKey(key)
}

/** Milliseconds since 1970 of a metav1.Time; undefined when absent. */
export function timeOf(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Date.parse(time)
}
