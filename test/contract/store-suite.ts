import type { Change } from '../../core/feed.ts'
import type { KubeObject } from '../../core/object.ts'
import type { Backend } from '../../store/backend.ts'
import type { Entry, ListOptions, ListResult, StoreEvent, WatchOptions, Write } from '../../store/store.ts'
import { Store } from '../../store/store.ts'
import { ManualClock, manualPorts, passing } from './store-clock.ts'

export interface Fixture {
  /** An empty backend. */
  readonly open: (clock: ManualClock) => Promise<Backend>
  /** How many writes are a long log; by default more than the store keeps in memory. */
  readonly many?: number
}

const HOUR = 3_600_000
export const RETENTION = 10 * 60_000

const indexes = () => ({
  node: (object: KubeObject) => (typeof object.node === 'string' ? [object.node] : []),
  labels: (object: KubeObject) => Object.keys(object.metadata.labels ?? {})
})

/** A store with time under the test's control, and short words for what tests do. */
export class Bench {
  readonly clock = new ManualClock()
  readonly store: Store
  readonly backend: Backend

  private constructor(backend: Backend, clock: ManualClock) {
    this.backend = backend
    this.clock = clock
    this.store = new Store({ backend, ports: manualPorts(clock), indexes, retentionMs: RETENTION })
  }

  static async open(fixture: Fixture): Promise<Bench> {
    const clock = new ManualClock()
    return new Bench(await fixture.open(clock), clock)
  }

  object(key: string, fields: Record<string, unknown> = {}): KubeObject {
    const [namespace, name] = key.split('/')
    return { kind: 'Pod', apiVersion: 'v1', metadata: { name: name ?? '', namespace: namespace ?? '' }, ...fields }
  }

  async put(key: string, fields: Record<string, unknown> = {}): Promise<Entry> {
    const expected = (await this.store.get('pods', key))?.version ?? 0
    return await this.one({ resource: 'pods', key, expected, object: this.object(key, fields) })
  }

  async remove(key: string): Promise<Entry> {
    const expected = (await this.store.get('pods', key))?.version ?? 0
    return await this.one({ resource: 'pods', key, expected, object: undefined })
  }

  async one(write: Write): Promise<Entry> {
    const result = await passing(this.clock, this.store.commit([write]))
    if (!result.ok) throw new Error(`refused: ${write.key}`)
    return result.entries[0] as Entry
  }

  async list(options: ListOptions = {}): Promise<ListResult> {
    return await passing(this.clock, this.store.list('pods', options))
  }

  async keys(options: ListOptions = {}): Promise<string> {
    return names((await this.list(options)).entries)
  }

  /** The next `count` events after `from`. */
  async events(count: number, options: Omit<WatchOptions, 'signal'>): Promise<readonly StoreEvent[]> {
    const stop = new AbortController()
    const seen: StoreEvent[] = []
    const read = async () => {
      for await (const events of this.store.watch('pods', { ...options, signal: stop.signal })) {
        seen.push(...events)
        if (seen.length >= count) stop.abort()
      }
      return seen
    }
    return await passing(this.clock, read())
  }

  /** Time passes until the log has forgotten all that is written so far. */
  async trim(): Promise<void> {
    const written = this.clock.now()
    const forgotten = async () => {
      const [oldest] = await this.backend.readLog('pods', 0, 1)
      return oldest === undefined || oldest.at > written
    }
    this.clock.advance(2 * RETENTION)
    while (!(await passing(this.clock, forgotten()))) this.clock.advance(1_000)
  }
}

export function names(entries: readonly Entry[]): string {
  return entries.map(({ key }) => key).join(' ')
}

function told(events: readonly StoreEvent[]): string[] {
  return events.map(({ type, version, entry, previous }) => {
    const before = previous === undefined ? '' : ` was ${previous.value.metadata.resourceVersion}`
    return `${type} ${entry.key}@${version}${before}`
  })
}

