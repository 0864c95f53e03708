/**
 * Writes answers in Kubernetes' protobuf encoding, which client-go's typed clients ask for first. A message is written
 * from its end to its beginning, so that every length is known when it is due. Loaded when somebody first asks.
 */
import type { Payload, WatchEventType } from '../../core/http.ts'
import type { Schema } from '../../core/kinds/schemas.ts'
import { schemaOf } from '../../core/kinds/schemas.ts'
import type { KubeObject } from '../../core/object.ts'
import type { ListPayload } from './list.ts'
import {
  BYTES,
  FIXED64,
  MAGIC,
  SCHEMA_PROPS,
  type Shape,
  SPECIAL,
  schemaNameOf,
  shapeOf,
  VARINT
} from './protobuf-schema.ts'

type Fields = Readonly<Record<string, unknown>>
/** Writes a field, its number included. `value` is neither undefined nor null. */
type Write = (out: Output, value: unknown) => void

/** Characters. */
const SHORT = 40

/** A buffer that is filled from its end. */
class Output {
  private buffer = Buffer.allocUnsafeSlow(64 * 1024)
  private at = this.buffer.length

  /** How much is written. */
  get length(): number {
    return this.buffer.length - this.at
  }

  reset(): void {
    this.at = this.buffer.length
  }

