import type { CancellationReason, TransactWriteItem } from '@aws-sdk/client-dynamodb'
import { ApiError } from '../../core/errors.ts'
import { MAX_PARTS, type TransactionItem } from '../backend.ts'
import { pack } from './compression.ts'
import {
  CHUNK_BYTES,
  chunkKey,
  chunkNames,
  EXPIRY,
  type Item,
  indexKey,
  isTombstone,
  number,
  numberOf,
  objectKey,
  recordItem
} from './dynamodb-items.ts'

/** DynamoDB's limit of a transaction, and what is left of it for keys and small attributes. */
const MAX_BYTES = 4 * 1024 * 1024
const OVERHEAD = 1024

interface Surroundings {
  readonly table: string
  readonly keptMs: number
  /** Of how many chunks the live object of an item is made, where it is more than none. */
  readonly chunks: ReadonlyMap<TransactionItem, number>
}

interface Bodies {
  /** Attributes of the object and of its record. */
  readonly own: Item
  readonly ownChunks: readonly Uint8Array[]
  /** Attributes of the record alone. */
  readonly previous: Item
  readonly previousChunks: readonly Uint8Array[]
}

/**
 * The writes of a transaction: of each item in turn its object and its record, and behind all of those index entries and
 * chunks. Throws ApiError RequestEntityTooLarge where DynamoDB could not take it.
 */
export function planTransaction(items: readonly TransactionItem[], around: Surroundings): TransactWriteItem[] {
  const writes: TransactWriteItem[] = []
  const more: TransactWriteItem[] = []
  let bytes = 0
  for (const item of items) {
    const bodies = bodiesOf(item)
    const expires = Math.ceil((item.record.at + around.keptMs) / 1000)
    writes.push(objectWrite(item, bodies, { ...around, expires }), logWrite(item, bodies, { ...around, expires }))
    more.push(...indexWrites(item, around.table), ...chunkWrites(item, bodies, { ...around, expires }))
    bytes += sizeOf(bodies)
  }
  writes.push(...more)
  if (writes.length > MAX_PARTS || bytes + writes.length * OVERHEAD > MAX_BYTES) {
    throw new ApiError('RequestEntityTooLarge', 'etcdserver: request is too large')
  }
  return writes
}

/** Why DynamoDB cancelled a planned transaction. `held`: the item that is there instead of the expected one. */
export type Verdict = {
  readonly reason: 'object' | 'number'
  readonly item: number
  readonly held: Item | undefined
}

/** 'plan again': only in that an object has other chunks than `chunks` said, which now has them. */
export function judge(
  items: readonly TransactionItem[],
  reasons: readonly CancellationReason[],
  chunks: Map<TransactionItem, number>
): Verdict | 'plan again' {
  let refused: Verdict | undefined
  let learned = false
  for (const [i, item] of items.entries()) {
    const [object, log] = [reasons[2 * i], reasons[2 * i + 1]]
    if (object?.Code === 'ConditionalCheckFailed') {
      const held = object.Item
      const live = held === undefined || isTombstone(held) ? 0 : numberOf(held, 'v')
      if (live !== item.expected) return { reason: 'object', item: i, held }
      if (held !== undefined && numberOf(held, 'v') >= item.record.version) {
        refused ??= { reason: 'number', item: i, held }
      } else {
        chunks.set(item, held === undefined ? 0 : numberOf(held, 'c'))
        learned = true
      }
    }
    if (log?.Code === 'ConditionalCheckFailed') refused ??= { reason: 'number', item: i, held: undefined }
  }
  if (refused !== undefined) return refused
  if (learned) return 'plan again'
  throw new Error(`DynamoDB cancelled a transaction: ${reasons.map(({ Code }) => Code).join()}`)
}

function bodiesOf({ record }: TransactionItem): Bodies {
  const own = record.bytes === undefined ? undefined : pack(record.bytes)
  const previous = record.previous === undefined ? undefined : pack(record.previous)
  const ownChunks = split(own, CHUNK_BYTES)
  const room = CHUNK_BYTES - (ownChunks.length > 0 ? 0 : (own?.length ?? 0))
  const previousChunks = split(previous, room)
  return {
    own: body(own, ownChunks.length, { inline: 'b', chunks: 'c' }),
    ownChunks,
    previous: body(previous, previousChunks.length, { inline: 'q', chunks: 'qc' }),
    previousChunks
  }
}

