/** GET with watch: changes as lines, each made once and shared by all who watch in the same form. */
import { CAUGHT_UP } from '../../core/client.ts'
import { ApiError } from '../../core/errors.ts'
import type { ApiResponse, WatchLine } from '../../core/http.ts'
import type { KubeObject } from '../../core/object.ts'
import type { StoreEvent, StoreWatch } from '../../store/store.ts'
import { internalError } from './answers.ts'
import { type Selection, selectionOf } from './list.ts'
import { checkStream, formOf, hasMessage, PROTOBUF } from './negotiate.ts'
import { type ListSettings, listSettings } from './options.ts'
import { includeObject } from './table.ts'
import type { ApiContext, ResourceRequest } from './types.ts'
import { View } from './watch-lines.ts'

/** Kubernetes ends a watch without a timeout after a random time in [1, 2) of this: 30 minutes. */
const MIN_TIMEOUT_MS = 1_800_000
/** A timer's longest time is 24 days. */
const MAX_TIMEOUT_MS = 86_400_000
const BOOKMARK_EVERY_MS = 60_000
/** The last bookmark comes so long before a watch ends. */
const LAST_BOOKMARK_MS = 2_000
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end'

type Lines = readonly WatchLine[]

export async function watch(at: ResourceRequest, context: ApiContext): Promise<ApiResponse> {
  const { request } = at
  const settings = listSettings(request.query, true)
  const protobuf = hasMessage(at.kind)
  const form = formOf(request.headers.accept, { streams: true, protobuf })
  checkStream(form, protobuf)
  const { shape } = form
  const frame = form.media === 'protobuf' ? (await import('./protobuf-encode.ts')).protobufFrame : undefined
  const watcher: Watcher = {
    at,
    context,
    settings,
    selection: selectionOf(at, settings),
    view: new View(at.kind, {
      shape,
      frame,
      include: includeObject(request.query),
      now: () => context.ports.clock.now()
    })
  }
  const type = frame === undefined ? 'application/json' : `${PROTOBUF};stream=watch`
  return { status: 200, headers: { 'content-type': type }, body: { watch: lines(watcher) } }
}

interface Watcher {
  readonly at: ResourceRequest
  readonly context: ApiContext
  readonly settings: ListSettings
  readonly selection: Selection
  readonly view: View
}

/** Failures become a last line: the answer has begun. */
async function* lines(watcher: Watcher): AsyncGenerator<Lines, void, undefined> {
  const { at, context, settings } = watcher
  const stop = new AbortController()
  const abort = () => stop.abort()
  const asked = settings.timeoutSeconds ?? 0
  const wantedMs =
    asked > 0 ? Math.min(asked * 1000, MAX_TIMEOUT_MS) : MIN_TIMEOUT_MS * (1 + context.ports.random.next())
  const timeoutMs = Math.min(wantedMs, at.request.hold?.ms ?? wantedMs)
  const endsAt = context.ports.clock.now() + timeoutMs
  const timer = context.ports.clock.after(timeoutMs, abort)
  at.request.signal?.addEventListener('abort', abort, { once: true })
  if (at.request.signal?.aborted === true) abort()
  try {
    const state = initial(watcher)
    let told = false
    let step = await state.next()
    for (; step.done !== true; step = await state.next()) {
      told = true
      yield step.value
    }
    const from = step.value
    // Twice for whoever asked for the state's end: a watch that ends with nothing after it looks broken to client-go.
    if (told && at.request.hold?.untilEvents === true) yield* lastBookmark(watcher, from)
    else if (settings.untilNow) yield* catchUp(watcher, from, stop.signal)
    else yield* follow(watcher, { from, signal: stop.signal, endsAt })
  } catch (error) {
    if (stop.signal.aborted) return
    if (!(error instanceof ApiError)) context.ports.log.error({ error }, 'a watch failed')
    yield [watcher.view.error(error instanceof ApiError ? error : internalError(error))]
  } finally {
    timer.cancel()
    at.request.signal?.removeEventListener('abort', abort)
    abort()
  }
}

/** The state to begin with, where the client wants it; returns the version to go on from. */
async function* initial(watcher: Watcher): AsyncGenerator<Lines, number, undefined> {
  const { at, context, settings, selection, view } = watcher
  const { resourceVersion, initialEvents } = settings
  const wantsState = initialEvents ?? (resourceVersion === undefined || resourceVersion === 0)
  if (!wantsState) return resourceVersion ?? (await context.store.version(at.kind.storage))
  const least = resourceVersion === undefined || resourceVersion === 0 ? {} : { notOlderThan: resourceVersion }
  const { entries, version } = await context.store.list(at.kind.storage, { ...selection.store, ...least })
  const added = entries.map((entry) => view.line('ADDED', entry))
  if (initialEvents === true && settings.bookmarks) added.push(view.bookmark(version, { [INITIAL_EVENTS_END]: 'true' }))
  // A part of a state is of no use to anybody.
  if (fitting(added, at.request.hold?.maxStateBytes) < added.length) throw tooMuch()
  if (added.length > 0) yield added
  return version
}

