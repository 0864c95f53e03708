/**
 * Bodies in application/vnd.kubernetes.protobuf, which kubectl's typed commands send (create, auth can-i, drain): reads
 * them into JSON. Answers are always JSON, which every client accepts beside it. The numbers of fields were read off
 * the struct tags of Kubernetes' own API types, v0.35.
 */
import messages from '../../core/kinds/protobuf.json' with { type: 'json' }
import { badRequest } from './failures.ts'

type Json = Record<string, unknown>
/** By field number: the JSON name ('' for the fields of an embedded struct) and the type. */
type Message = Readonly<Record<string, readonly string[]>>

const MESSAGES = messages as unknown as Readonly<Record<string, Message>>
/** "k8s" and a zero byte stand before the envelope (runtime.Unknown). */
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0])
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'
/** Registered in every group. */
const SHARED = new Set(['DeleteOptions', 'Status'])
const MAX_DEPTH = 100

/** Throws BadRequest for what is no such message. */
export function protobufToJson(bytes: Uint8Array): string {
  if (!MAGIC.equals(bytes.subarray(0, MAGIC.length))) {
    throw badRequest('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]')
  }
  try {
    return JSON.stringify(readEnvelope(bytes.subarray(MAGIC.length)))
  } catch (error) {
    if (error instanceof RangeError) throw badRequest(`unable to decode the protobuf body: ${error.message}`)
    throw error
  }
}

function readEnvelope(bytes: Uint8Array): Json {
  let apiVersion = ''
  let kind = ''
  let raw: Uint8Array = new Uint8Array()
  for (const field of fieldsOf(bytes)) {
    if (field.number === 2) raw = field.bytes
    if (field.number !== 1) continue
    for (const { number, bytes: text } of fieldsOf(field.bytes)) {
      if (number === 1) apiVersion = utf8(text)
      else if (number === 2) kind = utf8(text)
    }
  }
  const name = messageName(apiVersion, kind)
  const message = Object.hasOwn(MESSAGES, name) ? MESSAGES[name] : undefined
  if (message === undefined) {
    throw badRequest(
      `no kind "${kind}" is registered for version "${apiVersion}" in scheme "pkg/api/legacyscheme/scheme.go:30"`
    )
  }
  const value: Json = { kind, apiVersion }
  readMessage(raw, message, { into: value, depth: 0 })
  return value
}

function messageName(apiVersion: string, kind: string): string {
  if (SHARED.has(kind)) return `${META}.${kind}`
  const slash = apiVersion.indexOf('/')
  const group = slash < 0 ? 'core' : (apiVersion.slice(0, slash).split('.')[0] ?? '')
  return `io.k8s.api.${group}.${apiVersion.slice(slash + 1)}.${kind}`
}

interface Field {
  readonly number: number
  readonly wire: number
  /** Of wire type 2. */
  readonly bytes: Uint8Array
  /** Of the others. */
  readonly value: bigint
}

const NO_BYTES = new Uint8Array()

/** Throws RangeError where the bytes end too early. */
function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = view.getUint8(at++)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asUintN(64, value)
    }
    throw new RangeError('a number is too long')
  }
  while (at < bytes.length) {
    const key = Number(varint())
    const field = { number: Math.floor(key / 8), wire: key % 8, bytes: NO_BYTES, value: 0n }
    switch (field.wire) {
      case 0:
        yield { ...field, value: varint() }
        break
      case 1:
        yield { ...field, value: view.getBigUint64(at, true) }
        at += 8
        break
      case 2: {
        const length = Number(varint())
        if (length > bytes.length - at) throw new RangeError('unexpected EOF')
        yield { ...field, bytes: bytes.subarray(at, at + length) }
        at += length
        break
      }
      case 5:
        yield { ...field, value: BigInt(view.getUint32(at, true)) }
        at += 4
        break
      default:
        throw new RangeError(`wire type ${field.wire} is not supported`)
    }
  }
}

function readMessage(bytes: Uint8Array, message: Message, to: { into: Json; depth: number }): void {
  const { into, depth } = to
  if (depth > MAX_DEPTH) throw new RangeError('nested too deep')
  for (const field of fieldsOf(bytes)) {
    const [name, type = ''] = message[field.number] ?? []
    if (name === undefined) continue
    if (name === '') {
      const embedded = MESSAGES[type]
      if (embedded !== undefined) readMessage(field.bytes, embedded, { into, depth: depth + 1 })
    } else if (type.startsWith('*')) {
      const list = (into[name] ?? []) as unknown[]
      list.push(...readItems(field, type.slice(1), depth))
      into[name] = list
    } else if (type.startsWith('map:')) {
      const map = (into[name] ?? {}) as Json
      readEntry(field.bytes, { type: type.slice(4), map, depth })
      into[name] = map
    } else into[name] = readValue(field, type, depth)
  }
}