function body(packed: Uint8Array | undefined, chunks: number, names: { inline: string; chunks: string }): Item {
  if (packed === undefined) return {}
  return chunks === 0 ? { [names.inline]: { B: packed } } : { [names.chunks]: number(chunks) }
}

/** Nothing where all of it fits into `room`. */
function split(packed: Uint8Array | undefined, room: number): readonly Uint8Array[] {
  const parts: Uint8Array[] = []
  if (packed === undefined || packed.length <= room) return parts
  for (let at = 0; at < packed.length; at += CHUNK_BYTES) parts.push(packed.subarray(at, at + CHUNK_BYTES))
  return parts
}

type Write = Surroundings & { readonly expires: number }

function objectWrite(item: TransactionItem, { own }: Bodies, { table, chunks, expires }: Write): TransactWriteItem {
  const { resource, expected, record } = item
  const { key, version, at, type } = record
  const contents: Item = type === 'put' ? own : { d: { BOOL: true }, [EXPIRY]: number(expires) }
  const known = chunks.get(item) ?? 0
  const made = known === 0 ? 'attribute_not_exists(c)' : 'c = :c'
  return {
    Put: {
      TableName: table,
      Item: { ...objectKey(resource, key), v: number(version), a: number(at), ...contents },
      ConditionExpression:
        expected === 0
          ? 'attribute_not_exists(p) OR (attribute_exists(d) AND v < :n)'
          : `v = :e AND attribute_not_exists(d) AND v < :n AND ${made}`,
      ExpressionAttributeValues: {
        ':n': number(version),
        ...(expected === 0 ? {} : { ':e': number(expected) }),
        ...(expected === 0 || known === 0 ? {} : { ':c': number(known) })
      },
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD'
    }
  }
}

function logWrite(item: TransactionItem, { own, previous }: Bodies, { table, expires }: Write): TransactWriteItem {
  return {
    Put: {
      TableName: table,
      Item: { ...recordItem(item.resource, item.record, expires), ...own, ...previous },
      ConditionExpression: 'attribute_not_exists(p)'
    }
  }
}

function indexWrites({ resource, record, added, removed }: TransactionItem, TableName: string): TransactWriteItem[] {
  return [
    ...added.map((term) => ({ Put: { TableName, Item: { ...indexKey(resource, term, record.key) } } })),
    ...removed.map((term) => ({ Delete: { TableName, Key: { ...indexKey(resource, term, record.key) } } }))
  ]
}

/**
 * An object and its record share their chunks, which begin to expire when the object is replaced: no earlier than the
 * record does.
 */
function chunkWrites(item: TransactionItem, bodies: Bodies, { table, chunks, expires }: Write): TransactWriteItem[] {
  const { resource, expected, record } = item
  const x = { [EXPIRY]: number(expires) }
  const put = (parts: readonly Uint8Array[], of: 'object' | 'previous', more: Item): TransactWriteItem[] =>
    chunkNames(record.version, parts.length, of).map((name, i) => ({
      Put: { TableName: table, Item: { ...chunkKey(resource, name), b: { B: parts[i] as Uint8Array }, ...more } }
    }))
  const old = chunkNames(expected, chunks.get(item) ?? 0, 'object')
  return [
    ...put(bodies.ownChunks, 'object', record.type === 'put' ? {} : x),
    ...put(bodies.previousChunks, 'previous', x),
    ...old.map((name) => ({
      Update: {
        TableName: table,
        Key: { ...chunkKey(resource, name) },
        UpdateExpression: `SET ${EXPIRY} = :x`,
        ExpressionAttributeValues: { ':x': number(expires) }
      }
    }))
  ]
}

function sizeOf({ own, ownChunks, previous, previousChunks }: Bodies): number {
  const lengths = [...ownChunks, ...previousChunks].map((part) => part.length)
  const inline = 2 * (own.b?.B?.length ?? 0) + (previous.q?.B?.length ?? 0)
  return lengths.reduce((sum, length) => sum + length, inline)
}
