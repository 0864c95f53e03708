import { createGateway, type Gateway } from '../../lambdas/api/gateway.ts'
import type { GatewayEvent } from '../../lambdas/api/gateway-request.ts'
import type { Backend, LogRecord } from '../../store/backend.ts'
import { cloudSite } from '../cloud-fixture.ts'
import { restEvent } from '../gateway-events.ts'
import { ADMIN } from '../test-api.ts'
import type { Process, Stage } from './store-simulation.ts'

/**
 * A random history of clients over the API as it runs on AWS: every request is an event for one of several functions,
 * which are cold or warm, run out of time, and die between any two calls of the table. Writers create, update and
 * delete; readers list page by page, then watch, whole answers and streams in turn, and go on where they broke off.
 * What each saw is compared with the log: one order fits all of it.
 */

const RESOURCE = 'configmaps'
const COLLECTION = '/api/v1/namespaces/default/configmaps'
const KEYS = ['a', 'b', 'c', 'd', 'e']
/** Functions that may live at once. */
const POOL = 4

interface Answer {
  readonly status: number
  readonly text: string
  /** The function died, or failed, on the way: nobody knows what became of the request. */
  readonly broken: boolean
}

interface Json {
  readonly metadata: { readonly name: string; readonly resourceVersion: string; readonly continue?: string }
  readonly data?: { readonly serial: string }
  readonly items?: readonly Json[]
}

interface Attempt {
  readonly key: string
  readonly serial: string
  readonly type: 'put' | 'delete'
  /** The version that it replaces; 0: none. */
  readonly replaces: number
  /** Of a put that was acknowledged. */
  version?: number
  acknowledged: boolean
}

interface Read {
  readonly key: string
  /** What had been acknowledged of the key before: its version. */
  readonly known: number
  /** 0: not found. */
  readonly version: number
  readonly serial: string | undefined
}

interface Listed {
  readonly version: number
  readonly known: number
  readonly items: readonly string[]
}

interface Watched {
  readonly from: number
  position: number
  readonly events: string[]
}

interface Lambda {
  readonly process: Process
  readonly gateway: Gateway
  busy: boolean
}

export interface ApiHistoryOptions {
  readonly stage: Stage
  /** What all functions share; the checker looks at it, too. */
  readonly truth: Backend
  readonly writes: number
  /** What is left of a function's time when a request comes: at least and at most, in milliseconds. */
  readonly remainingMs: readonly [number, number]
}

export class ApiHistory {
  private readonly options: ApiHistoryOptions
  private readonly site: ReturnType<typeof cloudSite>
  private readonly lambdas: Lambda[] = []
  private readonly attempts: Attempt[] = []
  private readonly reads: Read[] = []
  private readonly lists: Listed[] = []
  private readonly watches: Watched[] = []
  private readonly problems: string[] = []
  /** The highest version of each key that was acknowledged, and of all. */
  private readonly known = new Map<string, number>()
  private serial = 0
  private deaths = 0

  constructor(options: ApiHistoryOptions) {
    this.options = options
    this.site = cloudSite(options.truth)
  }

  /** Runs the history; what is wrong with it, and how much happened. */
  async run(): Promise<{ readonly problems: readonly string[]; readonly happened: Readonly<Record<string, number>> }> {
    const { stage } = this.options
    // Keys and what a cluster starts with are there before: making them is real work, which knows no manual clock.
    await (await this.site.open()).client('root', 'system:masters')
    const stop = new AbortController()
    const writing = Promise.all([1, 2, 3].map(() => this.writer()))
    const reading = Promise.all([1, 2, 3].map(() => this.reader(stop.signal)))
    reading.catch(() => {})
    await stage.run(writing.then(() => this.settle(stop)))
    await stage.run(reading)
    await this.check()
    const { attempts, reads, lists, watches, deaths } = this
    const acknowledged = attempts.filter((one) => one.acknowledged).length
    const events = watches.reduce((sum, { events: seen }) => sum + seen.length, 0)
    const happened = { acknowledged, reads: reads.length, lists: lists.length, events, deaths }
    return { problems: this.problems, happened }
  }

