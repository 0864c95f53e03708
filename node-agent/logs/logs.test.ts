import { appendFileSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog, systemPorts } from '../../core/system-ports.ts'
import { ran } from '../pod/fixture.ts'
import { FakeRuntime } from '../runtime/fake.ts'
import { type LogOptions, type LogSource, readLog } from './read-log.ts'
import { rotateLogs } from './rotate.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wherry-logs-'))
  file = join(folder, '0.log')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const line = (second: number, text: string, tag = 'F', stream = 'stdout') =>
  `2026-01-01T00:00:0${second}.000000001Z ${stream} ${tag} ${text}\n`
const source = (more: Partial<LogSource> = {}): LogSource => ({
  file,
  running: () => false,
  onEnd: () => () => {},
  signal: new AbortController().signal,
  ...more
})
const plain: LogOptions = { timestamps: false, follow: false }
async function read(options: Partial<LogOptions>): Promise<string> {
  let text = ''
  for await (const chunk of readLog(source(), { ...plain, ...options })) text += chunk.toString()
  return text
}

describe('a log', () => {
  beforeEach(() => {
    const text = line(1, 'one') + line(2, 'tw', 'P') + line(2, 'o') + line(3, 'three', 'F', 'stderr')
    writeFileSync(file, text)
  })
  test.each<[string, Partial<LogOptions>, string]>([
    ['whole', {}, 'one\ntwo\nthree\n'],
    ['its end', { tailLines: 1 }, 'three\n'],
    ['nothing of it', { tailLines: 0 }, ''],
    ['more than there is', { tailLines: 99 }, 'one\ntwo\nthree\n'],
    ['since a time', { since: Date.parse('2026-01-01T00:00:02Z') }, 'two\nthree\n'],
    ['so many bytes', { limitBytes: 5 }, 'one\nt'],
    ['one stream', { stream: 'stderr' }, 'three\n'],
    [
      'with times, once for a line in parts',
      { timestamps: true },
      '2026-01-01T00:00:01.000000001Z one\n2026-01-01T00:00:02.000000001Z two\n2026-01-01T00:00:03.000000001Z three\n'
    ]
  ])('%s', async (_, options, expected) => expect(await read(options)).toBe(expected))

  test('the end of a long one', async () => {
    writeFileSync(file, Array.from({ length: 20_000 }, (_, index) => line(1, `line ${index}`)).join(''))
    expect(await read({ tailLines: 2 })).toBe('line 19998\nline 19999\n')
    expect((await read({})).split('\n')).toHaveLength(20_001)
  })
})

test('a log is followed through rotation, until the container has ended', async () => {
  writeFileSync(file, line(1, 'one'))
  let running = true
  let ended: () => void = () => {}
  const onEnd = (listener: () => void) => {
    ended = listener
    return () => {}
  }
  const seen: string[] = []
  const steps: (() => void)[] = [
    () => appendFileSync(file, line(2, 'two')),
    () => {
      renameSync(file, `${file}.old`)
      appendFileSync(`${file}.old`, line(3, 'three'))
      writeFileSync(file, '')
    },
    () => appendFileSync(file, line(4, 'four')),
    () => {
      running = false
      ended()
    }
  ]
  for await (const chunk of readLog(source({ running: () => running, onEnd }), { ...plain, follow: true })) {
    seen.push(chunk.toString())
    steps.shift()?.()
  }
  expect(seen.join('')).toBe('one\ntwo\nthree\nfour\n')
})

test('following ends with its reader', async () => {
  writeFileSync(file, line(1, 'one'))
  const gone = new AbortController()
  const follow = readLog(source({ running: () => true, signal: gone.signal }), { ...plain, follow: true })
  expect((await follow.next()).value?.toString()).toBe('one\n')
  const next = follow.next()
  gone.abort()
  expect((await next).done).toBe(true)
})

test('a large log is rotated, and so many files are kept', async () => {
  const runtime = new FakeRuntime(systemPorts(silentLog))
  runtime.reopenLog = async () => writeFileSync(file, '')
  const container = ran('c', { logPath: file })
  for (let round = 0; round < 4; round++) {
    writeFileSync(file, `${round}`.repeat(20))
    await rotateLogs(runtime, [container], { now: 1000 * round, limits: { maxSize: 10, maxFiles: 3 } })
  }
  expect(readdirSync(folder)).toHaveLength(3)
  expect(readFileSync(file, 'utf8')).toBe('')
  const kept = readdirSync(folder)
    .filter((name) => name !== '0.log')
    .sort()
  expect(kept.map((name) => readFileSync(join(folder, name), 'utf8')[0])).toEqual(['2', '3'])
})