/** What every backend gives through the store. `fixture.open` is called for each test. */
export function storeSuite(fixture: Fixture): void {
  let bench: Bench
  beforeEach(async () => {
    bench = await Bench.open(fixture)
  })
  afterEach(async () => {
    await bench.store.close()
  })
  describe('commit', () => commitCases(() => bench))
  describe('list', () => listCases(() => bench))
  describe('refresh', () => refreshCases(() => bench))
  describe('watch', () => watchCases(() => bench, fixture.many ?? 2_500))
  describe('retention', () => retentionCases(() => bench, fixture.many ?? 2_500))
}

function commitCases(bench: () => Bench): void {
  test('numbers every change of a resource, each resource by itself', async () => {
    const b = bench()
    expect((await b.put('a/x')).version).toBe(2)
    expect((await b.put('b/y')).version).toBe(3)
    expect((await b.one({ resource: 'nodes', key: 'n', expected: 0, object: b.object('n') })).version).toBe(2)
    expect((await b.put('a/x')).version).toBe(4)
    expect((await b.remove('a/x')).version).toBe(5)
    expect(await b.store.get('pods', 'a/x')).toBeUndefined()
    expect((await b.put('a/x')).version).toBe(6)
    expect(await passing(b.clock, b.store.version('pods'))).toBe(6)
    expect(await passing(b.clock, b.store.version('never'))).toBe(1)
  })

  test('encodes kind and apiVersion first and the rest as given', async () => {
    const b = bench()
    const object = { z: 1, apiVersion: 'v1', metadata: { name: 'x' }, kind: 'Pod', a: [null, 'é'] }
    await b.one({ resource: 'pods', key: 'x', expected: 0, object })
    const entry = await b.store.get('pods', 'x')
    expect(new TextDecoder().decode(entry?.bytes())).toBe(
      '{"kind":"Pod","apiVersion":"v1","z":1,"metadata":{"name":"x","resourceVersion":"2"},"a":[null,"é"]}'
    )
    expect(JSON.parse(new TextDecoder().decode(entry?.bytes()))).toEqual(entry?.value)
    expect(Object.keys(entry?.value ?? {})).toEqual(['kind', 'apiVersion', 'z', 'metadata', 'a'])
  })

  test.each([
    { name: 'a creation of what exists', key: 'a/x', expected: 0, object: true, current: 3 },
    { name: 'an update of an older version', key: 'a/x', expected: 2, object: true, current: 3 },
    { name: 'an update of a version to come', key: 'a/x', expected: 4, object: true, current: 3 },
    { name: 'a deletion of an older version', key: 'a/x', expected: 2, object: false, current: 3 },
    { name: 'an update of what never was', key: 'a/never', expected: 2, object: true, current: undefined },
    { name: 'an update of what was deleted', key: 'a/gone', expected: 4, object: true, current: undefined },
    { name: 'a deletion of what was deleted', key: 'a/gone', expected: 5, object: false, current: undefined }
  ])('refuses $name and tells what is there', async ({ key, expected, object, current }) => {
    const b = bench()
    await b.put('a/x')
    await b.put('a/x', { n: 2 })
    await b.put('a/gone')
    await b.remove('a/gone')
    const write = { resource: 'pods', key, expected, object: object ? b.object(key) : undefined }
    const result = await passing(b.clock, b.store.commit([write]))
    expect(result).toMatchObject({ ok: false, resource: 'pods', key })
    expect(result.ok ? undefined : result.current?.version).toBe(current)
    expect(await b.keys()).toBe('a/x')
  })

  test('takes all writes of a transaction or none', async () => {
    const b = bench()
    await b.put('a/x')
    const write = (resource: string, key: string, expected: number) => ({
      resource,
      key,
      expected,
      object: b.object(key)
    })
    const refused = await passing(b.clock, b.store.commit([write('nodes', 'n', 0), write('pods', 'a/x', 7)]))
    expect(refused).toMatchObject({ ok: false, resource: 'pods', key: 'a/x', current: { version: 2 } })
    expect(await b.store.get('nodes', 'n')).toBeUndefined()
    const writes = [write('nodes', 'n', 0), write('pods', 'a/x', 2), write('pods', 'a/y', 0)]
    const done = await passing(b.clock, b.store.commit(writes))
    expect(done.ok ? names(done.entries) : '').toBe('n a/x a/y')
    const [x, y] = [await b.store.get('pods', 'a/x'), await b.store.get('pods', 'a/y')]
    expect((y?.version ?? 0) - (x?.version ?? 0)).toBe(1)
    expect((await b.store.get('nodes', 'n'))?.value.metadata.resourceVersion).toBe(
      String((await b.store.get('nodes', 'n'))?.version)
    )
  })

  test('takes 45 writes at once, no more, and each key once', async () => {
    const b = bench()
    const many = (count: number) =>
      Array.from({ length: count }, (_, i) => ({
        resource: i % 2 === 0 ? 'pods' : 'nodes',
        key: `k${i}`,
        expected: 0,
        object: b.object(`k${i}`)
      }))
    expect((await passing(b.clock, b.store.commit(many(45)))).ok).toBe(true)
    await expect(b.store.commit(many(46))).rejects.toThrow('at most 45')
    const twice = { resource: 'pods', key: 'two', expected: 0, object: b.object('two') }
    await expect(b.store.commit([twice, twice])).rejects.toThrow('each key once')
    expect(await b.store.commit([])).toEqual({ ok: true, entries: [] })
  })

  test('lets one of many writers of a version win', async () => {
    const b = bench()
    await b.put('a/x')
    const tries = Array.from({ length: 20 }, (_, n) =>
      b.store.commit([{ resource: 'pods', key: 'a/x', expected: 2, object: b.object('a/x', { n }) }])
    )
    const results = await passing(b.clock, Promise.all(tries))
    expect(results.filter(({ ok }) => ok)).toHaveLength(1)
    const current = await b.store.get('pods', 'a/x')
    for (const result of results) if (!result.ok) expect(result.current?.version).toBe(current?.version)
    expect((await b.put('a/x')).version).toBeGreaterThan(current?.version ?? 0)
  })

  test('refuses an object above 1.5 MiB and goes on', async () => {
    const b = bench()
    const object = b.object('a/big', { fill: 'x'.repeat(1.5 * 2 ** 20) })
    const write = { resource: 'pods', key: 'a/big', expected: 0, object }
    await expect(passing(b.clock, b.store.commit([write]))).rejects.toMatchObject({ code: 413 })
    expect(await b.keys()).toBe('')
    await b.put('a/big', { fill: 'x'.repeat(1.4 * 2 ** 20) })
    expect(await b.keys()).toBe('a/big')
  })

  test('rings after each change, in order', async () => {
    const b = bench()
    const seen: Change[] = []
    const remove = b.store.onChange((changes) => seen.push(...changes))
    await b.put('a/x', { n: 1 })
    await b.put('a/x', { n: 2 })
    await b.remove('a/x')
    remove()
    await b.put('a/y')
    const short = seen.map(({ type, key, object, previous }) => [type, key, object.n, previous?.n])
    expect(short).toEqual([
      ['created', 'a/x', 1, undefined],
      ['updated', 'a/x', 2, 1],
      ['deleted', 'a/x', 2, 2]
    ])
  })

  test('tells what happened at numbers, in order, each once; not what is no change', async () => {
    const b = bench()
    for (const n of [1, 2]) await b.put('a/x', { n })
    const [fenced] = [await b.backend.reserve('pods', 1, 0)]
    await b.backend.fence('pods', fenced, b.clock.now())
    await b.remove('a/x')
    const changes = await b.store.changes('pods', [5, 3, 2, 4, 3, 99])
    const short = changes.map(({ type, key, object, previous }) => [type, key, object.n, previous?.n])
    expect(short).toEqual([
      ['created', 'a/x', 1, undefined],
      ['updated', 'a/x', 2, 1],
      ['deleted', 'a/x', 2, 2]
    ])
    expect(await b.store.changes('pods', [4, 99])).toEqual([])
    expect((await b.store.changes('pods', [3])).map(({ previous }) => previous?.n)).toEqual([1])
  })

  test('tells the history of an object, newest first', async () => {
    const b = bench()
    for (const n of [1, 2, 3]) await b.put('a/x', { n })
    await b.put('a/y')
    await b.remove('a/x')
    const history = await b.store.history('pods', 'a/x')
    expect(told(history)).toEqual([
      'deleted a/x@6 was 4',
      'updated a/x@4 was 3',
      'updated a/x@3 was 2',
      'created a/x@2'
    ])
    expect(history.map(({ entry }) => entry.value.n)).toEqual([3, 3, 2, 1])
    expect(await b.store.history('pods', 'a/none')).toEqual([])
  })
}

