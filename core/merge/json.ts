/** JSON patches (RFC 6902), with the habits of the library that kube-apiserver uses (evanphx/json-patch). */
import { ApiError } from '../errors.ts'
import { isObject, type JsonObject, ownOf, sameJson, setOwn } from '../json.ts'

/** kube-apiserver's own bounds: operations in one patch, and bytes that its "copy" operations may add. */
const MOST_OPERATIONS = 10_000
const MOST_COPIED_BYTES = 3 * 1024 * 1024

/** An operation that does not apply: the 422 of kube-apiserver, which keeps to itself what webhooks are told. */
export class JsonPatchError extends ApiError {
  /** As the library says it: "testing value /a failed: test failed". */
  readonly why: string

  constructor(why = '') {
    super('Invalid', 'the server rejected our request due to an error in our request', { details: {} })
    this.why = why
  }
}

interface Operation {
  readonly op: unknown
  /** As they came, for messages. */
  readonly texts: { readonly path: string; readonly from: string }
  readonly path: string[]
  readonly from: string[] | undefined
  readonly value: unknown
  readonly hasValue: boolean
}

/**
 * `live` is not changed; the answer shares with it. Throws BadRequest for what is no patch, RequestEntityTooLarge for
 * more than 10,000 operations, and for an operation that fails the 422 of kube-apiserver, which does not say which.
 */
export function jsonPatch(live: JsonObject, patch: unknown): JsonObject {
  const draft = new Draft(live)
  for (const operation of readOperations(patch)) draft.apply(operation)
  return isObject(draft.document) ? draft.document : fail()
}

function readOperations(patch: unknown): Operation[] {
  if (!Array.isArray(patch)) {
    const type = isObject(patch) ? 'object' : typeof patch === 'boolean' ? 'bool' : typeof patch
    throw new ApiError('BadRequest', `json: cannot unmarshal ${type} into Go value of type jsonpatch.Patch`)
  }
  if (patch.length > MOST_OPERATIONS)
    throw new ApiError(
      'RequestEntityTooLarge',
      `Request entity is too large: The allowed maximum operations in a JSON patch is ${MOST_OPERATIONS}, got ${patch.length}`
    )
  return patch.map((one) => {
    if (!isObject(one))
      throw new ApiError(
        'BadRequest',
        `json: cannot unmarshal ${Array.isArray(one) ? 'array' : typeof one} into Go value of type jsonpatch.Operation`
      )
    const from = ownOf(one, 'from')
    return {
      op: ownOf(one, 'op'),
      texts: { path: String(ownOf(one, 'path')), from: String(from) },
      path: pointer(ownOf(one, 'path')),
      from: from === undefined ? undefined : pointer(from),
      value: ownOf(one, 'value') ?? null,
      hasValue: Object.hasOwn(one, 'value')
    }
  })
}

function fail(): never {
  throw new JsonPatchError()
}