/** Numbers of a list may come packed into one field. */
function readItems(field: Field, type: string, depth: number): unknown[] {
  const isNumber = type === 'int' || type === 'uint' || type === 'bool'
  if (!isNumber || field.wire !== 2) return [readValue(field, type, depth)]
  const items: unknown[] = []
  let value = 0n
  let shift = 0n
  for (const byte of field.bytes) {
    value |= BigInt(byte & 0x7f) << shift
    shift += 7n
    if (byte >= 0x80) continue
    items.push(readValue({ ...field, wire: 0, value: BigInt.asUintN(64, value) }, type, depth))
    value = 0n
    shift = 0n
  }
  return items
}

function readEntry(bytes: Uint8Array, { type, map, depth }: { type: string; map: Json; depth: number }): void {
  let key = ''
  let value: unknown
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) key = utf8(field.bytes)
    else if (field.number === 2) value = readValue(field, type, depth)
  }
  Object.defineProperty(map, key, {
    value: value ?? (type === 'string' || type === 'bytes' ? '' : null),
    enumerable: true,
    configurable: true,
    writable: true
  })
}

function readValue(field: Field, type: string, depth: number): unknown {
  switch (type) {
    case 'string':
      return utf8(field.bytes)
    case 'bytes':
      return Buffer.from(field.bytes).toString('base64')
    case 'bool':
      return field.value !== 0n
    case 'int':
      return Number(BigInt.asIntN(64, field.value))
    case 'uint':
      return Number(field.value)
    case 'double':
      return asDouble(field.value)
  }
  if (type.startsWith('items:')) {
    return [...fieldsOf(field.bytes)].map((item) => readValue(item, type.slice('items:'.length), depth + 1))
  }
  const special = SPECIAL[type]
  if (special !== undefined) return special([...fieldsOf(field.bytes)])
  const message = MESSAGES[type]
  if (message === undefined) throw new RangeError(`no message ${type}`)
  const into: Json = {}
  readMessage(field.bytes, message, { into, depth: depth + 1 })
  return into
}

function asDouble(bits: bigint): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, bits)
  return view.getFloat64(0)
}

/** Types whose JSON is not their fields. */
const SPECIAL: Readonly<Record<string, (fields: readonly Field[]) => unknown>> = {
  [`${META}.Time`]: (fields) => time(fields, 0),
  [`${META}.MicroTime`]: (fields) => time(fields, 6),
  [`${META}.Duration`]: (fields) => `${Number(signed(fields, 1)) / 1e9}s`,
  [`${META}.FieldsV1`]: json,
  'io.k8s.apimachinery.pkg.runtime.RawExtension': json,
  'io.k8s.apimachinery.pkg.api.resource.Quantity': (fields) => text(fields, 1),
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': (fields) =>
    signed(fields, 1) === 1n ? text(fields, 3) : Number(BigInt.asIntN(32, signed(fields, 2)))
}

function signed(fields: readonly Field[], number: number): bigint {
  return BigInt.asIntN(64, fields.findLast((field) => field.number === number)?.value ?? 0n)
}

function text(fields: readonly Field[], number: number): string {
  return utf8(fields.findLast((field) => field.number === number)?.bytes ?? NO_BYTES)
}

/** An empty message is Go's zero time, in JSON null. `digits` of a second are shown. */
function time(fields: readonly Field[], digits: number): string | null {
  const seconds = signed(fields, 1)
  const nanos = signed(fields, 2)
  if (seconds === 0n && nanos === 0n) return null
  const date = new Date(Number(seconds) * 1000)
  if (Number.isNaN(date.getTime())) throw new RangeError('no time')
  const fraction = digits === 0 ? '' : `.${String(nanos).padStart(9, '0').slice(0, digits)}`
  return `${date.toISOString().slice(0, 19)}${fraction}Z`
}

function json(fields: readonly Field[]): unknown {
  const raw = text(fields, 1)
  if (raw === '') return null
  try {
    return JSON.parse(raw)
  } catch {
    throw new RangeError('embedded JSON is broken')
  }
}

function utf8(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
}
