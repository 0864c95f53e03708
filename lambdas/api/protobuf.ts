/**
 * Reads Kubernetes' protobuf bodies, which kubectl's typed commands send (create namespace, auth can-i ...); answers
 * are JSON, which they accept as well. Loaded when the first one comes: the table of field numbers is large.
 */
import { setOwn } from '../../core/json.ts'
import protobufTable from '../../core/kinds/protobuf.json' with { type: 'json' }
import schemaTable from '../../core/kinds/schemas.json' with { type: 'json' }
import { type Schema, schemaOf } from '../../core/kinds/schemas.ts'
import { microTimestamp, timestamp } from '../../core/ports.ts'

/** A field's name by its number; an object: a message whose fields are the outer one's own. */
interface Numbers {
  readonly [number: string]: string | Numbers
}
type Fields = Record<string, unknown>

interface Typed extends Schema {
  readonly 'x-kubernetes-group-version-kind'?: readonly { group: string; version: string; kind: string }[]
}

const NUMBERS = protobufTable as unknown as Readonly<Record<string, Numbers>>
/** "k8s" and a zero byte begin every body. */
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00])
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'
const VARINT = 0
const FIXED64 = 1
const BYTES = 2
const FIXED32 = 5

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
  readMessage(raw, object, { numbers: NUMBERS[schema] ?? {}, properties: schemaOf(schema).properties ?? {} })
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

/** "apps/v1 Deployment" -> the schema's name; options are the same in every group. */
let names: ReadonlyMap<string, string> | undefined

function schemaNameOf({ apiVersion, kind }: { apiVersion: string; kind: string }): string | undefined {
  names ??= new Map(
    Object.entries(schemaTable as unknown as Readonly<Record<string, Typed>>).flatMap(([name, schema]) =>
      (schema['x-kubernetes-group-version-kind'] ?? []).map(({ group, version, kind: of }) => [
        `${group === '' ? version : `${group}/${version}`} ${of}`,
        name
      ])
    )
  )
  const known = names.get(`${apiVersion} ${kind}`)
  return known ?? (kind === 'DeleteOptions' ? `${META}.DeleteOptions` : undefined)
}

interface Shape {
  readonly numbers: Numbers
  readonly properties: Readonly<Record<string, Schema>>
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
    case 'io.k8s.apimachinery.pkg.api.resource.Quantity':
      return textOf(fieldsOf(bytes).find((field) => field.number === 1)?.value ?? new Uint8Array())
    case 'io.k8s.apimachinery.pkg.util.intstr.IntOrString':
      return intOrString(bytes)
    case `${META}.Time`:
      return time(bytes, timestamp)
    case `${META}.MicroTime`:
      return time(bytes, microTimestamp)
    case 'io.k8s.apimachinery.pkg.runtime.RawExtension':
    case `${META}.FieldsV1`:
      return embeddedJson(bytes)
    default: {
      const { type, properties, ...schema } = schemaOf(name)
      if (properties === undefined) return readValue(bytes, type === undefined ? schema : { ...schema, type })
      const object: Fields = {}
      readMessage(bytes, object, { numbers: NUMBERS[name] ?? {}, properties })
      return object
    }
  }
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
function time(bytes: Uint8Array, print: (ms: number) => string): string | null {
  if (bytes.length === 0) return null
  let ms = 0
  for (const { number, value } of fieldsOf(bytes)) {
    if (number === 1) ms += Number(BigInt.asIntN(64, integerOf(value))) * 1000
    if (number === 2) ms += Number(BigInt.asIntN(32, integerOf(value))) / 1e6
  }
  if (!(Math.abs(ms) <= 8.64e15)) throw malformed()
  return print(ms)
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
