/** Counts each object against its namespace's quotas, in the transaction that makes, changes or removes it. */
import { ApiError } from '../../core/errors.ts'
import { goQuote } from '../../core/go-text.ts'
import { groupResource } from '../../core/kinds/kind.ts'
import type { ResourceQuota } from '../../core/kinds/types.ts'
import type { KubeObject } from '../../core/object.ts'
import {
  addQuantity,
  compareQuantity,
  parseQuantity,
  type Quantity,
  quantityText,
  subtractQuantity,
  ZERO
} from '../../core/quantity.ts'
import {
  constraintProblem,
  countedNames,
  isCounted,
  matchesQuota,
  QUOTAS,
  usageOf,
  usageText
} from '../../core/quota.ts'
import type { Entry, StoreApi, Write } from '../../store/store.ts'
import type { Effect, PendingChange } from './types.ts'

const NOTHING: readonly Write[] = []

/** Throws Forbidden where a quota would be exceeded. */
export const quotaEffect: Effect = async (change, store) => {
  const { kind, key } = change
  if (!kind.namespaced || !isCounted(kind)) return NOTHING
  const writes: Write[] = []
  for (const quota of await quotasOf(store, key.slice(0, key.indexOf('/')))) {
    if (kind.storage === QUOTAS && quota.key === key) continue
    const next = counted(quota, change)
    if (next !== undefined) writes.push({ resource: QUOTAS, key: quota.key, expected: quota.version, object: next })
  }
  return writes
}

/** Why a quota refuses the change; for writes that only try. Throws Forbidden. */
export async function checkQuotas(change: PendingChange, store: StoreApi): Promise<void> {
  const { kind, key } = change
  if (!kind.namespaced || !isCounted(kind)) return
  for (const quota of await quotasOf(store, key.slice(0, key.indexOf('/')))) counted(quota, change)
}

/** Namespaces that have a quota, so that all others are not even asked for theirs. */
interface KnownQuotas {
  keys: Promise<ReadonlyMap<string, readonly string[]>> | undefined
}
const known = new WeakMap<StoreApi, KnownQuotas>()

async function quotasOf(store: StoreApi, namespace: string): Promise<readonly Entry[]> {
  let state = known.get(store)
  if (state === undefined) {
    const fresh: KnownQuotas = { keys: undefined }
    // Only what comes and goes changes the list; that a quota counted something does not.
    store.onChange((changes) => {
      if (changes.some(({ resource, type }) => resource === QUOTAS && type !== 'updated')) fresh.keys = undefined
    })
    known.set(store, fresh)
    state = fresh
  }
  state.keys ??= quotaKeys(store)
  const keys = (await state.keys).get(namespace)
  if (keys === undefined) return []
  const entries = await Promise.all(keys.map((key) => store.get(QUOTAS, key)))
  return entries.filter((entry) => entry !== undefined)
}

async function quotaKeys(store: StoreApi): Promise<ReadonlyMap<string, readonly string[]>> {
  const { entries } = await store.list(QUOTAS)
  return Map.groupBy(
    entries.map(({ key }) => key),
    (key) => key.slice(0, key.indexOf('/'))
  )
}

/** The quota after the change; undefined: it does not concern this one. */
function counted(entry: Entry, change: PendingChange): KubeObject | undefined {
  const quota = entry.value as unknown as ResourceQuota
  const { kind, old, next } = change
  const hard = quota.status?.hard ?? {}
  const names = countedNames(kind, Object.keys(hard))
  // Not counted yet: a new version of the quota makes whoever counts it just now start anew.
  if (names.length === 0)
    return isWaiting(quota, kind) ? { ...entry.value, metadata: { ...entry.value.metadata } } : undefined
  const had = old !== undefined && matchesQuota(quota, kind, old.value) ? usageOf(kind, old.value) : undefined
  const has = next !== undefined && matchesQuota(quota, kind, next) ? usageOf(kind, next) : undefined
  if (has !== undefined && old === undefined && next !== undefined) checkConstraints(quota, change, names)
  const used = new Map(Object.entries(quota.status?.used ?? {}).map(([name, text]) => [name, parseQuantity(text)]))
  const asked = new Map<string, Quantity>()
  let changed = false
  for (const name of names) {
    const [before, after] = [had?.get(name) ?? ZERO, has?.get(name) ?? ZERO]
    const difference = subtractQuantity(after, before)
    if (difference.nano === 0n) continue
    changed = true
    const sum = addQuantity(used.get(name) ?? ZERO, difference)
    if (difference.nano > 0n) asked.set(name, difference)
    used.set(name, sum.nano < 0n ? { ...sum, nano: 0n } : sum)
  }
  if (!changed) return undefined
  checkLimits(quota, change, { asked, used })
  const shown = Object.fromEntries([...used].map(([name, amount]) => [name, quantityText(amount)]))
  return { ...entry.value, metadata: { ...entry.value.metadata }, status: { ...quota.status, used: shown } }
}

function isWaiting({ spec, status }: ResourceQuota, kind: PendingChange['kind']): boolean {
  const missing = Object.keys(spec?.hard ?? {}).filter((name) => status?.hard?.[name] === undefined)
  return countedNames(kind, missing).length > 0
}

function checkConstraints({ metadata }: ResourceQuota, change: PendingChange, names: readonly string[]): void {
  const { kind, next } = change
  const problem = next === undefined ? undefined : constraintProblem(kind, next, names)
  if (problem !== undefined) throw refused(change, `failed quota: ${metadata.name}: ${problem}`)
}

function checkLimits(
  quota: ResourceQuota,
  change: PendingChange,
  { asked, used }: { asked: ReadonlyMap<string, Quantity>; used: ReadonlyMap<string, Quantity> }
): void {
  const limit = (name: string) => parseQuantity(quota.status?.hard?.[name] ?? 0)
  const exceeded = [...asked.keys()].filter((name) => compareQuantity(used.get(name) ?? ZERO, limit(name)) > 0)
  if (exceeded.length === 0) return
  const text = (amountOf: (name: string) => Quantity) =>
    usageText(new Map(exceeded.map((name) => [name, amountOf(name)])))
  const before = (name: string) => parseQuantity(quota.status?.used?.[name] ?? 0)
  const requested = text((name) => asked.get(name) ?? ZERO)
  const why = `exceeded quota: ${quota.metadata.name}, requested: ${requested}, used: ${text(before)}, limited: ${text(limit)}`
  throw refused(change, why)
}

function refused({ kind, next, key }: PendingChange, why: string): ApiError {
  const name = next?.metadata.name ?? key.slice(key.indexOf('/') + 1)
  return new ApiError('Forbidden', `${groupResource(kind)} ${goQuote(name)} is forbidden: ${why}`, {
    details: { name, ...(kind.group === '' ? {} : { group: kind.group }), kind: kind.resource }
  })
}
