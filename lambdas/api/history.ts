/**
 * What Kubernetes does not have: an object's earlier versions, and lists as they were. Query parameters of Wherry's own
 * on paths that are authorised as ever (docs/adr/0012-history.md), answered from the store's log.
 */
import { ApiError } from '../../core/errors.ts'
import { fieldChanges } from '../../core/field-changes.ts'
import type { ApiResponse } from '../../core/http.ts'
import type { Kind } from '../../core/kinds/kind.ts'
import { timestamp } from '../../core/ports.ts'
import type { Entry, StoreApi, StoreEvent } from '../../store/store.ts'
import { jsonAnswer, valueAnswer } from './answers.ts'
import { badRequest, notFound } from './failures.ts'
import { integer } from './options.ts'
import type { ApiContext, ResourceRequest } from './types.ts'
import { storeKey } from './update.ts'

export const HISTORY = 'wherryHistory'
export const AT = 'wherryAt'
/** Versions in one answer, and the most that may be asked for. */
const VERSIONS = 50
const MOST_VERSIONS = 500

/** GET of an object with wherryHistory: its changes, newest first. `limit` and `continue` as of a list. */
export async function history(at: ResourceRequest, { store }: ApiContext): Promise<ApiResponse> {
  const { kind, request, name = '' } = at
  const limit = Math.min(integer(request.query, 'limit') || VERSIONS, MOST_VERSIONS)
  const before = integer(request.query, 'continue')
  const key = storeKey(at)
  const options = { limit: limit + 1, ...(before === undefined ? {} : { before }) }
  const events = await store.history(kind.storage, key, options)
  const present = events.length > 0 || before !== undefined ? undefined : await store.get(kind.storage, key)
  if (events.length === 0 && before === undefined && present === undefined) throw notFound(kind, name)
  const shown = events.slice(0, limit)
  const last = shown.at(-1)
  const oldest = present ?? (events.length <= limit ? last?.previous : undefined)
  return valueAnswer(200, {
    kind: 'ObjectHistory',
    apiVersion: 'wherry.dev/v1',
    metadata: events.length > limit ? { continue: String(last?.version) } : {},
    items: [...shown.map(changeOf), ...(oldest === undefined ? [] : [keptItem(oldest)])]
  })
}

function changeOf({ type, version, entry, previous }: StoreEvent): object {
  const time = entry.at === undefined || entry.at === 0 ? {} : { time: timestamp(entry.at) }
  const changes = type === 'deleted' ? [] : fieldChanges(previous?.value, entry.value)
  return { resourceVersion: String(version), type, ...time, changes }
}

/** What was there before the log begins. */
function keptItem({ version, at }: Entry): object {
  return { resourceVersion: String(version), type: 'kept', ...(at ? { time: timestamp(at) } : {}), changes: [] }
}

/** GET of an object with wherryAt: as it was at a version or time. */
export async function getAt(at: ResourceRequest, { store }: ApiContext): Promise<ApiResponse> {
  const { kind, request, name = '' } = at
  const version = await versionOf(request.query.get(AT) ?? '', { kind, store })
  const entry = await entryAt({ kind, store, key: storeKey(at) }, version)
  if (entry === undefined) throw notFound(kind, name)
  return jsonAnswer(200, entry)
}

async function entryAt(
  { kind, store, key }: { kind: Kind; store: StoreApi; key: string },
  version: number
): Promise<Entry | undefined> {
  const current = await store.get(kind.storage, key)
  if (current !== undefined && current.version <= version) return current
  for (let before: number | undefined; ; ) {
    const events = await store.history(kind.storage, key, {
      limit: VERSIONS,
      ...(before === undefined ? {} : { before })
    })
    for (const event of events) {
      if (event.version <= version) return event.type === 'deleted' ? undefined : event.entry
    }
    const last = events.at(-1)
    if (last === undefined || last.type === 'created') {
      if (last === undefined && before === undefined && current !== undefined) throw tooOld(version)
      return undefined
    }
    if (events.length < VERSIONS) {
      if (last.previous !== undefined && last.previous.version <= version) return last.previous
      throw tooOld(version)
    }
    before = last.version
  }
}

function tooOld(version: number): ApiError {
  return new ApiError('Expired', `too old resource version: ${version}`)
}

/** The version that "wherryAt" means: a number, or a time as in 2026-05-01T12:00:00Z. Throws BadRequest. */
export async function versionOf(text: string, { kind, store }: { kind: Kind; store: StoreApi }): Promise<number> {
  if (/^[0-9]{1,15}$/.test(text)) return Number(text)
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(ms)) throw badRequest(`${AT}: expected a resourceVersion or a time as in 2026-05-01T12:00:00Z`)
  // What was written in the named second is part of it.
  return await store.versionAt(kind.storage, /\.\d/.test(text) ? ms : ms + 999)
}