function refreshCases(bench: () => Bench): void {
  /** Whether the backend can do it; the one process of an exclusive one commits for less. */
  const refreshes = () => !bench().backend.exclusive && bench().backend.refresh !== undefined

  test('replaces an object at the version that it has, or is declined', async () => {
    const b = bench()
    const first = await b.put('a/x', { n: 1 })
    const result = await b.store.refresh(first, b.object('a/x', { n: 2 }))
    expect(result?.version).toBe(refreshes() ? first.version : undefined)
    const now = refreshes() ? 2 : 1
    const found = await b.store.get('pods', 'a/x')
    expect([found?.version, found?.value.n, found?.value.metadata.resourceVersion]).toEqual([2, now, '2'])
    expect((await b.list()).entries.map(({ value, version }) => [value.n, version])).toEqual([[now, 2]])
    const other = new Store({ backend: b.backend, ports: manualPorts(b.clock), indexes })
    expect((await other.get('pods', 'a/x'))?.value.n).toBe(now)
    // Nobody is told, no number is used, and whoever holds the version may write on.
    expect(await passing(b.clock, b.store.version('pods'))).toBe(2)
    expect((await b.put('a/x', { n: 3 })).version).toBe(3)
    expect(told(await b.events(2, { from: 1 }))).toEqual(['created a/x@2', 'updated a/x@3 was 2'])
    expect((await b.list({ exact: 2 })).entries.map(({ value }) => value.n)).toEqual([1])
  })

  test('is refused where the object has moved on, was deleted or made anew', async () => {
    const b = bench()
    const first = await b.put('a/x', { n: 1 })
    await b.put('a/x', { n: 2 })
    expect(await b.store.refresh(first, b.object('a/x', { n: 9 }))).toBeUndefined()
    expect((await b.store.get('pods', 'a/x'))?.value.n).toBe(2)
    const second = (await b.store.get('pods', 'a/x')) as Entry
    await b.remove('a/x')
    expect(await b.store.refresh(second, b.object('a/x', { n: 9 }))).toBeUndefined()
    expect(await b.store.get('pods', 'a/x')).toBeUndefined()
    await b.put('a/x', { n: 4 })
    expect(await b.store.refresh(second, b.object('a/x', { n: 9 }))).toBeUndefined()
    expect(await b.keys()).toBe('a/x')
    expect((await b.store.get('pods', 'a/x'))?.value.n).toBe(4)
  })

  test('one of a refresh and a commit of the same version comes first, and both keep what they promise', async () => {
    const b = bench()
    const first = await b.put('a/x', { n: 1 })
    const write = { resource: 'pods', key: 'a/x', expected: 2, object: b.object('a/x', { n: 3 }) }
    const both = Promise.all([b.store.commit([write]), b.store.refresh(first, b.object('a/x', { n: 2 }))])
    const [committed] = await passing(b.clock, both)
    expect(committed.ok).toBe(true)
    expect((await b.store.get('pods', 'a/x'))?.value.n).toBe(3)
  })
}