  // --- functions

  private lambda(): Lambda {
    const { stage } = this.options
    for (const one of this.lambdas) if (one.process.died.aborted) this.deaths++
    const alive = this.lambdas.filter(({ process }) => !process.died.aborted)
    this.lambdas.splice(0, this.lambdas.length, ...alive)
    const free = alive.filter(({ busy }) => !busy)
    const chosen = free[stage.pick(free.length)]
    // Now and then a new one, though there are others.
    if (chosen !== undefined && (alive.length >= POOL || stage.random() < 0.9)) return chosen
    const process = stage.spawn()
    let opened: ReturnType<typeof this.site.open> | undefined
    const open = async () => {
      opened ??= this.site.open({ backend: process.backend, ports: process.ports })
      const cloud = await opened.catch((error: unknown) => {
        opened = undefined
        throw error
      })
      return {
        serve: async (request: Parameters<typeof cloud.api.handle>[0]) =>
          await cloud.api.handle({ ...request, user: ADMIN })
      }
    }
    const lambda = { process, gateway: createGateway({ open, ports: process.ports }), busy: false }
    this.lambdas.push(lambda)
    return lambda
  }

  private async request(method: string, target: string, body?: object): Promise<Answer> {
    const headers = { 'content-type': ['application/json'] }
    const event = restEvent(method, target, { headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    return await this.invoke(event, false, () => {})
  }

  /** One invocation. Of a stream, `seen` is told what comes as it comes. */
  private async invoke(event: GatewayEvent, streamed: boolean, seen: (text: string) => void): Promise<Answer> {
    const { stage, remainingMs } = this.options
    const lambda = this.lambda()
    lambda.busy = true
    const { died } = lambda.process
    const dead = new Promise<Answer>((resolve) => {
      const tell = () => resolve({ status: 502, text: '', broken: true })
      if (died.aborted) tell()
      else died.addEventListener('abort', tell, { once: true })
    })
    const [least, most] = remainingMs
    const remaining = least + stage.random() * (most - least)
    const work = streamed ? this.streamed(lambda, { event, remaining, seen }) : this.whole(lambda, event, remaining)
    try {
      return await Promise.race([work, dead])
    } finally {
      lambda.busy = false
    }
  }

  private async whole(lambda: Lambda, event: GatewayEvent, remaining: number): Promise<Answer> {
    const { statusCode: status, body, isBase64Encoded } = await lambda.gateway.whole(event, remaining)
    const text = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8').toString()
    return { status, text, broken: status >= 500 }
  }

  private async streamed(
    lambda: Lambda,
    { event, remaining, seen }: { event: GatewayEvent; remaining: number; seen: (text: string) => void }
  ): Promise<Answer> {
    const { statusCode: status, body } = await lambda.gateway.stream(event, remaining)
    let text = ''
    for await (const chunk of typeof body === 'string' ? [body] : body) {
      // What a dead function sent does not arrive.
      if (lambda.process.died.aborted) break
      text += String(chunk)
      seen(text)
    }
    return { status, text, broken: status >= 500 }
  }

  // --- writers

  private async writer(): Promise<void> {
    for (let i = 0; i < this.options.writes; i++) await this.writeOnce()
  }

  private async writeOnce(): Promise<void> {
    const { stage } = this.options
    const key = KEYS[stage.pick(KEYS.length)] as string
    const current = await this.readOnce(key)
    if (current === undefined) return
    const serial = `${++this.serial}`
    const remove = current.version > 0 && stage.random() < 0.35
    const attempt: Attempt = {
      key,
      serial,
      type: remove ? 'delete' : 'put',
      replaces: current.version,
      acknowledged: false
    }
    this.attempts.push(attempt)
    const answer = await this.write(attempt)
    if (answer.status >= 300) return
    attempt.acknowledged = true
    if (attempt.type === 'delete') return
    attempt.version = Number((JSON.parse(answer.text) as Json).metadata.resourceVersion)
    this.known.set(key, Math.max(this.known.get(key) ?? 0, attempt.version))
  }

  private async write({ key, serial, type, replaces }: Attempt): Promise<Answer> {
    const resourceVersion = String(replaces)
    if (type === 'delete') {
      const options = { kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { resourceVersion } }
      return await this.request('DELETE', `${COLLECTION}/${key}`, options)
    }
    const metadata = { name: key, ...(replaces === 0 ? {} : { resourceVersion }) }
    const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata, data: { serial } }
    if (replaces === 0) return await this.request('POST', COLLECTION, object)
    return await this.request('PUT', `${COLLECTION}/${key}`, object)
  }

  /** undefined: nobody knows. */
  private async readOnce(key: string): Promise<Read | undefined> {
    const known = this.known.get(key) ?? 0
    const answer = await this.request('GET', `${COLLECTION}/${key}`)
    if (answer.broken || (answer.status !== 200 && answer.status !== 404)) return undefined
    const object = answer.status === 200 ? (JSON.parse(answer.text) as Json) : undefined
    const version = Number(object?.metadata.resourceVersion ?? 0)
    const read = { key, known, version, serial: object?.data?.serial }
    this.reads.push(read)
    return read
  }

  // --- readers

  private async reader(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const listed = await this.listOnce()
      if (listed === undefined) continue
      this.lists.push(listed)
      const watched: Watched = { from: listed.version, position: listed.version, events: [] }
      this.watches.push(watched)
      for (let times = 1 + this.options.stage.pick(8); times > 0 && !stop.aborted; times--) await this.watchOn(watched)
    }
  }

