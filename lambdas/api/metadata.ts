/** metadata: what the server sets, and what it keeps from the old object. Its checks: core/validate-metadata.ts. */
import { sameJson } from '../../core/json.ts'
import type { ObjectMeta, OwnerReference } from '../../core/kinds/types.ts'
import type { KubeObject } from '../../core/object.ts'
import { type Ports, timestamp } from '../../core/ports.ts'
import { keepSystemMetadata } from '../../core/validate-metadata.ts'
import { badRequest } from './failures.ts'

/** A generated name has this many random characters, after at most 58 given ones. */
const SUFFIX_LENGTH = 5
const MAX_GENERATED_BASE = 63 - SUFFIX_LENGTH

export function generatedName(prefix: string, ports: Ports): string {
  return prefix.slice(0, MAX_GENERATED_BASE) + ports.ids.suffix(SUFFIX_LENGTH)
}

/** Before a creation: what clients may not set is gone, what the server sets is there. */
export function fillMetadata(metadata: ObjectMeta, ports: Ports): void {
  metadata.uid = ports.ids.uid()
  metadata.creationTimestamp = timestamp(ports.clock.now())
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds
  delete metadata.selfLink
  delete metadata.managedFields
  delete metadata.generation
  if ((metadata.name ?? '') === '' && (metadata.generateName ?? '') !== '') {
    metadata.name = generatedName(metadata.generateName ?? '', ports)
  }
}

/** Gives the object the path's namespace. Throws BadRequest where it names another. */
export function ensureNamespace(metadata: ObjectMeta, namespace: string | undefined): void {
  const own = metadata.namespace ?? ''
  if (namespace === undefined || namespace === '') delete metadata.namespace
  else if (own === '') metadata.namespace = namespace
  else if (own !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
  }
}

/** Removes owners that are named twice, and says so; `found` is "" or tells when they were found. */
export function dropRepeatedOwners(metadata: ObjectMeta, found = ''): readonly string[] {
  const owners = metadata.ownerReferences
  if (owners === undefined || owners.length < 2) return []
  const kept: OwnerReference[] = []
  const repeated: string[] = []
  for (const owner of owners)
    if (kept.some((one) => sameJson(one, owner))) repeated.push(owner.uid)
    else kept.push(owner)
  if (repeated.length === 0) return []
  metadata.ownerReferences = kept
  return [
    `.metadata.ownerReferences contains duplicate entries${found}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: ${repeated.join(', ')}`
  ]
}

/** Before an update: what the client left out, or may not change, is the old object's. `next` is private. */
export function keepMetadata(next: KubeObject, old: KubeObject): void {
  keepSystemMetadata(next, old)
  delete next.metadata.managedFields
  if (old.metadata.resourceVersion !== undefined) next.metadata.resourceVersion = old.metadata.resourceVersion
}