async function* follow(
  watcher: Watcher,
  { from, signal, endsAt }: { from: number; signal: AbortSignal; endsAt: number }
): AsyncGenerator<Lines, void, undefined> {
  const { at, context, settings, selection, view } = watcher
  const { hold } = at.request
  const { prefix } = selection.store
  const changes = context.store.watch(at.kind.storage, { from, signal, ...(prefix === undefined ? {} : { prefix }) })
  // The one before the end would be followed by that at the end.
  const until = hold === undefined ? endsAt : Number.POSITIVE_INFINITY
  const told = settings.bookmarks ? withBookmarks(changes, { context, signal, endsAt: until }) : changes
  let last = from
  for await (const events of told) {
    if (typeof events === 'number') {
      yield [view.bookmark(events)]
      continue
    }
    const batch = linesOf(events, selection, view)
    const fits = fitting(batch, hold?.maxBytes)
    if (fits > 0) yield fits === batch.length ? batch : batch.slice(0, fits)
    // What did not fit follows the last line's own version.
    if (fits < batch.length) return
    last = events.at(-1)?.version ?? last
    if (batch.length > 0 && hold?.untilEvents === true) break
  }
  if (hold !== undefined) yield* lastBookmark(watcher, Math.max(last, changes.position))
}

/** Of a watch that its transport ends: everything up to `version` was told. */
async function* lastBookmark({ at, settings, view }: Watcher, version: number): AsyncGenerator<Lines, void, undefined> {
  if (settings.bookmarks && at.request.signal?.aborted !== true) yield [view.bookmark(version)]
}

/** How many of the lines the transport can carry: one at least. */
function fitting(lines: Lines, maxBytes: number | undefined): number {
  if (maxBytes === undefined) return lines.length
  let size = 0
  const end = lines.findIndex((line) => {
    size += line.bytes().length
    return size > maxBytes
  })
  return end < 0 ? lines.length : Math.max(1, end)
}

function tooMuch(): ApiError {
  return new ApiError(
    'RequestEntityTooLarge',
    'the state that this watch begins with is larger than an answer can be here: list it in pages (limit), and watch from the version of the list'
  )
}

/** For clients who are told by other means that there is something new, and hold no stream meanwhile. */
async function* catchUp(
  { at, context, selection, view }: Watcher,
  from: number,
  signal: AbortSignal
): AsyncGenerator<Lines, void, undefined> {
  const { prefix } = selection.store
  const until = await context.store.version(at.kind.storage)
  const scope = prefix === undefined ? {} : { prefix }
  const changes = context.store.watch(at.kind.storage, { from, until, signal, ...scope })
  for await (const events of changes) {
    const batch = linesOf(events, selection, view)
    if (batch.length > 0) yield batch
  }
  if (!signal.aborted) yield [view.bookmark(changes.position, { [CAUGHT_UP]: 'true' })]
}

/** The changes; when it is time for a bookmark, the version that it may name. */
async function* withBookmarks(
  changes: StoreWatch,
  { context, signal, endsAt }: { context: ApiContext; signal: AbortSignal; endsAt: number }
): AsyncGenerator<readonly StoreEvent[] | number, void, undefined> {
  const { clock, random } = context.ports
  const iterator = changes[Symbol.asyncIterator]()
  let wake = () => {}
  let due: number | undefined
  // Read here and not later: when the next events are about to come, the position is already behind them.
  const ring = () => {
    due = changes.position
    wake()
  }
  const nextTimer = () => {
    const left = endsAt - LAST_BOOKMARK_MS - clock.now()
    if (left <= 0) return undefined
    return clock.after(Math.min(left, BOOKMARK_EVERY_MS * (0.9 + random.next() * 0.2)), ring)
  }
  let timer = nextTimer()
  try {
    while (!signal.aborted) {
      if (due !== undefined) due = changes.position
      let result: IteratorResult<readonly StoreEvent[], unknown> | undefined
      let failure: { readonly error: unknown } | undefined
      iterator.next().then(
        (value) => {
          result = value
          wake()
        },
        (error: unknown) => {
          failure = { error }
          wake()
        }
      )
      while (result === undefined && failure === undefined) {
        if (due === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
        if (due === undefined) continue
        const version = due
        due = undefined
        timer = nextTimer()
        if (result === undefined && failure === undefined) yield version
      }
      if (failure !== undefined) throw failure.error
      if (result === undefined || result.done === true) return
      yield result.value
    }
  } finally {
    timer?.cancel()
  }
}

function linesOf(events: readonly StoreEvent[], { matches }: Selection, view: View): Lines {
  const out: WatchLine[] = []
  for (const event of events) {
    const line = matches === undefined ? plainLine(event, view) : selectedLine(event, matches, view)
    if (line !== undefined) out.push(line)
  }
  return out
}

const TYPES = { created: 'ADDED', updated: 'MODIFIED', deleted: 'DELETED' } as const

function plainLine(event: StoreEvent, view: View): WatchLine {
  return view.line(TYPES[event.type], event.entry)
}

/** What a selector does not pick is not there: coming into it is ADDED, leaving it is DELETED, with the last look. */
function selectedLine(event: StoreEvent, matches: (object: KubeObject) => boolean, view: View): WatchLine | undefined {
  const { type, entry, previous } = event
  const was = type !== 'created' && previous !== undefined && matches(previous.value)
  if (type === 'deleted') return was || matches(entry.value) ? view.line('DELETED', entry) : undefined
  const is = matches(entry.value)
  if (is) return view.line(was ? 'MODIFIED' : 'ADDED', entry)
  return was && previous !== undefined ? view.left(entry, previous) : undefined
}