  private async listOnce(): Promise<Listed | undefined> {
    const known = Math.max(0, ...this.known.values())
    const items: string[] = []
    let version: string | undefined
    for (let token: string | undefined; ; ) {
      const limit = 1 + this.options.stage.pick(3)
      const page = token === undefined ? '' : `&continue=${encodeURIComponent(token)}`
      const answer = await this.request('GET', `${COLLECTION}?limit=${limit}${page}`)
      if (answer.status !== 200) return undefined
      const list = JSON.parse(answer.text) as Json
      if (version !== undefined && version !== list.metadata.resourceVersion)
        this.problems.push(`the pages of a list differ in version: ${version}, ${list.metadata.resourceVersion}`)
      version = list.metadata.resourceVersion
      for (const item of list.items ?? []) items.push(shown(item))
      token = list.metadata.continue
      if (token === undefined || token === '') return { version: Number(version), known, items }
    }
  }

  /** One watch, whole or as a stream, from where the last one ended. */
  private async watchOn(watched: Watched): Promise<void> {
    const streamed = this.options.stage.random() < 0.5
    const target = `${COLLECTION}?watch=true&allowWatchBookmarks=true&resourceVersion=${watched.position}`
    let read = 0
    const take = (text: string) => {
      const end = text.lastIndexOf('\n') + 1
      for (const line of text.slice(read, end).split('\n')) if (line !== '') this.event(watched, line)
      read = end
    }
    const answer = await this.invoke(restEvent('GET', target), streamed, take)
    if (!answer.broken && answer.status === 200) take(answer.text)
  }

  private event(watched: Watched, line: string): void {
    const { type, object } = JSON.parse(line) as { type: string; object: Json & { message?: string } }
    if (type === 'ERROR') return
    const version = Number(object.metadata.resourceVersion)
    if (version < watched.position || (version === watched.position && type !== 'BOOKMARK'))
      this.problems.push(`a watch at ${watched.position} went back to ${type} ${version}`)
    watched.position = Math.max(watched.position, version)
    if (type !== 'BOOKMARK') watched.events.push(`${type === 'DELETED'} ${shown(object)}`)
  }

  /** Everybody has written: readers get the time to see it all. */
  private async settle(stop: AbortController): Promise<void> {
    await new Promise<void>((resolve) => this.options.stage.clock.after(3_000, resolve))
    stop.abort()
  }

