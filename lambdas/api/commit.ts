/** One change of one object, with everything that must change beside it. */
import { ApiError } from '../../core/errors.ts'
import { sleep } from '../../core/ports.ts'
import type { CommitResult, Entry, Write } from '../../store/store.ts'
import { conflict } from './failures.ts'
import { isHeartbeat } from './heartbeat.ts'
import type { ApiContext, PendingChange } from './types.ts'

/** How often a write starts anew when others got in between; the last tries are spread over more than a second. */
export const MAX_ATTEMPTS = 30

/**
 * Commits the change and what its effects derive from it. undefined: the object itself is no longer what was read, and
 * the caller starts anew. `last`: of a deletion, what watchers see last. Throws Conflict when the effects' items (a busy
 * node's ledger) kept moving.
 */
export async function commitChange(
  context: ApiContext,
  change: PendingChange,
  last?: PendingChange['next']
): Promise<Entry | undefined> {
  const { kind, key, old, next } = change
  if (old !== undefined && next !== undefined && isHeartbeat(kind, key, { old: old.value, next })) {
    const entry = await context.store.refresh(old, next)
    if (entry !== undefined) return entry
  }
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const own = { resource: kind.storage, key, expected: old?.version ?? 0, object: next }
    const writes = [last === undefined ? own : { ...own, last }]
    for (const effect of context.effects) writes.push(...(await effect(change, context.store)))
    const result = await commitSmaller(context, writes)
    if (result.ok) return result.entries[0]
    if (result.resource === kind.storage && result.key === key) return undefined
    await pause(context, attempt)
  }
  throw conflict(kind, key.slice(key.indexOf('/') + 1))
}

/** An object that is too large only with its managedFields is stored without, as Kubernetes does. */
async function commitSmaller({ store }: ApiContext, writes: readonly Write[]): Promise<CommitResult> {
  try {
    return await store.commit(writes)
  } catch (error) {
    const metadata = writes[0]?.object?.metadata
    if (!(error instanceof ApiError) || error.reason !== 'RequestEntityTooLarge') throw error
    if (metadata?.managedFields === undefined) throw error
    delete metadata.managedFields
    return await store.commit(writes)
  }
}

/** Waits before another try: not at all at first, then longer and at random, so that rivals part. */
export async function pause({ ports }: ApiContext, attempt: number): Promise<void> {
  if (attempt > 2) await sleep(ports.clock, ports.random.next() * Math.min(2 ** attempt, 100))
}
