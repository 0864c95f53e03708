import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { kubeconfig } from './kubeconfig.ts'
import { ownOptions } from './kubectl.ts'
import { fileLog, logLine } from './log.ts'
import { lastError } from './log-tail.ts'
import { failureOf } from './preflight.ts'
import { merged, stagesFor, summary } from './test.ts'

// What commands write, and how they read what others wrote.

let dir: string

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'wherry-output-'))
})

afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

test('the kubeconfig is YAML with everything in it', () => {
  const text = kubeconfig({
    clusterName: 'wherry1',
    server: 'https://127.0.0.1:7',
    ca: 'A',
    certificate: 'B',
    key: 'C'
  })
  const base64 = (plain: string) => Buffer.from(plain).toString('base64')
  expect(parse(text)).toEqual({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      { name: 'wherry1', cluster: { server: 'https://127.0.0.1:7', 'certificate-authority-data': base64('A') } }
    ],
    users: [
      { name: 'wherry1-admin', user: { 'client-certificate-data': base64('B'), 'client-key-data': base64('C') } }
    ],
    contexts: [{ name: 'wherry1', context: { cluster: 'wherry1', user: 'wherry1-admin' } }],
    'current-context': 'wherry1'
  })
})

test.each([
  ['none', ['get', 'pods'], ['get', 'pods'], '/default'],
  ['at the end', ['get', 'pods', '--data-dir', '/x'], ['get', 'pods'], '/x'],
  ['in one word', ['get', '--data-dir=/x y', 'pods'], ['get', 'pods'], '/x y'],
  ["a command's own", ['exec', 'p', '--', 'tool', '--data-dir', '/x'], undefined, '/default'],
  ['something else', ['get', '--data-directory=/x'], undefined, '/default']
])('kubectl and --data-dir: %s', (_what, args, rest, dataDir) => {
  expect(ownOptions(args, { dataDir: '/default' })).toEqual({ args: rest ?? args, options: { dataDir } })
})

test('kubectl and --data-dir without a folder', () => {
  expect(() => ownOptions(['get', '--data-dir'], { dataDir: '/default' })).toThrow('--data-dir needs a folder')
})

test.each([
  ['E: Unable to locate package conntrack\n', 'Unable to locate package conntrack'],
  ['W: old list\nE: one\nE: two\n', 'one; two'],
  [
    'dpkg: error processing package x (--configure):\n post-installation failed\n',
    'dpkg: error processing package x (--configure):'
  ],
  ['a\nb\nc\nd\n', 'b; c; d'],
  ['', '']
])('what apt failed at: %j', (output, expected) => {
  expect(failureOf(output)).toBe(expected)
})

test('a line of the log has what an error says', () => {
  const cause = Object.assign(new Error('no disk'), { code: 'ENOSPC' })
  const line = JSON.parse(logLine({ level: 50 }, { error: cause, big: 1n }, 'failed'))
  expect(line).toMatchObject({ level: 50, msg: 'failed', big: '1', error: { message: 'no disk', code: 'ENOSPC' } })
})

test('a line of the log survives what JSON cannot say', () => {
  const round: Record<string, unknown> = {}
  round.self = round
  expect(JSON.parse(logLine({ level: 50 }, { round }, 'failed'))).toMatchObject({ level: 50, msg: 'failed' })
})

test('a log that has grown too large is cut, and the older half kept once', () => {
  const file = join(dir, 'wherry.log')
  const large = `${'x'.repeat(17 * 1024 * 1024)}\n`
  writeFileSync(file, large, { mode: 0o600 })
  const log = fileLog(file)
  log.info({}, 'first')
  expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(2)
  expect(statSync(`${file}.1`).size).toBe(large.length)
  expect(statSync(`${file}.1`).mode & 0o077).toBe(0)
})

test.each([
  [
    'the newest error counts',
    [
      { level: 50, time: 5, msg: 'a' },
      { level: 50, time: 6, msg: 'b' }
    ],
    'b'
  ],
  ['warnings do not', [{ level: 40, time: 5, msg: 'a' }], undefined],
  ['older ones do not', [{ level: 50, time: 4, msg: 'a' }], undefined],
  ['with its cause', [{ level: 50, time: 5, msg: 'a', error: 'Error: no disk\n  at x' }], 'a: no disk'],
  ['with its cause as an object', [{ level: 50, time: 5, msg: 'a', err: { message: 'no disk' } }], 'a: no disk'],
  ['an empty log', [], undefined]
])('the last error of the log: %s', (_what, lines, expected) => {
  const file = join(dir, 'wherry.log')
  writeFileSync(file, ['plain text', '{"level":50', ...lines.map((line) => JSON.stringify(line))].join('\n'))
  expect(lastError(file, 5)).toBe(expected)
})

test.each([
  [[], ['lint', 'types', 'tests', 'tests of the whole machine', 'tests of AWS', 'tests of nodes on AWS']],
  [['types'], ['types']],
  [['golden', 'store/'], ['tests of golden store/']],
  [
    ['lint', 'cli'],
    ['lint', 'tests of cli']
  ]
])('the stages of test %j', (names, expected) => {
  expect(stagesFor(names).map(({ name }) => name)).toEqual(expected)
})

const file = (name: string, ...statuses: string[]) => ({
  name,
  status: statuses.includes('failed') || statuses.length === 0 ? ('failed' as const) : ('passed' as const),
  startTime: 0,
  endTime: 1,
  assertionResults: statuses.map((status) => ({ status }))
})

test('the last line sums up the tests; a file that could not be run counts as one that failed', () => {
  const stage = { name: 'tests', args: [], jest: true }
  const lines = summary([
    { stage, ok: false, seconds: 3, result: { testResults: [file('a', 'passed', 'failed'), file('b')] } },
    { stage, ok: true, seconds: 3, result: { testResults: [file('c', 'passed', 'pending', 'todo')] } },
    { stage: { ...stage, name: 'lint' }, ok: true, seconds: 1, result: undefined }
  ])
  expect(lines.at(-1)).toBe('2 passed, 2 failed, 2 skipped')
  expect(lines.filter((line) => line.startsWith('FAILED'))).toHaveLength(1)
})

test('what passed when it ran once more counts as passed, and is named', () => {
  const first = { testResults: [file('/a', 'passed'), file('/b', 'passed', 'failed')] }
  const result = merged(first, { testResults: [file('/b', 'passed', 'passed')] })
  const stage = { name: 'tests', args: [], jest: true }
  const lines = summary([{ stage, ok: true, seconds: 3, result, unsteady: ['/b'] }])
  expect(lines.at(-1)).toBe('3 passed, 0 failed, 0 skipped')
  expect(lines.join('\n')).toMatch(/failed at first, passed when run once more:\n.*\/b/)
  expect(merged(first, undefined)).toEqual(first)
})
