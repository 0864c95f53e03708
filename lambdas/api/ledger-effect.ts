/** Keeps the ledger of each node in the transactions that change what is on it. */
import { ApiError } from '../../core/errors.ts'
import { goQuote } from '../../core/go-text.ts'
import type { Node, Pod } from '../../core/kinds/types.ts'
import {
  type Booking,
  book,
  bookingOf,
  emptyLedger,
  isEmptyLedger,
  isEnded,
  LEDGERS,
  type LedgerNode,
  ledgerFits,
  ledgerNode,
  ledgerOf,
  type NodeLedger,
  release,
  withNode
} from '../../core/ledger.ts'
import type { KubeObject } from '../../core/object.ts'
import type { StoreApi, Write } from '../../store/store.ts'
import type { Effect, PendingChange } from './types.ts'

const NOTHING: readonly Write[] = []

/**
 * A pod that gets a node is booked, one that ends or goes is released, a node's capacity, labels and taints are noted.
 * Whatever changes none of these (status, heartbeats) writes nothing. Throws Conflict for a binding without room.
 */
export const ledgerEffect: Effect = async (change, store) => {
  if (change.kind.storage === 'pods') return await podEffect(change, store)
  if (change.kind.storage === 'nodes') return await nodeEffect(change, store)
  return NOTHING
}

async function podEffect({ old, next, key }: PendingChange, store: StoreApi): Promise<readonly Write[]> {
  const before = old?.value as Pod | undefined
  const after = next as Pod | undefined
  if (!mayConcern(before, after)) return NOTHING
  const [had, has] = [before, after].map((pod) => (pod === undefined ? undefined : bookingOf(pod)))
  if (had === undefined && has === undefined) return NOTHING
  if (had?.node === has?.node && JSON.stringify(had?.pod) === JSON.stringify(has?.pod)) return NOTHING
  const writes: Write[] = []
  if (had !== undefined && had.node !== has?.node)
    writes.push(...(await change(store, had.node, (ledger) => release(ledger, key))))
  if (has !== undefined) {
    const bound = before !== undefined && (before.spec?.nodeName ?? '') === ''
    writes.push(...(await change(store, has.node, (ledger) => booked(ledger, has, bound))))
  }
  return writes
}

/** Cheaply: most writes to pods are of their status, and share the rest with the old pod. */
function mayConcern(before: Pod | undefined, after: Pod | undefined): boolean {
  if (before === undefined || after === undefined) return true
  if (before.spec !== after.spec || isEnded(before) !== isEnded(after)) return true
  return before.metadata.labels !== after.metadata.labels
}

/** A binding needs room. A pod that was made with its node (a static pod's mirror) runs there already. */
function booked(ledger: NodeLedger, booking: Booking, binding: boolean): NodeLedger {
  const why = binding ? ledgerFits(ledger, booking.pod) : undefined
  if (why === undefined) return book(ledger, booking)
  const name = booking.key.slice(booking.key.indexOf('/') + 1)
  const node = goQuote(booking.node)
  const message = `Operation cannot be fulfilled on pods/binding ${goQuote(name)}: node ${node} has no room: ${why}`
  throw new ApiError('Conflict', message, { details: { name, kind: 'pods/binding' } })
}

async function nodeEffect({ old, next, key }: PendingChange, store: StoreApi): Promise<readonly Write[]> {
  const had = old === undefined ? undefined : ledgerNode(old.value as Node)
  const has = next === undefined ? undefined : ledgerNode(next as Node)
  if (had !== undefined && has !== undefined && sameNode(had, has)) return NOTHING
  return await change(store, key, (ledger) => withNode(ledger, has))
}

function sameNode(a: LedgerNode, b: LedgerNode): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** A ledger that holds nothing more is removed. */
async function change(
  store: StoreApi,
  node: string,
  next: (ledger: NodeLedger) => NodeLedger
): Promise<readonly Write[]> {
  const entry = await store.get(LEDGERS, node)
  const ledger = next(entry === undefined ? emptyLedger(node) : ledgerOf(entry.value, node))
  const expected = entry?.version ?? 0
  if (!isEmptyLedger(ledger)) {
    // The store sets the version on the metadata that it is given.
    const object = { ...ledger, metadata: { ...ledger.metadata } } as unknown as KubeObject
    return [{ resource: LEDGERS, key: node, expected, object }]
  }
  return entry === undefined ? NOTHING : [{ resource: LEDGERS, key: node, expected, object: undefined }]
}