function listCases(bench: () => Bench): void {
  const KEYS = ['a/1', 'a/2', 'a/3', 'a-b/1', 'ab/1', 'b/1', 'b/2']

  beforeEach(async () => {
    for (const key of [...KEYS].reverse()) await bench().put(key, { node: key.startsWith('a/') ? 'n1' : 'n2' })
  })

  test.each<{ name: string; options: ListOptions; keys: string; remaining?: number }>([
    { name: 'all in order', options: {}, keys: 'a-b/1 a/1 a/2 a/3 ab/1 b/1 b/2' },
    { name: 'a prefix', options: { prefix: 'a/' }, keys: 'a/1 a/2 a/3' },
    { name: 'a prefix of nothing', options: { prefix: 'c/' }, keys: '' },
    { name: 'a limit', options: { limit: 3 }, keys: 'a-b/1 a/1 a/2', remaining: 4 },
    { name: 'a limit within a prefix', options: { prefix: 'a/', limit: 2 }, keys: 'a/1 a/2', remaining: 1 },
    { name: 'a limit that just fits', options: { prefix: 'a/', limit: 3 }, keys: 'a/1 a/2 a/3' },
    { name: 'no limit as 0', options: { limit: 0, prefix: 'b/' }, keys: 'b/1 b/2' },
    { name: 'an index', options: { index: { name: 'node', value: 'n1' } }, keys: 'a/1 a/2 a/3' },
    { name: 'an index and a prefix', options: { index: { name: 'node', value: 'n2' }, prefix: 'b/' }, keys: 'b/1 b/2' },
    { name: 'an index without objects', options: { index: { name: 'node', value: 'n' } }, keys: '' }
  ])('of $name', async ({ options, keys, remaining }) => {
    const result = await bench().list(options)
    expect(names(result.entries)).toBe(keys)
    expect(result.version).toBe(8)
    expect(result.remaining).toBe(remaining)
    expect(result.continue === undefined).toBe(remaining === undefined)
  })

  test('counts only what the filter passes for the limit, and tells no remainder', async () => {
    const filter = ({ key }: Entry) => key.endsWith('/1')
    const first = await bench().list({ filter, limit: 3 })
    expect(names(first.entries)).toBe('a-b/1 a/1 ab/1')
    expect(first.remaining).toBeUndefined()
    expect(first.continue).toBeDefined()
    const last = await bench().list({ filter, limit: 3, continue: first.continue ?? '' })
    expect([names(last.entries), last.continue]).toEqual(['b/1', undefined])
  })

  test('shows one version on all pages, whatever happens between', async () => {
    const b = bench()
    let page = await b.list({ limit: 2 })
    const seen = [...page.entries]
    await b.remove('a/2')
    await b.put('a/3', { changed: true })
    await b.put('a/25')
    await b.remove('b/2')
    await b.put('b/2', { again: true })
    await b.put('a/1', { changed: true })
    while (page.continue !== undefined) {
      page = await b.list({ limit: 2, continue: page.continue })
      expect(page.version).toBe(8)
      seen.push(...page.entries)
      await b.put('ab/1', { n: seen.length })
    }
    expect(names(seen)).toBe('a-b/1 a/1 a/2 a/3 ab/1 b/1 b/2')
    expect(seen.map(({ version }) => version).every((version) => version <= 8)).toBe(true)
    expect(await b.keys()).toBe('a-b/1 a/1 a/25 a/3 ab/1 b/1 b/2')
  })

  test('shows an exact version, by prefix and index too', async () => {
    const b = bench()
    await b.remove('a/2')
    await b.put('a/3', { node: 'n2' })
    await b.put('b/2', { node: 'n1' })
    const index = { name: 'node', value: 'n1' }
    expect(await b.keys({ exact: 8 })).toBe('a-b/1 a/1 a/2 a/3 ab/1 b/1 b/2')
    expect(await b.keys({ exact: 8, prefix: 'a/' })).toBe('a/1 a/2 a/3')
    expect(await b.keys({ exact: 8, index })).toBe('a/1 a/2 a/3')
    expect(await b.keys({ exact: 9, index })).toBe('a/1 a/3')
    expect(await b.keys({ index })).toBe('a/1 b/2')
    expect(await b.keys({ exact: 3 })).toBe('b/1 b/2')
    expect(await b.keys({ notOlderThan: 9 })).toBe('a-b/1 a/1 a/3 ab/1 b/1 b/2')
    const page = await b.list({ exact: 8, limit: 6 })
    expect([page.remaining, page.version]).toEqual([1, 8])
  })

  test('follows objects from one value of an index to another', async () => {
    const b = bench()
    await b.put('a/1', { node: 'n2', metadata: { name: '1', namespace: 'a', labels: { p: '', q: '' } } })
    expect(await b.keys({ index: { name: 'node', value: 'n1' } })).toBe('a/2 a/3')
    expect(await b.keys({ index: { name: 'labels', value: 'q' } })).toBe('a/1')
    await b.put('a/1', { metadata: { name: '1', namespace: 'a', labels: { p: '' } } })
    expect(await b.keys({ index: { name: 'labels', value: 'q' } })).toBe('')
    expect(await b.keys({ index: { name: 'labels', value: 'p' } })).toBe('a/1')
    await b.remove('a/1')
    expect(await b.keys({ index: { name: 'labels', value: 'p' } })).toBe('')
  })

  test.each([{ exact: 99 }, { notOlderThan: 99 }])('refuses a version to come: %j', async (options) => {
    await expect(bench().list(options)).rejects.toMatchObject({
      reason: 'Timeout',
      code: 504,
      message: 'Too large resource version: 99, current: 8',
      details: {
        causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
        retryAfterSeconds: 1
      }
    })
  })

  test.each([
    'x',
    '%%%',
    Buffer.from('{}').toString('base64url'),
    Buffer.from('null').toString('base64url'),
    Buffer.from('{"v":0,"after":"a/1"}').toString('base64url'),
    Buffer.from('{"v":1.5,"after":"a/1"}').toString('base64url'),
    Buffer.from('{"v":-2,"after":"a/1"}').toString('base64url'),
    Buffer.from('{"v":1,"after":""}').toString('base64url'),
    Buffer.from('{"v":1,"after":"b/1"}').toString('base64url')
  ])('refuses the token %s', async (token) => {
    const failure = bench().list({ prefix: 'a/', continue: token })
    await expect(failure).rejects.toMatchObject({ reason: 'BadRequest', code: 400 })
    await expect(failure).rejects.toThrow(/^invalid continue token: continue key is not valid: /)
  })
}

