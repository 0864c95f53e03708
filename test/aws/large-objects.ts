import { randomBytes } from 'node:crypto'
import type { KubeObject } from '../../core/object.ts'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import type { Backend } from '../../store/backend.ts'
import { type Entry, Store, type StoreEvent } from '../../store/store.ts'

const RESOURCE = 'secrets'

/** What no compression makes smaller than three quarters of its length. */
function object(name: string, bytes: number): KubeObject {
  const data = { fill: randomBytes((bytes * 3) / 4).toString('base64') }
  return { kind: 'Secret', apiVersion: 'v1', metadata: { name, namespace: 'a' }, data }
}

/** Objects that one item cannot hold. */
export function largeObjects(open: () => Promise<Backend>): void {
  test.each([
    { bytes: 300_000, next: 1_500_000 },
    { bytes: 1_500_000, next: 1_500_000 },
    { bytes: 1_000_000, next: 100 },
    { bytes: 1_400_000, next: 0 }
  ])('keeps an object of $bytes bytes, then of $next', async ({ bytes, next }) => {
    const store = new Store({ backend: await open(), ports: systemPorts(silentLog) })
    const write = async (expected: number, value: KubeObject | undefined): Promise<Entry> => {
      const result = await store.commit([{ resource: RESOURCE, key: 'a/big', expected, object: value }])
      if (!result.ok) throw new Error('refused')
      return result.entries[0] as Entry
    }
    const first = await write(0, object('big', bytes))
    expect(text(await store.get(RESOURCE, 'a/big'))).toBe(text(first))
    expect((await store.list(RESOURCE)).entries.map(text)).toEqual([text(first)])
    const second = await write(first.version, next === 0 ? undefined : object('big', next))
    const stale = await store.commit([{ resource: RESOURCE, key: 'a/big', expected: first.version, object: undefined }])
    expect(stale.ok ? 'taken' : text(stale.current)).toBe(next === 0 ? '' : text(second))
    expect(text(await store.get(RESOURCE, 'a/big'))).toBe(next === 0 ? '' : text(second))
    const stop = new AbortController()
    const seen: StoreEvent[] = []
    for await (const events of store.watch(RESOURCE, { from: 1, signal: stop.signal })) {
      seen.push(...events)
      if (seen.length === 2) stop.abort()
    }
    expect(seen.map(({ entry, previous }) => [text(entry), text(previous)])).toEqual([
      [text(first), ''],
      [text(second), text(first)]
    ])
    expect((await store.list(RESOURCE, { exact: first.version })).entries.map(text)).toEqual([text(first)])
    await write(next === 0 ? 0 : second.version, object('big', 1_200_000))
    await store.close()
  })

  test('refuses a transaction that is too large for DynamoDB, and goes on', async () => {
    const store = new Store({ backend: await open(), ports: systemPorts(silentLog) })
    const write = (i: number) => ({ resource: RESOURCE, key: `a/${i}`, expected: 0, object: object(`${i}`, 1_500_000) })
    await expect(store.commit([0, 1, 2, 3].map(write))).rejects.toMatchObject({ code: 413 })
    expect(await store.commit([write(4)])).toMatchObject({ ok: true })
    expect((await store.list(RESOURCE)).entries.map(({ key }) => key)).toEqual(['a/4'])
    await store.close()
  })
}

function text(entry: Entry | undefined): string {
  return entry === undefined ? '' : Buffer.from(entry.bytes()).toString()
}