  taken(): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.buffer.subarray(this.at))
  }

  /** Makes room for so many bytes and goes back by them. */
  private back(size: number): number {
    if (size > this.at) {
      const held = this.length
      const larger = Buffer.allocUnsafeSlow(Math.max(this.buffer.length * 2, (held + size) * 2))
      this.buffer.copy(larger, larger.length - held, this.at)
      this.buffer = larger
      this.at = larger.length - held
    }
    this.at -= size
    return this.at
  }

  bytes(value: Uint8Array): void {
    const at = this.back(value.length)
    this.buffer.set(value, at)
  }

  text(value: string): void {
    if (value.length <= SHORT && this.ascii(value)) return
    const size = Buffer.byteLength(value)
    const at = this.back(size)
    this.buffer.write(value, at, size, 'utf8')
  }

  /** Short names and numbers are most of all texts: a loop is faster than a call of the runtime. */
  private ascii(value: string): boolean {
    const at = this.back(value.length)
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i)
      if (code > 0x7f) {
        this.at += value.length
        return false
      }
      this.buffer[at + i] = code
    }
    return true
  }

  varint(value: number): void {
    if (value < 0 || value > 0xfffffff) {
      this.longVarint(BigInt.asUintN(64, BigInt(Math.trunc(value))))
      return
    }
    const size = value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x200000 ? 3 : 4
    let at = this.back(size)
    let rest = value
    for (let i = 1; i < size; i++) {
      this.buffer[at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.buffer[at] = rest
  }

  private longVarint(value: bigint): void {
    const bytes: number[] = []
    let rest = value
    for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
    bytes.push(Number(rest))
    this.bytes(Uint8Array.from(bytes))
  }

  double(value: number): void {
    const at = this.back(8)
    this.buffer.writeDoubleLE(value, at)
  }

  /** The length of what was written since `before`, and the number of the field that it is. */
  close(number: number, before: number): void {
    this.varint(this.length - before)
    this.varint(number * 8 + BYTES)
  }
}

/** One for all: nothing waits within the writing of a message. */
const output = new Output()

// --- the writers of each type, made when first needed

const messages = new Map<string, Write>()

/** Writes the fields of a message of this schema, without a number of its own. */
function messageWriter(name: string): Write {
  const known = messages.get(name)
  if (known !== undefined) return known
  let write: Write | undefined
  // Types may hold themselves (JSONSchemaProps).
  const lazy: Write = (out, value) => {
    write ??= fieldsWriter(shapeOf(name) ?? { numbers: {}, properties: {} })
    write(out, value)
  }
  messages.set(name, lazy)
  return lazy
}

function fieldsWriter({ numbers, properties }: Shape): Write {
  const fields = Object.entries(numbers)
    .sort(([a], [b]) => Number(b) - Number(a))
    .map(([key, name]) => {
      const number = Number(key)
      if (typeof name !== 'string') {
        const inner = fieldsWriter({ numbers: name, properties })
        return { name: undefined, write: embedded(number, inner) }
      }
      return { name, write: fieldWriter(number, properties[name] ?? {}) }
    })
  return (out, value) => {
    for (const { name, write } of fields) {
      if (name === undefined) {
        write(out, value)
        continue
      }
      const field = (value as Fields)[name]
      if (field !== undefined && field !== null) write(out, field)
    }
  }
}

/** A message whose fields are the outer one's own. */
function embedded(number: number, inner: Write): Write {
  return (out, value) => {
    const before = out.length
    inner(out, value)
    out.close(number, before)
  }
}

function fieldWriter(number: number, schema: Schema): Write {
  if (schema.type === 'array') {
    if (schema.format === 'message')
      return embedded(number, fieldWriter(1, { type: 'array', items: schema.items ?? {} }))
    const write = valueWriter(number, schema.items ?? {})
    return (out, value) => {
      const list = value as readonly unknown[]
      for (let i = list.length - 1; i >= 0; i--) write(out, list[i] ?? {})
    }
  }
  const { additionalProperties } = schema
  if (additionalProperties === undefined) return valueWriter(number, schema)
  const write = valueWriter(2, additionalProperties)
  return (out, value) => {
    const map = value as Fields
    for (const key of Object.keys(map).sort().reverse()) {
      const before = out.length
      const entry = map[key]
      if (entry !== undefined && entry !== null) write(out, entry)
      textField(out, 1, key)
      out.close(number, before)
    }
  }
}

function textField(out: Output, number: number, text: string): void {
  const before = out.length
  out.text(text)
  out.close(number, before)
}

function valueWriter(number: number, schema: Schema): Write {
  if (schema.$ref !== undefined) return referenceWriter(number, schema.$ref)
  switch (schema.type) {
    case 'integer':
      return (out, value) => {
        out.varint(Number(value))
        out.varint(number * 8 + VARINT)
      }
    case 'boolean':
      return (out, value) => {
        out.varint(value === true ? 1 : 0)
        out.varint(number * 8 + VARINT)
      }
    case 'number':
      return (out, value) => {
        out.double(Number(value))
        out.varint(number * 8 + FIXED64)
      }
    case 'array': {
      // A list as a map's value is a message with the list as its only field.
      const list = fieldWriter(1, schema)
      return embedded(number, list)
    }
    default:
      if (schema.format === 'byte') {
        return (out, value) => {
          const before = out.length
          out.bytes(Buffer.from(String(value), 'base64'))
          out.close(number, before)
        }
      }
      return (out, value) => textField(out, number, typeof value === 'string' ? value : '')
  }
}

function referenceWriter(number: number, name: string): Write {
  switch (name) {
    case SPECIAL.quantity:
      return embedded(number, (out, value) => textField(out, 1, String(value)))
    case SPECIAL.intOrString:
      return embedded(number, intOrString)
    case SPECIAL.time:
    case SPECIAL.microTime:
      return embedded(number, time)
    case SPECIAL.rawExtension:
    case SPECIAL.fields:
    case SPECIAL.json:
      return embedded(number, (out, value) => textField(out, 1, JSON.stringify(value)))
    case SPECIAL.schemaOrBool:
    case SPECIAL.schemaOrList:
    case SPECIAL.schemaOrTexts:
      return embedded(number, (out, value) => schemaOr(out, value, name))
    default: {
      // A schema without fields stands for a plain type, or for a message without any.
      if (shapeOf(name) !== undefined) return embedded(number, messageWriter(name))
      const { type = 'object', format } = schemaOf(name)
      if (type === 'object') return embedded(number, () => {})
      return valueWriter(number, { type, ...(format === undefined ? {} : { format }) })
    }
  }
}

function intOrString(out: Output, value: unknown): void {
  const isText = typeof value === 'string'
  textField(out, 3, isText ? value : '')
  out.varint(isText ? 0 : Number(value))
  out.varint(2 * 8 + VARINT)
  out.varint(isText ? 1 : 0)
  out.varint(8 + VARINT)
}

function time(out: Output, value: unknown): void {
  const text = String(value)
  const ms = Date.parse(text)
  if (Number.isNaN(ms)) return
  const fraction = /\.(\d{1,9})/.exec(text)?.[1] ?? ''
  out.varint(Number(fraction.padEnd(9, '0')))
  out.varint(2 * 8 + VARINT)
  out.varint(Math.floor(ms / 1000))
  out.varint(8 + VARINT)
}

/** Of a CustomResourceDefinition's schema: another one, or what may stand in its place. */
function schemaOr(out: Output, value: unknown, name: string): void {
  const schema = embedded(name === SPECIAL.schemaOrBool ? 2 : 1, messageWriter(SCHEMA_PROPS))
  if (Array.isArray(value)) {
    const one = embedded(2, messageWriter(SCHEMA_PROPS))
    for (const item of value.toReversed()) {
      if (typeof item === 'string') textField(out, 2, item)
      else one(out, item)
    }
    return
  }
  if (typeof value !== 'boolean') schema(out, value)
  if (name !== SPECIAL.schemaOrBool) return
  // A schema allows what fits it.
  out.varint(value === false ? 0 : 1)
  out.varint(8 + VARINT)
}

// --- whole answers

/** Messages of versions, for as long as there is memory to spare: they are made again when somebody asks. */
const encodedVersions = new WeakMap<Payload, WeakRef<Uint8Array>>()

/** The message of a version, without the type around it. */
function messageOf(version: Payload, schema: string): Uint8Array {
  const known = encodedVersions.get(version)?.deref()
  if (known !== undefined) return known
  const bytes = plainMessage(version.value, schema)
  encodedVersions.set(version, new WeakRef(bytes))
  return bytes
}

function plainMessage(value: unknown, schema: string): Uint8Array {
  output.reset()
  messageWriter(schema)(output, value)
  return output.taken()
}

interface Type {
  readonly apiVersion: string
  readonly kind: string
}

function typeOf(value: unknown): Type | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { apiVersion = '', kind } = value as { apiVersion?: unknown; kind?: unknown }
  return typeof kind === 'string' && typeof apiVersion === 'string' ? { apiVersion, kind } : undefined
}

