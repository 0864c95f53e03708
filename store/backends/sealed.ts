import { type CipherGCMTypes, createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type {
  Backend,
  Counter,
  LogRecord,
  PageQuery,
  StoredObject,
  TransactionItem,
  TransactionResult
} from '../backend.ts'
import { pack, unpack } from './compression.ts'

/** 32 bytes, and the name by which what it sealed knows it (at most 255 bytes). */
export interface SealingKey {
  readonly id: string
  readonly key: Uint8Array
}

export interface SealOptions {
  /** The first seals; any of them opens. A new first one therefore seals whatever is written from then on. */
  readonly keys: readonly [SealingKey, ...SealingKey[]]
  /** Which resources are sealed. */
  readonly seals: (resource: string) => boolean
}

/** Which version of which object it is: what is sealed for one place cannot be put into another. */
interface Place {
  readonly resource: string
  readonly key: string
  readonly version: number
}

const ALGORITHM: CipherGCMTypes = 'aes-256-gcm'
/** The first byte of whatever is sealed in this form; JSON begins with another. */
const FORM = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16

/**
 * A backend that never sees the contents of some resources: their bytes are compressed, then sealed with AES-256-GCM
 * under a random nonce. Form of the bytes: FORM, length of the key's id, id, nonce, ciphertext, tag. Keys, versions,
 * times and index terms stay readable, since the backend works with them.
 */
export class SealedBackend implements Backend {
  readonly exclusive: boolean
  readonly refresh?: NonNullable<Backend['refresh']>
  private readonly inner: Backend
  private readonly options: SealOptions

  constructor(inner: Backend, options: SealOptions) {
    this.inner = inner
    this.options = options
    this.exclusive = inner.exclusive
    const refresh = inner.refresh?.bind(inner)
    if (refresh === undefined) return
    this.refresh = async (resource, key, { version, bytes }) =>
      await refresh(resource, key, { version, bytes: this.seal({ resource, key, version }, bytes) })
  }

  async get(resource: string, key: string): Promise<StoredObject | undefined> {
    return this.openObject(resource, await this.inner.get(resource, key))
  }

  async getMany(resource: string, keys: readonly string[]): Promise<readonly (StoredObject | undefined)[]> {
    return (await this.inner.getMany(resource, keys)).map((object) => this.openObject(resource, object))
  }

  async reserve(resource: string, count: number, frontier: number): Promise<number> {
    return await this.inner.reserve(resource, count, frontier)
  }

  async counter(resource: string): Promise<Counter> {
    return await this.inner.counter(resource)
  }

  async counters(resources: readonly string[]): Promise<readonly Counter[]> {
    return await this.inner.counters(resources)
  }

  async advance(resource: string, frontier: number): Promise<void> {
    await this.inner.advance(resource, frontier)
  }

  async commit(items: readonly TransactionItem[]): Promise<TransactionResult> {
    const result = await this.inner.commit(items.map((item) => this.sealItem(item)))
    const { resource } = items[result.ok ? 0 : result.item] ?? { resource: '' }
    return result.ok ? result : { ...result, current: this.openObject(resource, result.current) }
  }

  async fence(resource: string, version: number, at: number): Promise<boolean> {
    return await this.inner.fence(resource, version, at)
  }

  async readLog(resource: string, after: number, limit: number): Promise<readonly LogRecord[]> {
    return (await this.inner.readLog(resource, after, limit)).map((record) => this.openRecord(resource, record))
  }

  async readRecords(resource: string, versions: readonly number[]): Promise<readonly (LogRecord | undefined)[]> {
    const records = await this.inner.readRecords(resource, versions)
    return records.map((record) => record && this.openRecord(resource, record))
  }

  async listObjects(resource: string, query: PageQuery): ReturnType<Backend['listObjects']> {
    const { objects, next } = await this.inner.listObjects(resource, query)
    return { objects: objects.map((object) => this.openObject(resource, object) ?? object), next }
  }

  async listIndex(resource: string, term: string, query: PageQuery): ReturnType<Backend['listIndex']> {
    return await this.inner.listIndex(resource, term, query)
  }

  async count(resource: string, prefix: string, after: string): Promise<number | undefined> {
    return await this.inner.count(resource, prefix, after)
  }

  async trim(resource: string, before: number, limit: number): Promise<boolean> {
    return await this.inner.trim(resource, before, limit)
  }

  async resources(): Promise<readonly string[]> {
    return await this.inner.resources()
  }

  async close(): Promise<void> {
    await this.inner.close()
  }

  // --- sealing

  private sealItem(item: TransactionItem): TransactionItem {
    const { resource, record } = item
    if (!this.options.seals(resource)) return item
    const { key, version, replaced, bytes, previous } = record
    const sealed = (at: number, of: Uint8Array | undefined) => of && this.seal({ resource, key, version: at }, of)
    return { ...item, record: { ...record, bytes: sealed(version, bytes), previous: sealed(replaced, previous) } }
  }

  private seal(place: Place, bytes: Uint8Array): Uint8Array {
    if (!this.options.seals(place.resource)) return bytes
    const [{ id, key }] = this.options.keys
    const nonce = randomBytes(NONCE_BYTES)
    const cipher = createCipheriv(ALGORITHM, key, nonce)
    cipher.setAAD(textOf(place))
    const name = Buffer.from(id)
    const head = Buffer.from([FORM, name.length])
    return Buffer.concat([head, name, nonce, cipher.update(pack(bytes)), cipher.final(), cipher.getAuthTag()])
  }

  private openObject(resource: string, object: StoredObject | undefined): StoredObject | undefined {
    if (object?.bytes === undefined || !this.options.seals(resource)) return object
    const { key, version, at, bytes } = object
    return { key, version, at, bytes: this.open({ resource, key, version }, bytes) }
  }

  /** Opened when looked at, as the inner backend unpacks it. */
  private openRecord(resource: string, record: LogRecord): LogRecord {
    if (record.type === 'fence' || !this.options.seals(resource)) return record
    const { version, type, key, replaced, at } = record
    const opened = (of: number, bytes: Uint8Array | undefined) =>
      bytes && this.open({ resource, key, version: of }, bytes)
    return {
      version,
      type,
      key,
      replaced,
      at,
      get bytes() {
        return opened(version, record.bytes)
      },
      get previous() {
        return opened(replaced, record.previous)
      }
    }
  }

  /** Throws where it was changed, comes from another place, or its key is gone. */
  private open(place: Place, sealed: Uint8Array): Uint8Array {
    const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.length)
    const [form, length = 0] = bytes
    const name = bytes.toString('utf8', 2, 2 + length)
    const key = form === FORM ? this.options.keys.find(({ id }) => id === name)?.key : undefined
    if (key === undefined) throw new Error(`${nameOf(place)} is not sealed with a key of this cluster`)
    const body = bytes.subarray(2 + length)
    const decipher = createDecipheriv(ALGORITHM, key, body.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAAD(textOf(place))
    decipher.setAuthTag(body.subarray(-TAG_BYTES))
    try {
      const packed = Buffer.concat([decipher.update(body.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
      return unpack(packed)
    } catch (cause) {
      throw new Error(`${nameOf(place)} is not as it was sealed`, { cause })
    }
  }
}

function nameOf({ resource, key, version }: Place): string {
  return `${resource} ${key}@${version}`
}

function textOf({ resource, key, version }: Place): Uint8Array {
  return Buffer.from(`${resource}\0${key}\0${version}`)
}
