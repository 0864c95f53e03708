import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { DICTIONARY } from './compression-dictionary.ts'

/**
 * Objects on DynamoDB, where a write is paid for by the started kilobyte, twice, and twice again in a transaction. The
 * dictionary makes a running pod fit into one kilobyte instead of two (docs/adr/0005-dynamodb.md has the figures).
 * The first byte tells the format: a dictionary, once used, can never change, only be followed by another.
 */
const RAW = 0
const DEFLATE_1 = 1

const LEVEL = 6
const dictionary = Buffer.from(DICTIONARY)

export function pack(bytes: Uint8Array): Uint8Array {
  const packed = deflateRawSync(bytes, { level: LEVEL, dictionary })
  return packed.length < bytes.length ? prefixed(DEFLATE_1, packed) : prefixed(RAW, bytes)
}

/** Throws where the bytes are not what `pack` made. */
export function unpack(packed: Uint8Array): Uint8Array {
  const rest = packed.subarray(1)
  switch (packed[0]) {
    case RAW:
      return rest
    case DEFLATE_1:
      return inflateRawSync(rest, { dictionary })
    default:
      throw new Error(`an object is stored in the unknown format ${packed[0]}`)
  }
}

function prefixed(format: number, bytes: Uint8Array): Uint8Array {
  const all = new Uint8Array(bytes.length + 1)
  all[0] = format
  all.set(bytes, 1)
  return all
}
