import { crc32 } from 'node:zlib'
import type { LogRecord } from '../backend.ts'

/**
 * How a record lies in LMDB: a header of 40 bytes, then the key, the object's JSON, the replaced object's JSON.
 *
 *     0 CRC-32 of all that follows   4 format   5 type   6 key's length (u16)   8 version   16 replaced   24 at (f64)
 *     32 length of the JSON   36 length of the replaced JSON (u32; NONE: absent)
 */
const HEADER = 40
const FORMAT = 1
const NONE = 0xffffffff
const TYPES = ['put', 'delete', 'fence'] as const

export function encodeRecord(record: LogRecord): Buffer {
  const { bytes, previous } = record
  const keyLength = Buffer.byteLength(record.key)
  const buffer = Buffer.allocUnsafeSlow(HEADER + keyLength + (bytes?.length ?? 0) + (previous?.length ?? 0))
  buffer[4] = FORMAT
  buffer[5] = TYPES.indexOf(record.type)
  buffer.writeUInt16LE(keyLength, 6)
  buffer.writeDoubleLE(record.version, 8)
  buffer.writeDoubleLE(record.replaced, 16)
  buffer.writeDoubleLE(record.at, 24)
  buffer.writeUInt32LE(bytes?.length ?? NONE, 32)
  buffer.writeUInt32LE(previous?.length ?? NONE, 36)
  buffer.write(record.key, HEADER)
  if (bytes !== undefined) buffer.set(bytes, HEADER + keyLength)
  if (previous !== undefined) buffer.set(previous, buffer.length - previous.length)
  buffer.writeUInt32LE(crc32(buffer.subarray(4)), 0)
  return buffer
}

/** Throws where the bytes are not what was written. The record keeps a hold on `buffer`. */
export function decodeRecord(buffer: Buffer): LogRecord {
  const type = TYPES[buffer[5] ?? NONE]
  if (buffer.length < HEADER || buffer[4] !== FORMAT || type === undefined) {
    throw new Error('a record has an unknown format')
  }
  if (crc32(buffer.subarray(4)) !== buffer.readUInt32LE(0)) throw new Error('a record has a wrong checksum')
  const start = HEADER + buffer.readUInt16LE(6)
  const length = buffer.readUInt32LE(32)
  const previousLength = buffer.readUInt32LE(36)
  const end = start + (length === NONE ? 0 : length)
  return {
    version: buffer.readDoubleLE(8),
    type,
    key: buffer.toString('utf8', HEADER, start),
    replaced: buffer.readDoubleLE(16),
    at: buffer.readDoubleLE(24),
    bytes: length === NONE ? undefined : buffer.subarray(start, end),
    previous: previousLength === NONE ? undefined : buffer.subarray(end, end + previousLength)
  }
}

/** The version alone, without a look at the rest. */
export function versionOf(buffer: Buffer): number {
  return buffer.readDoubleLE(8)
}

/** When the record was written, without a look at the rest. */
export function timeOf(buffer: Buffer): number {
  return buffer.readDoubleLE(24)
}

export function encodeTombstone({ key, version, replaced, at }: LogRecord): Buffer {
  return encodeRecord({ version, type: 'delete', key, replaced, at, bytes: undefined, previous: undefined })
}

/** A resource's counter: the highest number used and the checkpoint, as two doubles. */
export function encodeCounter(used: number, frontier: number): Buffer {
  const buffer = Buffer.alloc(16)
  buffer.writeDoubleLE(used, 0)
  buffer.writeDoubleLE(frontier, 8)
  return buffer
}