function watchCases(bench: () => Bench, many: number): void {
  test('delivers every change once, in order, with what it replaced', async () => {
    const b = bench()
    await b.put('a/x', { n: 1 })
    const waiting = b.events(5, { from: 0 })
    await b.put('a/x', { n: 2 })
    await b.put('b/y')
    await b.remove('a/x')
    await b.put('a/x', { n: 3 })
    const expected = ['created a/x@2', 'updated a/x@3 was 2', 'created b/y@4', 'deleted a/x@5 was 3', 'created a/x@6']
    expect(told(await waiting)).toEqual(expected)
    for (let n = 0; n < 5; n++) expect(told(await b.events(5 - n, { from: n + 1 }))).toEqual(expected.slice(n))
    expect(told(await b.events(1, { from: 0, prefix: 'b/' }))).toEqual(['created b/y@4'])
  })

  test('shows of a deletion the last object with the version of the deletion', async () => {
    const b = bench()
    await b.put('a/x', { n: 1 })
    await b.remove('a/x')
    await b.put('a/x', { n: 2 })
    const last = b.object('a/x', { n: 9 })
    await b.one({ resource: 'pods', key: 'a/x', expected: 4, object: undefined, last })
    const deleted = (await b.events(4, { from: 0 })).filter(({ type }) => type === 'deleted')
    expect(deleted.map(({ entry }) => [entry.value.n, entry.value.metadata.resourceVersion, entry.version])).toEqual([
      [1, '3', 3],
      [9, '5', 5]
    ])
  })

  test('ends when its signal aborts, at once where it was aborted before', async () => {
    const b = bench()
    const stop = new AbortController()
    const watch = b.store.watch('pods', { from: 0, signal: stop.signal })
    const read = async () => {
      for await (const events of watch) if (events.length > 0) stop.abort()
      return watch.position
    }
    const done = read()
    await b.put('a/x')
    expect(await passing(b.clock, done)).toBe(2)
    expect(await passing(b.clock, read())).toBe(2)
  })

  test('ends when all up to a version was told, also where it shows nothing of it', async () => {
    const b = bench()
    const signal = new AbortController().signal
    for (const key of ['a/x', 'b/x', 'b/y']) await b.put(key)
    const read = async (from: number, prefix: string) => {
      const watch = b.store.watch('pods', { from, prefix, until: 4, signal })
      const seen: StoreEvent[] = []
      for await (const events of watch) seen.push(...events)
      return [names(seen.map(({ entry }) => entry)), watch.position]
    }
    expect(await passing(b.clock, read(0, ''))).toEqual(['a/x b/x b/y', 4])
    expect(await passing(b.clock, read(2, 'a/'))).toEqual(['', 4])
    expect(await passing(b.clock, read(4, ''))).toEqual(['', 4])
  })

  test('tells how far it has got, also past what it does not show', async () => {
    const b = bench()
    const stop = new AbortController()
    const watch = b.store.watch('pods', { from: 0, prefix: 'a/', signal: stop.signal })
    const seen: StoreEvent[] = []
    const read = async () => {
      for await (const events of watch) seen.push(...events)
    }
    const done = read()
    for (const key of ['a/x', 'b/x', 'b/y']) await b.put(key)
    await passing(b.clock, new Promise<void>((resolve) => b.clock.after(1_000, resolve)))
    expect([names(seen.map(({ entry }) => entry)), watch.position]).toEqual(['a/x', 4])
    stop.abort()
    await passing(b.clock, done)
  })

  test('refuses a version to come', async () => {
    await bench().put('a/x')
    await expect(bench().events(1, { from: 9 })).rejects.toThrow('Too large resource version: 9, current: 2')
  })

  test('knows which version there was at a time', async () => {
    const b = bench()
    const times: number[] = []
    for (const key of ['a/1', 'a/2', 'a/3', 'a/4']) {
      times.push((await b.put(key)).at ?? 0)
      b.clock.advance(10_000)
    }
    const at = (ms: number) => passing(b.clock, b.store.versionAt('pods', ms))
    for (const [i, ms] of times.entries()) {
      expect(await at(ms)).toBe(i + 2)
      expect(await at(ms - 1)).toBe(i + 1)
    }
    expect(await at(b.clock.now())).toBe(5)
    await expect(at(b.clock.now() - RETENTION - 1)).rejects.toMatchObject({ reason: 'Expired', code: 410 })
    expect(await passing(b.clock, b.store.versionAt('nodes', b.clock.now()))).toBe(1)
  })

  test('tells the history of an object in parts', async () => {
    const b = bench()
    for (const n of [1, 2, 3, 4]) await b.put('a/x', { n })
    expect(told(await b.store.history('pods', 'a/x', { limit: 2 }))).toEqual([
      'updated a/x@5 was 4',
      'updated a/x@4 was 3'
    ])
    expect(told(await b.store.history('pods', 'a/x', { limit: 2, before: 4 }))).toEqual([
      'updated a/x@3 was 2',
      'created a/x@2'
    ])
  })

  test('reads far back from the log', async () => {
    const b = bench()
    const count = many
    const puts = Array.from({ length: count }, (_, n) => ({ resource: 'pods', key: `a/${n}`, expected: 0, n }))
    const all = Promise.all(
      puts.map(({ n, ...write }) => b.store.commit([{ ...write, object: b.object(write.key, { n }) }]))
    )
    await passing(b.clock, all)
    const events = await b.events(count, { from: 0 })
    expect(events.map(({ version }) => version)).toEqual(Array.from({ length: count }, (_, n) => n + 2))
    expect(new Set(events.map(({ entry }) => entry.key)).size).toBe(count)
    const half = await b.list({ exact: 1 + count / 2 })
    expect(half.entries).toHaveLength(count / 2)
    expect(half.entries.every(({ version }) => version <= 1 + count / 2)).toBe(true)
  })
}

