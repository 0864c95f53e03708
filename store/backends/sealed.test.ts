import { silentLog, systemPorts } from '../../core/system-ports.ts'
import type { Backend, TransactionItem } from '../backend.ts'
import { Store } from '../store.ts'
import { MemoryBackend } from './memory.ts'
import { SealedBackend, type SealingKey } from './sealed.ts'

const [OLD, NEW]: SealingKey[] = [
  { id: 'old', key: Buffer.alloc(32, 1) },
  { id: 'new', key: Buffer.alloc(32, 2) }
] as [SealingKey, SealingKey]
const only = (name: string) => (resource: string) => resource === name
const PLAIN = 'correct horse battery staple'

const secret = (value: string) => ({
  kind: 'Secret',
  apiVersion: 'v1',
  metadata: { name: 's', namespace: 'd' },
  data: { password: value }
})
const over = (backend: Backend) => new Store({ backend, ports: systemPorts(silentLog) })
const sealedBy = (inner: Backend, ...keys: [SealingKey, ...SealingKey[]]) =>
  new SealedBackend(inner, { keys, seals: only('secrets') })

/** Everything that the backend holds of a resource. */
async function held(backend: Backend, resource: string): Promise<string> {
  const { objects } = await backend.listObjects(resource, { prefix: '', after: '', limit: 100 })
  const records = await backend.readLog(resource, 0, 100)
  const parts = [...objects, ...records].flatMap((one) => [
    one.bytes,
    'previous' in one ? (one.previous as Uint8Array | undefined) : undefined
  ])
  return parts.map((bytes) => (bytes === undefined ? '' : Buffer.from(bytes).toString('latin1'))).join('\n')
}

describe('a backend under seal', () => {
  test('holds nothing of what a Secret says, and gives it back whole', async () => {
    const inner = new MemoryBackend()
    const store = over(sealedBy(inner, NEW))
    const created = await store.commit([{ resource: 'secrets', key: 'd/s', expected: 0, object: secret(PLAIN) }])
    const version = created.ok ? (created.entries[0]?.version ?? 0) : 0
    await store.commit([{ resource: 'secrets', key: 'd/s', expected: version, object: secret(`${PLAIN} 2`) }])
    await store.commit([{ resource: 'secrets', key: 'd/s', expected: version + 1, object: undefined }])
    await store.commit([{ resource: 'secrets', key: 'd/t', expected: 0, object: secret(PLAIN) }])
    await store.commit([{ resource: 'configmaps', key: 'd/s', expected: 0, object: secret(PLAIN) }])
    const text = await held(inner, 'secrets')
    expect(text.length).toBeGreaterThan(400)
    for (const word of [PLAIN, 'password', 'Secret', 'metadata', Buffer.from(PLAIN).toString('base64')])
      expect(text).not.toContain(word)
    expect(await held(inner, 'configmaps')).toContain(PLAIN)
    const { entries } = await store.list('secrets')
    expect(entries.map(({ value }) => value.data)).toEqual([{ password: PLAIN }])
    const history = await store.history('secrets', 'd/t')
    expect(history.map(({ entry }) => entry.value.data)).toEqual([{ password: PLAIN }])
    await store.close()
  })

  test('the same contents never look the same', async () => {
    const inner = new MemoryBackend()
    const store = over(sealedBy(inner, NEW))
    for (const key of ['d/a', 'd/b'])
      await store.commit([{ resource: 'secrets', key, expected: 0, object: secret(PLAIN) }])
    const [a, b] = await inner.getMany('secrets', ['d/a', 'd/b'])
    expect(Buffer.from(a?.bytes ?? []).equals(Buffer.from(b?.bytes ?? []))).toBe(false)
    await store.close()
  })

  test('keys can be changed: the old one still opens, the new one seals', async () => {
    const inner = new MemoryBackend()
    const before = sealedBy(inner, OLD)
    const put = async (backend: Backend, key: string) => {
      const version = await backend.reserve('secrets', 1, 0)
      const record = { version, type: 'put', key, replaced: 0, at: 1, previous: undefined } as const
      const item: TransactionItem = {
        resource: 'secrets',
        expected: 0,
        record: { ...record, bytes: Buffer.from(PLAIN) },
        added: [],
        removed: []
      }
      expect(await backend.commit([item])).toEqual({ ok: true })
    }
    const text = async (backend: Backend, key: string) =>
      Buffer.from((await backend.get('secrets', key))?.bytes ?? []).toString()
    await put(before, 'a')
    const after = sealedBy(inner, NEW, OLD)
    await put(after, 'b')
    expect([await text(after, 'a'), await text(after, 'b')]).toEqual([PLAIN, PLAIN])
    await expect(before.get('secrets', 'b')).rejects.toThrow('secrets b@3 is not sealed with a key of this cluster')
  })

  test.each<[string, (bytes: Buffer) => Buffer]>([
    ['changed', (bytes) => Buffer.from(bytes.map((byte, at) => (at === bytes.length - 20 ? byte ^ 1 : byte)))],
    ['cut', (bytes) => bytes.subarray(0, -1)],
    ['in the clear', () => Buffer.from('{"kind":"Secret"}')]
  ])('what was %s in the table is refused', async (_, change) => {
    const inner = new MemoryBackend()
    const store = over(sealedBy(inner, NEW))
    await store.commit([{ resource: 'secrets', key: 'd/s', expected: 0, object: secret(PLAIN) }])
    const object = await inner.get('secrets', 'd/s')
    const tampered = { ...object, bytes: change(Buffer.from(object?.bytes ?? [])) }
    const forged = new Proxy(inner, {
      get: (target, name) => (name === 'get' ? async () => tampered : Reflect.get(target, name))
    })
    await expect(sealedBy(forged, NEW).get('secrets', 'd/s')).rejects.toThrow(/secrets d\/s@2 is not/)
    await store.close()
  })

  test('what was sealed for one object cannot stand for another, nor for another version', async () => {
    const inner = new MemoryBackend()
    const store = over(sealedBy(inner, NEW))
    await store.commit([{ resource: 'secrets', key: 'd/s', expected: 0, object: secret(PLAIN) }])
    const object = await inner.get('secrets', 'd/s')
    for (const moved of [
      { ...object, key: 'd/t' },
      { ...object, version: 3 }
    ]) {
      const forged = new Proxy(inner, {
        get: (target, name) => (name === 'get' ? async () => moved : Reflect.get(target, name))
      })
      await expect(sealedBy(forged, NEW).get('secrets', 'd/s')).rejects.toThrow('is not as it was sealed')
    }
    await store.close()
  })
})
