/** What kube-apiserver tells of its requests and of what is stored, in the same names. */
import type { ApiRequest, ApiResponse, WatchLine } from '../../core/http.ts'
import type { KindTable } from '../../core/kinds/table.ts'
import type { Metrics } from '../../core/metrics.ts'
import type { Clock } from '../../core/ports.ts'
import type { StoreApi } from '../../store/store.ts'
import { textAnswer } from './answers.ts'
import type { Route } from './route.ts'

/** Seconds, as kube-apiserver's. */
const LATENCIES = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60]
const PLACE = ['component', 'group', 'resource', 'scope', 'subresource', 'verb', 'version']
/** Counting all objects again costs reads; kube-apiserver does it each minute, too. */
const COUNT_EVERY_MS = 60_000
/** Paths that are no resource are counted one by one only where there are few of them. */
const PATHS = /^\/(api|apis|healthz|livez|metrics|openapi\/v[23]|readyz|version)$/

/** Where requests of one sort are counted. */
interface Sort {
  readonly place: readonly string[]
  readonly dryRun: string
  readonly mutating: boolean
  readonly codes: Map<number, { inc(): void }>
  readonly duration: { observe(value: number): void }
}

export class RequestMetrics {
  private readonly metrics: Metrics
  private readonly clock: Clock
  private readonly sorts = new Map<string, Sort>()
  private readonly total
  private readonly duration
  private readonly longrunning
  private readonly readOnly
  private readonly mutating

  constructor(metrics: Metrics, clock: Clock) {
    this.metrics = metrics
    this.clock = clock
    this.total = metrics.counter({
      name: 'apiserver_request_total',
      help: '[STABLE] Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.',
      labels: ['code', 'dry_run', ...PLACE]
    })
    this.duration = metrics.histogram({
      name: 'apiserver_request_duration_seconds',
      help: '[STABLE] Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, scope and component.',
      labels: ['dry_run', ...PLACE],
      buckets: LATENCIES
    })
    this.longrunning = metrics.gauge({
      name: 'apiserver_longrunning_requests',
      help: '[STABLE] Gauge of all active long-running apiserver requests broken out by verb, group, version, resource, scope and component. Not all requests are tracked this way.',
      labels: PLACE
    })
    const inflight = metrics.gauge({
      name: 'apiserver_current_inflight_requests',
      help: '[STABLE] Maximal number of currently used inflight request limit of this apiserver per request kind in last second.',
      labels: ['request_kind']
    })
    this.readOnly = inflight('readOnly')
    this.mutating = inflight('mutating')
  }

  /** Counts a request while it is answered; a watch counts until it ends. */
  async counted(request: ApiRequest, route: Route, answer: () => Promise<ApiResponse>): Promise<ApiResponse> {
    const sort = this.sortOf(request, route)
    const started = this.clock.now()
    const inflight = sort.mutating ? this.mutating : this.readOnly
    inflight.add(1)
    const response = await answer()
    inflight.add(-1)
    if (!('watch' in response.body)) {
      this.ended(sort, response.status, started)
      return response
    }
    const running = this.longrunning(...sort.place)
    running.add(1)
    const ended = () => {
      running.add(-1)
      this.ended(sort, response.status, started)
    }
    return { ...response, body: { ...response.body, watch: untilEnd(response.body.watch, ended) } }
  }

  private ended(sort: Sort, code: number, started: number): void {
    let counter = sort.codes.get(code)
    if (counter === undefined) {
      counter = this.total(String(code), sort.dryRun, ...sort.place)
      sort.codes.set(code, counter)
    }
    counter.inc()
    sort.duration.observe((this.clock.now() - started) / 1000)
  }

  private sortOf(request: ApiRequest, { verb, resource }: Route): Sort {
    const { method } = request
    const scope =
      resource === undefined ? '' : resource.name !== undefined ? 'resource' : resource.scoped ? 'namespace' : 'cluster'
    const dryRun = request.query.size === 0 ? '' : request.query.getAll('dryRun').join(',')
    const key =
      resource === undefined
        ? `${method} ${request.path}`
        : `${verb} ${resource.group}/${resource.version}/${resource.resource}/${resource.subresource ?? ''} ${scope} ${dryRun}`
    const known = this.sorts.get(key)
    if (known !== undefined) return known
    const place =
      resource === undefined
        ? ['', '', '', '', PATHS.test(request.path) ? request.path : '', method, '']
        : [
            'apiserver',
            resource.group,
            resource.resource,
            scope,
            resource.subresource ?? '',
            verbName(request, verb),
            resource.version
          ]
    const sort: Sort = {
      place,
      dryRun,
      mutating: method !== 'GET' && method !== 'HEAD',
      codes: new Map(),
      duration: this.duration(dryRun, ...place)
    }
    // What a client makes up is not remembered for ever.
    if (this.sorts.size < MOST_SORTS) this.sorts.set(key, sort)
    return sort
  }