function retentionCases(bench: () => Bench, many: number): void {
  test('tells a watch that comes long after all of its log was forgotten', async () => {
    const b = bench()
    const keys = Array.from({ length: many }, (_, n) => `a/${n}`)
    const commits = keys.map((key) => b.store.commit([{ resource: 'pods', key, expected: 0, object: b.object(key) }]))
    await passing(b.clock, Promise.all(commits))
    await b.trim()
    await b.put('a/x')
    await expect(b.events(1, { from: 2 })).rejects.toMatchObject({ reason: 'Expired', code: 410 })
  })

  test('forgets the log after its time, keeps the objects, and says so', async () => {
    const b = bench()
    for (const key of ['a/x', 'a/y', 'a/z']) await b.put(key)
    const page = await b.list({ limit: 1 })
    await b.put('a/y', { n: 2 })
    await b.remove('a/z')
    await b.trim()
    expect(await b.keys()).toBe('a/x a/y')
    await b.put('a/y', { n: 3 })
    await expect(b.events(1, { from: 3 })).rejects.toMatchObject({
      reason: 'Expired',
      code: 410,
      message: 'too old resource version: 3 (6)'
    })
    expect(told(await b.events(1, { from: 6 }))).toEqual(['updated a/y@7 was 5'])
    await expect(b.list({ limit: 1, continue: page.continue ?? '' })).rejects.toMatchObject({
      reason: 'Expired',
      code: 410,
      message:
        /^The provided continue parameter is too old to display a consistent list result\. .* show up in the list\.$/
    })
    await expect(b.list({ exact: 4 })).rejects.toMatchObject({ reason: 'Expired', code: 410 })
    expect(await b.store.history('pods', 'a/z')).toEqual([])
    expect((await b.put('a/z')).version).toBe(8)
  })

  test('still rolls back to what an old version was when it is replaced late', async () => {
    const b = bench()
    for (const n of [1, 2]) await b.put(`a/${n}`, { n })
    await b.trim()
    const page = await b.list({ limit: 1 })
    await b.put('a/2', { n: 22 })
    await b.remove('a/1')
    const second = await b.list({ limit: 1, continue: page.continue ?? '' })
    expect(second.entries.map(({ value, version }) => [value.n, version])).toEqual([[2, 3]])
    expect((await b.list({ exact: 3 })).entries.map(({ value }) => value.n)).toEqual([1, 2])
    const [event] = await b.events(1, { from: 3 })
    expect(event?.previous?.value.n).toBe(2)
  })

  test('keeps what is younger than the retention time', async () => {
    const b = bench()
    await b.put('a/x')
    b.clock.advance(RETENTION * 0.9)
    await b.put('a/y')
    expect(told(await b.events(2, { from: 0 }))).toEqual(['created a/x@2', 'created a/y@3'])
    expect(b.clock.now()).toBeLessThan(1_700_000_000_000 + HOUR)
  })
}
