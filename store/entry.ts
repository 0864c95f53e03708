import { ApiError } from '../core/errors.ts'
import type { KubeObject } from '../core/object.ts'
import type { Entry } from './store.ts'

/** The largest JSON of one object, as etcd's default request limit (1.5 MiB). */
export const MAX_OBJECT_BYTES = 1.5 * 1024 * 1024

/**
 * Parsed objects cost four times their JSON, so only so many are kept; the rest are parsed again when somebody asks.
 * First in, first out, with a second chance for what was used meanwhile.
 */
export class ParsedBudget {
  private queue: StoredEntry[] = []
  private head = 0
  private held = 0
  private readonly limit: number

  /** `limit`: bytes of JSON whose parsed form may be held. */
  constructor(limit = 12 * 1024 * 1024) {
    this.limit = limit
  }

  hold(entry: StoredEntry): void {
    this.queue.push(entry)
    this.held += entry.size
    while (this.held > this.limit && this.queue.length - this.head > 1) this.dropOldest()
    if (this.head > 1024 && this.head * 2 > this.queue.length) {
      this.queue = this.queue.slice(this.head)
      this.head = 0
    }
  }

  private dropOldest(): void {
    const entry = this.queue[this.head++] as StoredEntry
    if (entry.passOver()) this.queue.push(entry)
    else this.held -= entry.size
  }
}

/** A version as the store keeps it: its JSON, and its parsed form as long as the budget allows. */
export class StoredEntry implements Entry {
  readonly resource: string
  readonly key: string
  readonly version: number
  /** When it was written, in milliseconds since 1970. */
  readonly at: number
  private readonly json: Uint8Array
  private readonly budget: ParsedBudget
  private parsed: KubeObject | undefined
  private used = false

  constructor(
    of: {
      readonly resource: string
      readonly key: string
      readonly version: number
      readonly at: number
      readonly bytes: Uint8Array
    },
    budget: ParsedBudget,
    parsed?: KubeObject
  ) {
    this.resource = of.resource
    this.key = of.key
    this.version = of.version
    this.at = of.at
    this.json = of.bytes
    this.budget = budget
    this.parsed = parsed
    if (parsed !== undefined) budget.hold(this)
  }

  get size(): number {
    return this.json.byteLength
  }

  get value(): KubeObject {
    this.used = true
    if (this.parsed === undefined) {
      this.parsed = parse(this.json)
      this.budget.hold(this)
    }
    return this.parsed
  }

  /** The parsed form without a claim to be kept: for a look at many objects at once. */
  glance(): KubeObject {
    return this.parsed ?? parse(this.json)
  }

  bytes(): Uint8Array {
    return this.json
  }

  /** The budget's turn: true where it was used since the last one, else the parsed form goes. */
  passOver(): boolean {
    const used = this.used
    this.used = false
    if (!used) this.parsed = undefined
    return used
  }
}

function parse(json: Uint8Array): KubeObject {
  return JSON.parse(Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8')) as KubeObject
}

/**
 * Sets the object's resourceVersion and encodes it, kind and apiVersion first. Returns the object in that order too.
 * Throws ApiError RequestEntityTooLarge.
 */
export function encode(
  object: KubeObject,
  version: number
): { readonly value: KubeObject; readonly bytes: Uint8Array } {
  object.metadata.resourceVersion = String(version)
  let value = object
  const fields = Object.keys(object)
  if (fields[0] !== 'kind' || fields[1] !== 'apiVersion') {
    const { kind, apiVersion, ...rest } = object
    value = { kind, apiVersion, ...rest }
  }
  const bytes = Buffer.from(JSON.stringify(value))
  if (bytes.byteLength > MAX_OBJECT_BYTES) {
    throw new ApiError('RequestEntityTooLarge', 'etcdserver: request is too large')
  }
  return { value, bytes }
}