  // --- what is wrong

  private async check(): Promise<void> {
    const log = (await this.options.truth.readLog(RESOURCE, 0, 1e6)).filter(({ type }) => type !== 'fence')
    this.checkWrites(log)
    for (const read of this.reads) this.checkRead(read, log)
    for (const listed of this.lists) this.checkList(listed, log)
    for (const watched of this.watches) this.checkWatch(watched, log)
  }

  private checkWrites(log: readonly LogRecord[]): void {
    const last = new Map<string, LogRecord>()
    for (const record of log) {
      const before = last.get(record.key)
      const version = before === undefined || before.type === 'delete' ? 0 : before.version
      if (record.replaced !== version)
        this.problems.push(`${record.key}@${record.version} replaced ${record.replaced}, not ${version}`)
      last.set(record.key, record)
      const matching = this.attempts.filter((attempt) => matches(attempt, record))
      if (matching.length === 0) this.problems.push(`nobody wrote ${record.key}@${record.version}`)
    }
    for (const attempt of this.attempts) {
      const records = log.filter((record) => matches(attempt, record))
      const isDelete = attempt.type === 'delete'
      if (attempt.acknowledged && records.length === 0)
        this.problems.push(`acknowledged and lost: ${JSON.stringify(attempt)}`)
      // Two may have asked to delete the same version; each put has a serial of its own.
      if (!isDelete && records.length > 1) this.problems.push(`written twice: ${JSON.stringify(attempt)}`)
      if (attempt.version !== undefined && records[0]?.version !== attempt.version)
        this.problems.push(`acknowledged with another version than ${records[0]?.version}: ${JSON.stringify(attempt)}`)
    }
  }

  private checkRead({ key, known, version, serial }: Read, log: readonly LogRecord[]): void {
    const records = log.filter((record) => record.key === `default/${key}`)
    if (version > 0) {
      const found = records.find((record) => record.version === version && record.type === 'put')
      const fits = found !== undefined && (JSON.parse(text(found.bytes)) as Json).data?.serial === serial
      if (!fits || version < known) this.problems.push(`read ${key}@${version}, after ${known} was acknowledged`)
    } else if (known > 0 && !records.some((record) => record.type === 'delete' && record.version > known))
      this.problems.push(`${key} was not found after ${known} was acknowledged`)
  }

  private checkList({ version, known, items }: Listed, log: readonly LogRecord[]): void {
    if (version < known) this.problems.push(`a list at ${version} misses acknowledged ${known}`)
    const state = new Map<string, string>()
    for (const record of log) {
      if (record.version > version) continue
      if (record.type === 'delete') state.delete(record.key)
      else state.set(record.key, shown(JSON.parse(text(record.bytes)) as Json))
    }
    const expected = [...state].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item)
    if (items.join() !== expected.join())
      this.problems.push(`a list at ${version} is no snapshot: ${items.join()} -- ${expected.join()}`)
  }

  private checkWatch({ from, position, events }: Watched, log: readonly LogRecord[]): void {
    const records = log.filter(({ version }) => version > from && version <= position)
    const expected = records.map(({ type, bytes }) => `${type === 'delete'} ${shown(JSON.parse(text(bytes)) as Json)}`)
    if (events.join('\n') !== expected.join('\n'))
      this.problems.push(`a watch from ${from} to ${position} saw\n${events.join('\n')}\n--\n${expected.join('\n')}`)
  }
}

function matches(attempt: Attempt, record: LogRecord): boolean {
  if (record.key !== `default/${attempt.key}` || record.replaced !== attempt.replaces) return false
  if (attempt.type === 'delete') return record.type === 'delete'
  return record.type === 'put' && (JSON.parse(text(record.bytes)) as Json).data?.serial === attempt.serial
}

function shown({ metadata, data }: Json): string {
  return `${metadata.name}@${metadata.resourceVersion}=${data?.serial}`
}

function text(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : Buffer.from(bytes).toString()
}