/** runtime.Unknown around a message: its type, its bytes, and that neither is encoded further. */
function wrapped({ apiVersion, kind }: Type, parts: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const part of parts) size += part.length
  output.reset()
  textField(output, 2, kind)
  textField(output, 1, apiVersion)
  output.close(1, 0)
  const head = output.taken()
  output.reset()
  output.varint(size)
  output.varint(2 * 8 + BYTES)
  const end = Buffer.from([3 * 8 + BYTES, 0, 4 * 8 + BYTES, 0])
  return Buffer.concat([MAGIC, head, output.taken(), ...parts, end])
}

/** The answer's body; undefined: protobuf has no message for it. */
export function protobufOf(payload: Payload): Uint8Array | undefined {
  if (isList(payload)) return listBody(payload)
  const { value } = payload
  const type = typeOf(value)
  const schema = type === undefined ? undefined : schemaNameOf(type)
  if (type === undefined || schema === undefined) return undefined
  return wrapped(type, [messageOf(payload, schema)])
}

function isList(payload: Payload): payload is ListPayload {
  return 'entries' in payload
}

function listBody({ head, entries }: ListPayload): Uint8Array | undefined {
  const schema = schemaNameOf(head)
  if (schema === undefined) return undefined
  const item = schemaOf(schema).properties?.items?.items?.$ref
  if (item === undefined) return undefined
  const parts: Uint8Array[] = [plainMessage({ metadata: head.metadata }, schema)]
  for (const entry of entries) {
    const message = messageOf(entry, item)
    output.reset()
    output.varint(message.length)
    output.varint(2 * 8 + BYTES)
    parts.push(output.taken(), message)
  }
  return wrapped(head, parts)
}

/** One frame of a watch: its length in four bytes, then the event, whose object is a whole body. */
export function protobufFrame(type: WatchEventType, object: Payload | KubeObject): Uint8Array {
  const body = protobufOf('bytes' in object && 'value' in object ? (object as Payload) : plainPayload(object))
  output.reset()
  if (body !== undefined) output.bytes(body)
  output.close(1, 0)
  output.close(2, 0)
  textField(output, 1, type)
  const event = output.taken()
  const length = Buffer.alloc(4)
  length.writeUInt32BE(event.length)
  return Buffer.concat([length, event])
}

function plainPayload(value: unknown): Payload {
  return { value, bytes: () => new Uint8Array() }
}