/** "/a~1b/0" as ["a/b", "0"]. */
function pointer(text: unknown): string[] {
  if (text === '') return []
  if (typeof text !== 'string' || !text.startsWith('/')) return fail()
  return text
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** A list's index up to `most`; negative ones count from the end, as in the library. */
function index(part: string, most: number): number {
  if (!/^-?(?:0|[1-9]\d*)$/.test(part)) return fail()
  const given = Number(part)
  const found = given < 0 ? given + most + 1 : given
  return found < 0 || found > most ? fail() : found
}

type Container = JsonObject | unknown[]

class Draft {
  document: unknown
  /** Containers that only this document refers to: they are changed in place, or each operation would copy them. */
  private readonly own = new WeakSet<object>()
  private copiedBytes = 0

  constructor(document: JsonObject) {
    this.document = document
  }

  apply(operation: Operation): void {
    try {
      this.perform(operation)
    } catch (error) {
      if (!(error instanceof JsonPatchError)) throw error
      throw new JsonPatchError(explain(operation, (path) => this.parentOf(path)))
    }
  }

  private perform({ op, path, from, value, hasValue }: Operation): void {
    switch (op) {
      case 'add':
      case 'replace':
        if (!hasValue) fail()
        if (op === 'replace') this.find(path, true)
        this.put(path, value, op === 'add')
        break
      case 'remove':
        this.remove(path)
        break
      case 'move': {
        if (from === undefined || (path.length > from.length && from.every((part, i) => part === path[i]))) fail()
        const moved = this.find(from)
        this.remove(from)
        this.put(path, moved, true)
        break
      }
      case 'copy': {
        const copied = from === undefined ? fail() : this.find(from, true)
        this.copiedBytes += JSON.stringify(copied).length
        if (this.copiedBytes > MOST_COPIED_BYTES) fail()
        this.put(path, structuredClone(copied), true)
        break
      }
      case 'test':
        if (!sameJson(this.find(path, true) ?? null, value)) fail()
        break
      default:
        fail()
    }
  }

  private parentOf(path: readonly string[]): unknown {
    try {
      return this.find(path.slice(0, -1))
    } catch {
      return undefined
    }
  }

  /** The value there; fails when there is none, unless a missing member may stand for null, as in the library. */
  private find(path: readonly string[], missingIsNull = false): unknown {
    let at = this.document
    for (const [depth, part] of path.entries()) {
      if (Array.isArray(at)) at = at[index(part, at.length - 1)]
      else if (isObject(at) && Object.hasOwn(at, part)) at = at[part]
      else if (isObject(at) && missingIsNull && depth === path.length - 1) at = null
      else return fail()
    }
    return at
  }

  private put(path: readonly string[], value: unknown, insert: boolean): void {
    const part = path.at(-1)
    if (part === undefined) {
      this.document = value
      return
    }
    const parent = this.openParent(path)
    if (!Array.isArray(parent)) setOwn(parent, part, value)
    else if (insert) parent.splice(part === '-' ? parent.length : index(part, parent.length), 0, value)
    else parent[index(part, parent.length - 1)] = value
  }

  private remove(path: readonly string[]): void {
    const part = path.at(-1) ?? fail()
    const parent = this.openParent(path)
    if (Array.isArray(parent)) parent.splice(index(part, parent.length - 1), 1)
    else if (Object.hasOwn(parent, part)) delete parent[part]
    else fail()
  }

  /** The container of the path's last part; it and all above it are our own afterwards. */
  private openParent(path: readonly string[]): Container {
    let parent = this.opened(this.document)
    this.document = parent
    for (const part of path.slice(0, -1)) {
      let child: Container
      if (Array.isArray(parent)) {
        const at = index(part, parent.length - 1)
        child = this.opened(parent[at])
        parent[at] = child
      } else {
        child = this.opened(ownOf(parent, part))
        setOwn(parent, part, child)
      }
      parent = child
    }
    return parent
  }

  private opened(value: unknown): Container {
    if (typeof value !== 'object' || value === null) return fail()
    if (this.own.has(value)) return value as Container
    const copy: Container = Array.isArray(value) ? [...value] : { ...value }
    this.own.add(copy)
    return copy
  }
}

/** What the library says of an operation that failed. */
function explain(
  { op, path, from, texts, hasValue }: Operation,
  parentOf: (path: readonly string[]) => unknown
): string {
  if ((op === 'add' || op === 'replace') && !hasValue) return 'operation, missing value field: missing value'
  const isMissing = (at: readonly string[]) => typeof (parentOf(at) ?? undefined) !== 'object'
  const last = (at: readonly string[]) => at.at(-1) ?? ''
  switch (op) {
    case 'add':
    case 'remove':
      if (isMissing(path)) return `${op} operation does not apply: doc is missing path: "${texts.path}": missing value`
      if (op === 'remove' && !Array.isArray(parentOf(path)))
        return `error in remove for path: '${texts.path}': Unable to remove nonexistent key: ${last(path)}: missing value`
      return `error in ${op} for path: '${texts.path}': ${indexProblem(last(path), op)}`
    case 'replace': {
      const what = isMissing(path) ? 'path' : 'key'
      return `replace operation does not apply: doc is missing ${what}: ${texts.path}: missing value`
    }
    case 'move':
    case 'copy':
      if (from === undefined)
        return `${op} operation failed to decode from: operation, missing from field: missing value`
      if (isMissing(from))
        return `${op} operation does not apply: doc is missing from path: ${texts.from}: missing value`
      if (!isMissing(path)) {
        const why = Array.isArray(parentOf(from))
          ? indexProblem(last(from), op)
          : `Unable to remove nonexistent key: ${last(from)}: missing value`
        return `error in ${op} for ${op === 'move' ? 'path' : 'from'}: '${texts.from}': ${why}`
      }
      return `${op} operation does not apply: doc is missing destination path: ${texts.path}: missing value`
    case 'test':
      if (isMissing(path)) return `test operation does not apply: is missing path: ${texts.path}: missing value`
      return `testing value ${texts.path} failed: test failed`
    default:
      return `Unexpected kind: ${typeof op === 'string' ? op : 'unknown'}`
  }
}

function indexProblem(part: string, op: string): string {
  if (/^[+-]?\d+$/.test(part)) return `Unable to access invalid index: ${Number(part)}: invalid index referenced`
  const why = `strconv.Atoi: parsing ${JSON.stringify(part)}: invalid syntax`
  return op === 'add' ? `value was not a proper array index: '${part}': ${why}` : why
}
