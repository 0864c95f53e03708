import { createHash } from 'node:crypto'
import type { AttributeValue } from '@aws-sdk/client-dynamodb'
import { type Counter, EMPTY_VERSION, type LogRecord, type StoredObject } from '../backend.ts'
import { unpack } from './compression.ts'

/**
 * How things lie in the one table. `p` is the partition key and `s` the sort key, both strings:
 *
 *     p                    s                  attributes
 *     RESOURCE             KEY                v version, a written at (ms); live: b JSON | c chunks; dead: d, x
 *     LOG#RESOURCE         VERSION            t type, k key, r replaced, a, x; b JSON | c chunks; q previous JSON | qc chunks
 *     chunk#RESOURCE       VERSION#I          b; x once its object was replaced. "VERSION#pI": of the previous JSON
 *     index#RESOURCE#TERM  KEY
 *     counter#RESOURCE     counter            n reserved, f checkpoint, a last reservation, t last store of f (ms)
 *     resources            RESOURCE
 *     lease                NAME               h holder, u until (ms), x: a name held for a while, of no resource
 *
 * LOG is "log", "own-log" or "quiet-log": the functions on the table's stream tell by it what concerns them.
 * VERSION has 16 digits and sorts as the number. JSON is packed (compression.ts). `x` is when DynamoDB may expire the
 * item, in seconds since 1970 (the table's TTL attribute); it does so within days, so readers look at `x` themselves.
 */
export type Item = Record<string, AttributeValue>

export interface Key {
  readonly p: { readonly S: string }
  readonly s: { readonly S: string }
}

export const PARTITION = 'p'
export const SORT = 's'
export const EXPIRY = 'x'
/** Of packed JSON in one item. DynamoDB takes 400 KB, a record's other attributes are about 1 KB. */
export const CHUNK_BYTES = 350 * 1024
/** DynamoDB's limits of a partition key and a sort key, in bytes. */
const MAX_PARTITION = 2048
const MAX_SORT = 1024

const TYPES = ['put', 'delete', 'fence'] as const

export function objectKey(resource: string, key: string): Key {
  return itemKey(resource, key)
}

export function logKey(resource: string, version: number): Key {
  return itemKey(logPartition(resource), digits(version))
}

/** What changes often and means nothing to any controller: no function is woken for it. */
const QUIET = new Set(['events', 'events.k8s.io/events', 'coordination.k8s.io/leases'])
/** Wherry's own bookkeeping (node ledgers, addresses): not the controllers' business. */
const OWN = 'internal.wherry.dev/'
const LOG = /^(?:own-|quiet-)?log#(.+)$/

export function logPartition(resource: string): string {
  const log = QUIET.has(resource) ? 'quiet-log' : resource.startsWith(OWN) ? 'own-log' : 'log'
  return `${log}#${resource}`
}

/** The record of the log that is kept under these keys; undefined: they are those of something else. */
export function recordAt(p: string, s: string): { readonly resource: string; readonly version: number } | undefined {
  const resource = LOG.exec(p)?.[1]
  return resource === undefined || !/^\d{16}$/.test(s) ? undefined : { resource, version: Number(s) }
}

export function chunkKey(resource: string, chunk: string): Key {
  return itemKey(`chunk#${resource}`, chunk)
}

export function indexKey(resource: string, term: string, key: string): Key {
  return itemKey(indexPartition(resource, term), key)
}

export function indexPartition(resource: string, term: string): string {
  return `index#${resource}#${term}`
}

export function counterKey(resource: string): Key {
  return itemKey(`counter#${resource}`, 'counter')
}

export const RESOURCES = 'resources'

/** Of a name of any length. */
export function leaseKey(name: string): Key {
  const long = Buffer.byteLength(name) > MAX_SORT
  return itemKey('lease', long ? `sha256 ${createHash('sha256').update(name).digest('hex')}` : name)
}

function itemKey(p: string, s: string): Key {
  if (Buffer.byteLength(p) > MAX_PARTITION)
    throw new RangeError(`an index term has at most ${MAX_PARTITION} bytes: ${p}`)
  if (Buffer.byteLength(s) > MAX_SORT) throw new RangeError(`a key has at most ${MAX_SORT} bytes: ${s}`)
  return { p: { S: p }, s: { S: s } }
}

/** 2^53 has 16 digits. */
export function digits(version: number): string {
  return String(version).padStart(16, '0')
}

export function chunkNames(version: number, count: number, of: 'object' | 'previous'): readonly string[] {
  const mark = of === 'previous' ? 'p' : ''
  return Array.from({ length: count }, (_, i) => `${digits(version)}#${mark}${i}`)
}

/** Packed JSON, in the item itself or beside it. */
export interface Body {
  readonly inline: Uint8Array | undefined
  readonly chunks: number
}

export function numberOf(item: Item, name: string): number {
  return Number(item[name]?.N ?? 0)
}

export function textOf(item: Item, name: string): string {
  return item[name]?.S ?? ''
}

export function number(value: number): { readonly N: string } {
  return { N: String(value) }
}

/** Whether its time has passed, though DynamoDB has not removed it yet. `now` in milliseconds. */
export function isExpired(item: Item, now: number): boolean {
  return item[EXPIRY] !== undefined && numberOf(item, EXPIRY) * 1000 <= now
}

export function isTombstone(item: Item): boolean {
  return item.d !== undefined
}

export function bodyOf(item: Item): Body {
  return { inline: item.b?.B, chunks: numberOf(item, 'c') }
}

export function previousOf(item: Item): Body {
  return { inline: item.q?.B, chunks: numberOf(item, 'qc') }
}

/** `packed`: the body, put together. */
export function objectOf(item: Item, packed: Uint8Array | undefined): StoredObject {
  const bytes = packed === undefined || isTombstone(item) ? undefined : unpack(packed)
  return { key: textOf(item, SORT), version: numberOf(item, 'v'), at: numberOf(item, 'a'), bytes }
}

/** Unpacked when looked at: much of the log is read only to know that it is there. */
export function recordOf(item: Item, packed: Uint8Array | undefined, previous: Uint8Array | undefined): LogRecord {
  const type = TYPES.find((one) => one === item.t?.S)
  if (type === undefined) throw new Error(`the log has a record of the unknown type ${item.t?.S}`)
  return {
    version: Number(textOf(item, SORT)),
    type,
    key: textOf(item, 'k'),
    replaced: numberOf(item, 'r'),
    at: numberOf(item, 'a'),
    get bytes() {
      return packed === undefined ? undefined : unpack(packed)
    },
    get previous() {
      return previous === undefined ? undefined : unpack(previous)
    }
  }
}

/** The attributes of a record without its bodies. */
export function recordItem(resource: string, record: LogRecord, expires: number): Item {
  const { version, type, key, replaced, at } = record
  const fields = type === 'fence' ? {} : { k: { S: key }, r: number(replaced) }
  return { ...logKey(resource, version), t: { S: type }, a: number(at), [EXPIRY]: number(expires), ...fields }
}

/** A counter, when a number was last reserved, and when the checkpoint was last stored, in milliseconds since 1970. */
export function counterOf(
  item: Item | undefined
): Counter & { readonly reservedAt: number; readonly storedAt: number } {
  if (item === undefined) return { reserved: EMPTY_VERSION, frontier: EMPTY_VERSION, reservedAt: 0, storedAt: 0 }
  const [reserved, frontier] = [numberOf(item, 'n'), numberOf(item, 'f')]
  return { reserved, frontier, reservedAt: numberOf(item, 'a'), storedAt: numberOf(item, 't') }
}