  /** The answer to GET /metrics. */
  async answer(): Promise<ApiResponse> {
    const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }
    return { ...textAnswer(200, await this.metrics.text()), headers }
  }
}

const MOST_SORTS = 5_000

const VERBS: Readonly<Record<string, string>> = {
  get: 'GET',
  list: 'LIST',
  watch: 'WATCH',
  create: 'POST',
  update: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETECOLLECTION'
}

function verbName({ headers }: ApiRequest, verb: string): string {
  if (verb === 'patch' && headers['content-type']?.startsWith('application/apply-patch') === true) return 'APPLY'
  return VERBS[verb] ?? 'other'
}

/** The same lines; `ended` is called once, when they end or nobody wants more. */
function untilEnd(lines: AsyncIterable<readonly WatchLine[]>, ended: () => void): AsyncIterable<readonly WatchLine[]> {
  return {
    [Symbol.asyncIterator]: () => {
      const iterator = lines[Symbol.asyncIterator]()
      let over = false
      const end = () => {
        if (over) return
        over = true
        ended()
      }
      return {
        next: async () => {
          try {
            const result = await iterator.next()
            if (result.done === true) end()
            return result
          } catch (error) {
            end()
            throw error
          }
        },
        return: async () => {
          end()
          await iterator.return?.()
          return { done: true, value: undefined }
        }
      }
    }
  }
}

/** Of the process, and how many objects of each kind are stored. */
export function collectState(metrics: Metrics, parts: { store: StoreApi; kinds: KindTable; clock: Clock }): void {
  const { store, kinds, clock } = parts
  const single = (name: string, help: string) => ({ name, help: `[ALPHA] ${help}`, labels: [] })
  const cpu = metrics.gauge(single('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.'))()
  const memory = metrics.gauge(single('process_resident_memory_bytes', 'Resident memory size in bytes.'))()
  const start = metrics.gauge(
    single('process_start_time_seconds', 'Start time of the process since unix epoch in seconds.')
  )()
  const objects = metrics.gauge({
    name: 'apiserver_storage_objects',
    help: '[STABLE] (Deprecated since 1.34.0) [DEPRECATED, consider using apiserver_resource_objects instead] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.',
    labels: ['resource']
  })
  const byGroup = metrics.gauge({
    name: 'apiserver_resource_objects',
    help: '[ALPHA] Number of stored objects at the time of last check split by kind. In case of a fetching error, the value will be -1.',
    labels: ['group', 'resource']
  })
  let countedAt = Number.NEGATIVE_INFINITY
  metrics.collect(async () => {
    const { user, system } = process.cpuUsage()
    cpu.set((user + system) / 1e6)
    memory.set(process.memoryUsage.rss())
    start.set(Math.floor(clock.now() / 1000 - process.uptime()))
    if (clock.now() - countedAt < COUNT_EVERY_MS) return
    countedAt = clock.now()
    for (const kind of kinds.all) {
      if (kind.hidden === true || kind.convert !== undefined || !kind.verbs.includes('create')) continue
      if (!kind.verbs.includes('list')) continue
      const count = await countOf(store, kind.storage)
      if (count === undefined) continue
      objects(kind.group === '' ? kind.resource : `${kind.resource}.${kind.group}`).set(count)
      byGroup(kind.group, kind.resource).set(count)
    }
  })
}

/** undefined: the store would have to read too much to know. */
async function countOf(store: StoreApi, storage: string): Promise<number | undefined> {
  try {
    const { entries, remaining, continue: more } = await store.list(storage, { limit: 1 })
    return more === undefined ? entries.length : remaining === undefined ? undefined : entries.length + remaining
  } catch {
    return -1
  }
}
