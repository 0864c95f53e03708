/**
 * Reads Kubernetes' protobuf bodies, which client-go's typed clients send. Loaded when the first one comes: the table of
 * field numbers is large.
 */
import { setOwn } from '../../core/json.ts'
import { type Schema, schemaOf } from '../../core/kinds/schemas.ts'
import { timestamp } from '../../core/ports.ts'
import {
  BYTES,
  FIXED32,
  FIXED64,
  MAGIC,
  SCHEMA_PROPS,
  type Shape,
  SPECIAL,
  schemaNameOf,
  shapeOf,
  VARINT
} from './protobuf-schema.ts'

type Fields = Record<string, unknown>

/** A body that is no message of a known kind; the text is for the client. */
export class ProtobufError extends Error {}

/** The object of a body, as its JSON would be, zero values included. Throws ProtobufError for anything else. */
export function readProtobuf(bytes: Uint8Array): Record<string, unknown> {
  if (bytes.length === 0) return {}
  if (!MAGIC.equals(bytes.subarray(0, MAGIC.length)))
    throw new ProtobufError('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]')
  let type = { apiVersion: '', kind: '' }
  let raw: Uint8Array = new Uint8Array()
  for (const { number, value } of fieldsOf(bytes.subarray(MAGIC.length))) {
    if (number === 1) type = typeMeta(bytesOf(value))
    if (number === 2) raw = bytesOf(value)
  }
  const schema = schemaNameOf(type)
  if (schema === undefined)
    throw new ProtobufError(`no kind "${type.kind}" is registered for version "${type.apiVersion}" in protobuf`)
  const object: Fields = { ...type }
  readMessage(raw, object, shapeOf(schema) ?? { numbers: {}, properties: {} })
  return object
}

function typeMeta(bytes: Uint8Array): { apiVersion: string; kind: string } {
  const type = { apiVersion: '', kind: '' }
  for (const { number, value } of fieldsOf(bytes)) {
    if (number === 1) type.apiVersion = textOf(value)
    if (number === 2) type.kind = textOf(value)
  }
  return type
}

function readMessage(bytes: Uint8Array, into: Fields, { numbers, properties }: Shape): void {
  for (const { number, value } of fieldsOf(bytes)) {
    const name = numbers[String(number)]
    if (name === undefined) continue
    if (typeof name !== 'string') {
      readMessage(bytesOf(value), into, { numbers: name, properties })
      continue
    }
    const schema = properties[name]
    // Lists and maps grow in place: a body may have very many entries.
    if (schema?.type === 'array') {
      const list = (into[name] ?? []) as unknown[]
      into[name] = list
      for (const element of elements(value, schema)) list.push(element)
    } else if (schema?.additionalProperties !== undefined) {
      const map = (into[name] ?? {}) as Fields
      into[name] = map
      const [key, entry] = mapEntry(bytesOf(value), schema.additionalProperties)
      setOwn(map, key, entry)
    } else if (schema !== undefined) into[name] = readValue(value, schema)
  }
}

function elements(value: Wire, schema: Schema): unknown[] {
  const items = schema.items ?? {}
  if (schema.format === 'message') return fieldsOf(bytesOf(value)).map((field) => readValue(field.value, items))
  const packed = typeof value !== 'bigint' && (items.type === 'integer' || items.type === 'boolean')
  if (!packed) return [readValue(value, items)]
  const numbers: unknown[] = []
  const reader = { bytes: bytesOf(value), at: 0 }
  while (reader.at < reader.bytes.length) numbers.push(readValue(varint(reader), items))
  return numbers
}

function mapEntry(bytes: Uint8Array, schema: Schema): readonly [string, unknown] {
  let key = ''
  let entry: unknown = schema.type === 'string' ? '' : undefined
  for (const { number, value } of fieldsOf(bytes)) {
    if (number === 1) key = textOf(value)
    // A list as a map's value is a message with the list as its only field.
    else if (number === 2)
      entry =
        schema.type === 'array' ? fieldsOf(bytesOf(value)).map((item) => textOf(item.value)) : readValue(value, schema)
  }
  return [key, entry]
}

function readValue(value: Wire, schema: Schema): unknown {
  if (schema.$ref !== undefined) return referenced(bytesOf(value), schema.$ref)
  switch (schema.type) {
    case 'string':
      return schema.format === 'byte' ? Buffer.from(bytesOf(value)).toString('base64') : textOf(value)
    case 'integer':
      return Number(BigInt.asIntN(64, integerOf(value)))
    case 'boolean':
      return integerOf(value) !== 0n
    case 'number':
      return Buffer.from(bytesOf(value)).readDoubleLE(0)
    default:
      throw malformed()
  }
}

