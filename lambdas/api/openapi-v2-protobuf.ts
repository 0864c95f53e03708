/**
 * A document of Swagger 2.0 as protobuf: the message openapi.v2.Document, as gnostic defines it and kubectl reads it.
 * The numbers are those of gnostic's OpenAPIv2.proto; only what openapi-v2.ts makes has a place here.
 */
import type { Json } from './openapi-paths.ts'

/** Bytes, still in parts. */
type Parts = readonly Uint8Array[]
/** The content of a message. */
type Content = (value: unknown) => Parts
/** A field with its tag; nothing for what is the default. */
type Field = (value: unknown) => Parts

export function encodeDocument(document: Json): Uint8Array {
  return Buffer.concat(documentMessage(document))
}

// --- the wire

const TRUE = Uint8Array.of(1)

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

/** Joined at once, so that no list of parts grows long. */
function delimited(number: number, content: Parts): Parts {
  const bytes = content.length === 1 && content[0] !== undefined ? content[0] : Buffer.concat(content)
  return [varint((number << 3) | 2), varint(bytes.length), bytes]
}

const utf8: Content = (value) => [Buffer.from(String(value))]
const one =
  (number: number, content: Content): Field =>
  (value) =>
    delimited(number, content(value))
const text = (number: number) => one(number, utf8)
const flag =
  (number: number): Field =>
  (value) =>
    value === true ? [varint(number << 3), TRUE] : []
const many =
  (field: Field): Field =>
  (values) =>
    (values as unknown[]).flatMap(field)

/** Extensions (x-...) go to the field of that number; a property without a field is a bug of the caller. */
function message(fields: Readonly<Record<string, Field>>, extensions?: number): Content {
  return (value) =>
    Object.entries(value as Json).flatMap(([name, property]) => {
      if (name.startsWith('x-') && extensions !== undefined) {
        return delimited(extensions, named(name, any(property)))
      }
      const field = Object.hasOwn(fields, name) ? fields[name] : undefined
      if (field === undefined) throw new Error(`Swagger's ${name} has no place in its protobuf`)
      return field(property)
    })
}

function named(name: string, content: Parts): Parts {
  return [...delimited(1, utf8(name)), ...delimited(2, content)]
}

/** An object whose properties are free, as a list of names and values in the field `number`. */
const entries =
  (number: number, content: Content): Content =>
  (value) =>
    Object.entries(value as Json).flatMap(([name, property]) => delimited(number, named(name, content(property))))

/** Any value is written as YAML, which JSON is. */
const any: Content = (value) => delimited(2, utf8(JSON.stringify(value)))

// --- the messages

const schema: Content = (value) => schemaMessage(value)
const schemaMessage = message(
  {
    $ref: text(1),
    format: text(2),
    description: text(4),
    required: many(text(19)),
    enum: many(one(20, any)),
    additionalProperties: one(21, one(1, schema)),
    type: one(22, text(1)),
    items: one(23, one(1, schema)),
    properties: one(25, entries(1, schema))
  },
  31
)

const bodyParameter = message({
  description: text(1),
  name: text(2),
  in: text(3),
  required: flag(4),
  schema: one(5, schema)
})
const queryParameter = message({
  in: text(2),
  description: text(3),
  name: text(4),
  type: text(6),
  uniqueItems: flag(20)
})
const pathParameter = message({
  required: flag(1),
  in: text(2),
  description: text(3),
  name: text(4),
  type: text(5),
  uniqueItems: flag(19)
})

/** Each sort has its own place in nested alternatives. */
const parameter: Content = (value) => {
  const { in: where } = value as Json
  if (where === 'body') return delimited(1, delimited(1, bodyParameter(value)))
  const other = where === 'path' ? one(4, pathParameter) : one(3, queryParameter)
  return delimited(1, delimited(2, other(value)))
}

const response = message({ description: text(1), schema: one(2, one(1, schema)) })

const operation = message(
  {
    tags: many(text(1)),
    operationId: text(5),
    produces: many(text(6)),
    consumes: many(text(7)),
    parameters: many(one(8, parameter)),
    responses: one(9, entries(1, one(1, response))),
    schemes: many(text(10))
  },
  13
)

const pathItem = message({
  get: one(2, operation),
  put: one(3, operation),
  post: one(4, operation),
  delete: one(5, operation),
  patch: one(8, operation),
  parameters: many(one(9, parameter))
})

const apiKey = message({ type: text(1), name: text(2), in: text(3), description: text(4) })

const documentMessage = message({
  swagger: text(1),
  info: one(2, message({ title: text(1), version: text(2) })),
  paths: one(8, entries(2, pathItem)),
  definitions: one(9, entries(1, schema)),
  security: many(one(12, entries(1, many(text(1))))),
  securityDefinitions: one(13, entries(1, one(2, apiKey)))
})
