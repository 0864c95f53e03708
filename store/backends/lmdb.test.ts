import { copyFileSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import type { LogRecord, TransactionItem } from '../backend.ts'
import { LmdbBackend } from './lmdb.ts'
import { decodeRecord, encodeRecord } from './lmdb-record.ts'

const ports = systemPorts(silentLog)
let path: string

beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), 'wherry-lmdb-'))
})
afterEach(() => rmSync(path, { recursive: true, force: true }))

function put(version: number, key: string, text: string): TransactionItem {
  const bytes = Buffer.from(text)
  const record: LogRecord = { version, type: 'put', key, replaced: 0, at: 5, bytes, previous: undefined }
  return { resource: 'r', expected: 0, record, added: ['a=b'], removed: [] }
}

async function filled(): Promise<void> {
  const backend = await LmdbBackend.open({ path, ports })
  for (let version = await backend.reserve('r', 49); version <= 50; version++) {
    await backend.commit([put(version, `k${version}`, 'x'.repeat(3_000))])
  }
  await backend.advance('r', 40)
  await backend.close()
}

test('opens again with what it held', async () => {
  await filled()
  const backend = await LmdbBackend.open({ path, ports })
  expect(await backend.counter('r')).toEqual({ reserved: 50, frontier: 40 })
  expect((await backend.get('r', 'k7'))?.bytes).toHaveLength(3_000)
  expect(await backend.resources()).toEqual(['r'])
  await backend.close()
})

test('lets one opener in at a time', async () => {
  const backend = await LmdbBackend.open({ path, ports })
  await expect(LmdbBackend.open({ path, ports })).rejects.toThrow(`${path} is in use by another process`)
  await backend.close()
  await (await LmdbBackend.open({ path, ports })).close()
})

test.each<{ name: string; harm: (file: string) => void; message: RegExp }>([
  { name: 'other bytes', harm: (file) => writeFileSync(file, 'no database'), message: /is not a database of wherry$/ },
  {
    name: 'zeros',
    harm: (file) => writeFileSync(file, Buffer.alloc(statSync(file).size)),
    message: /is not a database of wherry$/
  },
  { name: 'one page', harm: (file) => truncateSync(file, 4_096), message: /has lost its second page$/ },
  { name: 'two pages', harm: (file) => truncateSync(file, 8_192), message: /was cut short$/ },
  {
    name: 'all but a page',
    harm: (file) => truncateSync(file, statSync(file).size - 4_096),
    message: /was cut short$/
  }
])('says that a database of $name is damaged', async ({ harm, message }) => {
  await filled()
  const file = join(path, 'data.mdb')
  copyFileSync(file, `${file}.whole`)
  harm(file)
  const opening = LmdbBackend.open({ path, ports })
  await expect(opening).rejects.toThrow(message)
  await expect(opening).rejects.toThrow(`the data in ${path} is damaged: `)
  copyFileSync(`${file}.whole`, file)
  await (await LmdbBackend.open({ path, ports })).close()
})

test('refuses one commit of a batch, not its neighbours', async () => {
  const backend = await LmdbBackend.open({ path, ports })
  await backend.reserve('r', 9)
  const results = await Promise.allSettled([
    backend.commit([put(1, 'a', 'one')]),
    backend.commit([put(2, 'a', 'two')]),
    backend.commit([put(3, 'x'.repeat(2_000), 'three')]),
    backend.fence('r', 4, 1),
    backend.commit([put(4, 'b', 'four')]),
    backend.commit([put(5, 'c', 'five')])
  ])
  expect(results.map((result) => (result.status === 'fulfilled' ? result.value : String(result.reason)))).toEqual([
    { ok: true },
    { ok: false, reason: 'object', item: 0, current: { key: 'a', version: 1, at: 5, bytes: Buffer.from('one') } },
    'RangeError: a key has at most 600 characters',
    true,
    { ok: false, reason: 'number', item: 0, current: undefined },
    { ok: true }
  ])
  expect((await backend.readLog('r', 0, 9)).map(({ version, type }) => `${version} ${type}`)).toEqual([
    '1 put',
    '4 fence',
    '5 put'
  ])
  await backend.close()
})

describe('a record', () => {
  const records: LogRecord[] = [
    { version: 1, type: 'put', key: 'a/é', replaced: 0, at: 1.5e12, bytes: Buffer.from('{}'), previous: undefined },
    {
      version: 2 ** 52,
      type: 'delete',
      key: 'k',
      replaced: 9,
      at: 1,
      bytes: Buffer.from('x'),
      previous: Buffer.from('')
    },
    { version: 3, type: 'put', key: 'k', replaced: 1, at: 1, bytes: Buffer.from(''), previous: Buffer.from('before') },
    { version: 4, type: 'fence', key: '', replaced: 0, at: 1, bytes: undefined, previous: undefined }
  ]

  test.each(records)('comes back as it was: %j', (record) => {
    expect(decodeRecord(encodeRecord(record))).toEqual(record)
  })

  test('is refused when any byte of it has changed', () => {
    const whole = encodeRecord(records[2] as LogRecord)
    for (let i = 0; i < whole.length; i++) {
      const harmed = Buffer.from(whole)
      harmed[i] = (harmed[i] ?? 0) ^ 0x41
      expect(() => decodeRecord(harmed)).toThrow(/unknown format|wrong checksum/)
    }
    expect(() => decodeRecord(whole.subarray(0, 20))).toThrow('unknown format')
  })
})
