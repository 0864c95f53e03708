/**
 * Owners of an object's replicas as those of its Scale, and back (ScaleHandler of k8s.io/apimachinery): each way of
 * writing tracks one field only.
 */
import type { ManagedFieldsEntry } from '../../../core/kinds/types.ts'
import { difference, type FieldSet, fieldElement, isEmptySet, isMember, LEAF } from '../../../core/merge/field-set.ts'
import { type Entries, inOrder, isSameManager, setOfEntry, withSet } from '../../../core/merge/managers.ts'

const SCALE_VERSION = 'autoscaling/v1'
const IN_SCALE: FieldSet = { 'f:spec': { 'f:replicas': LEAF } }

/** Who owns `path` (as in ['spec', 'replicas']) owns the Scale's replicas. */
export function entriesOfScale(parent: Entries, path: readonly string[]): Entries {
  return parent.flatMap((entry) =>
    has(setOfEntry(entry), path) ? [withSet({ ...entry, apiVersion: SCALE_VERSION }, IN_SCALE)] : []
  )
}

/**
 * The object's entries after a write to its Scale. `apiVersion`: the object's. Kubernetes knows only appliers again:
 * an updater's share of the replicas becomes an entry of its own, without a time.
 */
export function entriesOfParent(
  parent: Entries,
  scale: Entries,
  { path, apiVersion }: { path: readonly string[]; apiVersion: string }
): Entries {
  const owned = path.reduceRight((below: FieldSet, name) => ({ [fieldElement(name)]: below }), LEAF)
  const left = new Set(scale)
  const out: ManagedFieldsEntry[] = []
  for (const entry of parent) {
    const set = setOfEntry(entry)
    const known = entry.operation === 'Apply' ? [...left].find((one) => isSameManager(one, entry)) : undefined
    if (!has(set, path) || known !== undefined) {
      out.push(entry)
      if (known !== undefined && has(set, path)) left.delete(known)
      continue
    }
    const rest = difference(set, owned)
    if (!isEmptySet(rest)) out.push(withSet(entry, rest))
  }
  for (const entry of left) {
    if (!has(setOfEntry(entry), ['spec', 'replicas'])) continue
    const known = out.findIndex((one) => one.operation === 'Apply' && isSameManager(one, entry))
    const { time: _, ...rest } = { ...entry, apiVersion }
    const added = withSet(rest, owned, known < 0 ? undefined : out[known]?.time)
    if (known < 0) out.push(added)
    else out[known] = added
  }
  return inOrder(out)
}

function has(set: FieldSet, path: readonly string[]): boolean {
  let node: FieldSet | undefined = set
  for (const name of path) node = node?.[fieldElement(name)]
  return node !== undefined && isMember(node)
}
