/** JSON patches (RFC 6902), with the habits of the library that kube-apiserver uses (evanphx/json-patch). */
import { ApiError } from '../errors.ts'
import { isObject, type JsonObject, ownOf, sameJson, setOwn } from '../json.ts'

/** kube-apiserver's own bounds: operations in one patch, and bytes that its "copy" operations may add. */
const MOST_OPERATIONS = 10_000
const MOST_COPIED_BYTES = 3 * 1024 * 1024

interface Operation {
  readonly op: unknown
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
      path: pointer(ownOf(one, 'path')),
      from: from === undefined ? undefined : pointer(from),
      value: ownOf(one, 'value') ?? null,
      hasValue: Object.hasOwn(one, 'value')
    }
  })
}

function fail(): never {
  throw new ApiError('Invalid', 'the server rejected our request due to an error in our request', { details: {} })
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

  apply({ op, path, from, value, hasValue }: Operation): void {
    switch (op) {
      case 'add':
      case 'replace':
        if (!hasValue) fail()
        if (op === 'replace') this.find(path)
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
        const copied = from === undefined ? fail() : this.find(from)
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

  /** The value there; fails when there is none, unless a missing member may stand for null (test). */
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