function referenced(bytes: Uint8Array, name: string): unknown {
  switch (name) {
    case SPECIAL.quantity:
      return textOf(fieldsOf(bytes).find((field) => field.number === 1)?.value ?? new Uint8Array())
    case SPECIAL.intOrString:
      return intOrString(bytes)
    case SPECIAL.time:
      return time(bytes, timestamp)
    case SPECIAL.microTime:
      return time(bytes, wholeMicros)
    case SPECIAL.rawExtension:
    case SPECIAL.fields:
    case SPECIAL.json:
      return embeddedJson(bytes)
    case SPECIAL.schemaOrBool:
    case SPECIAL.schemaOrList:
    case SPECIAL.schemaOrTexts:
      return schemaOr(bytes, name)
    default: {
      const shape = shapeOf(name)
      if (shape === undefined) {
        const { type = 'object' } = schemaOf(name)
        return type === 'object' ? {} : readValue(bytes, { type })
      }
      const object: Fields = {}
      readMessage(bytes, object, shape)
      return object
    }
  }
}

/** Of a CustomResourceDefinition's schema: another one, or what may stand in its place. */
function schemaOr(bytes: Uint8Array, name: string): unknown {
  let schema: unknown
  let allows = false
  const rest: unknown[] = []
  for (const { number, value } of fieldsOf(bytes)) {
    if (number === 1 && name === SPECIAL.schemaOrBool) allows = integerOf(value) !== 0n
    else if (number === 1 || name === SPECIAL.schemaOrBool) schema = readValue(value, { $ref: SCHEMA_PROPS })
    else rest.push(name === SPECIAL.schemaOrTexts ? textOf(value) : readValue(value, { $ref: SCHEMA_PROPS }))
  }
  return schema ?? (name === SPECIAL.schemaOrBool ? allows : rest)
}

function intOrString(bytes: Uint8Array): number | string {
  let isText = false
  let number = 0
  let text = ''
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) isText = integerOf(field.value) === 1n
    if (field.number === 2) number = Number(BigInt.asIntN(64, integerOf(field.value)))
    if (field.number === 3) text = textOf(field.value)
  }
  return isText ? text : number
}

/** The zero time is an empty message. */
function time(bytes: Uint8Array, print: (ms: number, nanos: number) => string): string | null {
  if (bytes.length === 0) return null
  let ms = 0
  let nanos = 0
  for (const { number, value } of fieldsOf(bytes)) {
    if (number === 1) ms = Number(BigInt.asIntN(64, integerOf(value))) * 1000
    if (number === 2) nanos = Number(BigInt.asIntN(32, integerOf(value)))
  }
  if (!(Math.abs(ms) <= 8.64e15) || nanos < 0 || nanos >= 1e9) throw malformed()
  return print(ms, nanos)
}

function wholeMicros(ms: number, nanos: number): string {
  const micros = Math.floor(nanos / 1000)
  return timestamp(ms).replace('Z', `.${String(micros).padStart(6, '0')}Z`)
}

function embeddedJson(bytes: Uint8Array): unknown {
  const raw = bytesOf(fieldsOf(bytes).find((field) => field.number === 1)?.value ?? new Uint8Array())
  if (raw.length === 0) return null
  try {
    return JSON.parse(Buffer.from(raw).toString('utf8'))
  } catch {
    throw malformed()
  }
}

/** What a field holds: a number, or bytes (also of fixed length). */
type Wire = bigint | Uint8Array

interface Reader {
  readonly bytes: Uint8Array
  at: number
}

function fieldsOf(bytes: Uint8Array): { number: number; value: Wire }[] {
  const fields: { number: number; value: Wire }[] = []
  const reader: Reader = { bytes, at: 0 }
  while (reader.at < bytes.length) {
    const tag = Number(varint(reader))
    fields.push({ number: Math.floor(tag / 8), value: wireValue(reader, tag % 8) })
  }
  return fields
}

function wireValue(reader: Reader, type: number): Wire {
  switch (type) {
    case VARINT:
      return varint(reader)
    case FIXED64:
      return take(reader, 8)
    case BYTES:
      return take(reader, Number(varint(reader)))
    case FIXED32:
      return take(reader, 4)
    default:
      throw malformed()
  }
}

function take(reader: Reader, length: number): Uint8Array {
  const end = reader.at + length
  if (end > reader.bytes.length) throw malformed()
  const part = reader.bytes.subarray(reader.at, end)
  reader.at = end
  return part
}

function varint(reader: Reader): bigint {
  let value = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = reader.bytes[reader.at++]
    if (byte === undefined) throw malformed()
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return value
  }
  throw malformed()
}

function bytesOf(value: Wire): Uint8Array {
  if (typeof value === 'bigint') throw malformed()
  return value
}

function integerOf(value: Wire): bigint {
  if (typeof value !== 'bigint') throw malformed()
  return value
}

const decoder = new TextDecoder()

function textOf(value: Wire): string {
  return decoder.decode(bytesOf(value))
}

function malformed(): ProtobufError {
  return new ProtobufError('the body of the request is not a well-formed protobuf message')
}
