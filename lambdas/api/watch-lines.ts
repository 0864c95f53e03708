/** The lines of a watch: each made once for a version, and shared by all who watch in the same form. */
import type { ApiError } from '../../core/errors.ts'
import type { Payload, WatchEventType, WatchLine } from '../../core/http.ts'
import { apiVersionOf, type Kind } from '../../core/kinds/kind.ts'
import type { KubeObject } from '../../core/object.ts'
import type { Entry } from '../../store/store.ts'
import type { Shape } from './negotiate.ts'
import { type IncludeObject, metadataOnly, table } from './table.ts'

/** How an event is written where that is not a line of JSON. */
type Frame = (type: WatchEventType, object: Payload | KubeObject) => Uint8Array

interface ViewOptions {
  readonly shape: Shape
  readonly frame: Frame | undefined
  readonly include: IncludeObject
  readonly now: () => number
}

/** Lines of one version, by form and type. They live as long as the version does. */
const shared = new WeakMap<Entry, Map<string, WatchLine>>()

/** How one watcher sees objects. */
export class View {
  private readonly kind: Kind
  private readonly options: ViewOptions
  private readonly form: string
  private headers = true

  constructor(kind: Kind, options: ViewOptions) {
    this.kind = kind
    this.options = options
    const shape = options.shape === 'table' ? `table ${options.include}` : options.shape
    this.form = options.frame === undefined ? shape : `${shape} framed`
  }

  line(type: Exclude<WatchEventType, 'BOOKMARK' | 'ERROR'>, entry: Entry): WatchLine {
    const { shape, frame } = this.options
    if (shape === 'whole') {
      if (frame === undefined) return remember(entry, type, () => new EntryLine(type, entry))
      return remember(entry, `${type} framed`, () => new FramedEntry(type, entry, frame))
    }
    if (shape === 'table' && this.headers) {
      this.headers = false
      return this.made(type, this.transform(entry.value, false))
    }
    return remember(entry, `${type} ${this.form}`, () => this.made(type, this.transform(entry.value, true)))
  }

  /** A deletion as the selector sees it: the old object at the new version. */
  left(entry: Entry, previous: Entry): WatchLine {
    const make = () => {
      const { value } = previous
      const object = { ...value, metadata: { ...value.metadata, resourceVersion: String(entry.version) } }
      return this.made('DELETED', this.transform(object, true))
    }
    return remember(entry, `LEFT ${this.form}`, make)
  }

  bookmark(version: number, annotations?: Record<string, string>): WatchLine {
    const metadata = {
      resourceVersion: String(version),
      creationTimestamp: null as unknown as string,
      ...(annotations === undefined ? {} : { annotations })
    }
    const object = { kind: this.kind.kind, apiVersion: apiVersionOf(this.kind), metadata }
    return this.made('BOOKMARK', this.transform(object, true))
  }

  error(error: ApiError): WatchLine {
    return this.made('ERROR', error.toStatus() as unknown as KubeObject)
  }

  private made(type: WatchEventType, object: KubeObject): WatchLine {
    return new ObjectLine(type, object, this.options.frame)
  }

  private transform(object: KubeObject, noHeaders: boolean): KubeObject {
    const { shape, include, now } = this.options
    switch (shape) {
      case 'whole':
        return object
      case 'metadata':
        return metadataOnly(object)
      case 'table': {
        const metadata = { resourceVersion: object.metadata.resourceVersion }
        return table(this.kind, [object], { now: now(), include, noHeaders, metadata })
      }
    }
  }
}

function remember(entry: Entry, key: string, make: () => WatchLine): WatchLine {
  let lines = shared.get(entry)
  if (lines === undefined) {
    lines = new Map()
    shared.set(entry, lines)
  }
  let line = lines.get(key)
  if (line === undefined) {
    line = make()
    lines.set(key, line)
  }
  return line
}

const END = Buffer.from('}\n')

/** A line around the stored bytes. They are joined for a moment only: kept, each version would be held twice. */
class EntryLine implements WatchLine {
  readonly type: WatchEventType
  private readonly entry: Entry
  private joined: WeakRef<Uint8Array> | undefined

  constructor(type: WatchEventType, entry: Entry) {
    this.type = type
    this.entry = entry
  }

  get object(): KubeObject {
    return this.entry.value
  }

  bytes(): Uint8Array {
    const known = this.joined?.deref()
    if (known !== undefined) return known
    const bytes = Buffer.concat([Buffer.from(`{"type":"${this.type}","object":`), this.entry.bytes(), END])
    this.joined = new WeakRef(bytes)
    return bytes
  }
}

/** As EntryLine, in protobuf. */
class FramedEntry implements WatchLine {
  readonly type: WatchEventType
  private readonly entry: Entry
  private readonly frame: Frame
  private framed: WeakRef<Uint8Array> | undefined

  constructor(type: WatchEventType, entry: Entry, frame: Frame) {
    this.type = type
    this.entry = entry
    this.frame = frame
  }

  get object(): KubeObject {
    return this.entry.value
  }

  bytes(): Uint8Array {
    const known = this.framed?.deref()
    if (known !== undefined) return known
    const bytes = this.frame(this.type, this.entry)
    this.framed = new WeakRef(bytes)
    return bytes
  }
}

class ObjectLine implements WatchLine {
  readonly type: WatchEventType
  readonly object: KubeObject
  private readonly frame: Frame | undefined
  private made: Uint8Array | undefined

  constructor(type: WatchEventType, object: KubeObject, frame: Frame | undefined) {
    this.type = type
    this.object = object
    this.frame = frame
  }

  bytes(): Uint8Array {
    this.made ??=
      this.frame?.(this.type, this.object) ??
      Buffer.from(`{"type":"${this.type}","object":${JSON.stringify(this.object)}}\n`)
    return this.made
  }
}
